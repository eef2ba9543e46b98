//! `CRDMetricData` of one invocation (CRD 2.2.1).

use std::collections::BTreeSet;

use covenant::gather::learned::{Failure, Learned, Query, Reply};
use covenant::metrics::{Engagement, MetricData, TokenUse};
use covenant::record::Outcome;
use serde_json::{Value, json};

use super::entries::{data, data_with, entry, entry_of, every, json_of, payer, refused, told};
use crate::golden::examples;
use crate::laws_support::{COVERAGE_INFORMATION, SET};
use crate::policies::ask;
use crate::support::order;

const NPI: &str = "http://hl7.org/fhir/sid/us-npi";

#[test]
fn the_data_of_an_answer_is_what_the_model_has_and_reads_so() {
    let example = examples().into_iter().find(|it| it.name == "order-sign-47383").unwrap();
    let entry = entry_of(&example.name, &example.request, &SET, covenant::gather::learned::Nobody);
    let expected = json!({
        "source": "payer-src",
        "hookInstance": "facf0942-94a3-4295-8f48-14ecac708473",
        "hookType": "order-sign",
        "payerId": {"system": "urn:oid:2.16.840.1.113883.6.300", "value": "53228"},
        "requestTime": "2026-11-22T14:00:00Z",
        "responseTime": "2026-11-22T14:00:00.003Z",
        "httpResponse": 200,
        "tokenUse": "not-used",
        "resources": [
            {"type": "Coverage", "count": 1, "prefetch": true},
            {"type": "Organization", "count": 1, "prefetch": true},
            {"type": "Patient", "count": 1, "prefetch": true}
        ],
        "request": [{
            "type": "ServiceRequest",
            "orderDetail": {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "47383"}]},
            "response": [
                {
                    "type": "coverage-info", "focus": ["ServiceRequest"],
                    "coverageInfo": [{
                        "covered": "not-covered",
                        "assertionId": "6bc5dd06-1378-4f64-a833-75b021d1fdf3",
                        "businessLine": {"coding": [{
                            "system": "https://covenant.example/fhir/CodeSystem/plan", "code": "commercial-ppo-indemnity"
                        }]}
                    }]
                },
                {"type": "guideline", "focus": ["ServiceRequest"]}
            ]
        }]
    });
    let json = json_of(&entry);
    assert_eq!(json, expected, "{json:#}");
}

#[test]
fn the_data_of_every_example_counts_what_its_answer_holds() {
    let entries = every();
    assert!(entries.len() > 180, "{}", entries.len());
    for (name, entry) in entries {
        let data = data(&entry);
        let answer: Value = serde_json::from_slice(&entry.response).unwrap();
        let responses = || data.request.iter().flat_map(|order| &order.response);
        let infos: Vec<_> = responses().flat_map(|response| &response.coverage_info).collect();
        let text = answer.to_string();
        let ours = entry.assertions.iter().map(|id| text.matches(id.as_str()).count()).sum::<usize>();
        assert_eq!(infos.len(), ours, "{name}");
        assert!(infos.is_empty() || text.contains(COVERAGE_INFORMATION));
        // Every part of an answer is in the data as it stands there, in either version's shape.
        let codes = |url: &str| {
            let parts = answer["systemActions"].as_array().into_iter().flatten();
            let extensions = parts.flat_map(|action| action["resource"]["extension"].as_array().unwrap());
            let ours = extensions.filter(|it| {
                it["url"] == COVERAGE_INFORMATION && entry.assertions.iter().any(|id| it.to_string().contains(id))
            });
            let parts = ours.flat_map(|it| it["extension"].as_array().unwrap()).filter(|part| part["url"] == url);
            let values = parts.map(|part| part.as_object().unwrap().iter().find(|(name, _)| *name != "url").unwrap().1);
            values.map(|value| value.as_str().unwrap().to_owned()).collect::<Vec<String>>()
        };
        let covered: Vec<String> = infos.iter().filter_map(|info| info.covered.clone()).collect();
        let pa: Vec<String> = infos.iter().filter_map(|info| info.pa_needed.clone()).collect();
        let needed: Vec<String> = infos.iter().flat_map(|info| info.info_needed.clone()).collect();
        let forms: Vec<String> =
            infos.iter().flat_map(|info| &info.questionnaire).map(|form| form.reference.clone()).collect();
        let satisfied: Vec<String> = infos.iter().filter_map(|info| info.satisfied_id.clone()).collect();
        assert_eq!(covered, codes("covered"), "{name}");
        assert_eq!(pa, codes("pa-needed"), "{name}");
        assert_eq!(needed, codes("info-needed"), "{name}");
        assert_eq!(forms, codes("questionnaire"), "{name}");
        assert_eq!(satisfied, codes("satisfied-pa-id"), "{name}");
        // Cards: each is said of the orders that it is about, with its type.
        let cards = answer["cards"].as_array().unwrap();
        let typed = responses().filter(|response| response.kind != Some("coverage-info")).count();
        assert!(typed >= cards.len() && responses().all(|response| response.kind.is_some()), "{name}");
        assert!(data.request.iter().all(|order| !order.policies.is_empty()), "{name}");
        assert_eq!((data.http_response, data.source), (200, "payer-src"), "{name}");
        assert_eq!(format!("{}-crd", data.hook_type), entry.service, "{name}");
    }
}

#[test]
fn every_kind_of_order_has_its_codes_in_the_data() {
    let mut with_codes = BTreeSet::new();
    for (name, entry) in every() {
        for order in data(&entry).request {
            match order.order_detail {
                Some(_) => _ = with_codes.insert(order.kind),
                None => assert!(name.contains("free-text") || name.contains("no-billing-code"), "{name}: no codes"),
            }
        }
    }
    let kinds: Vec<&str> = with_codes.iter().map(String::as_str).collect();
    assert_eq!(
        kinds,
        [
            "Appointment",
            "CommunicationRequest",
            "DeviceRequest",
            "Encounter",
            "MedicationRequest",
            "NutritionOrder",
            "ServiceRequest",
            "VisionPrescription"
        ]
    );
}

#[test]
fn a_refusal_has_its_issue_and_nothing_of_the_request() {
    let json = json_of(&refused(422, "not-supported", "This version of CRD is not served."));
    let expected = json!({
        "source": "payer-src",
        "hookType": "order-sign",
        "payerId": payer(),
        "requestTime": "2026-11-22T14:00:00Z",
        "httpResponse": 422,
        "issue": [{"code": "not-supported", "details": {"text": "This version of CRD is not served."}}]
    });
    assert_eq!(json, expected);
}

#[test]
fn an_entry_that_cannot_be_read_is_named_and_not_passed_over() {
    let whole = entry(&order("47383").text());
    let broken = |change: &dyn Fn(&mut covenant::record::Entry)| {
        let mut entry = whole.clone();
        change(&mut entry);
        MetricData::of(&entry, &[], &payer()).unwrap_err().to_string()
    };
    for (said, part) in [
        (broken(&|entry| entry.response = "canary".into()), "the response"),
        (broken(&|entry| entry.request = "canary".into()), "the request"),
        (broken(&|entry| entry.learned = "canary".into()), "what was learnt"),
        (broken(&|entry| entry.determinations = "canary".into()), "the determinations"),
    ] {
        assert_eq!(said, format!("{part} of the entry {} cannot be read", whole.id));
    }
}

fn with_learned(asked: Vec<(Query, Reply)>) -> covenant::record::Entry {
    let learned = Learned { could_ask: true, asked, ..Learned::default() };
    let mut entry = entry(&order("47383").text());
    entry.learned = serde_json::to_string(&learned).unwrap();
    entry
}

#[test]
fn a_token_was_used_where_something_was_asked_with_it_and_rejected_where_the_ehr_refused_it() {
    let asked = |failures: &[Reply]| {
        let asked = failures.iter().map(|reply| (Query::read("Location", "1"), reply.clone()));
        data(&with_learned(asked.collect())).token_use.unwrap()
    };
    assert_eq!(asked(&[]), TokenUse::NotUsed);
    for never in [Failure::NotRegistered, Failure::Expired, Failure::Open] {
        assert_eq!(asked(&[Reply::Failed(never)]), TokenUse::NotUsed, "{never:?}");
    }
    for used in [Reply::Nothing, Reply::Failed(Failure::Late), Reply::Failed(Failure::Unreachable)] {
        assert_eq!(asked(std::slice::from_ref(&used)), TokenUse::Used, "{used:?}");
    }
    assert_eq!(asked(&[Reply::Nothing, Reply::Failed(Failure::Refused)]), TokenUse::Rejected);
    let written = [TokenUse::Used, TokenUse::NotUsed, TokenUse::Rejected].map(|it| serde_json::to_value(it).unwrap());
    assert_eq!(written, ["used", "not-used", "rejected"]);
}

#[test]
fn resources_are_told_apart_by_prefetch_and_query_and_counted_once() {
    let found = json!({"resourceType": "Bundle", "entry": [
        {"resource": {"resourceType": "Condition", "id": "1"}},
        {"resource": {"resourceType": "Condition", "id": "2"}},
        {"resource": {"resourceType": "OperationOutcome", "issue": []}},
        {"resource": {"resourceType": "ServiceRequest", "id": "canary-order"}}
    ]});
    let query = Query::search("Condition", &[("patient", "canary")]);
    let mut entry = with_learned(vec![
        (query.clone(), Reply::Found(vec![found.to_string()])),
        (query, Reply::Found(vec![json!({"resourceType": "Condition", "id": "2"}).to_string()])),
    ]);
    let condition = json!({"resourceType": "Condition", "id": "2"});
    let request = order("47383")
        .with("/prefetch/conditions", condition.clone())
        .with("/prefetch/again", condition)
        .with("/prefetch/odd", json!({"resourceType": "canary of 1957"}))
        .with("/prefetch/none", Value::Null);
    entry.request = request.text().into_bytes().into();
    let expected = json!([
        {"type": "Condition", "count": 1, "prefetch": true},
        {"type": "Coverage", "count": 1, "prefetch": true},
        {"type": "Organization", "count": 1, "prefetch": true},
        {"type": "Patient", "count": 1, "prefetch": true},
        {"type": "Condition", "count": 2, "prefetch": false}
    ]);
    assert_eq!(json_of(&entry)["resources"], expected);
}

#[test]
fn the_npi_of_the_user_and_her_organisation_is_told_where_it_is_known() {
    let practitioner = |value: &str| {
        json!({"resourceType": "Practitioner", "id": "canary-practitioner", "identifier": [
            {"system": "https://ehr.example.org/staff", "value": "canary"}, {"system": NPI, "value": value}
        ]})
    };
    let request = order("47383").with("/prefetch/practitioners", practitioner("1234567893"));
    let json = json_of(&entry(&request.text()));
    assert_eq!((&json["providerId"], json.get("groupId")), (&json!({"system": NPI, "value": "1234567893"}), None));
    let organization = json!({
        "resourceType": "Organization", "id": "clinic", "identifier": [{"system": NPI, "value": "1999999992"}]
    });
    let role = json!({
        "resourceType": "PractitionerRole", "id": "role",
        "practitioner": {"reference": "Practitioner/canary-practitioner"},
        "organization": {"reference": "Organization/clinic"}
    });
    let request = request
        .with("/prefetch/roles", role)
        .with("/prefetch/organizations", organization)
        .with("/context/userId", "PractitionerRole/role");
    let json = json_of(&entry(&request.text()));
    assert_eq!(json["providerId"]["value"], "1234567893");
    assert_eq!(json["groupId"], json!({"system": NPI, "value": "1999999992"}));
    // What is no NPI, or is nobody's who works there, is not told.
    let request = order("47383").with("/prefetch/practitioners", practitioner("canary"));
    assert_eq!(json_of(&entry(&request.text())).get("providerId"), None);
    let request = order("47383").with("/context/userId", "Patient/canary-patient");
    assert_eq!(json_of(&entry(&request.text())).get("providerId"), None);
}

#[test]
fn feedback_tells_what_became_of_a_card_and_silence_nothing() {
    let entry = entry(&order("47383").text());
    let told = |outcomes: &[Outcome]| {
        let feedback: Vec<_> = outcomes.iter().map(|outcome| told(&entry, *outcome)).collect();
        let data = data_with(&entry, &feedback);
        let card = data.request[0].response.iter().find(|response| response.kind == Some("guideline")).unwrap();
        card.engagement
    };
    assert_eq!(told(&[]), None);
    assert_eq!(told(&[Outcome::Overridden]), Some(Engagement::Override));
    assert_eq!(told(&[Outcome::Accepted, Outcome::Overridden]), Some(Engagement::Accept));
    assert_eq!(serde_json::to_value(Engagement::Accept).unwrap(), "accept");
    assert_eq!(serde_json::to_value(Engagement::Override).unwrap(), "override");
}

#[test]
fn what_another_payer_said_on_an_order_is_not_ours() {
    let foreign = json!({"url": COVERAGE_INFORMATION, "extension": [
        {"url": "coverage", "valueReference": {"reference": "Coverage/other"}},
        {"url": "covered", "valueCode": "covered"},
        {"url": "coverage-assertion-id", "valueString": "canary"}
    ]});
    let json = json_of(&entry(&order("47383").ordering("extension", json!([foreign])).text()));
    let infos = json["request"][0]["response"][0]["coverageInfo"].as_array().unwrap();
    assert_eq!(infos.len(), 1, "{json:#}");
    assert_eq!(infos[0]["covered"], "not-covered");
}

#[test]
fn documentation_of_several_kinds_is_one_code_as_in_crd_2_0() {
    let mut codes = BTreeSet::new();
    for it in crate::policies::examples::examples() {
        let entry = entry_of(&it.name, &it.request, &ask::SET, it.says);
        let infos = data(&entry).request.into_iter().flat_map(|order| order.response);
        codes.extend(infos.flat_map(|response| response.coverage_info).filter_map(|info| info.doc_needed));
    }
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    assert_eq!(codes, ["admin", "both", "clinical"]);
}

#[test]
fn without_a_product_line_that_was_looked_at_the_type_of_the_coverage_is_the_business_line() {
    let line = |code: &str| {
        let json = json_of(&entry(&order(code).text()));
        json["request"][0]["response"][0]["coverageInfo"][0]["businessLine"]["coding"][0]["code"].clone()
    };
    assert_eq!(line("47383"), "commercial-ppo-indemnity");
    // No policy speaks of it, so nobody asked for the product line.
    assert_eq!(line("99213"), "PPO");
}
