//! What becomes of a ledger that somebody or something changed: it is named, or not opened.

use super::*;

#[tokio::test]
async fn l07_a_changed_column_is_named() {
    for change in [
        "request = x'28b52ffd0000010000'",
        "client = 'another'",
        "took_micros = 1",
        "assertions = '[]'",
        "cards = '[]'",
        "learned = x'28b52ffd0000010000'",
        "hash = x'00'",
    ] {
        let place = Place::new();
        let ledger = place.six().await;
        place.tamper(&format!("UPDATE entries SET {change} WHERE seq = 3"));
        assert_eq!(flaw(&ledger), Some(Flaw::Changed(3)), "{change}");
        assert_eq!(ledger.verify().unwrap().entries, 2);
        assert_eq!(ledger.find("a3"), Err(LedgerError::Corrupt), "{change}");
        assert!(ledger.find("a4").unwrap().is_some());
    }
}

#[tokio::test]
async fn l07_a_removed_row_is_named() {
    for seq in [1, 3] {
        let place = Place::new();
        let ledger = place.six().await;
        place.tamper(&format!("DELETE FROM entries WHERE seq = {seq}"));
        assert_eq!(flaw(&ledger), Some(Flaw::Missing(seq)));
    }
}

#[tokio::test]
async fn l07_swapped_rows_are_named() {
    let place = Place::new();
    let ledger = place.six().await;
    place.tamper(
        "UPDATE entries SET seq = 99 WHERE seq = 3; UPDATE entries SET seq = 3 WHERE seq = 4;
         UPDATE entries SET seq = 4 WHERE seq = 99",
    );
    assert_eq!(flaw(&ledger), Some(Flaw::Reordered(3)));
}

#[tokio::test]
async fn l07_a_row_sealed_anew_no_longer_leads_to_the_next() {
    let place = Place::new();
    let ledger = place.six().await;
    let file = Connection::open(place.path()).unwrap();
    let sql = format!("SELECT {} FROM entries WHERE seq = 3", row::COLUMNS);
    let mut row = file.query_row(&sql, [], row::Row::read).unwrap();
    row.client = "another".into();
    let hash: String = chain::seal(&row).iter().map(|byte| format!("{byte:02x}")).collect();
    place.tamper(&format!("UPDATE entries SET client = 'another', hash = x'{hash}' WHERE seq = 3"));
    assert_eq!(flaw(&ledger), Some(Flaw::Reordered(4)));
}

#[tokio::test]
async fn l07_an_entry_taken_from_the_index_is_named() {
    let place = Place::new();
    let ledger = place.six().await;
    place.tamper("DELETE FROM assertions WHERE seq = 5");
    assert_eq!(flaw(&ledger), Some(Flaw::Hidden(5)));
    place.tamper("INSERT INTO assertions VALUES ('a5', 2)");
    assert_eq!(ledger.find("a5"), Err(LedgerError::Corrupt));
    place.tamper("DELETE FROM cards WHERE seq = 2");
    assert_eq!(flaw(&ledger), Some(Flaw::Hidden(2)));
}

#[tokio::test]
async fn a_tail_cut_off_shows_only_against_a_receipt() {
    let place = Place::new();
    let ledger = place.six().await;
    let receipt = ledger.append(entry(&["a7"])).await.unwrap();
    assert_eq!(ledger.verify().unwrap().head, receipt.hash());
    place.tamper("DELETE FROM entries WHERE seq = 7");
    let verdict = ledger.verify().unwrap();
    assert_eq!((verdict.entries, verdict.flaw), (6, None));
    assert_ne!(verdict.head, receipt.hash());
}

#[tokio::test]
async fn l05_a_ledger_with_a_damaged_end_is_not_opened() {
    let place = Place::new();
    drop(place.six().await);
    place.tamper("UPDATE entries SET client = 'another' WHERE seq = 6");
    assert_eq!(SqliteLedger::open(&place.path()).unwrap_err(), LedgerError::Corrupt);
}

#[tokio::test]
async fn l05_a_file_with_a_damaged_page_is_not_opened() {
    let place = Place::new();
    drop(place.six().await);
    let mut bytes = std::fs::read(place.path()).unwrap();
    let page = bytes.len() / 2 / 8192 * 8192;
    bytes[page..page + 200].fill(0xff);
    std::fs::write(place.path(), bytes).unwrap();
    assert_eq!(SqliteLedger::open(&place.path()).unwrap_err(), LedgerError::Corrupt);
    std::fs::OpenOptions::new().write(true).open(place.path()).unwrap().set_len(8192).unwrap();
    assert_eq!(SqliteLedger::open(&place.path()).unwrap_err(), LedgerError::Corrupt);
}

#[tokio::test]
async fn rows_refuse_to_be_changed_or_removed() {
    let place = Place::new();
    let ledger = place.six().await;
    ledger.keep_policy_set("h", &[]).unwrap();
    let file = Connection::open(place.path()).unwrap();
    for sql in ["UPDATE entries SET client = ''", "UPDATE assertions SET seq = 1", "UPDATE policy_sets SET hash = ''"] {
        assert!(file.execute(sql, []).unwrap_err().to_string().contains("append-only"), "{sql}");
    }
    for table in ["entries", "assertions", "policy_sets"] {
        assert!(file.execute(&format!("DELETE FROM {table}"), []).is_err());
    }
}
