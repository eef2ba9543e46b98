//! Looking back over HTTP: with a token, under its name, and never with a value in a refusal or a log.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use covenant::config::Role;
use covenant::http;
use covenant::http::ops::Ops;
use covenant::policy::load;
use covenant::record::{Entry, Ledger, LedgerError, MasterKeys, PostgresLedger, Search, Server, wait};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::exported::read;
use crate::metrics::entries::refused;
use crate::support::{CANARY, Caller, Place, Reply, SECRET, TestApp, TestLedger, app_with, order, postgres, token};

/// Every route, with what it needs.
const ROUTES: [&str; 8] = [
    "/ledger/explain/x",
    "/ledger/replay/x",
    "/ledger/entries/x",
    "/ledger/entries?member=canary",
    "/ledger/export?from=2026-01-01",
    "/ledger/verify",
    "/ledger/metrics",
    "/ledger/metrics?format=data",
];

fn app() -> TestApp {
    TestApp::operated(TestLedger::ordinary())
}

/// The policies that it serves with are in its ledger, as a server's are.
fn keeps_policies(app: &TestApp) {
    let files = fhir_resources::embedded();
    let hash = load::hash(&files);
    app.keeps_policies(&hash, &files.into_iter().map(|file| (file.path, file.bytes)).collect::<Vec<_>>());
}

fn get(app: &TestApp, path: &str) -> Reply {
    app.ops().get_as_operator(path, SECRET)
}

/// Must be a refusal that names a parameter, or none, and quotes nothing.
#[track_caller]
fn wrong(reply: &Reply, parameter: Option<&str>) {
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert_eq!(reply.json().get("parameter").and_then(Value::as_str), parameter, "{}", reply.text());
    assert!(!reply.text().to_lowercase().contains(CANARY), "{}", reply.text());
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[test]
fn an_operator_is_shown_why_an_answer_was_given_as_json_and_as_text() {
    let app = app();
    let answer = app.sign(order("47383")).decided();
    let path = format!("/ledger/explain/{}", answer.assertions()[0]);
    let reply = get(&app, &path);
    assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")));
    assert_eq!(reply.json()["orders"][0]["determinations"][0]["answer"], "not covered");
    let bearer = format!("Bearer {SECRET}");
    let accepting = |kind| app.ops().get_with(&path, &[("Authorization", &bearer), ("Accept", kind)]);
    for kind in ["text/plain", "text/html, text/plain;q=0.9, */*;q=0.1"] {
        let reply = accepting(kind);
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"), "{kind}");
        assert!(reply.text().contains("CPT 47383: not covered"), "{}", reply.text());
    }
    for kind in ["application/json", "*/*", "application/json, text/plain", "image/png"] {
        assert!(accepting(kind).json().is_object(), "{kind}");
    }
    // Four of JSON, two of text, and the first: each is kept under the token's name.
    let looks = app.looks(answer.request_id());
    assert_eq!(looks.len(), 7);
    assert!(looks.iter().all(|look| look.who == "alice" && look.how == "explain"), "{looks:?}");
}

#[test]
fn an_operator_replays_and_is_shown_an_entry_whole() {
    let app = app();
    let answer = app.sign(order("47383")).decided();
    let id = answer.request_id();
    // The set that serves is kept when a server starts; here there is none but the test.
    let without = get(&app, &format!("/ledger/replay/{id}"));
    assert_eq!((without.status, &without.json()["error"]), (409, &json!("It cannot be made again.")));
    let files = fhir_resources::embedded().into_iter().map(|file| (file.path, file.bytes)).collect::<Vec<_>>();
    app.keeps_policies(&app.entry(&answer.assertions()[0]).policy_set, &files);
    let reply = get(&app, &format!("/ledger/replay/{id}"));
    assert_eq!((reply.status, &reply.json()["same"]), (200, &json!(true)), "{}", reply.text());
    assert!(reply.text().contains(answer.text()), "the answer is not in it byte for byte");
    let reply = get(&app, &format!("/ledger/entries/{id}"));
    assert_eq!(reply.json()["hookInstance"].as_str().map(str::len), Some(36));
    assert!(reply.text().contains(answer.text()));
    let how: Vec<String> = reply.json()["looks"].as_array().unwrap().iter().map(|it| it["how"].to_string()).collect();
    assert_eq!(how, ["\"replay\"", "\"replay\""]);
}

#[test]
fn an_operator_finds_entries_by_what_is_known_of_them() {
    let app = app();
    let answer = app.sign(order("47383")).decided();
    app.sign(order("47381")).decided();
    let entry = app.entry(&answer.assertions()[0]);
    let found = |query: &str| -> Vec<Value> {
        let reply = get(&app, &format!("/ledger/entries{query}"));
        assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")), "{}", reply.text());
        assert!(!reply.text().to_lowercase().contains(CANARY), "{}", reply.text());
        reply.json()["entries"].as_array().unwrap().clone()
    };
    assert_eq!(found("").len(), 2);
    assert_eq!(found("?limit=1").len(), 1);
    assert_eq!(found(&format!("?member={}", entry.members[0])).len(), 2);
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::get("America/New_York").unwrap()).date();
    assert_eq!(found(&format!("?from={today}&to={today}&client=local&policy=633")).len(), 2);
    assert_eq!(found("?to=2020-01-01").len(), 0);
    assert_eq!(found("?from=2026-01-01T00:00:00-05:00&client=other").len(), 0);
    for query in [format!("?assertion={}", answer.assertions()[0]), format!("?hook-instance={}", entry.hook_instance)] {
        let found = found(&query);
        let [line] = found.as_slice() else { panic!("not one entry: {found:?}") };
        assert_eq!((&line["id"], &line["status"]), (&json!(entry.id), &json!(200)));
        assert_eq!((&line["assertions"], &line["policies"]), (&json!(entry.assertions), &json!(["633"])));
    }
}

#[test]
fn a_wrong_parameter_is_named_and_not_quoted() {
    let app = app();
    for (path, parameter) in [
        ("/ledger/entries?limit=canary", Some("limit")),
        ("/ledger/entries?limit=0", Some("limit")),
        ("/ledger/entries?limit=1001", Some("limit")),
        ("/ledger/entries?from=canary", Some("from")),
        ("/ledger/entries?to=2026-02-30", Some("to")),
        ("/ledger/entries?member=", Some("member")),
        ("/ledger/entries?member=canary&member=canary", Some("member")),
        ("/ledger/entries?canary=canary", None),
        ("/ledger/explain/x?canary=1", None),
        ("/ledger/export", Some("from")),
        ("/ledger/export?from=2026-02-01&to=2026-01-01", Some("to")),
        ("/ledger/metrics?from=canary", Some("from")),
        ("/ledger/metrics?format=canary", Some("format")),
        ("/ledger/metrics?from=2026-02-01&to=2026-01-01", Some("to")),
    ] {
        wrong(&get(&app, path), parameter);
    }
    for (path, parameter) in [
        ("/ledger/prune", Some("before")),
        ("/ledger/prune?before=canary", Some("before")),
        ("/ledger/prune?before=2010-01-01&confirm=canary", Some("confirm")),
        ("/ledger/prune?before=2025-01-01&confirm=true", Some("before")),
    ] {
        wrong(&app.ops().post_as_operator(path, SECRET), parameter);
    }
}

#[test]
fn an_id_that_is_not_there_is_not_found_and_not_quoted() {
    let app = app();
    for path in ["/ledger/explain/canary", "/ledger/replay/canary", "/ledger/entries/canary"] {
        let reply = get(&app, path);
        assert_eq!((reply.status, reply.json()), (404, json!({"error": "Nothing has this id."})), "{path}");
    }
}

#[test]
fn l06_without_a_token_nothing_of_the_ledger_is_shown() {
    let app = app();
    app.sign(order("47383")).decided();
    for path in ROUTES {
        assert_eq!(app.ops().get(path).status, 401, "{path}");
        app.get_as_operator(path, SECRET).refused(404, "not-found");
    }
    assert_eq!(app.ops().post_to("/ledger/prune?before=2010-01-01&confirm=true", "").status, 401);
    assert_eq!(app.searched(&Search::default()), 1);
}

#[test]
fn l06_an_operator_is_shown_nothing_if_the_look_cannot_be_kept() {
    let app = TestApp::operated(TestLedger::without_looks(LedgerError::Full));
    let answer = app.sign(order("47383")).decided();
    let said = json!({"error": "The ledger cannot be used now, so nothing is shown."});
    for path in ROUTES.map(|path| path.replace("/x", &format!("/{}", answer.request_id()))) {
        if path != "/ledger/verify" {
            let reply = get(&app, &path);
            assert_eq!((reply.status, reply.json()), (503, said.clone()), "{path}");
        }
    }
    let metrics = app.ops().get("/metrics").text().to_owned();
    assert!(metrics.contains("covenant_ledger_failures_total"), "{metrics}");
}

#[test]
fn an_export_is_streamed_line_by_line_and_whole() {
    let app = app();
    let kept: Vec<Uuid> = (0..200).map(|_| keeps_refusal(&app, "2026-03-01T12:00:00Z")).collect();
    app.sign(order("47383")).decided();
    let reply = get(&app, "/ledger/export?from=2026-03-01&to=2026-03-01");
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/fhir+ndjson")));
    assert_eq!((reply.header("cache-control"), reply.header("content-length")), (Some("no-store"), None));
    assert_eq!(reply.text().lines().map(read).count(), kept.len());
    let all = get(&app, "/ledger/export?from=2026-03-01");
    assert_eq!(all.text().lines().map(read).count(), kept.len() + 1);
    let empty = get(&app, "/ledger/export?from=2020-03-01&to=2020-03-02");
    assert_eq!((empty.status, empty.text()), (200, ""));
    let data = get(&app, "/ledger/metrics?from=2026-03-01&to=2026-03-01&format=data");
    assert_eq!((data.text().lines().count(), data.header("content-type")), (200, Some("application/x-ndjson")));
}

#[test]
fn what_lies_in_postgresql_is_shown_the_same_way() {
    let Some(database) = postgres::shared() else { return };
    let server = Server { patience: Duration::from_secs(20), ..Server::at(&database.url(), "one") };
    let ledger = Arc::new(PostgresLedger::open(&server, &MasterKeys::default()).unwrap());
    super::both::keep_policies(&*ledger);
    let entry = Entry { id: Uuid::new_v4(), ..refused(400, "value", "No.") };
    wait(ledger.append(entry.clone())).unwrap();
    let (app, socket) = (Arc::new(app_with(ledger.clone())), TcpListener::bind("127.0.0.1:0").unwrap());
    let ops = Caller::of(socket.local_addr().unwrap());
    let tokens = vec![token("alice", SECRET, &Role::ALL)];
    let (tell, told) = mpsc::channel();
    let serving = thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            let server = http::ops::serve(Ops { socket, tokens }, app).unwrap();
            tell.send(server.handle()).unwrap();
            server.await.unwrap();
        });
    });
    let handle = told.recv().unwrap();
    let get = |path: &str| ops.get_as_operator(path, SECRET);
    assert_eq!(get(&format!("/ledger/explain/{}", entry.id)).json()["status"], 400);
    assert_eq!(get("/ledger/entries").json()["entries"].as_array().unwrap().len(), 1);
    assert_eq!(get("/ledger/export?from=2026-01-01").text().lines().map(read).count(), 1);
    assert_eq!(get("/ledger/verify").json()["holds"], true);
    let looks = ledger.looks(entry.id).unwrap();
    let how: Vec<&str> = looks.iter().map(|look| look.how.as_str()).collect();
    assert_eq!((how, looks[0].who.as_str()), (vec!["explain", "search"], "alice"));
    // It is told at once; what is waited for is the thread.
    drop(handle.stop(false));
    serving.join().unwrap();
}

fn keeps_refusal(app: &TestApp, at: &str) -> Uuid {
    let entry = Entry { id: Uuid::new_v4(), at: at.parse().unwrap(), ..refused(400, "value", "No.") };
    app.keeps(entry.clone());
    entry.id
}

#[test]
fn an_export_that_nobody_reads_holds_nobody_up() {
    let app = app();
    for _ in 0..20 {
        let large = vec![b' '; 1 << 20];
        let entry = Entry { request: large.into(), ..refused(400, "value", "No.") };
        app.keeps(Entry { id: Uuid::new_v4(), ..entry });
    }
    let mut slow = TcpStream::connect(app.ops().address).unwrap();
    let head =
        format!("GET /ledger/export?from=2026-01-01 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\n\r\n");
    slow.write_all(head.as_bytes()).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut start = [0; 15];
    slow.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 200 OK");
    // It is read no further; others are answered, and the server ends though it is not read.
    app.sign(order("47383")).decided();
    assert_eq!(get(&app, "/ledger/verify").status, 200);
}

#[test]
fn verify_says_in_words_and_figures_how_far_the_chain_holds() {
    let app = app();
    keeps_policies(&app);
    app.sign(order("47383")).decided();
    let reply = get(&app, "/ledger/verify");
    let said = reply.json();
    assert_eq!((reply.status, &said["holds"], &said["entries"]), (200, &json!(true), &json!(1)));
    assert_eq!((&said["words"], &said["chains"][0]["flaws"]), (&json!("1 entry, the chain holds"), &json!([])));
}

#[test]
fn the_measures_come_in_each_format() {
    let app = app();
    app.sign(order("47383")).decided();
    assert_eq!(get(&app, "/ledger/metrics").json()["total"]["invocations"], 1);
    let kind = |format: &str, kind: &str| {
        let reply = get(&app, &format!("/ledger/metrics?format={format}"));
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(kind)));
        reply.text().to_owned()
    };
    assert!(kind("table", "text/plain; charset=utf-8").contains("total"));
    assert!(kind("csv", "text/csv; charset=utf-8").contains("total,,,invocations,1,,"));
    assert!(kind("data", "application/x-ndjson").contains("\"hookType\":\"order-sign\""));
}

#[test]
fn l08_pruning_wants_to_be_confirmed_and_is_only_posted() {
    let app = app();
    for at in ["2010-01-01T12:00:00Z", "2011-01-01T12:00:00Z", "2026-01-01T12:00:00Z"] {
        keeps_refusal(&app, at);
    }
    let post = |query: &str| app.ops().post_as_operator(&format!("/ledger/prune?{query}"), SECRET);
    let unconfirmed = post("before=2011-01-01");
    wrong(&unconfirmed, Some("confirm"));
    assert_eq!((&unconfirmed.json()["wouldGo"], app.searched(&Search::default())), (&json!(1), 3));
    let read = get(&app, "/ledger/prune?before=2011-01-01&confirm=true");
    assert_eq!((read.status, read.header("allow"), app.searched(&Search::default())), (405, Some("POST"), 3));
    let done = post("before=2011-01-01&confirm=true");
    assert_eq!((done.status, &done.json()["gone"]), (200, &json!(1)));
    assert_eq!(post("before=2011-01-01&confirm=true").json()["gone"], 0);
    let lawful = post("before=2026-02-01&confirm=true&less-than-six-years-is-lawful-here=true");
    assert_eq!((lawful.status, &lawful.json()["gone"], app.searched(&Search::default())), (200, &json!(2), 0));
    assert_eq!(get(&app, "/ledger/verify").json()["holds"], true);
}

#[test]
fn a_member_in_a_query_is_in_no_log_line() {
    let place = Place::empty();
    let token = format!("alice:{SECRET}");
    let server = place.serve_in(&[
        ("COVENANT_LISTEN", "127.0.0.1:0"),
        ("COVENANT_OPS_LISTEN", "127.0.0.1:0"),
        ("COVENANT_OPS_TOKENS", &token),
        ("RUST_LOG", "trace"),
    ]);
    let ops = server.ops();
    server.sign(order("47383")).decided();
    for route in ROUTES.iter().map(|route| route.replace("/x", "/canary")) {
        ops.get_as_operator(&route, SECRET);
    }
    for route in ["/ledger/entries?member=canary-number&limit=canary", "/ledger/canary", "/ledger/entries?canary=1"] {
        ops.get_as_operator(route, SECRET);
        ops.get(route);
    }
    ops.post_as_operator("/ledger/prune?before=canary", SECRET);
    let (out, err) = server.kill();
    assert!(err.contains("alice") && err.contains("/ledger/entries"), "{err}");
    assert!(!format!("{out}{err}").to_lowercase().contains(CANARY), "{out}{err}");
    let looks = place.run(&["ledger", "show", "canary"]).failed(1, &["nothing in the ledger has this id"]);
    assert!(!looks.err.contains(CANARY));
}
