//! What is asked of the ledger's tables; nothing here writes.

use std::ops::{ControlFlow, Deref};

use rusqlite::{Connection, OptionalExtension};

use super::chain::{self, Flaw, Hash, Link, NOTHING_BEFORE, Verdict, Walk, Walked};
use super::row::{COLUMNS, Row};
use super::{Entry, LedgerError, feedback};

/// Rows that are read at once, so that a long walk neither holds up other readers nor keeps the WAL from shrinking.
const PAGE: i64 = 256;

/// Rows at the end that are checked when the ledger is opened.
const TAIL: i64 = 64;

/// Where the entry is that promised an assertion id.
const ASSERTIONS: &str = "SELECT seq FROM assertions WHERE assertion_id = ?1";

/// Where the entry is that showed a card.
const CARDS: &str = "SELECT seq FROM cards WHERE card_id = ?1";

/// A row of a chain, as it lies in its table.
pub(super) trait Stored: Link + Sized {
    /// The table.
    const TABLE: &'static str;
    /// The columns that [`Stored::read`] reads, in their order.
    const COLUMNS: &'static str;

    /// Reads a row that was selected with the columns.
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self>;

    /// Whether it can be found by what it will be looked for by.
    fn is_found(&self, connection: &Connection) -> Result<bool, LedgerError>;
}

impl Stored for Row {
    const TABLE: &'static str = "entries";
    const COLUMNS: &'static str = COLUMNS;

    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Self::read(row)
    }

    fn is_found(&self, connection: &Connection) -> Result<bool, LedgerError> {
        for (index, ids) in [(ASSERTIONS, self.promised()?), (CARDS, self.shown()?)] {
            for id in ids {
                if place(connection, index, &id)? != Some(self.seq) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// The last row's place and hash; the chain goes on from there.
pub(super) fn head<R: Stored>(connection: &Connection) -> rusqlite::Result<(i64, Hash)> {
    connection
        .prepare_cached(&format!("SELECT seq, hash FROM {} ORDER BY seq DESC LIMIT 1", R::TABLE))?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map(|last| last.unwrap_or((0, NOTHING_BEFORE)))
}

/// The entry that promised an assertion id. One that is not what was sealed is [`LedgerError::Corrupt`].
pub(super) fn find(connection: &Connection, assertion_id: &str) -> Result<Option<Entry>, LedgerError> {
    let Some(seq) = place(connection, ASSERTIONS, assertion_id)? else { return Ok(None) };
    let row = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM entries WHERE seq = ?1"))?
        .query_row([seq], Row::read)
        .optional()?
        .ok_or(LedgerError::Corrupt)?;
    if row.hash != chain::seal(&row) || !row.promised()?.iter().any(|id| id == assertion_id) {
        return Err(LedgerError::Corrupt);
    }
    row.entry().map(Some)
}

/// The stored files of a policy set.
pub(super) fn policy_set(connection: &Connection, hash: &str) -> Result<Option<Vec<u8>>, LedgerError> {
    let mut statement = connection.prepare_cached("SELECT files FROM policy_sets WHERE hash = ?1")?;
    Ok(statement.query_row([hash], |row| row.get(0)).optional()?)
}

/// Checks the last rows of a chain against each other.
pub(super) fn tail<R: Stored>(connection: &Connection) -> Result<Walked, LedgerError> {
    let (last, _) = head::<R>(connection)?;
    let mut before = connection.prepare_cached(&format!("SELECT seq, hash FROM {} WHERE seq = ?1", R::TABLE))?;
    let anchor = before.query_row([last.saturating_sub(TAIL)], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let walk = anchor.map_or_else(Walk::start, |(seq, hash)| Walk::after(seq, hash));
    let after = walk.seq();
    self::walk::<R, _>(|| connection, walk, after)
}

/// Walks both chains from their beginnings.
pub(super) fn verify<C: Deref<Target = Connection>>(connection: impl Fn() -> C) -> Result<Verdict, LedgerError> {
    let Walked { rows, head, flaw } = walk::<Row, C>(&connection, Walk::start(), i64::MIN)?;
    let entries = Verdict { entries: rows, head, feedback: 0, feedback_head: NOTHING_BEFORE, flaw };
    if flaw.is_some() {
        return Ok(entries);
    }
    let Walked { rows, head, flaw } = walk::<feedback::Row, C>(&connection, Walk::start(), i64::MIN)?;
    Ok(Verdict { feedback: rows, feedback_head: head, flaw: flaw.map(Flaw::of_feedback), ..entries })
}

/// Walks the rows after the place `after`, to the end or to the first flaw. Borrows the connection a page at a time.
fn walk<R: Stored, C: Deref<Target = Connection>>(
    connection: impl Fn() -> C,
    mut walk: Walk,
    mut after: i64,
) -> Result<Walked, LedgerError> {
    loop {
        match page::<R>(&connection(), after, &mut walk)? {
            ControlFlow::Continue(()) => after = walk.seq(),
            ControlFlow::Break(flaw) => return Ok(walk.end(flaw)),
        }
    }
}

/// Walks one page. Breaks at the end, or at the first flaw.
fn page<R: Stored>(
    connection: &Connection,
    after: i64,
    walk: &mut Walk,
) -> Result<ControlFlow<Option<Flaw>>, LedgerError> {
    let sql = format!("SELECT {} FROM {} WHERE seq > ?1 ORDER BY seq LIMIT ?2", R::COLUMNS, R::TABLE);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([after, PAGE])?;
    let mut read = 0;
    while let Some(row) = rows.next()? {
        read += 1;
        let seq = row.get(0)?;
        // A column of another type than was written, or text that is not text.
        let Ok(row) = R::read(row) else { return Ok(ControlFlow::Break(Some(Flaw::Changed(seq)))) };
        if let Err(flaw) = walk.step(&row) {
            return Ok(ControlFlow::Break(Some(flaw)));
        }
        if !row.is_found(connection)? {
            return Ok(ControlFlow::Break(Some(Flaw::Hidden(seq))));
        }
    }
    Ok(if read < PAGE { ControlFlow::Break(None) } else { ControlFlow::Continue(()) })
}

/// The place of the entry that showed a card, if any did.
pub(super) fn card(connection: &Connection, card_id: &str) -> rusqlite::Result<Option<i64>> {
    place(connection, CARDS, card_id)
}

fn place(connection: &Connection, index: &str, id: &str) -> rusqlite::Result<Option<i64>> {
    connection.prepare_cached(index)?.query_row([id], |row| row.get(0)).optional()
}
