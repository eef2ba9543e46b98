//! Reads what a server sent: the resource or the page that was asked for, about the right patient, or nothing of it.
//!
//! It is read as strictly as a request, by the same scanner.

use std::borrow::Cow;

use crate::config::Limits;
use crate::gather::fhir;
use crate::gather::learned::Failure;
use crate::request::json::{Json, View};

/// As deep and as many values as a request may have by default. Bytes and time were counted while it came; the rest is
/// about requests only.
const LIMITS: Limits = Limits::of_text(64, 100_000);

/// Where resources say whose they are.
const WHOSE: [&str; 4] = ["subject", "patient", "beneficiary", "for"];

/// Who may be included with what was found and be another person: a subscriber, a policy holder.
const PEOPLE: [&str; 2] = ["Patient", "RelatedPerson"];

/// One page of a search.
pub(super) struct Page {
    /// The Bundle, with what passed.
    pub(super) text: String,
    /// What the server says that it searched for.
    pub(super) own: Option<String>,
    /// Where there is more.
    pub(super) next: Option<String>,
}

/// The one resource that was asked for.
pub(super) fn resource(body: Vec<u8>, kind: &str, id: &str, patient: &str) -> Result<String, Failure> {
    let text = String::from_utf8(body).map_err(|_| Failure::Unreadable)?;
    let json = Json::scan(text.as_bytes(), &LIMITS).map_err(|_| Failure::Unreadable)?;
    let resource = json.root();
    if !says(resource, "resourceType", kind) {
        return Err(Failure::Unreadable);
    }
    if is_of_another(resource, patient) {
        return Err(Failure::OtherPatient);
    }
    if !says(resource, "id", id) {
        return Err(Failure::Unreadable);
    }
    drop(json);
    Ok(text)
}

/// A page of a search. If the server does not say what it searched for, only the resources that `pass` are kept.
pub(super) fn page(body: Vec<u8>, kind: &str, patient: &str, pass: impl Fn(View<'_>) -> bool) -> Result<Page, Failure> {
    let text = String::from_utf8(body).map_err(|_| Failure::Unreadable)?;
    let json = Json::scan(text.as_bytes(), &LIMITS).map_err(|_| Failure::Unreadable)?;
    let bundle = json.root();
    if !says(bundle, "resourceType", "Bundle") || !says(bundle, "type", "searchset") {
        return Err(Failure::Unreadable);
    }
    let entries: Vec<View<'_>> = match bundle.get("entry") {
        None => Vec::new(),
        Some(entries) if entries.is_array() => entries.items().collect(),
        Some(_) => return Err(Failure::Unreadable),
    };
    for entry in &entries {
        belongs(*entry, kind, patient)?;
    }
    let (own, next) = (link(bundle, "self"), link(bundle, "next"));
    let passes = |entry: &&View<'_>| match entry.get("resource") {
        Some(resource) => !says(resource, "resourceType", kind) || pass(resource),
        None => false,
    };
    let kept: Vec<&str> = entries.iter().filter(passes).map(|entry| entry.raw()).collect();
    let text = if own.is_some() || kept.len() == entries.len() {
        drop(json);
        text
    } else {
        format!("{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"entry\":[{}]}}", kept.join(","))
    };
    Ok(Page { text, own, next })
}

/// Whether an entry may be in the result of a search for this type and patient. Without a mode it is found if it is of the
/// type, and included if it is of another.
fn belongs(entry: View<'_>, kind: &str, patient: &str) -> Result<(), Failure> {
    let resource = entry.get("resource").filter(|resource| resource.is_object()).ok_or(Failure::Unreadable)?;
    let found = text(resource, "resourceType").ok_or(Failure::Unreadable)?;
    let mode = entry.get("search").and_then(|search| text(search, "mode"));
    let mode = mode.as_deref().unwrap_or(match &*found {
        "OperationOutcome" => "outcome",
        found if found == kind => "match",
        _ => "include",
    });
    // Whose it is comes first: another patient's data is worse than a wrong type. Whom the insurance is through is no patient.
    let is_somebody = mode == "include" && PEOPLE.contains(&&*found);
    if !is_somebody && is_of_another(resource, patient) {
        return Err(Failure::OtherPatient);
    }
    let fits = match mode {
        "match" => found == kind,
        "include" => true,
        "outcome" => found == "OperationOutcome",
        _ => false,
    };
    if fits { Ok(()) } else { Err(Failure::Unreadable) }
}

/// Whether a resource says that it is about another patient.
fn is_of_another(resource: View<'_>, patient: &str) -> bool {
    if says(resource, "resourceType", "Patient") {
        return !says(resource, "id", patient);
    }
    let references = WHOSE.iter().filter_map(|name| resource.get(name));
    let mut references = references.flat_map(|value| value.items().chain(std::iter::once(value)));
    references.any(|reference| {
        let literal = text(reference, "reference");
        let target = literal.as_deref().and_then(fhir::target);
        target.is_some_and(|(kind, id)| kind == "Patient" && id != patient)
    })
}

/// Where a Bundle's link leads.
fn link(bundle: View<'_>, relation: &str) -> Option<String> {
    let mut links = bundle.get("link")?.items();
    links.find(|link| says(*link, "relation", relation)).and_then(|link| text(link, "url")).map(Cow::into_owned)
}

/// A string member.
pub(super) fn text<'j>(value: View<'j>, name: &str) -> Option<Cow<'j, str>> {
    value.get(name)?.str()
}

/// Whether a string member says this.
pub(super) fn says(value: View<'_>, name: &str, what: &str) -> bool {
    text(value, name).is_some_and(|text| text == what)
}

untold!(Page);

#[cfg(test)]
mod tests;
