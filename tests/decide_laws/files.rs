//! Writes a [`Model`] as the FHIR files of a policy set, and what is given as the facts of an order.

use covenant::decide::facts::{Cover, Days, Fact, Facts, InForce, Why};
use covenant::policy::check;
use covenant::policy::load::{self, Problem};
use covenant::policy::model::{Coding, FactName, PolicySet, Value as FactValue};
use fhir_resources::{File, embedded};
use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::model::{
    CLINICAL, COVERED, Case, DIAGNOSES, DOC_NEEDED, Given, Known, Model, NARROW, Outcome, PA_NEEDED, PERFORMERS, PLANS,
    SETTINGS, UNLISTED, Version, Wanted,
};
use crate::laws_support::Draw;

const BASE: &str = "https://covenant.example/fhir/";
const CPT: &str = "http://www.ama-assn.org/go/cpt";
pub const SNOMED: &str = "http://snomed.info/sct";
const NPI: &str = "http://hl7.org/fhir/sid/us-npi";
const ICD: &str = "http://hl7.org/fhir/sid/icd-10-cm";

/// The names of all codes, by their number.
pub fn code(number: usize) -> (&'static str, &'static str) {
    match number {
        UNLISTED => (CPT, "90008"),
        CLINICAL => (SNOMED, "26782000"),
        number => (CPT, NARROW.get(number).copied().unwrap_or("90009")),
    }
}

pub fn date(day: usize) -> Date {
    Date::constant(2026, 12, 1) + i64::try_from(day).unwrap().days()
}

/// The files of a set: payer, plans and code systems of the default set, policies and wider codes of the model.
pub fn files(model: &Model) -> Vec<File> {
    let kept = |file: &File| {
        file.path.starts_with("payer/") || (file.path.starts_with("terminology/") && !file.path.contains("ConceptMap"))
    };
    let mut files: Vec<File> = embedded().into_iter().filter(kept).collect();
    let npi = json!({
        "resourceType": "NamingSystem", "id": "us-npi", "name": "NPI", "status": "active", "kind": "identifier",
        "date": "2020", "uniqueId": [{"type": "uri", "value": NPI, "preferred": true}]
    });
    files.push(file("terminology/NamingSystem-us-npi.json", &npi));
    for (index, version) in model.versions.iter().enumerate() {
        files.push(file(
            &format!("policies/{0}/PlanDefinition-{0}-{index}.json", version.policy),
            &policy(index, version),
        ));
    }
    let groups = [UNLISTED, CLINICAL].into_iter().zip(&model.wider).filter(|(_, narrower)| !narrower.is_empty());
    let groups: Vec<Value> = groups.map(|(wide, narrower)| wider(wide, narrower)).collect();
    if !groups.is_empty() {
        let url = format!("{BASE}ConceptMap/wider-codes");
        let map =
            json!({"resourceType": "ConceptMap", "id": "wider-codes", "url": url, "status": "active", "group": groups});
        files.push(file("terminology/ConceptMap-wider-codes.json", &map));
    }
    files
}

pub fn file(path: &str, resource: &Value) -> File {
    File { path: path.to_owned(), bytes: serde_json::to_vec(resource).unwrap() }
}

fn wider(wide: usize, narrower: &[usize]) -> Value {
    let (source, from) = code(wide);
    let target: Vec<Value> =
        narrower.iter().map(|narrow| json!({"code": code(*narrow).1, "equivalence": "narrower"})).collect();
    json!({"source": source, "target": CPT, "element": [{"code": from, "target": target}]})
}

fn policy(index: usize, version: &Version) -> Value {
    let codes = version.codes.iter().map(|number| code(*number)).collect::<Vec<_>>();
    let cases: Vec<Value> = version.cases.iter().enumerate().map(|(number, it)| case(index, number, it)).collect();
    let mut period = json!({});
    for (name, day) in [("start", version.days.0), ("end", version.days.1)] {
        if let Some(day) = day {
            period[name] = json!(date(day).to_string());
        }
    }
    let mut definition = json!({
        "resourceType": "PlanDefinition", "id": format!("p{index}"), "status": "active",
        "extension": [{"url": format!("{BASE}StructureDefinition/precedence"), "valuePositiveInt": version.policy + 1}],
        "identifier": [{"value": version.policy.to_string()}], "version": index.to_string(), "title": "A policy",
        "action": [{
            "id": format!("scope-{index}"), "textEquivalent": format!("scope {index} speaks"),
            "input": [input("ServiceRequest", "code", &codes)],
            "action": [{"selectionBehavior": "exactly-one", "action": cases}],
        }],
    });
    if period != json!({}) {
        definition["effectivePeriod"] = period;
    }
    definition
}

fn input(kind: &str, path: &str, codes: &[(&str, &str)]) -> Value {
    let codes: Vec<Value> = codes.iter().map(|(system, code)| json!({"system": system, "code": code})).collect();
    json!({"type": kind, "codeFilter": [{"path": path, "code": codes}]})
}

/// A condition, or that it must not hold.
fn negated(mut input: Value, not: bool) -> Value {
    if not {
        let filter = &mut input["codeFilter"][0];
        let said = json!({"url": format!("{BASE}StructureDefinition/not"), "valueBoolean": true});
        match filter["extension"].as_array_mut() {
            Some(extensions) => extensions.push(said),
            None => filter["extension"] = json!([said]),
        }
    }
    input
}

fn case(index: usize, number: usize, case: &Case) -> Value {
    let own = |system: &str| format!("{BASE}CodeSystem/{system}");
    let (setting_system, plan_system) = (own("setting"), own("plan"));
    let mut inputs = Vec::new();
    if let Some(setting) = case.setting {
        inputs.push(input("ServiceRequest", "setting", &[(&setting_system, SETTINGS[setting])]));
    }
    if let Some(plans) = &case.plan {
        let plans: Vec<_> = plans.iter().map(|plan| (&*plan_system, PLANS[*plan])).collect();
        inputs.push(input("Coverage", "plan", &plans));
    }
    if let Some(Wanted { what, not }) = &case.diagnosis {
        let diagnoses: Vec<_> = what.iter().map(|diagnosis| (ICD, DIAGNOSES[*diagnosis])).collect();
        inputs.push(negated(input("Condition", "code", &diagnoses), *not));
    }
    if let Some(Wanted { what, not }) = &case.performer {
        let performers: Vec<_> = what.iter().map(|performer| (NPI, PERFORMERS[*performer])).collect();
        inputs.push(negated(input("ServiceRequest", "performer", &performers), *not));
    }
    if let Some(Wanted { what: (low, high), not }) = &case.age {
        let mut range = json!({});
        for (name, bound) in [("low", low), ("high", high)] {
            if let Some(bound) = bound {
                range[name] = json!({"value": bound});
            }
        }
        let range = json!([{"url": format!("{BASE}StructureDefinition/range"), "valueRange": range}]);
        let age = json!({"type": "Patient", "codeFilter": [{"extension": range, "path": "age"}]});
        inputs.push(negated(age, *not));
    }
    let id = format!("case-{index}-{number}");
    let parts = outcome(&case.outcome, &id);
    let determination = json!({"url": format!("{BASE}StructureDefinition/determination"), "extension": parts});
    let mut action = json!({"id": id, "textEquivalent": format!("{id} holds"), "extension": [determination]});
    if !inputs.is_empty() {
        action["input"] = Value::Array(inputs);
    }
    action
}

fn outcome(outcome: &Outcome, id: &str) -> Vec<Value> {
    let part = |url: &str, code: &str| json!({"url": url, "valueCode": code});
    let mut parts = vec![part("covered", COVERED[outcome.covered])];
    parts.extend(PA_NEEDED[outcome.pa_needed].map(|code| part("pa-needed", code)));
    for needed in &outcome.doc_needed {
        parts.push(part("doc-needed", DOC_NEEDED[*needed]));
        let purpose = ["withpa", "withclaim", "withorder", "retain-doc", "OTH"][*needed];
        parts.push(part("doc-purpose", purpose));
        parts.push(json!({"url": "questionnaire", "valueCanonical": format!("https://covenant.example/q/{needed}")}));
    }
    parts.push(json!({"url": "reason", "valueCodeableConcept": {"text": format!("{id} says so of {{{{code}}}}")}}));
    parts
}

/// The same policies with clinical codes in place of those that are billed, and without an order among them.
pub fn clinical(files: &[File]) -> Vec<File> {
    let mut files = files.to_vec();
    for file in files.iter_mut().filter(|file| file.path.starts_with("policies/")) {
        let text = String::from_utf8(file.bytes.clone()).unwrap().replace(CPT, SNOMED);
        let mut definition: Value = serde_json::from_str(&text).unwrap();
        definition.as_object_mut().unwrap().shift_remove("extension");
        file.bytes = serde_json::to_vec(&definition).unwrap();
    }
    files
}

/// The same files and the cases in them, in another order.
pub fn shuffled(files: &[File], draw: &mut Draw<'_>) -> Vec<File> {
    let mut files = files.to_vec();
    for file in files.iter_mut().filter(|file| file.path.starts_with("policies/")) {
        let mut definition: Value = serde_json::from_slice(&file.bytes).unwrap();
        let cases = definition["action"][0]["action"][0]["action"].as_array_mut().unwrap();
        draw.shuffle(cases);
        file.bytes = serde_json::to_vec(&definition).unwrap();
    }
    draw.shuffle(&mut files);
    files
}

/// Loads files without proving them.
pub fn load(files: &[File]) -> Result<PolicySet, Vec<Problem>> {
    load::load(files).map(|draft| draft.set)
}

/// Loads files as a server would.
pub fn prove(files: &[File]) -> Result<PolicySet, Vec<Problem>> {
    check::prove(load::load(files)?).map(|(set, _)| set)
}

/// What is given, in the codes of a set.
pub fn facts(given: &Given, set: &PolicySet) -> Facts {
    let coding = |system: &str, code: &str| Coding { system: set.system(system).unwrap(), code: code.into() };
    fn fact<T>(known: Known<usize>, of: impl Fn(usize) -> T) -> Fact<T> {
        match known {
            Known::Known(value) => Fact::Known(of(value)),
            Known::Absent => Fact::Absent,
            Known::Unavailable => Fact::Unavailable(Why::SentAsFailure),
        }
    }
    let own = |system: &str, code: &str| vec![coding(&format!("{BASE}CodeSystem/{system}"), code)];
    let diagnoses = |bits: usize| {
        let named = DIAGNOSES.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
        named.map(|(_, code)| coding(ICD, code)).collect()
    };
    let (system, code) = code(given.code);
    let days = Days { first: date(given.days.0), last: date(given.days.1) };
    let in_force = InForce { active: given.active, start: given.coverage.0.map(date), end: given.coverage.1.map(date) };
    let mut facts = Facts::of(vec![coding(system, code)], days, Cover::Is(in_force));
    facts.set_codes(FactName::Setting, fact(given.setting, |setting| own("setting", SETTINGS[setting])));
    facts.set_codes(FactName::Plan, fact(given.plan, |plan| own("plan", PLANS[plan])));
    facts.set_codes(FactName::Diagnosis, fact(given.diagnosis, diagnoses));
    // The default set knows no numbers of providers: no rule of it asks for them.
    if let Some(system) = set.system(NPI) {
        let performers = |bits: usize| {
            let named = PERFORMERS.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
            named.map(|(_, code)| Coding { system, code: (*code).into() }).collect()
        };
        facts.set_codes(FactName::Performer, fact(given.performer, performers));
    }
    let age = |age: usize| FactValue::Number(i64::try_from(age).unwrap() * 1000);
    facts.set(FactName::Age, fact(given.age, age));
    facts
}
