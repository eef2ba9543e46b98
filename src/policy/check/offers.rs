//! Proves what cards offer to do: labels that fit a button, drafts that become orders of the patient, forms that are not
//! asked for twice.

use serde_json::Value;

use super::{cards, problem};
use crate::policy::load::Problem;
use crate::policy::model::{Action, Card, Draft, Offer, Policy, PolicySet, Suggestion};
use crate::policy::template::Slot;

/// A label is to fit a button (CDS Hooks 2.0 says so of links).
const LONGEST_LABEL: usize = 80;

/// The types of orders that a card can write or change.
const ORDERS: [&str; 6] = [
    "ServiceRequest",
    "DeviceRequest",
    "MedicationRequest",
    "NutritionOrder",
    "VisionPrescription",
    "CommunicationRequest",
];

/// Those of them that have no `intent` in R4.
const WITHOUT_INTENT: [&str; 2] = ["VisionPrescription", "CommunicationRequest"];

/// Every suggestion of every card can be taken.
pub(super) fn sound(policy: &Policy, set: &PolicySet, problems: &mut Vec<Problem>) {
    for action in cards::actions(policy) {
        let Some(card) = &action.card else { continue };
        let kinds = card.suggestions.iter().map(|suggestion| response_type(&suggestion.offer));
        let mut kinds: Vec<&str> = kinds.collect();
        kinds.dedup();
        if kinds.len() > 1 {
            let what = format!("are of several response types: {}", kinds.join(", "));
            problems.push(problem(policy, format!("{}: suggestions", action.id), what));
        }
        for (index, suggestion) in card.suggestions.iter().enumerate() {
            let mut add = |what: String| {
                problems.push(problem(policy, format!("{}: suggestion[{index}]", action.id), what));
            };
            label(suggestion, policy, set, &mut add);
            match &suggestion.offer {
                Offer::Replace(it) | Offer::Change(it) => draft(it, &mut add),
                Offer::Add(drafts) => drafts.iter().for_each(|it| draft(it, &mut add)),
                Offer::Form(_) => {}
            }
        }
    }
    forms(policy, problems);
}

/// The response type of the guide that an offer belongs to; a card is of one.
fn response_type(offer: &Offer) -> &'static str {
    match offer {
        Offer::Replace(_) | Offer::Change(_) => "Propose Alternate Request",
        Offer::Add(_) => "Identify Additional Orders",
        Offer::Form(_) => "Request Form Completion",
    }
}

fn label(suggestion: &Suggestion, policy: &Policy, set: &PolicySet, add: &mut impl FnMut(String)) {
    if suggestion.label.has(Slot::Order) {
        add("has {{order}} in its label, whose length nobody knows".to_owned());
    }
    let longest = cards::longest(&suggestion.label, policy, set);
    if longest > LONGEST_LABEL {
        add(format!("has a label of {longest} characters with the longest filling, at most {LONGEST_LABEL}"));
    }
}

/// What a draft becomes is an order that nobody has signed, for the patient of the order it is about.
fn draft(draft: &Draft, add: &mut impl FnMut(String)) {
    let kind = &*draft.kind;
    if !ORDERS.contains(&kind) {
        add(format!("drafts a {kind}, which is no order: one of {}", ORDERS.join(", ")));
        return;
    }
    let members: Value = serde_json::from_str(&draft.json).unwrap_or_default();
    let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("status") != "draft" {
        add(format!("drafts a {kind} whose status is not draft"));
    }
    if text("intent").is_empty() && !WITHOUT_INTENT.contains(&kind) {
        add(format!("drafts a {kind} without an intent"));
    }
    let subjects = ["subject", "patient"].iter().filter_map(|name| members.get(*name));
    if subjects.flat_map(Value::as_object).any(|subject| subject.keys().any(|name| name != "display")) {
        add(format!("drafts a {kind} with a subject of its own: only a display may stand there"));
    }
}

/// What DTR is there for is not asked for by a task as well (CRD resp-59).
fn forms(policy: &Policy, problems: &mut Vec<Problem>) {
    let asks = |action: &Action| action.card.as_ref().is_some_and(Card::asks_for_a_form);
    for case in &policy.cases {
        if (asks(&policy.scope) || asks(&case.action)) && !case.outcome.questionnaires.is_empty() {
            let what = "asks for a form by a task and for a questionnaire by DTR (resp-59)";
            problems.push(problem(policy, format!("case {}", case.action.id), what));
        }
    }
}
