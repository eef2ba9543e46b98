//! What one request, one caller and one address may cost, and that nobody else pays for it (FAULTS B01–B06).

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::tokens::{Draft, Signer, bearer, jwks};
use crate::support::{Behaviour, FakeEhr, Request, RunningEhr, TestApp, TestLedger, order};

const ORDER: &str = "context.draftOrders.entry[0].resource";

const CPT: &str = "http://www.ama-assn.org/go/cpt";

/// An order with an identifier as long as this.
fn long_order(bytes: usize) -> Request {
    order("47383").ordering("note", json!([{"text": "x".repeat(bytes)}]))
}

#[test]
fn b01_a_code_or_an_address_that_is_longer_than_any_is_refused_with_its_place() {
    let app = TestApp::start();
    let coded = |system: &str, code: &str| {
        app.sign(order("47383").ordering("code", json!({"coding": [{"system": system, "code": code}]})))
    };
    coded(CPT, &"4".repeat(257)).refused(422, "too-costly").at(&format!("{ORDER}.code.coding[0].code"));
    coded(&format!("https://{}", "x".repeat(2048)), "47383")
        .refused(422, "too-costly")
        .at(&format!("{ORDER}.code.coding[0].system"));
    coded(CPT, &"4".repeat(256)).answered();
    let reference = json!({"reference": format!("Patient/{}", "x".repeat(2048))});
    app.sign(order("47383").ordering("requester", reference))
        .refused(422, "too-costly")
        .at(&format!("{ORDER}.requester.reference"));
}

#[test]
fn b01_a_coverage_has_a_handful_of_identifiers_and_not_thousands() {
    let app = TestApp::start();
    let numbered = |count: usize| {
        let identifier = |number: usize| json!({"system": "https://payer.example", "value": number.to_string()});
        app.sign(order("47383").covered("identifier", Value::from_iter((0..count).map(identifier))))
    };
    numbered(65).refused(422, "too-costly").at("Coverage.identifier");
    numbered(3200).refused(422, "too-costly");
    numbered(64).decided();
}

#[test]
fn b01_a_prefetch_key_of_megabytes_is_refused() {
    let app = TestApp::start();
    app.sign(order("47383").with(&format!("/prefetch/{}", "K".repeat(500_000)), json!({"resourceType": "Basic"})))
        .refused(422, "too-costly")
        .at("prefetch");
    app.sign(order("47383").with(&format!("/prefetch/{}", "K".repeat(256)), Value::Null)).decided();
}

#[test]
fn b01_more_determinations_than_one_answer_has_are_refused_before_any_is_made() {
    let app = TestApp::with_settings(|settings| settings.limits.determinations = 2);
    app.sign(order("47383").times(2)).decided();
    app.sign(order("47383").times(3)).refused(422, "too-costly").at("context");
    assert_eq!(app.recorded(), 1);
}

#[test]
fn b01_a_name_of_a_megabyte_is_shown_in_a_few_words() {
    let app = TestApp::start();
    for name in ["e".to_owned() + &"\u{301}".repeat(400_000), "x".repeat(900_000), "👩".repeat(200_000)] {
        let text = "/context/draftOrders/entry/0/resource/code/text";
        let answer = app.sign(order("47383").with(text, name.as_str())).decided();
        let shown: usize = answer.card_texts().iter().map(String::len).sum();
        assert!(shown < 100_000, "{shown} bytes are shown");
        let kept = app.entry(&answer.assertions()[0]).determinations.len();
        assert!(kept < 100_000, "{kept} bytes of determinations are kept");
    }
}

#[test]
fn b02_the_ehr_is_asked_so_often_and_sends_so_much_for_one_request() {
    let bare = |ehr: &RunningEhr| order("47383").with("/prefetch", json!({})).of(ehr);
    let held = crate::support::held();
    let questions = |most: usize| {
        let ehr = FakeEhr::holding(held.clone()).starts();
        let app = TestApp::with_settings(|settings| {
            settings.ehr.servers = vec![ehr.base()];
            settings.ehr.allow_private = true;
            settings.limits.questions = most;
        });
        (app.sign(bare(&ehr)).status, ehr.requests().len())
    };
    let (status, asked) = questions(32);
    assert_eq!(status, 200);
    assert!(asked > 1, "{asked} questions");
    assert_eq!(questions(1).1, 1);
    // What comes after so many bytes is not read.
    let ehr = FakeEhr::holding(held.clone()).starts();
    let app = TestApp::with_settings(|settings| {
        settings.ehr.servers = vec![ehr.base()];
        settings.ehr.allow_private = true;
        settings.limits.reply_bytes = 10;
    });
    let reply = app.sign(bare(&ehr));
    if reply.status == 200 {
        assert!(!reply.says("covered").contains(&"covered".to_owned()), "{}", reply.text());
    }
}

#[test]
fn b03_an_answer_that_takes_more_work_than_one_may_is_refused() {
    let app = TestApp::with_settings(|settings| settings.limits.cpu_millis = 1);
    // A megabyte is not even read in a millisecond.
    let many = |count: usize| Value::from_iter((0..count).map(|number| json!({"text": format!("note {number}")})));
    app.sign(order("47383").ordering("note", many(30_000))).refused(422, "too-costly").nowhere();
    assert_eq!(app.recorded(), 0);
}

#[test]
fn b03_a_large_request_is_answered_beside_the_workers_as_a_small_one_is() {
    let app = TestApp::start();
    let large = long_order(200_000);
    let answer = app.sign(&large).decided();
    answer.returns(&large.order_text());
    assert_eq!(answer.says("covered"), app.sign(order("47383")).decided().says("covered"));
    assert_eq!(app.recorded(), 2);
}

#[test]
fn b03_who_hangs_up_leaves_the_place_to_others_at_once() {
    let ehr = FakeEhr::empty().but("Coverage", Behaviour::Hangs).starts();
    let app = TestApp::with_settings(|settings| {
        settings.ehr.servers = vec![ehr.base()];
        settings.ehr.allow_private = true;
        settings.ehr.deadline_millis = 60_000;
        settings.limits.in_flight = 1;
    });
    for bytes in [10, 200_000] {
        let before = ehr.requests().len();
        let waits = app.connect().sends_call(long_order(bytes).with("/prefetch", json!({})).of(&ehr));
        eventually(|| ehr.requests().len() > before);
        app.sign(order("47383")).refused(503, "throttled");
        drop(waits);
        eventually(|| app.sign(order("47383")).status == 200);
    }
}

/// Comes back when it is so.
fn eventually(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "it is never so");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Two registered clients, of whom each may have half.
fn two(ledger: TestLedger, change: impl FnOnce(&mut covenant::config::Settings)) -> (TestApp, [Signer; 2]) {
    let signers = ["one", "other"].map(Signer::es384);
    let clients = signers.each_ref().map(|signer| {
        let (name, keys) = (&signer.id, jwks([signer.jwk()]));
        format!("[[client]]\nname = \"{name}\"\nissuer = \"https://{name}.example\"\njwks = '{keys}'\n")
    });
    (TestApp::guarded_with(ledger, &clients.concat(), change), signers)
}

fn token(signer: &Signer) -> String {
    bearer(&Draft::of(&format!("https://{}.example", signer.id), signer).signed_by(signer))
}

#[test]
fn b04_a_client_that_has_its_share_of_places_leaves_the_others_theirs() {
    let (ledger, gate) = TestLedger::held();
    let (app, [one, other]) = two(ledger, |settings| settings.limits.in_flight = 2);
    let sign = |signer: &Signer| app.sign_with_header("Authorization", &token(signer), order("47383"));
    thread::scope(|scope| {
        let first = scope.spawn(|| sign(&one));
        gate.wait_for_one();
        sign(&one).refused(429, "throttled").nowhere().with_header("retry-after", "1");
        let second = scope.spawn(|| sign(&other));
        gate.wait_for_one();
        gate.open();
        first.join().unwrap().decided();
        second.join().unwrap().decided();
    });
    sign(&one).decided();
}

#[test]
fn b04_a_client_that_has_its_share_of_bytes_leaves_the_others_theirs() {
    let (ledger, gate) = TestLedger::held();
    let (app, [one, other]) = two(ledger, |settings| {
        settings.limits.body_bytes = 50_000;
        settings.limits.bytes_in_flight = 100_000;
    });
    let sign = |signer: &Signer| app.sign_with_header("Authorization", &token(signer), long_order(30_000));
    thread::scope(|scope| {
        let first = scope.spawn(|| sign(&one));
        gate.wait_for_one();
        sign(&one).refused(429, "throttled");
        let second = scope.spawn(|| sign(&other));
        gate.wait_for_one();
        gate.open();
        first.join().unwrap().decided();
        second.join().unwrap().decided();
    });
    sign(&one).decided();
}

#[test]
fn b04_an_address_has_so_many_connections_and_one_more_is_closed() {
    let app = TestApp::with_settings(|settings| settings.limits.connections_per_address = 2);
    // Each says that it will go on, and is held for as long as that may take.
    let open: Vec<_> = (0..2).map(|_| app.connect().sends("POST /")).collect();
    thread::sleep(Duration::from_millis(300));
    // Without a word: whoever is let in and says nothing is told so after five seconds.
    assert!(app.connect().ends_by_the_server(), "a third connection is let in");
    drop(open);
    eventually(|| app.sign(order("47383")).status == 200);
}

#[test]
fn b05_markdown_that_is_too_long_or_too_deep_is_refused() {
    let app = TestApp::start();
    let written = |text: &str| app.post_to("/desk/markdown", json!({ "text": text }).to_string());
    written(&"<b>x\n\n".repeat(17_000)).refused(422, "too-costly").at("text");
    written(&"> ".repeat(10_000)).refused(422, "too-costly").at("text");
    assert!(written("**one** <b>two").json()["html"].as_str().unwrap().contains("<strong>one</strong> two"));
    // The dearest that is written: what is left open is not opened again in each paragraph.
    let began = Instant::now();
    assert_eq!(written(&"<b><i>x\n\n".repeat(6_000)).status, 200);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn b06_a_server_whose_workers_are_all_stuck_is_not_alive() {
    let app = TestApp::operated(TestLedger::sticking(Duration::from_secs(8)));
    assert_eq!(app.ops().get("/healthz").status, 200);
    let workers = thread::available_parallelism().unwrap().get();
    thread::scope(|scope| {
        // As many that every worker has one.
        for _ in 0..4 * workers {
            scope.spawn(|| app.try_sign(order("47383")));
        }
        eventually(|| app.ops().get("/healthz").status == 503);
        eventually(|| app.ops().get("/healthz").status == 200);
    });
}

#[test]
fn b01_a_card_has_so_much_feedback_and_one_more_is_refused() {
    let app = TestApp::start();
    let cards = app.sign(order("47383")).decided().cards();
    let item = |card: &str| json!({"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-11-22T12:00:00Z"});
    let told = |items: Vec<Value>| app.tell(json!({ "feedback": items }).to_string());
    let one = &cards[0];
    for _ in 0..2 {
        assert_eq!(told(vec![item(one); 100]).status, 200);
    }
    told(vec![item(one); 57]).refused(422, "too-costly").at("feedback[56].card");
    assert_eq!(told(vec![item(one); 56]).status, 200);
    told(vec![item(one)]).refused(422, "too-costly").at("feedback[0].card");
    assert_eq!(app.told(one).len(), 256);
}

#[test]
fn an_answer_that_cannot_be_stored_is_the_request_s_own_cost_and_is_never_given() {
    use covenant::config::OnFailure;
    use covenant::record::LedgerError;
    for on_failure in [OnFailure::Refuse, OnFailure::Answer] {
        let app = TestApp::with(TestLedger::failing(LedgerError::Unstorable), |settings| {
            settings.ledger.on_failure = on_failure
        });
        app.sign(order("47383")).refused(422, "too-costly");
    }
}
