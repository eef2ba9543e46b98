//! The ledger's files under a running server: taken away, replaced, and left behind.

use std::fs;

use covenant::record::{Ledger, LedgerError, SqliteLedger, wait};

use super::engines::entry;
use crate::support::{Place, PolicyFolder, order};

const LEDGER: &str = "covenant.ledger";

fn verify(place: &Place) -> String {
    place.run(&["ledger", "verify"]).succeeded()
}

#[test]
fn l09_nothing_is_acknowledged_while_the_file_is_moved_away_and_all_is_when_it_is_back() {
    for name in [LEDGER, "covenant.ledger-wal", "covenant.ledger-shm"] {
        let place = Place::empty();
        let server = place.serve_in(&[("COVENANT_LISTEN", "127.0.0.1:0"), ("COVENANT_OPS_LISTEN", "127.0.0.1:0")]);
        let ops = server.ops();
        server.sign(order("47383")).decided();
        assert_eq!(ops.get("/readyz").status, 200);
        fs::rename(place.path(name), place.path("away")).unwrap();
        assert_eq!(ops.get("/readyz").status, 503, "{name} is away before anybody asks");
        for _ in 0..2 {
            server.sign(order("47383")).refused(503, "no-store");
        }
        fs::rename(place.path("away"), place.path(name)).unwrap();
        server.sign(order("47383")).decided();
        assert_eq!(ops.get("/readyz").status, 200);
        assert_eq!(verify(&place), "2 entries, the chain holds\n", "{name}");
    }
}

#[test]
fn l09_nothing_is_acknowledged_after_the_file_was_deleted_or_another_was_put_in_its_place() {
    for replaced in [false, true] {
        let place = Place::empty();
        let server = place.serve();
        server.sign(order("47383")).decided();
        fs::copy(place.path(LEDGER), place.path("other")).unwrap();
        if replaced {
            fs::rename(place.path("other"), place.path(LEDGER)).unwrap();
        } else {
            fs::remove_file(place.path(LEDGER)).unwrap();
        }
        for _ in 0..2 {
            server.sign(order("47383")).refused(503, "no-store");
        }
        let (_, said) = server.kill();
        assert!(said.contains("was replaced or deleted under the server"), "{said}");
        assert_eq!(place.path(LEDGER).exists(), replaced, "a ledger was made anew");
    }
}

#[test]
fn l09_a_ledger_whose_file_is_gone_is_not_ready_and_leaves_another_s_wal_alone() {
    let place = Place::empty();
    let path = place.path("test.ledger");
    let ledger = SqliteLedger::open(&path).unwrap();
    wait(ledger.append(entry(&["a1"]))).unwrap();
    for name in ["test.ledger", "test.ledger-wal", "test.ledger-shm"] {
        fs::rename(place.path(name), place.path(&format!("old.{name}"))).unwrap();
    }
    let other = SqliteLedger::open(&path).unwrap();
    wait(other.append(entry(&["b1"]))).unwrap();
    assert_eq!(ledger.ready(), Err(LedgerError::Moved));
    assert_eq!(wait(ledger.append(entry(&["a2"]))), Err(LedgerError::Moved));
    assert_eq!(ledger.keep_policy_set("h", &[]), Err(LedgerError::Moved));
    drop(ledger);
    assert!(place.path("test.ledger-wal").exists());
    wait(other.append(entry(&["b2"]))).unwrap();
    assert!(other.verify().unwrap().holds() && other.find("a1").unwrap().is_none());
}

#[test]
fn a_server_that_end_by_signal_closes_the_ledger_though_it_watches_a_policy_folder() {
    let place = Place::empty();
    let policies = PolicyFolder::copy();
    place.write("covenant.toml", format!("policies = {:?}\npolicies_look_seconds = 1", policies.path()));
    let server = place.serve();
    server.sign(order("47383")).decided();
    assert!(place.path("covenant.ledger-wal").exists());
    let ran = server.end_by_signal();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for name in ["covenant.ledger-wal", "covenant.ledger-shm"] {
        assert!(!place.path(name).exists(), "{name} is left: {ran:?}");
    }
    assert_eq!(verify(&place), "1 entry, the chain holds\n");
}
