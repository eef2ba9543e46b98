//! What becomes of a ledger that somebody or something changed: it is named, or not opened.

use super::*;

#[tokio::test]
async fn l07_a_changed_column_is_named() {
    for change in [
        "body = x'28b52ffd0000010000'",
        "head = '{}'",
        "at = 1",
        "kind = 2",
        "id = x'00'",
        "ids = x''",
        "terms = x''",
        "dictionary = 7",
        "key = 1",
        "hash = x'00'",
    ] {
        let place = Place::new();
        let ledger = place.six().await;
        place.tamper(&format!("UPDATE records SET {change} WHERE seq = 3"));
        assert_eq!(flaw(&ledger), Some(Flaw::Changed(3)), "{change}");
        assert_eq!(ledger.verify().unwrap().entries, 5, "{change}");
        assert_eq!(ledger.find("a3"), Err(LedgerError::Corrupt), "{change}");
        assert!(ledger.find("a4").unwrap().is_some());
    }
}

#[tokio::test]
async fn l07_a_removed_row_is_named() {
    for seq in [1, 3] {
        let place = Place::new();
        let ledger = place.six().await;
        place.tamper(&format!("DELETE FROM records WHERE seq = {seq}"));
        assert_eq!(flaw(&ledger), Some(Flaw::Missing(seq)));
    }
}

#[tokio::test]
async fn l07_swapped_rows_are_named() {
    let place = Place::new();
    let ledger = place.six().await;
    place.tamper(
        "UPDATE records SET seq = 99 WHERE seq = 3; UPDATE records SET seq = 3 WHERE seq = 4;
         UPDATE records SET seq = 4 WHERE seq = 99",
    );
    assert_eq!(flaw(&ledger), Some(Flaw::Reordered(3)));
}

#[tokio::test]
async fn l07_a_row_sealed_anew_no_longer_leads_to_the_next() {
    let place = Place::new();
    let ledger = place.six().await;
    let mut row = ledger.shelf().page(1, 2, 1).unwrap().remove(0);
    row.head = b"{}".to_vec();
    let hash: String = chain::seal(&row).iter().map(|byte| format!("{byte:02x}")).collect();
    place.tamper(&format!("UPDATE records SET head = '{{}}', hash = x'{hash}' WHERE seq = 3"));
    assert_eq!(ledger.verify().unwrap().chains[0].flaws, [Flaw::Changed(3), Flaw::Reordered(4)]);
}

#[tokio::test]
async fn l07_an_entry_taken_from_an_index_is_named() {
    let place = Place::new();
    let ledger = place.six().await;
    place.tamper("DELETE FROM ids WHERE seq = 5");
    assert_eq!(flaw(&ledger), Some(Flaw::Hidden(5)));
    place.tamper("DELETE FROM terms WHERE seq = 2");
    assert_eq!(flaw(&ledger), Some(Flaw::Hidden(2)));
}

#[tokio::test]
async fn l07_an_id_that_leads_to_another_entry_is_seen() {
    let place = Place::new();
    let ledger = place.six().await;
    place.tamper("UPDATE ids SET seq = 2 WHERE seq = 5");
    assert_eq!(flaw(&ledger), Some(Flaw::Hidden(5)));
    assert_eq!(ledger.find("a5"), Err(LedgerError::Corrupt));
}

#[tokio::test]
async fn l07_every_record_that_was_changed_is_named_and_no_other() {
    let place = Place::new();
    let ledger = place.six().await;
    place.tamper("UPDATE records SET head = '{}' WHERE seq IN (2, 5)");
    assert_eq!(ledger.verify().unwrap().chains[0].flaws, [Flaw::Changed(2), Flaw::Changed(5)]);
}

#[tokio::test]
async fn l07_a_tail_cut_off_shows_and_against_a_receipt_even_where_the_node_was_set_back() {
    let place = Place::new();
    let ledger = place.six().await;
    let receipt = ledger.append(entry(&["a7"])).await.unwrap();
    assert_eq!(ledger.verify().unwrap().chains[0].head, receipt.hash());
    place.tamper("DELETE FROM records WHERE seq = 7");
    assert_eq!(flaw(&ledger), Some(Flaw::Missing(7)));
    place.tamper("UPDATE nodes SET seq = 6, hash = (SELECT hash FROM records WHERE seq = 6)");
    let verdict = ledger.verify().unwrap();
    assert_eq!((verdict.entries, verdict.flaw()), (6, None));
    assert_ne!(verdict.chains[0].head, receipt.hash());
}

#[tokio::test]
async fn l05_a_ledger_with_a_damaged_end_is_not_opened() {
    let place = Place::new();
    drop(place.six().await);
    place.tamper("UPDATE records SET head = '{}' WHERE seq = 6");
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
    for table in ["records", "ids", "terms", "policy_sets"] {
        for sql in [format!("UPDATE {table} SET rowid = rowid"), format!("DELETE FROM {table}")] {
            let sql = sql.replace("rowid = rowid", if table == "policy_sets" { "hash = ''" } else { "seq = 9" });
            assert!(file.execute(&sql, []).unwrap_err().to_string().contains("append-only"), "{sql}");
        }
    }
}
