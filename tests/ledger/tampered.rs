//! What somebody did to the database past the server is named; what its owner may do through it is little.

use covenant::record::{Ledger, MasterKeys, PostgresLedger, Server, wait};

use super::engines::{NO_POLICIES, entry};
use crate::support::postgres::{self, Database};
use crate::support::{Place, Ran};

/// A database with the entries `a1` to `a9`.
fn nine() -> Option<Database> {
    let database = postgres::shared()?;
    let ledger = PostgresLedger::open(&Server::at(&database.url(), "north"), &MasterKeys::default()).unwrap();
    for number in 1..=9 {
        wait(ledger.append(entry(&[&format!("a{number}")]))).unwrap();
    }
    ledger.keep_policy_set(NO_POLICIES, &[]).unwrap();
    Some(database)
}

/// Does what an intruder could do who is the server's administrator.
fn tamper(database: &Database, sql: &str) {
    for (table, triggers) in
        [("records", "keep hold"), ("ids", "keep hold"), ("terms", "keep hold"), ("hashes", "keep")]
    {
        for trigger in triggers.split(' ') {
            database.ask(&format!("DROP TRIGGER IF EXISTS {table}_{trigger} ON ledger_{table}"));
        }
    }
    database.ask(sql);
}

fn verify(database: &Database) -> Ran {
    Place::empty().run_in(&[("COVENANT_LEDGER_URL", &database.url())], &["ledger", "verify"])
}

#[test]
fn l07_what_was_done_to_a_database_is_named_by_the_command() {
    let Some(database) = nine() else { return };
    assert!(verify(&database).succeeded().contains("9 entries, the chain holds"));
    tamper(
        &database,
        "UPDATE ledger_records SET body = '\\x00' WHERE seq = 2;
         UPDATE ledger_records SET head = '{}' WHERE seq = 3;
         DELETE FROM ledger_ids WHERE seq = 5;
         DELETE FROM ledger_terms WHERE seq = 6;
         DELETE FROM ledger_records WHERE seq IN (7, 9)",
    );
    verify(&database).failed(
        1,
        &[
            "north: record 2 was changed",
            "north: record 3 was changed",
            "north: record 5 cannot be found",
            "north: record 6 cannot be found",
            "north: record 7 is missing",
            "north: record 9 is missing",
        ],
    );
}

#[test]
fn l07_records_removed_from_a_database_as_a_pruning_would_are_named_where_none_tells_of_it() {
    let Some(database) = nine() else { return };
    tamper(
        &database,
        "INSERT INTO ledger_hashes SELECT node, seq, hash FROM ledger_records WHERE seq <= 2;
         DELETE FROM ledger_ids WHERE seq <= 2; DELETE FROM ledger_terms WHERE seq <= 2;
         DELETE FROM ledger_records WHERE seq <= 2; UPDATE ledger_nodes SET pruned = 2",
    );
    let named = "north: the records up to 2 were removed, and no pruning tells of it";
    verify(&database).failed(1, &[named]);
}

#[test]
fn l07_a_database_refuses_to_change_or_remove_what_it_keeps() {
    let Some(database) = nine() else { return };
    let tables = [
        ("ledger_records", "seq = 9"),
        ("ledger_records_2026_03", "seq = 9"),
        ("ledger_ids", "seq = 9"),
        ("ledger_terms", "seq = 9"),
        ("ledger_terms_2026_03", "seq = 9"),
        ("ledger_policy_sets", "hash = ''"),
    ];
    for (table, change) in tables {
        for sql in [format!("UPDATE {table} SET {change}"), format!("DELETE FROM {table}"), format!("TRUNCATE {table}")]
        {
            let refused = database.try_as_owner(&sql).expect_err(&sql);
            assert!(refused.contains("append-only"), "{sql}: {refused}");
        }
    }
    verify(&database).succeeded();
}
