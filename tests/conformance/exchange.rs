//! The exchange itself: in time, at every hook, with errors that are errors.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::said::PAIRS;
use crate::support::{FakeEhr, TestApp, held, order};

/// The time that the guide allows.
const ALLOWED: Duration = Duration::from_secs(5);

#[test]
fn found_2_every_hook_is_answered_in_time() {
    let app = TestApp::start();
    let mut took = Vec::new();
    for pair in PAIRS.iter() {
        let began = Instant::now();
        app.invoke(pair.request.to_string()).answered();
        took.push(began.elapsed());
    }
    took.sort_unstable();
    assert!(took.len() > 100 && took[took.len() - 1] < ALLOWED, "the slowest took {:?}", took[took.len() - 1]);
}

#[test]
fn found_37_every_invocation_that_is_answered_is_kept() {
    let app = TestApp::start();
    for pair in PAIRS.iter() {
        app.invoke(pair.request.to_string()).answered();
    }
    assert_eq!(app.recorded(), u64::try_from(PAIRS.len()).unwrap());
}

#[test]
fn metric_1_what_the_measures_are_made_of_is_kept_with_each_answer() {
    let ehr = FakeEhr::holding(held()).starts();
    let app = TestApp::beside(&ehr);
    let reply = app.sign(order("47383").without("/prefetch/coverage").of(&ehr)).decided();
    let entry = app.entry(&reply.assertions()[0]);
    // When, for whom, at which hook and version, under which rules, and how long it took.
    assert!(entry.at.as_second() > 0 && entry.took_micros > 0);
    assert_eq!((entry.service.as_str(), entry.crd_version.as_str(), entry.status), ("order-sign-crd", "2.2", 200));
    assert!(!entry.client.is_empty() && entry.policy_set.len() == 64);
    // What was ordered and answered, whether the token was used, and what was decided.
    let request: Value = serde_json::from_slice(&entry.request).unwrap();
    assert_eq!(request["context"]["draftOrders"]["entry"][0]["resource"]["resourceType"], "ServiceRequest");
    assert_eq!(entry.response, reply.body);
    assert!(entry.learned.contains("Coverage"), "{}", entry.learned);
    assert!(entry.determinations.contains("not-covered"), "{}", entry.determinations);
}

#[test]
fn hook_9_what_is_not_answered_has_a_status_that_says_so() {
    let app = TestApp::start();
    for (request, status, issue) in [
        (order("47383").without("/hook"), 400, "required"),
        (order("47383").with("/prefetch/coverage", Value::Null), 400, "not-found"),
        (order("47383").without("/prefetch/coverage"), 412, "incomplete"),
        (order("47383").not_ordering("id"), 422, "required"),
        (order("47383").in_version("1.0"), 422, "not-supported"),
    ] {
        let refused = app.sign(request);
        assert!(!refused.text().contains("\"cards\""), "{}", refused.text());
        // An OperationOutcome, with the id that it is logged under (hook-10).
        refused.refused(status, issue);
    }
}

#[test]
fn hooks_call_5_extensions_that_are_not_known_are_ignored() {
    let app = TestApp::start();
    let request = order("47383").with("/extension/org.canary.anything", json!({"deep": [1, {"a": null}]}));
    let expected = app.sign(order("47383")).decided();
    assert_eq!(app.sign(request).decided().card_texts(), expected.card_texts());
}

#[test]
fn hooks_fhir_1_the_token_is_a_bearer_token_to_the_server_that_it_is_for() {
    let ehr = FakeEhr::holding(held()).starts();
    let request = order("47383").without("/prefetch/coverage").of(&ehr);
    let token = format!("Bearer {}", request.at("/fhirAuthorization/access_token").as_str().unwrap());
    TestApp::beside(&ehr).sign(request).decided();
    let asked = ehr.requests();
    assert!(!asked.is_empty());
    assert!(asked.iter().all(|asked| asked.header("authorization") == Some(&token)));
}

#[test]
fn hooks_prefetch_4_a_prefetch_that_was_not_asked_for_under_this_name_is_found() {
    let app = TestApp::start();
    let request = order("47383");
    let coverage = request.at("/prefetch/coverage").clone();
    let renamed = request.without("/prefetch/coverage").with("/prefetch/item7", coverage);
    assert_eq!(app.sign(renamed).decided().says("covered"), ["not-covered"]);
}

#[test]
fn hooks_response_4_an_answer_from_what_was_sent_comes_in_half_a_second() {
    let app = TestApp::start();
    let mut took: Vec<Duration> = Vec::new();
    for _ in 0..20 {
        let began = Instant::now();
        app.sign(order("47383")).decided();
        took.push(began.elapsed());
    }
    took.sort_unstable();
    // The quicker half: other tests run beside it.
    assert!(took[took.len() / 2] < Duration::from_millis(500), "{took:?}");
}

#[test]
fn hooks_card_10_no_answer_uses_what_cds_hooks_2_0_does_not_have() {
    for pair in PAIRS.iter() {
        for newer in ["actionSelectionBehavior", "autolaunchable", "hookVersion"] {
            assert!(!pair.answer.to_string().contains(&format!("\"{newer}\"")), "{}: {newer}", pair.name);
        }
    }
}
