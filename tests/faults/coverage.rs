//! The Coverage and its payer (FAULTS C01–C10), and resources that break FHIR.

use covenant::config::PayerCheck;
use serde_json::{Value, json};

use crate::support::{CANARY, ORDER, Request, TestApp, order};

fn bundle(entries: Value) -> Value {
    json!({"resourceType": "Bundle", "type": "searchset", "entry": entries})
}

fn strict() -> TestApp {
    TestApp::with_settings(|settings| settings.payer_check = PayerCheck::Strict)
}

#[test]
fn c01_a_coverage_that_was_looked_for_and_not_found_is_refused() {
    let app = TestApp::start();
    let outcome = json!({"resource": {"resourceType": "OperationOutcome", "issue": []}});
    let empty = json!({"resourceType": "Bundle", "type": "searchset", "total": 0});
    for nothing in [Value::Null, empty, bundle(json!([])), bundle(json!([outcome]))] {
        let request = order("47383").with("/prefetch/coverage", nothing);
        app.sign(request).refused(400, "not-found").at("prefetch");
    }
}

#[test]
fn c02_two_coverages_are_refused_wherever_they_are() {
    let app = TestApp::start();
    let mut other = order("47383").at("/prefetch/coverage/entry/0").clone();
    other["resource"]["id"] = json!("canary-other-coverage");
    let together = order("47383").with("/prefetch/coverage/entry/-", other.clone());
    app.sign(together).refused(400, "multiple-matches").at("prefetch");
    let apart = order("47383").with("/prefetch/canary", other["resource"].clone());
    app.sign(apart).refused(400, "multiple-matches").at("prefetch");
    // The same one twice is one.
    let same = order("47383").at("/prefetch/coverage").clone();
    app.sign(order("47383").with("/prefetch/canary", same)).decided();
}

#[test]
fn c03_a_payer_that_says_it_is_another_is_refused_in_both_modes() {
    let number = |request: Request, value: &str| request.with("/prefetch/payer/identifier/0/value", value);
    for app in [TestApp::start(), strict()] {
        app.sign(number(order("47383"), "canary-53229")).refused(400, "not-supported").at("Coverage.payor");
        let ours = order("47383").at("/prefetch/payer/identifier/0/system").clone();
        let inline = json!([{"identifier": {"system": ours, "value": CANARY}}]);
        app.sign(order("47383").covered("payor", inline)).refused(400, "not-supported").at("Coverage.payor");
        app.sign(number(order("47383"), "53228")).decided();
    }
}

#[test]
fn c03_a_number_of_a_system_that_we_have_none_in_does_not_say_who_the_payer_is() {
    let other_system = order("47383").with("/prefetch/payer/identifier/0/system", "urn:oid:1.2.3");
    let inline = json!([{"identifier": {"system": "https://canary.org", "value": CANARY}}]);
    for request in [other_system, order("47383").covered("payor", inline)] {
        TestApp::start().sign(request.clone()).decided();
        strict().sign(request).refused(400, "value").at("Coverage.payor");
    }
}

#[test]
fn c03_a_payer_that_does_not_say_who_it_is_is_answered_only_when_the_check_is_not_strict() {
    let nowhere = json!([{"reference": "Organization/canary-nowhere"}]);
    let silent = [
        order("47383").without("/prefetch/payer"),
        order("47383").without("/prefetch/payer/identifier"),
        order("47383").covered("payor", nowhere),
        order("47383").covered("payor", json!([{"display": "Blue Cross Blue Shield of Massachusetts"}])),
    ];
    let (app, strict) = (TestApp::start(), strict());
    for request in silent {
        app.sign(&request).decided();
        strict.sign(&request).refused(400, "value").at("Coverage.payor");
    }
    // Inline, contained and prefetched identifiers all say it.
    let ours = json!({"system": "urn:oid:2.16.840.1.113883.6.300", "value": "53228"});
    let inline = json!([{"identifier": ours}]);
    strict.sign(order("47383").without("/prefetch/payer").covered("payor", inline)).decided();
    let contained = order("47383")
        .without("/prefetch/payer")
        .covered("contained", json!([{"resourceType": "Organization", "id": "us", "identifier": [ours]}]))
        .covered("payor", json!([{"reference": "#us"}]));
    strict.sign(contained).decided();
}

#[test]
fn c05_a_coverage_that_was_not_sent_and_cannot_be_asked_for_is_a_failed_precondition() {
    let app = TestApp::start();
    app.sign(order("47383").without("/prefetch/coverage")).refused(412, "incomplete").at("prefetch");
    app.sign(order("47383").without("/prefetch")).refused(412, "incomplete").at("prefetch");
    app.sign(order("47383").with("/prefetch", json!({}))).refused(412, "incomplete").at("prefetch");
}

#[test]
fn c07_a_coverage_that_could_not_be_had_is_a_failed_precondition() {
    let app = TestApp::start();
    let failed = json!({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]});
    app.sign(order("47383").with("/prefetch/coverage", failed)).refused(412, "incomplete").at("prefetch");
}

#[test]
fn c08_a_coverage_for_another_person_is_refused() {
    let app = TestApp::start();
    for other in [json!({"reference": "Patient/canary-other"}), json!({"display": CANARY})] {
        app.sign(order("47383").covered("beneficiary", other)).refused(422, "invariant").at("Coverage.beneficiary");
    }
}

#[test]
fn c10_a_coverage_that_is_not_in_force_is_answered_with_that_reason() {
    let app = TestApp::start();
    let ended = order("47383").covered("period", json!({"start": "2020-01-01", "end": "2024-12-31"}));
    for request in [ended, order("47383").covered("status", "cancelled")] {
        let answered = app.sign(&request).decided();
        assert_eq!(answered.says("covered"), ["not-covered"]);
        let first = &answered.coverage_information()[0];
        assert!(first.to_string().contains("no-active-coverage"), "{first}");
        assert!(answered.says("pa-needed").is_empty());
        assert_eq!(app.sign(request.in_version("2.0")).decided().says("covered"), ["not-covered"]);
    }
}

#[test]
fn a_resource_that_breaks_fhir_is_422_to_crd_2_0_and_400_to_later_versions() {
    let app = TestApp::start();
    let entry = "context.draftOrders.entry[0].resource";
    let broken = [
        (order("47383").ordering("status", CANARY), "value", format!("{entry}.status")),
        (order("47383").not_ordering("intent"), "required", format!("{entry}.intent")),
        (order("47383").ordering("code", "47383"), "structure", format!("{entry}.code")),
        (order("47383").without(&format!("{ORDER}/resourceType")), "required", format!("{entry}.resourceType")),
        (order("47383").covered("status", CANARY), "value", "Coverage.status".to_owned()),
        (order("47383").with("/prefetch/patient/birthDate", "canary"), "value", "Patient.birthDate".to_owned()),
    ];
    for (request, issue, place) in broken {
        app.sign(request.clone().in_version("2.0")).refused(422, issue).at(&place);
        app.sign(request.clone().without("/extension")).refused(422, issue).at(&place);
        app.sign(request.clone().in_version("2.1")).refused(400, issue).at(&place);
        app.sign(request.in_version("2.2")).refused(400, issue).at(&place);
    }
}
