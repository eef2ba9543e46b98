//! Ledgers of earlier schemas, as the versions of then made them: each is upgraded in place and goes on.

use std::fs;
use std::path::Path;

use covenant::record::{Ledger, LedgerError, MasterKeys, PostgresLedger, Server, SqliteLedger, wait};
use rusqlite::Connection;

use super::engines::entry;
use crate::laws_support::repository;
use crate::support::{Place, order, postgres};

/// What an earlier version made: two answers of the embedded policy set and a refusal.
fn made(name: &str) -> Vec<u8> {
    let path = repository("tests/ledger/schemas").join(name);
    zstd::stream::decode_all(fs::read(path).unwrap().as_slice()).unwrap()
}

/// The assertions of the two answers in the file of version 3.
const IN_VERSION_3: [&str; 2] = ["d0abdc8b-6868-4bcd-8e42-5838f9a0d34d", "04b87153-261e-4639-8915-73378496fe18"];

fn version(path: &Path) -> i64 {
    Connection::open(path).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

#[test]
fn l12_a_file_of_version_3_is_upgraded_in_place_and_goes_on() {
    let place = Place::empty();
    let path = place.write("covenant.ledger", made("sqlite-3.ledger.zst"));
    // Looking whether it is whole changes nothing.
    place.run(&["ledger", "verify"]).failed(1, &["a ledger of version 3", "upgraded in place"]);
    assert_eq!(version(&path), 3);
    let server = place.serve();
    server.sign(order("47383")).decided();
    server.end_by_signal();
    assert_eq!(version(&path), 4);
    assert_eq!(place.run(&["ledger", "verify"]).succeeded(), "4 entries, the chain holds\n");
    for assertion in IN_VERSION_3 {
        let shown = place.run(&["ledger", "show", assertion]).succeeded();
        assert!(shown.contains(assertion) && shown.contains("\"settings\": {}"), "{shown}");
        // What it rested on then is not in the entry: it is as it is now, and it can be made again.
        assert!(!place.run(&["replay", assertion]).err.contains("refused now"));
    }
}

#[test]
fn l12_a_file_that_cannot_be_upgraded_is_left_as_it_was() {
    let place = Place::empty();
    let path = place.write("covenant.ledger", made("sqlite-3.ledger.zst"));
    // In the way of the last statement.
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TRIGGER keys_hold BEFORE INSERT ON keys BEGIN SELECT 1; END")
        .unwrap();
    assert!(SqliteLedger::open(&path).is_err());
    let file = Connection::open(&path).unwrap();
    let made = "SELECT count(*) FROM sqlite_schema WHERE name IN ('served', 'nodes_hold')";
    assert_eq!((version(&path), file.query_row(made, [], |row| row.get::<_, i64>(0)).unwrap()), (3, 0));
}

#[test]
fn l12_the_backup_of_a_file_of_version_3_is_restored_as_this_version_s() {
    let (old, place) = (Place::empty(), Place::empty());
    old.write("covenant.ledger", made("sqlite-3.ledger.zst"));
    let restored = place.run(&["ledger".as_ref(), "restore".as_ref(), old.path("covenant.ledger").as_os_str()]);
    assert!(restored.succeeded().contains("3 entries, the chain holds"));
    assert_eq!((version(&old.path("covenant.ledger")), version(&place.path("covenant.ledger"))), (3, 4));
}

#[test]
fn l12_a_database_of_version_1_is_upgraded_in_place_and_goes_on() {
    let Some(database) = postgres::shared() else { return };
    let dump = String::from_utf8(made("postgres-1.sql.zst")).unwrap();
    // The owner's, as they would be; lines for another program are left out.
    let dump: String = dump.lines().filter(|line| !line.starts_with('\\')).map(|line| format!("{line}\n")).collect();
    database.try_as_owner(&dump).unwrap();
    let server = Server::at(&database.url(), "covenant");
    let ledger = PostgresLedger::open(&server, &MasterKeys::default()).unwrap();
    wait(ledger.append(entry(&["a1"]))).unwrap();
    let verdict = ledger.verify().unwrap();
    assert!(verdict.holds() && verdict.entries == 4 && verdict.chains.len() == 1, "{verdict:?}");
    let versions = database.ask("SELECT version FROM ledger_versions ORDER BY version");
    assert_eq!(versions, [[Some("1".to_owned())], [Some("2".to_owned())]]);
    drop(ledger);
    assert!(PostgresLedger::open(&server, &MasterKeys::default()).is_ok());
}

#[test]
fn l12_a_file_of_a_later_version_is_refused_and_left_as_it_was() {
    let place = Place::empty();
    let path = place.path("test.ledger");
    drop(SqliteLedger::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(&path).unwrap();
    assert_eq!(SqliteLedger::open(&path).unwrap_err(), LedgerError::Foreign);
    assert_eq!(SqliteLedger::archive(&path, &MasterKeys::default()).unwrap_err(), LedgerError::Foreign);
    assert_eq!(fs::read(&path).unwrap(), before);
}
