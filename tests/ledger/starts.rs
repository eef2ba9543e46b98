//! What a ledger's start needs of a database, and what is refused by its name.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use covenant::record::{Ledger, LedgerError, MasterKeys, PostgresLedger, Server, wait};

use super::engines::entry;
use crate::support::Place;
use crate::support::postgres::{self, Cluster};

fn open(server: &Server) -> Result<PostgresLedger, LedgerError> {
    PostgresLedger::open(server, &MasterKeys::default())
}

/// The server does not start, and names what is wrong.
fn is_refused(url: &str, code: i32, word: &str) {
    Place::empty()
        .run_in(&[("COVENANT_LISTEN", "127.0.0.1:0"), ("COVENANT_LEDGER_URL", url)], &["serve"])
        .failed(code, &[word]);
}

#[test]
fn a_database_that_may_lose_a_commit_is_refused_by_its_setting() {
    let Some(database) = postgres::shared() else { return };
    for (setting, value, named) in [
        ("synchronous_commit", "off", "synchronous_commit"),
        ("default_transaction_read_only", "on", "transaction_read_only"),
    ] {
        database.ask(&format!("ALTER DATABASE {} SET {setting} = {value}", database.name()));
        is_refused(&database.url(), 2, named);
        database.ask(&format!("BEGIN READ WRITE; ALTER DATABASE {} RESET ALL; COMMIT", database.name()));
    }
    // A commit that waits for less than the disk of a standby is made to wait for it.
    database.ask(&format!("ALTER DATABASE {} SET synchronous_commit = local", database.name()));
    wait(open(&Server::at(&database.url(), "one")).unwrap().append(entry(&["a1"]))).unwrap();
}

#[test]
fn a_server_that_does_not_sync_is_refused_by_its_setting() {
    let Some(cluster) = Cluster::own_with(&["fsync=off"]) else { return };
    is_refused(&cluster.database().url(), 2, "fsync");
}

#[test]
fn a_database_of_a_later_schema_is_refused_and_left_as_it_was() {
    let Some(database) = postgres::shared() else { return };
    let server = Server::at(&database.url(), "one");
    wait(open(&server).unwrap().append(entry(&["a1"]))).unwrap();
    database.ask("INSERT INTO ledger_versions VALUES (99)");
    assert_eq!(open(&Server::at(&database.url(), "two")).err(), Some(LedgerError::Foreign));
    is_refused(&database.url(), 1, "is not a ledger that this version can read");
    assert_eq!(database.ask("SELECT name FROM ledger_nodes"), [[Some("one".to_owned())]]);
}

#[test]
fn an_empty_database_is_no_ledger_to_look_at_and_one_to_write_to() {
    let Some(database) = postgres::shared() else { return };
    let server = Server::at(&database.url(), "one");
    assert!(PostgresLedger::archive(&server, &MasterKeys::default()).is_err());
    assert_eq!(database.ask("SELECT count(*) FROM pg_class WHERE relname LIKE 'ledger%'"), [[Some("0".to_owned())]]);
    assert_eq!(wait(open(&server).unwrap().append(entry(&["a1"]))).unwrap().seq(), 1);
}

#[test]
fn nodes_that_start_at_once_on_an_empty_database_all_start() {
    let Some(database) = postgres::shared() else { return };
    let keys = MasterKeys::read(&format!("1:{}", "01".repeat(32))).unwrap();
    let together = Barrier::new(6);
    // So little patience that making the tables takes longer.
    let patience = Duration::from_millis(500);
    thread::scope(|scope| {
        for node in ["a", "b", "c", "d", "e", "e"] {
            let (together, keys, url) = (&together, &keys, database.url());
            scope.spawn(move || {
                together.wait();
                let server = Server { patience, ..Server::at(&url, node) };
                let ledger = PostgresLedger::open(&server, keys).unwrap();
                wait(ledger.append(entry(&[]))).unwrap();
                assert_eq!(ledger.ready(), Ok(()));
            });
        }
    });
    let ledger = PostgresLedger::archive(&Server::at(&database.url(), "a"), &keys).unwrap();
    let verdict = ledger.verify().unwrap();
    assert_eq!((verdict.chains.len(), verdict.entries, verdict.flaw()), (5, 6, None));
}
