//! Reading FHIR values: references, codes and dates, as far as a decision looks at them.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;

use crate::decide::facts::Days;
use crate::policy::model::{Coding, PolicySet};

/// The items of an array member; none if there is none.
pub(crate) fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A string member.
pub(crate) fn string<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

/// The codings of a CodeableConcept, of code systems that the set knows.
pub(super) fn codings(concept: &Value, set: &PolicySet) -> Vec<Coding> {
    list(concept, "coding").iter().filter_map(|coding| known(coding, set)).collect()
}

/// A Coding, if the set knows its code system.
pub(super) fn known(coding: &Value, set: &PolicySet) -> Option<Coding> {
    let system = set.system(string(coding, "system")?)?;
    Some(Coding { system, code: string(coding, "code")?.into() })
}

/// `Type/id` of a literal reference: relative, absolute or with a version.
pub(crate) fn target(reference: &str) -> Option<(&str, &str)> {
    let current = reference.split_once("/_history/").map_or(reference, |(current, _)| current);
    let (rest, id) = current.rsplit_once('/')?;
    let kind = rest.rsplit_once('/').map_or(rest, |(_, kind)| kind);
    (!id.is_empty() && kind.starts_with(|first: char| first.is_ascii_uppercase())).then_some((kind, id))
}

/// Whether a Reference names this resource.
pub(super) fn names(reference: Option<&Value>, kind: &str, id: &str) -> bool {
    reference.and_then(|reference| string(reference, "reference")).and_then(target) == Some((kind, id))
}

/// A date that is not one, by its place in the resource.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct NoDate(pub(super) String);

/// The days of a date or dateTime member, if there is one.
pub(super) fn days_of(value: &Value, name: &str, place: &str) -> Result<Option<Days>, NoDate> {
    let Some(text) = string(value, name) else { return Ok(None) };
    days(text).map(Some).ok_or_else(|| NoDate(format!("{place}{name}")))
}

/// The days of a FHIR date or dateTime, as written: `2026` is the whole year. The time of day is not looked at beyond
/// whether it is one: the day is the one the author wrote, wherever the service will be done.
pub(super) fn days(text: &str) -> Option<Days> {
    if text.contains('T') {
        let day = text.parse::<Timestamp>().is_ok().then(|| text.split_once('T'))??.0;
        let day = day.parse().ok()?;
        return Some(Days { first: day, last: day });
    }
    let mut parts = text.split('-');
    let year: i16 = parts.next()?.parse().ok()?;
    let (Some(month), date) = (parts.next(), parts.next()) else {
        return Some(Days { first: Date::new(year, 1, 1).ok()?, last: Date::new(year, 12, 31).ok()? });
    };
    let month: i8 = month.parse().ok()?;
    let first = Date::new(year, month, date.map_or(Some(1), |date| date.parse().ok())?).ok()?;
    Some(Days { first, last: if date.is_some() { first } else { first.last_of_month() } })
}

untold!(NoDate);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{days, target};

    #[test]
    fn a_reference_names_its_target_however_it_is_written() {
        for reference in ["Patient/1", "https://ehr.example.org/fhir/Patient/1", "Patient/1/_history/2"] {
            assert_eq!(target(reference), Some(("Patient", "1")), "{reference}");
        }
        for reference in ["#patient", "urn:uuid:0", "Patient/", "1", ""] {
            assert_eq!(target(reference), None, "{reference}");
        }
    }

    #[test]
    fn p06_a_partial_date_is_all_its_days() {
        let span = |text| days(text).map(|days| (days.first.to_string(), days.last.to_string()));
        let span = |text| span(text).map(|(first, last)| format!("{first} {last}")).unwrap_or_default();
        assert_eq!(span("2026"), "2026-01-01 2026-12-31");
        assert_eq!(span("2024-02"), "2024-02-01 2024-02-29");
        assert_eq!(span("2026-11-22T23:30:00-08:00"), "2026-11-22 2026-11-22");
        for none in ["2026-02-29", "2026-13", "2026-11-22T25:00:00Z", "2026-02-30T10:00:00Z", ""] {
            assert_eq!(span(none), "", "{none}");
        }
    }
}
