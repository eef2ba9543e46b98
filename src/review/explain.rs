//! Why an answer was what it was, for whoever is asked by a provider years later.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::{Glance, Opened, ReviewError};
use crate::record::{Entry, Feedback, Outcome};
use crate::render::explanation::{Decided, Explanation, Rule};
use crate::request::hook;

/// An answer, or a refusal, and what became of it.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// The invocation.
    pub id: Uuid,
    /// When it was asked.
    pub at: Timestamp,
    /// `order-sign`; the service, if it has none of this version's hooks.
    pub hook: String,
    /// The service that was called.
    pub service: String,
    /// Which EHR asked.
    pub client: String,
    /// The CRD version; empty for a refusal.
    pub crd_version: String,
    /// The policy set that decided.
    pub policy_set: String,
    /// The HTTP status.
    pub status: u16,
    /// What was said of each order; of an assertion, of its order alone.
    pub orders: Vec<ExplainedOrder>,
    /// The cards that were shown, and what was told of them.
    pub cards: Vec<ExplainedCard>,
    /// Why nothing was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Who looked at it before.
    pub looks: Vec<Glance>,
}

/// What was said of an order.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedOrder {
    /// `ServiceRequest/1`
    pub order: String,
    /// The coverage-assertion-id.
    pub assertion: String,
    /// Whether it was sent.
    pub sent: bool,
    /// One for each billing code.
    pub determinations: Vec<InWords>,
}

/// What was decided, in words and in the guide's codes, and from what.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InWords {
    /// `CPT 47383`; of none, it is the order as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billing_code: Option<String>,
    /// `not covered`
    pub answer: String,
    /// `not-covered`
    pub covered: String,
    /// `auth-needed`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pa_needed: Option<String>,
    /// Why.
    pub reasons: Vec<String>,
    /// The rules that it rests on, with their passages.
    pub rules: Vec<Rule>,
    /// The facts that were known.
    pub known: Vec<String>,
    /// The facts that were not.
    pub missing: Vec<String>,
    /// What would have told more.
    pub needed: Vec<String>,
    /// The actions of the policy whose cards and paragraphs were shown.
    pub shown: Vec<String>,
}

/// A card.
#[derive(Clone, Serialize)]
pub struct ExplainedCard {
    /// Its uuid.
    pub card: String,
    /// What was read first.
    pub summary: String,
    /// What was told of it.
    pub feedback: Vec<Told>,
}

/// What was told of a card, but for the words of whoever told it: they may speak of the patient, and are shown with the
/// whole entry alone.
#[derive(Clone, Serialize)]
pub struct Told {
    /// When it came.
    pub at: Timestamp,
    /// What became of the card.
    pub outcome: Outcome,
    /// The code of the reason, if one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether there are words too.
    pub comment: bool,
}

impl Explained {
    /// An entry explained; of an assertion, its order alone.
    pub(super) fn of(opened: Opened, id: &str) -> Result<Self, ReviewError> {
        let Opened { entry, feedback, looks } = opened;
        let unreadable =
            |_| ReviewError::Unreadable(format!("the determinations of the entry {} cannot be read", entry.id));
        let explanations: Vec<Explanation> = serde_json::from_str(&entry.determinations).map_err(unreadable)?;
        let one = explanations.iter().any(|explanation| explanation.assertion == id.trim());
        let asked_for = |explanation: &Explanation| !one || explanation.assertion == id.trim();
        let response: Value = serde_json::from_slice(&entry.response).unwrap_or_default();
        Ok(Self {
            id: entry.id,
            at: entry.at,
            hook: hook::service(&entry.service).map_or(&*entry.service, |service| service.hook.name()).to_owned(),
            orders: explanations.into_iter().filter(asked_for).map(ExplainedOrder::of).collect(),
            cards: cards(&response, &feedback),
            refused: (entry.status != 200).then(|| refusal(&response, &entry)),
            looks: looks.into_iter().map(Glance::from).collect(),
            service: entry.service,
            client: entry.client,
            crd_version: entry.crd_version,
            policy_set: entry.policy_set,
            status: entry.status,
        })
    }
}

impl ExplainedOrder {
    fn of(explanation: Explanation) -> Self {
        let Explanation { order, assertion, sent, determinations } = explanation;
        Self { order, assertion, sent, determinations: determinations.into_iter().map(InWords::of).collect() }
    }
}

impl InWords {
    fn of(decided: Decided) -> Self {
        let covered = match &*decided.covered {
            "covered" => "covered",
            "not-covered" => "not covered",
            "conditional" => "whether it is covered depends on what was not known",
            "indeterminate" => "whether it is covered could not be said",
            other => other,
        };
        // Some versions of the guide want it said also of what is not covered, where it would mislead a reader.
        let pa_needed = decided.pa_needed.as_deref().filter(|_| covered != "not covered");
        let pa_needed = pa_needed.map(|code| match code {
            "no-auth" => "no prior authorization needed",
            "auth-needed" => "prior authorization needed",
            "performpa" => "prior authorization needed, which the performer asks for",
            "satisfied" => "prior authorization already given",
            "conditional" => "whether prior authorization is needed depends on what was not known",
            "indeterminate" => "whether prior authorization is needed could not be said",
            other => other,
        });
        let answer = [Some(covered), pa_needed].into_iter().flatten().collect::<Vec<_>>().join(", ");
        let needed = decided.info_needed.iter().map(|code| match &**code {
            "performer" => "who will perform it",
            "location" => "where it will be done",
            "timeframe" => "when it will be done",
            "detail-code" => "a more precise code",
            "OTH" => "what the reason names",
            other => other,
        });
        Self {
            answer,
            needed: needed.map(str::to_owned).collect(),
            billing_code: decided.billing_code,
            covered: decided.covered,
            pa_needed: decided.pa_needed,
            reasons: decided.reasons,
            rules: decided.rules,
            known: decided.known,
            missing: decided.missing,
            shown: decided.shown,
        }
    }
}

fn cards(response: &Value, feedback: &[Feedback]) -> Vec<ExplainedCard> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let cards = response.get("cards").and_then(Value::as_array).into_iter().flatten();
    let explained = cards.map(|card| {
        let uuid = text(card.get("uuid"));
        let feedback = feedback.iter().filter(|item| item.card == uuid).map(told).collect();
        ExplainedCard { card: uuid, summary: text(card.get("summary")), feedback }
    });
    explained.collect()
}

fn told(item: &Feedback) -> Told {
    let sent: Value = serde_json::from_str(&item.item).unwrap_or_default();
    let reason = sent.pointer("/overrideReason/reason/code").and_then(Value::as_str).map(str::to_owned);
    let comment = sent.pointer("/overrideReason/userComment").is_some();
    Told { at: item.at, outcome: item.outcome, reason, comment }
}

/// The sentence of the OperationOutcome, and the place that it names.
fn refusal(response: &Value, entry: &Entry) -> String {
    let said = response.pointer("/issue/0/details/text").and_then(Value::as_str);
    let said = said.map_or_else(|| format!("refused with status {}", entry.status), str::to_owned);
    match response.pointer("/issue/0/expression/0").and_then(Value::as_str) {
        Some(place) => format!("{said} ({place})"),
        None => said,
    }
}

untold!(Explained, ExplainedOrder, InWords, ExplainedCard, Told);
