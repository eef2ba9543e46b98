//! Reading FHIR values: references, codes and dates, as far as a decision looks at them.

use serde_json::Value;

#[allow(unused_imports, reason = "coverage periods are compared in the payer's time zone with it")]
pub(super) use crate::date::{days, days_in};
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

untold!(NoDate);

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn a_reference_names_its_target_however_it_is_written() {
        for reference in ["Patient/1", "https://ehr.example.org/fhir/Patient/1", "Patient/1/_history/2"] {
            assert_eq!(target(reference), Some(("Patient", "1")), "{reference}");
        }
        for reference in ["#patient", "urn:uuid:0", "Patient/", "1", ""] {
            assert_eq!(target(reference), None, "{reference}");
        }
    }
}
