//! Requests that break the CDS Hooks specification, and options of a call (FAULTS H01–H05, H10, H11, H14–H16).

use std::thread;

use serde_json::{Value, json};

use crate::support::{CANARY, Refusal, TestApp, TestLedger, order};

#[test]
fn h01_a_hook_that_is_missing_or_another_service_s_is_refused() {
    let app = TestApp::start();
    app.sign(order("47383").without("/hook")).refused(400, "required").at("hook");
    for other in ["order-select", "order-dispatch", "Order-Sign", CANARY, ""] {
        app.sign(order("47383").with("/hook", other)).refused(400, "value").at("hook");
    }
    app.sign(order("47383").with("/hook", 1)).refused(400, "value").at("hook");
}

#[test]
fn h02_a_hook_instance_that_is_missing_or_no_uuid_is_refused() {
    let app = TestApp::start();
    app.sign(order("47383").without("/hookInstance")).refused(400, "required").at("hookInstance");
    for wrong in [
        json!(""),
        json!(CANARY),
        json!("facf0942-94a3-4295-8f48-14ecac70847"),
        json!("facf0942-94a3-4295-8f48-14ecac7084733"),
        json!("facf0942-94a3-4295-8f48-14ecac70847g"),
        json!("{facf0942-94a3-4295-8f48-14ecac708473}"),
        json!("facf0942-94a3-4295-8f48-14ecac708473\n"),
        json!(7),
    ] {
        app.sign(order("47383").with("/hookInstance", wrong)).refused(400, "value").at("hookInstance");
    }
    app.sign(order("47383").with("/hookInstance", "FACF0942-94A3-4295-8F48-14ECAC708473")).decided();
}

#[test]
fn a_refusal_says_what_is_missing_and_what_must_be_otherwise() {
    let app = TestApp::start();
    let text = |refusal: Refusal| refusal.words()["issue"][0]["details"]["text"].as_str().unwrap().to_owned();
    let missing = "The request breaks the CDS Hooks specification: a required element is missing.";
    let value = "The request breaks the CDS Hooks specification: the element must be a value that is allowed there.";
    assert_eq!(text(app.sign(order("47383").without("/hookInstance")).refused(400, "required")), missing);
    assert_eq!(text(app.sign(order("47383").with("/hookInstance", CANARY)).refused(400, "value")), value);
    for (version, status) in [("2.0", 422), ("2.2", 400)] {
        let of_coverage = |status: Option<&str>| match status {
            Some(status) => order("47383").in_version(version).covered("status", status),
            None => order("47383").in_version(version).without("/prefetch/coverage/entry/0/resource/status"),
        };
        let said = text(app.sign(of_coverage(None)).refused(status, "required").at("Coverage.status"));
        assert_eq!(said, "A resource breaks FHIR R4: a required element is missing.");
        let said = text(app.sign(of_coverage(Some("canary"))).refused(status, "value").at("Coverage.status"));
        assert_eq!(said, "A resource breaks FHIR R4: the element must be a value that is allowed there.");
    }
    let other = order("47383").covered("beneficiary/reference", "Patient/canary-other");
    let said = text(app.sign(other).refused(422, "invariant").at("Coverage.beneficiary"));
    assert_eq!(said, "The coverage's beneficiary must be the patient of the request.");
    let said = text(app.sign(order("47383").without("/prefetch/coverage")).refused(412, "incomplete").at("prefetch"));
    assert_eq!(said, "The Coverage was not sent, and the EHR's FHIR server cannot be asked for it.");
    let head = "GET /cds-services/order-sign-crd HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let said = text(app.connect().sends(head).reply().refused(405, "not-supported").with_header("allow", "POST"));
    assert_eq!(said, "Method not allowed: use POST.");
}

#[test]
fn h03_a_token_without_a_server_to_use_it_at_is_refused() {
    let app = TestApp::start();
    app.sign(order("47383").authorized()).decided();
    app.sign(order("47383").authorized().without("/fhirServer")).refused(400, "invariant");
    app.sign(order("47383").without("/fhirServer")).decided();
}

#[test]
fn h04_a_token_of_another_type_or_that_never_lasts_is_refused() {
    let app = TestApp::start();
    let authorized = |member: &str, value: Value| {
        app.sign(order("47383").authorized().with(&format!("/fhirAuthorization/{member}"), value))
    };
    for other in ["bearer", "Basic", "DPoP", "", "Bearer "] {
        authorized("token_type", json!(other)).refused(400, "value").at("fhirAuthorization.token_type");
    }
    for never in [json!(0), json!(-1), json!("300"), json!(1.5), json!(true), json!([300])] {
        authorized("expires_in", never).refused(400, "value").at("fhirAuthorization.expires_in");
    }
    authorized("access_token", json!(7)).refused(400, "value").at("fhirAuthorization.access_token");
    for member in ["access_token", "token_type", "expires_in", "scope", "subject"] {
        let request = order("47383").authorized().without(&format!("/fhirAuthorization/{member}"));
        app.sign(request).refused(400, "required").at(&format!("fhirAuthorization.{member}"));
    }
}

#[test]
fn h04_a_token_that_is_empty_opens_nothing_and_is_no_fault() {
    let app = TestApp::start();
    let request = order("47383").authorized().with("/fhirAuthorization/access_token", "");
    assert_eq!(app.sign(&request).decided().says("covered"), ["not-covered"]);
    app.sign(request.without("/prefetch/coverage")).refused(412, "incomplete").at("prefetch");
}

#[test]
fn h05_a_context_without_what_its_hook_requires_is_refused() {
    let app = TestApp::start();
    for member in ["userId", "patientId", "draftOrders"] {
        let request = order("47383").without(&format!("/context/{member}"));
        app.sign(request).refused(400, "required").at(&format!("context.{member}"));
    }
    app.sign(order("47383").without("/context")).refused(400, "required").at("context");
    for wrong in [json!(""), json!("canary/../other"), json!("canary patient"), json!("c".repeat(256)), json!(7)] {
        app.sign(order("47383").with("/context/patientId", wrong)).refused(400, "value").at("context.patientId");
    }
}

#[test]
fn h10_a_prefetched_patient_who_is_another_is_refused() {
    let app = TestApp::start();
    let other = order("47383").with("/prefetch/patient/id", "canary-other");
    app.sign(other).refused(400, "invalid").at("Patient.id");
    app.sign(order("47383").without("/prefetch/patient/id")).refused(400, "invalid").at("Patient.id");
    // Under whatever key, and in a Bundle as well.
    let patient = json!({"resourceType": "Patient", "id": "canary-other"});
    app.sign(order("47383").with("/prefetch/canary", patient.clone())).refused(400, "invalid");
    let bundle = json!({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": patient}]});
    app.sign(order("47383").with("/prefetch/canary", bundle)).refused(400, "invalid");
}

#[test]
fn h11_a_token_for_another_patient_is_refused() {
    let app = TestApp::start();
    let of = |patient: &str| app.sign(order("47383").authorized().with("/fhirAuthorization/patient", patient));
    of("canary-other").refused(400, "invalid").at("fhirAuthorization.patient");
    of("Canary-Patient").refused(400, "invalid").at("fhirAuthorization.patient");
    of("canary-patient").decided();
}

#[test]
fn h14_a_version_that_is_not_declared_is_refused() {
    let app = TestApp::start();
    for other in
        [json!("1.0"), json!("2.3"), json!("2.2.1"), json!("2"), json!(""), json!(CANARY), json!(2.2), json!(null)]
    {
        let request = order("47383").with("/extension/davinci-crd.requestedVersion", other);
        app.sign(request).refused(422, "not-supported").at("extension.davinci-crd.requestedVersion");
    }
    for declared in ["2.0", "2.1", "2.2"] {
        app.sign(order("47383").in_version(declared)).decided();
    }
}

#[test]
fn h15_configuration_that_makes_no_sense_is_ignored() {
    let app = TestApp::start();
    let expected = app.sign(order("47383")).decided();
    for (option, value) in [
        (CANARY, json!(true)),
        (CANARY, json!(false)),
        (CANARY, json!({"deep": [1]})),
        ("coverage-info", json!("false")),
        ("coverage-info", json!(0)),
        ("coverage-info", json!(null)),
        ("max-cards", json!(-1)),
        ("max-cards", json!("1")),
        ("max-cards", json!(0.5)),
        ("max-cards", json!(false)),
        ("guideline", json!("false")),
    ] {
        let answered = app.sign(order("47383").configured(option, value.clone())).decided();
        assert_eq!(answered.card_texts(), expected.card_texts(), "{option} {value}");
        assert_eq!(answered.says("covered"), expected.says("covered"), "{option} {value}");
    }
    for configuration in [json!(null), json!([]), json!(CANARY)] {
        app.sign(order("47383").with("/extension/davinci-crd.configuration", configuration)).decided();
    }
}

#[test]
fn h16_coverage_information_and_cards_that_are_not_wanted_are_not_sent() {
    let app = TestApp::start();
    let quiet = app.sign(order("47383").configured("coverage-info", false)).answered();
    assert_eq!(quiet.json()["systemActions"], json!([]));
    assert!(!quiet.summaries().is_empty());
    let silent = app.sign(order("47383").configured("coverage-info", false).configured("max-cards", 0)).answered();
    assert_eq!(silent.text(), r#"{"cards":[],"systemActions":[]}"#);
    let no_guideline = app.sign(order("47383").configured("guideline", false)).decided();
    assert_eq!(no_guideline.summaries(), [""; 0]);
}

#[test]
fn h20_the_same_request_sent_twice_at_once_is_answered_once() {
    let (ledger, gate) = TestLedger::held();
    let app = TestApp::with_ledger(ledger);
    let body = order("47383").text();
    let mut first = app.connect().sends_call(body.as_str());
    gate.wait_for_one();
    let mut second = app.connect().sends_call(body.as_str());
    app.has_taken_in_what_was_sent();
    gate.open();
    let (first, second) = (first.reply().decided(), second.reply().decided());
    assert_eq!(first.text(), second.text());
    assert_eq!(first.assertions().len(), 1);
    assert_eq!(app.recorded(), 1);
    // Later it is another request, with a promise of its own.
    assert_ne!(app.sign(body).decided().assertions(), first.assertions());
    assert_eq!(app.recorded(), 2);
}

#[test]
fn h20_whoever_joins_an_answer_is_told_the_id_that_it_is_kept_under_and_is_counted_as_it_is_kept() {
    let (ledger, gate) = TestLedger::held();
    let app = TestApp::operated(ledger);
    let body = order("47383").text();
    let mut first = app.connect().sends_call(body.as_str());
    gate.wait_for_one();
    let mut second = app.connect().sends_call(body.as_str());
    app.has_taken_in_what_was_sent();
    gate.open();
    let (first, second) = (first.reply().decided(), second.reply().decided());
    for reply in [&first, &second] {
        let entry = app.explains(&reply.request_id().to_string()).expect("an entry of this id");
        assert_eq!(entry.assertions, reply.assertions());
    }
    let metrics = app.ops().get("/metrics").text().to_owned();
    let counts =
        |name: &str| metrics.lines().find(|line| line.starts_with(name)).and_then(|line| line.rsplit(' ').next());
    assert_eq!(counts("covenant_answers_total{"), Some("1"));
    assert_eq!(counts("covenant_joined_total{"), Some("1"));
    assert_eq!(app.recorded(), 1);
}

#[test]
fn h20_requests_of_one_length_that_differ_are_each_answered() {
    let (ledger, gate) = TestLedger::held();
    let app = TestApp::with_ledger(ledger);
    let [one, other] = ["canary-order-1", "canary-order-2"].map(|id| order("47383").ordering("id", id));
    assert_eq!(one.text().len(), other.text().len());
    thread::scope(|scope| {
        let one = scope.spawn(|| app.sign(&one));
        let other = scope.spawn(|| app.sign(&other));
        gate.wait_for_one();
        gate.wait_for_one();
        gate.open();
        let (one, other) = (one.join().unwrap().decided(), other.join().unwrap().decided());
        assert!(one.text().contains("canary-order-1") && !one.text().contains("canary-order-2"));
        assert_ne!(one.assertions(), other.assertions());
    });
    assert_eq!(app.recorded(), 2);
}

#[test]
fn h21_another_body_under_the_same_hook_instance_is_answered_anew() {
    let app = TestApp::start();
    let request = order("47383");
    let first = app.sign(&request).decided();
    let second = app.sign(request.ordering("id", "canary-another")).decided();
    assert_ne!(first.assertions(), second.assertions());
    assert_eq!(app.recorded(), 2);
}
