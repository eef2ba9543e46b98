//! Turns the files of a policy set into [`PolicySet`]: all of them or none, and every error at once.
//!
//! It checks that each file says something this server understands. Whether the rules are right is `policy::check`'s.

mod folder;
mod library;
mod payer;
mod plan;
mod terms;
mod texts;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use fhir_resources::{File, Resource};
use sha2::{Digest, Sha256};

use super::model::{Coding, Hits, Policy, PolicySet, Written};
use crate::config::Limits;
use crate::request::json::{Json, JsonError, JsonFault};
pub use folder::folder;
use terms::text;

/// Where our own canonical URLs begin.
pub(crate) const BASE: &str = "https://covenant.example/fhir/";

/// Something wrong with a policy set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, by its path in the set.
    pub file: String,
    /// The element, or empty for the whole file.
    pub element: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = if self.element.is_empty() { "" } else { ": " };
        write!(out, "{}: {}{colon}{}", self.file, self.element, self.what)
    }
}

/// The problems found so far.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    file: String,
    found: Vec<Problem>,
}

impl Problems {
    fn add(&mut self, element: impl Into<String>, what: impl Into<String>) {
        self.found.push(Problem { file: self.file.clone(), element: element.into(), what: what.into() });
    }

    /// A value, or a problem and none.
    fn need<T>(&mut self, value: Option<T>, element: &str) -> Option<T> {
        if value.is_none() {
            self.add(element, "is missing");
        }
        value
    }
}

/// A set that was read, and the tables of cases that lie beside its policies.
#[derive(Debug)]
pub struct Draft {
    /// The set, not yet proved.
    pub set: PolicySet,
    /// The case files.
    pub cases: Vec<File>,
}

/// The name of a set: SHA-256 over the paths and contents of its files, hex.
#[must_use]
pub fn hash(files: &[File]) -> String {
    let mut hasher = Sha256::new();
    for file in files {
        for part in [file.path.as_bytes(), &file.bytes] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Files are the operator's own: only what could exhaust the machine is bounded. Policies nest to 16; what reads them uses
/// the more stack the deeper they do, and would end the server at a hundred.
const LIMITS: Limits = Limits::of_text(32, 10_000_000);

/// Reads a set.
///
/// # Errors
/// Everything that is wrong with any file.
pub fn load(files: &[File]) -> Result<Draft, Vec<Problem>> {
    let mut problems = Problems::default();
    let (mut resources, mut cases, mut contained) = (Vec::new(), Vec::new(), HashMap::new());
    for file in files {
        problems.file.clone_from(&file.path);
        if let Err(error) = Json::scan(&file.bytes, &LIMITS) {
            let JsonError { fault, line, column } = error;
            if let Some(what) = unfit(fault) {
                problems.add(format!("line {line}, column {column}"), what);
                continue;
            }
        }
        if file.path.contains("/cases/") {
            cases.push(file.clone());
            continue;
        }
        if let Ok(value) = serde_json::from_slice(&file.bytes) {
            texts::look(&value, &mut problems);
        }
        match fhir_resources::read(&file.bytes) {
            Ok(resource) => {
                resources.push((file.path.clone(), resource));
                contained.insert(file.path.clone(), fhir_resources::contained(&file.bytes));
            }
            Err(error) => problems.add("", error.to_string()),
        }
    }
    let set = build(hash(files), &resources, &contained, &mut problems);
    match set {
        Some(set) if problems.found.is_empty() => Ok(Draft { set, cases }),
        _ => Err(problems.found),
    }
}

/// What is wrong with a text that the reader would not mind, or not survive.
fn unfit(fault: JsonFault) -> Option<&'static str> {
    match fault {
        // It would say so itself, and why.
        JsonFault::Syntax => None,
        // It would keep the last: a rule that is lost.
        JsonFault::Duplicate => Some("a member of this name stands in the object before"),
        JsonFault::Depth => Some("is nested deeper than 32 levels"),
        JsonFault::Nodes => Some("has more than 10,000,000 values"),
        JsonFault::Control => Some("is a control character, which FHIR does not allow"),
    }
}

type Resources = [(String, Resource)];

/// What the resource of each file contains: id, type and JSON text.
type Contained = HashMap<String, Vec<(String, String, String)>>;

fn build(hash: String, resources: &Resources, contained: &Contained, problems: &mut Problems) -> Option<PolicySet> {
    once_each(resources, problems);
    let mut terms = terms::Terms::read(resources, problems);
    let plans = payer::plans(resources, &mut terms, problems);
    let payer = payer::payer(resources, problems);
    let libraries = library::libraries(resources, problems);
    let reader = plan::Reader { terms: &terms, plans: &plans, libraries: &libraries, contained };
    let mut policies: BTreeMap<Box<str>, Vec<_>> = BTreeMap::new();
    let mut default_rule = None;
    for (file, resource) in resources {
        let Resource::PlanDefinition(definition) = resource else { continue };
        problems.file.clone_from(file);
        if reader.number(definition).as_deref() == Some("default") {
            if default_rule.is_some() {
                problems.add("identifier", "is that of a second default rule");
            }
            default_rule = reader.default_rule(definition, problems);
        } else if let Some(policy) = reader.policy(definition, problems) {
            policies.entry(policy.number.clone()).or_default().push(policy);
        }
    }
    problems.file = "payer".to_owned();
    let default_rule = problems.need(default_rule, "PlanDefinition with the identifier default");
    let payer = problems.need(payer, "Organization");
    let (default_rule, payer) = (default_rule?, payer?);
    let index = index(&policies, &terms);
    let terms::Terms { systems, names: system_names, settings, words, order_setting, encounter_setting, .. } = terms;
    let override_reasons = terms.override_reasons;
    let some = (!override_reasons.is_empty()).then_some(&override_reasons);
    let override_reasons = some.map(Written::new).transpose().ok()?;
    let set = PolicySet {
        hash,
        payer,
        plans,
        systems,
        system_names,
        settings,
        words,
        order_setting,
        encounter_setting,
        policies,
        index,
        default_rule,
        override_reasons,
    };
    Some(set)
}

/// From each code to the policy versions it may mean.
fn index(policies: &BTreeMap<Box<str>, Vec<Policy>>, terms: &terms::Terms) -> HashMap<Coding, Hits> {
    let mut index: HashMap<Coding, Hits> = HashMap::new();
    let versions = policies.values().flat_map(|versions| versions.iter().enumerate());
    for (place, policy) in versions {
        let this = (policy.number.clone(), place);
        for code in &policy.codes {
            index.entry(code.clone()).or_default().exact.push(this.clone());
            for (wide, _) in terms.wider.iter().filter(|(_, narrow)| narrow == code) {
                let hits = index.entry(wide.clone()).or_default();
                if !hits.wider.contains(&this) {
                    hits.wider.push(this.clone());
                }
            }
        }
    }
    index
}

/// Files that say the same thing twice would be read in some order, and the last would win.
fn once_each(resources: &Resources, problems: &mut Problems) {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for (file, resource) in resources {
        let (url, version) = match resource {
            Resource::CodeSystem(it) => (text!(it.url), None),
            Resource::ConceptMap(it) => (text!(it.url), None),
            Resource::Library(it) => (text!(it.url), None),
            Resource::PlanDefinition(it) => (text!(it.url), text!(it.version)),
            Resource::ValueSet(it) => (text!(it.url), None),
            _ => (None, None),
        };
        let Some(url) = url else { continue };
        let name = format!("{url}|{}", version.unwrap_or_default());
        if let Some(other) = seen.insert(name, file) {
            problems.file.clone_from(file);
            problems.add("url", format!("is that of {other} too"));
        }
    }
}
