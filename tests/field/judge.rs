//! What a case wants of its answer.

use serde_json::{Value, json};

use crate::support::Reply;

const COVERAGE_INFORMATION: &str = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-coverage-information";

/// What of an answer is not as a case wants it.
pub(super) fn wrong(expected: &Value, reply: &Reply) -> Vec<String> {
    let status = json!(reply.status);
    let statuses = expected["status"].as_array().cloned().unwrap_or_else(|| vec![expected["status"].clone()]);
    if !statuses.contains(&status) {
        return vec![format!("status {status}: {}", reply.text())];
    }
    if reply.status >= 400 { refusal(expected, &reply.json()) } else { answer(expected, &reply.json()) }
}

fn refusal(expected: &Value, outcome: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    if outcome["resourceType"] != "OperationOutcome" {
        wrong.push("no OperationOutcome".to_owned());
    }
    let code = &outcome["issue"][0]["code"];
    let wanted = expected["issue"].as_array();
    if wanted.is_some_and(|wanted| !wanted.contains(code)) || expected["issue_not"] == *code {
        wrong.push(format!("issue {code}"));
    }
    let places = strings(&outcome["issue"][0]["expression"]);
    if let Some(at) = expected["at"].as_str()
        && !places.iter().any(|place| place.contains(at))
    {
        wrong.push(format!("at {places:?}"));
    }
    wrong
}

fn answer(expected: &Value, answer: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut holds = |name: &str, found: &dyn Fn(&Value) -> Option<String>| {
        if let Some(found) = expected.get(name).and_then(found) {
            wrong.push(format!("{name}: {found}"));
        }
    };
    let actions = list(&answer["systemActions"]);
    let said: Vec<&Value> = actions.iter().flat_map(information).collect();
    let reasons: Vec<&Value> = said.iter().flat_map(|it| parts(it, "reason")).collect();
    let reason_codes = reasons.iter().flat_map(|reason| codes(reason));
    let reason_codes: Vec<&str> = reason_codes.collect();
    let named: Vec<String> = actions.iter().map(|action| name(&action["resource"])).collect();
    let summaries: Vec<&str> = list(&answer["cards"]).iter().filter_map(|card| card["summary"].as_str()).collect();
    let any = |starts: &Value| summaries.iter().any(|summary| summary.starts_with(starts.as_str().unwrap_or_default()));
    let unless = |holds: bool, found: String| (!holds).then_some(found);
    holds("actions", &|count| unless(*count == json!(actions.len()), format!("{} actions", actions.len())));
    holds("status", &|_| unless(!repeats(&named), "one resource is updated twice".to_owned()));
    let covered: Vec<&Value> = said.iter().flat_map(|it| parts(it, "covered")).collect();
    holds("covered", &|wanted| unless(*wanted == json!(covered), format!("{covered:?}")));
    holds("reason_has", &|words| {
        let has = |reason: &&Value| reason["text"].as_str().is_some_and(|text| text.contains(words.as_str().unwrap()));
        unless(reasons.iter().any(has), format!("{reasons:?}"))
    });
    holds("reason_code", &|code| unless(reason_codes.contains(&code.as_str().unwrap()), format!("{reason_codes:?}")));
    holds("info_lacks", &|code| {
        let needed: Vec<&Value> = said.iter().flat_map(|it| parts(it, "info-needed")).collect();
        let lacks = !needed.contains(&code) && !reason_codes.contains(&code.as_str().unwrap());
        unless(lacks, format!("{needed:?} {reason_codes:?}"))
    });
    holds("coverage", &|wanted| {
        let coverages: Vec<&Value> = said.iter().flat_map(|it| parts(it, "coverage")).collect();
        unless(coverages.iter().all(|coverage| coverage["reference"] == *wanted), format!("{coverages:?}"))
    });
    holds("id", &|id| {
        let ids: Vec<&Value> = actions.iter().map(|action| &action["resource"]["id"]).collect();
        unless(ids == [id], format!("{ids:?}"))
    });
    holds("card_has", &|starts| unless(any(starts), format!("{summaries:?}")));
    holds("card_lacks", &|starts| unless(!any(starts), format!("{summaries:?}")));
    holds("cards_once", &|_| unless(!repeats(&summaries), format!("{summaries:?}")));
    wrong
}

/// What is said of each resource, without ids and days that differ from call to call.
pub(super) fn told(reply: &Reply) -> Value {
    let body = reply.json();
    let said = list(&body["systemActions"]).iter().flat_map(|action| {
        let resource = name(&action["resource"]);
        information(action).map(move |it| {
            let reasons = parts(it, "reason").map(|reason| json!([reason["text"], codes(reason).collect::<Vec<_>>()]));
            let reasons: Vec<Value> = reasons.collect();
            let values = |name: &str| parts(it, name).cloned().collect::<Vec<_>>();
            json!([resource, values("covered"), values("pa-needed"), reasons])
        })
    });
    said.collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn strings(value: &Value) -> Vec<&str> {
    list(value).iter().filter_map(Value::as_str).collect()
}

fn name(resource: &Value) -> String {
    format!("{}/{}", resource["resourceType"], resource["id"])
}

fn repeats<T: Ord + Clone>(all: &[T]) -> bool {
    let mut once = all.to_vec();
    once.sort();
    once.dedup();
    once.len() < all.len()
}

/// The coverage information on the resource of a system action.
fn information(action: &Value) -> impl Iterator<Item = &Value> {
    list(&action["resource"]["extension"]).iter().filter(|extension| extension["url"] == COVERAGE_INFORMATION)
}

/// The values of the parts of an extension that have this name.
fn parts<'v>(extension: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    let named = list(&extension["extension"]).iter().filter(move |part| part["url"] == name);
    named.map(|part| {
        let value = part.as_object().and_then(|members| members.iter().find(|(name, _)| name.starts_with("value")));
        value.map_or(part, |(_, value)| value)
    })
}

fn codes(concept: &Value) -> impl Iterator<Item = &str> {
    list(&concept["coding"]).iter().filter_map(|coding| coding["code"].as_str())
}
