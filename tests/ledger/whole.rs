//! What `verify` finds beside changed records, and that it finds nothing where nothing was done.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use covenant::record::{Entry, Ledger, LedgerError, MasterKeys, PostgresLedger, Server, SqliteLedger, prune, wait};
use jiff::{Timestamp, ToSpan};
use rusqlite::Connection;

use super::engines::{NO_POLICIES, entry};
use crate::support::{Place, order, postgres};

const KEYS: (&str, &str) =
    ("COVENANT_LEDGER_KEYS", "1:0101010101010101010101010101010101010101010101010101010101010101");

/// Does what somebody could do who has the file: the triggers are as before when she is done.
fn past_the_triggers(place: &Place, sql: &str) {
    let file = Connection::open(place.path("covenant.ledger")).unwrap();
    let mut triggers = file.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").unwrap();
    let triggers: Vec<(String, String)> =
        triggers.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap();
    triggers.iter().for_each(|(name, _)| file.execute_batch(&format!("DROP TRIGGER {name}")).unwrap());
    file.execute_batch(sql).unwrap();
    triggers.iter().for_each(|(_, sql)| file.execute_batch(sql).unwrap());
}

#[test]
fn l10_what_is_removed_or_changed_beside_the_records_of_a_file_is_named() {
    let place = Place::empty();
    let server = place.serve_in(&[("COVENANT_LISTEN", "127.0.0.1:0"), KEYS]);
    for _ in 0..3 {
        server.sign(order("47383")).decided();
    }
    server.end_by_signal();
    let whole = std::fs::read(place.path("covenant.ledger")).unwrap();
    let verify = || place.run(&["ledger", "verify"]);
    assert_eq!(verify().succeeded(), "3 entries, the chain holds\n");
    past_the_triggers(&place, "");
    assert_eq!(verify().succeeded(), "3 entries, the chain holds\n");
    for (sql, words) in [
        ("DELETE FROM nodes", "node 1 was removed from the list of nodes"),
        ("UPDATE nodes SET node = 2", "node 1 was removed from the list of nodes"),
        ("DELETE FROM keys WHERE number = 1", "data key 1 was removed"),
        ("DELETE FROM keys WHERE number <> 1", "was removed: payloads that it encrypts cannot be read"),
        ("DELETE FROM policy_sets", "was removed, and records name it"),
        ("UPDATE policy_sets SET files = x'28b52ffd0000010000'", "policy set"),
        ("UPDATE policy_sets SET hash = 'other'", "policy set other was changed"),
    ] {
        std::fs::write(place.path("covenant.ledger"), &whole).unwrap();
        past_the_triggers(&place, sql);
        verify().failed(1, &["3 entries are whole, and\n", words]);
    }
    for (sql, words) in [
        ("DROP TRIGGER records_keep", "trigger records_keep is missing"),
        (
            "DROP TRIGGER keys_hold; CREATE TRIGGER keys_hold BEFORE DELETE ON keys BEGIN SELECT 1; END",
            "trigger keys_hold was changed",
        ),
        ("CREATE TRIGGER extra AFTER INSERT ON records BEGIN DELETE FROM ids WHERE 0; END", "trigger extra was added"),
        ("DROP INDEX records_in_time", "index records_in_time is missing"),
        ("ALTER TABLE policy_sets ADD COLUMN more TEXT", "table policy_sets was changed"),
    ] {
        std::fs::write(place.path("covenant.ledger"), &whole).unwrap();
        Connection::open(place.path("covenant.ledger")).unwrap().execute_batch(sql).unwrap();
        verify().failed(1, &["3 entries are whole, and\n", "the schema was changed: ", words]);
    }
}

#[test]
fn l10_records_of_a_node_that_is_not_listed_are_walked() {
    let place = Place::empty();
    let server = place.serve();
    for _ in 0..3 {
        server.sign(order("47383")).decided();
    }
    server.end_by_signal();
    past_the_triggers(&place, "DELETE FROM nodes; UPDATE records SET head = '{}' WHERE seq = 2");
    let named = ["node 1: record 2 was changed", "node 1 was removed from the list of nodes"];
    place.run(&["ledger", "verify"]).failed(1, &named);
}

#[test]
fn l10_what_is_removed_or_changed_beside_the_records_of_a_database_is_named() {
    for (sql, words) in [
        ("", ""),
        ("DELETE FROM ledger_nodes WHERE node = 1", "node 1 was removed from the list of nodes"),
        ("DELETE FROM ledger_keys WHERE number = 1", "data key 1 was removed"),
        ("DELETE FROM ledger_policy_sets", "was removed, and records name it"),
        ("UPDATE ledger_policy_sets SET files = '\\x00'", "was changed"),
        ("DROP TRIGGER records_keep ON ledger_records", "ledger_records: trigger records_keep is missing or changed"),
        ("ALTER TABLE ledger_ids DISABLE TRIGGER ids_hold", "ledger_ids: trigger ids_hold is missing or changed"),
        ("DROP TRIGGER stay ON ledger_terms_2026_03", "ledger_terms_2026_03: trigger stay is missing or changed"),
        (
            "CREATE OR REPLACE FUNCTION ledger_keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
            "ledger_keep: the function is missing or changed",
        ),
        ("ALTER TABLE ledger_keys ADD COLUMN more TEXT", "ledger_keys: column more was added or changed"),
    ] {
        let Some(database) = postgres::shared() else { return };
        let masters = MasterKeys::read(KEYS.1).unwrap();
        for node in ["north", "south"] {
            let ledger = PostgresLedger::open(&Server::at(&database.url(), node), &masters).unwrap();
            wait(ledger.append(entry(&[]))).unwrap();
            ledger.keep_policy_set(NO_POLICIES, &[]).unwrap();
        }
        database.ask(&format!("SET session_replication_role = replica; {sql}"));
        let url = database.url();
        let ran = Place::empty().run_in(&[("COVENANT_LEDGER_URL", &url)], &["ledger", "verify"]);
        if sql.is_empty() {
            assert_eq!(ran.succeeded(), "2 entries, the chains of 2 nodes hold\n");
        } else {
            ran.failed(1, &["2 entries are whole, and\n", words]);
        }
    }
}

/// Verifies again and again while records are kept and pruned, until all of them are.
fn verifies_beside(ledger: &dyn Ledger, looked_at: &dyn Ledger, other: &dyn Ledger) {
    const COUNT: i64 = 1500;
    let start: Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
    let done = AtomicBool::new(false);
    let mut walks = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            for batch in 0..COUNT / 50 {
                let kept = (0..50).map(|it| Entry { at: start + (batch * 50 + it).minutes(), ..entry(&["x"; 0]) });
                let kept: Vec<_> = kept.map(|entry| ledger.append(entry)).collect();
                wait(futures_util::future::try_join_all(kept)).unwrap();
                // Told on the other's chain, where there is one; in its own it is as old as the rest, and goes with it.
                let before = start + (batch * 50 - 20).minutes();
                let pruned = prune(other, "officer", before, before, &mut |_| ());
                // Somebody may be reading what is to be emptied.
                assert!(matches!(pruned, Ok(_) | Err(LedgerError::Locked)), "{pruned:?}");
            }
            done.store(true, Ordering::SeqCst);
        });
        let began = Instant::now();
        while !done.load(Ordering::SeqCst) && began.elapsed() < Duration::from_secs(120) {
            let verdict = looked_at.verify().unwrap();
            assert!(verdict.holds(), "{verdict:?}");
            walks += 1;
        }
    });
    let verdict = looked_at.verify().unwrap();
    assert!(verdict.holds() && verdict.pruned > 1000 && walks > 5, "{walks} walks: {verdict:?}");
}

#[test]
fn l11_verify_beside_writing_and_pruning_finds_nothing_in_a_file() {
    let place = Place::empty();
    let path = place.path("test.ledger");
    let ledger = SqliteLedger::open(&path).unwrap();
    let looked_at = SqliteLedger::archive(&path, &MasterKeys::default()).unwrap();
    verifies_beside(&ledger, &looked_at, &ledger);
}

#[test]
fn l11_verify_beside_writing_and_pruning_finds_nothing_in_a_database() {
    let Some(database) = postgres::shared() else { return };
    let open = |node| {
        let server = Server { patience: Duration::from_secs(10), ..Server::at(&database.url(), node) };
        PostgresLedger::open(&server, &MasterKeys::default()).unwrap()
    };
    // The one that prunes is walked first.
    let (other, ledger) = (open("a"), open("b"));
    let looked_at = PostgresLedger::archive(&Server::at(&database.url(), "a"), &MasterKeys::default()).unwrap();
    verifies_beside(&ledger, &looked_at, &other);
}
