//! The medications that the patient has or had: what a rule of step therapy looks at.

use serde_json::Value;

use super::GatherError;
use super::fhir::{codings, list, names, string};
use super::known::{Found, Known};
use super::learned::Query;
use crate::decide::facts::Fact;
use crate::policy::model::{Coding, PolicySet};
use crate::request::Order;

/// Statuses of a prescription that the patient never took anything by.
const NEVER: [&str; 4] = ["draft", "cancelled", "entered-in-error", "unknown"];

/// The medications of every other prescription of the patient. None at all is an answer too, once the EHR has been asked.
///
/// Every US Core server can search by patient and intent, so nothing more is asked for.
pub(super) fn history(known: &Known<'_>, order: &Order<'_>, set: &PolicySet) -> Result<Fact<Vec<Coding>>, GatherError> {
    let patient = known.invocation.patient_id.as_str();
    let mut codes = medications(known, order, set)?;
    codes.sort_unstable();
    codes.dedup();
    let parameters = [("patient", patient), ("intent", "order"), ("_include", "MedicationRequest:medication")];
    Ok(match known.ask(Query::search("MedicationRequest", &parameters)) {
        Found::Is(_) | Found::Nothing => Fact::Known(codes),
        Found::Failed(why) => Fact::Unavailable(why),
        // What happens to be in the prefetch need not be all: what is not there may have been taken.
        Found::Unsaid => Fact::Absent,
    })
}

fn medications(known: &Known<'_>, order: &Order<'_>, set: &PolicySet) -> Result<Vec<Coding>, GatherError> {
    let mut codes = Vec::new();
    for resource in known.all("MedicationRequest") {
        if resource.id == order.resource.id {
            continue;
        }
        let Found::Is(value) = known.value(resource)? else { continue };
        let taken = string(&value, "status").is_none_or(|status| !NEVER.contains(&status));
        if !taken || !names(value.get("subject"), "Patient", &known.invocation.patient_id) {
            continue;
        }
        codes.extend(value.get("medicationCodeableConcept").into_iter().flat_map(|it| codings(it, set)));
        if let Some(reference) = value.get("medicationReference")
            && let Found::Is(medication) = known.resolve(&value, reference, false)?
        {
            codes.extend(medication.get("code").into_iter().flat_map(|concept| codings(concept, set)));
            codes.extend(ingredients(&medication, set));
        }
    }
    Ok(codes)
}

fn ingredients(medication: &Value, set: &PolicySet) -> Vec<Coding> {
    let items = list(medication, "ingredient").iter().filter_map(|it| it.get("itemCodeableConcept"));
    items.flat_map(|concept| codings(concept, set)).collect()
}
