//! A line of an export: a FHIR R4 AuditEvent, read as strictly as fhirbolt can, and with the body in it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use covenant::record::{Entry, Feedback, Ledger, Outcome, SqliteLedger, wait};
use covenant::review::Reviewer;
use fhirbolt::model::r4::resources::{AuditEvent, Binary};
use fhirbolt::serde::{DeserializationConfig, DeserializationMode};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::metrics::entries::{entry, every, refused, told};
use crate::support::{Place, order};

/// The event of a line, which must be one that R4 knows, whole: a required element that is missing, one that is not known
/// and an empty one are errors.
pub fn read(line: &str) -> Value {
    let event: Value = serde_json::from_str(line).unwrap();
    let strict = || Some(DeserializationConfig { mode: DeserializationMode::Strict });
    let mut alone = event.clone();
    // What it contains is read on its own: fhirbolt loses its place after a contained resource.
    let contained = alone.as_object_mut().unwrap().shift_remove("contained").unwrap();
    let read = fhirbolt::json::from_slice::<AuditEvent>(alone.to_string().as_bytes(), strict());
    read.unwrap_or_else(|error| panic!("{error}: {line}"));
    for binary in contained.as_array().unwrap() {
        let read = fhirbolt::json::from_slice::<Binary>(binary.to_string().as_bytes(), strict());
        read.unwrap_or_else(|error| panic!("{error}: {binary}"));
    }
    nothing_is_empty(&event);
    required(&event);
    event
}

/// FHIR forbids empty objects, arrays and strings, and null.
fn nothing_is_empty(value: &Value) {
    match value {
        Value::Null => panic!("a null"),
        Value::String(text) => assert!(!text.is_empty(), "an empty string"),
        Value::Array(items) => {
            assert!(!items.is_empty(), "an empty array");
            items.iter().for_each(nothing_is_empty);
        }
        Value::Object(members) => {
            assert!(!members.is_empty(), "an empty object");
            members.values().for_each(nothing_is_empty);
        }
        _ => {}
    }
}

/// What R4 says of the event beside its shape.
fn required(event: &Value) {
    let instant = event["recorded"].as_str().unwrap();
    assert!(instant.parse::<Timestamp>().is_ok() && instant.ends_with('Z') && instant.len() >= 20, "{instant}");
    assert!(["C", "R", "U", "D", "E"].contains(&event["action"].as_str().unwrap()));
    assert!(["0", "4", "8", "12"].contains(&event["outcome"].as_str().unwrap()));
    let agents = event["agent"].as_array().unwrap();
    let requestors = agents.iter().filter(|agent| agent["requestor"].as_bool().unwrap()).count();
    assert_eq!((agents.len(), requestors), (2, 1));
    assert!(event["source"]["observer"]["display"].is_string());
    let period = |name: &str| event["period"][name].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(period("start") <= period("end"));
    // dom-3: whatever is contained is referred to; sev-1: an entity has a name or a query, not both.
    let contained: Vec<String> =
        event["contained"].as_array().unwrap().iter().map(|it| format!("#{}", it["id"].as_str().unwrap())).collect();
    let entities = event["entity"].as_array().unwrap();
    let referred: Vec<&str> = entities.iter().filter_map(|it| it["what"]["reference"].as_str()).collect();
    assert_eq!(contained, referred);
    assert!(entities.iter().all(|entity| entity.get("query").is_none()));
}

/// The event of an entry.
fn event(entry: &Entry, feedback: Option<Feedback>) -> Value {
    let place = Place::empty();
    let ledger = SqliteLedger::open(&place.path("test.ledger")).unwrap();
    wait(ledger.append(entry.clone())).unwrap();
    if let Some(item) = feedback {
        wait(ledger.keep_feedback(vec![item])).unwrap();
    }
    let mut out = Vec::new();
    let export = Reviewer::new(&ledger, "clerk").export(Timestamp::MIN, Timestamp::MAX).unwrap();
    assert_eq!(export.write(&ledger, &mut out, &mut |_| ()).unwrap(), 1);
    let line = String::from_utf8(out).unwrap();
    assert_eq!(line.find('\n'), Some(line.len() - 1), "not one line");
    read(&line)
}

fn body(event: &Value, id: &str) -> (String, Vec<u8>) {
    let found = event["contained"].as_array().unwrap().iter().find(|binary| binary["id"] == id).unwrap();
    (found["contentType"].as_str().unwrap().to_owned(), STANDARD.decode(found["data"].as_str().unwrap()).unwrap())
}

#[test]
fn a_line_has_who_asked_what_when_and_what_was_answered() {
    let at = "2026-11-22T14:00:00.123456789Z".parse().unwrap();
    let entry = Entry { at, members: vec!["M-1".into()], ..entry(&order("47383").text()) };
    let event = event(&entry, Some(told(&entry, Outcome::Overridden)));
    assert_eq!(event["recorded"], "2026-11-22T14:00:00.123456789Z");
    assert_eq!(event["period"]["end"], "2026-11-22T14:00:00.126456789Z");
    assert_eq!(event["subtype"][0]["code"], "order-sign-crd");
    assert_eq!((&event["action"], &event["outcome"]), (&json!("E"), &json!("0")));
    assert_eq!(event["agent"][0]["who"]["display"], "ehr");
    assert_eq!(body(&event, "request"), ("application/json".into(), entry.request.to_vec()));
    assert_eq!(body(&event, "response"), ("application/json".into(), entry.response.to_vec()));
    assert_eq!(body(&event, "determinations").1, entry.determinations.as_bytes());
    let feedback: Value = serde_json::from_slice(&body(&event, "feedback").1).unwrap();
    assert_eq!((&feedback[0]["outcome"], &feedback[0]["card"]), (&json!("overridden"), &json!(entry.cards[0])));
    let details = event["entity"][1]["detail"].as_array().unwrap();
    let detail = |kind: &str| details.iter().find(|it| it["type"] == kind).unwrap()["valueString"].clone();
    assert_eq!((detail("assertion"), detail("policySet")), (json!(entry.assertions[0]), json!(entry.policy_set)));
    let patient = event["entity"].as_array().unwrap().last().unwrap();
    assert_eq!((&patient["role"]["code"], &patient["what"]["identifier"]["value"]), (&json!("1"), &json!("M-1")));
}

#[test]
fn a_refusal_is_the_clients_or_ours_to_put_right_and_has_no_request() {
    for (status, outcome) in [(400, "4"), (422, "4"), (500, "8")] {
        let entry = refused(status, "value", "No.");
        let event = event(&entry, None);
        assert_eq!(event["outcome"], outcome, "{status}");
        let (kind, body) = body(&event, "request");
        assert!(kind == "text/plain" && body.starts_with(b"sha256:"), "{kind}");
    }
}

#[test]
fn the_event_of_every_golden_pair_is_valid() {
    let place = Place::empty();
    let ledger = SqliteLedger::open(&place.path("test.ledger")).unwrap();
    let every = every();
    wait(futures_util::future::try_join_all(every.iter().map(|(_, entry)| ledger.append(entry.clone())))).unwrap();
    let mut out = Vec::new();
    let export = Reviewer::new(&ledger, "clerk").export(Timestamp::MIN, Timestamp::MAX).unwrap();
    export.write(&ledger, &mut out, &mut |_| ()).unwrap();
    let lines = String::from_utf8(out).unwrap();
    assert_eq!(lines.lines().map(read).count(), every.len());
}
