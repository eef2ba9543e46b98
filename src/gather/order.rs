//! The facts of one order: what is ordered, when and where it will be done, and why.

use jiff::civil::Date;
use serde_json::Value;

use super::coverage::{Coverage, checked};
use super::fhir::{NoDate, codings, days, days_of, known, list, names, string};
use super::{GatherError, prefetch};
use crate::decide::facts::{Days, Fact, Facts, Why};
use crate::policy::model::{Coding, PolicySet};
use crate::request::{Invocation, Order, Prefetched, schema};

/// The billing codes that an order says may be used (CRD billopt-3).
const BILLING_OPTIONS: &str = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-billing-options";

/// Statuses in which an order is no longer for doing something.
const ENDED: [&str; 3] = ["revoked", "entered-in-error", "cancelled"];

/// Gathers the facts of an order.
///
/// # Errors
/// The order is another patient's, or a resource it refers to breaks FHIR R4.
pub(super) fn facts(
    invocation: &Invocation<'_>,
    order: &Order<'_>,
    coverage: &Coverage,
    set: &PolicySet,
    today: Date,
) -> Result<Facts, GatherError> {
    let value = &order.value;
    if !is_of_patient(invocation, order) {
        return Err(GatherError::OtherSubject(format!("{}.subject", order.expression)));
    }
    let concepts = concepts(invocation, value);
    let options = concepts.iter().flat_map(|concept| list(concept, "extension"));
    let options = options.filter(|extension| string(extension, "url") == Some(BILLING_OPTIONS));
    let options = options.filter_map(|extension| extension.get("valueCodeableConcept"));
    let service_days =
        service_days(value, &format!("{}.", order.expression)).map_err(|none| none.refused(invocation))?;
    let ended = string(value, "status").is_some_and(|status| ENDED.contains(&status));
    Ok(Facts {
        codes: concepts.iter().flat_map(|concept| codings(concept, set)).collect(),
        billing_options: options.flat_map(|concept| codings(concept, set)).collect(),
        days: service_days.unwrap_or(Days { first: today, last: today }),
        to_be_performed: !ended && value.get("doNotPerform") != Some(&Value::Bool(true)),
        coverage: coverage.in_force,
        setting: setting(invocation, value, set)?,
        plan: coverage.plan.clone(),
        diagnosis: diagnosis(invocation, value, set)?,
    })
}

fn is_of_patient(invocation: &Invocation<'_>, order: &Order<'_>) -> bool {
    let patient = &invocation.patient_id;
    match &*order.resource.kind {
        "VisionPrescription" | "NutritionOrder" => names(order.value.get("patient"), "Patient", patient),
        "Appointment" => {
            let actors = || list(&order.value, "participant").iter().map(|participant| participant.get("actor"));
            actors().any(|actor| names(actor, "Patient", patient))
        }
        _ => names(order.value.get("subject"), "Patient", patient),
    }
}

/// The concepts that say what is ordered, from wherever the type of order keeps them.
fn concepts(invocation: &Invocation<'_>, order: &Value) -> Vec<Value> {
    let direct = ["code", "codeCodeableConcept", "medicationCodeableConcept"];
    let mut concepts: Vec<Value> =
        direct.iter().filter_map(|name| order.get(*name)).filter(|it| it.is_object()).cloned().collect();
    concepts.extend(list(order, "serviceType").iter().cloned());
    concepts.extend(list(order, "lensSpecification").iter().filter_map(|lens| lens.get("product")).cloned());
    for name in ["medicationReference", "codeReference"] {
        let referred = order.get(name).and_then(|reference| prefetch::resolve(invocation, order, reference));
        concepts.extend(referred.and_then(|resource| resource.get("code").or_else(|| resource.get("type")).cloned()));
    }
    concepts
}

/// When the service will be done.
fn service_days(order: &Value, place: &str) -> Result<Option<Days>, NoDate> {
    if let Some(days) = days_of(order, "occurrenceDateTime", place)? {
        return Ok(Some(days));
    }
    if let Some(period) = order.get("occurrencePeriod") {
        return period_days(period, &format!("{place}occurrencePeriod."));
    }
    if let Some(timing) = order.get("occurrenceTiming") {
        let place = format!("{place}occurrenceTiming.");
        let mut spans = Vec::new();
        for event in list(timing, "event").iter().filter_map(Value::as_str) {
            spans.push(days(event).ok_or_else(|| NoDate(format!("{place}event")))?);
        }
        if let Some(bounds) = timing.get("repeat").and_then(|repeat| repeat.get("boundsPeriod")) {
            spans.extend(period_days(bounds, &format!("{place}repeat.boundsPeriod."))?);
        }
        return Ok(spans.into_iter().reduce(|a, b| Days { first: a.first.min(b.first), last: a.last.max(b.last) }));
    }
    days_of(order, "start", place)
}

fn period_days(period: &Value, place: &str) -> Result<Option<Days>, NoDate> {
    let (first, last) = (days_of(period, "start", place)?, days_of(period, "end", place)?);
    let span = |days: Days| Days { first: days.first, last: last.unwrap_or(days).last.max(days.first) };
    Ok(first.or(last).map(span))
}

/// Where the ordered service will be done: the order's own word first, then an inpatient encounter.
fn setting(invocation: &Invocation<'_>, order: &Value, set: &PolicySet) -> Result<Fact<Vec<Coding>>, GatherError> {
    let mut said: Vec<Coding> = Vec::new();
    let concepts = list(order, "category").iter().chain(list(order, "locationCode"));
    said.extend(concepts.flat_map(|concept| codings(concept, set)));
    for reference in list(order, "locationReference") {
        let Some(location) = prefetch::resolve(invocation, order, reference) else { continue };
        checked(&schema::LOCATION, &location, "Location", invocation)?;
        said.extend(list(&location, "type").iter().flat_map(|concept| codings(concept, set)));
    }
    let mut settings: Vec<Coding> = said.iter().filter_map(|coding| set.order_setting.get(coding)).cloned().collect();
    if settings.is_empty() {
        let own = order.get("encounter").and_then(|reference| prefetch::resolve(invocation, order, reference));
        let context = || invocation.encounter_id.as_deref().and_then(|id| prefetch::one(invocation, "Encounter", id));
        if let Some(encounter) = own.or_else(context) {
            checked(&schema::ENCOUNTER, &encounter, "Encounter", invocation)?;
            if !names(encounter.get("subject"), "Patient", &invocation.patient_id) && encounter.get("subject").is_some()
            {
                return Err(GatherError::OtherSubject("Encounter.subject".to_owned()));
            }
            let class = encounter.get("class").and_then(|class| known(class, set));
            settings.extend(class.and_then(|class| set.encounter_setting.get(&class)).cloned());
        }
    }
    settings.sort_unstable();
    settings.dedup();
    let failed = |word| matches!(prefetch::under(invocation, word), Some(Prefetched::Failure));
    Ok(match settings.len() {
        1 => Fact::Known(settings),
        // What would have told came as a failure (FAULTS C07).
        0 if failed("encounter") || failed("location") => Fact::Unavailable(Why::SentAsFailure),
        // An order that says both has not said which.
        _ => Fact::Absent,
    })
}

/// The diagnoses: of the order itself, and of the Conditions it refers to.
fn diagnosis(invocation: &Invocation<'_>, order: &Value, set: &PolicySet) -> Result<Fact<Vec<Coding>>, GatherError> {
    let mut codes: Vec<Coding> = list(order, "reasonCode").iter().flat_map(|concept| codings(concept, set)).collect();
    for reference in list(order, "reasonReference") {
        let Some(condition) = prefetch::resolve(invocation, order, reference) else { continue };
        if string(&condition, "resourceType") != Some("Condition") {
            continue;
        }
        checked(&schema::CONDITION, &condition, "Condition", invocation)?;
        if !names(condition.get("subject"), "Patient", &invocation.patient_id) {
            return Err(GatherError::OtherSubject("Condition.subject".to_owned()));
        }
        codes.extend(condition.get("code").map(|concept| codings(concept, set)).unwrap_or_default());
    }
    codes.sort_unstable();
    codes.dedup();
    Ok(if codes.is_empty() { Fact::Absent } else { Fact::Known(codes) })
}
