//! What is pruned is gone from the file, and not only from its index.

use std::fs;

use covenant::record::{Entry, Ledger, SqliteLedger, prune, wait};
use jiff::Timestamp;
use rusqlite::Connection;
use uuid::Uuid;

use super::engines::entry;
use crate::support::Place;

/// Bytes that nothing compresses.
fn chance(length: usize) -> Vec<u8> {
    std::iter::repeat_with(|| Uuid::new_v4().into_bytes()).flatten().take(length).collect()
}

fn has(bytes: &[u8], canary: &[u8]) -> bool {
    bytes.windows(canary.len()).any(|window| window == canary)
}

/// All that lies beside the ledger, in one.
fn files(place: &Place) -> Vec<u8> {
    let files = fs::read_dir(place).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
    files.collect::<Vec<_>>().concat()
}

#[test]
fn l13_no_byte_of_a_pruned_payload_is_in_the_file_or_its_wal() {
    let place = Place::empty();
    let path = place.path("test.ledger");
    let ledger = SqliteLedger::open(&path).unwrap();
    // Of less than a page, and of many.
    let bodies = [chance(300), chance(5_000), chance(400_000)];
    for body in &bodies {
        let old = Entry { response: body.clone().into(), ..entry(&[]) };
        wait(ledger.append(old)).unwrap();
    }
    for number in 0..50 {
        wait(ledger.append(Entry { at: Timestamp::now(), ..entry(&[&format!("young{number}")]) })).unwrap();
    }
    let stored: Vec<Vec<u8>> = {
        let file = Connection::open(&path).unwrap();
        let mut bodies = file.prepare("SELECT body FROM records WHERE seq <= 3").unwrap();
        bodies.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    // Pieces of each, as they are stored: from its beginning, its middle and its end.
    let pieces = |body: &Vec<u8>| {
        let starts = [40, body.len() / 2, body.len() - 64];
        starts.map(|start| body[start..start + 32].to_vec())
    };
    let canaries: Vec<Vec<u8>> = stored.iter().flat_map(pieces).collect();
    let before = files(&place);
    assert!(canaries.iter().all(|canary| has(&before, canary)));
    let length = fs::metadata(&path).unwrap().len();
    // Beside another process that reads.
    let looks = SqliteLedger::open(&path).unwrap();
    assert!(looks.find("young1").unwrap().is_some());
    let removed = prune(&ledger, "officer", Timestamp::now(), "2026-04-01T00:00:00Z".parse().unwrap(), &mut |_| ());
    assert_eq!(removed.unwrap(), 3);
    let after = files(&place);
    let left = canaries.iter().filter(|canary| has(&after, canary)).count();
    assert_eq!(left, 0, "of {} pieces", canaries.len());
    assert_eq!(fs::metadata(place.path("test.ledger-wal")).unwrap().len(), 0, "the WAL is not emptied");
    // What was not pruned went into the file meanwhile.
    assert!(fs::metadata(&path).unwrap().len() < length + 400_000);
    assert!(ledger.verify().unwrap().holds() && ledger.find("young49").unwrap().is_some());
}

#[test]
fn l13_the_space_of_what_is_pruned_is_given_back() {
    let place = Place::empty();
    let path = place.path("test.ledger");
    let ledger = SqliteLedger::open(&path).unwrap();
    for _ in 0..20 {
        wait(ledger.append(Entry { response: chance(500_000).into(), ..entry(&[]) })).unwrap();
    }
    wait(ledger.append(Entry { at: Timestamp::now(), ..entry(&["young"]) })).unwrap();
    drop(ledger);
    let before = fs::metadata(&path).unwrap().len();
    let ledger = SqliteLedger::open(&path).unwrap();
    let early = "2026-04-01T00:00:00Z".parse().unwrap();
    assert_eq!(prune(&ledger, "officer", Timestamp::now(), early, &mut |_| ()).unwrap(), 20);
    let after = fs::metadata(&path).unwrap().len();
    assert!(before > 10_000_000 && after < before / 10, "{before} bytes, then {after}");
    assert!(ledger.verify().unwrap().holds() && ledger.find("young").unwrap().is_some());
}
