//! What real clients send is answered: requests as two public test clients build them, in our own words and data.
//!
//! The CDS Hooks sandbox calls order-select and order-sign (its third hook, patient-view, is not of CRD); the Da Vinci
//! request generator calls order-sign and order-select. Neither calls order-dispatch, appointment-book or encounter-start.
//! A refusal names the clause that asks for it.

use std::fs;
use std::time::{Duration, Instant};

use covenant::request::schema;
use serde_json::{Value, json};

use crate::laws_support::{files_under, repository};
use crate::support::{Reply, TestApp, order};

/// CRD gives five seconds; what our own part of them may be.
const LONGEST: Duration = Duration::from_millis(4500);

/// A token of the kind that both clients make for each call, which nobody looks at while no authentication is configured.
const BEARER: &str = "Bearer eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCIsImtpZCI6ImNhbmFyeSJ9.eyJpc3MiOiJjYW5hcnkifQ.Y2FuYXJ5";

fn request(case: &str) -> Value {
    let text = fs::read_to_string(repository(&format!("tests/clients/{case}.request.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Sends a request with the headers of both clients; it is answered in time, whatever it is.
fn replied(request: &Value) -> Reply {
    let app = TestApp::start();
    let began = Instant::now();
    let headers = [("Accept", "application/json"), ("Authorization", BEARER)];
    let reply = app.invoke_with_headers(&headers, request.to_string());
    assert!(began.elapsed() < LONGEST, "{:?}", began.elapsed());
    reply
}

fn sent(case: &str) -> Reply {
    replied(&request(case))
}

/// The only order of a request comes back as it was sent, with coverage information; what that says of coverage.
#[track_caller]
fn covered(case: &str) -> Vec<String> {
    let request = request(case);
    let reply = replied(&request).decided();
    reply.returns(&request["context"]["draftOrders"]["entry"][0]["resource"].to_string());
    assert_eq!(reply.coverage_information().len(), 1);
    reply.says("covered")
}

#[test]
fn every_request_that_is_kept_here_is_sent() {
    let files = files_under(&repository("tests/clients"));
    assert!(files.len() >= 20, "{}", files.len());
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let case = name.split_once('.').unwrap().0;
        assert!(include_str!("clients.rs").contains(&format!("\"{case}\"")), "{name} is not sent");
    }
}

#[test]
fn the_sandbox_s_order_select_with_a_typeless_bundle_and_a_payer_that_is_only_named() {
    assert_eq!(covered("sandbox-order-select-study"), ["not-covered"]);
}

#[test]
fn the_sandbox_s_order_sign_with_selections_and_a_token_for_a_server_that_cannot_be_reached() {
    assert_eq!(covered("sandbox-order-sign-study-launched"), ["not-covered"]);
}

#[test]
fn the_sandbox_s_order_sign_without_the_key_of_a_search_that_failed() {
    // In CRD 2.0 a technical failure is conditional, and says what it is.
    assert_eq!(covered("sandbox-order-sign-coverage-search-failed"), ["conditional"]);
    let reason = sent("sandbox-order-sign-coverage-search-failed").says("reason").join(" ");
    assert!(reason.contains("technical"), "{reason}");
}

#[test]
fn the_sandbox_s_order_sign_without_the_key_and_without_a_token_is_refused_as_cds_hooks_prefetch_says() {
    sent("sandbox-order-sign-open-server-search-failed").refused(412, "incomplete").at("prefetch");
}

#[test]
fn the_sandbox_s_order_select_with_an_empty_coverage_search_is_refused_as_hook_13_says() {
    sent("sandbox-order-select-no-coverage-found").refused(400, "not-found").at("prefetch");
}

/// FHIR R4 core is broken: 422 in CRD 2.0, which these clients speak as they name no version, 400 in later ones. With the
/// one place repaired, the rest of the request is answered.
#[track_caller]
fn is_refused_by_hook_13(case: &str, place: &str, repaired: impl Fn(&mut Value)) {
    let expression = format!("context.draftOrders.entry[0].resource.{place}");
    let mut request = request(case);
    let issue = |reply: Reply| reply.json()["issue"][0]["code"].as_str().unwrap().to_owned();
    let reply = replied(&request);
    reply.clone().refused(422, &issue(reply)).at(&expression);
    let mut later = request.clone();
    later["extension"] = json!({ "davinci-crd.requestedVersion": "2.2" });
    let reply = replied(&later);
    reply.clone().refused(400, &issue(reply)).at(&expression);
    repaired(&mut request["context"]["draftOrders"]["entry"][0]["resource"]);
    replied(&request).decided();
}

#[test]
fn the_sandbox_s_medication_whose_category_is_no_list() {
    for case in ["sandbox-order-select-medication", "sandbox-order-sign-medication"] {
        assert_eq!(covered(case), ["conditional"]);
    }
}

#[test]
fn the_sandbox_s_order_without_a_medication_yet_is_refused_as_hook_13_says() {
    is_refused_by_hook_13("sandbox-order-select-no-medication-chosen", "intent", |order| {
        order["intent"] = json!("order");
        order["medicationCodeableConcept"] = json!({ "text": "Not chosen yet" });
    });
}

#[test]
fn the_sandbox_s_study_without_a_reason_is_an_empty_list() {
    assert_eq!(covered("sandbox-order-select-no-reason-chosen"), ["not-covered"]);
}

#[test]
fn the_sandbox_s_order_without_a_study_yet_is_an_empty_coding_and_refused_as_hook_13_says() {
    is_refused_by_hook_13("sandbox-order-select-no-study-chosen", "code.coding[0]", |order| {
        order["code"] = json!({ "text": "Not chosen yet" });
    });
}

#[test]
fn the_generator_s_order_sign_with_an_empty_token_and_foreign_prefetch_keys() {
    assert_eq!(covered("generator-order-sign-service"), ["not-covered"]);
}

#[test]
fn the_generator_s_order_select_with_a_token_and_no_configuration() {
    assert_eq!(covered("generator-order-select-service"), ["not-covered"]);
}

#[test]
fn the_generator_s_server_that_is_registered_and_cannot_be_reached() {
    let request = request("generator-order-select-service");
    let app = TestApp::with_settings(|settings| {
        settings.ehr.servers = vec![request["fhirServer"].as_str().unwrap().to_owned()];
        settings.ehr.allow_private = true;
    });
    let began = Instant::now();
    let reply = app.invoke(request.to_string()).decided();
    assert!(began.elapsed() < LONGEST, "{:?}", began.elapsed());
    let reason = reply.says("reason").join(" ");
    assert!(reason.contains("technical"), "{reason}");
}

#[test]
fn the_generator_s_authorization_of_null_before_it_has_keys() {
    let body = request("generator-order-sign-service").to_string();
    TestApp::start().invoke_with_headers(&[("Authorization", "null")], body).decided();
}

#[test]
fn the_generator_s_device_with_absolute_references() {
    assert_eq!(covered("generator-order-sign-device-absolute"), ["conditional"]);
}

#[test]
fn the_generator_s_medication_with_what_it_resolved_written_into_it() {
    assert_eq!(covered("generator-order-sign-medication-resolved"), ["conditional"]);
}

#[test]
fn the_generator_s_code_that_it_calls_unknown_three_times() {
    assert_eq!(covered("generator-order-sign-code-unknown"), ["conditional"]);
}

#[test]
fn the_generator_s_patient_and_coverage_without_what_a_person_is_known_by() {
    assert_eq!(covered("generator-order-sign-deidentified"), ["not-covered"]);
}

#[test]
fn the_generator_s_dispense_is_no_order_and_answered_with_nothing() {
    let reply = sent("generator-order-sign-dispense").answered();
    assert_eq!(reply.json()["cards"], json!([]));
    assert_eq!(reply.orders(), [""; 0]);
}

#[test]
fn the_generator_s_order_sign_without_prefetch_and_with_a_token_for_a_server_that_cannot_be_reached() {
    assert_eq!(covered("generator-order-sign-no-prefetch"), ["conditional"]);
}

#[test]
fn the_generator_s_order_sign_without_prefetch_and_without_a_token_is_refused_as_cds_hooks_prefetch_says() {
    sent("generator-order-sign-no-prefetch-no-token").refused(412, "incomplete").at("prefetch");
}

#[test]
fn the_generator_s_cancelled_coverage_beside_an_active_one_is_passed_over() {
    sent("generator-order-sign-two-coverages").decided();
}

#[test]
fn the_generator_s_authorization_without_a_token_is_refused_as_cds_hooks_requires_one() {
    sent("generator-order-sign-before-login").refused(400, "required").at("fhirAuthorization.access_token");
}

#[test]
fn the_sandbox_s_feedback_is_kept_beside_the_card_that_was_shown() {
    let app = TestApp::start();
    let card = app.sign(order("47383")).decided().cards().remove(0);
    for (index, case) in ["sandbox-suggestion-accepted", "sandbox-card-dismissed"].into_iter().enumerate() {
        let text = fs::read_to_string(repository(&format!("tests/clients/{case}.feedback.json"))).unwrap();
        let mut feedback: Value = serde_json::from_str(&text).unwrap();
        feedback["feedback"][0]["card"] = json!(card);
        let reply = app.tell(feedback.to_string());
        assert_eq!(reply.status, 200, "{case}: {}", reply.text());
        let kept = app.told(&card);
        assert_eq!(kept.len(), index + 1);
        assert_eq!(serde_json::from_str::<Value>(&kept[index].item).unwrap(), feedback["feedback"][0], "{case}");
    }
}

#[test]
fn what_the_clients_send_is_read_by_the_envelope_s_schema_and_none_names_a_version() {
    for file in
        files_under(&repository("tests/clients")).iter().filter(|file| file.to_str().unwrap().contains("request"))
    {
        let request: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        assert!(request.pointer("/extension/davinci-crd.requestedVersion").is_none(), "{file:?}");
        let bundle = &request["context"]["draftOrders"];
        assert!(bundle.get("type").is_none(), "{file:?}");
        let tokenless = file.to_str().unwrap().contains("before-login");
        assert_eq!(schema::REQUEST.check(&request, "").is_ok(), !tokenless, "{file:?}");
    }
}
