//! Finds resources in what was sent: by type, whatever the prefetch key is called, single or in Bundles.

use serde_json::Value;

use super::fhir::{list, string, target};
use crate::request::{Invocation, Prefetched, Resource};

/// All resources of a type, each id once.
pub(super) fn all<'i, 'b>(invocation: &'i Invocation<'b>, kind: &str) -> Vec<&'i Resource<'b>> {
    let mut found: Vec<&Resource<'_>> = Vec::new();
    for (_, prefetched) in &invocation.prefetch {
        let Prefetched::Resources(resources) = prefetched else { continue };
        for resource in resources.iter().filter(|resource| resource.kind == kind) {
            if resource.id.is_empty() || !found.iter().any(|other| other.id == resource.id) {
                found.push(resource);
            }
        }
    }
    found
}

/// One resource by type and id.
pub(super) fn one(invocation: &Invocation<'_>, kind: &str, id: &str) -> Option<Value> {
    all(invocation, kind).into_iter().find(|resource| resource.id == id).map(|resource| resource.value())
}

/// The resource of a Reference: contained in `holder`, or prefetched.
pub(super) fn resolve(invocation: &Invocation<'_>, holder: &Value, reference: &Value) -> Option<Value> {
    let reference = string(reference, "reference")?;
    if let Some(id) = reference.strip_prefix('#') {
        return list(holder, "contained").iter().find(|resource| string(resource, "id") == Some(id)).cloned();
    }
    let (kind, id) = target(reference)?;
    one(invocation, kind, id)
}

/// What stands under the first prefetch key whose name speaks of this, if any does.
pub(super) fn under<'i>(invocation: &'i Invocation<'_>, word: &str) -> Option<&'i Prefetched<'i>> {
    let mut keys = invocation.prefetch.iter();
    keys.find(|(key, _)| key.to_lowercase().contains(word)).map(|(_, prefetched)| prefetched)
}
