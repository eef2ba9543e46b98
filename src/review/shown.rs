//! An entry as it is shown: whole, or in a line.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use super::Opened;
use crate::record::{Entry, Feedback, Look, Outcome};

/// An entry, whole.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// The invocation.
    pub id: Uuid,
    /// When it was asked.
    pub at: Timestamp,
    /// That day in the payer's time zone.
    pub today: Date,
    /// What the answer's ids were made from.
    pub seed: Uuid,
    /// The service that was called.
    pub service: String,
    /// `hookInstance`
    pub hook_instance: String,
    /// Who asked.
    pub client: String,
    /// The tenant that it called for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tenant: String,
    /// The CRD version.
    pub crd_version: String,
    /// The policy set that decided.
    pub policy_set: String,
    /// The policies that decided.
    pub policies: Vec<String>,
    /// The numbers by which the payer knows the patient.
    pub members: Vec<String>,
    /// The coverage-assertion-ids.
    pub assertions: Vec<String>,
    /// The cards.
    pub cards: Vec<String>,
    /// The HTTP status.
    pub status: u16,
    /// How long the answer took to make.
    pub took_micros: u64,
    /// The request as it came, without its access token; of a refusal its hash.
    pub request: Box<RawValue>,
    /// The response as it went.
    pub response: Box<RawValue>,
    /// What was decided, and from what.
    pub determinations: Box<RawValue>,
    /// What was learnt beside the request.
    pub learned: Box<RawValue>,
    /// The settings that the answer rests on.
    pub settings: Box<RawValue>,
    /// What was told of the cards.
    pub feedback: Vec<ShownFeedback>,
    /// Who looked before.
    pub looks: Vec<Glance>,
}

/// An item of feedback, whole.
#[derive(Clone, Serialize)]
pub struct ShownFeedback {
    /// When it came.
    pub at: Timestamp,
    /// Who sent it.
    pub client: String,
    /// The card.
    pub card: String,
    /// What became of the card.
    pub outcome: Outcome,
    /// As it was sent.
    pub item: Box<RawValue>,
}

/// That somebody looked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Glance {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// How.
    pub how: String,
    /// By what it was found.
    pub asked: String,
}

impl From<Look> for Glance {
    fn from(look: Look) -> Self {
        Self { at: look.at, who: look.who, how: look.how, asked: look.asked }
    }
}

impl From<Feedback> for ShownFeedback {
    fn from(item: Feedback) -> Self {
        Self {
            at: item.at,
            client: item.client,
            card: item.card,
            outcome: item.outcome,
            item: raw(item.item.as_bytes()),
        }
    }
}

impl Shown {
    pub(super) fn of(opened: Opened) -> Self {
        let Opened { entry, feedback, looks } = opened;
        Self {
            id: entry.id,
            at: entry.at,
            today: entry.today,
            seed: entry.seed,
            service: entry.service,
            hook_instance: entry.hook_instance,
            client: entry.client,
            tenant: entry.tenant,
            crd_version: entry.crd_version,
            policy_set: entry.policy_set,
            policies: entry.policies,
            members: entry.members,
            assertions: entry.assertions,
            cards: entry.cards,
            status: entry.status,
            took_micros: entry.took_micros,
            request: raw(&entry.request),
            response: raw(&entry.response),
            determinations: raw(entry.determinations.as_bytes()),
            learned: raw(entry.learned.as_bytes()),
            settings: raw(entry.manner.as_bytes()),
            feedback: feedback.into_iter().map(ShownFeedback::from).collect(),
            looks: looks.into_iter().map(Glance::from).collect(),
        }
    }
}

/// JSON byte for byte as it is; anything else as a string.
pub(super) fn raw(bytes: &[u8]) -> Box<RawValue> {
    let text = String::from_utf8_lossy(bytes);
    let json = RawValue::from_string(text.clone().into_owned());
    json.or_else(|_| to_raw_value(&text)).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// An entry in a line. Nothing of it tells of the member.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// When it was asked.
    pub at: Timestamp,
    /// The invocation.
    pub id: Uuid,
    /// The service that was called.
    pub service: String,
    /// Who asked.
    pub client: String,
    /// The CRD version; empty for a refusal.
    pub crd_version: String,
    /// The HTTP status.
    pub status: u16,
    /// The coverage-assertion-ids.
    pub assertions: Vec<String>,
    /// The policies that decided.
    pub policies: Vec<String>,
}

impl Found {
    pub(super) fn of(entry: Entry) -> Self {
        Self {
            at: entry.at,
            id: entry.id,
            service: entry.service,
            client: entry.client,
            crd_version: entry.crd_version,
            status: entry.status,
            assertions: entry.assertions,
            policies: entry.policies,
        }
    }

    /// In a line, with tabs between: when, id, service, client, CRD version, status, assertions, policies.
    #[must_use]
    pub fn line(&self) -> String {
        let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let columns = [
            self.at.to_string(),
            self.id.to_string(),
            self.service.clone(),
            or_none(&self.client),
            or_none(&self.crd_version),
            self.status.to_string(),
            or_none(&self.assertions.join(",")),
            or_none(&self.policies.join(",")),
        ];
        columns.join("\t")
    }
}

untold!(Shown, ShownFeedback, Found);
