//! The medications that the patient has or had: what a rule of step therapy looks at.

use serde_json::Value;

use super::GatherError;
use super::codes::{Codes, Wanted};
use super::fhir::{codings, list, string};
use super::known::{Found, Known};
use super::learned::Query;
use crate::decide::facts::{Fact, Why};
use crate::policy::model::{Coding, FactName, PolicySet};
use crate::request::Order;
use crate::request::index::{Indexed, Origin};

/// Statuses of a prescription that the patient never took anything by.
const NEVER: [&str; 3] = ["draft", "cancelled", "entered-in-error"];

/// Intents of what is no prescription: it only might become one.
const NO_PRESCRIPTION: [&str; 3] = ["proposal", "plan", "option"];

/// A prescription of the patient, read once for all orders.
pub(super) struct Prescription {
    /// Its place in the index.
    place: usize,
    medication: Medication,
}

/// What a prescription is for.
enum Medication {
    /// Not known: it cannot be read, or it is not known whether it is the patient's, or taken.
    Unread,
    /// It could not be had.
    Failed(Why),
    /// The codes that it has as a whole, and those of each of its ingredients.
    Is(Vec<Coding>, Vec<Vec<Coding>>),
}

/// The medications of every other prescription of the patient. That there is none is known only where the EHR was asked, and
/// where every prescription could be read.
///
/// Every US Core server can search by patient and intent, so nothing more is asked for.
pub(super) fn history(
    known: &Known<'_, '_>,
    order: &Order<'_>,
    wanted: &Wanted<'_>,
    set: &PolicySet,
) -> Result<Fact<Vec<Coding>>, GatherError> {
    let mut codes = Codes::of(FactName::History, set);
    let own = known.index.holding(order).map(Indexed::place);
    for prescription in prescriptions(known, set)?.iter().filter(|it| Some(it.place) != own) {
        match &prescription.medication {
            Medication::Unread => codes.unread(),
            Medication::Failed(why) => codes.failed(*why),
            Medication::Is(whole, ingredients) => {
                if !codes.can_compare(whole, wanted) {
                    // It is then known by what it is made of, if by anything.
                    ingredients.iter().for_each(|one| codes.one_of(one.iter().cloned(), wanted));
                    if ingredients.is_empty() {
                        codes.unread();
                    }
                }
                codes.also(whole.iter().chain(ingredients.iter().flatten()).cloned());
            }
        }
    }
    let patient = known.invocation.patient_id.as_str();
    let parameters = [("patient", patient), ("intent", "order"), ("_include", "MedicationRequest:medication")];
    match known.ask(Query::search("MedicationRequest", &parameters)) {
        Found::Is(_) | Found::Nothing => {}
        Found::Failed(why) => codes.failed(why),
        // What happens to be in the prefetch need not be all: what is not there may have been taken.
        Found::Unsaid => codes.unread(),
    }
    Ok(codes.into_fact(wanted))
}

/// The prescriptions of the patient by which something was or may have been taken.
fn prescriptions<'r>(known: &'r Known<'_, '_>, set: &PolicySet) -> Result<&'r [Prescription], GatherError> {
    if let Some(read) = known.prescriptions.get() {
        return Ok(read);
    }
    let mut found = Vec::new();
    for at in known.all("MedicationRequest") {
        if let Some(medication) = medication(known, at, set)? {
            found.push(Prescription { place: at.place(), medication });
        }
    }
    Ok(known.prescriptions.get_or_init(|| found))
}

/// What a prescription is for; none if it is another's, or nothing was taken by it.
fn medication<'r, 'k>(
    known: &Known<'r, 'k>,
    prescription: &'r Indexed<'k>,
    set: &PolicySet,
) -> Result<Option<Medication>, GatherError> {
    let value = match prescription.value() {
        Ok(value) => value,
        Err(_) if prescription.origin == Origin::Fetched => return Ok(Some(Medication::Unread)),
        Err(misfit) => return Err(GatherError::Resource(misfit.clone(), known.invocation.version)),
    };
    let is = |name, among: &[&str]| string(value, name).is_some_and(|said| among.contains(&said));
    let never = is("status", &NEVER) || is("intent", &NO_PRESCRIPTION);
    if never || value.get("doNotPerform") == Some(&Value::Bool(true)) {
        return Ok(None);
    }
    match known.is_patient(Some(prescription), value.get("subject")) {
        Some(true) if !is("status", &["unknown"]) => {}
        Some(false) => return Ok(None),
        Some(true) | None => return Ok(Some(Medication::Unread)),
    }
    let read = |concept: &Value| codings(concept, set).collect::<Vec<_>>();
    let Some(reference) = value.get("medicationReference") else {
        let whole = value.get("medicationCodeableConcept").map(read).unwrap_or_default();
        return Ok(Some(Medication::Is(whole, Vec::new())));
    };
    Ok(Some(match known.resolve(Some(prescription), reference, true)? {
        Found::Failed(why) => Medication::Failed(why),
        Found::Nothing | Found::Unsaid => Medication::Unread,
        Found::Is(medication) => {
            let whole = medication.value.get("code").map(read).unwrap_or_default();
            let ingredients = list(&medication.value, "ingredient").iter();
            let ingredients = ingredients.map(|one| one.get("itemCodeableConcept").map(read).unwrap_or_default());
            Medication::Is(whole, ingredients.collect())
        }
    }))
}

untold!(Prescription, Medication);
