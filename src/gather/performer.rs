//! Who will do what is ordered, by the numbers that providers have.

use serde_json::{Value, json};

use super::GatherError;
use super::fhir::{known as known_coding, list, string};
use super::known::{Found, Known};
use crate::decide::facts::Fact;
use crate::policy::model::{Coding, PolicySet};
use crate::request::Order;

/// The performers of an order: the one it is dispatched to, else those it names itself.
///
/// Several are all of them: a rule about one of them is a rule about the order.
pub(super) fn performer(
    known: &Known<'_>,
    order: &Order<'_>,
    set: &PolicySet,
    wanted: bool,
) -> Result<Fact<Vec<Coding>>, GatherError> {
    let dispatched = known.invocation.performer.as_deref().map(|reference| json!({ "reference": reference }));
    let references = match dispatched {
        Some(reference) => vec![reference],
        None => named(order),
    };
    let (mut numbers, mut seen, mut failed) = (Vec::new(), false, None);
    for reference in &references {
        let inline = reference.get("identifier").and_then(|identifier| number(identifier, set));
        if let Some(inline) = inline {
            seen = true;
            numbers.push(inline);
            continue;
        }
        match known.resolve(&order.value, reference, wanted)? {
            Found::Is(resource) => {
                seen |= provider(known, &resource, set, wanted, &mut numbers)?;
            }
            Found::Failed(why) => failed = Some(why),
            Found::Nothing | Found::Unsaid => {}
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(match failed {
        Some(why) if numbers.is_empty() => Fact::Unavailable(why),
        // A performer without a number that we know is still nobody whom a rule could name.
        _ if seen => Fact::Known(numbers),
        _ => Fact::Absent,
    })
}

/// The references to performers that an order or its appointment holds.
fn named(order: &Order<'_>) -> Vec<Value> {
    let value = &order.value;
    let listed = list(value, "performer").iter().cloned();
    let single = value.get("performer").filter(|performer| performer.is_object()).cloned();
    let dispense = value.get("dispenseRequest").and_then(|dispense| dispense.get("performer")).cloned();
    let appointments = order.appointment.as_deref().into_iter().chain([&**value]);
    let actors = appointments.flat_map(|appointment| list(appointment, "participant"));
    let actors = actors.filter_map(|participant| participant.get("actor")).filter(|actor| is_provider(actor));
    let sender = value.get("sender").cloned();
    listed.chain(single).chain(dispense).chain(actors.cloned()).chain(sender).collect()
}

fn is_provider(reference: &Value) -> bool {
    let kinds = ["Practitioner/", "PractitionerRole/", "Organization/"];
    string(reference, "reference").is_some_and(|reference| kinds.iter().any(|kind| reference.contains(kind)))
}

/// Adds the numbers of a provider: its own, and those of the person and organisation behind a role. Whether it has any
/// identifiers at all.
fn provider(
    known: &Known<'_>,
    resource: &Value,
    set: &PolicySet,
    wanted: bool,
    numbers: &mut Vec<Coding>,
) -> Result<bool, GatherError> {
    let mut own = |resource: &Value| {
        let identifiers = list(resource, "identifier");
        numbers.extend(identifiers.iter().filter_map(|identifier| number(identifier, set)));
        !identifiers.is_empty()
    };
    let mut any = own(resource);
    for name in ["practitioner", "organization"] {
        let Some(reference) = resource.get(name) else { continue };
        if let Found::Is(behind) = known.resolve(resource, reference, wanted)? {
            any |= own(&behind);
        }
    }
    Ok(any)
}

/// An Identifier is a code of a system, under other names.
fn number(identifier: &Value, set: &PolicySet) -> Option<Coding> {
    known_coding(&json!({ "system": identifier.get("system")?, "code": identifier.get("value")? }), set)
}
