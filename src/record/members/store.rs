//! Writes a generation of the directory beside the one that serves, and lets it take over in one small transaction.
//!
//! The server may be answering from the same file meanwhile: each transaction is short, and between two there is room.

use std::path::Path;
use std::thread;
use std::time::Duration;

use jiff::civil::Date;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::Imported;
use super::error::ImportError;
use super::key::Key;
use crate::record::LedgerError;
use crate::record::sqlite::open;

/// Rows in a transaction: some milliseconds, for which an answer may have to wait.
const BATCH_ROWS: usize = 1000;

/// Bytes in a transaction, for the same reason.
const BATCH_BYTES: usize = 1024 * 1024;

/// Keys in a transaction; they are small.
const BATCH_KEYS: usize = 4000;

/// Keys that are collected, sorted and then written in their order: 20 bytes each. Written as they come, nearly every one
/// would cost a page.
const RUN: usize = 2_000_000;

/// What is left to the server between two transactions; it looks for room every millisecond.
const PAUSE: Duration = Duration::from_millis(2);

/// How long to wait for the server, which holds the lock for milliseconds, or for another import.
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// Bytes that may wait in the WAL before they are moved into the file.
const CHECKPOINT_AFTER: usize = 16 * 1024 * 1024;

/// A row of the directory.
pub(super) enum Row {
    /// A coverage: its numbers as JSON, whether it is active, its days, the packed resource.
    Coverage(u32, String, bool, [Option<Date>; 2], Vec<u8>),
    /// An authorisation: its number, its codes as JSON, its days.
    Authorization(u32, String, String, [Option<Date>; 2]),
}

/// A generation that is being filled.
pub(super) struct Filling {
    connection: Connection,
    generation: i64,
    rows: Vec<Row>,
    bytes: usize,
    keys: Vec<(Key, u32)>,
    in_wal: usize,
}

impl Filling {
    /// Begins a generation. One that another import has begun is given up.
    pub(super) fn begin(ledger: &Path) -> Result<Self, ImportError> {
        let connection = open::writer(ledger, LOCK_WAIT)?;
        let transaction = lock(&connection)?;
        transaction.execute("UPDATE member_generations SET state = 'leaving' WHERE state = 'filling'", [])?;
        transaction.execute("INSERT INTO member_generations (state) VALUES ('filling')", [])?;
        let generation = transaction.last_insert_rowid();
        transaction.commit()?;
        Ok(Self { connection, generation, rows: Vec::new(), bytes: 0, keys: Vec::new(), in_wal: 0 })
    }

    /// Adds a row.
    pub(super) fn row(&mut self, row: Row) -> Result<(), ImportError> {
        self.bytes += match &row {
            Row::Coverage(_, numbers, _, _, coverage) => numbers.len() + coverage.len(),
            Row::Authorization(_, number, codes, _) => number.len() + codes.len(),
        };
        self.rows.push(row);
        if self.rows.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES { self.write_rows() } else { Ok(()) }
    }

    /// Adds a key that leads to a person or a row.
    pub(super) fn key(&mut self, key: Key, id: u32) -> Result<(), ImportError> {
        self.keys.push((key, id));
        if self.keys.len() >= RUN { self.write_keys() } else { Ok(()) }
    }

    /// Lets the generation serve in place of the one that does, and takes that one and all that was given up away.
    ///
    /// A failure to take them away fails nothing: they are out of use, and the next import tries again.
    pub(super) fn serve(mut self, counts: &Imported) -> Result<(), ImportError> {
        self.write_rows()?;
        self.write_keys()?;
        let transaction = self.transaction()?;
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        transaction.execute("UPDATE member_generations SET state = 'leaving' WHERE state = 'serving'", [])?;
        transaction.execute(
            "UPDATE member_generations SET state = 'serving', imported = ?2, patients = ?3, coverages = ?4,
                 authorizations = ?5, passed_over = ?6 WHERE generation = ?1",
            params![
                self.generation,
                counts.at.to_string(),
                number(counts.patients),
                number(counts.coverages),
                number(counts.authorizations),
                number(counts.passed_over)
            ],
        )?;
        transaction.commit()?;
        if let Err(error) = sweep(&self.connection) {
            crate::telemetry::ledger::members_before_take_space(error);
        }
        Ok(())
    }

    /// Takes the generation away again.
    pub(super) fn give_up(self) {
        let sql = "UPDATE member_generations SET state = 'leaving' WHERE generation = ?1 AND state = 'filling'";
        let left = self.connection.execute(sql, [self.generation]).map_err(LedgerError::from);
        if let Err(error) = left.and_then(|_| sweep(&self.connection)) {
            crate::telemetry::ledger::members_of_no_use_take_space(error);
        }
    }

    fn write_rows(&mut self) -> Result<(), ImportError> {
        let (rows, bytes) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.bytes));
        if rows.is_empty() {
            return Ok(());
        }
        let transaction = self.transaction()?;
        let day = |day: Option<Date>| day.map(|day| day.to_string());
        for row in &rows {
            match row {
                Row::Coverage(id, numbers, active, [first, last], coverage) => transaction
                    .prepare_cached("INSERT INTO member_coverages VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
                    .execute(params![self.generation, id, numbers, active, day(*first), day(*last), coverage])?,
                Row::Authorization(id, number, codes, [first, last]) => transaction
                    .prepare_cached("INSERT INTO member_authorizations VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                    .execute(params![self.generation, id, number, codes, day(*first), day(*last)])?,
            };
        }
        transaction.commit()?;
        self.rest(bytes)
    }

    fn write_keys(&mut self) -> Result<(), ImportError> {
        let mut keys = std::mem::take(&mut self.keys);
        keys.sort_unstable();
        keys.dedup();
        for batch in keys.chunks(BATCH_KEYS) {
            let transaction = self.transaction()?;
            {
                // A key of an earlier run may be there already: a person has a number twice.
                let sql = "INSERT INTO member_keys VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
                let mut insert = transaction.prepare_cached(sql)?;
                for (key, id) in batch {
                    insert.execute(params![self.generation, key, id])?;
                }
            }
            transaction.commit()?;
            self.rest(batch.len() * 64)?;
        }
        Ok(())
    }

    /// A transaction of a generation that was not given up for another import.
    fn transaction(&self) -> Result<Transaction<'_>, ImportError> {
        let transaction = lock(&self.connection)?;
        let sql = "SELECT count(*) FROM member_generations WHERE generation = ?1 AND state = 'filling'";
        let filling: i64 = transaction.prepare_cached(sql)?.query_row([self.generation], |row| row.get(0))?;
        if filling == 0 { Err(ImportError::Superseded) } else { Ok(transaction) }
    }

    fn rest(&mut self, bytes: usize) -> Result<(), ImportError> {
        self.in_wal += bytes;
        if self.in_wal >= CHECKPOINT_AFTER {
            self.in_wal = 0;
            checkpoint(&self.connection)?;
        }
        thread::sleep(PAUSE);
        Ok(())
    }
}

fn lock(connection: &Connection) -> Result<Transaction<'_>, LedgerError> {
    Ok(Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?)
}

fn checkpoint(connection: &Connection) -> Result<(), LedgerError> {
    Ok(connection.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?.query_row([], |_| Ok(()))?)
}

/// Takes away the generations that have left, a batch of rows at a time.
fn sweep(connection: &Connection) -> Result<(), LedgerError> {
    let mut left = connection.prepare("SELECT generation FROM member_generations WHERE state = 'leaving'")?;
    let left: Vec<i64> = left.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for generation in left {
        for (table, column) in [("member_keys", "key"), ("member_coverages", "id"), ("member_authorizations", "id")] {
            let sql = format!(
                "DELETE FROM {table} WHERE generation = ?1 AND {column} <= (SELECT max({column}) FROM
                     (SELECT {column} FROM {table} WHERE generation = ?1 ORDER BY {column} LIMIT {BATCH_KEYS}))"
            );
            let mut since = 0;
            while connection.prepare_cached(&sql)?.execute([generation])? > 0 {
                since += 1;
                if since % 64 == 0 {
                    checkpoint(connection)?;
                }
                thread::sleep(PAUSE);
            }
        }
        connection.execute("DELETE FROM member_generations WHERE generation = ?1", [generation])?;
    }
    checkpoint(connection)
}
