//! The orders that an answer is due for: those of the context, those it only names, and those that appointments are for.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::GatherError;
use super::fhir::{list, string, target};
use super::known::{Found, Known};
use crate::decide::facts::Why;
use crate::request::hook::{Hook, ORDERS};
use crate::request::index::Origin;
use crate::request::{Order, Prefetched, Referred};

/// The extension by which an Appointment says that it is for another kind of order than a ServiceRequest.
const ALTERNATE: &str = "http://hl7.org/fhir/StructureDefinition/alternate-reference";

/// An order that an answer is due for.
pub(super) struct Due<'k> {
    /// The order.
    pub(super) order: Order<'k>,
    /// Why an order that it is for, as an Appointment, could not be had: what is ordered is not known then.
    pub(super) basis_failed: Option<Why>,
}

/// The orders that are due, and why others are not among them.
#[derive(Default)]
struct Scope<'k> {
    due: Vec<Due<'k>>,
    /// The place of each among them, by type and id.
    places: HashMap<(String, String), usize>,
    /// Why an order that the context names is not there, and which.
    lost: Option<(GatherError, String)>,
    /// Whether another one is asked for now.
    asked: bool,
}

/// Why an order is not there.
enum Missing {
    /// It is asked for now.
    Asked,
    /// It was looked for, and there is none; or it is nothing that coverage information goes on.
    NotFound,
    /// It was not sent, and there is no way to ask for it.
    NotSent,
    /// The EHR could not give it.
    Failed,
}

/// The orders, each once, however many entries name it; in the order in which the context names them first. One that has to
/// be asked for is left out until it is there.
///
/// Beside them, the first that the context names and that is not among them.
///
/// # Errors
/// No order can be answered: none of them was sent or found. Or there are more than one request may have.
pub(super) fn orders<'k>(known: &Known<'_, 'k>, can_tell: bool) -> Result<(Vec<Due<'k>>, Option<String>), GatherError> {
    let mut scope = Scope::default();
    for order in &known.invocation.orders {
        booked(known, order, &mut scope)?;
    }
    for Referred { reference, expression } in &known.invocation.referred {
        match named(known, reference, expression)? {
            Ok(order) => scope.add(order, None),
            Err(missing) => scope.lose(&missing, reference, expression),
        }
    }
    if scope.due.len() > known.way.limits.orders {
        return Err(GatherError::TooManyOrders);
    }
    match scope.lost {
        Some((GatherError::OrderNotHad(_), reference)) if can_tell => Ok((scope.due, Some(reference))),
        Some((lost, _)) if scope.due.is_empty() && !scope.asked => Err(lost),
        lost => Ok((scope.due, lost.map(|(_, reference)| reference).filter(|_| can_tell))),
    }
}

/// Adds an order of the context: itself, or as an Appointment the orders that it is for.
fn booked<'k>(known: &Known<'_, 'k>, order: &Order<'k>, scope: &mut Scope<'k>) -> Result<(), GatherError> {
    let mut failed = None;
    let (basis, before) = (based_on(&order.value), scope.asked);
    for reference in &basis {
        if scope.due.len() > known.way.limits.orders {
            return Err(GatherError::TooManyOrders);
        }
        match named(known, reference, &order.expression)? {
            Ok(of) => scope.add(of, Some(&order.value)),
            Err(Missing::Asked) => scope.asked = true,
            Err(Missing::NotFound | Missing::NotSent | Missing::Failed) => failed = Some(Why::NotLearnt),
        }
    }
    // What could not be had is answered on the Appointment: nothing else is there to put an answer on.
    if basis.is_empty() || failed.is_some() && scope.asked == before {
        scope.add(order.clone(), None);
        if let Some(due) = scope.place(order).and_then(|place| scope.due.get_mut(place)) {
            due.basis_failed = failed;
        }
    }
    Ok(())
}

impl<'k> Scope<'k> {
    fn place(&self, order: &Order<'_>) -> Option<usize> {
        let resource = &order.resource;
        self.places.get(&(resource.kind.clone().into_owned(), resource.id.clone().into_owned())).copied()
    }

    /// Adds an order, or another appointment to one that is there.
    fn add(&mut self, order: Order<'k>, appointment: Option<&Arc<Value>>) {
        let place = self.place(&order).unwrap_or_else(|| {
            let name = (order.resource.kind.clone().into_owned(), order.resource.id.clone().into_owned());
            self.places.insert(name, self.due.len());
            self.due.push(Due { order, basis_failed: None });
            self.due.len() - 1
        });
        if let Some(due) = self.due.get_mut(place) {
            due.order.appointments.extend(appointment.cloned());
        }
    }

    /// Notes that an order is not there. That one was not sent is said before that another one is not to be found.
    fn lose(&mut self, missing: &Missing, reference: &str, place: &str) {
        let error = match missing {
            Missing::Asked => {
                self.asked = true;
                return;
            }
            Missing::NotFound => GatherError::OrderNotFound(place.to_owned()),
            Missing::NotSent => GatherError::OrderNotSent(place.to_owned()),
            Missing::Failed => GatherError::OrderNotHad(place.to_owned()),
        };
        if self.lost.is_none() || !matches!(missing, Missing::NotFound) {
            let name = target(reference).map_or_else(String::new, |(kind, id)| format!("{kind}/{id}"));
            self.lost = Some((error, name));
        }
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

/// An order that the context or an Appointment names.
fn named<'k>(known: &Known<'_, 'k>, reference: &str, place: &str) -> Result<Result<Order<'k>, Missing>, GatherError> {
    // Coverage information does not go on anything else, whatever a context names.
    let is_order = |kind: &str| match known.invocation.hook {
        Hook::EncounterStart | Hook::EncounterDischarge => kind == "Encounter",
        _ => kind != "Appointment" && ORDERS.contains(&kind),
    };
    let kind = known.kind_of(None, reference);
    if !kind.as_deref().is_some_and(is_order) {
        return Ok(Err(Missing::NotFound));
    }
    Ok(match known.follow(None, reference, true)? {
        Found::Is(found) if found.at.origin == Origin::Context => {
            let sent = known.invocation.orders.iter().chain(&known.invocation.unselected);
            let mut sent = sent.filter(|order| found.at.is(&order.resource.kind, &order.resource.id));
            sent.next().cloned().ok_or(Missing::NotFound)
        }
        Found::Is(found) => {
            let value = Value::clone(&found.value);
            Ok(Order::new(found.at.resource.clone(), value, place))
        }
        Found::Nothing => Err(Missing::NotFound),
        Found::Failed(_) => Err(Missing::Failed),
        Found::Unsaid if known.can_ask(reference) => Err(Missing::Asked),
        Found::Unsaid if was_looked_for(known, kind.as_deref().unwrap_or_default()) => Err(Missing::NotFound),
        Found::Unsaid => Err(Missing::NotSent),
    })
}

/// Whether the EHR says that it looked for resources of a type: its prefetch has a key for them.
fn was_looked_for(known: &Known<'_, '_>, kind: &str) -> bool {
    matches!(known.under(kind), Some(Prefetched::Nothing | Prefetched::Resources(_)))
}
