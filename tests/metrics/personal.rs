//! Nothing that a person could be recognised by goes out with metrics.

use covenant::gather::learned::{Learned, Query, Reply};
use covenant::metrics::Tally;
use covenant::record::{Entry, Outcome};
use serde_json::{Value, json};

use super::entries::{data_with, entry, refused, told};
use crate::support::{CANARY, Request, assert_no_leak, order};

/// A request with a canary in every place that a person could be recognised by, and in what metrics look into.
fn planted() -> Request {
    let concept = json!({
        "coding": [
            {"system": "http://www.ama-assn.org/go/cpt", "code": "47383", "display": CANARY},
            {"system": "https://ehr.example.org/codes", "code": "the canary of 1957"},
            {"display": CANARY}
        ],
        "text": CANARY
    });
    let device = json!({
        "resourceType": "Device", "id": "canary-device", "serialNumber": CANARY, "patient": {"reference": "Patient/canary-patient"},
        "udiCarrier": [{"deviceIdentifier": "00844588003288", "carrierHRF": "(21)canary"}]
    });
    order("47383")
        .authorized()
        .ordering("code", concept)
        .ordering("note", json!([{"text": CANARY}]))
        .ordering("identifier", json!([{"system": "https://canary.org", "value": CANARY}]))
        .with("/prefetch/device", device)
        .with("/prefetch/odd", json!({"resourceType": "Basic", "id": CANARY}))
        .with(
            "/prefetch/practitioner",
            json!({
                "resourceType": "Practitioner", "id": "canary-practitioner", "name": [{"family": CANARY}],
                "identifier": [
                    {"system": "http://hl7.org/fhir/sid/us-npi", "value": "canary0123"},
                    {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "1957031400"}
                ]
            }),
        )
        .covered(
            "type",
            json!({"coding": [{"system": "https://ehr.example.org/types", "code": "canary of us", "display": CANARY}], "text": CANARY}),
        )
}

fn planted_entry() -> Entry {
    let condition = json!({
        "resourceType": "Condition", "id": CANARY, "code": {"text": CANARY}, "subject": {"reference": "Patient/canary-patient"}
    });
    let query = Query::search("Condition", &[("patient", "canary-patient")]);
    let learned = Learned {
        could_ask: true,
        asked: vec![(query, Reply::Found(vec![condition.to_string()]))],
        ..Learned::default()
    };
    Entry { learned: serde_json::to_string(&learned).unwrap(), ..entry(&planted().text()) }
}

#[test]
fn nothing_of_a_patient_is_in_metric_data_or_in_a_tally() {
    let entry = planted_entry();
    let text = String::from_utf8(entry.request.to_vec()).unwrap();
    assert!(text.matches(CANARY).count() > 20 && text.contains("1957-03-14"));
    let feedback = [told(&entry, Outcome::Overridden)];
    let data = data_with(&entry, &feedback);
    let mut tally = Tally::default();
    tally.add(&data, &entry.client);
    tally.add(&data_with(&refused(400, "required", "The request breaks the CDS Hooks specification."), &[]), "ehr");
    let data = serde_json::to_value(&data).unwrap();
    // The codes, and the types, are there.
    assert_eq!(data["request"][0]["orderDetail"]["coding"].as_array().unwrap().len(), 1, "{data:#}");
    assert_eq!(data["resources"].as_array().unwrap().len(), 7, "{data:#}");
    assert_eq!(data["tokenUse"], "used");
    // What is ordered is to be in the data of an invocation, and nowhere else.
    let data = data.to_string().replace("47383", "");
    let written = [data, tally.table(), tally.csv().unwrap(), tally.json().to_string()];
    for text in written {
        assert_no_leak(&text, "metrics");
        assert!(!text.contains("1957"), "{text}");
    }
}

/// The paths of all texts of a value.
fn texts(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.push((path.to_owned(), text.clone())),
        Value::Array(items) => items.iter().for_each(|item| texts(item, path, found)),
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| texts(value, &format!("{path}/{name}"), found))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn every_text_in_metric_data_is_one_that_cannot_be_a_patients() {
    for (name, entry) in super::entries::every() {
        let mut found = Vec::new();
        texts(&super::entries::json_of(&entry), "", &mut found);
        for (path, text) in found {
            let fixed = match path.as_str() {
                "/source" | "/hookType" | "/tokenUse" | "/requestTime" | "/responseTime" => true,
                "/hookInstance" => text.parse::<uuid::Uuid>().is_ok(),
                "/payerId/system" | "/payerId/value" => true,
                "/resources/type" | "/request/type" | "/request/response/focus" => {
                    text.bytes().all(|byte| byte.is_ascii_alphabetic())
                }
                "/request/orderDetail/coding/system" | "/request/response/coverageInfo/businessLine/coding/system" => {
                    text.contains(':') && !text.contains(' ')
                }
                "/request/orderDetail/coding/code" | "/request/response/coverageInfo/businessLine/coding/code" => {
                    !text.contains(' ')
                }
                "/request/response/type"
                | "/request/response/coverageInfo/covered"
                | "/request/response/coverageInfo/paNeeded"
                | "/request/response/coverageInfo/docNeeded"
                | "/request/response/coverageInfo/infoNeeded"
                | "/request/response/coverageInfo/questionnaire/reference" => true,
                "/request/response/coverageInfo/assertionId" => entry.assertions.contains(&text),
                "/request/response/coverageInfo/businessLine/text" => !text.contains("Example"),
                // The number of the authorization that the payer gave itself.
                "/request/response/coverageInfo/satisfiedId" => text == "PA-123",
                "/providerId/system" | "/providerId/value" => true,
                _ => false,
            };
            assert!(fixed, "{name}: {path} {text}");
        }
    }
}
