//! The facts of one order: what is ordered, when and where it will be done, by whom, and why.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::codes::{Codes, Wanted, may_speak};
use super::coverage::Standing;
use super::fhir::{NoDate, codings, days_of, days_of_text, known as known_coding, list, modifiers, string};
use super::known::{Found, Known, Resolved};
use super::scope::Due;
use super::{GatherError, history, performer, person};
use crate::decide::facts::{Days, Fact, Facts, Why};
use crate::policy::model::{Coding, FactName, PolicySet, Value as FactValue};
use crate::policy::number::thousandths;
use crate::request::index::Indexed;
use crate::request::order::{self, concept_references, patient_member};
use crate::request::{Order, Prefetched};

/// The billing codes that an order says may be used (CRD billopt-3).
const BILLING_OPTIONS: &str = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-billing-options";

/// The code system of units.
const UCUM: &str = "http://unitsofmeasure.org";

/// Gathers the facts of an order. What no policy that may speak of it looks at is not asked for (CRD found-28).
///
/// # Errors
/// The order is another patient's, a resource it refers to breaks FHIR R4, or it has more codes than are compared.
pub(super) fn facts(
    known: &Known<'_, '_>,
    due: &Due<'_>,
    days: Days,
    standing: &Standing,
    set: &PolicySet,
) -> Result<Facts, GatherError> {
    let order = &due.order;
    let mut facts = what(known, due, days, standing, set)?;
    let policies = may_speak(&facts, set);
    let wanted = Wanted::by(policies.iter().copied());
    let names = |fact| wanted.names(fact);
    let setting = setting(known, order, set, names(FactName::Setting))?;
    let diagnosis = if names(FactName::Diagnosis) { diagnosis(known, order, set, &wanted)? } else { Fact::Absent };
    let performer = names(FactName::Performer).then(|| performer::performer(known, order, &wanted, set)).transpose()?;
    let history = names(FactName::History).then(|| history::history(known, order, &wanted, set)).transpose()?;
    let age = names(FactName::Age).then(|| person::age(known, days)).transpose()?;
    facts.set_codes(FactName::Setting, setting);
    facts.set_codes(FactName::Diagnosis, diagnosis);
    facts.set_codes(FactName::Plan, standing.plan.clone());
    facts.set_codes(FactName::Performer, performer.unwrap_or(Fact::Absent));
    facts.set_codes(FactName::History, history.unwrap_or(Fact::Absent));
    facts.set(FactName::Age, age.unwrap_or(Fact::Absent));
    facts.set(FactName::Quantity, quantity(&order.value).map_or(Fact::Absent, Fact::Known));
    Ok(facts)
}

/// What is ordered, and whether it is to be done at all.
fn what(
    known: &Known<'_, '_>,
    due: &Due<'_>,
    days: Days,
    standing: &Standing,
    set: &PolicySet,
) -> Result<Facts, GatherError> {
    let (order, value) = (&due.order, &*due.order.value);
    let found = concepts(known, order)?;
    let concepts = || order::concepts(value).chain(found.is.iter());
    let mut facts = Facts::of(concepts().flat_map(|concept| codings(concept, set)).collect(), days, standing.cover);
    facts.billing_options = concepts().flat_map(billing_options).flat_map(|concept| codings(concept, set)).collect();
    distinct(&mut facts.codes);
    distinct(&mut facts.billing_options);
    if facts.codes.len() + facts.billing_options.len() > known.way.limits.codes {
        return Err(GatherError::TooManyCodes(order.expression.to_string()));
    }
    let codings = concepts().flat_map(|concept| list(concept, "coding"));
    facts.modifiers = codings.flat_map(|coding| modifiers(coding, set)).map(str::to_uppercase).collect();
    facts.modifiers.sort_unstable();
    facts.modifiers.dedup();
    let unread = found.failed.filter(|_| facts.codes.is_empty() && facts.billing_options.is_empty());
    facts.unread = due.basis_failed.or(unread);
    facts.to_be_performed = order::is_to_be_performed(value);
    Ok(facts)
}

/// Leaves each code once, where it stands first.
fn distinct(codes: &mut Vec<Coding>) {
    let mut seen = std::collections::BTreeSet::new();
    codes.retain(|code| seen.insert(code.clone()));
}

/// Whether an order is for the patient of the request (FAULTS H09).
pub(super) fn is_of_patient(known: &Known<'_, '_>, order: &Order<'_>) -> bool {
    let holder = known.index.holding(order);
    let is = |reference| known.is_patient(holder, reference) == Some(true);
    match patient_member(&order.resource.kind) {
        "participant" => list(&order.value, "participant").iter().map(|participant| participant.get("actor")).any(is),
        member => is(order.value.get(member)),
    }
}

/// The codes of an order, as far as they can be told without asking anybody.
pub(super) fn codes(known: &Known<'_, '_>, order: &Order<'_>, set: &PolicySet) -> Result<Vec<Coding>, GatherError> {
    let found = concepts(known, order)?;
    let mut codes = order::concepts(&order.value).chain(found.is.iter()).flat_map(|it| codings(it, set)).collect();
    distinct(&mut codes);
    Ok(codes)
}

/// The concepts that resources beside the order say of it.
struct Concepts {
    is: Vec<Value>,
    /// Why one of them could not be learned.
    failed: Option<Why>,
}

fn concepts(known: &Known<'_, '_>, order: &Order<'_>) -> Result<Concepts, GatherError> {
    let mut concepts = Concepts { is: Vec::new(), failed: None };
    let holder = known.index.holding(order);
    for reference in concept_references(&order.value) {
        match known.resolve(holder, reference, true)? {
            Found::Is(found) => {
                concepts.is.extend(found.value.get("code").or_else(|| found.value.get("type")).cloned())
            }
            Found::Failed(why) => concepts.failed = Some(why),
            Found::Nothing | Found::Unsaid => {}
        }
    }
    Ok(concepts)
}

fn billing_options(concept: &Value) -> impl Iterator<Item = &Value> {
    let options = list(concept, "extension").iter();
    let options = options.filter(|extension| string(extension, "url") == Some(BILLING_OPTIONS));
    options.filter_map(|extension| extension.get("valueCodeableConcept"))
}

/// When the service will be done: as it is booked, on all the days of all appointments; else as it is ordered; else today.
///
/// # Errors
/// A date is none.
pub(super) fn service_days(order: &Order<'_>, zone: &TimeZone, today: Date) -> Result<Days, NoDate> {
    let place = format!("{}.", order.expression);
    let mut booked = Vec::new();
    for appointment in &order.appointments {
        booked.extend(appointment_days(&appointment.value, zone, today, &place)?);
    }
    let days = match span(booked) {
        Some(booked) => Some(booked),
        None => ordered_days(&order.value, zone, today, &place)?,
    };
    Ok(days.unwrap_or(Days { first: today, last: today }))
}

/// From the first of some days to the last.
fn span(days: Vec<Days>) -> Option<Days> {
    days.into_iter().reduce(|a, b| Days { first: a.first.min(b.first), last: a.last.max(b.last) })
}

/// When an appointment is, or is wanted where it has no time yet (CRD crd-apt1, crd-apt2).
fn appointment_days(appointment: &Value, zone: &TimeZone, today: Date, place: &str) -> Result<Option<Days>, NoDate> {
    if let Some(days) = days_of(appointment, "start", zone, place)? {
        return Ok(Some(days));
    }
    let mut wanted = Vec::new();
    for period in list(appointment, "requestedPeriod") {
        wanted.extend(period_days(period, zone, today, &format!("{place}requestedPeriod."))?);
    }
    Ok(span(wanted))
}

fn ordered_days(order: &Value, zone: &TimeZone, today: Date, place: &str) -> Result<Option<Days>, NoDate> {
    if let Some(days) = days_of(order, "occurrenceDateTime", zone, place)? {
        return Ok(Some(days));
    }
    for name in ["occurrencePeriod", "period"] {
        if let Some(period) = order.get(name) {
            return period_days(period, zone, today, &format!("{place}{name}."));
        }
    }
    let Some(timing) = order.get("occurrenceTiming") else { return appointment_days(order, zone, today, place) };
    let place = format!("{place}occurrenceTiming.");
    let mut spans = Vec::new();
    for event in list(timing, "event").iter().filter_map(Value::as_str) {
        spans.push(days_of_text(event, zone).ok_or_else(|| NoDate(format!("{place}event")))?);
    }
    if let Some(bounds) = timing.get("repeat").and_then(|repeat| repeat.get("boundsPeriod")) {
        spans.extend(period_days(bounds, zone, today, &format!("{place}repeat.boundsPeriod."))?);
    }
    Ok(span(spans))
}

/// The days of a period. One with an end alone may begin today.
fn period_days(period: &Value, zone: &TimeZone, today: Date, place: &str) -> Result<Option<Days>, NoDate> {
    let (first, last) = (days_of(period, "start", zone, place)?, days_of(period, "end", zone, place)?);
    Ok(match (first, last) {
        (Some(first), last) => Some(Days { first: first.first, last: last.unwrap_or(first).last.max(first.first) }),
        (None, Some(last)) => Some(Days { first: today.min(last.first), last: last.last }),
        (None, None) => None,
    })
}

/// How much is ordered. Not more or less than something, and not one of several amounts.
fn quantity(order: &Value) -> Option<FactValue> {
    let dispensed = order.get("dispenseRequest").and_then(|dispense| dispense.get("quantity"));
    let stated = order.get("quantityQuantity").or(dispensed);
    let parameters = || list(order, "parameter").iter().filter_map(|parameter| parameter.get("valueQuantity"));
    let only = parameters().next().filter(|first| parameters().all(|other| other == *first));
    let stated = stated.or(only).filter(|quantity| quantity.get("comparator").is_none())?;
    if stated.get("_comparator").is_some() || !is_count(stated) {
        return None;
    }
    thousandths(&stated.get("value")?.as_number()?.to_string()).map(FactValue::Number)
}

/// Whether a quantity counts something: it has no coded unit, or one of UCUM that is none. What is weighed or measured is
/// another amount than a rule's.
fn is_count(quantity: &Value) -> bool {
    let is_ucum = string(quantity, "system").is_none_or(|system| system == UCUM);
    string(quantity, "code").is_none_or(|code| !is_ucum || code == "1" || code.starts_with('{'))
}

/// Where the ordered service will be done: by the order's own word and by where it is booked; where neither is said, by an
/// inpatient encounter. A place that could not be read may be another one.
fn setting(
    known: &Known<'_, '_>,
    order: &Order<'_>,
    set: &PolicySet,
    wanted: bool,
) -> Result<Fact<Vec<Coding>>, GatherError> {
    let value = &*order.value;
    let mut settings = Codes::of(FactName::Setting, set);
    let of = |concept: &Value| -> Vec<Coding> {
        codings(concept, set).filter_map(|coding| set.order_setting.get(&coding)).cloned().collect()
    };
    let lone = value.get("category").filter(|category| category.is_object());
    // A category may be about anything else; a place is about this.
    list(value, "category").iter().chain(lone).for_each(|category| settings.also(of(category)));
    list(value, "locationCode").iter().for_each(|concept| settings.place(of(concept)));
    for (holder, reference) in places(known, order) {
        if let Some(location) = settings.found(known.resolve(holder, reference, wanted)?) {
            settings.place(list(&location.value, "type").iter().flat_map(of).collect());
        }
    }
    if settings.is_empty() && !settings.is_open() {
        match encounter(known, order, wanted)? {
            Found::Is(encounter) => {
                let class = encounter.value.get("class").and_then(|class| known_coding(class, set));
                settings.also(class.and_then(|class| set.encounter_setting.get(&class)).cloned());
            }
            Found::Failed(why) => settings.failed(why),
            Found::Nothing | Found::Unsaid => settings.unread(),
        }
    }
    let sent_as_failure = |word| matches!(known.under(word), Some(Prefetched::Failure));
    if settings.is_empty() && (sent_as_failure("encounter") || sent_as_failure("location")) {
        // What would have told came as a failure (FAULTS C07).
        settings.failed(Why::SentAsFailure);
    }
    Ok(settings.into_single())
}

/// The references to the places where an order will be done, or is booked, each with the resource that holds it.
fn places<'o, 'r: 'o, 'k>(
    known: &'o Known<'r, 'k>,
    order: &'o Order<'_>,
) -> impl Iterator<Item = (Option<&'r Indexed<'k>>, &'o Value)> {
    let holder = known.index.holding(order);
    let own = list(&order.value, "locationReference").iter();
    let visited = list(&order.value, "location").iter().filter_map(|it| it.get("location"));
    // Whoever cannot be told to be somebody else may be a place.
    let may_be = move |(holder, actor): &(Option<&'r Indexed<'k>>, &Value)| {
        let is_said = string(actor, "type").map(|kind| kind == "Location");
        known.is_of_kind(*holder, actor, &["Location"]).or(is_said).unwrap_or(actor.get("reference").is_some())
    };
    own.chain(visited).map(move |reference| (holder, reference)).chain(actors(known, order).filter(may_be))
}

/// Who and what takes part in an order or its appointments, each with the resource that says so.
pub(super) fn actors<'o, 'r: 'o, 'k>(
    known: &'o Known<'r, 'k>,
    order: &'o Order<'_>,
) -> impl Iterator<Item = (Option<&'r Indexed<'k>>, &'o Value)> {
    order.appointments.iter().chain([order]).flat_map(move |visit| {
        let holder = known.index.holding(visit);
        let actors = list(&visit.value, "participant").iter().filter_map(|participant| participant.get("actor"));
        actors.map(move |actor| (holder, actor))
    })
}

/// The encounter that an order is made in: its own, else that of the request.
fn encounter<'r, 'k>(
    known: &Known<'r, 'k>,
    order: &Order<'_>,
    wanted: bool,
) -> Result<Found<Resolved<'r, 'k>>, GatherError> {
    let holder = known.index.holding(order);
    if order.resource.kind == "Encounter" {
        return holder.map_or(Ok(Found::Unsaid), |encounter| known.value(encounter));
    }
    let found = match (order.value.get("encounter"), known.invocation.encounter_id.as_deref()) {
        (Some(reference), _) => known.resolve(holder, reference, wanted)?,
        (None, Some(id)) => known.one("Encounter", id, wanted)?,
        (None, None) => Found::Unsaid,
    };
    let Found::Is(encounter) = &found else { return Ok(found) };
    let subject = encounter.value.get("subject");
    match known.is_patient(Some(encounter.at), subject) {
        Some(false) => Err(GatherError::OtherSubject("Encounter.subject".to_owned())),
        // Whose it is cannot be told.
        None if subject.is_some() => Ok(Found::Unsaid),
        Some(true) | None => Ok(found),
    }
}

/// The diagnoses: of the order itself, and of the Conditions it refers to. An order that gives no reason may have any.
fn diagnosis(
    known: &Known<'_, '_>,
    order: &Order<'_>,
    set: &PolicySet,
    wanted: &Wanted<'_>,
) -> Result<Fact<Vec<Coding>>, GatherError> {
    let mut codes = Codes::of(FactName::Diagnosis, set);
    let reasons = list(&order.value, "reasonCode");
    reasons.iter().for_each(|concept| codes.concept([concept], wanted));
    let visited = list(&order.value, "diagnosis").iter().filter_map(|diagnosis| diagnosis.get("condition"));
    let references: Vec<&Value> = list(&order.value, "reasonReference").iter().chain(visited).collect();
    let holder = known.index.holding(order);
    for reference in references {
        // Anything else than a Condition is no diagnosis.
        if known.is_of_kind(holder, reference, &["Condition"]) == Some(false) {
            continue;
        }
        let Some(found) = codes.found(known.resolve(holder, reference, true)?) else { continue };
        match known.is_patient(Some(found.at), found.value.get("subject")) {
            Some(true) if is_ruled_out(&found.value) => {}
            Some(true) => codes.concept(found.value.get("code"), wanted),
            Some(false) => return Err(GatherError::OtherSubject("Condition.subject".to_owned())),
            None => codes.unread(),
        }
    }
    if codes.is_empty() {
        codes.unread();
    }
    Ok(codes.into_fact(wanted))
}

/// Whether a Condition says that the patient does not have it, or was written by mistake.
fn is_ruled_out(condition: &Value) -> bool {
    let status = condition.get("verificationStatus");
    let codes = status.into_iter().flat_map(|status| list(status, "coding")).filter_map(|it| string(it, "code"));
    codes.into_iter().any(|code| matches!(code, "refuted" | "entered-in-error"))
}
