//! What happens when something of our own fails (FAULTS P07, L01–L04).

use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use covenant::http;
use covenant::record::{Ledger, LedgerError, Trouble};
use sha2::{Digest, Sha256};

use crate::support::{TestApp, TestLedger, app_with, assert_no_leak, order};

#[test]
fn p07_a_panic_costs_one_request_and_tells_nothing() {
    let app = TestApp::with_ledger(TestLedger::panicking_once());
    app.sign(order("47383")).refused(500, "exception").nowhere();
    for _ in 0..8 {
        app.sign(order("47383")).decided();
    }
    assert_eq!(app.recorded(), 8);
}

#[test]
fn p07_a_panic_does_not_take_the_place_of_a_request() {
    let app = TestApp::with(TestLedger::panicking_once(), |settings| settings.limits.in_flight = 1);
    let body = order("47383").text();
    app.sign(body.as_str()).refused(500, "exception");
    app.sign(body).decided();
}

#[test]
fn l01_an_answer_that_cannot_be_recorded_is_not_given() {
    for error in [LedgerError::Unavailable(Trouble::Connection), LedgerError::Full, LedgerError::Poisoned] {
        let app = TestApp::with_ledger(TestLedger::failing(error));
        app.sign(order("47383")).refused(503, "no-store").nowhere().with_header("retry-after", "2");
        assert_eq!(app.recorded(), 0);
        // What needs no record is still said.
        app.sign("{").refused(400, "structure");
    }
}

#[test]
fn l01_a_request_without_orders_is_not_answered_either() {
    let app = TestApp::with_ledger(TestLedger::failing(LedgerError::Full));
    app.sign(order("47383").without("/context/draftOrders/entry")).refused(503, "no-store");
}

#[test]
fn l01_a_queue_that_is_full_asks_to_come_back() {
    let app = TestApp::with_ledger(TestLedger::failing(LedgerError::Busy));
    app.sign(order("47383")).refused(503, "throttled").with_header("retry-after", "2");
}

#[test]
fn l03_a_ledger_that_another_process_holds_asks_to_come_back() {
    let app = TestApp::with_ledger(TestLedger::failing(LedgerError::Locked));
    app.sign(order("47383")).refused(503, "lock-error").with_header("retry-after", "2");
}

#[test]
fn l04_a_ledger_that_has_stopped_for_good_ends_the_server() {
    let ledger = Arc::new(TestLedger::failing(LedgerError::Poisoned));
    let app = app_with(ledger.clone());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let stopped = move || ledger.ready() == Err(LedgerError::Poisoned);
    let (tell, ended) = mpsc::channel();
    thread::spawn(move || {
        tell.send(http::run(listener, None, app, (Duration::from_millis(10), Duration::ZERO), stopped).unwrap())
    });
    let by_the_ledger = ended.recv_timeout(Duration::from_secs(30)).expect("the server runs on");
    assert!(by_the_ledger, "it ended for another reason");
    assert!(TcpStream::connect(address).is_err(), "it still listens");
}

#[test]
fn found_37_a_refusal_is_kept_with_its_words_and_nothing_of_what_was_refused() {
    let app = TestApp::start();
    let body = order("47383").without("/context/userId").text();
    let reply = app.sign(body.clone());
    let (said, id) = (reply.text().to_owned(), reply.request_id());
    reply.refused(400, "required");
    let refusals = app.refusals();
    let [kept] = refusals.as_slice() else { panic!("{refusals:?}") };
    assert_eq!((kept.status, kept.id, kept.service.as_str()), (400, id, "order-sign-crd"));
    assert_eq!(kept.response, said);
    let hash: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(kept.request, format!("sha256:{hash}"));
    assert_no_leak(std::str::from_utf8(&kept.response).unwrap(), "a refusal that is kept");
    assert_eq!(app.recorded(), 0);
}
