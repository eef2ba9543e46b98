//! Who will do what is ordered, by the numbers that providers have.

use serde_json::{Value, json};

use super::GatherError;
use super::codes::{Codes, Wanted};
use super::fhir::{known as known_coding, list};
use super::known::{Known, Resolved};
use super::order::actors;
use crate::decide::facts::Fact;
use crate::policy::model::{Coding, FactName, PolicySet};
use crate::request::Order;
use crate::request::index::Indexed;

/// The performers of an order: the one it is dispatched to, else those it names itself.
///
/// Several are all of them: a rule about one of them is a rule about the order.
pub(super) fn performer(
    known: &Known<'_, '_>,
    order: &Order<'_>,
    wanted: &Wanted<'_>,
    set: &PolicySet,
) -> Result<Fact<Vec<Coding>>, GatherError> {
    let dispatched = known.invocation.performer.as_deref().map(|reference| json!({ "reference": reference }));
    let holder = known.index.holding(order);
    let references = match &dispatched {
        Some(reference) => vec![(holder, reference)],
        None => named(known, order),
    };
    let mut codes = Codes::of(FactName::Performer, set);
    for (holder, reference) in &references {
        let Some(resource) = provider(known, *holder, reference, wanted, (set, &mut codes))? else { continue };
        let value = &resource.value;
        let behind = ["practitioner", "organization"].iter().filter_map(|name| value.get(*name));
        let behind: Vec<&Value> = behind.collect();
        match behind.is_empty() {
            true => codes.one_of(numbers(value, set), wanted),
            // A role is known by the person and the organization behind it.
            false => codes.also(numbers(value, set)),
        }
        for reference in behind {
            if let Some(behind) = provider(known, Some(resource.at), reference, wanted, (set, &mut codes))? {
                codes.one_of(numbers(&behind.value, set), wanted);
            }
        }
    }
    if references.is_empty() {
        codes.unread();
    }
    Ok(codes.into_fact(wanted))
}

/// The provider that a reference leads to, unless the reference says its number itself.
fn provider<'r, 'k>(
    known: &Known<'r, 'k>,
    holder: Option<&Indexed<'k>>,
    reference: &Value,
    wanted: &Wanted<'_>,
    (set, codes): (&PolicySet, &mut Codes<'_>),
) -> Result<Option<Resolved<'r, 'k>>, GatherError> {
    if let Some(number) = reference.get("identifier").and_then(|identifier| number(identifier, set)) {
        codes.one_of([number], wanted);
        return Ok(None);
    }
    Ok(codes.found(known.resolve(holder, reference, true)?))
}

/// The references to performers that an order or its appointments hold, each with the resource that holds it.
fn named<'o, 'r: 'o, 'k>(known: &'o Known<'r, 'k>, order: &'o Order<'_>) -> Vec<(Option<&'r Indexed<'k>>, &'o Value)> {
    let (value, holder) = (&order.value, known.index.holding(order));
    let listed = list(value, "performer").iter();
    let single = value.get("performer").filter(|performer| performer.is_object());
    let dispense = value.get("dispenseRequest").and_then(|dispense| dispense.get("performer"));
    let own = listed.chain(single).chain(dispense).chain(value.get("sender")).map(|it| (holder, it));
    let kinds = ["Practitioner", "PractitionerRole", "Organization"];
    let is_provider =
        |(holder, actor): &(Option<&Indexed<'k>>, &Value)| known.is_of_kind(*holder, actor, &kinds).unwrap_or_default();
    own.chain(actors(known, order).filter(is_provider)).collect()
}

/// The numbers that a provider has.
fn numbers(resource: &Value, set: &PolicySet) -> impl Iterator<Item = Coding> {
    list(resource, "identifier").iter().filter_map(|identifier| number(identifier, set))
}

/// An Identifier is a code of a system, under other names.
fn number(identifier: &Value, set: &PolicySet) -> Option<Coding> {
    known_coding(&json!({ "system": identifier.get("system")?, "code": identifier.get("value")? }), set)
}
