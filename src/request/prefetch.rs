//! Reads what was prefetched: under each key null, a failure, a resource, or a Bundle of resources. Anything else is refused.

use std::borrow::Cow;

use super::json::View;
use super::kinds::is_kind;
use super::schema::{Issue, Misfit};
use super::version::Version;
use super::{Prefetched, RequestError, Resource, hook, prefetched, resource};

/// Bytes of a prefetch key. Ours have up to forty.
const LONGEST_KEY: usize = 256;

/// A Bundle of which more pages were not sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The type of resource that was searched for.
    pub kind: String,
    /// Where the next page is; empty if the Bundle does not say.
    pub next: String,
}

/// Everything that was prefetched.
#[derive(Default)]
pub(super) struct Prefetch<'b> {
    pub(super) values: Vec<(Cow<'b, str>, Prefetched<'b>)>,
    pub(super) unfinished: Vec<Unfinished>,
}

impl<'b> Prefetch<'b> {
    /// Reads the values with their keys.
    ///
    /// # Errors
    /// One is neither null nor a FHIR resource, or a resource has a type that FHIR R4 does not have.
    pub(super) fn read(
        values: impl Iterator<Item = (Cow<'b, str>, View<'b>)>,
        version: Version,
    ) -> Result<Self, RequestError> {
        let mut prefetch = Self::default();
        for (index, (key, view)) in values.enumerate() {
            if key.len() > LONGEST_KEY {
                let misfit = Misfit { issue: Issue::TooCostly, expression: "prefetch".to_owned() };
                return Err(RequestError::Envelope(misfit));
            }
            let asked = hook::prefetched_kind(&key);
            // A key that is not ours may say anything: it is not repeated.
            let place = match asked {
                Some(_) => format!("prefetch.{key}"),
                None => format!("prefetch.children()[{index}]"),
            };
            check(view, &place, version)?;
            let mut value = prefetched(view);
            if let Some(next) = next_page(view) {
                if matches!(value, Prefetched::Nothing) {
                    value = Prefetched::Resources(Vec::new());
                }
                let first = match &value {
                    Prefetched::Resources(resources) => resources.first(),
                    _ => None,
                };
                if let Some(kind) = asked.or(first.map(|first| &*first.kind)) {
                    prefetch.unfinished.push(Unfinished { kind: kind.to_owned(), next: next.into_owned() });
                }
            }
            prefetch.values.push((key, value));
        }
        Ok(prefetch)
    }
}

fn check(view: View<'_>, place: &str, version: Version) -> Result<(), RequestError> {
    let misfit = |issue, expression| Misfit { issue, expression };
    if view.is_null() {
        return Ok(());
    }
    if !view.is_object() {
        return Err(RequestError::Envelope(misfit(Issue::Structure, place.to_owned())));
    }
    if view.get("resourceType").is_none() {
        return Err(RequestError::Envelope(misfit(Issue::Required, format!("{place}.resourceType"))));
    }
    let broken = |misfit| RequestError::Resource(misfit, version);
    let whole = resource(view);
    of_r4(&whole, place).map_err(broken)?;
    let Some(entries) = view.get("entry").filter(|_| whole.kind == "Bundle") else { return Ok(()) };
    let structure = |place: String| Err(broken(misfit(Issue::Structure, place)));
    if !entries.is_array() {
        return structure(format!("{place}.entry"));
    }
    for (index, entry) in entries.items().enumerate() {
        let place = format!("{place}.entry[{index}]");
        match entry.get("resource") {
            _ if !entry.is_object() => return structure(place),
            Some(view) if !view.is_object() => return structure(format!("{place}.resource")),
            Some(view) => of_r4(&resource(view), &format!("{place}.resource")).map_err(broken)?,
            None => {}
        }
    }
    Ok(())
}

/// Checks that FHIR R4 has the type of a resource.
pub(super) fn of_r4(resource: &Resource<'_>, expression: &str) -> Result<(), Misfit> {
    if is_kind(&resource.kind) {
        return Ok(());
    }
    let said = resource.view.get("resourceType").is_some_and(|kind| !kind.is_null());
    let issue = if said { Issue::Value } else { Issue::Required };
    Err(Misfit { issue, expression: format!("{expression}.resourceType") })
}

/// Where the next page of a Bundle is, if there is one; empty if the link does not say.
fn next_page(bundle: View<'_>) -> Option<Cow<'_, str>> {
    let mut links = bundle.get("link")?.items();
    let next =
        links.find(|link| link.get("relation").and_then(View::str).is_some_and(|relation| relation == "next"))?;
    Some(next.get("url").and_then(View::str).unwrap_or_default())
}

untold!(Prefetch<'_>, Unfinished);
