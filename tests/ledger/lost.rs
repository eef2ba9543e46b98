//! The connection to the database is lost at each step of a commit, and nobody knows how far it came: what was asked to be
//! kept is kept once, or whoever asked is told that it is not known.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use covenant::record::{Ledger, LedgerError, MasterKeys, PostgresLedger, Server, Trouble, wait};
use futures_util::future::join_all;
use uuid::Uuid;

use super::engines::entry;
use super::load::all_are_kept_once;
use crate::support::chaos::Chaos;
use crate::support::postgres;

/// A server that is not given up while a busy machine comes to it.
fn patient(url: &str) -> Server {
    Server { patience: Duration::from_secs(10), ..Server::at(url, "one") }
}

fn open(server: &Server) -> PostgresLedger {
    PostgresLedger::open(server, &MasterKeys::default()).unwrap()
}

#[test]
fn a_commit_of_which_no_word_comes_back_is_acknowledged_once_and_its_receipt_is_right() {
    let Some(database) = postgres::shared() else { return };
    let chaos = Chaos::before(database.address());
    let ledger = open(&patient(&database.url_through(chaos.address())));
    wait(ledger.append(entry(&["a1"]))).unwrap();
    chaos.lose_replies_to("COMMIT\0", 1);
    let kept = entry(&["a2", "a3"]);
    let receipt = wait(ledger.append(kept.clone())).unwrap();
    assert_eq!(chaos.losses_to_come(), 0);
    assert_eq!((receipt.seq(), ledger.find("a3").unwrap()), (2, Some(kept)));
    assert_eq!(ledger.verify().unwrap().chains[0].head, receipt.hash());
    let next = wait(ledger.append(entry(&["a4"]))).unwrap();
    assert_eq!(next.seq(), 3);
    assert_eq!(all_are_kept_once(&ledger, &["a1", "a2", "a3", "a4"].map(String::from)), 4);
}

#[test]
fn a_whole_batch_of_which_no_word_comes_back_is_kept_once_with_what_is_at_fault_told() {
    let Some(database) = postgres::shared() else { return };
    let chaos = Chaos::before(database.address());
    let ledger = open(&patient(&database.url_through(chaos.address())));
    wait(ledger.append(entry(&["a0"]))).unwrap();
    chaos.lose_replies_to("COMMIT\0", 2);
    let calls: Vec<_> =
        (1..=40).map(|it| ledger.append(entry(&[&format!("a{}", if it == 20 { 0 } else { it })]))).collect();
    let outcomes = wait(async { Ok(join_all(calls).await) }).unwrap();
    for (index, outcome) in outcomes.into_iter().enumerate() {
        if index == 19 {
            assert_eq!(outcome, Err(LedgerError::Duplicate));
        } else {
            let id = format!("a{}", index + 1);
            let entry = ledger.find(&id).unwrap().unwrap();
            assert!(outcome.is_ok() && entry.assertions == [id], "{outcome:?}");
        }
    }
    let promised: Vec<String> = (0..=40).filter(|it| *it != 20).map(|it| format!("a{it}")).collect();
    assert_eq!(all_are_kept_once(&ledger, &promised), 40);
}

#[test]
fn a_connection_lost_at_any_step_of_a_commit_costs_nobody_an_answer() {
    let Some(database) = postgres::shared() else { return };
    let chaos = Chaos::before(database.address());
    let server = patient(&database.url_through(chaos.address()));
    let steps = [
        "START TRANSACTION",
        "BEGIN",
        "CREATE TABLE ledger_records_",
        "CREATE TABLE ledger_terms_",
        "FOR UPDATE",
        "INSERT INTO ledger_records",
        "INSERT INTO ledger_ids",
        "INSERT INTO ledger_terms",
        "UPDATE ledger_nodes SET seq = $2",
        "COMMIT\0",
    ];
    let mut promised = Vec::new();
    let mut lost = 0;
    for (index, step) in steps.into_iter().enumerate() {
        // Opened anew, it says every step in full.
        let ledger = open(&server);
        chaos.lose_replies_to(step, 1);
        let id = format!("a{index}");
        let mut kept = entry(&[&id]);
        kept.at = format!("20{:02}-03-01T00:00:00Z", 30 + index).parse().unwrap();
        let receipt = wait(ledger.append(kept)).unwrap_or_else(|error| panic!("{step:?}: {error}"));
        promised.push(id);
        assert_eq!(usize::try_from(receipt.seq()).unwrap(), promised.len(), "{step:?}");
        lost += 1 - chaos.losses_to_come();
        chaos.pass();
        chaos.lose_replies_to(step, 0);
    }
    assert!(lost >= steps.len() - 1, "only {lost} of the steps were said");
    assert_eq!(all_are_kept_once(&open(&server), &promised), steps.len());
}

#[test]
fn a_database_that_never_answers_a_commit_is_away_and_what_it_kept_is_kept_once() {
    let Some(database) = postgres::shared() else { return };
    let chaos = Chaos::before(database.address());
    let ledger = open(&patient(&database.url_through(chaos.address())));
    wait(ledger.append(entry(&["a0"]))).unwrap();
    chaos.lose_replies_to("COMMIT\0", 50);
    assert_eq!(wait(ledger.append(entry(&["a1"]))), Err(LedgerError::Unavailable(Trouble::Connection)));
    assert!(ledger.ready().is_err());
    chaos.lose_replies_to("COMMIT\0", 0);
    let started = Instant::now();
    while wait(ledger.append(entry(&["a2"]))).is_err() {
        assert!(started.elapsed() < Duration::from_secs(20), "it does not go on");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!((all_are_kept_once(&ledger, &["a0", "a2"].map(String::from)), ledger.ready()), (3, Ok(())));
}

#[test]
fn connections_that_the_administrator_ends_in_the_middle_cost_nobody_an_answer() {
    let Some(database) = postgres::shared() else { return };
    let server = patient(&database.url());
    let ledger = open(&server);
    let mut promised = Vec::new();
    let batches = AtomicUsize::new(0);
    thread::scope(|scope| {
        let ends = scope.spawn(|| {
            for _ in 0..12 {
                let done = batches.load(Ordering::SeqCst);
                while batches.load(Ordering::SeqCst) < done + 2 {
                    thread::sleep(Duration::from_millis(1));
                }
                // In the middle of one of the next.
                thread::sleep(Duration::from_micros(u64::from(Uuid::new_v4().as_bytes()[0]) * 100));
                database.ask(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE datname = current_database() AND application_name = 'covenant'",
                );
            }
        });
        while !ends.is_finished() {
            let ids: Vec<String> = (0..8).map(|index| format!("a{}", promised.len() + index)).collect();
            let calls = ids.iter().map(|id| ledger.append(entry(&[id])));
            let outcomes = wait(async { Ok(join_all(calls).await) }).unwrap();
            assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
            promised.extend(ids);
            batches.fetch_add(1, Ordering::SeqCst);
        }
    });
    assert_eq!(all_are_kept_once(&ledger, &promised), promised.len());
}
