//! What is counted, and that nothing of a request is in it.

use std::thread;

use covenant::record::{LedgerError, Trouble};
use serde_json::json;
use uuid::Uuid;

use super::{app, metric, until};
use crate::support::{Behaviour, CANARY, FakeEhr, TestApp, TestLedger, assert_no_leak, held, operated, order};

/// The value of a metric must be this.
#[track_caller]
fn counts(app: &TestApp, name: &str, value: f64) {
    assert_eq!(metric(app.ops(), name), Some(value), "{name} in {}", app.ops().get("/metrics").text());
}

#[test]
fn answers_are_counted_by_service_and_version() {
    let app = app();
    app.sign(order("47383").in_version("2.2")).decided();
    app.sign(order("47383").in_version("2.2")).decided();
    app.sign(order("47383").in_version("2.0")).decided();
    counts(&app, r#"covenant_answers_total{crd_version="2.2",service="order-sign-crd"}"#, 2.0);
    counts(&app, r#"covenant_answers_total{crd_version="2.0",service="order-sign-crd"}"#, 1.0);
}

#[test]
fn refusals_are_counted_by_service_issue_and_status() {
    let app = app();
    app.sign("{").refused(400, "structure");
    app.tell("{").refused(400, "structure");
    app.sign_as("text/plain", order("47383")).refused(415, "not-supported");
    counts(
        &app,
        r#"covenant_refusals_total{fault="client",issue="structure",service="order-sign-crd",status="400"}"#,
        2.0,
    );
    counts(
        &app,
        r#"covenant_refusals_total{fault="client",issue="not-supported",service="order-sign-crd",status="415"}"#,
        1.0,
    );
}

#[test]
fn determinations_are_counted_by_what_is_said_and_by_policy() {
    let app = app();
    app.sign(order("47383").times(3)).decided();
    counts(
        &app,
        r#"covenant_determinations_total{covered="not-covered",pa_needed="no-auth",policy="633",product="commercial-ppo-indemnity"}"#,
        3.0,
    );
    app.sign(order("99499")).answered();
    let text = app.ops().get("/metrics").text().to_owned();
    let of_nobody = text.lines().find(|line| line.contains(r#"policy="default""#));
    assert!(of_nobody.is_some_and(|line| line.ends_with(" 1")), "{text}");
}

#[test]
fn what_was_not_recorded_was_not_determined() {
    let app = TestApp::operated(TestLedger::failing(LedgerError::Full));
    app.sign(order("47383")).refused(503, "no-store");
    assert!(!app.ops().get("/metrics").text().contains("covenant_determinations_total{"));
}

#[test]
fn answers_are_timed_apart_from_refusals() {
    let app = app();
    app.sign(order("47383")).decided();
    app.sign("{").refused(400, "structure");
    app.sign("{").refused(400, "structure");
    for (outcome, calls) in [("answered", 1.0), ("refused", 2.0)] {
        let of = format!("outcome=\"{outcome}\",service=\"order-sign-crd\"");
        counts(&app, &format!("covenant_call_seconds_count{{{of}}}"), calls);
        counts(&app, &format!("covenant_call_seconds_bucket{{{of},le=\"+Inf\"}}"), calls);
    }
    let text = app.ops().get("/metrics").text().to_owned();
    for bound in ["0.00025", "0.001", "0.5", "5"] {
        assert!(text.contains(&format!("le=\"{bound}\"")), "{bound} is not in {text}");
    }
}

#[test]
fn what_is_being_answered_is_counted_while_it_is() {
    let (ledger, gate) = TestLedger::held();
    let app = TestApp::operated(ledger);
    counts(&app, "covenant_in_flight", 0.0);
    let caller = app.caller();
    let signing = thread::spawn(move || caller.sign(order("47383")).decided());
    gate.wait_for_one();
    counts(&app, "covenant_in_flight", 1.0);
    gate.open();
    signing.join().unwrap();
    until("nothing is being answered", || metric(app.ops(), "covenant_in_flight") == Some(0.0));
}

#[test]
fn ledger_failures_are_counted_by_kind() {
    for (error, kind) in [
        (LedgerError::Full, "full"),
        (LedgerError::Locked, "locked"),
        (LedgerError::Unavailable(Trouble::Connection), "unavailable"),
    ] {
        let app = TestApp::operated(TestLedger::failing(error));
        assert_eq!(app.sign(order("47383")).status, 503);
        // A refusal that could not be kept is one, too.
        app.sign("{").refused(400, "structure");
        counts(&app, &format!("covenant_ledger_failures_total{{kind=\"{kind}\"}}"), 2.0);
    }
}

#[test]
fn feedback_is_counted_by_outcome_once_it_is_kept() {
    let app = app();
    let card = app.sign(order("47383")).decided().cards().remove(0);
    let at = "2026-11-24T15:00:00Z";
    let item = |card: &str, outcome: &str| json!({"card": card, "outcome": outcome, "outcomeTimestamp": at});
    let told = json!({"feedback": [item(&card, "overridden"), item(&card, "overridden")]});
    assert_eq!(app.tell(told.to_string()).status, 200);
    let nobodys = json!({"feedback": [item(&Uuid::new_v4().to_string(), "overridden")]});
    app.tell(nobodys.to_string()).refused(404, "not-found");
    counts(&app, r#"covenant_feedback_total{outcome="overridden"}"#, 2.0);
    // What a client did wrong is no failure of the ledger.
    assert!(!app.ops().get("/metrics").text().contains("covenant_ledger_failures_total{"));
}

#[test]
fn questions_to_an_ehr_are_counted_by_what_came_of_them() {
    let ehr = FakeEhr::holding(held()).but("Patient/canary-patient", Behaviour::Says(401)).starts();
    let app = TestApp::with(TestLedger::ordinary(), |settings| {
        operated(settings);
        settings.ehr.servers = vec![ehr.base()];
        settings.ehr.allow_private = true;
    });
    app.sign(order("47383").of(&ehr).without("/prefetch/coverage")).decided();
    let text = app.ops().get("/metrics").text().to_owned();
    assert!(text.contains(r#"covenant_ehr_questions_total{outcome="answered"}"#), "{text}");
    app.sign(order("47383").of(&ehr).with("/fhirServer", "https://canary.example/fhir"));
    counts(&app, r#"covenant_ehr_questions_total{outcome="not-registered"}"#, 1.0);
    assert_no_leak(app.ops().get("/metrics").text(), "the metrics");
    assert!(!app.ops().get("/metrics").text().contains(&ehr.base()), "an EHR is named");
}

#[test]
fn panics_are_counted() {
    let app = TestApp::operated(TestLedger::panicking_once());
    counts(&app, "covenant_panics_total", 0.0);
    app.sign(order("47383")).refused(500, "exception");
    app.sign(order("47383")).decided();
    counts(&app, "covenant_panics_total", 1.0);
}

#[test]
fn the_version_that_runs_is_told() {
    let name = format!("covenant_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    counts(&app(), &name, 1.0);
}

#[test]
fn two_servers_in_a_process_do_not_share_what_they_count() {
    let (one, two) = (app(), app());
    one.sign(order("47383")).decided();
    assert!(one.ops().get("/metrics").text().contains("covenant_answers_total{"));
    assert!(!two.ops().get("/metrics").text().contains("covenant_answers_total{"));
}

#[test]
fn every_metric_is_ours_and_says_what_it_is() {
    let app = app();
    app.sign(order("47383")).decided();
    app.sign("{").refused(400, "structure");
    let reply = app.ops().get("/metrics");
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for line in reply.text().lines() {
        assert!(line.starts_with("# ") || line.starts_with("covenant_"), "{line}");
        if let Some(name) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split(' ').next()) {
            let help = reply.text().lines().find(|line| line.starts_with(&format!("# HELP {name} ")));
            assert!(help.is_some_and(|help| help.ends_with('.')), "{name} has no help");
        }
    }
}

#[test]
fn r07_nothing_of_a_request_is_in_the_metrics_and_nothing_of_it_makes_a_label() {
    let app = app();
    let planted = || {
        let request = order("47383").authorized().with("/hookInstance", format!("{CANARY}-hook-instance"));
        request.with("/context/userId", "Practitioner/canary-user")
    };
    app.sign(order("47383")).decided();
    app.sign(planted());
    app.sign(planted().with("/context/patientId", "canary-other"));
    app.sign(planted().with("/extension/davinci-crd.requestedVersion", CANARY));
    app.sign(planted().ordering("code", json!({"coding": [{"system": "https://canary.org", "code": CANARY}]})));
    let before = series(&app);
    for number in 0..50 {
        let path = format!("/cds-services/{CANARY}-{number}");
        app.post_to(&path, planted()).refused(404, "not-found");
        app.post_to(&format!("{path}/feedback"), planted()).refused(404, "not-found");
        app.get(&format!("/{CANARY}-{number}?{CANARY}={number}")).refused(404, "not-found");
    }
    app.sign_with_header("X-Request-Id", CANARY, order("47383")).decided();
    // All of them are one: calls to no service.
    assert_eq!(series(&app), before + 1);
    counts(&app, r#"covenant_refusals_total{fault="client",issue="not-found",service="none",status="404"}"#, 100.0);
    assert_no_leak(app.ops().get("/metrics").text(), "the metrics");
}

/// How many numbers there are, without a histogram's.
fn series(app: &TestApp) -> usize {
    app.ops()
        .get("/metrics")
        .text()
        .lines()
        .filter(|line| line.starts_with("covenant_") && !line.contains("_seconds"))
        .count()
}
