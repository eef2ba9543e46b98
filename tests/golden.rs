//! The examples of `cds-hooks/examples`: each request has the one answer that lies beside it, and every answer keeps
//! the promises that hold for all. `TEST_BLESS=1` writes the answers anew; people then read the difference.

use std::collections::BTreeSet;
use std::fs;

use covenant::http::discovery;
use covenant::request::hook::ORDERS;
use covenant::request::schema;
use serde_json::Value;

use crate::laws_support::{
    COVERAGE_INFORMATION, SET, body, files_under, is_about, items, member, members, repository, returned, service_of,
    value_of,
};

/// A request of the folder, and our answer.
pub struct Example {
    pub name: String,
    pub request: String,
    /// The body of our answer.
    pub answer: String,
}

pub fn examples() -> Vec<Example> {
    let found = files_under(&repository("cds-hooks/examples")).into_iter().filter_map(|path| {
        let name = path.file_name()?.to_str()?.strip_suffix(".request.json")?.to_owned();
        let request = fs::read_to_string(&path).unwrap();
        let answer = body(&request, &SET, &name);
        Some(Example { name, request, answer })
    });
    let found: Vec<Example> = found.collect();
    assert!(found.len() >= 40, "only {} examples were found", found.len());
    found
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The orders of a request, each as it is written.
fn sent(request: &str) -> Vec<&str> {
    let context = value_of(request, "context").unwrap();
    let bundles = ["draftOrders", "appointments"].iter().filter_map(|name| value_of(context, name));
    let prefetch = value_of(request, "prefetch").map(members).unwrap_or_default();
    let objects = || prefetch.iter().copied().filter(|value| value.starts_with('{'));
    let single = objects().filter(|value| value_of(value, "entry").is_none());
    let entries = bundles.chain(objects()).filter_map(|bundle| value_of(bundle, "entry")).flat_map(items);
    let resources = entries.filter_map(|entry| value_of(entry, "resource"));
    resources.chain(single).collect()
}

#[test]
fn the_answer_to_every_example_is_the_one_beside_it() {
    let bless = std::env::var_os("TEST_BLESS").is_some();
    let mut differ = Vec::new();
    for example in examples() {
        let path = repository(&format!("cds-hooks/examples/{}.response.json", example.name));
        // Members keep their order and numbers their digits, so only white space is not compared.
        let pretty = serde_json::to_string_pretty(&json(&example.answer)).unwrap() + "\n";
        if bless {
            fs::write(&path, pretty).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != pretty {
            differ.push(format!("{}: {}", example.name, first_difference(&path, &pretty)));
        }
    }
    assert!(differ.is_empty(), "answered otherwise than recorded:\n{}", differ.join("\n"));
}

fn first_difference(path: &std::path::Path, now: &str) -> String {
    let Ok(recorded) = fs::read_to_string(path) else { return "no answer is recorded".to_owned() };
    let lines = recorded.lines().zip(now.lines()).enumerate();
    let first = lines.into_iter().find(|(_, (recorded, now))| recorded != now);
    first.map_or("one goes on where the other ends".to_owned(), |(index, (recorded, now))| {
        format!("line {}\n    recorded {}\n    now      {}", index + 1, recorded.trim(), now.trim())
    })
}

#[test]
fn every_recorded_answer_has_its_request() {
    for path in files_under(&repository("cds-hooks/examples")) {
        let name = path.to_str().unwrap().to_owned();
        let request = name.strip_suffix(".response.json").map(|stem| format!("{stem}.request.json"));
        assert!(request.is_none_or(|request| fs::exists(request).unwrap()), "{name} answers nothing");
    }
}

#[test]
fn every_answer_fits_the_response_schema() {
    for Example { name, answer, .. } in examples() {
        assert_eq!(schema::RESPONSE.check(&json(&answer), ""), Ok(()), "{name}");
    }
    assert_eq!(schema::RESPONSE.check(&json(r#"{"cards":[],"systemActions":[]}"#), ""), Ok(()));
    for wrong in [r#"{"cards":[]}"#, r#"{"systemActions":[]}"#] {
        assert!(schema::RESPONSE.check(&json(wrong), "").is_err(), "the schema refuses nothing");
    }
}

#[test]
fn the_discovery_document_fits_its_schema() {
    let document = json(&discovery::document(&SET));
    assert_eq!(schema::DISCOVERY.check(&document, ""), Ok(()));
    assert!(schema::DISCOVERY.check(&json(r#"{"services":[{}]}"#), "").is_err(), "the schema refuses nothing");
}

#[test]
fn every_example_request_fits_the_schemas_of_what_it_holds() {
    for Example { name, request: text, .. } in examples() {
        let request = json(&text);
        assert_eq!(schema::REQUEST.check(&request, ""), Ok(()), "{name}");
        let hook = service_of(&text).hook;
        assert_eq!(hook.context().check(&request["context"], "context"), Ok(()), "{name}");
        let mut checked = 0;
        let bundle = &request["context"][hook.bundle().unwrap_or_default()];
        for resource in resources(bundle).chain(prefetched(&request["prefetch"])) {
            let kind = resource["resourceType"].as_str().unwrap();
            let Some(schema) = schema::resource(kind) else { continue };
            assert_eq!(schema.check(resource, kind), Ok(()), "{name}");
            checked += 1;
        }
        assert!(checked > 0, "{name} holds no resource that could be checked");
    }
}

fn resources(bundle: &Value) -> impl Iterator<Item = &Value> {
    bundle["entry"].as_array().into_iter().flatten().map(|entry| &entry["resource"])
}

fn prefetched(prefetch: &Value) -> impl Iterator<Item = &Value> {
    let values = prefetch.as_object().into_iter().flat_map(|prefetch| prefetch.values());
    values.filter(|value| !value.is_null()).flat_map(|value| match value["resourceType"].as_str() {
        Some("Bundle") => resources(value).collect(),
        _ => vec![value],
    })
}

#[test]
fn resp_37_a_returned_order_without_our_extension_is_the_order_that_was_sent_byte_for_byte() {
    let mut compared = 0;
    for Example { name, request, answer } in examples() {
        for order in returned(&answer) {
            let without = without_ours(order);
            assert!(sent(&request).contains(&&*without), "{name}: no order of the request reads\n{without}");
            compared += 1;
        }
    }
    assert!(compared > 35, "only {compared} orders were compared");
}

/// An order that carried no coverage information, as it was before ours was put on it.
fn without_ours(order: &str) -> String {
    let list = member(order, "extension").unwrap();
    let all = items(&order[list.clone()]);
    let ours = all.iter().filter(|item| is_about(item, "Coverage/example-coverage")).count();
    assert!(ours > 0, "the order carries no coverage information");
    let foreign = &all[..all.len() - ours];
    let Some(last) = foreign.last() else {
        // There was no such member.
        let start = order[..list.start].rfind(",\"extension\":").unwrap();
        return format!("{}{}", &order[..start], &order[list.end..]);
    };
    let end = last.as_ptr() as usize + last.len() - order.as_ptr() as usize;
    format!("{}{}", &order[..end], &order[list.end - 1..])
}

#[test]
fn an_answer_has_no_white_space_but_that_of_the_orders() {
    for Example { name, answer, .. } in examples() {
        let mut ours = answer.clone();
        for order in returned(&answer) {
            ours = ours.replacen(order, "0", 1);
            for extension in items(value_of(order, "extension").unwrap()) {
                let written_by_us = is_about(extension, "Coverage/example-coverage");
                assert!(!written_by_us || white_space(extension).is_none(), "{name}: {extension}");
            }
        }
        assert_eq!(white_space(&ours), None, "{name}: {ours}");
    }
    assert_eq!(white_space(r#"{"a b": 1}"#), Some(7), "white space is not found");
}

/// The first white space outside of strings.
fn white_space(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.bytes().position(|byte| {
        let after_escape = std::mem::take(&mut escaped);
        match byte {
            b'\\' if quoted && !after_escape => escaped = true,
            b'"' if !after_escape => quoted = !quoted,
            _ => {}
        }
        !quoted && byte.is_ascii_whitespace()
    })
}

#[test]
fn nothing_that_we_write_is_null_or_empty() {
    for Example { name, answer, .. } in examples() {
        let mut answer = json(&answer);
        let actions = answer.get_mut("systemActions").and_then(Value::as_array_mut);
        for action in actions.into_iter().flatten() {
            // Of an order, our extensions are all that is ours.
            let ours = action["resource"]["extension"].as_array().unwrap().iter();
            let ours: Vec<Value> = ours.filter(|it| it["url"] == COVERAGE_INFORMATION).cloned().collect();
            action["resource"] = Value::Array(ours);
        }
        // `cards` and `systemActions` are always there, and there may be none.
        let none = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
        let members = answer.as_object().unwrap().iter();
        let found =
            members.filter(|(name, value)| !none(value) || !["cards", "systemActions"].contains(&name.as_str()));
        assert_eq!(found.into_iter().find_map(|(name, value)| empty(value, name)), None, "{name}");
    }
    assert_eq!(empty(&json(r#"{"b":[{"c":""}]}"#), "a").as_deref(), Some("a.b.c"), "emptiness is not found");
}

/// The path of the first null, or empty string, array or object.
fn empty(value: &Value, path: &str) -> Option<String> {
    match value {
        Value::Null => Some(path.to_owned()),
        Value::String(text) if text.is_empty() => Some(path.to_owned()),
        Value::Array(items) if items.is_empty() => Some(path.to_owned()),
        Value::Object(members) if members.is_empty() => Some(path.to_owned()),
        Value::Array(items) => items.iter().find_map(|item| empty(item, path)),
        Value::Object(members) => members.iter().find_map(|(name, member)| empty(member, &format!("{path}.{name}"))),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

#[test]
fn every_hook_has_an_answer_for_every_kind_of_order_in_every_version() {
    let orders = ORDERS.iter().filter(|kind| **kind != "Appointment");
    let ordering = ["order-sign", "order-select", "order-dispatch"];
    let mut wanted: BTreeSet<(String, String, String)> = BTreeSet::new();
    for version in ["2.0", "2.1", "2.2"] {
        let mut want = |hook: &str, kind: &str| wanted.insert((hook.into(), kind.into(), version.into()));
        ordering.iter().for_each(|hook| orders.clone().for_each(|kind| _ = want(hook, kind)));
        // An appointment by itself, and one for an order.
        want("appointment-book", "Appointment");
        want("appointment-book", "ServiceRequest");
        want("encounter-start", "Encounter");
        want("encounter-discharge", "Encounter");
    }
    for Example { request, answer, .. } in examples() {
        let request = json(&request);
        let version = request["extension"]["davinci-crd.requestedVersion"].as_str().unwrap_or("2.0");
        for order in returned(&answer) {
            let kind = json(order)["resourceType"].as_str().unwrap().to_owned();
            wanted.remove(&(request["hook"].as_str().unwrap().to_owned(), kind, version.to_owned()));
        }
    }
    assert_eq!(wanted, BTreeSet::new(), "these have no example");
}
