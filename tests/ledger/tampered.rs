//! What somebody did to the database past the server is named; what its owner may do through it is little.

use covenant::record::{Ledger, MasterKeys, PostgresLedger, Server, wait};

use super::engines::entry;
use crate::support::postgres::{self, Database};
use crate::support::{Place, Ran};

/// A database with the entries `a1` to `a6`.
fn six() -> Option<Database> {
    let database = postgres::shared()?;
    let ledger = PostgresLedger::open(&Server::at(&database.url(), "north"), &MasterKeys::default()).unwrap();
    for number in 1..=6 {
        wait(ledger.append(entry(&[&format!("a{number}")]))).unwrap();
    }
    ledger.keep_policy_set("h", &[]).unwrap();
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
    for (sql, named) in [
        ("UPDATE ledger_records SET head = '{}' WHERE seq = 3", "north: record 3 was changed"),
        ("UPDATE ledger_records SET body = '\\x00' WHERE seq = 2", "north: record 2 was changed"),
        ("DELETE FROM ledger_records WHERE seq = 4", "north: record 4 is missing"),
        ("DELETE FROM ledger_records WHERE seq = 6", "north: record 6 is missing"),
        ("DELETE FROM ledger_ids WHERE seq = 5", "north: record 5 cannot be found"),
        ("DELETE FROM ledger_terms WHERE seq = 2", "north: record 2 cannot be found"),
        (
            "INSERT INTO ledger_hashes SELECT node, seq, hash FROM ledger_records WHERE seq <= 2;
             DELETE FROM ledger_ids WHERE seq <= 2; DELETE FROM ledger_terms WHERE seq <= 2;
             DELETE FROM ledger_records WHERE seq <= 2; UPDATE ledger_nodes SET pruned = 2",
            "north: the records up to 2 were removed, and no pruning tells of it",
        ),
    ] {
        let Some(database) = six() else { return };
        assert!(verify(&database).succeeded().contains("6 entries, the chain holds"));
        tamper(&database, sql);
        verify(&database).failed(1, &[named]);
    }
}

#[test]
fn l07_a_database_refuses_to_change_or_remove_what_it_keeps() {
    let Some(database) = six() else { return };
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
