//! The medications that the patient has or had: what a rule of step therapy looks at.

use serde_json::Value;

use super::GatherError;
use super::codes::{Codes, Wanted};
use super::fhir::{list, string};
use super::known::{Found, Known};
use super::learned::Query;
use crate::decide::facts::Fact;
use crate::policy::model::{Coding, FactName, PolicySet};
use crate::request::Order;
use crate::request::index::{Indexed, Origin};

/// Statuses of a prescription that the patient never took anything by.
const NEVER: [&str; 3] = ["draft", "cancelled", "entered-in-error"];

/// Intents of what is no prescription: it only might become one.
const NO_PRESCRIPTION: [&str; 3] = ["proposal", "plan", "option"];

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
    for prescription in known.all("MedicationRequest") {
        if !prescription.is(&order.resource.kind, &order.resource.id) {
            medication(known, prescription, wanted, &mut codes)?;
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

/// Adds what a prescription is for.
fn medication<'k>(
    known: &Known<'_, 'k>,
    prescription: &Indexed<'k>,
    wanted: &Wanted<'_>,
    codes: &mut Codes<'_>,
) -> Result<(), GatherError> {
    let value = match prescription.value() {
        Ok(value) => value,
        Err(_) if prescription.origin == Origin::Fetched => {
            codes.unread();
            return Ok(());
        }
        Err(misfit) => return Err(GatherError::Resource(misfit.clone(), known.invocation.version)),
    };
    let is = |name, among: &[&str]| string(value, name).is_some_and(|said| among.contains(&said));
    let never = is("status", &NEVER) || is("intent", &NO_PRESCRIPTION);
    if never || value.get("doNotPerform") == Some(&Value::Bool(true)) {
        return Ok(());
    }
    if !known.is_patient(Some(prescription), value.get("subject")) {
        return Ok(());
    }
    // Whether anything was taken by it is not known.
    if is("status", &["unknown"]) {
        codes.unread();
        return Ok(());
    }
    let Some(reference) = value.get("medicationReference") else {
        codes.concept(value.get("medicationCodeableConcept"), wanted);
        return Ok(());
    };
    if let Some(medication) = codes.found(known.resolve(Some(prescription), reference, true)?) {
        let ingredients = list(&medication.value, "ingredient").iter().filter_map(|it| it.get("itemCodeableConcept"));
        let concepts = medication.value.get("code").into_iter().chain(ingredients);
        codes.concept(concepts, wanted);
    }
    Ok(())
}
