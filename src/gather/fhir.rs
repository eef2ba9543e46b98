//! Reading FHIR values: codes and dates, as far as a decision looks at them.

use jiff::tz::TimeZone;
use serde_json::Value;

pub(super) use crate::date::{days, days_in};
use crate::decide::facts::Days;
use crate::policy::model::{Coding, PolicySet, SystemId};
pub(super) use crate::request::order::{list, string};
pub(super) use crate::request::reference::target;

const CPT: &str = "http://www.ama-assn.org/go/cpt";
const HCPCS: &str = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets";

/// Characters of a procedure code without its modifiers.
const PROCEDURE: usize = 5;

/// Characters of a modifier.
const MODIFIER: usize = 2;

/// The codings of a CodeableConcept, of code systems that the set knows.
pub(super) fn codings(concept: &Value, set: &PolicySet) -> impl Iterator<Item = Coding> {
    list(concept, "coding").iter().filter_map(|coding| known(coding, set))
}

/// A Coding, if the set knows its code system. A procedure code is read without its modifiers, and HCPCS level I as the CPT
/// that it is.
pub(super) fn known(coding: &Value, set: &PolicySet) -> Option<Coding> {
    let (system, code) = (set.system(string(coding, "system")?)?, string(coding, "code")?);
    let Some((base, _)) = procedure(system, code, set) else { return Some(Coding { system, code: code.into() }) };
    let level_one = set.system(CPT).filter(|_| set.system(HCPCS) == Some(system) && is_level_one(base));
    Some(Coding { system: level_one.unwrap_or(system), code: base.to_ascii_uppercase().into() })
}

/// The modifiers of a Coding of a procedure: of `47383-26-LT` they are `26` and `LT`.
pub(super) fn modifiers<'v>(coding: &'v Value, set: &PolicySet) -> Vec<&'v str> {
    let system = string(coding, "system").and_then(|name| set.system(name));
    let found = system.zip(string(coding, "code")).and_then(|(system, code)| procedure(system, code, set));
    found.map(|(_, modifiers)| modifiers).unwrap_or_default()
}

/// A procedure code and its modifiers, which stand behind it with a `:`, `-`, `,` or space before each.
fn procedure<'v>(system: SystemId, code: &'v str, set: &PolicySet) -> Option<(&'v str, Vec<&'v str>)> {
    let (base, rest) = code.split_at_checked(PROCEDURE)?;
    let alphanumeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !alphanumeric(base) || ![set.system(CPT), set.system(HCPCS)].contains(&Some(system)) {
        return None;
    }
    let parts = rest.strip_prefix([':', '-', ',', ' ']);
    let modifiers: Vec<&str> = parts.into_iter().flat_map(|parts| parts.split([':', '-', ',', ' '])).collect();
    let sound = modifiers.iter().all(|modifier| modifier.len() == MODIFIER && alphanumeric(modifier));
    (sound && rest.is_empty() == modifiers.is_empty()).then_some((base, modifiers))
}

/// Whether a HCPCS code is of level I, which is CPT: four digits, and a digit or the letter of a category.
fn is_level_one(code: &str) -> bool {
    let (digits, last) = code.split_at_checked(PROCEDURE - 1).unwrap_or_default();
    digits.bytes().all(|byte| byte.is_ascii_digit())
        && last.bytes().all(|byte| byte.is_ascii_digit() || b"FTUM".contains(&byte.to_ascii_uppercase()))
}

/// A date that is not one, by its place in the resource.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct NoDate(pub(super) String);

/// The days of a date or dateTime member, if there is one. A moment is on the day that its author wrote or on the day that
/// it is in the payer's time zone: where they differ it may be either.
pub(super) fn days_of(value: &Value, name: &str, zone: &TimeZone, place: &str) -> Result<Option<Days>, NoDate> {
    let Some(text) = string(value, name) else { return Ok(None) };
    days_of_text(text, zone).map(Some).ok_or_else(|| NoDate(format!("{place}{name}")))
}

/// The days of a date or dateTime, as [`days_of`] has them.
pub(super) fn days_of_text(text: &str, zone: &TimeZone) -> Option<Days> {
    let (written, here) = (days(text)?, days_in(text, zone)?);
    Some(Days { first: written.first.min(here.first), last: written.last.max(here.last) })
}

untold!(NoDate);
