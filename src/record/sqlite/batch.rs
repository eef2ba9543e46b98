//! What is kept together in one transaction: each call's records by themselves, or none of them.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::NODE;
use super::shelf;
use crate::record::chain::Hash;
use crate::record::row::{Loose, Row};
use crate::record::{LedgerError, Receipt};

/// What came of one call.
pub(super) type Outcome = Result<Receipt, LedgerError>;

/// A transaction, and where the chain stands in it.
pub(super) struct Batch<'t> {
    transaction: &'t Transaction<'t>,
    head: (i64, Hash),
    bytes: usize,
}

impl<'t> Batch<'t> {
    /// Reads where the chain stands under the lock; not remembered: right after a failure, and beside another process.
    pub(super) fn begin(transaction: &'t Transaction<'t>) -> Result<Self, LedgerError> {
        Ok(Self { transaction, head: shelf::head(transaction)?, bytes: 0 })
    }

    /// Keeps one call's records. The inner error is its own and leaves no trace; the outer is the whole batch's.
    pub(super) fn keep(&mut self, what: &[Loose]) -> Result<Outcome, LedgerError> {
        let run = |sql| self.transaction.prepare_cached(sql)?.execute([]);
        run("SAVEPOINT kept")?;
        let outcome = self.insert(what);
        let run = |sql| self.transaction.prepare_cached(sql)?.execute([]);
        if let Err(error) = outcome {
            match error {
                LedgerError::Duplicate | LedgerError::Unstorable | LedgerError::NoSuchCard => run("ROLLBACK TO kept")?,
                whole => return Err(whole),
            };
        }
        run("RELEASE kept")?;
        Ok(outcome)
    }

    fn insert(&mut self, what: &[Loose]) -> Outcome {
        let ((mut seq, mut hash), mut bytes) = (self.head, 0);
        for loose in what {
            if let Some(card) = &loose.card {
                let row = shelf::place(self.transaction, &card.key)?;
                let row = row.map(|place| shelf::row(self.transaction, place)).transpose()?.flatten();
                row.filter(|row| card.is_in(row)).ok_or(LedgerError::NoSuchCard)?;
            }
            let row = loose.linked(NODE, seq.saturating_add(1), &hash);
            insert(self.transaction, &row)?;
            (seq, hash) = (row.seq, row.sealed());
            bytes += loose.bytes();
        }
        self.head = (seq, hash);
        self.bytes += bytes;
        Ok(Receipt { seq, hash })
    }

    /// Notes where the chain stands now; bytes that were stored, about.
    pub(super) fn end(self) -> Result<usize, LedgerError> {
        let (seq, hash) = self.head;
        self.transaction
            .prepare_cached("UPDATE nodes SET seq = ?2, hash = ?3 WHERE node = ?1")?
            .execute(params![NODE, seq, hash])?;
        Ok(self.bytes)
    }
}

/// Inserts a row and its indexes.
fn insert(connection: &Connection, row: &Row) -> rusqlite::Result<()> {
    let mut id = connection.prepare_cached("INSERT INTO ids (id, node, seq, at) VALUES (?, ?, ?, ?)")?;
    for key in row.ids() {
        id.execute(params![key, row.node, row.seq, row.at])?;
    }
    // Not OR IGNORE, which would pass over other faults too: one record may name one card twice.
    let sql = "INSERT INTO terms (term, at, node, seq) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING";
    let mut term = connection.prepare_cached(sql)?;
    for key in row.terms() {
        term.execute(params![key, row.at, row.node, row.seq])?;
    }
    let sql = "INSERT INTO records (node, seq, at, kind, id, ids, terms, head, dictionary, key, body, previous, hash)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let head = std::str::from_utf8(&row.head).unwrap_or_default();
    connection.prepare_cached(sql)?.execute(params![
        row.node,
        row.seq,
        row.at,
        row.kind,
        row.id,
        row.ids,
        row.terms,
        head,
        row.dictionary,
        row.key,
        row.body,
        row.previous,
        row.hash
    ])?;
    Ok(())
}

/// Takes the next records of a node up to a place away, and leaves their hashes; how many went.
pub(super) fn remove(transaction: &Transaction<'_>, node: i64, through: i64, most: u32) -> Result<u64, LedgerError> {
    let sql = "SELECT max(seq) FROM (SELECT seq FROM records WHERE node = ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3)";
    let last: Option<i64> =
        transaction.query_row(sql, params![node, through, most], |row| row.get(0)).optional()?.flatten();
    let Some(last) = last else { return Ok(0) };
    let run = |sql: &str| transaction.prepare_cached(sql)?.execute(params![node, last]);
    run("INSERT INTO hashes (node, seq, hash) SELECT node, seq, hash FROM records WHERE node = ?1 AND seq <= ?2")?;
    for (keys, index) in [
        ("ids", "DELETE FROM ids WHERE id = ?1"),
        ("terms", "DELETE FROM terms WHERE term = ?1 AND at = ?2 AND node = ?3 AND seq = ?4"),
    ] {
        let rows = transaction
            .prepare_cached(&format!("SELECT {keys}, at, node, seq FROM records WHERE node = ?1 AND seq <= ?2"))?
            .query_map(params![node, last], |row| {
                Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?
            .collect::<rusqlite::Result<Vec<(Vec<u8>, i64, i64, i64)>>>()?;
        let mut delete = transaction.prepare_cached(index)?;
        for (stored, at, node, seq) in rows {
            for key in crate::record::key::parted(&stored) {
                if keys == "ids" {
                    delete.execute([key])?
                } else {
                    delete.execute(params![key, at, node, seq])?
                };
            }
        }
    }
    let gone = run("DELETE FROM records WHERE node = ?1 AND seq <= ?2")?;
    run("UPDATE nodes SET pruned = ?2 WHERE node = ?1")?;
    Ok(gone as u64)
}
