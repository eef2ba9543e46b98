//! What is read of a request, and what its lack never does.

use serde_json::{Value, json};

use super::said::{PAIRS, name};
use crate::support::{ORDER, Request, TestApp, order};

const CPT: &str = "http://www.ama-assn.org/go/cpt";
const BILLING_OPTIONS: &str = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-billing-options";
const INPATIENT: &str = "21";

fn option(code: &str) -> Value {
    json!({"url": BILLING_OPTIONS, "valueCodeableConcept": {"coding": [{"system": CPT, "code": code}]}})
}

/// A clinical code, which says less than a billing code.
fn clinical(options: &[&str]) -> Value {
    let options: Vec<Value> = options.iter().map(|code| option(code)).collect();
    let coding = json!([{"system": "http://snomed.info/sct", "code": "449404007"}]);
    if options.is_empty() { json!({ "coding": coding }) } else { json!({"extension": options, "coding": coding}) }
}

fn place_of_service(code: &str) -> Value {
    let system = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set";
    json!([{"coding": [{"system": system, "code": code}]}])
}

/// An order and a Coverage with what must be there and nothing more, and nothing beside them.
fn least() -> Request {
    let (patient, order_id) = ("canary-patient", "canary-order");
    let sent = json!({
        "resourceType": "ServiceRequest", "id": order_id, "status": "draft", "intent": "order",
        "code": {"coding": [{"system": CPT, "code": "47383"}]},
        "subject": {"reference": format!("Patient/{patient}")}
    });
    let coverage = json!({
        "resourceType": "Coverage", "id": "canary-coverage", "status": "active",
        "beneficiary": {"reference": format!("Patient/{patient}")}, "payor": [{"reference": "Organization/canary-payer"}]
    });
    let bundle = json!({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": coverage}]});
    order("47383").with(ORDER, sent).with("/prefetch", json!({ "coverage": bundle }))
}

#[test]
fn billopt_2_an_order_without_billing_options_is_answered() {
    let app = TestApp::start();
    for request in [order("47383"), order("47383").ordering("code", clinical(&[]))] {
        assert!(!request.text().contains(BILLING_OPTIONS));
        app.sign(request).decided();
    }
}

#[test]
fn billopt_3_every_billing_option_is_considered() {
    let app = TestApp::start();
    let answered = app.sign(order("47383").ordering("code", clinical(&["47371", "70551"]))).decided();
    assert_eq!(answered.says("billingCode"), ["47371", "70551"]);
    assert_eq!(answered.says("covered"), ["not-covered", "conditional"]);
    let alone = app.sign(order("47383").ordering("code", clinical(&[]))).decided();
    assert_eq!(alone.says("covered"), ["conditional"], "the clinical code alone does not tell");
}

/// The usual request in the shape that a version of US Core gives to what is around the order.
fn in_us_core(version: &str) -> Request {
    let profile =
        |name: &str| json!({"profile": [format!("http://hl7.org/fhir/us/core/StructureDefinition/{name}|{version}")]});
    let first = version == "3.1.1";
    let condition = if first { "us-core-condition" } else { "us-core-condition-encounter-diagnosis" };
    let mut request = order("47383")
        .not_ordering("reasonCode")
        .not_ordering("locationCode")
        .ordering("reasonReference", json!([{"reference": "Condition/canary-condition"}]))
        .with("/context/encounterId", "canary-encounter")
        .with("/prefetch/patient/meta", profile("us-core-patient"))
        .with(
            "/prefetch/condition",
            json!({
                "resourceType": "Condition", "id": "canary-condition", "meta": profile(condition),
                "category": [{"coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": "encounter-diagnosis"
                }]}],
                "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "C22.0"}]},
                "subject": {"reference": "Patient/canary-patient"}
            }),
        )
        .with(
            "/prefetch/encounter",
            json!({
                "resourceType": "Encounter", "id": "canary-encounter", "meta": profile("us-core-encounter"),
                "status": "in-progress", "subject": {"reference": "Patient/canary-patient"},
                "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
                "type": [{"text": "Admission"}]
            }),
        );
    if !first {
        // From 5.0 on there is a profile of Coverage, with the member's number as an identifier.
        let member = json!([{
            "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MB"}]},
            "value": "CANARY-MEMBER-0001"
        }]);
        request = request.covered("meta", profile("us-core-coverage")).covered("identifier", member);
        request = request.ordering("meta", profile("us-core-servicerequest"));
    }
    if version == "7.0.0" {
        let interpreter = json!([{
            "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-interpreter-needed",
            "valueCoding": {"system": "http://snomed.info/sct", "code": "373067005"}
        }]);
        request = request.with("/prefetch/encounter/extension", interpreter);
    }
    request.in_version("2.0")
}

#[test]
fn conf_2_the_same_is_said_in_all_three_versions_of_us_core() {
    let app = TestApp::start();
    let said = ["3.1.1", "6.1.0", "7.0.0"].map(|version| {
        let answered = app.sign(in_us_core(version)).decided();
        (answered.says("covered"), answered.says("pa-needed"), answered.says("reason"), answered.card_texts())
    });
    assert_eq!(said[0].1, ["auth-needed"], "the inpatient encounter is looked at");
    assert!(said[0].3.iter().any(|text| text.contains("hepatocellular carcinoma")), "the condition is looked at");
    assert!(said.iter().all(|it| *it == said[0]), "{said:?}");
}

#[test]
fn conf_4_what_an_order_says_of_where_why_and_when_is_used() {
    let app = TestApp::start();
    let pa = |request: Request| app.sign(request.in_version("2.0")).decided().says("pa-needed");
    assert_eq!(pa(order("47383")), ["no-auth"]);
    assert_eq!(pa(order("47383").ordering("locationCode", place_of_service(INPATIENT))), ["auth-needed"]);
    assert_eq!(pa(order("47383").not_ordering("locationCode")), ["conditional"]);
    let why = |request: Request| app.sign(request).decided().card_texts().concat();
    let secondary = json!([{"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "C22.0"}]}]);
    assert!(why(order("47383").ordering("reasonCode", secondary)).contains("hepatocellular carcinoma.**"));
    assert!(!why(order("47383").not_ordering("reasonCode")).contains("hepatocellular carcinoma.**"));
    let early = app.sign(order("47383").ordering("occurrenceDateTime", "1999-01-01")).decided();
    assert_ne!(early.says("reason"), app.sign(order("47383")).decided().says("reason"));
    let ended = app.sign(order("47383").covered("status", "cancelled")).decided();
    assert!(ended.coverage_information()[0].to_string().contains("no-active-coverage"));
}

#[test]
fn conf_8_an_order_and_a_coverage_with_what_is_mandatory_are_enough() {
    let app = TestApp::start();
    let answered = app.sign(least()).decided();
    assert_eq!(answered.says("covered"), ["not-covered"]);
    assert!(!answered.summaries().is_empty(), "cards rest on no more than that (conf-9)");
    answered.returns(&least().order_text());
}

#[test]
fn conf_12_nothing_that_may_be_left_out_is_missed() {
    let app = TestApp::start();
    for member in ["authoredOn", "requester", "locationCode", "reasonCode", "code/text"] {
        let answered = app.sign(order("47383").not_ordering(member)).decided();
        assert_eq!(answered.says("covered"), ["not-covered"], "without {member}");
    }
    for member in ["type", "subscriberId", "relationship", "period", "class"] {
        let request = order("47383").without(&format!("/prefetch/coverage/entry/0/resource/{member}"));
        assert_eq!(app.sign(request).decided().says("covered"), ["not-covered"], "without Coverage.{member}");
    }
    for member in ["identifier", "name", "gender", "birthDate"] {
        app.sign(order("47383").without(&format!("/prefetch/patient/{member}"))).decided();
    }
    for key in ["patient", "payer"] {
        app.sign(order("47383").without(&format!("/prefetch/{key}"))).decided();
    }
    app.sign(order("47383").without("/fhirServer")).decided();
}

#[test]
fn dev_6_options_that_contradict_each_other_are_no_reason_to_fail() {
    let app = TestApp::start();
    let no_action = order("47383").configured("coverage-info", false).configured("unsolicited-determ", true);
    assert_eq!(app.sign(no_action).answered().json()["systemActions"], json!([]));
    let no_card = order("47383").configured("guideline", true).configured("max-cards", 0);
    assert_eq!(app.sign(no_card).decided().summaries(), [""; 0]);
    let many = order("47383").configured("max-cards", u64::MAX).configured("guideline", false);
    app.sign(many).decided();
}

#[test]
fn dev_15_a_call_without_configuration_is_answered() {
    let app = TestApp::start();
    assert_eq!(order("47383").at("/extension").get("davinci-crd.configuration"), None);
    let expected = app.sign(order("47383").in_version("2.0")).decided();
    let bare = app.sign(order("47383").without("/extension")).decided();
    assert_eq!((bare.says("covered"), bare.card_texts()), (expected.says("covered"), expected.card_texts()));
    app.sign(order("47383").with("/extension", json!({}))).decided();
    app.sign(order("47383").with("/extension/davinci-crd.configuration", json!({}))).decided();
}

#[test]
fn found_10_a_code_may_be_written_in_several_ways_and_be_billed_in_others() {
    let app = TestApp::start();
    let coded = |system: &str, code: &str| {
        app.sign(order("47383").ordering("code", json!({"coding": [{"system": system, "code": code}]}))).decided()
    };
    for system in [CPT, "urn:oid:2.16.840.1.113883.6.12"] {
        assert_eq!(coded(system, "47383").says("covered"), ["not-covered"], "{system}");
    }
    for (system, code) in [("http://snomed.info/sct", "449404007"), (CPT, "47399")] {
        let wider = coded(system, code);
        assert_eq!(wider.says("covered"), ["conditional"], "{code} may be billed as a code of the policy");
        assert_eq!(wider.says("info-needed"), ["detail-code"]);
        assert!(wider.says("reason").iter().any(|reason| reason.starts_with("If billed as ")));
    }
}

#[test]
fn found_13_nobody_is_told_what_does_not_concern_the_order() {
    let app = TestApp::start();
    let other = app.sign(order("70551")).decided();
    assert_eq!(other.summaries(), [""; 0], "no policy speaks of it, so there is nothing to read");
    let texts = app.sign(order("47383")).decided().card_texts().concat();
    assert!(texts.contains("hepatocellular"));
    assert!(!texts.contains("Cochrane") && !texts.contains("colorectal"), "evidence on another disease: {texts}");
}

#[test]
fn found_32_no_precondition_fails_where_only_data_is_lacking() {
    let app = TestApp::start();
    let lacking = [
        least(),
        order("47383").not_ordering("code"),
        order("47383").ordering("code", json!({"text": "Cryoablation"})),
        order("47383").not_ordering("locationCode").with("/prefetch/encounter", Value::Null),
        order("47383").covered("class", json!([{"type": {"text": "group"}, "value": "canary"}])),
        order("47383").without("/prefetch/patient"),
        order("47383").ordering("reasonReference", json!([{"reference": "Condition/canary-nowhere"}])),
    ];
    for request in lacking {
        app.sign(request).decided();
    }
    app.sign(order("47383").with("/prefetch/coverage", Value::Null)).refused(400, "not-found");
}

#[test]
fn found_34_what_can_be_said_is_said() {
    let app = TestApp::start();
    let two = order("47383").times(2).with("/context/draftOrders/entry/1/resource/code", json!({"text": "Something"}));
    let answered = app.sign(two).decided();
    assert_eq!(answered.says("covered"), ["not-covered", "conditional"], "one order does not wait for another");
    let unplaced = app.sign(order("47371").not_ordering("locationCode").in_version("2.0")).decided();
    assert_eq!(unplaced.says("covered"), ["not-covered"], "it is so wherever it is done");
    assert_eq!(unplaced.says("info-needed"), ["location"]);
}

#[test]
fn hook_23_context_that_is_not_known_is_ignored_at_every_hook() {
    let app = TestApp::start();
    for hook in HOOKS {
        let pair = PAIRS.iter().find(|pair| pair.hook() == hook).unwrap();
        let mut request = pair.request.clone();
        let expected = app.invoke(request.to_string()).decided();
        request["context"]["org.canary.unknown"] = json!([{"deep": {"null": null}}]);
        let answered = app.invoke(request.to_string()).decided();
        assert_eq!(answered.says("covered"), expected.says("covered"), "{hook}");
        assert_eq!(answered.card_texts(), expected.card_texts(), "{hook}");
    }
}

pub const HOOKS: [&str; 6] =
    ["order-sign", "order-select", "order-dispatch", "appointment-book", "encounter-start", "encounter-discharge"];

#[test]
fn hook_30_only_what_is_dispatched_is_answered() {
    let pair = PAIRS.iter().find(|pair| pair.name == "order-dispatch-two-orders").unwrap();
    let mut request = pair.request.clone();
    request["context"]["dispatchedOrders"] = json!([pair.in_scope()[0]]);
    let app = TestApp::start();
    let orders = app.invoke(request.to_string()).decided().orders();
    let orders: Vec<String> = orders.iter().map(|order| name(&serde_json::from_str(order).unwrap())).collect();
    assert_eq!(orders, [pair.in_scope()[0].as_str()], "the other one is in the prefetch and not dispatched");
}
