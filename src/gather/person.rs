//! The patient: that everything is about her, how old she will be, and what the payer's own records say of her.

use std::collections::HashSet;

use jiff::civil::Date;
use serde_json::{Value, json};

use super::GatherError;
use super::coverage::{Coverage, Standing, plan};
use super::fhir::{days, known as known_coding, list, modifiers, string};
use super::known::{Found, Known};
use super::learned::MemberQuery;
use crate::decide::facts::{Authorized, Cover, Days, Fact, Membership, Standing as Member, Why};
use crate::policy::model::{Coding, PolicySet, Value as FactValue};
use crate::request::index::Target;
use crate::request::{Prefetched, hook};

/// The patient of the context is the one that everything is about. Others may be there, who belong to the coverage.
///
/// # Errors
/// The token is for another patient, or another patient stands where the context's should (FAULTS H10, H11).
pub(super) fn one_patient(known: &Known<'_, '_>) -> Result<(), GatherError> {
    let (invocation, id) = (known.invocation, known.invocation.patient_id.as_str());
    if invocation.token_patient.as_ref().is_some_and(|patient| patient != id) {
        return Err(GatherError::OtherTokenPatient);
    }
    match known.index.named("Patient", id) {
        Target::Is(patient) => _ = known.value(patient)?,
        Target::Several => return Err(GatherError::Ambiguous),
        Target::Unknown => {}
    }
    let belonging = belonging(known);
    for (key, prefetched) in &invocation.prefetch {
        let Prefetched::Resources(resources) = prefetched else { continue };
        if resources.is_empty() || resources.iter().any(|resource| resource.kind != "Patient") {
            continue;
        }
        // Where only Patients stand, the patient is among them. Under the key that asks for the patient nobody else is meant.
        let asks_for_patient = hook::prefetched_kind(key) == Some("Patient");
        let is_meant = |other: &str| other == id || !asks_for_patient && belonging.contains(other);
        if !resources.iter().any(|patient| is_meant(&patient.id)) {
            return Err(GatherError::OtherPatient);
        }
    }
    Ok(())
}

/// The ids of Patients who belong to a Coverage beside the one it is for: its subscriber, policy holder and payers.
fn belonging(known: &Known<'_, '_>) -> HashSet<String> {
    let mut found = HashSet::new();
    for coverage in known.all("Coverage") {
        let Ok(value) = coverage.value() else { continue };
        let single = ["subscriber", "policyHolder"].iter().filter_map(|name| value.get(*name));
        for reference in single.chain(list(value, "payor")).filter_map(|it| string(it, "reference")) {
            if let Target::Is(person) = known.index.find(reference, Some(coverage)) {
                found.extend((person.resource.kind == "Patient").then(|| person.resource.id.clone().into_owned()));
            }
        }
    }
    found
}

/// The patient's age on the days of the service, if it is the same on all of them.
pub(super) fn age(known: &Known<'_, '_>, service: Days) -> Result<Fact<FactValue>, GatherError> {
    let patient = match known.one("Patient", &known.invocation.patient_id, true)? {
        Found::Is(patient) => patient.value,
        Found::Nothing | Found::Unsaid => return Ok(Fact::Absent),
        Found::Failed(why) => return Ok(Fact::Unavailable(why)),
    };
    let Some(born) = string(&patient, "birthDate").and_then(days) else { return Ok(Fact::Absent) };
    let (youngest, oldest) = (years(born.last, service.first), years(born.first, service.last));
    Ok(if youngest == oldest { Fact::Known(FactValue::Number(i64::from(oldest) * 1000)) } else { Fact::Absent })
}

/// Whole years from one day to another.
fn years(from: Date, to: Date) -> i16 {
    let before_birthday = (to.month(), to.day()) < (from.month(), from.day());
    to.year() - from.year() - i16::from(before_birthday)
}

/// How the patient stands on a day, by the member directory: the coverage is then as the payer has it.
///
/// Person and coverage are looked up separately, and a look-up that fails is technical, never "not found" (CRD resp-43 to
/// resp-45).
///
/// # Errors
/// The Patient that was sent breaks FHIR R4.
pub(super) fn standing(
    known: &Known<'_, '_>,
    coverage: &Coverage<'_>,
    set: &PolicySet,
    on: Date,
) -> Result<Standing, GatherError> {
    let query = match known.one("Patient", &known.invocation.patient_id, true)? {
        Found::Is(patient) => query(Some(&patient.value), coverage, on),
        Found::Nothing | Found::Unsaid => query(None, coverage, on),
        Found::Failed(why) => return Ok(Standing::failed(why)),
    };
    let mut standing = Standing::sent(coverage);
    match known.member(query) {
        // It is asked for now: this answer is not the last.
        None => {}
        Some(Err(_)) => standing.cover = Cover::Unavailable(Why::DirectoryFailed),
        Some(Ok(Member::PersonUnknown)) => standing.cover = Cover::PersonUnknown,
        Some(Ok(Member::CoverageUnknown)) => standing.cover = Cover::CoverageUnknown,
        Some(Ok(Member::Member(membership))) => {
            standing.cover = Cover::Is(membership.in_force);
            let own: Option<Value> = serde_json::from_str(&membership.coverage).ok();
            if let Some(Fact::Known(line)) = own.map(|own| plan(&own, set)) {
                standing.plan = Fact::Known(line);
            }
            standing.authorized = authorized(membership, set);
            standing.own = Some(membership.coverage.clone());
        }
    }
    Ok(standing)
}

/// The authorisations, in codes that the policies know.
fn authorized(membership: &Membership, set: &PolicySet) -> Vec<Authorized> {
    let coding = |(system, code): &(String, String)| {
        let written = json!({ "system": system, "code": code });
        // One for a code with modifiers is for nothing else.
        if modifiers(&written, set).is_empty() {
            return known_coding(&written, set);
        }
        Some(Coding { system: set.system(system)?, code: code.as_str().into() })
    };
    let known = membership.authorizations.iter().map(|authorization| Authorized {
        number: authorization.number.clone(),
        codes: authorization.codes.iter().filter_map(coding).collect(),
        first: authorization.first,
        last: authorization.last,
    });
    known.collect()
}

/// The numbers by which a payer knows the patient: the subscriber's, and the identifiers of the Coverage.
pub(super) fn numbers(coverage: &Value) -> Vec<String> {
    let identified = list(coverage, "identifier").iter().filter(|it| string(it, "system").is_some());
    let identified = identified.filter_map(|identifier| string(identifier, "value"));
    let mut numbers: Vec<String> =
        string(coverage, "subscriberId").into_iter().chain(identified).map(str::to_owned).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

fn query(patient: Option<&Value>, coverage: &Coverage<'_>, on: Date) -> MemberQuery {
    let owned = |text: &str| text.to_owned();
    let identifiers = |value: &Value| -> Vec<(String, String)> {
        let all = list(value, "identifier").iter();
        all.filter_map(|it| Some((owned(string(it, "system")?), owned(string(it, "value")?)))).collect()
    };
    let numbers = numbers(&coverage.value);
    let sent = patient.into_iter().chain([&*coverage.value]).flat_map(|it| list(it, "identifier"));
    let member_numbers = sent
        .filter(|identifier| is_member_number(identifier))
        .filter_map(|identifier| Some((string(identifier, "system").map(owned), owned(string(identifier, "value")?))));
    let member_numbers = Some(member_numbers.collect());
    let Some(patient) = patient else {
        return MemberQuery { numbers, member_numbers, on: Some(on), ..MemberQuery::default() };
    };
    let names = list(patient, "name");
    let born = string(patient, "birthDate").and_then(days).filter(|days| days.first == days.last);
    let given = names.iter().flat_map(|name| list(name, "given")).filter_map(Value::as_str);
    MemberQuery {
        identifiers: identifiers(patient),
        family: names.iter().filter_map(|name| string(name, "family")).map(owned).collect(),
        given: given.map(owned).collect(),
        birth_date: born.map(|days| days.first),
        on: Some(on),
        numbers,
        member_numbers,
    }
}

/// Whether an identifier is a member number, by its type (`MB` of the identifier types of HL7 v2).
fn is_member_number(identifier: &Value) -> bool {
    let codings = identifier.get("type").map(|concept| list(concept, "coding")).unwrap_or_default();
    codings.iter().any(|coding| string(coding, "code") == Some("MB"))
}

#[cfg(test)]
mod tests {
    use super::years;
    use jiff::civil::date;

    #[test]
    fn a_year_of_age_is_complete_on_the_birthday() {
        assert_eq!(years(date(2008, 11, 24), date(2026, 11, 23)), 17);
        assert_eq!(years(date(2008, 11, 24), date(2026, 11, 24)), 18);
        assert_eq!(years(date(2008, 2, 29), date(2026, 2, 28)), 17);
        assert_eq!(years(date(2008, 2, 29), date(2026, 3, 1)), 18);
    }
}
