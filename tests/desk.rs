//! What the order desk asks its server for beside hooks.

use covenant::record::Entry;
use jiff::Timestamp;
use jiff::civil::date;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{SECRET, TestApp, TestLedger, order};

/// An entry that nobody would decide so now.
fn planted(client: &str) -> Entry {
    let rule = json!({"policy": "999", "version": "then", "action": "an-action-of-then"});
    let decided = json!({
        "covered": "covered", "pa_needed": "no-auth", "reasons": ["A reason of then."], "rules": [rule],
        "known": ["setting inpatient"], "missing": ["diagnosis (could not be had)"],
    });
    let order = json!([{
        "order": "ServiceRequest/then", "assertion": "assertion-of-then", "sent": true, "determinations": [decided],
    }]);
    let (id, now) = (Uuid::new_v4(), Timestamp::now());
    let asked = Entry::asked(id, now, date(2026, 11, 1), Uuid::new_v4(), "order-sign-crd", client, "no-set");
    Entry {
        determinations: order.to_string(),
        assertions: vec!["assertion-of-then".to_owned()],
        response: "{\"cards\":[]}".into(),
        ..asked
    }
}

#[test]
fn why_is_what_was_recorded_and_is_not_decided_anew() {
    let app = TestApp::operated(TestLedger::ordinary());
    // The client that calls without being registered has a name of its own in the record.
    let answered = app.sign(order("47383")).decided();
    let id = answered.header("x-request-id").unwrap().to_owned();
    let client = app.entry(&answered.assertions()[0]).client;
    let entry = planted(&client);
    let then = entry.id.to_string();
    app.keeps(entry);
    for id in [&*then, "assertion-of-then"] {
        let reply = app.get(&format!("/desk/why/{id}"));
        assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")), "{}", reply.text());
        let decided = &reply.json()["orders"][0]["determinations"][0];
        assert_eq!(decided["reasons"], json!(["A reason of then."]));
        assert_eq!(decided["rules"][0]["action"], "an-action-of-then");
        assert_eq!(decided["known"], json!(["setting inpatient"]));
        assert_eq!(decided["missing"], json!(["diagnosis (could not be had)"]));
    }
    let (why, explained): (Value, Value) = (
        app.get(&format!("/desk/why/{id}")).json(),
        app.ops().get_as_operator(&format!("/ledger/explain/{id}"), SECRET).json(),
    );
    assert_eq!(why["orders"], explained["orders"]);
    assert_eq!(app.recorded(), 2, "a look is no answer");
}

#[test]
fn whoever_asks_why_is_recorded_and_what_others_were_answered_is_not_there() {
    let app = TestApp::start();
    let answered = app.sign(order("47383")).decided();
    let (id, entry) = (answered.header("x-request-id").unwrap(), app.entry(&answered.assertions()[0]));
    assert_eq!(app.get(&format!("/desk/why/{id}")).status, 200);
    let looks = app.looks(entry.id);
    assert_eq!((looks.len(), &*looks[0].how), (1, "explain"));
    assert!(looks[0].who.contains("order desk"), "{}", looks[0].who);
    let others = planted("another-client");
    let id = others.id;
    app.keeps(others);
    app.get(&format!("/desk/why/{id}")).refused(404, "not-found");
    app.get("/desk/why/canary").refused(404, "not-found");
    assert_eq!(app.looks(id).len(), 0);
}

#[test]
fn a_refusal_is_told_as_it_is_recorded() {
    let app = TestApp::start();
    let refused = app.sign(order("47383").without("/context/patientId"));
    assert_eq!(refused.status, 400, "{}", refused.text());
    let why = app.get(&format!("/desk/why/{}", refused.header("x-request-id").unwrap())).json();
    assert_eq!(why["orders"], json!([]));
    let said = refused.json()["issue"][0]["details"]["text"].as_str().unwrap().to_owned();
    assert!(why["refused"].as_str().unwrap().starts_with(&said), "{why}");
}
