//! The orders that an answer is due for: those of the context, those it only names, and those that appointments are for.

use std::sync::Arc;

use serde_json::Value;

use super::GatherError;
use super::fhir::{list, string, target};
use super::known::{Found, Known};
use crate::request::Order;
use crate::request::hook::{Hook, ORDERS};

/// The extension by which an Appointment says that it is for another kind of order than a ServiceRequest.
const ALTERNATE: &str = "http://hl7.org/fhir/StructureDefinition/alternate-reference";

/// The orders, each once, in the order of the context. One that has to be asked for is left out until it is there.
///
/// # Errors
/// An order that nobody can find (FAULTS H13), or that could not be had.
pub(super) fn orders<'k>(known: &Known<'k>) -> Result<Vec<Order<'k>>, GatherError> {
    let mut orders: Vec<Order<'k>> = Vec::new();
    for order in &known.invocation.orders {
        let basis = based_on(&order.value);
        if basis.is_empty() {
            orders.push(order.clone());
            continue;
        }
        for (index, reference) in basis.into_iter().enumerate() {
            let place = format!("{}.basedOn[{index}]", order.expression);
            let appointment = Some(order.value.clone());
            add(&mut orders, named(known, reference, &place)?, appointment);
        }
    }
    for referred in &known.invocation.referred {
        add(&mut orders, named(known, &referred.reference, &referred.expression)?, None);
    }
    Ok(orders)
}

fn add<'k>(orders: &mut Vec<Order<'k>>, order: Option<Order<'k>>, appointment: Option<Arc<Value>>) {
    let Some(order) = order else { return };
    let same =
        |other: &Order<'_>| (&other.resource.kind, &other.resource.id) == (&order.resource.kind, &order.resource.id);
    if !orders.iter().any(same) {
        orders.push(Order { appointment, ..order });
    }
}

/// The references to the orders that an Appointment is for.
fn based_on(order: &Value) -> Vec<&str> {
    if string(order, "resourceType") != Some("Appointment") {
        return Vec::new();
    }
    let references = list(order, "basedOn").iter().filter_map(|reference| {
        let alternate = list(reference, "extension").iter().find(|it| string(it, "url") == Some(ALTERNATE));
        let alternate = alternate.and_then(|extension| extension.get("valueReference"));
        string(alternate.unwrap_or(reference), "reference")
    });
    references.collect()
}

fn named<'k>(known: &Known<'k>, reference: &str, place: &str) -> Result<Option<Order<'k>>, GatherError> {
    // Coverage information does not go on anything else, whatever a context names.
    let is_order = |kind: &str| match known.invocation.hook {
        Hook::EncounterStart | Hook::EncounterDischarge => kind == "Encounter",
        _ => kind != "Appointment" && ORDERS.contains(&kind),
    };
    if !target(reference).is_some_and(|(kind, _)| is_order(kind)) {
        return Err(GatherError::OrderNotFound(place.to_owned()));
    }
    match known.order(reference, place)? {
        Found::Is(order) => Ok(Some(order)),
        Found::Nothing => Err(GatherError::OrderNotFound(place.to_owned())),
        Found::Failed(_) => Err(GatherError::OrderNotHad(place.to_owned())),
        // Either it is a wish now, or there is no way to ask for it.
        Found::Unsaid if known.can_ask(reference) => Ok(None),
        Found::Unsaid => Err(GatherError::OrderNotFound(place.to_owned())),
    }
}
