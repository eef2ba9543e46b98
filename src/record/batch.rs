//! What is kept together in one transaction: each entry and each call of feedback by itself, or not at all.

use rusqlite::{Connection, Transaction, params};

use super::chain::Hash;
use super::reads;
use super::row::{COLUMNS, Packer, Row};
use super::{Entry, Feedback, LedgerError, Receipt, feedback};

/// Something to keep whole.
#[derive(Debug)]
pub(super) enum Kept {
    /// An entry.
    Entry(Box<Entry>),
    /// All items of one call of feedback.
    Feedback(Vec<Feedback>),
}

/// What came of it.
pub(super) type Outcome = Result<Receipt, LedgerError>;

/// A transaction, and where both chains stand in it.
pub(super) struct Batch<'t> {
    transaction: &'t Transaction<'t>,
    packer: &'t mut Packer,
    entries: (i64, Hash),
    feedback: (i64, Hash),
    bytes: usize,
}

impl<'t> Batch<'t> {
    /// Reads where the chains stand under the lock; not remembered: right after a failure, and beside another process.
    pub(super) fn begin(transaction: &'t Transaction<'t>, packer: &'t mut Packer) -> Result<Self, LedgerError> {
        let (entries, feedback) = (reads::head::<Row>(transaction)?, reads::head::<feedback::Row>(transaction)?);
        Ok(Self { transaction, packer, entries, feedback, bytes: 0 })
    }

    /// Bytes that were stored, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps one thing. The inner error is its own and leaves no trace; the outer is the whole batch's.
    pub(super) fn keep(&mut self, what: &Kept) -> Result<Outcome, LedgerError> {
        let run = |sql| self.transaction.prepare_cached(sql)?.execute([]);
        run("SAVEPOINT kept")?;
        let outcome = match what {
            Kept::Entry(entry) => self.entry(entry),
            Kept::Feedback(items) => self.feedback(items),
        };
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

    fn entry(&mut self, entry: &Entry) -> Outcome {
        let (seq, previous) = self.entries;
        let row = self.packer.row(entry, seq.saturating_add(1), previous)?;
        insert(self.transaction, &row, entry)?;
        self.bytes += row.determinations.len() + row.learned.len() + row.request.len() + row.response.len();
        self.entries = (row.seq, row.hash);
        Ok(Receipt { seq: row.seq, hash: row.hash })
    }

    fn feedback(&mut self, items: &[Feedback]) -> Outcome {
        let mut head = self.feedback;
        for item in items {
            let (seq, hash, bytes) = feedback::insert(self.transaction, self.packer, item, head)?;
            head = (seq, hash);
            self.bytes += bytes;
        }
        self.feedback = head;
        Ok(Receipt { seq: head.0, hash: head.1 })
    }
}

/// Inserts an entry's row and its indexes.
fn insert(connection: &Connection, row: &Row, entry: &Entry) -> rusqlite::Result<()> {
    for (ids, index) in [
        (&entry.assertions, "INSERT INTO assertions (assertion_id, seq) VALUES (?1, ?2)"),
        (&entry.cards, "INSERT INTO cards (card_id, seq) VALUES (?1, ?2)"),
    ] {
        for id in ids {
            connection.prepare_cached(index)?.execute(params![id, row.seq])?;
        }
    }
    let values = row.values();
    let sql = format!("INSERT INTO entries ({COLUMNS}) VALUES ({})", vec!["?"; values.len()].join(", "));
    connection.prepare_cached(&sql)?.execute(values.as_slice())?;
    Ok(())
}
