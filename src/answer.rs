//! From a body to an answer: read, gather, decide, render. No server, no ledger, no clock; so that a recorded request can
//! be answered again, byte for byte. What has to be learnt beside the body comes from a [`Source`], which for a recorded
//! request is the record.

use std::sync::OnceLock;

use futures_util::FutureExt;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Kept};
use uuid::Uuid;

use crate::config::{Limits, PayerCheck};
use crate::decide::decide;
use crate::decide::determination::{Determination, PaNeeded};
use crate::decide::facts::{Fact, Facts};
use crate::effort::Effort;
use crate::gather::learned::{Learned, Query, Reply, Source};
use crate::gather::{self, Answers, GatherError, Gathered, Scanned, Way};
use crate::policy::model::{FactName, Plan, PolicySet, Value};
use crate::render::{self, Decision, Frame, RenderError};
use crate::request::hook::Service;
use crate::request::index::Index;
use crate::request::json::Json;
use crate::request::version::Version;
use crate::request::{self, Invocation, RequestError};

/// When an answer is made, and what its ids are made from. Made once for each invocation, and recorded with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Now.
    pub at: Timestamp,
    /// The day, in the payer's time zone.
    pub today: Date,
    /// What all ids of the answer are made from.
    pub seed: Uuid,
}

impl Moment {
    /// This moment.
    #[must_use]
    pub fn now(zone: &TimeZone) -> Self {
        let at = Timestamp::now();
        Self { at, today: at.to_zoned(zone.clone()).date(), seed: Uuid::new_v4() }
    }
}

/// The settings that an answer depends on. They are recorded with every answer, so that replay does not depend on the current
/// configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manner {
    /// What one request may cost.
    pub limits: Limits,
    /// How strictly the payer of a Coverage is looked at.
    pub payer_check: PayerCheck,
    /// Whether an EHR's FHIR server may be reached without encryption (FAULTS E10).
    pub allow_http: bool,
    /// The version spoken with a client that does not say.
    pub default_version: Version,
    /// The payer's time zone: the day of a moment is the day there.
    #[serde(with = "jiff::fmt::serde::tz::required")]
    pub zone: TimeZone,
}

impl Manner {
    /// The settings as JSON, for the record of an answer. The whole type is serialized, so no setting can be left out.
    #[must_use]
    pub fn kept(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The settings recorded with an answer. Settings that the record does not have are taken from `now`. Returns `None` if the
    /// record is not an object or has an unknown setting.
    #[must_use]
    pub fn of_record(kept: &str, now: &Self) -> Option<Self> {
        let kept: Map<String, Kept> = serde_json::from_str(kept).ok()?;
        let mut manner = serde_json::to_value(now).ok()?;
        lay_over(&mut manner, Kept::Object(kept));
        serde_json::from_value(manner).ok()
    }
}

/// Overwrites the members of `below` with those of `above`, recursively.
fn lay_over(below: &mut Kept, above: Kept) {
    match (below, above) {
        (Kept::Object(below), Kept::Object(above)) => {
            for (name, value) in above {
                lay_over(below.entry(name).or_insert(Kept::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}

/// An answer that is not yet recorded.
pub struct Answer {
    /// The response's body.
    pub body: Vec<u8>,
    /// The request's body without its access token, where it has one: tokens are never kept.
    pub without_token: Option<String>,
    /// The assertion ids in it.
    pub assertions: Vec<String>,
    /// The numbers of the policies that decided.
    pub policies: Vec<String>,
    /// The numbers by which the payer knows the patient.
    pub members: Vec<String>,
    /// The ids of its cards.
    pub cards: Vec<String>,
    /// What was learnt beside the body, as JSON.
    pub learned: String,
    /// Every order and what was decided of it, as JSON.
    pub explanations: String,
    /// `hookInstance`
    pub hook_instance: String,
    /// The version that was spoken.
    pub version: Version,
    /// How many orders were answered.
    pub orders: usize,
    /// What was decided of them, in words that can be counted.
    pub determined: Vec<Determined>,
}

/// A determination in words that can be counted: codes of the guide and a number of the policy set, nothing of the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Determined {
    /// `covered`
    pub covered: &'static str,
    /// `pa-needed`, or `none`
    pub pa_needed: &'static str,
    /// The number of the policy it rests on: `default` where none speaks, `several` where it rests on more.
    pub policy: String,
    /// The code of the member's product line in the policy set, or `unknown`.
    pub product: String,
}

impl Determined {
    fn of(determination: &Determination<'_>, product: Option<&str>) -> Self {
        let mut policies: Vec<&str> = determination.trace.candidates.iter().map(|it| it.policy).collect();
        policies.dedup();
        let policy = match policies.as_slice() {
            [] => "none".to_owned(),
            [one] => (*one).to_owned(),
            _ => "several".to_owned(),
        };
        let pa_needed = determination.pa_needed.as_ref().map_or("none", PaNeeded::code);
        let product = product.unwrap_or("unknown").to_owned();
        Self { covered: determination.covered.code(), pa_needed, policy, product }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What was sent is not a request to this service.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// What was sent is not about one patient and one coverage of ours.
    #[error(transparent)]
    Gather(#[from] GatherError),
    /// Our answer would be wrong.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The answer takes more work than one may take, or nobody waits for it (B03).
    #[error("the request takes more work than one request may take")]
    TooMuchWork,
}

/// Questions are put at most so many times over: each reply may name something else to ask for.
const ROUNDS: usize = 6;

/// What came in each round of questions. What came earlier stays where it is while more comes.
struct Rounds<T>([OnceLock<T>; ROUNDS]);

/// The questions of each round with their replies.
type Asked = Rounds<Vec<(Query, Reply)>>;

/// The replies of each round, read.
type Read<'r> = Rounds<Vec<Scanned<'r>>>;

impl<T> Rounds<T> {
    fn new() -> Self {
        Self([const { OnceLock::new() }; ROUNDS])
    }

    /// Keeps what came in a round.
    fn keep(&self, round: usize, came: T) -> Option<&T> {
        self.0.get(round).map(|kept| kept.get_or_init(|| came))
    }

    fn into_iter(self) -> impl Iterator<Item = T> {
        self.0.into_iter().filter_map(OnceLock::into_inner)
    }
}

/// Answers a body that was sent to a service.
///
/// # Errors
/// [`Refusal`]
pub async fn answer<S: Source>(
    body: &[u8],
    service: &Service,
    set: &PolicySet,
    manner: &Manner,
    moment: &Moment,
    effort: &Effort,
    source: impl FnOnce(&Invocation<'_>) -> S,
) -> Result<Answer, Refusal> {
    let body = Json::scan(body, &manner.limits).map_err(RequestError::Json)?;
    let invocation = request::read(&body, service, manner.default_version, &manner.limits)?;
    if !manner.allow_http && invocation.fhir_server.as_deref().is_some_and(|server| !server.starts_with("https://")) {
        return Err(RequestError::OpenServer.into());
    }
    let source = source(&invocation);
    let mut learned = Learned {
        could_ask: source.can_ask(),
        had_members: source.has_members(),
        registered: source.is_registered(),
        address: source.address().map(str::to_owned),
        ..Learned::default()
    };
    let asked = Asked::new();
    let mut answer = {
        let scanned = Read::new();
        let gathered =
            learn(&invocation, &mut learned, (&asked, &scanned), &source, (set, manner, moment), effort).await?;
        decide_and_render(&invocation, &gathered, learned.address.as_deref(), set, moment, effort)?
    };
    learned.asked = asked.into_iter().flatten().collect();
    answer.without_token = request::without_token(&body);
    answer.learned = serde_json::to_string(&learned).map_err(|_| RenderError::Unwritable)?;
    Ok(answer)
}

/// Gathers, asks for what is missing as far as the source can tell, and gathers again until nothing is missing. Each
/// question is asked once: its reply stays, whatever it is.
async fn learn<'k>(
    invocation: &Invocation<'k>,
    learned: &mut Learned,
    (asked, scanned): (&'k Asked, &'k Read<'k>),
    source: &impl Source,
    (set, manner, moment): (&PolicySet, &Manner, &Moment),
    effort: &Effort,
) -> Result<Gathered<'k>, Refusal> {
    let way = Way {
        payer_check: manner.payer_check,
        can_ask: learned.could_ask,
        registered: learned.registered,
        has_members: learned.had_members,
        today: moment.today,
        zone: manner.zone.clone(),
        limits: &manner.limits,
        effort,
    };
    let mut index = Index::of(invocation).map_err(|_| GatherError::Ambiguous)?;
    let mut answers = Answers::default();
    for round in 0.. {
        goes_on(effort)?;
        let (gathered, wishes) = gather::gather(invocation, &index, (&answers, learned), set, &way);
        if wishes.is_empty() || round == ROUNDS {
            return Ok(gathered?);
        }
        drop(gathered);
        let replies = source.ask(&wishes.queries).await;
        let came = asked.keep(round, wishes.queries.into_iter().zip(replies).collect());
        let came = came.map(Vec::as_slice).unwrap_or_default();
        let mut read = Vec::with_capacity(came.len());
        for (_, reply) in came {
            goes_on(effort)?;
            read.push(Scanned::of(reply, &manner.limits));
        }
        let read = scanned.keep(round, read);
        for ((query, reply), scanned) in came.iter().zip(read.into_iter().flatten()) {
            answers.add(query, reply, scanned, &mut index);
        }
        for query in wishes.members {
            let reply = source.member(&query).await;
            learned.keep_look_up(query, reply);
        }
    }
    Err(RenderError::Unwritable.into())
}

/// Answers a body from what it holds and what a source says without being waited for: a record, or nobody.
///
/// # Errors
/// [`Refusal`]
pub fn at_once<S: Source>(
    body: &[u8],
    service: &Service,
    set: &PolicySet,
    manner: &Manner,
    moment: &Moment,
    source: S,
) -> Result<Answer, Refusal> {
    let answered = answer(body, service, set, manner, moment, &Effort::endless(), |_| source).now_or_never();
    answered.unwrap_or(Err(RenderError::Unwritable.into()))
}

/// Refuses to go on where no more work may be done.
fn goes_on(effort: &Effort) -> Result<(), Refusal> {
    if effort.is_over() { Err(Refusal::TooMuchWork) } else { Ok(()) }
}

/// The answer to what was gathered.
fn decide_and_render(
    invocation: &Invocation<'_>,
    gathered: &Gathered<'_>,
    address: Option<&str>,
    set: &PolicySet,
    moment: &Moment,
    effort: &Effort,
) -> Result<Answer, Refusal> {
    let mut decisions: Vec<Decision<'_, '_>> = Vec::with_capacity(gathered.orders.len());
    for (order, facts) in gathered.orders.iter().zip(&gathered.facts) {
        goes_on(effort)?;
        let plan = plan(facts, set).map(|plan| plan.name.to_string());
        decisions.push(Decision { order, plan, determinations: decide(facts, set) });
    }
    goes_on(effort)?;
    let frame = Frame {
        set,
        hook: invocation.hook,
        version: invocation.version,
        options: &invocation.options,
        coverage: gathered.coverage.as_deref(),
        record: gathered.record.as_ref().map(|record| (record.sent, record.own.as_str())),
        patient: &invocation.patient_id,
        encounter: invocation.encounter_id.as_deref(),
        user: &invocation.user_id,
        forms: &gathered.forms,
        unread: &gathered.unread,
        address,
        today: moment.today,
        seed: moment.seed,
    };
    let rendered = render::render(&decisions, &frame)?;
    Ok(Answer {
        body: rendered.body,
        without_token: None,
        assertions: rendered.assertions,
        cards: rendered.cards,
        policies: policies(&decisions),
        members: gathered.members.clone(),
        learned: String::new(),
        explanations: serde_json::to_string(&rendered.explanations).map_err(|_| RenderError::Unwritable)?,
        hook_instance: invocation.hook_instance.clone(),
        version: invocation.version,
        orders: decisions.len(),
        determined: decisions.iter().zip(&gathered.facts).flat_map(|(it, facts)| determined(it, facts, set)).collect(),
    })
}

/// The numbers of the policies that the determinations rest on, each once.
fn policies(decisions: &[Decision<'_, '_>]) -> Vec<String> {
    let determinations = decisions.iter().flat_map(|decision| &decision.determinations);
    let numbers = determinations.flat_map(|determination| &determination.trace.candidates);
    let mut numbers: Vec<String> = numbers.map(|candidate| candidate.policy.to_owned()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// What was decided of an order, in words that can be counted.
fn determined(decision: &Decision<'_, '_>, facts: &Facts, set: &PolicySet) -> Vec<Determined> {
    let product = plan(facts, set).map(|plan| &*plan.coding.code);
    decision.determinations.iter().map(|it| Determined::of(it, product)).collect()
}

fn plan<'s>(facts: &Facts, set: &'s PolicySet) -> Option<&'s Plan> {
    match facts.get(FactName::Plan) {
        Fact::Known(Value::Codes(codes)) => set.plan(codes.first()?),
        _ => None,
    }
}

untold!(Answer);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::Manner;
    use jiff::tz::TimeZone;

    use crate::config::{PayerCheck, Settings};
    use crate::request::version::Version;

    fn manner() -> Manner {
        let limits = Settings::read(None, |_| None).unwrap().limits;
        let zone = TimeZone::get("America/New_York").unwrap();
        Manner { limits, payer_check: PayerCheck::Strict, allow_http: true, default_version: Version::V2_2, zone }
    }

    #[test]
    fn a_manner_comes_back_from_a_record_whatever_is_set_now() {
        let mut now = manner();
        now.limits.nodes = 1;
        now.limits.orders = 1;
        now.zone = TimeZone::UTC;
        now = Manner { payer_check: PayerCheck::WhenKnown, allow_http: false, default_version: Version::V2_0, ..now };
        assert_eq!(Manner::of_record(&manner().kept(), &now), Some(manner()));
    }

    #[test]
    fn a_setting_that_is_newer_than_the_record_is_as_it_is_now() {
        let kept = r#"{"payer_check":"strict","limits":{"nodes":7}}"#;
        let mut expected = Manner { payer_check: PayerCheck::Strict, ..manner() };
        expected.limits.nodes = 7;
        let now = Manner { payer_check: PayerCheck::WhenKnown, ..manner() };
        assert_eq!(Manner::of_record(kept, &now), Some(expected));
    }

    #[test]
    fn a_setting_that_this_version_does_not_know_is_not_passed_over() {
        assert_eq!(Manner::of_record(r#"{"mood":"good"}"#, &manner()), None);
        assert_eq!(Manner::of_record("[]", &manner()), None);
    }
}
