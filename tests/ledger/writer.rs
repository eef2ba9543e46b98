//! The one connection that writes stays in nobody's way, and nobody stays in its way.

use std::thread;
use std::time::{Duration, Instant};

use covenant::record::{Ledger, LedgerError, MasterKeys, PostgresLedger, Server, wait};
use jiff::{Timestamp, ToSpan};
use tokio_postgres::NoTls;

use super::engines::entry;
use crate::support::chaos::Chaos;
use crate::support::postgres;

/// What a busy machine may add to a time that is bounded.
const SLACK: Duration = Duration::from_secs(4);

fn open(server: &Server) -> PostgresLedger {
    PostgresLedger::open(server, &MasterKeys::default()).unwrap()
}

/// Appends until it is kept; how long it took.
fn goes_on(ledger: &PostgresLedger) -> Duration {
    let started = Instant::now();
    while let Err(error) = wait(ledger.append(entry(&[]))) {
        assert!(started.elapsed() < Duration::from_secs(20), "it does not go on: {error}");
        thread::sleep(Duration::from_millis(10));
    }
    started.elapsed()
}

/// Holds locks, or whatever else SQL says within a transaction, while something is done.
fn meanwhile<T>(url: &str, sql: &str, what: impl FnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("BEGIN; {sql}")).await.unwrap();
        client
    });
    let done = what();
    runtime.block_on(client.batch_execute("ROLLBACK")).unwrap();
    done
}

const END_THE_WRITER: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'covenant' AND state = 'idle'";

#[test]
fn readers_that_hold_every_connection_do_not_keep_the_writer_from_a_new_one() {
    let Some(database) = postgres::shared() else { return };
    let ledger = open(&Server::at(&database.url(), "one"));
    goes_on(&ledger);
    thread::scope(|scope| {
        let lock = "LOCK TABLE ledger_policy_sets IN ACCESS EXCLUSIVE MODE";
        meanwhile(&database.administrators_url(), lock, || {
            for _ in 0..8 {
                scope.spawn(|| ledger.policy_set("h").unwrap());
            }
            let waiting =
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            let started = Instant::now();
            while database.ask(waiting).len() < 3 {
                assert!(started.elapsed() < Duration::from_secs(20), "nobody reads");
                thread::sleep(Duration::from_millis(10));
            }
            database.ask(END_THE_WRITER);
            wait(ledger.append(entry(&["a1"]))).unwrap();
        });
    });
    assert!(ledger.find("a1").unwrap().is_some());
}

#[test]
fn a_connection_that_was_idle_and_is_gone_costs_nobody_an_answer() {
    let Some(database) = postgres::shared() else { return };
    let ledger = open(&Server::at(&database.url(), "one"));
    for _ in 0..8 {
        database.ask(END_THE_WRITER);
        wait(ledger.append(entry(&[]))).unwrap();
        assert_eq!(ledger.ready(), Ok(()));
    }
}

#[test]
fn a_ledger_whose_database_is_silent_can_be_dropped() {
    let Some(database) = postgres::shared() else { return };
    let chaos = Chaos::before(database.address());
    let patience = Duration::from_millis(300);
    let server = Server { patience, batch: 2, ..Server::at(&database.url_through(chaos.address()), "one") };
    let ledger = open(&server);
    goes_on(&ledger);
    chaos.hang();
    let calls: Vec<_> = (0..20).map(|_| ledger.append(entry(&[]))).collect();
    thread::scope(|scope| {
        let reader = scope.spawn(|| ledger.policy_set("h"));
        thread::sleep(Duration::from_millis(50));
        assert!(!reader.is_finished());
        chaos.refuse();
        assert!(reader.join().unwrap().is_err());
    });
    chaos.hang();
    let started = Instant::now();
    drop(ledger);
    let took = started.elapsed();
    assert!(took < patience + SLACK, "{took:?}");
    for call in calls {
        assert!(wait(call).is_err());
    }
    // Nor does a start wait for ever.
    let started = Instant::now();
    assert!(PostgresLedger::open(&server, &MasterKeys::default()).is_err());
    let took = started.elapsed();
    assert!(took < Duration::from_secs(5) + SLACK, "{took:?}");
}

#[test]
fn connections_that_the_network_has_forgotten_are_given_up_by_writer_and_readers() {
    let Some(database) = postgres::shared() else { return };
    let chaos = Chaos::before(database.address());
    let patience = Duration::from_millis(300);
    let ledger = open(&Server { patience, ..Server::at(&database.url_through(chaos.address()), "one") });
    for _ in 0..2 {
        goes_on(&ledger);
        ledger.policy_set("h").unwrap();
        chaos.forget();
        let started = Instant::now();
        ledger.policy_set("h").unwrap();
        let read = started.elapsed();
        let written = goes_on(&ledger);
        println!("read after {read:?}, written after {written:?}");
        assert!(read < 4 * patience + SLACK && written < patience + SLACK, "{read:?} {written:?}");
    }
}

#[test]
fn months_that_two_nodes_come_to_at_once_are_made_once_and_stand_in_nobodys_way() {
    let Some(database) = postgres::shared() else { return };
    let start: Timestamp = "2001-01-15T00:00:00Z".parse().unwrap();
    let months = 30;
    thread::scope(|scope| {
        for node in ["a", "b", "c"] {
            let url = database.url();
            scope.spawn(move || {
                let ledger = open(&Server { patience: Duration::from_secs(5), ..Server::at(&url, node) });
                for month in 0..months {
                    // All tables of months that are there are in use while new ones are made.
                    let at = |month: i32| start + (i64::from(month) * 31 * 24).hours();
                    let calls = (0..=month).map(|month| {
                        let mut entry = entry(&[]);
                        entry.at = at(month);
                        ledger.append(entry)
                    });
                    let calls: Vec<_> = calls.collect();
                    for call in calls {
                        wait(call).unwrap_or_else(|error| panic!("{node}, {month}: {error}"));
                    }
                }
            });
        }
    });
    let verdict = open(&Server::at(&database.url(), "a")).verify().unwrap();
    assert_eq!((verdict.entries, verdict.flaw()), (3 * 465, None));
}

#[test]
fn a_month_that_is_taken_away_is_made_again() {
    let Some(database) = postgres::shared() else { return };
    let ledger = open(&Server::at(&database.url(), "one"));
    goes_on(&ledger);
    database.ask("DROP TABLE ledger_records_2026_03, ledger_terms_2026_03");
    let lost = wait(ledger.append(entry(&[])));
    assert!(lost.is_err(), "{lost:?}");
    wait(ledger.append(entry(&[]))).unwrap();
}

#[test]
fn a_chain_that_another_holds_is_told_to_be_locked_and_then_at_once() {
    let Some(database) = postgres::shared() else { return };
    let patience = Duration::from_millis(400);
    let ledger = open(&Server { patience, ..Server::at(&database.url(), "one") });
    goes_on(&ledger);
    meanwhile(&database.administrators_url(), "SELECT 1 FROM ledger_nodes FOR UPDATE", || {
        assert_eq!(wait(ledger.append(entry(&[]))), Err(LedgerError::Locked));
        let mut times: Vec<Duration> = (0..20)
            .map(|_| {
                let started = Instant::now();
                assert!(wait(ledger.append(entry(&[]))).is_err());
                thread::sleep(Duration::from_millis(20));
                started.elapsed()
            })
            .collect();
        times.sort_unstable();
        assert!(times[15] < Duration::from_millis(120), "{times:?}");
        assert!(ledger.ready().is_err());
    });
    let took = goes_on(&ledger);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn a_database_that_no_longer_takes_writes_is_away_until_it_does() {
    let Some(database) = postgres::shared() else { return };
    let ledger = open(&Server::at(&database.url(), "one"));
    goes_on(&ledger);
    let name = database.name();
    database.ask(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    database.ask(END_THE_WRITER);
    let refused = wait(ledger.append(entry(&[])));
    assert_eq!(refused, Err(LedgerError::Setting("transaction_read_only")));
    assert!(ledger.ready().is_err());
    database.ask(&format!("BEGIN READ WRITE; ALTER DATABASE {name} RESET ALL; COMMIT"));
    let took = goes_on(&ledger);
    assert!(took < Duration::from_secs(2), "{took:?}");
}
