//! The order desk: an EHR's order entry in small, for what the policy set speaks of and patients who do not exist.

use serde::Serialize;

use super::PageError;
use crate::policy::model::{Coding, FactName, Policy, PolicySet};
use crate::request::version::Version;

/// What can be chosen at the desk. The page has its words, the page's script all of it, as JSON.
#[derive(Debug, Serialize)]
pub struct Choices<'a> {
    title: &'static str,
    /// As every page has it.
    payer: &'a str,
    insurer: Insurer<'a>,
    patients: &'static [Patient],
    plans: Vec<Plan<'a>>,
    services: Vec<Code<'a>>,
    places: &'static [Place],
    diagnoses: Vec<Diagnosis<'a>>,
    versions: [&'static str; 3],
    servers: &'a [String],
}

#[derive(Debug, Serialize)]
struct Insurer<'a> {
    name: &'a str,
    short: &'a str,
    identifiers: Vec<Identifier<'a>>,
}

#[derive(Debug, Serialize)]
struct Identifier<'a> {
    system: &'a str,
    value: &'a str,
}

/// A patient, plainly invented.
#[derive(Debug, Serialize)]
struct Patient {
    id: &'static str,
    family: &'static str,
    given: &'static str,
    gender: &'static str,
    #[serde(rename = "birthDate")]
    birth_date: &'static str,
    member: &'static str,
}

#[derive(Debug, Serialize)]
struct Plan<'a> {
    code: &'a str,
    name: &'a str,
}

/// A code as an order has it.
#[derive(Debug, Serialize)]
struct Code<'a> {
    /// Of something to order: how much the policies have to say of it.
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'static str,
    system: &'a str,
    code: &'a str,
    label: String,
    text: &'a str,
}

/// What an order is for: one code, or those that belong together.
#[derive(Debug, Serialize)]
struct Diagnosis<'a> {
    label: String,
    codes: Vec<Code<'a>>,
}

/// Where a service is done: a place of service as CMS numbers them, or nothing said.
#[derive(Debug, Serialize)]
struct Place {
    code: &'static str,
    name: &'static str,
}

const PATIENTS: [Patient; 3] = [
    Patient {
        id: "example-alice",
        family: "Example",
        given: "Alice",
        gender: "female",
        birth_date: "1957-03-14",
        member: "EXAMPLE-MEMBER-0001",
    },
    Patient {
        id: "example-bruno",
        family: "Sample",
        given: "Bruno",
        gender: "male",
        birth_date: "1949-11-02",
        member: "EXAMPLE-MEMBER-0002",
    },
    Patient {
        id: "example-carla",
        family: "Invented",
        given: "Carla",
        gender: "female",
        birth_date: "2011-06-30",
        member: "EXAMPLE-MEMBER-0003",
    },
];

const PLACES: [Place; 5] = [
    Place { code: "", name: "Not stated" },
    Place { code: "21", name: "Inpatient hospital" },
    Place { code: "22", name: "Outpatient hospital" },
    Place { code: "24", name: "Ambulatory surgical center" },
    Place { code: "11", name: "Office" },
];

/// Codes of a kind that can be chosen: nobody looks through more, and the page stays small.
const MOST: usize = 200;

/// Something that few policies speak of: an office visit.
const UNRELATED: (&str, &str, &str) = ("http://www.ama-assn.org/go/cpt", "99213", "Office visit");

impl<'a> Choices<'a> {
    /// What a policy set lets choose, with other servers that can be called.
    #[must_use]
    pub fn of(set: &'a PolicySet, servers: &'a [String]) -> Self {
        let payer = &set.payer;
        let identifiers = payer.identifiers.iter().map(|(system, value)| Identifier { system, value });
        Self {
            title: "Order desk",
            payer: &payer.name,
            insurer: Insurer { name: &payer.name, short: &payer.short, identifiers: identifiers.collect() },
            patients: &PATIENTS,
            plans: set.plans.iter().map(|plan| Plan { code: &plan.coding.code, name: &plan.name }).collect(),
            services: services(set),
            places: &PLACES,
            diagnoses: diagnoses(set),
            versions: [Version::V2_2, Version::V2_1, Version::V2_0].map(Version::name),
            servers,
        }
    }
}

/// Codes that a policy speaks of, codes that may mean one of those, and one that is neither.
fn services(set: &PolicySet) -> Vec<Code<'_>> {
    let codes = |exact: bool| {
        let hits = set.index.iter().filter(move |(_, hits)| hits.exact.is_empty() != exact);
        let mut codes: Vec<&Coding> = hits.map(|(coding, _)| coding).collect();
        codes.sort_unstable();
        codes.truncate(MOST);
        codes
    };
    let named = codes(true).into_iter().map(|coding| code("Named by a policy", set, coding));
    let wider = codes(false).into_iter().map(|coding| code("Not precise enough", set, coding));
    let mut services: Vec<Code<'_>> = named.chain(wider).collect();
    let (system, unrelated, text) = UNRELATED;
    if services.iter().all(|service| service.code != unrelated) {
        let label = format!("CPT {unrelated}");
        services.push(Code { group: "No policy", system, code: unrelated, label, text });
    }
    services
}

/// The diagnoses that policies tell apart: of each rule that looks at them, the first code of each condition.
fn diagnoses(set: &PolicySet) -> Vec<Diagnosis<'_>> {
    let policies = set.policies.values().flatten();
    let mut groups: Vec<Vec<&Coding>> = policies
        .flat_map(Policy::actions)
        .map(|action| {
            let looked_at = action.conditions.iter().filter(|it| it.fact == FactName::Diagnosis && !it.not);
            looked_at.filter_map(|condition| condition.codes().first()).collect()
        })
        .filter(|codings: &Vec<_>| !codings.is_empty())
        .collect();
    groups.sort_unstable();
    groups.dedup();
    groups.truncate(MOST);
    groups.into_iter().map(|codings| Diagnosis::of(set, &codings)).collect()
}

impl<'a> Diagnosis<'a> {
    fn of(set: &'a PolicySet, codings: &[&'a Coding]) -> Self {
        let codes: Vec<Code<'a>> = codings.iter().map(|coding| code("", set, coding)).collect();
        let words = |code: &Code<'_>| {
            if code.text.is_empty() { code.label.clone() } else { format!("{} – {}", code.label, code.text) }
        };
        let label = codes.iter().map(words).collect::<Vec<_>>().join("; ");
        Self { label, codes }
    }
}

fn code<'a>(group: &'static str, set: &'a PolicySet, coding: &'a Coding) -> Code<'a> {
    let system = set.systems.get(usize::from(coding.system.0)).map_or("", |system| &*system.uri);
    let text = set.words(coding).unwrap_or_default();
    Code { group, system, code: &coding.code, label: set.label(coding), text }
}

/// Writes the page.
///
/// # Errors
/// [`PageError`]
pub fn page(choices: &Choices<'_>) -> Result<String, PageError> {
    super::write("desk.html", choices)
}
