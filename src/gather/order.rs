//! The facts of one order: what is ordered, when and where it will be done, by whom, and why.

use jiff::civil::Date;
use serde_json::Value;

use super::coverage::Coverage;
use super::fhir::{NoDate, codings, days, days_of, known as known_coding, list, names, string};
use super::known::{Found, Known};
use super::{GatherError, history, may_speak, performer, person};
use crate::decide::facts::{Cover, Days, Fact, Facts, Why};
use crate::policy::model::{Coding, FactName, PolicySet, Value as FactValue};
use crate::policy::number::thousandths;
use crate::request::{Order, Prefetched};

/// The billing codes that an order says may be used (CRD billopt-3).
const BILLING_OPTIONS: &str = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-billing-options";

/// Statuses in which an order is no longer for doing something.
const ENDED: [&str; 3] = ["revoked", "entered-in-error", "cancelled"];

/// Gathers the facts of an order. What no policy that may speak of it looks at is not asked for (CRD found-28).
///
/// # Errors
/// The order is another patient's, or a resource it refers to breaks FHIR R4.
pub(super) fn facts(
    known: &Known<'_>,
    order: &Order<'_>,
    coverage: Result<&Coverage<'_>, Cover>,
    set: &PolicySet,
    today: Date,
) -> Result<Facts, GatherError> {
    let value = &*order.value;
    let concepts = concepts(known, value)?;
    let codes = concepts.is.iter().flat_map(|concept| codings(concept, set)).collect();
    let days = service_days(order).map_err(|none| none.refused(known.invocation))?;
    let days = days.unwrap_or(Days { first: today, last: today });
    let cover = coverage.map_or_else(|unavailable| unavailable, |coverage| coverage.cover);
    let mut facts = Facts::of(codes, days, cover);
    facts.billing_options = billing_options(&concepts.is).flat_map(|concept| codings(concept, set)).collect();
    facts.unread = concepts.failed.filter(|_| facts.codes.is_empty() && facts.billing_options.is_empty());
    let ended = string(value, "status").is_some_and(|status| ENDED.contains(&status));
    facts.to_be_performed = !ended && value.get("doNotPerform") != Some(&Value::Bool(true));
    let wanted = |name| {
        let mut conditions = may_speak(&facts, set).flat_map(|policy| policy.conditions());
        conditions.any(|condition| condition.fact == name)
    };
    let setting = setting(known, order, set, wanted(FactName::Setting))?;
    // What only adds a paragraph may rest on some of the diagnoses; what decides rests on all.
    let cases = may_speak(&facts, set).flat_map(|policy| &policy.cases);
    let whole = cases.flat_map(|case| &case.action.conditions).any(|condition| condition.fact == FactName::Diagnosis);
    let diagnosis = diagnosis(known, value, set, wanted(FactName::Diagnosis), whole)?;
    let performer = wanted(FactName::Performer).then(|| performer::performer(known, order, set)).transpose()?;
    let history = wanted(FactName::History).then(|| history::history(known, order, set)).transpose()?;
    let age = wanted(FactName::Age).then(|| person::age(known, days)).transpose()?;
    facts.set_codes(FactName::Setting, setting);
    facts.set_codes(FactName::Diagnosis, diagnosis);
    facts.set_codes(FactName::Plan, coverage.map_or(Fact::Absent, |coverage| coverage.plan.clone()));
    facts.set_codes(FactName::Performer, performer.unwrap_or(Fact::Absent));
    facts.set_codes(FactName::History, history.unwrap_or(Fact::Absent));
    facts.set(FactName::Age, age.unwrap_or(Fact::Absent));
    facts.set(FactName::Quantity, quantity(value).map_or(Fact::Absent, Fact::Known));
    Ok(facts)
}

/// Whether an order is for the patient of the request (FAULTS H09).
pub(super) fn is_of_patient(order: &Order<'_>, patient: &str) -> bool {
    match patient_member(order) {
        "participant" => {
            let actors = || list(&order.value, "participant").iter().map(|participant| participant.get("actor"));
            actors().any(|actor| names(actor, "Patient", patient))
        }
        member => names(order.value.get(member), "Patient", patient),
    }
}

/// The member of an order that says whose it is.
pub(super) fn patient_member(order: &Order<'_>) -> &'static str {
    match &*order.resource.kind {
        "VisionPrescription" | "NutritionOrder" => "patient",
        "Appointment" => "participant",
        _ => "subject",
    }
}

/// The codes of an order, as far as they can be told without asking anybody.
pub(super) fn codes(known: &Known<'_>, order: &Order<'_>, set: &PolicySet) -> Result<Vec<Coding>, GatherError> {
    Ok(concepts(known, &order.value)?.is.iter().flat_map(|concept| codings(concept, set)).collect())
}

/// The concepts that say what is ordered.
struct Concepts {
    is: Vec<Value>,
    /// Why one of them could not be learnt.
    failed: Option<Why>,
}

/// Takes the concepts from wherever the type of order keeps them.
fn concepts(known: &Known<'_>, order: &Value) -> Result<Concepts, GatherError> {
    let direct = ["code", "codeCodeableConcept", "medicationCodeableConcept"];
    let mut is: Vec<Value> =
        direct.iter().filter_map(|name| order.get(*name)).filter(|it| it.is_object()).cloned().collect();
    is.extend(list(order, "serviceType").iter().cloned());
    is.extend(order.get("serviceType").filter(|it| it.is_object()).cloned());
    is.extend(list(order, "lensSpecification").iter().filter_map(|lens| lens.get("product")).cloned());
    is.extend(diet(order));
    is.extend(requested(order));
    if string(order, "resourceType") == Some("Encounter") {
        is.extend(list(order, "type").iter().cloned());
    }
    let mut failed = None;
    for name in ["medicationReference", "codeReference"] {
        let Some(reference) = order.get(name) else { continue };
        match known.resolve(order, reference, true)? {
            Found::Is(resource) => is.extend(resource.get("code").or_else(|| resource.get("type")).cloned()),
            Found::Failed(why) => failed = Some(why),
            Found::Nothing | Found::Unsaid => {}
        }
    }
    Ok(Concepts { is, failed })
}

/// The concepts of a diet, a supplement or a formula.
fn diet(order: &Value) -> Vec<Value> {
    let oral = order.get("oralDiet").map(|diet| list(diet, "type")).unwrap_or_default();
    let supplements = list(order, "supplement").iter().filter_map(|supplement| supplement.get("type"));
    let formula = order.get("enteralFormula");
    let formulas = ["baseFormulaType", "additiveType"].iter().filter_map(|name| formula?.get(*name));
    oral.iter().chain(supplements).chain(formulas).cloned().collect()
}

/// What a CommunicationRequest asks for, which R4 has in an extension: of R5, as CRD takes it over.
fn requested(order: &Value) -> Vec<Value> {
    let payloads = list(order, "payload").iter().flat_map(|payload| list(payload, "extension"));
    payloads.filter_map(|extension| extension.get("valueCodeableConcept")).cloned().collect()
}

fn billing_options(concepts: &[Value]) -> impl Iterator<Item = &Value> {
    let options = concepts.iter().flat_map(|concept| list(concept, "extension"));
    let options = options.filter(|extension| string(extension, "url") == Some(BILLING_OPTIONS));
    options.filter_map(|extension| extension.get("valueCodeableConcept"))
}

/// When the service will be done: as it is booked, else as it is ordered.
fn service_days(order: &Order<'_>) -> Result<Option<Days>, NoDate> {
    let place = format!("{}.", order.expression);
    if let Some(appointment) = &order.appointment
        && let Some(days) = days_of(appointment, "start", &place)?
    {
        return Ok(Some(days));
    }
    let order = &order.value;
    if let Some(days) = days_of(order, "occurrenceDateTime", &place)? {
        return Ok(Some(days));
    }
    for name in ["occurrencePeriod", "period"] {
        if let Some(period) = order.get(name) {
            return period_days(period, &format!("{place}{name}."));
        }
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
    days_of(order, "start", &place)
}

fn period_days(period: &Value, place: &str) -> Result<Option<Days>, NoDate> {
    let (first, last) = (days_of(period, "start", place)?, days_of(period, "end", place)?);
    let span = |days: Days| Days { first: days.first, last: last.unwrap_or(days).last.max(days.first) };
    Ok(first.or(last).map(span))
}

/// How much is ordered.
fn quantity(order: &Value) -> Option<FactValue> {
    let dispensed = order.get("dispenseRequest").and_then(|dispense| dispense.get("quantity"));
    let stated = order.get("quantityQuantity").or(dispensed);
    let parameter = list(order, "parameter").iter().find_map(|parameter| parameter.get("valueQuantity"));
    let number = stated.or(parameter)?.get("value")?.as_number()?.to_string();
    thousandths(&number).map(FactValue::Number)
}

/// Where the ordered service will be done: the order's own word first, then where it is booked, then an inpatient
/// encounter.
fn setting(
    known: &Known<'_>,
    order: &Order<'_>,
    set: &PolicySet,
    wanted: bool,
) -> Result<Fact<Vec<Coding>>, GatherError> {
    let value = &*order.value;
    let mut said: Vec<Coding> = Vec::new();
    let lone = value.get("category").filter(|category| category.is_object());
    let concepts = list(value, "category").iter().chain(lone).chain(list(value, "locationCode"));
    said.extend(concepts.flat_map(|concept| codings(concept, set)));
    let mut failed = None;
    for reference in places(order) {
        match known.resolve(value, reference, wanted)? {
            Found::Is(location) => {
                said.extend(list(&location, "type").iter().flat_map(|concept| codings(concept, set)));
            }
            Found::Failed(why) => failed = Some(why),
            Found::Nothing | Found::Unsaid => {}
        }
    }
    let mut settings: Vec<Coding> = said.iter().filter_map(|coding| set.order_setting.get(coding)).cloned().collect();
    if settings.is_empty() {
        match encounter(known, order, wanted)? {
            Found::Is(encounter) => {
                let class = encounter.get("class").and_then(|class| known_coding(class, set));
                settings.extend(class.and_then(|class| set.encounter_setting.get(&class)).cloned());
            }
            Found::Failed(why) => failed = Some(why),
            Found::Nothing | Found::Unsaid => {}
        }
    }
    settings.sort_unstable();
    settings.dedup();
    let sent_as_failure = |word| matches!(known.under(word), Some(Prefetched::Failure));
    Ok(match (settings.len(), failed) {
        (1, _) => Fact::Known(settings),
        (0, Some(why)) => Fact::Unavailable(why),
        // What would have told came as a failure (FAULTS C07).
        (0, None) if sent_as_failure("encounter") || sent_as_failure("location") => {
            Fact::Unavailable(Why::SentAsFailure)
        }
        // An order that says both has not said which.
        _ => Fact::Absent,
    })
}

/// The references to the places where an order will be done, or is booked.
fn places<'o>(order: &'o Order<'_>) -> impl Iterator<Item = &'o Value> {
    let own = list(&order.value, "locationReference").iter();
    let visited = list(&order.value, "location").iter().filter_map(|it| it.get("location"));
    let appointments = order.appointment.as_deref().into_iter().chain([&*order.value]);
    let actors = appointments.flat_map(|it| list(it, "participant")).filter_map(|it| it.get("actor"));
    let actors = actors.filter(|actor| string(actor, "reference").is_some_and(|it| it.contains("Location/")));
    own.chain(visited).chain(actors)
}

/// The encounter that an order is made in: its own, else that of the request.
fn encounter(known: &Known<'_>, order: &Order<'_>, wanted: bool) -> Result<Found<Value>, GatherError> {
    if order.resource.kind == "Encounter" {
        return Ok(Found::Is(Value::clone(&order.value)));
    }
    let own = match order.value.get("encounter") {
        Some(reference) => known.resolve(&order.value, reference, wanted)?,
        None => Found::Unsaid,
    };
    let found = match (own, known.invocation.encounter_id.as_deref()) {
        (Found::Unsaid | Found::Nothing, Some(id)) => known.one("Encounter", id, wanted)?,
        (own, _) => own,
    };
    if let Found::Is(encounter) = &found
        && encounter.get("subject").is_some()
        && !names(encounter.get("subject"), "Patient", &known.invocation.patient_id)
    {
        return Err(GatherError::OtherSubject("Encounter.subject".to_owned()));
    }
    Ok(found)
}

/// The diagnoses: of the order itself, and of the Conditions it refers to.
fn diagnosis(
    known: &Known<'_>,
    order: &Value,
    set: &PolicySet,
    wanted: bool,
    whole: bool,
) -> Result<Fact<Vec<Coding>>, GatherError> {
    let mut codes: Vec<Coding> = list(order, "reasonCode").iter().flat_map(|concept| codings(concept, set)).collect();
    let visited = list(order, "diagnosis").iter().filter_map(|diagnosis| diagnosis.get("condition"));
    let (mut failed, mut unsaid) = (None, false);
    for reference in list(order, "reasonReference").iter().chain(visited) {
        let condition = match known.resolve(order, reference, wanted && is_condition(reference))? {
            Found::Is(condition) if string(&condition, "resourceType") == Some("Condition") => condition,
            Found::Failed(why) => {
                failed = Some(why);
                continue;
            }
            Found::Unsaid => {
                unsaid = true;
                continue;
            }
            _ => continue,
        };
        if !names(condition.get("subject"), "Patient", &known.invocation.patient_id) {
            return Err(GatherError::OtherSubject("Condition.subject".to_owned()));
        }
        codes.extend(condition.get("code").map(|concept| codings(concept, set)).unwrap_or_default());
    }
    codes.sort_unstable();
    codes.dedup();
    Ok(match failed {
        Some(why) if whole || codes.is_empty() => Fact::Unavailable(why),
        _ if codes.is_empty() || whole && unsaid => Fact::Absent,
        _ => Fact::Known(codes),
    })
}

fn is_condition(reference: &Value) -> bool {
    string(reference, "reference").is_some_and(|reference| reference.contains("Condition/"))
}
