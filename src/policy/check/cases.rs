//! Runs the tables of cases that lie beside the policies: what is given, and what must come out.

use std::collections::{BTreeMap, BTreeSet};

use fhir_resources::File;
use jiff::civil::{Date, date};
use serde::Deserialize;

use super::MOST_COMBINATIONS;
use crate::decide::decide;
use crate::decide::determination::{Determination, InfoNeeded, Needs, PaNeeded, Shown};
use crate::decide::facts::{Authorized, Companion, Cover, Days, Fact, Facts, InForce};
use crate::policy::load::{BASE, Problem};
use crate::policy::model::{Coding, DocNeeded, FactName, PolicySet, Value};
use crate::policy::number::thousandths;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "about")]
    _about: String,
    cases: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    given: BTreeMap<String, OneOrMany<String>>,
    expect: OneOrMany<Expect>,
}

/// No numbers in here, so `untagged` is safe beside `arbitrary_precision`.
#[derive(Deserialize, Clone)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Expect {
    policy: Option<String>,
    covered: Option<String>,
    pa_needed: Option<String>,
    info_needed: Option<Vec<String>>,
    doc_needed: Option<Vec<String>>,
    dependency: Option<Vec<String>>,
    actions: Option<Vec<String>>,
}

/// Runs one table; returns how many cases it stands for.
pub(super) fn run(file: &File, set: &PolicySet, problems: &mut Vec<Problem>) -> usize {
    let day = day_of(&file.path, set);
    let mut problem = |element: String, what: String| problems.push(Problem { file: file.path.clone(), element, what });
    let table: Table = match serde_json::from_slice(&file.bytes) {
        Ok(table) => table,
        Err(error) => {
            problem(String::new(), format!("not a table of cases: {error}"));
            return 0;
        }
    };
    let mut count = 0;
    for row in &table.cases {
        let lists: Vec<usize> = row.given.values().map(|values| values.as_slice().len()).collect();
        if lists.contains(&0) {
            problem(row.name.clone(), "stands for no case".to_owned());
            continue;
        }
        if lists.into_iter().fold(1, usize::saturating_mul) > MOST_COMBINATIONS {
            problem(row.name.clone(), "stands for more cases than can be tried".to_owned());
            continue;
        }
        for given in each(&row.given) {
            count += 1;
            let found =
                facts(&given, set, day).and_then(|facts| compare(&decide(&facts, set), row.expect.as_slice(), set));
            if let Err(what) = found {
                let given: Vec<String> = given.iter().map(|(name, value)| format!("{name} {value}")).collect();
                problem(format!("{} ({})", row.name, given.join(" | ")), what);
            }
        }
    }
    count
}

/// The day of cases beside which no policy version says from when or until when it holds.
const ANY_DAY: Date = date(2020, 1, 1);

/// The day of cases that give no date: the first day of the earliest version whose rules lie beside their folder, or its last
/// day where it has no first. It is a day of the policy, and not the day of whoever proves it: a set that was proved once is
/// proved in any other year, and a later version changes nothing of it.
fn day_of(file: &str, set: &PolicySet) -> Date {
    let folder = file.rsplit_once("/cases/").map(|(folder, _)| folder).unwrap_or_default();
    let beside = |rules: &str| rules.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    let versions = set.policies.values().flatten().filter(|policy| beside(&policy.file));
    let days = versions.filter_map(|policy| policy.effective.0.or(policy.effective.1));
    days.min().unwrap_or(ANY_DAY)
}

/// Each combination of the values in turn.
fn each(given: &BTreeMap<String, OneOrMany<String>>) -> Vec<BTreeMap<&str, &str>> {
    given.iter().fold(vec![BTreeMap::new()], |combinations, (name, values)| {
        let with = |combination: &BTreeMap<_, _>, value| {
            let mut combination = combination.clone();
            combination.insert(name.as_str(), value);
            combination
        };
        let values = values.as_slice();
        combinations
            .iter()
            .flat_map(|it| values.iter().map(|value| with(it, value.as_str())).collect::<Vec<_>>())
            .collect()
    })
}

fn facts(given: &BTreeMap<&str, &str>, set: &PolicySet, undated: Date) -> Result<Facts, String> {
    let mut in_force = InForce { active: true, start: None, end: None };
    let mut facts = Facts::of(Vec::new(), Days { first: undated, last: undated }, Cover::Is(in_force));
    let own = |system: &str, code: &str| {
        let system = set.system(&format!("{BASE}CodeSystem/{system}"))?;
        Some(Coding { system, code: code.into() })
    };
    let day = |text: &str| text.parse::<Date>().map_err(|_| format!("{text} is not a date"));
    for (name, value) in given {
        let unknown = || format!("{name} {value} is not known");
        match *name {
            "code" if *value == "text only" => {}
            "code" => facts.codes = labelled(value, set).ok_or_else(unknown)?,
            "billing" => facts.billing_options = labelled(value, set).ok_or_else(unknown)?,
            "setting" => {
                let setting = own("setting", value).ok_or_else(unknown)?;
                facts.set_codes(FactName::Setting, Fact::Known(vec![setting]));
            }
            "plan" => {
                let plan = own("plan", value).filter(|plan| set.plan_name(plan).is_some());
                facts.set_codes(FactName::Plan, Fact::Known(vec![plan.ok_or_else(unknown)?]));
            }
            "diagnosis" => {
                let system =
                    set.systems.iter().find(|system| &*system.label == "ICD-10-CM").and_then(|it| set.system(&it.uri));
                let system = system.ok_or_else(unknown)?;
                let codes = value.split(", ").map(|code| Coding { system, code: code.into() });
                facts.set_codes(FactName::Diagnosis, Fact::Known(codes.collect()));
            }
            "date" => facts.days = Days { first: day(value)?, last: day(value)? },
            "performer" | "history" => {
                let name = if *name == "history" { FactName::History } else { FactName::Performer };
                let codes = if *value == "none" { Vec::new() } else { labelled(value, set).ok_or_else(unknown)? };
                facts.set_codes(name, Fact::Known(codes));
            }
            "age" | "quantity" => {
                let name = if *name == "age" { FactName::Age } else { FactName::Quantity };
                facts.set(name, Fact::Known(Value::Number(thousandths(value).ok_or_else(unknown)?)));
            }
            "coverage" => {
                match value.split_once('/') {
                    Some((start, end)) => (in_force.start, in_force.end) = (Some(day(start)?), Some(day(end)?)),
                    None => in_force.active = *value == "active",
                }
                facts.coverage = Cover::Is(in_force);
            }
            "member" => {
                facts.coverage = match *value {
                    "no-member-found" => Cover::PersonUnknown,
                    "coverage-not-found" => Cover::CoverageUnknown,
                    _ => return Err(unknown()),
                }
            }
            "authorized" => {
                let (number, codes) = value.split_once(" for ").ok_or_else(unknown)?;
                let codes = labelled(codes, set).ok_or_else(unknown)?;
                facts.authorized.push(Authorized { number: number.to_owned(), codes, first: None, last: None });
            }
            "companion" => {
                let codes = labelled(value, set).ok_or_else(unknown)?;
                facts.companions.push(Companion { reference: "companion".to_owned(), codes });
            }
            "doNotPerform" => facts.to_be_performed &= *value != "true",
            "status" => facts.to_be_performed &= !matches!(*value, "revoked" | "entered-in-error"),
            _ => return Err(format!("{name} is not something that can be given")),
        }
    }
    Ok(facts)
}

/// `CPT 47383, SNOMED-CT 123`
fn labelled(text: &str, set: &PolicySet) -> Option<Vec<Coding>> {
    let one = |text: &str| {
        let (label, code) = text.split_once(' ')?;
        let system = set.systems.iter().find(|system| &*system.label == label)?;
        Some(Coding { system: set.system(&system.uri)?, code: code.into() })
    };
    text.split(", ").map(one).collect()
}

fn compare(found: &[Determination<'_>], expected: &[Expect], set: &PolicySet) -> Result<(), String> {
    if found.len() != expected.len() {
        return Err(format!("{} determinations, expected {}", found.len(), expected.len()));
    }
    for (found, expected) in found.iter().zip(expected) {
        let at = found.billing_code.as_ref().map(|code| format!("{}: ", set.label(code))).unwrap_or_default();
        let differ =
            |what: &str, found: String, expected: &str| Err(format!("{at}{what} is {found}, expected {expected}"));
        let (covered, pa_needed) = (found.covered.code(), found.pa_needed.as_ref().map_or("absent", PaNeeded::code));
        if expected.covered.as_deref().is_some_and(|expected| expected != covered) {
            return differ("covered", covered.to_owned(), expected.covered.as_deref().unwrap_or_default());
        }
        if expected.pa_needed.as_deref().is_some_and(|expected| expected != pa_needed) {
            return differ("pa-needed", pa_needed.to_owned(), expected.pa_needed.as_deref().unwrap_or_default());
        }
        let policies: BTreeSet<&str> = found.trace.candidates.iter().map(|candidate| candidate.policy).collect();
        if expected.policy.as_deref().is_some_and(|policy| policies != BTreeSet::from([policy])) {
            return differ("policy", format!("{policies:?}"), expected.policy.as_deref().unwrap_or_default());
        }
        let info = info_needed(found);
        let wanted = expected.info_needed.as_ref().map(|list| list.iter().map(String::as_str).collect::<BTreeSet<_>>());
        if let Some(wanted) = wanted.filter(|wanted| *wanted != info) {
            return differ("info-needed", format!("{info:?}"), &format!("{wanted:?}"));
        }
        let documents =
            found.documentation.iter().flat_map(|documents| &documents.needed).map(|it| DocNeeded::code(*it));
        let documents: BTreeSet<&str> = documents.collect();
        let wanted = expected.doc_needed.as_ref().map(|list| list.iter().map(String::as_str).collect::<BTreeSet<_>>());
        if let Some(wanted) = wanted.filter(|wanted| *wanted != documents) {
            return differ("doc-needed", format!("{documents:?}"), &format!("{wanted:?}"));
        }
        if expected.dependency.as_ref().is_some_and(|wanted| *wanted != found.dependencies) {
            return differ("dependency", format!("{:?}", found.dependencies), &format!("{:?}", expected.dependency));
        }
        let actions: BTreeSet<&str> = found.shown.iter().flat_map(Shown::names).collect();
        let wanted = expected.actions.as_ref().map(|list| list.iter().map(String::as_str).collect::<BTreeSet<_>>());
        if let Some(wanted) = wanted.filter(|wanted| *wanted != actions) {
            return differ("actions", format!("{actions:?}"), &format!("{wanted:?}"));
        }
    }
    Ok(())
}

fn info_needed<'a>(determination: &Determination<'_>) -> BTreeSet<&'a str> {
    let covered = determination.covered.needs();
    let pa_needed = determination.pa_needed.as_ref().and_then(PaNeeded::needs);
    let documents = determination.documentation.as_ref().and_then(|documents| documents.needs.as_ref());
    [covered, pa_needed, documents].into_iter().flatten().flat_map(Needs::iter).map(InfoNeeded::code).collect()
}
