//! The response types beside coverage information: what a card offers to do, one module each.
//!
//! External Reference and Instructions are cards without offers: `render::card`.

mod additional_orders;
mod alternate_request;
pub(super) mod coverage_record;
mod form_completion;

use jiff::civil::Date;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::coverage_information::Shape;
use super::ids::Ids;
use super::words::Words;
use crate::decide::determination::Holds;
use crate::policy::model::{Draft, Offer, PolicySet, Suggestion as Said};
use crate::request::Order;

/// What an offer is about.
pub(super) struct About<'a> {
    pub(super) shape: Shape,
    pub(super) set: &'a PolicySet,
    pub(super) order: &'a Order<'a>,
    pub(super) patient: &'a str,
    pub(super) encounter: Option<&'a str>,
    pub(super) today: Date,
    /// The forms (`url|version`) that the EHR is known to have.
    pub(super) forms: &'a [String],
}

/// A suggestion as it is written.
#[derive(Serialize)]
pub(super) struct Suggestion {
    pub(super) label: String,
    pub(super) uuid: String,
    pub(super) actions: Vec<Action>,
}

/// An action as it is written.
#[derive(Serialize)]
pub(super) struct Action {
    pub(super) r#type: &'static str,
    pub(super) description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resource: Option<Box<RawValue>>,
    #[serde(rename = "resourceId", skip_serializing_if = "Option::is_none")]
    pub(super) resource_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) extension: Option<Conditional>,
}

/// Says that a resource is created only where there is none yet (`davinci-crd.if-none-exist`).
#[derive(Serialize)]
pub(super) struct Conditional {
    #[serde(rename = "davinci-crd.if-none-exist")]
    pub(super) if_none_exist: String,
}

impl Action {
    fn create(description: &str, resource: &Value) -> Option<Self> {
        let resource = Some(serde_json::value::to_raw_value(resource).ok()?);
        Some(Self {
            r#type: "create",
            description: description.to_owned(),
            resource,
            resource_id: None,
            extension: None,
        })
    }
}

/// Writes what a card offers; none of it where it cannot be written.
pub(super) fn suggestions(said: &[Said], about: &About<'_>, words: &Words, ids: &mut Ids) -> Vec<Suggestion> {
    let one = |said: &Said| {
        let label = words.plain(&said.label, &Holds::Always);
        let actions = match &said.offer {
            Offer::Replace(draft) => alternate_request::replace(draft, about, &label),
            Offer::Change(draft) => alternate_request::change(draft, about, &label),
            Offer::Add(drafts) => additional_orders::add(drafts, about, &label),
            Offer::Form(form) => form_completion::fill_in(form, about),
        };
        Some(Suggestion { label, uuid: ids.next_id().to_string(), actions: actions? })
    };
    said.iter().filter_map(one).collect()
}

/// How many of the suggestions can be taken.
pub(super) fn selection_behavior(said: &[Said]) -> &'static str {
    let alternatives = said.iter().any(|it| matches!(it.offer, Offer::Replace(_) | Offer::Change(_)));
    if alternatives { "at-most-one" } else { "any" }
}

/// What orders of a type call whose they are, in which encounter, by whom and when; and what else is taken over.
fn members(kind: &str) -> &'static [(&'static str, &'static [&'static str])] {
    const SUBJECT: &[&str] = &["subject", "patient"];
    const ASKS: &[&str] = &["requester", "orderer", "prescriber"];
    const WRITTEN: &[&str] = &["authoredOn", "dateTime", "dateWritten"];
    match kind {
        "NutritionOrder" => {
            &[("patient", SUBJECT), ("encounter", &["encounter"]), ("dateTime", WRITTEN), ("orderer", ASKS)]
        }
        "VisionPrescription" => &[
            ("created", WRITTEN),
            ("patient", SUBJECT),
            ("encounter", &["encounter"]),
            ("dateWritten", WRITTEN),
            ("prescriber", ASKS),
        ],
        "CommunicationRequest" => {
            &[("subject", SUBJECT), ("encounter", &["encounter"]), ("authoredOn", WRITTEN), ("requester", ASKS)]
        }
        _ => &[
            ("subject", SUBJECT),
            ("encounter", &["encounter"]),
            ("authoredOn", WRITTEN),
            ("requester", ASKS),
            ("reasonCode", &["reasonCode"]),
            ("reasonReference", &["reasonReference"]),
            ("insurance", &["insurance"]),
        ],
    }
}

/// What FHIR asks of every order and a draft therefore has, though it is not the draft's to say.
fn is_of_order(kind: &str, name: &str) -> bool {
    let why = ["reasonCode", "reasonReference", "insurance"];
    ["resourceType", "status", "intent"].contains(&name)
        || members(kind).iter().any(|(own, _)| *own == name && !why.contains(&name))
}

/// A policy's draft as an order beside this one: for the same patient, in the same encounter, by the same person.
fn drafted(draft: &Draft, about: &About<'_>) -> Option<Value> {
    let mut members: Map<String, Value> = serde_json::from_str(&draft.json).ok()?;
    for (name, sources) in self::members(&draft.kind) {
        if members.contains_key(*name) && !is_of_order(&draft.kind, name) {
            continue;
        }
        let taken = sources.iter().find_map(|source| about.order.value.get(*source)).cloned();
        // An Appointment says among its participants whose it is.
        let patient = || json!({ "reference": format!("Patient/{}", about.patient) });
        let taken = taken.or_else(|| matches!(*name, "subject" | "patient").then(patient));
        members.extend(taken.map(|value| ((*name).to_owned(), value)));
    }
    Some(Value::Object(members))
}

untold!(Suggestion, Action, Conditional);
