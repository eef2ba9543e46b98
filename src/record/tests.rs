//! The ledger's promises, each broken on purpose.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, join_all};
use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;

use super::sqlite::writer::Job;
use super::*;
use crate::config::OnFailure;

mod feedback;
mod tampered;

/// A folder with a ledger's file in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("ledger.db")
    }

    fn open(&self) -> SqliteLedger {
        self.open_with(Bounds::default())
    }

    fn open_with(&self, bounds: Bounds) -> SqliteLedger {
        SqliteLedger::open_with(&self.path(), bounds, &MasterKeys::default()).unwrap()
    }

    /// A ledger with the entries `a1` to `a6`.
    async fn six(&self) -> SqliteLedger {
        let ledger = self.open();
        for number in 1..=6 {
            ledger.append(entry(&[&format!("a{number}")])).await.unwrap();
        }
        ledger
    }

    /// Does what an intruder with the file could do.
    fn tamper(&self, sql: &str) {
        let file = Connection::open(self.path()).unwrap();
        for trigger in [
            "records_keep",
            "records_hold",
            "ids_keep",
            "ids_hold",
            "terms_keep",
            "terms_hold",
            "hashes_keep",
            "hashes_hold",
        ] {
            file.execute_batch(&format!("DROP TRIGGER IF EXISTS {trigger}")).unwrap();
        }
        file.execute_batch(sql).unwrap();
    }
}

fn entry(assertions: &[&str]) -> Entry {
    Entry {
        id: Uuid::new_v4(),
        at: "2026-03-01T23:59:59.123456789Z".parse().unwrap(),
        today: "2026-03-02".parse().unwrap(),
        seed: Uuid::new_v4(),
        service: "order-sign-crd".into(),
        hook_instance: "0d1f".into(),
        client: "https://ehr.example/fhir".into(),
        crd_version: "2.2".into(),
        policy_set: "ab".repeat(32),
        tenant: "north".into(),
        policies: vec!["633".into()],
        members: vec!["M-1".into()],
        assertions: assertions.iter().map(ToString::to_string).collect(),
        cards: assertions.iter().map(|id| format!("card of {id}")).collect(),
        determinations: r#"[{"covered":"not-covered"}]"#.into(),
        learned: "{}".into(),
        manner: r#"{"payer_check":"strict"}"#.into(),
        took_micros: 321,
        status: 200,
        request: Bytes::from_static(br#"{"hook":"order-sign","context":{"patientId":"Doe"}}"#),
        response: Bytes::from(format!(r#"{{"cards":[],"made":"{}"}}"#, Uuid::new_v4())),
    }
}

/// Hands the writer a job that holds it until the returned sender is dropped.
fn hold(ledger: &SqliteLedger) -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel();
    let (started, begun) = mpsc::channel();
    run(ledger, move |_| {
        started.send(()).unwrap();
        let _ = held.recv();
    });
    begun.recv().unwrap();
    release
}

fn run(ledger: &SqliteLedger, what: impl FnOnce(&Connection) + Send + 'static) {
    ledger.send(Job::Run(Box::new(what))).unwrap();
}

fn flaw(ledger: &SqliteLedger) -> Option<Flaw> {
    ledger.verify().unwrap().flaw()
}

#[tokio::test]
async fn an_entry_comes_back_as_it_was() {
    let place = Place::new();
    let ledger = place.open();
    let (first, second) = (entry(&["a1", "a2"]), entry(&[]));
    let answer = append(&ledger, first.clone(), OnFailure::Refuse).await.unwrap();
    assert_eq!(answer.get().clone().into_bytes(), first.response);
    assert_eq!(answer.into_inner().into_bytes(), first.response);
    assert_eq!(ledger.append(second).await.unwrap().seq(), 2);
    assert_eq!(ledger.find("a1").unwrap().as_ref(), Some(&first));
    assert_eq!(ledger.find("a2").unwrap(), Some(first));
    assert_eq!(ledger.find("a3").unwrap(), None);
    assert_eq!(ledger.ready(), Ok(()));
}

#[tokio::test]
async fn a_thousand_at_once_are_all_found_and_in_one_chain() {
    let place = Place::new();
    let ledger = place.open();
    let entries: Vec<Entry> = (0..1000).map(|number| entry(&[&format!("a{number}")])).collect();
    let receipts = join_all(entries.iter().map(|entry| ledger.append(entry.clone()))).await;
    let mut places: Vec<i64> = receipts.into_iter().map(|receipt| receipt.unwrap().seq()).collect();
    places.sort_unstable();
    assert_eq!(places, (1..=1000).collect::<Vec<i64>>());
    for entry in entries {
        assert_eq!(ledger.find(&entry.assertions[0]).unwrap(), Some(entry));
    }
    let verdict = ledger.verify().unwrap();
    assert_eq!((verdict.entries, verdict.flaw()), (1000, None));
}

#[tokio::test]
async fn a_duplicate_is_refused_alone() {
    let place = Place::new();
    let ledger = place.open();
    let release = hold(&ledger);
    let batch = [&["a1"][..], &["a2", "a1"], &["a2"], &["a3", "a3"], &["a3"], &[]];
    let batch = batch.map(|ids| ledger.append(entry(ids)));
    drop(release);
    let outcomes = join_all(batch).await;
    let places: Vec<_> = outcomes.into_iter().map(|outcome| outcome.map(|receipt| receipt.seq())).collect();
    let refused = Err(LedgerError::Duplicate);
    assert_eq!(places, [Ok(1), refused, Ok(2), refused, Ok(3), Ok(4)]);
    assert_eq!(ledger.append(entry(&["a1"])).await.unwrap_err(), LedgerError::Duplicate);
    let verdict = ledger.verify().unwrap();
    assert_eq!((verdict.entries, verdict.flaw()), (4, None));
}

#[tokio::test]
async fn the_chain_goes_on_after_reopening() {
    let place = Place::new();
    let before = place.six().await.verify().unwrap();
    let ledger = place.open();
    assert_eq!(ledger.verify().unwrap(), before);
    assert_eq!(ledger.append(entry(&["a7"])).await.unwrap().seq(), 7);
    let verdict = ledger.verify().unwrap();
    assert_eq!((verdict.entries, verdict.flaw()), (7, None));
}

#[tokio::test]
async fn l02_a_full_disk_fails_the_batch_and_is_got_over() {
    let place = Place::new();
    let ledger = place.six().await;
    run(&ledger, |connection| {
        connection.query_row("PRAGMA max_page_count = 1", [], |_| Ok(())).unwrap();
    });
    let mut big = entry(&["big"]);
    // Does not compress, so needs a page that there is not.
    big.request = (0..4000).flat_map(|_| Uuid::new_v4().into_bytes()).collect();
    let started = Instant::now();
    let release = hold(&ledger);
    let batch = [entry(&["b1"]), big.clone(), entry(&["b2"])].map(|entry| ledger.append(entry));
    drop(release);
    for outcome in join_all(batch).await {
        assert_eq!(outcome.unwrap_err(), LedgerError::Full);
    }
    assert!(started.elapsed() < Duration::from_millis(100));
    assert_eq!(ledger.find("b1").unwrap(), None);
    run(&ledger, |connection| {
        connection.query_row("PRAGMA max_page_count = 1000000", [], |_| Ok(())).unwrap();
    });
    assert_eq!(ledger.append(big).await.unwrap().seq(), 7);
    assert_eq!(flaw(&ledger), None);
}

#[tokio::test]
async fn l03_a_lock_held_too_long_fails_and_is_got_over() {
    let place = Place::new();
    let ledger = place.open_with(Bounds { lock_wait: Duration::from_millis(50), ..Bounds::default() });
    let other = Connection::open(place.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(ledger.append(entry(&["a1"])).await.unwrap_err(), LedgerError::Locked);
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(ledger.append(entry(&["a1"])).await.unwrap().seq(), 1);
}

#[tokio::test]
async fn what_is_found_has_no_bodies_and_what_is_exported_is_handed_out_one_after_another() {
    const BYTES: usize = 3 << 20;
    let place = Place::new();
    let ledger = place.open();
    for number in 0..20 {
        let large = Entry { request: Bytes::from(vec![b'x'; BYTES]), ..entry(&[&format!("a{number}")]) };
        ledger.append(large).await.unwrap();
    }
    let found = ledger.search(&Search::default(), 100).unwrap();
    assert_eq!(found.len(), 20);
    assert!(found.iter().all(|entry| entry.request.is_empty() && entry.response.is_empty()));
    let one = Search { assertion: Some("a7".into()), ..Search::default() };
    assert!(ledger.search(&one, 1).unwrap()[0].request.is_empty());
    let mut exported = Vec::new();
    let mut take = |entry: Entry, _: Vec<Feedback>| {
        exported.push((entry.request.len(), entry.assertions[0].clone()));
        std::ops::ControlFlow::Continue(())
    };
    ledger.each(jiff::Timestamp::MIN, jiff::Timestamp::MAX, &mut take).unwrap();
    assert_eq!(exported, Vec::from_iter((0..20).map(|number| (BYTES, format!("a{number}")))));
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let place = Place::new();
    let ledger = place.open_with(Bounds { queue: 2, ..Bounds::default() });
    let release = hold(&ledger);
    let waiting = [entry(&["a1"]), entry(&["a2"])].map(|entry| ledger.append(entry));
    assert_eq!(ledger.append(entry(&["a3"])).now_or_never().unwrap().unwrap_err(), LedgerError::Busy);
    assert_eq!(ledger.keep_policy_set("h", &[]), Err(LedgerError::Busy));
    drop(release);
    assert!(join_all(waiting).await.into_iter().all(|outcome| outcome.is_ok()));
}

#[tokio::test]
async fn l04_after_a_failed_fsync_nothing_is_written_again() {
    let place = Place::new();
    let ledger = place.six().await;
    let release = hold(&ledger);
    ledger.send(Job::Fail(LedgerError::Poisoned)).unwrap();
    let batch = [entry(&["b1"]), entry(&["b2"])].map(|entry| ledger.append(entry));
    drop(release);
    for outcome in join_all(batch).await {
        assert_eq!(outcome.unwrap_err(), LedgerError::Poisoned);
    }
    while ledger.ready().is_ok() {
        std::thread::yield_now();
    }
    assert_eq!(ledger.append(entry(&["b3"])).await.unwrap_err(), LedgerError::Poisoned);
    assert_eq!(ledger.keep_policy_set("h", &[]), Err(LedgerError::Poisoned));
    assert_eq!(ledger.ready(), Err(LedgerError::Poisoned));
    assert!(ledger.find("a6").unwrap().is_some());
    drop(ledger);
    let wal = place.0.path().join("ledger.db-wal");
    assert!(wal.metadata().unwrap().len() > 0, "the WAL was checkpointed, which tries fsync again");
}

#[tokio::test]
async fn a_writer_that_panics_leaves_no_one_waiting() {
    let place = Place::new();
    let ledger = place.open();
    let release = hold(&ledger);
    run(&ledger, |_| std::panic::resume_unwind(Box::new(())));
    let waiting = ledger.append(entry(&["a1"]));
    drop(release);
    assert_eq!(waiting.await.unwrap_err(), LedgerError::Poisoned);
}

#[tokio::test]
async fn dropping_the_ledger_keeps_what_waits_and_tidies_up() {
    let place = Place::new();
    let ledger = place.open();
    // Nobody waits for these: the client has gone.
    for number in 0..300 {
        drop(ledger.append(entry(&[&format!("a{number}")])));
    }
    drop(ledger);
    assert!(!place.0.path().join("ledger.db-wal").exists());
    assert_eq!(place.open().verify().unwrap().entries, 300);
}

#[tokio::test]
async fn the_wal_does_not_grow_without_bound() {
    let place = Place::new();
    let ledger = place.open();
    let body: Bytes = (0..65_536).flat_map(|_| Uuid::new_v4().into_bytes()).collect();
    for _ in 0..50 {
        ledger.append(Entry { request: body.clone(), ..entry(&[]) }).await.unwrap();
    }
    assert!(place.0.path().join("ledger.db-wal").metadata().unwrap().len() < 24 * 1024 * 1024);
}

#[test]
fn policy_sets_are_kept_once() {
    let place = Place::new();
    let ledger = place.open();
    let files = vec![("b.json".to_owned(), b"{}".to_vec()), ("a.json".to_owned(), b"[]".to_vec())];
    ledger.keep_policy_set("h", &files).unwrap();
    ledger.keep_policy_set("h", &[]).unwrap();
    assert_eq!(ledger.policy_set("h").unwrap(), Some(files));
    assert_eq!(ledger.policy_set("other").unwrap(), None);
}

/// What a test outside this room can write.
struct Failing;

impl Ledger for Failing {
    fn keep(&self, _: Vec<Draft>) -> BoxFuture<'static, Result<Receipt, LedgerError>> {
        async { Err(LedgerError::Full) }.boxed()
    }
    fn shelf(&self) -> &dyn Shelf {
        unreachable!("nothing is read")
    }
    fn keyring(&self) -> &Keyring {
        unreachable!("nothing is read")
    }
    fn keep_policy_set(&self, _: &str, _: &[(String, Vec<u8>)]) -> Result<(), LedgerError> {
        Ok(())
    }
    fn remove(&self, _: i64, _: i64, _: u32) -> Result<u64, LedgerError> {
        Ok(0)
    }
    fn ready(&self) -> Result<(), LedgerError> {
        Err(LedgerError::Full)
    }
}

#[tokio::test]
async fn l01_no_proof_without_a_ledger() {
    let ledger: std::sync::Arc<dyn Ledger> = std::sync::Arc::new(Failing);
    assert_eq!(append(&*ledger, entry(&[]), OnFailure::Refuse).await.unwrap_err(), LedgerError::Full);
}

#[tokio::test]
async fn nothing_of_the_patient_is_printed() {
    let place = Place::new();
    let ledger = place.open();
    let entry = entry(&[]);
    assert!(!format!("{entry:?}").contains("Doe"));
    assert!(!format!("{:?}", append(&ledger, entry, OnFailure::Refuse).await.unwrap()).contains("cards"));
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let error = SqliteLedger::open(Path::new("/nowhere/ledger.db")).unwrap_err();
    assert_eq!(error.to_string(), "the ledger cannot be opened: entity not found");
}
