//! The program is told to stop (FAULTS T21).

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Caller, Place, PolicyFolder, order};

fn is_stopping(ops: &Caller) -> bool {
    let reply = ops.get("/readyz");
    if reply.status == 200 {
        return false;
    }
    assert_eq!(reply.json(), json!({"ready": false, "notReady": ["stopping"]}));
    true
}

#[test]
fn t21_told_to_stop_it_is_not_ready_first_and_serves_on_and_breaks_no_connection_and_closes_the_ledger() {
    let (place, policies) = (Place::empty(), PolicyFolder::copy());
    let server = place.serve_in(&[
        ("COVENANT_LISTEN", "127.0.0.1:0"),
        ("COVENANT_OPS_LISTEN", "127.0.0.1:0"),
        ("COVENANT_DRAIN_SECONDS", "3"),
        ("COVENANT_POLICIES", policies.path().to_str().unwrap()),
        ("COVENANT_POLICIES_LOOK_SECONDS", "1"),
    ]);
    let ops = server.ops();
    let mut kept = server.connect().sends_call(order("47383").text());
    assert_eq!(kept.reply().decided().header("connection"), None);
    assert!(!is_stopping(&ops));
    server.is_told_to_stop();
    let told = Instant::now();
    while !is_stopping(&ops) {
        assert!(told.elapsed() < Duration::from_secs(2), "it is still ready");
    }
    // A connection that was kept is answered once more, and closed by us; who connects anew is answered too.
    kept = kept.sends_call(order("47383").text());
    let last = kept.last_reply().decided();
    assert_eq!(last.header("connection"), Some("close"));
    let late = server.connect().sends_call(order("47383").text()).last_reply().decided();
    let ended = server.ends();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(told.elapsed() > Duration::from_millis(2500), "it has not served on");
    // Nothing is left to be taken into the file by whoever opens it next.
    for suffix in ["-wal", "-shm"] {
        assert!(!place.path(&format!("covenant.ledger{suffix}")).exists(), "{suffix}");
    }
    let explained = place.run(&["explain", &late.assertions()[0]]).succeeded();
    assert!(explained.contains("47383"), "{explained}");
    assert_eq!(place.run(&["ledger", "verify"]).succeeded(), "3 entries, the chain holds\n");
}

#[test]
fn t21_what_was_begun_ends_though_nothing_is_waited_for() {
    let place = Place::empty();
    let server = place.serve_in(&[("COVENANT_LISTEN", "127.0.0.1:0"), ("COVENANT_DRAIN_SECONDS", "0")]);
    let body = order("47383").text();
    let length = format!("Content-Length: {}", body.len());
    let (first, rest) = body.split_at(body.len() / 2);
    let begun = server.connect().sends_head(&["Content-Type: application/json", &length]).sends(first);
    std::thread::sleep(Duration::from_millis(300));
    server.is_told_to_stop();
    std::thread::sleep(Duration::from_millis(300));
    begun.sends(rest).last_reply().decided();
    let ended = server.ends();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.err.contains("told to stop"), "{ended:?}");
}
