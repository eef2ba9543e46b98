//! The resources that an answer could rest on, and where they came from.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::code::kind;
use crate::request::order::{list, string};
use crate::request::reference::target;

/// All resources of an invocation.
#[derive(Default)]
pub(super) struct Known<'v> {
    /// Those of the prefetch.
    pub(super) prefetched: Vec<&'v Value>,
    /// Those that the EHR's FHIR server gave when it was asked.
    pub(super) queried: Vec<&'v Value>,
    /// Each by its type and id; of several the first, of the context before those of the prefetch.
    by_name: HashMap<(&'v str, &'v str), &'v Value>,
}

impl<'v> Known<'v> {
    /// What came with a request, and in the replies to questions beside it.
    pub(super) fn of(request: &'v Value, replies: &'v [Value]) -> Self {
        let values = |name: &str| request.get(name).and_then(Value::as_object).into_iter().flat_map(|it| it.values());
        let context = values("context").flat_map(resources);
        let prefetched: Vec<&Value> = values("prefetch").flat_map(resources).collect();
        let queried: Vec<&Value> = replies.iter().flat_map(resources).collect();
        let mut by_name = HashMap::new();
        for resource in context.chain(prefetched.iter().copied()).chain(queried.iter().copied()) {
            if let (Some(kind), Some(id)) = (string(resource, "resourceType"), string(resource, "id")) {
                by_name.entry((kind, id)).or_insert(resource);
            }
        }
        Self { prefetched, queried, by_name }
    }

    /// The resource that a literal reference names, wherever it came from.
    pub(super) fn find(&self, reference: &str) -> Option<&'v Value> {
        self.by_name.get(&target(reference)?).copied()
    }

    /// The resource of a Reference member: contained, or found.
    pub(super) fn resolve(&self, holder: &'v Value, name: &str) -> Option<&'v Value> {
        let reference = string(holder.get(name)?, "reference")?;
        match reference.strip_prefix('#') {
            Some(id) => list(holder, "contained").iter().find(|resource| string(resource, "id") == Some(id)),
            None => self.find(reference),
        }
    }
}

/// The resources of a context member, a prefetched value or a reply: itself, or what a Bundle holds. What says that
/// something could not be had is none.
fn resources(value: &Value) -> Vec<&Value> {
    let all: Vec<&Value> = match string(value, "resourceType") {
        Some("Bundle") => list(value, "entry").iter().filter_map(|entry| entry.get("resource")).collect(),
        Some(_) => vec![value],
        None => Vec::new(),
    };
    all.into_iter().filter(|resource| string(resource, "resourceType") != Some("OperationOutcome")).collect()
}

/// How many resources of each type there are beside those that the hook is about (`ServiceRequest/1`), each once.
pub(super) fn counts(resources: &[&Value], focal: &[&str]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for resource in resources {
        let Some(kind) = string(resource, "resourceType").and_then(kind) else { continue };
        let id = string(resource, "id").unwrap_or_default();
        let name = format!("{kind}/{id}");
        let again = !id.is_empty() && !seen.insert(name.clone());
        if !again && !focal.contains(&name.as_str()) {
            *counts.entry(kind.to_owned()).or_default() += 1;
        }
    }
    counts
}

untold!(Known<'_>);
