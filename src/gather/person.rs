//! The patient: that everything is about her, how old she will be, and what the payer's own records say of her.

use jiff::civil::Date;
use serde_json::Value;

use super::GatherError;
use super::coverage::{Coverage, plan};
use super::fhir::{days, list, string};
use super::known::{Found, Known};
use super::learned::MemberQuery;
use crate::decide::facts::{Authorized, Cover, Days, Fact, Membership, Standing, Why};
use crate::policy::model::{Coding, PolicySet, Value as FactValue};

/// The patient of the context is the patient of everything.
pub(super) fn one_patient(known: &Known<'_>) -> Result<(), GatherError> {
    let (invocation, id) = (known.invocation, &known.invocation.patient_id);
    if invocation.token_patient.as_ref().is_some_and(|patient| patient != id) {
        return Err(GatherError::OtherTokenPatient);
    }
    for patient in known.all("Patient") {
        known.value(patient)?;
        if patient.id != *id {
            return Err(GatherError::OtherPatient);
        }
    }
    Ok(())
}

/// The patient's age on the days of the service, if it is the same on all of them.
pub(super) fn age(known: &Known<'_>, service: Days) -> Result<Fact<FactValue>, GatherError> {
    let patient = match known.one("Patient", &known.invocation.patient_id, true)? {
        Found::Is(patient) => patient,
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

/// What the payer's records add to what was sent: the standing of the coverage, and the authorisations that stand.
pub(super) struct Records {
    pub(super) authorized: Vec<Authorized>,
    /// The payer's own Coverage, as JSON text.
    pub(super) coverage: Option<String>,
}

/// Looks the patient and the coverage up in the member directory; the coverage is then as the payer has it.
///
/// Person and coverage are looked up separately, and a look-up that fails is technical, never "not found" (CRD resp-43 to
/// resp-45).
pub(super) fn records(
    known: &Known<'_>,
    coverage: &mut Coverage<'_>,
    set: &PolicySet,
    today: Date,
) -> Result<Records, GatherError> {
    let mut records = Records { authorized: Vec::new(), coverage: None };
    let query = match known.one("Patient", &known.invocation.patient_id, true)? {
        Found::Is(patient) => query(Some(&patient), coverage, today),
        Found::Nothing | Found::Unsaid => query(None, coverage, today),
        Found::Failed(why) => {
            coverage.cover = Cover::Unavailable(why);
            return Ok(records);
        }
    };
    match known.member(query) {
        // Not asked yet: this answer is not the last.
        None => {}
        Some(Err(_)) => coverage.cover = Cover::Unavailable(Why::DirectoryFailed),
        Some(Ok(Standing::PersonUnknown)) => coverage.cover = Cover::PersonUnknown,
        Some(Ok(Standing::CoverageUnknown)) => coverage.cover = Cover::CoverageUnknown,
        Some(Ok(Standing::Member(membership))) => {
            coverage.cover = Cover::Is(membership.in_force);
            let own: Option<Value> = serde_json::from_str(&membership.coverage).ok();
            if let Some(Fact::Known(line)) = own.map(|own| plan(&own, set)) {
                coverage.plan = Fact::Known(line);
            }
            records.authorized = authorized(membership, set);
            records.coverage = Some(membership.coverage.clone());
        }
    }
    Ok(records)
}

/// The authorisations, in codes that the policies know.
fn authorized(membership: &Membership, set: &PolicySet) -> Vec<Authorized> {
    let coding = |(system, code): &(String, String)| {
        let system = set.system(system)?;
        Some(Coding { system, code: code.as_str().into() })
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

fn query(patient: Option<&Value>, coverage: &Coverage<'_>, today: Date) -> MemberQuery {
    let owned = |text: &str| text.to_owned();
    let identifiers = |value: &Value| -> Vec<(String, String)> {
        let all = list(value, "identifier").iter();
        all.filter_map(|it| Some((owned(string(it, "system")?), owned(string(it, "value")?)))).collect()
    };
    let numbers = numbers(&coverage.value);
    let Some(patient) = patient else { return MemberQuery { numbers, on: Some(today), ..MemberQuery::default() } };
    let names = list(patient, "name");
    let born = string(patient, "birthDate").and_then(days).filter(|days| days.first == days.last);
    let given = names.iter().flat_map(|name| list(name, "given")).filter_map(Value::as_str);
    MemberQuery {
        identifiers: identifiers(patient),
        family: names.iter().filter_map(|name| string(name, "family")).map(owned).collect(),
        given: given.map(owned).collect(),
        birth_date: born.map(|days| days.first),
        on: Some(today),
        numbers,
    }
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
