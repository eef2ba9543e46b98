//! Feedback on cards: what is kept of it, and what is wrong with it (FAULTS H22, H23).

use covenant::record::{Entry, LedgerError, Outcome};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{CANARY, Place, TestApp, TestLedger, assert_no_leak, order};

/// An item that sets a card aside, with a canary in all that a person writes.
fn overridden(card: &str) -> Value {
    json!({
        "card": card, "outcome": "overridden", "outcomeTimestamp": "2026-11-24T10:00:00.5-05:00",
        "overrideReason": {"reason": {"code": "patient-preference", "system": "https://canary.org"}, "userComment": CANARY}
    })
}

/// An item that takes a suggestion of a card.
fn accepted(card: &str) -> Value {
    json!({
        "card": card, "outcome": "accepted", "outcomeTimestamp": "2026-11-24T15:00:00Z",
        "acceptedSuggestions": [{"id": Uuid::new_v4().to_string()}]
    })
}

fn told(items: impl Into<Vec<Value>>) -> Vec<u8> {
    json!({"feedback": items.into()}).to_string().into_bytes()
}

/// A server that has shown a card.
fn shown() -> (TestApp, String) {
    let app = TestApp::start();
    let card = app.sign(order("47383")).decided().cards().remove(0);
    (app, card)
}

#[test]
fn feedback_is_kept_beside_its_card_as_it_was_sent() {
    let (app, card) = shown();
    let reply = app.tell(told([overridden(&card)]));
    assert_eq!((reply.status, reply.text()), (200, ""));
    reply.request_id();
    let kept = app.told(&card);
    let [item] = kept.as_slice() else { panic!("not one item: {kept:?}") };
    assert_eq!((item.service.as_str(), item.client.as_str()), ("order-sign-crd", "local"));
    assert_eq!((item.card.as_str(), item.outcome), (card.as_str(), Outcome::Overridden));
    assert_eq!(item.item, overridden(&card).to_string());
    assert_eq!(app.recorded(), 1);
}

#[test]
fn feedback_of_several_calls_and_cards_is_kept_in_its_order() {
    let (app, first) = shown();
    let second = app.sign(order("47381")).decided().cards().remove(0);
    assert_eq!(app.tell(told([overridden(&first), accepted(&second)])).status, 200);
    assert_eq!(app.tell(told([accepted(&first.to_uppercase())])).status, 200);
    let outcomes = |card: &str| app.told(card).iter().map(|item| item.outcome).collect::<Vec<_>>();
    assert_eq!(outcomes(&first), [Outcome::Overridden, Outcome::Accepted]);
    assert_eq!(outcomes(&second), [Outcome::Accepted]);
    assert_eq!(app.tell(told([])).status, 200);
}

#[test]
fn feedback_that_was_acknowledged_survives_a_kill() {
    let place = Place::empty();
    let server = place.serve();
    let card = server.sign(order("47383")).decided().cards().remove(0);
    for _ in 0..3 {
        assert_eq!(server.tell(told([overridden(&card)])).status, 200);
    }
    let (out, err) = server.kill();
    assert!(err.contains("heard"), "{err}");
    assert!(!format!("{out}{err}").to_lowercase().contains("patient-preference"));
    assert_no_leak(&err.replace(|it: char| it.is_ascii_digit(), ""), "the log");
    let verified = place.run(&["ledger", "verify"]).succeeded();
    assert_eq!(verified, "1 entry and 3 items of feedback, the chain holds\n");
}

#[test]
fn h22_a_card_that_is_unknown_or_another_s_is_not_found_in_the_same_words() {
    let (app, card) = shown();
    let others = Uuid::new_v4().to_string();
    let entry = |client: &str, service: &str, card: &str| Entry {
        id: Uuid::new_v4(),
        at: "2026-11-24T00:00:00Z".parse().unwrap(),
        today: "2026-11-24".parse().unwrap(),
        seed: Uuid::new_v4(),
        service: service.to_owned(),
        hook_instance: String::new(),
        client: client.to_owned(),
        crd_version: "2.2".to_owned(),
        policy_set: String::new(),
        tenant: String::new(),
        policies: Vec::new(),
        members: Vec::new(),
        assertions: Vec::new(),
        cards: vec![card.to_owned()],
        determinations: "[]".to_owned(),
        learned: "{}".to_owned(),
        manner: "{}".to_owned(),
        took_micros: 0,
        status: 200,
        request: "{}".into(),
        response: "{}".into(),
    };
    let elsewhere = Uuid::new_v4().to_string();
    for entry in [entry("another", "order-sign-crd", &others), entry("local", "order-select-crd", &elsewhere)] {
        app.keeps(entry);
    }
    let unknown = app.tell(told([overridden(&Uuid::new_v4().to_string())])).refused(404, "not-found");
    let words = unknown.at("feedback[0].card").words();
    for not_ours in [&others, &elsewhere] {
        assert_eq!(app.tell(told([overridden(not_ours)])).refused(404, "not-found").words(), words);
    }
    assert_eq!(app.tell(told([overridden(&card)])).status, 200);
}

#[test]
fn h22_what_is_told_of_known_cards_beside_an_unknown_one_is_kept_and_the_unknown_one_is_named() {
    let (app, card) = shown();
    let mixed = told([overridden(&card), overridden(&Uuid::new_v4().to_string()), accepted(&card)]);
    app.tell(mixed).refused(404, "not-found").at("feedback[1].card");
    let outcomes: Vec<Outcome> = app.told(&card).iter().map(|item| item.outcome).collect();
    assert_eq!(outcomes, [Outcome::Overridden, Outcome::Accepted]);
}

#[test]
fn h22_a_service_that_is_not_there_hears_nothing() {
    let (app, card) = shown();
    app.tell_of("canary", told([overridden(&card)])).refused(404, "not-found").nowhere();
    let get = |path: &str| app.connect().sends(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).reply();
    get("/cds-services/order-sign-crd/feedback").refused(405, "not-supported").with_header("allow", "POST");
    get("/cds-services/canary/feedback").refused(404, "not-found");
}

#[test]
fn h23_a_suggestion_that_was_taken_must_be_named() {
    let (app, card) = shown();
    let mut item = accepted(&card);
    item.as_object_mut().unwrap().shift_remove("acceptedSuggestions");
    let refused = |items: Vec<Value>| app.tell(told(items)).refused(400, "invariant");
    refused(vec![item.clone()]).at("feedback[0].acceptedSuggestions");
    refused(vec![overridden(&card), item.clone()]).at("feedback[1].acceptedSuggestions");
    item["acceptedSuggestions"] = json!([]);
    refused(vec![item.clone()]).at("feedback[0].acceptedSuggestions");
    item["acceptedSuggestions"] = json!([{"id": 7}]);
    app.tell(told([item.clone()])).refused(400, "value").at("feedback[0].acceptedSuggestions[0].id");
    item["acceptedSuggestions"] = json!([{}]);
    app.tell(told([item])).refused(400, "required").at("feedback[0].acceptedSuggestions[0].id");
    assert_eq!(app.told(&card), []);
}

#[test]
fn h23_too_many_items_and_too_long_a_comment_are_refused() {
    let (app, card) = shown();
    app.tell(told(vec![overridden(&card); 101])).refused(413, "too-long").at("feedback");
    let commented = |length: usize| {
        let mut item = overridden(&card);
        item["overrideReason"]["userComment"] = "é".repeat(length).into();
        told([overridden(&card), item])
    };
    app.tell(commented(10_001)).refused(413, "too-long").at("feedback[1].overrideReason.userComment");
    assert_eq!(app.told(&card), []);
    assert_eq!(app.tell(commented(10_000)).status, 200);
    assert_eq!(app.tell(told(vec![overridden(&card); 100])).status, 200);
    assert_eq!(app.told(&card).len(), 102);
}

#[test]
fn h23_what_is_not_feedback_is_refused() {
    let (app, card) = shown();
    for body in ["", "[]", "{", "{\"feedback\":[],\"feedback\":[]}"] {
        app.tell(body).refused(400, "structure");
    }
    app.tell("{}").refused(400, "required").at("feedback");
    app.tell(json!({"feedback": CANARY}).to_string()).refused(400, "value").at("feedback");
    for (member, value, issue) in [
        ("card", json!(CANARY), "value"),
        ("card", Value::Null, "required"),
        ("outcome", json!(CANARY), "value"),
        ("outcomeTimestamp", json!("2026-11-24"), "value"),
        ("overrideReason", json!(CANARY), "value"),
    ] {
        let mut item = overridden(&card);
        item[member] = value;
        app.tell(told([item])).refused(400, issue).at(&format!("feedback[0].{member}"));
    }
    for member in ["card", "outcome", "outcomeTimestamp"] {
        let mut item = overridden(&card);
        item.as_object_mut().unwrap().shift_remove(member);
        app.tell(told([item])).refused(400, "required").at(&format!("feedback[0].{member}"));
    }
    assert_eq!(app.told(&card), []);
}

#[test]
fn feedback_keeps_the_rules_of_the_edge() {
    let app = TestApp::start();
    let head = |lines: &str| {
        format!("POST /cds-services/order-sign-crd/feedback HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n\r\n")
    };
    let call = |lines: &str| app.connect().sends(head(lines)).last_reply();
    call("Content-Type: text/plain\r\nContent-Length: 2").refused(415, "not-supported");
    call("Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2").refused(415, "not-supported");
    call("Content-Type: application/json\r\nContent-Length: 2097153").refused(413, "too-long");
    let (ledger, gate) = TestLedger::held();
    let app = TestApp::with(ledger, |settings| settings.limits.in_flight = 1);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| app.sign(order("47383")));
        gate.wait_for_one();
        app.tell(told([])).refused(503, "throttled").with_header("retry-after", "1");
        gate.open();
        waiting.join().unwrap().decided();
    });
}

#[test]
fn l01_feedback_that_cannot_be_kept_is_not_acknowledged() {
    let app = TestApp::with_ledger(TestLedger::failing(LedgerError::Full));
    let call = told([overridden(&Uuid::new_v4().to_string())]);
    app.tell(call).refused(503, "no-store").nowhere().with_header("retry-after", "2");
}
