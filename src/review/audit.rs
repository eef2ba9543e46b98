//! An entry as a FHIR R4 AuditEvent: who asked what, when, and what was answered, with the bodies contained.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::ShownFeedback;
use crate::record::{Entry, Feedback};

/// The dictionary of DICOM, from which FHIR takes the kinds of events and roles.
const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";

/// Our services, as codes.
const SERVICES: &str = "https://covenant.example/fhir/CodeSystem/services";

const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";

const ENTITY_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";

/// The event of an entry. No member of it is empty, as FHIR wants it.
pub(super) fn event(entry: &Entry, feedback: &[Feedback]) -> Value {
    let items: Vec<ShownFeedback> = feedback.iter().cloned().map(ShownFeedback::from).collect();
    let items = if items.is_empty() { Vec::new() } else { serde_json::to_vec(&items).unwrap_or_default() };
    let bodies: [(&str, &str, &[u8]); 5] = [
        ("request", "The request as it came, without its access token", &entry.request),
        ("response", "The response as it went", &entry.response),
        ("determinations", "What was decided, and from what", entry.determinations.as_bytes()),
        ("learned", "What was learnt beside the request", entry.learned.as_bytes()),
        ("feedback", "What was told of the cards", &items),
    ];
    let bodies = bodies.into_iter().filter(|(_, _, body)| !body.is_empty());
    let (mut contained, mut entities) = (Vec::new(), Vec::new());
    for (id, name, body) in bodies {
        contained.push(binary(id, body));
        let details = match id {
            "request" => asked(entry),
            "response" => answered(entry),
            _ => Vec::new(),
        };
        entities.push(entity(id, name, &details));
    }
    entities.extend(entry.members.iter().map(|number| patient(number)));
    let service = if entry.service.is_empty() { "unknown" } else { &entry.service };
    let mut event = json!({
        "resourceType": "AuditEvent",
        "id": entry.id.to_string(),
        "contained": contained,
        "type": {"system": DCM, "code": "110112", "display": "Query"},
        "subtype": [{"system": SERVICES, "code": service}],
        "action": "E",
        "period": {"start": entry.at.to_string(), "end": ended(entry).to_string()},
        "recorded": entry.at.to_string(),
        "outcome": outcome(entry.status),
        "outcomeDesc": format!("HTTP status {}", entry.status),
        "agent": [client(entry), covenant()],
        "source": {
            "observer": {"display": "Covenant"},
            "type": [{
                "system": "http://terminology.hl7.org/CodeSystem/security-source-type",
                "code": "4",
                "display": "Application Server",
            }],
        },
        "entity": entities,
    });
    drop_empty(&mut event);
    event
}

fn drop_empty(event: &mut Value) {
    if let Some(members) = event.as_object_mut() {
        members.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
    }
}

fn ended(entry: &Entry) -> jiff::Timestamp {
    let took = SignedDuration::from_micros(i64::try_from(entry.took_micros).unwrap_or_default());
    entry.at.checked_add(took).unwrap_or(entry.at)
}

/// 0 for success, 4 where the client has to put something right, 8 where we have.
fn outcome(status: u16) -> &'static str {
    match status {
        ..400 => "0",
        400..500 => "4",
        _ => "8",
    }
}

fn client(entry: &Entry) -> Value {
    let who = if entry.client.is_empty() { "unknown" } else { &entry.client };
    json!({
        "type": {"coding": [{"system": DCM, "code": "110153", "display": "Source Role ID"}]},
        "who": {"display": who},
        "requestor": true,
    })
}

fn covenant() -> Value {
    json!({
        "type": {"coding": [{"system": DCM, "code": "110152", "display": "Destination Role ID"}]},
        "who": {"display": "Covenant"},
        "requestor": false,
    })
}

fn binary(id: &str, body: &[u8]) -> Value {
    // Of a refusal the request is its hash.
    let json = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
    let kind = if json { "application/json" } else { "text/plain" };
    json!({"resourceType": "Binary", "id": id, "contentType": kind, "data": STANDARD.encode(body)})
}

/// What a body is in the event: the request is what was asked for, all else what came of it.
fn entity(id: &str, name: &str, details: &[(&str, String)]) -> Value {
    let (role, display) = if id == "request" { ("24", "Query") } else { ("3", "Report") };
    let mut entity = Map::new();
    entity.insert("what".to_owned(), json!({"reference": format!("#{id}")}));
    entity.insert("type".to_owned(), json!({"system": ENTITY_TYPE, "code": "2", "display": "System Object"}));
    entity.insert("role".to_owned(), json!({"system": ENTITY_ROLE, "code": role, "display": display}));
    entity.insert("name".to_owned(), name.into());
    let details = details.iter().filter(|(_, value)| !value.is_empty());
    let details: Vec<Value> = details.map(|(kind, value)| json!({"type": kind, "valueString": value})).collect();
    if !details.is_empty() {
        entity.insert("detail".to_owned(), details.into());
    }
    entity.into()
}

fn patient(number: &str) -> Value {
    json!({
        "what": {"type": "Patient", "identifier": {"value": number}},
        "type": {"system": ENTITY_TYPE, "code": "1", "display": "Person"},
        "role": {"system": ENTITY_ROLE, "code": "1", "display": "Patient"},
    })
}

fn asked(entry: &Entry) -> Vec<(&'static str, String)> {
    vec![("hookInstance", entry.hook_instance.clone()), ("crdVersion", entry.crd_version.clone())]
}

fn answered(entry: &Entry) -> Vec<(&'static str, String)> {
    let mut details = vec![
        ("policySet", entry.policy_set.clone()),
        ("today", entry.today.to_string()),
        ("seed", entry.seed.to_string()),
        ("tookMicros", entry.took_micros.to_string()),
    ];
    for (kind, values) in [("policy", &entry.policies), ("assertion", &entry.assertions), ("card", &entry.cards)] {
        details.extend(values.iter().map(|value| (kind, value.clone())));
    }
    details
}
