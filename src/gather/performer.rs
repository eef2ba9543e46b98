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
/// Several are all of them: a rule about one of them is a rule about the order. Where one of them is not known, none is:
/// a rule may be about who is not among them.
pub(super) fn performer(
    known: &Known<'_>,
    order: &Order<'_>,
    set: &PolicySet,
) -> Result<Fact<Vec<Coding>>, GatherError> {
    let dispatched = known.invocation.performer.as_deref().map(|reference| json!({ "reference": reference }));
    let references = match dispatched {
        Some(reference) => vec![reference],
        None => named(order),
    };
    let mut numbers = Vec::new();
    for reference in &references {
        let inline = reference.get("identifier").and_then(|identifier| number(identifier, set));
        if let Some(inline) = inline {
            numbers.push(inline);
            continue;
        }
        match known.resolve(&order.value, reference, true)? {
            Found::Is(resource) => match provider(known, &resource, set, &mut numbers)? {
                Fact::Known(()) => {}
                Fact::Partial((), _) | Fact::Absent => return Ok(Fact::Absent),
                Fact::Unavailable(why) => return Ok(Fact::Unavailable(why)),
            },
            Found::Failed(why) => return Ok(Fact::Unavailable(why)),
            Found::Nothing | Found::Unsaid => return Ok(Fact::Absent),
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(if references.is_empty() { Fact::Absent } else { Fact::Known(numbers) })
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

/// Adds the numbers of a provider: its own, and those of the person and organisation behind a role. Known if all of them
/// are there; one without a number that we know is still nobody whom a rule could name.
fn provider(
    known: &Known<'_>,
    resource: &Value,
    set: &PolicySet,
    numbers: &mut Vec<Coding>,
) -> Result<Fact<()>, GatherError> {
    let mut identified = false;
    let mut own = |resource: &Value| {
        let identifiers = list(resource, "identifier");
        identified |= !identifiers.is_empty();
        numbers.extend(identifiers.iter().filter_map(|identifier| number(identifier, set)));
    };
    own(resource);
    for name in ["practitioner", "organization"] {
        let Some(reference) = resource.get(name) else { continue };
        match known.resolve(resource, reference, true)? {
            Found::Is(behind) => own(&behind),
            Found::Failed(why) => return Ok(Fact::Unavailable(why)),
            Found::Nothing | Found::Unsaid => return Ok(Fact::Absent),
        }
    }
    Ok(if identified { Fact::Known(()) } else { Fact::Absent })
}

/// An Identifier is a code of a system, under other names.
fn number(identifier: &Value, set: &PolicySet) -> Option<Coding> {
    known_coding(&json!({ "system": identifier.get("system")?, "code": identifier.get("value")? }), set)
}
