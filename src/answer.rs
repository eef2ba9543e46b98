//! From a body to an answer: read, gather, decide, render. No server, no ledger, no clock; so that a recorded request can
//! be answered again, byte for byte.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use uuid::Uuid;

use crate::config::{Limits, PayerCheck};
use crate::decide::decide;
use crate::decide::facts::{Fact, Facts};
use crate::gather::{self, GatherError};
use crate::policy::model::PolicySet;
use crate::render::{self, Decision, Frame, RenderError};
use crate::request::hook::Service;
use crate::request::json::Json;
use crate::request::version::Version;
use crate::request::{self, RequestError};

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

/// How this server answers, whoever asks.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// What one request may cost.
    pub limits: Limits,
    /// How strictly the payer of a Coverage is looked at.
    pub payer_check: PayerCheck,
    /// The version spoken with a client that does not say.
    pub default_version: Version,
}

/// An answer that is not yet recorded.
#[derive(Debug)]
pub struct Answer {
    /// The response's body.
    pub body: Vec<u8>,
    /// The request's body without its access token, where it has one: tokens are never kept.
    pub without_token: Option<String>,
    /// The assertion ids in it.
    pub assertions: Vec<String>,
    /// The ids of its cards.
    pub cards: Vec<String>,
    /// Every order and what was decided of it, as JSON.
    pub explanations: String,
    /// `hookInstance`
    pub hook_instance: String,
    /// The version that was spoken.
    pub version: Version,
    /// How many orders were answered.
    pub orders: usize,
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
}

/// Answers a body that was sent to a service.
///
/// # Errors
/// [`Refusal`]
pub fn answer(
    body: &[u8],
    service: &Service,
    set: &PolicySet,
    manner: &Manner,
    moment: &Moment,
) -> Result<Answer, Refusal> {
    let body = Json::scan(body, &manner.limits).map_err(RequestError::Json)?;
    let invocation = request::read(&body, service, manner.default_version, &manner.limits)?;
    let gathered = gather::gather(&invocation, set, manner.payer_check, moment.today)?;
    let (coverage, facts) = gathered.map_or_else(Default::default, |it| (it.coverage.reference, it.facts));
    let decided = invocation.orders.iter().zip(&facts);
    let decisions: Vec<Decision<'_, '_>> = decided
        .map(|(order, facts)| Decision { order, plan: plan(facts, set), determinations: decide(facts, set) })
        .collect();
    let frame = Frame {
        set,
        version: invocation.version,
        options: &invocation.options,
        coverage: &coverage,
        today: moment.today,
        seed: moment.seed,
    };
    let rendered = render::render(&decisions, &frame)?;
    Ok(Answer {
        body: rendered.body,
        without_token: request::without_token(&body),
        assertions: rendered.assertions,
        cards: rendered.cards,
        explanations: serde_json::to_string(&rendered.explanations).map_err(|_| RenderError::Unwritable)?,
        hook_instance: invocation.hook_instance,
        version: invocation.version,
        orders: decisions.len(),
    })
}

fn plan(facts: &Facts, set: &PolicySet) -> Option<String> {
    match &facts.plan {
        Fact::Known(codes) => set.plan_name(codes.first()?).map(str::to_owned),
        Fact::Absent | Fact::Unavailable(_) => None,
    }
}
