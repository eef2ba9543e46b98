//! The tables of the file: makes them, makes this version's of an earlier one's, and sees whether they are as they were made.

use std::collections::BTreeMap;

use rusqlite::{Connection, TransactionBehavior, params};

use super::NODE;
use crate::record::LedgerError;
use crate::record::chain::NOTHING_BEFORE;

/// Marks the file as a ledger: `cvnt`.
pub(super) const APPLICATION_ID: i64 = 0x6376_6e74;

/// The version of `schema.sql`.
pub(super) const SCHEMA_VERSION: i64 = 4;

/// What makes the next version of an earlier one, which is kept in place: the earlier version, and the statements.
///
/// Versions 1 and 2 are not among them: their records are sealed in another way, and sealing them anew would make another
/// chain than the one whose heads were kept elsewhere.
const UPGRADES: [(i64, &str); 1] = [(3, include_str!("from_3.sql"))];

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stands {
    /// Empty.
    Fresh,
    /// A ledger of this version.
    Current,
    /// A ledger of an earlier version, from which this one can be made.
    Earlier(i64),
}

/// What the file is; an error if it is somebody else's, or a ledger that this version can do nothing with.
pub(super) fn stands(connection: &Connection) -> Result<Stands, LedgerError> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (number("application_id")?, number("user_version")?) {
        (0, 0) if tables == 0 => Ok(Stands::Fresh),
        (APPLICATION_ID, SCHEMA_VERSION) => Ok(Stands::Current),
        (APPLICATION_ID, version) if UPGRADES.iter().any(|(from, _)| *from == version) => Ok(Stands::Earlier(version)),
        (APPLICATION_ID, older @ 1..SCHEMA_VERSION) => Err(LedgerError::Older(older)),
        _ => Err(LedgerError::Foreign),
    }
}

/// Makes the tables of a file that is empty, or of an earlier version's, in one transaction.
pub(super) fn make(connection: &mut Connection) -> Result<(), LedgerError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have made them between the look and the lock.
    match stands(&transaction)? {
        Stands::Current => return Ok(()),
        Stands::Fresh => {
            transaction.execute_batch(include_str!("schema.sql"))?;
            let sql = "INSERT INTO nodes (node, name, seq, hash, pruned) VALUES (?1, 'this file', 0, ?2, 0)";
            transaction.execute(sql, params![NODE, NOTHING_BEFORE])?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        }
        Stands::Earlier(version) => {
            for (_, sql) in UPGRADES.iter().filter(|(from, _)| *from >= version) {
                transaction.execute_batch(sql)?;
            }
            crate::telemetry::ledger::upgraded();
        }
    }
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    Ok(transaction.commit()?)
}

/// What of the tables, indexes and triggers is not as `schema.sql` makes it, in words.
pub(super) fn misshapen(connection: &Connection) -> Result<Vec<String>, LedgerError> {
    let fresh = Connection::open_in_memory()?;
    fresh.execute_batch(include_str!("schema.sql"))?;
    let (made, found) = (objects(&fresh)?, objects(connection)?);
    let mut words = Vec::new();
    for (name, sql) in &made {
        match found.get(name) {
            None => words.push(format!("{name} is missing")),
            Some(other) if other != sql => words.push(format!("{name} was changed")),
            Some(_) => {}
        }
    }
    words.extend(found.keys().filter(|name| !made.contains_key(*name)).map(|name| format!("{name} was added")));
    Ok(words)
}

/// Each object of a schema by its kind and name, with the statement that made it.
fn objects(connection: &Connection) -> Result<BTreeMap<String, String>, LedgerError> {
    let mut statement =
        connection.prepare("SELECT type || ' ' || name, sql FROM sqlite_schema WHERE sql IS NOT NULL")?;
    let objects = statement.query_map([], |row| Ok((row.get(0)?, bare(&row.get::<_, String>(1)?))))?;
    Ok(objects.collect::<Result<_, _>>()?)
}

/// A statement without its comments, and with single spaces: these may differ between versions that make the same tables.
fn bare(sql: &str) -> String {
    let lines = sql.lines().map(|line| line.split_once("--").map_or(line, |(code, _)| code));
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}
