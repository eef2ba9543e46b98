//! The rows of a ledger in a file; nothing here writes.

use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, params};

use super::{NODE, SqliteLedger, schema};
use crate::record::LedgerError;
use crate::record::chain::{Hash, NOTHING_BEFORE};
use crate::record::key::Key;
use crate::record::keyring::Wrapped;
use crate::record::row::{Place, Row};
use crate::record::shelf::{Node, Removed, Shelf, Span, Stretch};

/// The columns, in the order that [`read`] reads them in.
const COLUMNS: &str = "node, seq, at, kind, id, ids, terms, head, dictionary, key, body, previous, hash";

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        node: row.get(0)?,
        seq: row.get(1)?,
        at: row.get(2)?,
        kind: row.get(3)?,
        id: row.get(4)?,
        ids: row.get(5)?,
        terms: row.get(6)?,
        // Whatever was put there is held against the hash.
        head: row.get_ref(7)?.as_bytes().unwrap_or_default().to_vec(),
        dictionary: row.get(8)?,
        key: row.get(9)?,
        body: row.get(10)?,
        previous: row.get(11)?,
        hash: row.get(12)?,
    })
}

/// All nodes, in the columns that [`read_node`] reads.
const NODES: &str = "SELECT node, name, seq, hash, pruned FROM nodes";

fn read_node(row: &rusqlite::Row<'_>) -> rusqlite::Result<Node> {
    let hash = row.get::<_, Vec<u8>>(3)?.try_into().unwrap_or(NOTHING_BEFORE);
    Ok(Node { number: row.get(0)?, name: row.get(1)?, head: (row.get(2)?, hash), pruned: row.get(4)? })
}

fn read_place(row: &rusqlite::Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place { node: row.get(0)?, seq: row.get(1)?, at: row.get(2)? })
}

/// The place and hash that the chain goes on from.
pub(super) fn head(connection: &Connection) -> Result<(i64, Hash), LedgerError> {
    let head = connection
        .prepare_cached("SELECT seq, hash FROM nodes WHERE node = ?1")?
        .query_row([NODE], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    head.ok_or(LedgerError::Corrupt)
}

/// Where the record of an id is.
pub(super) fn place(connection: &Connection, id: &Key) -> rusqlite::Result<Option<Place>> {
    connection.prepare_cached("SELECT node, seq, at FROM ids WHERE id = ?1")?.query_row([id], read_place).optional()
}

/// The row of a place.
pub(super) fn row(connection: &Connection, place: Place) -> rusqlite::Result<Option<Row>> {
    let sql = format!("SELECT {COLUMNS} FROM records WHERE node = ?1 AND seq = ?2");
    connection.prepare_cached(&sql)?.query_row([place.node, place.seq], read).optional()
}

/// The rows of a query about the columns.
fn rows(connection: &Connection, rest: &str, values: &[&dyn ToSql]) -> Result<Vec<Row>, LedgerError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM records {rest}"))?;
    Ok(statement.query_map(values, read)?.collect::<Result<_, _>>()?)
}

/// What is left of a node's records up to a place.
fn removed(connection: &Connection, node: i64, pruned: i64) -> Result<Removed, LedgerError> {
    let mut last = connection.prepare_cached("SELECT hash FROM hashes WHERE node = ?1 AND seq = ?2")?;
    let mut count = connection.prepare_cached("SELECT count(*) FROM hashes WHERE node = ?1 AND seq <= ?2")?;
    let last = last.query_row([node, pruned], |row| row.get(0)).optional()?;
    Ok(Removed { last, hashes: count.query_row([node, pruned], |row| row.get(0))? })
}

/// The places of rows that an index does not lead to.
fn unindexed(connection: &Connection, rows: &[Row]) -> Result<Vec<i64>, LedgerError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM terms WHERE term = ?1 AND at = ?2 AND node = ?3 AND seq = ?4)";
    let mut term = connection.prepare_cached(sql)?;
    let mut hidden = Vec::new();
    for row in rows {
        let mut found = true;
        for id in row.ids() {
            found &= place(connection, &id)? == Some(row.place());
        }
        for key in row.terms() {
            found &= term.query_row(params![key, row.at, row.node, row.seq], |row| row.get::<_, bool>(0))?;
        }
        hidden.extend((!found).then_some(row.seq));
    }
    Ok(hidden)
}

impl Shelf for SqliteLedger {
    fn engine(&self) -> &'static str {
        "SQLite"
    }

    fn nodes(&self) -> Result<Vec<Node>, LedgerError> {
        let connection = self.reader();
        let mut statement = connection.prepare_cached(&format!("{NODES} ORDER BY node"))?;
        Ok(statement.query_map([], read_node)?.collect::<Result<_, _>>()?)
    }

    fn rows(&self, places: &[Place]) -> Result<Vec<Row>, LedgerError> {
        let reader = self.reader();
        // One look at the file's state for all of them.
        let connection = reader.unchecked_transaction()?;
        let rows = places.iter().filter_map(|place| row(&connection, *place).transpose());
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn page(&self, node: i64, after: i64, most: u32) -> Result<Vec<Row>, LedgerError> {
        let rest = "WHERE node = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
        rows(&self.reader(), rest, &[&node, &after, &most])
    }

    fn between(&self, span: Span, after: Option<Place>, most: u32) -> Result<Vec<Row>, LedgerError> {
        let after = after.unwrap_or(Place { at: span.from, node: i64::MIN, seq: i64::MIN });
        let rest = "WHERE (at, node, seq) > (?1, ?2, ?3) AND at < ?4 ORDER BY at, node, seq LIMIT ?5";
        rows(&self.reader(), rest, &[&after.at, &after.node, &after.seq, &span.before, &most])
    }

    fn latest(&self, span: Span, before: Option<Place>, most: u32) -> Result<Vec<Row>, LedgerError> {
        let before = before.unwrap_or(Place { at: span.before, node: i64::MIN, seq: i64::MIN });
        let rest = "WHERE (at, node, seq) < (?1, ?2, ?3) AND at >= ?4 ORDER BY at DESC, node DESC, seq DESC LIMIT ?5";
        rows(&self.reader(), rest, &[&before.at, &before.node, &before.seq, &span.from, &most])
    }

    fn stretch(&self, node: i64, after: i64, most: u32) -> Result<Stretch, LedgerError> {
        let reader = self.reader();
        // One look at the file's state for all of it: a pruning beside it cannot come between a row and its index.
        let connection = reader.unchecked_transaction()?;
        let listed = connection.prepare_cached(&format!("{NODES} WHERE node = ?1"))?.query_row([node], read_node);
        let listed = listed.optional()?;
        let pruned = listed.as_ref().map_or(0, |node| node.pruned);
        let removed = if pruned > after { Some(removed(&connection, node, pruned)?) } else { None };
        let rest = "WHERE node = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
        let rows = rows(&connection, rest, &[&node, &after.max(pruned), &most])?;
        Ok(Stretch { hidden: unindexed(&connection, &rows)?, node: listed, rows, removed })
    }

    fn writers(&self) -> Result<Vec<i64>, LedgerError> {
        // From one node to the next by the index, instead of by way of all records.
        let sql = "WITH RECURSIVE writers (node) AS (
                       SELECT min(node) FROM records UNION ALL
                       SELECT (SELECT min(r.node) FROM records AS r WHERE r.node > w.node) FROM writers AS w
                       WHERE w.node IS NOT NULL),
                   gone (node) AS (
                       SELECT min(node) FROM hashes UNION ALL
                       SELECT (SELECT min(h.node) FROM hashes AS h WHERE h.node > g.node) FROM gone AS g
                       WHERE g.node IS NOT NULL)
                   SELECT node FROM writers WHERE node IS NOT NULL
                   UNION SELECT node FROM gone WHERE node IS NOT NULL ORDER BY 1";
        let connection = self.reader();
        let mut statement = connection.prepare_cached(sql)?;
        Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    fn misshapen(&self) -> Result<Vec<String>, LedgerError> {
        schema::misshapen(&self.reader())
    }

    fn sets(&self) -> Result<Vec<String>, LedgerError> {
        let connection = self.reader();
        let mut statement = connection.prepare_cached("SELECT hash FROM policy_sets ORDER BY hash")?;
        Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    fn place(&self, id: &Key) -> Result<Option<Place>, LedgerError> {
        Ok(place(&self.reader(), id)?)
    }

    fn with_term(
        &self,
        term: &Key,
        also: Option<&Key>,
        span: Span,
        before: Option<Place>,
        most: u32,
    ) -> Result<Vec<Place>, LedgerError> {
        let before = before.unwrap_or(Place { at: span.before, node: i64::MIN, seq: i64::MIN });
        let sql = "SELECT node, seq, at FROM terms AS t WHERE term = ?1 AND (at, node, seq) < (?2, ?3, ?4) AND at >= ?5
                   AND (?7 IS NULL OR EXISTS (SELECT 1 FROM terms AS o
                       WHERE o.term = ?7 AND o.at = t.at AND o.node = t.node AND o.seq = t.seq))
                   ORDER BY at DESC, node DESC, seq DESC LIMIT ?6";
        let connection = self.reader();
        let mut statement = connection.prepare_cached(sql)?;
        let values = params![term, before.at, before.node, before.seq, span.from, most, also];
        Ok(statement.query_map(values, read_place)?.collect::<Result<_, _>>()?)
    }

    fn with_terms(&self, terms: &[Key]) -> Result<Vec<Place>, LedgerError> {
        let connection = self.reader();
        let mut statement = connection.prepare_cached("SELECT node, seq, at FROM terms WHERE term = ?1")?;
        let mut places = Vec::new();
        for term in terms {
            for place in statement.query_map([term], read_place)? {
                places.push(place?);
            }
        }
        Ok(places)
    }

    fn hash(&self, node: i64, seq: i64) -> Result<Option<Hash>, LedgerError> {
        let connection = self.reader();
        let mut statement = connection.prepare_cached("SELECT hash FROM hashes WHERE node = ?1 AND seq = ?2")?;
        Ok(statement.query_row([node, seq], |row| row.get(0)).optional()?)
    }

    fn keys(&self) -> Result<Vec<Wrapped>, LedgerError> {
        keys(&self.reader())
    }

    fn files(&self, hash: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        let connection = self.reader();
        let mut statement = connection.prepare_cached("SELECT files FROM policy_sets WHERE hash = ?1")?;
        Ok(statement.query_row([hash], |row| row.get(0)).optional()?)
    }
}

/// The wrapped data keys.
pub(super) fn keys(connection: &Connection) -> Result<Vec<Wrapped>, LedgerError> {
    let mut statement = connection.prepare_cached("SELECT number, master, wrapped FROM keys ORDER BY number")?;
    let keys =
        statement.query_map([], |row| Ok(Wrapped { number: row.get(0)?, master: row.get(1)?, bytes: row.get(2)? }))?;
    Ok(keys.collect::<Result<_, _>>()?)
}
