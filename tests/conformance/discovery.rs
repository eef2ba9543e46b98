//! What is declared of each service: versions, options, prefetch.

use std::collections::{BTreeMap, BTreeSet};

use covenant::answer::Refusal;
use covenant::http::discovery;
use covenant::request::RequestError;
use serde_json::{Value, json};

use super::said::PAIRS;
use crate::laws_support::{SET, body, try_answer};
use crate::support::{TestApp, order};

/// The codes of the guide's response types.
const RESPONSE_TYPES: [&str; 15] = [
    "coverage-info",
    "unsolicited-determ",
    "claim",
    "insurance",
    "limits",
    "network",
    "appropriate-use",
    "cost",
    "therapy-alternatives-opt",
    "therapy-alternatives-req",
    "clinical-reminder",
    "duplicate-therapy",
    "contraindication",
    "guideline",
    "off-guideline",
];

/// The types of resources that the guide or US Core has a profile of, and that are of use here.
pub const PROFILED: [&str; 18] = [
    "Patient",
    "Encounter",
    "Coverage",
    "Device",
    "Medication",
    "PractitionerRole",
    "Practitioner",
    "Organization",
    "Location",
    "ServiceRequest",
    "DeviceRequest",
    "MedicationRequest",
    "NutritionOrder",
    "VisionPrescription",
    "CommunicationRequest",
    "Appointment",
    "Condition",
    "Procedure",
];

fn services() -> Vec<Value> {
    let document: Value = serde_json::from_str(&discovery::document(&SET)).unwrap();
    document["services"].as_array().unwrap().clone()
}

fn options(service: &Value) -> Vec<Value> {
    service["extension"]["davinci-crd.configuration-options"].as_array().unwrap().clone()
}

fn texts(options: &[Value], member: &str) -> Vec<String> {
    options.iter().map(|option| option[member].as_str().unwrap().to_owned()).collect()
}

fn versions(service: &Value) -> Vec<String> {
    let versions = service["extension"]["davinci-crd.version"].as_array().unwrap();
    versions.iter().map(|version| version.as_str().unwrap().to_owned()).collect()
}

#[test]
fn dev_1_every_service_declares_its_versions() {
    let services = services();
    assert_eq!(services.len(), 6);
    for service in services {
        assert!(!versions(&service).is_empty(), "{}", service["id"]);
    }
}

#[test]
fn dev_2_every_service_speaks_every_version_it_declares_and_no_other() {
    for service in services() {
        let example = PAIRS.iter().find(|pair| pair.hook() == service["hook"] && pair.version() == "2.2").unwrap();
        let declared = versions(&service);
        for version in ["1.0", "2.0", "2.1", "2.2", "2.3", "3.0"] {
            let mut request = example.request.clone();
            request["extension"]["davinci-crd.requestedVersion"] = json!(version);
            let answered = try_answer(&request.to_string(), &SET, version);
            if declared.iter().any(|it| it == version) {
                assert_eq!(answered.unwrap().version.name(), version, "{}", service["id"]);
            } else {
                assert_eq!(answered.unwrap_err(), Refusal::Request(RequestError::Version), "{version}");
            }
        }
    }
}

#[test]
fn dev_4_an_option_has_a_code_a_type_a_name_a_description_and_a_default() {
    for option in services().iter().flat_map(options) {
        for member in ["code", "name", "description"] {
            assert!(option[member].as_str().is_some_and(|text| !text.is_empty()), "{member} of {option}");
        }
        let fits = match option["type"].as_str().unwrap() {
            "boolean" => option["default"].is_boolean(),
            "integer" => option["default"].is_u64(),
            _ => false,
        };
        assert!(fits, "{option}");
        let sentences = option["description"].as_str().unwrap().matches(['.', '?', '!']).count();
        assert!((1..=2).contains(&sentences), "{option}");
    }
}

#[test]
fn dev_5_every_type_of_card_that_is_sent_can_be_switched_off() {
    let mut seen = BTreeSet::new();
    for pair in PAIRS.iter() {
        let service = services().into_iter().find(|service| service["hook"] == pair.hook()).unwrap();
        for card in pair.cards() {
            let topic = card["source"]["topic"]["code"].as_str().unwrap();
            let option = options(&service).into_iter().find(|option| option["code"] == topic);
            let option = option.unwrap_or_else(|| panic!("{}: {topic} cannot be switched off", pair.name));
            assert_eq!(option["type"], "boolean");
            seen.insert(topic.to_owned());
            let mut request = pair.request.clone();
            request["extension"]["davinci-crd.configuration"][topic] = json!(false);
            let quiet: Value = serde_json::from_str(&body(&request.to_string(), &SET, &pair.name)).unwrap();
            let left = quiet["cards"].as_array().unwrap().iter();
            assert!(left.into_iter().all(|card| card["source"]["topic"]["code"] != topic), "{}: {quiet}", pair.name);
        }
    }
    assert!(seen.len() >= 2, "only {seen:?} were sent");
}

#[test]
fn dev_7_option_codes_are_the_guides_and_can_be_property_names() {
    for code in services().iter().flat_map(|service| texts(&options(service), "code")) {
        // The guide's own examples offer the number of cards beside its list of types.
        assert!(RESPONSE_TYPES.contains(&&*code) || code == "max-cards", "{code}");
        assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{code}");
    }
}

#[test]
fn dev_8_options_of_a_service_differ_in_code_name_and_description() {
    for service in services() {
        let options = options(&service);
        for member in ["code", "name", "description"] {
            let distinct: BTreeSet<String> = texts(&options, member).into_iter().collect();
            assert_eq!(distinct.len(), options.len(), "{member} of {}", service["id"]);
        }
    }
}

#[test]
fn dev_9_an_option_is_called_the_same_at_every_hook() {
    let mut all: Vec<Value> = services().iter().flat_map(options).collect();
    all.sort_by_key(Value::to_string);
    all.dedup();
    let codes: BTreeSet<String> = texts(&all, "code").into_iter().collect();
    assert_eq!(codes.len(), all.len(), "an option is described in two ways: {all:?}");
}

#[test]
fn dev_10_every_service_offers_to_choose_among_the_types_of_its_guidance() {
    for service in services() {
        let options = options(&service);
        let choices = options.iter().filter(|option| option["type"] == "boolean").count();
        assert!(choices >= 2, "{}", service["id"]);
        assert!(texts(&options, "code").contains(&"coverage-info".to_owned()));
    }
}

#[test]
fn found_15_one_endpoint_answers_every_product_line() {
    let hooks: BTreeSet<String> = texts(&services(), "hook").into_iter().collect();
    assert_eq!(hooks.len(), services().len(), "a hook has two services");
    let app = TestApp::start();
    let plans = ["commercial-managed-care", "commercial-ppo-indemnity", "medicare-hmo-blue", "medicare-ppo-blue"];
    for plan in plans {
        let class = json!([{
            "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/coverage-class", "code": "plan"}]},
            "value": plan
        }]);
        assert_eq!(app.sign(order("47383").covered("class", class)).decided().says("covered"), ["not-covered"]);
    }
}

#[test]
fn found_24_every_service_says_what_it_wants_prefetched() {
    for service in services() {
        let prefetch = &service["prefetch"];
        assert_eq!(prefetch["patient"], "Patient/{{context.patientId}}");
        assert_eq!(prefetch["coverage"], "Coverage?patient={{context.patientId}}&status=active");
        assert_eq!(prefetch["encounter"], "Encounter/{{context.encounterId}}");
    }
}

#[test]
fn found_27_nothing_is_prefetched_but_orders_and_what_they_and_the_hook_name() {
    for service in services() {
        for (key, template) in service["prefetch"].as_object().unwrap() {
            let template = template.as_str().unwrap();
            let kind = template.split(['/', '?']).next().unwrap();
            assert!(PROFILED.contains(&kind), "{template}");
            // What only some policies look at – conditions, procedures, what was taken before – is asked for when it is.
            assert!(!["Condition", "Procedure"].contains(&kind), "{template}");
            let by_id = template.starts_with(&format!("{kind}?_id={{{{")) || template.contains("{{context.");
            assert!(by_id, "{key} of {} searches widely: {template}", service["id"]);
        }
    }
}

#[test]
fn found_29_prefetch_is_written_in_the_guides_expressions() {
    let steps = ["entry", "resource", "resolve()", "id", "value", "extension(", "ofType("];
    for service in services() {
        let mut before: Vec<&str> = Vec::new();
        for (key, template) in service["prefetch"].as_object().unwrap() {
            let template = template.as_str().unwrap();
            for token in template.split("{{").skip(1) {
                let (token, rest) = token.split_once("}}").unwrap();
                assert!(rest.is_empty() || rest.starts_with('&'), "{template}");
                for path in token.split('|') {
                    let root = path.split('.').next().unwrap();
                    let known = root == "context" || root.strip_prefix('%').is_some_and(|key| before.contains(&key));
                    assert!(known, "{key} of {}: {root} is not there yet", service["id"]);
                    let whole = path.starts_with("context.") && path.matches('.').count() == 1;
                    assert!(whole || steps.iter().any(|step| path.contains(step)), "{path}");
                    assert!(whole || path.ends_with(".id"), "{path}");
                }
            }
            before.push(key);
        }
    }
}

#[test]
fn found_29_prefetch_is_exactly_what_the_guide_has_for_the_hook() {
    let mut guide: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    let mut hook = "";
    for line in include_str!("prefetch.txt").lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix("  ") {
            Some(template) => guide.entry(hook).or_default().push(template.split_once(" = ").unwrap()),
            None => hook = line,
        }
    }
    let services = services();
    assert_eq!(guide.len(), services.len());
    for service in &services {
        let declared = service["prefetch"].as_object().unwrap().iter();
        let declared: Vec<(&str, &str)> = declared.map(|(key, it)| (key.as_str(), it.as_str().unwrap())).collect();
        assert_eq!(declared, guide[service["hook"].as_str().unwrap()], "{}", service["id"]);
    }
}

#[test]
fn hooks_discovery_2_every_service_has_what_a_service_must_have() {
    let services = services();
    for service in &services {
        for member in ["hook", "id", "title", "description"] {
            assert!(service[member].as_str().is_some_and(|text| !text.is_empty()), "{member} of {service}");
        }
        for (key, template) in service["prefetch"].as_object().unwrap() {
            assert!(!key.is_empty() && template.is_string());
        }
    }
    let ids: BTreeSet<String> = texts(&services, "id").into_iter().collect();
    assert_eq!(ids.len(), services.len());
}

#[test]
fn hooks_discovery_1_the_services_are_listed_at_their_place() {
    let app = TestApp::start();
    let head = "GET /cds-services HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let reply = app.connect().sends(head).reply();
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json; charset=utf-8")));
    assert_eq!(reply.text(), discovery::document(&SET));
    assert!(reply.json()["services"].is_array());
}

#[test]
fn hooks_discovery_3_every_service_that_is_listed_is_there() {
    let app = TestApp::start();
    for service in services() {
        let id = service["id"].as_str().unwrap();
        let head = format!("GET /cds-services/{id} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        app.connect().sends(head).reply().refused(405, "not-supported").with_header("allow", "POST");
        let example = PAIRS.iter().find(|pair| pair.hook() == service["hook"]).unwrap();
        app.invoke(example.request.to_string()).answered();
    }
}
