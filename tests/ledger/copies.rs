//! Copies of a ledger: whole ones made while it is in use, those that are put in its place, and those that lack their end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{Place, Ran, order, postgres};

fn backup(place: &Place, to: &Path) -> Ran {
    place.run(&["ledger".as_ref(), "backup".as_ref(), to.as_os_str()])
}

fn restore(place: &Place, from: &Path) -> Ran {
    place.run(&["ledger".as_ref(), "restore".as_ref(), from.as_os_str()])
}

#[test]
fn a_backup_of_a_ledger_in_use_is_whole_and_is_restored_once_it_is_verified() {
    let (place, elsewhere) = (Place::empty(), Place::empty());
    let server = place.serve();
    let answers: Vec<_> = (0..3).map(|_| server.sign(order("47383")).decided()).collect();
    let file = place.path("backup.ledger");
    backup(&place, &file).succeeded();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // The server goes on.
    server.sign(order("47383")).decided();
    backup(&place, &file).failed(1, &["is there already"]);
    let said = restore(&elsewhere, &file).succeeded();
    assert!(said.starts_with("3 entries, the chain holds\n"), "{said}");
    for answer in &answers {
        let ran = elsewhere.run(&["replay", &answer.assertions()[0]]);
        assert_eq!((ran.code, ran.out.trim_end()), (Some(0), answer.text()), "{}", ran.err);
    }
    // It is served from, and no copy of anything.
    elsewhere.serve().sign(order("47383")).decided();
    let verified = elsewhere.run(&["ledger", "verify"]).succeeded();
    assert!(verified.contains("the chain holds") && !verified.contains("copy"), "{verified}");
}

#[test]
fn whoever_makes_a_backup_is_kept_before_it_is_made() {
    let place = Place::empty();
    place.serve().sign(order("47383")).decided();
    let file = place.path("backup.ledger");
    backup(&place, &file).succeeded();
    let heads = rusqlite::Connection::open(&file).unwrap();
    let look: String = heads.query_row("SELECT head FROM records WHERE kind = 3", [], |row| row.get(0)).unwrap();
    assert!(look.contains("\"backup\"") && look.contains("on the command line"), "{look}");
}

#[test]
fn nothing_takes_the_place_of_a_ledger_that_is_there_nor_does_a_copy_that_is_not_whole() {
    let (place, elsewhere) = (Place::empty(), Place::empty());
    let server = place.serve();
    for _ in 0..3 {
        server.sign(order("47383")).decided();
    }
    let file = place.path("backup.ledger");
    backup(&place, &file).succeeded();
    restore(&place, &file).failed(1, &["there is a ledger in its place already"]);
    // Of another ledger, whose file is gone: it would be taken for the restored one's.
    let wal = elsewhere.write("covenant.ledger-wal", "x");
    restore(&elsewhere, &file).failed(1, &["there is a ledger in its place already"]);
    fs::remove_file(wal).unwrap();
    let changed = rusqlite::Connection::open(&file).unwrap();
    changed.execute_batch("DROP TRIGGER records_keep; UPDATE records SET head = '{}' WHERE seq = 2").unwrap();
    drop(changed);
    restore(&elsewhere, &file).failed(1, &["nothing was restored", "record 2 was changed", "records_keep is missing"]);
    fs::write(&file, "no ledger").unwrap();
    restore(&elsewhere, &file).failed(1, &["damaged"]);
    // A copy with its WAL beside it is one of a ledger in use.
    fs::copy(place.path("covenant.ledger-wal"), place.path("backup.ledger-wal")).unwrap();
    restore(&elsewhere, &file).failed(1, &["not whole by itself"]);
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn a_plain_copy_of_a_ledger_in_use_is_warned_of_and_one_of_a_closed_ledger_is_not() {
    let (place, open, closed) = (Place::empty(), Place::empty(), Place::empty());
    let server = place.serve();
    server.sign(order("47383")).decided();
    fs::copy(place.path("covenant.ledger"), open.path("covenant.ledger")).unwrap();
    server.end_by_signal();
    fs::copy(place.path("covenant.ledger"), closed.path("covenant.ledger")).unwrap();
    let warning = "this file is a copy that was made while a server wrote to it";
    // What was answered is not in it, and its chain holds all the same.
    let verified = open.run(&["ledger", "verify"]).succeeded();
    assert!(verified.starts_with("0 entries, the chain holds\n") && verified.contains(warning), "{verified}");
    let (_, said) = open.serve().kill();
    assert!(said.contains("THE LEDGER IS A COPY"), "{said}");
    for place in [&place, &closed] {
        assert_eq!(place.run(&["ledger", "verify"]).succeeded(), "1 entry, the chain holds\n");
    }
}

#[test]
fn a_database_is_copied_by_its_own_tools() {
    let Some(database) = postgres::shared() else { return };
    let place = Place::empty();
    let url = database.url();
    for command in ["backup", "restore"] {
        let ran = place.run_in(&[("COVENANT_LEDGER_URL", &url)], &["ledger", command, "file"]);
        ran.failed(1, &["pg_dump"]);
    }
}
