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
    /// Who is at work: `Practitioner/1`.
    pub(super) user: &'a str,
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

/// A member that an order takes over from the order that the card is about.
struct Taken {
    /// What orders of the type call it.
    name: &'static str,
    /// What the other order may call it.
    from: &'static [&'static str],
    /// What it is where the other order does not say, as an Appointment and an Encounter do not.
    otherwise: Otherwise,
}

/// What a member is where the order that the card is about does not have it.
#[derive(Clone, Copy)]
enum Otherwise {
    /// The patient of the request.
    ThePatient,
    /// This day.
    Today,
    /// Who is at work.
    TheUser,
    /// Left out.
    Nothing,
}

/// What orders of a type call whose they are, in which encounter, by whom and when; and what else is taken over.
fn members(kind: &str) -> Vec<Taken> {
    use Otherwise::{Nothing, ThePatient, TheUser, Today};
    let taken = |name, from, otherwise| Taken { name, from, otherwise };
    let subject = |name| taken(name, &["subject", "patient"], ThePatient);
    let encounter = taken("encounter", &["encounter"], Nothing);
    let written = |name| taken(name, &["authoredOn", "dateTime", "dateWritten"], Today);
    let asks = |name| taken(name, &["requester", "orderer", "prescriber"], TheUser);
    match kind {
        "NutritionOrder" => vec![subject("patient"), encounter, written("dateTime"), asks("orderer")],
        "VisionPrescription" => {
            vec![written("created"), subject("patient"), encounter, written("dateWritten"), asks("prescriber")]
        }
        "CommunicationRequest" => vec![subject("subject"), encounter, written("authoredOn"), asks("requester")],
        _ => vec![
            subject("subject"),
            encounter,
            written("authoredOn"),
            asks("requester"),
            taken("reasonCode", &["reasonCode"], Nothing),
            taken("reasonReference", &["reasonReference"], Nothing),
            taken("insurance", &["insurance"], Nothing),
        ],
    }
}

/// What FHIR asks of every order and a draft therefore has, though it is not the draft's to say.
fn is_of_order(kind: &str, name: &str) -> bool {
    let why = ["reasonCode", "reasonReference", "insurance"];
    ["resourceType", "status", "intent"].contains(&name)
        || members(kind).iter().any(|own| own.name == name && !why.contains(&name))
}

/// A policy's draft as an order beside this one: for the same patient, in the same encounter, by the same person.
fn drafted(draft: &Draft, about: &About<'_>) -> Option<Value> {
    let mut members: Map<String, Value> = serde_json::from_str(&draft.json).ok()?;
    for Taken { name, from, otherwise } in self::members(&draft.kind) {
        if members.contains_key(name) && !is_of_order(&draft.kind, name) {
            continue;
        }
        let taken = from.iter().find_map(|source| about.order.value.get(*source)).cloned();
        let reference = |text: String| json!({ "reference": text });
        let taken = taken.or_else(|| match otherwise {
            Otherwise::ThePatient => Some(reference(format!("Patient/{}", about.patient))),
            Otherwise::Today => Some(about.today.to_string().into()),
            Otherwise::TheUser => orders(about.user).then(|| reference(about.user.to_owned())),
            Otherwise::Nothing => None,
        });
        members.extend(taken.map(|value| (name.to_owned(), value)));
    }
    Some(Value::Object(members))
}

/// Whether a user is one who orders: the guide's profiles of orders want a practitioner.
fn orders(user: &str) -> bool {
    ["Practitioner/", "PractitionerRole/"].iter().any(|kind| user.strip_prefix(kind).is_some_and(|id| !id.is_empty()))
}

untold!(Suggestion, Action, Conditional);
