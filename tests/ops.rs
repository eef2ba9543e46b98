//! The operations listener: what it tells whom, and that it is apart from the public one.

mod counting;
mod figures;
mod judged;
mod page;
mod roles;
mod settings;
mod shown;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use covenant::record::{LedgerError, Trouble};
use serde_json::{Value, json};

use crate::support::{Caller, Place, PolicyFolder, RULES, Reply, SECRET, TestApp, TestLedger, order};

/// What anybody may see who reaches the listener.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// What takes an operator.
const CLOSED: [&str; 1] = ["/policies"];

fn app() -> TestApp {
    TestApp::operated(TestLedger::ordinary())
}

/// A value of the metrics, by all that stands before it.
fn metric(ops: &Caller, name: &str) -> Option<f64> {
    let reply = ops.get("/metrics");
    assert_eq!(reply.status, 200);
    let value = reply.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    Some(value.parse().unwrap())
}

/// Must be the one refusal that strangers get, whatever they have shown.
#[track_caller]
fn is_unknown(reply: &Reply) {
    assert_eq!((reply.status, reply.text()), (401, r#"{"error":"An operator's token is needed."}"#));
    assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[test]
fn a_server_that_works_is_alive_and_ready() {
    let app = app();
    for (path, said) in [("/healthz", json!({"alive": true})), ("/readyz", json!({"ready": true}))] {
        let reply = app.ops().get(path);
        assert_eq!((reply.status, reply.json()), (200, said), "{path}");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
    }
}

#[test]
fn l01_not_ready_while_the_ledger_is_down_and_alive_all_the_same() {
    for error in
        [LedgerError::Full, LedgerError::Unavailable(Trouble::Connection), LedgerError::Poisoned, LedgerError::Locked]
    {
        let app = TestApp::operated(TestLedger::failing(error));
        let reply = app.ops().get("/readyz");
        assert_eq!((reply.status, reply.json()), (503, json!({"ready": false, "notReady": ["ledger"]})), "{error:?}");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(app.ops().get("/healthz").status, 200);
        assert_eq!(app.ops().get("/metrics").status, 200);
    }
}

#[test]
fn l01_not_ready_while_the_ledger_does_not_say_whether_it_is() {
    let app = TestApp::operated(TestLedger::silent(Duration::from_secs(6)));
    let asked = Instant::now();
    assert_eq!(app.ops().get("/readyz").status, 503);
    assert!(asked.elapsed() < Duration::from_secs(5), "it was waited for");
    assert_eq!(app.ops().get("/healthz").status, 200);
}

/// Waits until something is so, and gives up when it never is.
#[track_caller]
fn until(what: &str, so: impl Fn() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(30), "it never is so that {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn p02_a_folder_that_is_not_proved_is_told_while_the_old_set_serves_and_is_ready() {
    let (place, folder) = (Place::empty(), PolicyFolder::copy());
    let path = folder.path().to_str().unwrap().to_owned();
    let token = format!("alice:{SECRET}");
    let server = place.serve_in(&[
        ("COVENANT_LISTEN", "127.0.0.1:0"),
        ("COVENANT_OPS_LISTEN", "127.0.0.1:0"),
        ("COVENANT_OPS_TOKENS", &token),
        ("COVENANT_POLICIES", &path),
        ("COVENANT_POLICIES_LOOK_SECONDS", "1"),
    ]);
    let ops = server.ops();
    let failed = || metric(&ops, "covenant_policy_reload_failed");
    let serves = || ops.get_as_operator("/policies", SECRET).json();
    let before = serves();
    assert_eq!(failed(), Some(0.0));
    let rules = fs::read_to_string(folder.path().join(RULES)).unwrap();
    let folder = folder.writing(RULES, "{}");
    until("the failure is told", || failed() == Some(1.0));
    assert_eq!(ops.get("/readyz").status, 200);
    let page = || ops.get_as_operator("/", SECRET).text().to_owned();
    let told = "The policy folder has changed and is not proved; the set before it serves.";
    assert!(page().contains(told), "{}", page());
    assert_eq!(serves(), before);
    server.sign(order("47383")).decided();
    let folder = folder.writing(RULES, &rules.replace("Not covered: {{code}}", "Not a benefit: {{code}}"));
    until("another set serves", || serves()["set"] != before["set"]);
    until("nothing has failed any more", || failed() == Some(0.0));
    assert!(!page().contains(told), "{}", page());
    assert!(serves()["since"].as_str() > before["since"].as_str());
    drop(folder);
}

#[test]
fn operators_see_which_policies_serve_how_they_were_proved_and_since_when() {
    let app = app();
    let reply = app.ops().get_as_operator("/policies", SECRET);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let said = reply.json();
    let proved = covenant::policy::open(None).unwrap();
    assert_eq!(said["set"], proved.set.hash);
    let proof = proved.proof;
    let counts = json!({"policies": proof.policies, "combinations": proof.combinations, "cases": proof.cases});
    assert_eq!(said["proof"], counts);
    let since: jiff::Timestamp = said["since"].as_str().unwrap().parse().unwrap();
    assert!(since <= jiff::Timestamp::now());
}

#[test]
fn without_a_token_only_health_and_numbers_are_told() {
    let app = app();
    for path in OPEN {
        assert_eq!(app.ops().get(path).status, 200, "{path}");
    }
    for path in CLOSED {
        is_unknown(&app.ops().get(path));
    }
    // Nor whether there is anything.
    is_unknown(&app.ops().get("/ledger"));
    is_unknown(&app.ops().post_to("/healthz", "{}"));
    let known = |path| app.ops().get_as_operator(path, SECRET);
    assert_eq!((known("/ledger").status, known("/nothing").status), (404, 404));
}

#[test]
fn with_a_token_what_is_only_read_cannot_be_written() {
    let app = app();
    let head = format!("POST /policies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\nContent-Length: 0\r\n");
    let reply = app.ops().connect().sends(format!("{head}\r\n")).reply();
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")));
}

/// The headers that are the same however often something is asked for.
fn lasting(reply: &Reply) -> Vec<(String, String)> {
    let mut headers: Vec<_> = reply.headers.iter().filter(|(name, _)| name != "date").cloned().collect();
    headers.sort();
    headers
}

#[test]
fn head_is_answered_wherever_get_is_with_the_same_headers_and_no_body() {
    let app = app();
    let id = app.sign(order("47383")).decided().header("x-request-id").unwrap().to_owned();
    let authorization = format!("Bearer {SECRET}");
    let known = [("Authorization", &*authorization)];
    let looks = ["explain", "replay", "entries"].map(|what| format!("/ledger/{what}/{id}"));
    let export = "/ledger/export?from=2026-01-01";
    let paths =
        ["/", "/assets/ops.css", "/healthz", "/readyz", "/policies", "/ledger/verify", "/ledger/metrics", export];
    for path in paths.into_iter().chain(["/nothing"]).chain(looks.iter().map(String::as_str)) {
        let (got, head) = (app.ops().get_with(path, &known), app.ops().head_with(path, &known));
        assert_eq!((head.status, head.body.len()), (got.status, 0), "{path}");
        // What a look adds to a record is a look: the length of what tells of looks grows with each.
        let same = |reply: &Reply| -> Vec<_> {
            let grows = path == "/" || path.starts_with("/ledger");
            lasting(reply).into_iter().filter(|(name, _)| !grows || name != "content-length").collect()
        };
        assert_eq!(same(&head), same(&got), "{path}");
    }
    assert_eq!(app.ops().head_with("/metrics", &[]).status, 200);
    assert_eq!(app.ops().head_with("/policies", &[]).status, 401);
}

#[test]
fn a_wrong_token_is_none_and_is_counted() {
    let app = app();
    let (short, long) = (&SECRET[1..], format!("{SECRET}0"));
    let upper = SECRET.to_uppercase();
    let wrong = ["", "alice", &format!("alice:{SECRET}"), short, &long, &upper, &format!("{SECRET},{SECRET}")];
    for secret in wrong {
        is_unknown(&app.ops().get_as_operator("/policies", secret));
    }
    for header in [SECRET.to_owned(), format!("Basic {SECRET}"), format!("Bearer{SECRET}"), "Bearer é".to_owned()] {
        is_unknown(&app.ops().get_with("/policies", &[("Authorization", &header)]));
    }
    let right = format!("Bearer {SECRET}");
    is_unknown(&app.ops().get_with("/policies", &[("Authorization", &right), ("Authorization", &right)]));
    is_unknown(&app.ops().get_with("/policies", &[("Cookie", &right), ("X-Authorization", &right)]));
    is_unknown(&app.ops().get(&format!("/policies?access_token={SECRET}")));
    assert_eq!(metric(app.ops(), "covenant_operators_refused_total"), Some(14.0));
}

#[test]
fn every_operator_is_let_in_by_the_right_token() {
    let app = app();
    for secret in [SECRET, "planted-secret-of-another-operator-0123"] {
        assert_eq!(app.ops().get_as_operator("/policies", secret).status, 200);
    }
    let lower = format!("bearer {SECRET}");
    assert_eq!(app.ops().get_with("/policies", &[("Authorization", &lower)]).status, 200);
}

#[test]
fn without_tokens_nobody_is_an_operator() {
    let app = TestApp::with_settings(|settings| settings.ops.listen = Some("127.0.0.1:0".parse().unwrap()));
    for secret in ["", SECRET] {
        is_unknown(&app.ops().get_as_operator("/policies", secret));
    }
    assert_eq!(app.ops().get("/readyz").status, 200);
}

#[test]
fn the_public_listener_has_none_of_these_routes_whoever_asks() {
    let app = app();
    for path in OPEN.iter().chain(&CLOSED).filter(|path| **path != "/policies") {
        app.get(path).refused(404, "not-found");
        app.get_as_operator(path, SECRET).refused(404, "not-found");
    }
    // What anybody reads of the policies is another thing than what operators are told of the set.
    let read = app.get_as_operator("/policies", SECRET);
    assert_eq!(read.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(read.body, app.get("/policies").body);
}

#[test]
fn the_operations_listener_has_none_of_the_public_routes_whoever_asks() {
    let app = app();
    let ops = app.ops();
    assert_eq!(app.get("/cds-services").status, 200);
    is_unknown(&ops.get("/cds-services"));
    is_unknown(&ops.sign(order("47383")));
    is_unknown(&ops.tell("{}"));
    assert_eq!(ops.get_as_operator("/cds-services", SECRET).status, 404);
    let body = order("47383").text();
    let head = format!("Host: x\r\nAuthorization: Bearer {SECRET}\r\nContent-Length: {}", body.len());
    let call = format!("POST /cds-services/order-sign-crd HTTP/1.1\r\n{head}\r\n\r\n{body}");
    assert_eq!(ops.connect().sends(call).reply().status, 404);
    assert_eq!(app.recorded(), 0);
}

#[test]
fn the_operations_listener_ends_with_the_server() {
    let app = app();
    let ops = app.ops().address;
    drop(app);
    assert!(std::net::TcpStream::connect(ops).is_err(), "it still listens");
}

#[test]
fn an_operator_is_logged_by_name_and_a_stranger_without() {
    let place = Place::empty();
    let token = format!("alice:{SECRET}");
    let server = place.serve_in(&[
        ("COVENANT_LISTEN", "127.0.0.1:0"),
        ("COVENANT_OPS_LISTEN", "127.0.0.1:0"),
        ("COVENANT_OPS_TOKENS", &token),
        ("RUST_LOG", "trace"),
    ]);
    let ops = server.ops();
    let said: Value = ops.get_as_operator("/policies", SECRET).json();
    is_unknown(&ops.get_as_operator("/policies", "planted-secret-that-is-nobodys-0123456789"));
    let metrics = ops.get("/metrics").text().to_owned();
    let (out, err) = server.kill();
    assert!(err.contains("alice") && err.contains("/policies") && err.contains("security=true"), "{err}");
    for output in [out, err, said.to_string(), metrics] {
        assert!(!output.contains("planted-secret"), "{output}");
    }
    let kept = fs::read(place.path("covenant.ledger")).unwrap();
    assert!(!kept.windows(14).any(|bytes| bytes == b"planted-secret"), "the ledger has a secret");
}
