//! Writes what was decided as a CDS Hooks response, in the version and with the options that were asked for.
//!
//! It decides nothing and knows no policy's words but those it is handed.

mod card;
mod coverage_information;
pub mod explanation;
mod extension;
mod ids;
mod invariants;
pub mod links;
mod ours;
mod response;
mod splice;
mod words;

use jiff::civil::Date;
use serde_json::Value;
use uuid::Uuid;

use crate::decide::determination::{Determination, Shown};
use crate::policy::model::PolicySet;
use crate::request::Order;
use crate::request::hook::Hook;
use crate::request::json::View;
use crate::request::options::Options;
use crate::request::version::Version;
use crate::telemetry::Fault;
use card::{Card, Draft};
use coverage_information::About;
use explanation::{Decided, Explanation};
use extension::Extension;
use ids::Ids;
use ours::Ours;
use words::Words;

/// An answer that must not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// It would break this invariant of the guide (FAULTS R06).
    #[error("the answer would break {0}")]
    Invariant(&'static str),
    /// It could not be written as JSON.
    #[error("the answer could not be written")]
    Unwritable,
}

impl RenderError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::Us
    }
}

/// What an answer is made of beside its orders.
pub struct Frame<'a> {
    /// The policy set that decided.
    pub set: &'a PolicySet,
    /// The hook that is answered.
    pub hook: Hook,
    /// The version that is spoken.
    pub version: Version,
    /// What the client configured.
    pub options: &'a Options,
    /// `Coverage/id`; nothing where nobody knows its name, or no order needed one.
    pub coverage: Option<&'a str>,
    /// The Coverage as it came, and as the payer has it, JSON text.
    pub record: Option<(View<'a>, &'a str)>,
    /// The patient's id.
    pub patient: &'a str,
    /// The id of the encounter, where the hook has one.
    pub encounter: Option<&'a str>,
    /// Who is at work: `Practitioner/1`.
    pub user: &'a str,
    /// The forms (`url|version`) that the EHR is known to have.
    pub forms: &'a [String],
    /// Orders that the request names and that could not be had.
    pub unread: &'a [String],
    /// The address that this server is reached under, if it knows: cards lead to its pages.
    pub address: Option<&'a str>,
    /// The day, in the payer's time zone.
    pub today: Date,
    /// What all ids are made from.
    pub seed: Uuid,
}

/// One order with what was decided of it.
pub struct Decision<'a, 'b> {
    /// The order.
    pub order: &'a Order<'b>,
    /// The product line, where it is known.
    pub plan: Option<String>,
    /// One for each billing code.
    pub determinations: Vec<Determination<'a>>,
}

/// A response, and what it promises.
pub struct Rendered {
    /// The body.
    pub body: Vec<u8>,
    /// The assertion ids in it.
    pub assertions: Vec<String>,
    /// The ids of its cards.
    pub cards: Vec<String>,
    /// Every order in words.
    pub explanations: Vec<Explanation>,
}

/// About how long a card is: room is made for all of them at once.
const CARD_BYTES: usize = 6_000;

/// Writes the answer.
///
/// # Errors
/// [`RenderError`]: the answer would not be one that may be sent.
pub fn render(decisions: &[Decision<'_, '_>], frame: &Frame<'_>) -> Result<Rendered, RenderError> {
    let mut ids = Ids::new(frame.seed);
    let mut rendered =
        Rendered { body: Vec::new(), assertions: Vec::new(), cards: Vec::new(), explanations: Vec::new() };
    let (mut updates, mut drafts) = (String::new(), Vec::new());
    for decision in decisions {
        let assertion = ids.next_id().to_string();
        let words: Vec<Words> = decision.words(frame.set);
        let update = if frame.options.coverage_info { update(decision, &words, &assertion, frame)? } else { None };
        let sent = update.is_some();
        if let Some(update) = update {
            updates.push_str(if updates.is_empty() { "" } else { "," });
            updates.push_str(&update);
            rendered.assertions.push(assertion.clone());
        }
        let decided = decision.determinations.iter().zip(&words).map(|(it, words)| Decided::of(it, words, frame.set));
        let determinations = decided.collect();
        rendered.explanations.push(Explanation { order: decision.reference(), assertion, sent, determinations });
        drafts.extend(decision.cards(frame.set));
    }
    drafts.retain(|draft| frame.options.wants(&draft.card.what.topic.code));
    // A form is documentation: not asked for where coverage information is not wanted, nor at a hook that only supports
    // the others (CRD hook-19).
    let forms = frame.options.coverage_info && !frame.hook.is_supporting();
    drafts.retain(|draft| forms || !draft.card.what.asks_for_a_form());
    drafts.sort_by_key(Draft::rank);
    drafts.truncate(frame.options.max_cards);
    let mut cards: Vec<Card<'_>> = drafts.iter().map(|draft| draft.write(frame, &mut ids)).collect();
    if cards.len() < frame.options.max_cards {
        cards.extend(card::coverage_record(frame, &mut ids));
    }
    for order in frame.unread.iter().take(frame.options.max_cards.saturating_sub(cards.len())) {
        cards.extend(card::order_not_read(order, frame, &mut ids));
    }
    rendered.cards = cards.iter().map(|card| card.uuid.clone()).collect();
    rendered.body.reserve(updates.len() + CARD_BYTES * cards.len() + 64);
    rendered.body.extend_from_slice(b"{\"cards\":");
    serde_json::to_writer(&mut rendered.body, &cards).map_err(|_| RenderError::Unwritable)?;
    // Always there, as conformance kits ask of every hook.
    rendered.body.extend_from_slice(b",\"systemActions\":[");
    rendered.body.extend_from_slice(updates.as_bytes());
    rendered.body.extend_from_slice(b"]}");
    Ok(rendered)
}

impl<'a> Decision<'a, '_> {
    /// `ServiceRequest/1`
    fn reference(&self) -> String {
        format!("{}/{}", self.order.resource.kind, self.order.resource.id)
    }

    /// What is filled in for each determination.
    fn words(&self, set: &PolicySet) -> Vec<Words> {
        let label = |code| set.label(code);
        let labels = self.determinations.iter().map(|it| it.billing_code.as_ref().map(label).unwrap_or_default());
        labels.map(|codes| Words::new(&self.order.value, codes, self.plan.clone())).collect()
    }

    /// The cards of an order: one that several billing codes share is one card that names them all.
    fn cards(&self, set: &PolicySet) -> Vec<Draft<'a>> {
        let mut found: Vec<(Vec<String>, Shown<'a>)> = Vec::new();
        for determination in &self.determinations {
            let code = determination.billing_code.as_ref().map(|code| set.label(code));
            for shown in &determination.shown {
                match found.iter_mut().find(|(_, other)| other.card == shown.card) {
                    Some((codes, _)) => codes.extend(code.clone()),
                    None => found.push((code.clone().into_iter().collect(), shown.clone())),
                }
            }
        }
        let draft = |(codes, Shown { action, policy, card, paragraphs }): (Vec<String>, Shown<'a>)| {
            let words = Words::new(&self.order.value, codes.join(", "), self.plan.clone());
            Draft { place: policy.map(|policy| (policy, action)), card, paragraphs, words, order: self.order }
        };
        found.into_iter().map(draft).collect()
    }
}

/// The system action that puts coverage information on an order, or none if the order already says the same (resp-35).
fn update(
    decision: &Decision<'_, '_>,
    words: &[Words],
    assertion: &str,
    frame: &Frame<'_>,
) -> Result<Option<String>, RenderError> {
    let about = About {
        shape: frame.version.into(),
        supporting: frame.hook.is_supporting(),
        coverage: frame.coverage,
        today: frame.today,
        assertion,
    };
    let mut new = String::new();
    let mut values = Vec::new();
    for (determination, words) in decision.determinations.iter().zip(words) {
        let extension = coverage_information::extension(determination, words, &about, frame.set);
        if let Some(rule) = invariants::broken(&extension, about.shape) {
            return Err(RenderError::Invariant(rule));
        }
        new.push_str(if new.is_empty() { "" } else { "," });
        new.push_str(&serde_json::to_string(&extension).map_err(|_| RenderError::Unwritable)?);
        values.push(extension);
    }
    let ours = Ours { coverage: frame.coverage, payer: &frame.set.payer };
    let old = decision.order.value.get("extension").and_then(Value::as_array).into_iter().flatten();
    let old: Vec<&Value> = old.filter(|extension| ours.has(extension)).collect();
    if !old.is_empty() && says_the_same(&old, &values) {
        return Ok(None);
    }
    let order = decision.order.resource.view;
    let resource = splice::splice(order, |item| ours.has(&item.value()), &new);
    let payer = serde_json::to_string(&format!("Coverage information from {}", frame.set.payer.name));
    let description = payer.map_err(|_| RenderError::Unwritable)?;
    Ok(Some(format!(r#"{{"type":"update","description":{description},"resource":{resource}}}"#)))
}

/// Whether what an order carries says what we would say, whenever and under whichever id it was said.
fn says_the_same(old: &[&Value], new: &[Extension<'_>]) -> bool {
    let parts = |value: &Value| -> Vec<Value> {
        let parts = value.get("extension").and_then(Value::as_array).cloned().unwrap_or_default();
        let when =
            |part: &Value| matches!(part.get("url").and_then(Value::as_str), Some("date" | "coverage-assertion-id"));
        parts.into_iter().filter(|part| !when(part)).collect()
    };
    let new: Vec<Vec<Value>> = new.iter().filter_map(|it| serde_json::to_value(it).ok()).map(|it| parts(&it)).collect();
    let old: Vec<Vec<Value>> = old.iter().map(|it| parts(it)).collect();
    old == new
}

untold!(Frame<'_>, Decision<'_, '_>, Rendered);
