//! The orders that an answer is due for: those of the context, those it only names, and those that appointments are for.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::GatherError;
use super::fhir::{list, string, target};
use super::known::{Found, Known};
use super::order::is_of_patient;
use crate::decide::facts::Why;
use crate::request::hook::{Hook, ORDERS};
use crate::request::index::Origin;
use crate::request::order::is_to_be_performed;
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
    /// The place of each among them, by its place in the index.
    places: HashMap<usize, usize>,
    /// Why orders that the context names are not there, and which.
    lost: Vec<(GatherError, String)>,
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
/// Beside them, those that the context names and that are not among them.
///
/// # Errors
/// No order can be answered: none of them was sent or found. Or there are more than one request may have.
pub(super) fn orders<'k>(known: &Known<'_, 'k>, can_tell: bool) -> Result<(Vec<Due<'k>>, Vec<String>), GatherError> {
    let mut scope = Scope::default();
    for order in &known.invocation.orders {
        booked(known, order, &mut scope)?;
    }
    for Referred { reference, expression } in &known.invocation.referred {
        match named(known, reference, expression)? {
            Ok(order) => scope.add(known, order, None),
            Err(missing) => scope.lose(&missing, reference, expression),
        }
    }
    if scope.due.len() > known.way.limits.orders {
        return Err(GatherError::TooManyOrders);
    }
    let only_failed = scope.lost.iter().all(|(lost, _)| matches!(lost, GatherError::OrderNotHad(_)));
    let Scope { due, lost, asked, .. } = scope;
    let tells = can_tell && (only_failed || !due.is_empty());
    if due.is_empty() && !asked && !tells {
        // That one was not sent is said before that another one is not to be found.
        let rank = |error: &GatherError| matches!(error, GatherError::OrderNotFound(_));
        if let Some((error, _)) = lost.into_iter().min_by_key(|(error, _)| rank(error)) {
            return Err(error);
        }
        return Ok((due, Vec::new()));
    }
    let unread = lost.into_iter().map(|(_, reference)| reference).filter(|reference| !reference.is_empty());
    Ok((due, if tells { unread.collect() } else { Vec::new() }))
}

/// Adds an order of the context: itself, or as an Appointment the orders that it is for.
fn booked<'k>(known: &Known<'_, 'k>, order: &Order<'k>, scope: &mut Scope<'k>) -> Result<(), GatherError> {
    let basis = based_on(&order.value);
    if basis.is_empty() {
        scope.add(known, order.clone(), None);
        return Ok(());
    }
    if !is_of_patient(known, order) {
        return Err(GatherError::OtherSubject(format!("{}.participant", order.expression)));
    }
    if list(&order.value, "participant").len() > known.way.limits.references {
        return Err(GatherError::TooManyReferences);
    }
    // An appointment that does not take place books nothing.
    if !is_to_be_performed(&order.value) {
        scope.add(known, order.clone(), None);
        return Ok(());
    }
    let (mut failed, before) = (None, scope.asked);
    for reference in basis {
        if scope.due.len() > known.way.limits.orders {
            return Err(GatherError::TooManyOrders);
        }
        let Some(reference) = reference else {
            failed = Some(Why::NotLearnt);
            continue;
        };
        match named(known, reference, &order.expression)? {
            Ok(of) => scope.add(known, of, Some(order)),
            Err(Missing::Asked) => scope.asked = true,
            Err(Missing::NotFound | Missing::NotSent | Missing::Failed) => failed = Some(Why::NotLearnt),
        }
    }
    // What could not be had is answered on the Appointment: nothing else is there to put an answer on.
    if failed.is_some() && scope.asked == before {
        scope.add(known, order.clone(), None);
        if let Some(due) = scope.place(known, order).and_then(|place| scope.due.get_mut(place)) {
            due.basis_failed = failed;
        }
    }
    Ok(())
}

impl<'k> Scope<'k> {
    fn place(&self, known: &Known<'_, 'k>, order: &Order<'_>) -> Option<usize> {
        self.places.get(&known.index.holding(order)?.place()).copied()
    }

    /// Adds an order, or another appointment to one that is there.
    fn add(&mut self, known: &Known<'_, 'k>, order: Order<'k>, appointment: Option<&Order<'k>>) {
        let place = self.place(known, &order).unwrap_or_else(|| {
            if let Some(held) = known.index.holding(&order) {
                self.places.insert(held.place(), self.due.len());
            }
            self.due.push(Due { order, basis_failed: None });
            self.due.len() - 1
        });
        if let (Some(due), Some(appointment)) = (self.due.get_mut(place), appointment) {
            let is_there = |other: &Order<'_>| Arc::ptr_eq(&other.value, &appointment.value);
            if !due.order.appointments.iter().any(is_there) {
                due.order.appointments.push(appointment.clone());
            }
        }
    }

    /// Notes that an order is not there.
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
        let name = target(reference).map_or_else(String::new, |(kind, id)| format!("{kind}/{id}"));
        self.lost.push((error, name));
    }
}

/// The references to the orders that an Appointment is for; none of one that is not literal.
fn based_on(order: &Value) -> Vec<Option<&str>> {
    if string(order, "resourceType") != Some("Appointment") {
        return Vec::new();
    }
    let references = list(order, "basedOn").iter().map(|reference| {
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
            sent.into_iter().find(|order| found.at.is_at(&order.resource)).cloned().ok_or(Missing::NotFound)
        }
        Found::Is(found) => {
            let (resource, value) = (found.at.resource.clone(), found.value.clone());
            Ok(Order { resource, value, expression: place.into(), appointments: Vec::new() })
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
    let is_whole = !known.invocation.unfinished.iter().any(|page| page.kind == kind);
    is_whole && matches!(known.under(kind), Some(Prefetched::Nothing | Prefetched::Resources(_)))
}
