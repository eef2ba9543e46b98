//! The rows of a ledger in PostgreSQL; nothing here writes.

use deadpool_postgres::GenericClient;
use tokio_postgres::types::ToSql;

use super::{PostgresLedger, walk};
use crate::record::LedgerError;
use crate::record::chain::{Hash, NOTHING_BEFORE};
use crate::record::key::Key;
use crate::record::keyring::Wrapped;
use crate::record::row::{Place, Row};
use crate::record::shelf::{Node, Shelf, Span, Stretch};

/// The columns, in the order that [`read`] reads them in.
pub(super) const COLUMNS: &str =
    "r.node, r.seq, r.at, r.kind, r.id, r.ids, r.terms, r.head, r.dictionary, r.key, r.body, r.previous, r.hash";

pub(super) fn read(row: &tokio_postgres::Row) -> Result<Row, LedgerError> {
    Ok(Row {
        node: row.try_get(0)?,
        seq: row.try_get(1)?,
        at: row.try_get(2)?,
        kind: row.try_get(3)?,
        id: row.try_get(4)?,
        ids: row.try_get(5)?,
        terms: row.try_get(6)?,
        head: row.try_get::<_, String>(7)?.into_bytes(),
        dictionary: row.try_get(8)?,
        key: row.try_get(9)?,
        body: row.try_get(10)?,
        previous: row.try_get(11)?,
        hash: row.try_get(12)?,
    })
}

fn read_place(row: &tokio_postgres::Row) -> Result<Place, LedgerError> {
    Ok(Place { node: row.try_get(0)?, seq: row.try_get(1)?, at: row.try_get(2)? })
}

pub(super) fn read_node(row: &tokio_postgres::Row) -> Result<Node, LedgerError> {
    let hash = row.try_get::<_, Vec<u8>>(3)?.try_into().unwrap_or(NOTHING_BEFORE);
    let head = (row.try_get(2)?, hash);
    Ok(Node { number: row.try_get(0)?, name: row.try_get(1)?, head, pruned: row.try_get(4)? })
}

type Values<'v> = &'v [&'v (dyn ToSql + Sync)];

/// Asks one question and reads each row of the reply.
pub(super) async fn all<T>(
    client: &impl GenericClient,
    sql: &str,
    values: Values<'_>,
    read: impl Fn(&tokio_postgres::Row) -> Result<T, LedgerError>,
) -> Result<Vec<T>, LedgerError> {
    let statement = client.prepare_cached(sql).await?;
    client.query(&statement, values).await?.iter().map(read).collect()
}

/// The wrapped data keys.
pub(super) async fn keys(client: &tokio_postgres::Client) -> Result<Vec<Wrapped>, LedgerError> {
    let rows = client.query("SELECT number, master, wrapped FROM ledger_keys ORDER BY number", &[]).await?;
    rows.iter()
        .map(|row| Ok(Wrapped { number: row.try_get(0)?, master: row.try_get(1)?, bytes: row.try_get(2)? }))
        .collect()
}

/// Columns of places, for `unnest`.
pub(super) fn columns(places: &[Place]) -> [Vec<i64>; 3] {
    [
        places.iter().map(|place| place.node).collect(),
        places.iter().map(|place| place.seq).collect(),
        places.iter().map(|place| place.at).collect(),
    ]
}

impl Shelf for PostgresLedger {
    fn engine(&self) -> &'static str {
        "PostgreSQL"
    }

    fn nodes(&self) -> Result<Vec<Node>, LedgerError> {
        self.ask(|client| async move {
            all(&client, "SELECT node, name, seq, hash, pruned FROM ledger_nodes ORDER BY node", &[], read_node).await
        })
    }

    fn rows(&self, places: &[Place]) -> Result<Vec<Row>, LedgerError> {
        let [node, seq, at] = columns(places);
        self.ask(|client| async move {
            // That a time is one of these is said twice: by the second the months are known before any is looked into.
            let sql = format!(
                "SELECT {COLUMNS} FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS p (node, seq, at)
                 JOIN ledger_records AS r ON r.node = p.node AND r.seq = p.seq AND r.at = p.at
                 WHERE r.at = ANY($3)"
            );
            all(&client, &sql, &[&node, &seq, &at], read).await
        })
    }

    fn page(&self, node: i64, after: i64, most: u32) -> Result<Vec<Row>, LedgerError> {
        self.ask(move |client| async move {
            let sql = format!(
                "SELECT {COLUMNS} FROM ledger_records AS r WHERE r.node = $1 AND r.seq > $2 ORDER BY r.seq LIMIT $3"
            );
            all(&client, &sql, &[&node, &after, &i64::from(most)], read).await
        })
    }

    fn between(&self, span: Span, after: Option<Place>, most: u32) -> Result<Vec<Row>, LedgerError> {
        let after = after.unwrap_or(Place { at: span.from, node: i64::MIN, seq: i64::MIN });
        self.ask(move |client| async move {
            let sql = format!(
                "SELECT {COLUMNS} FROM ledger_records AS r
                 WHERE (r.at, r.node, r.seq) > ($1, $2, $3) AND r.at >= $1 AND r.at < $4
                 ORDER BY r.at, r.node, r.seq LIMIT $5"
            );
            all(&client, &sql, &[&after.at, &after.node, &after.seq, &span.before, &i64::from(most)], read).await
        })
    }

    fn latest(&self, span: Span, before: Option<Place>, most: u32) -> Result<Vec<Row>, LedgerError> {
        let before = before.unwrap_or(Place { at: span.before, node: i64::MIN, seq: i64::MIN });
        self.ask(move |client| async move {
            let sql = format!(
                "SELECT {COLUMNS} FROM ledger_records AS r
                 WHERE (r.at, r.node, r.seq) < ($1, $2, $3) AND r.at <= $1 AND r.at >= $4
                 ORDER BY r.at DESC, r.node DESC, r.seq DESC LIMIT $5"
            );
            all(&client, &sql, &[&before.at, &before.node, &before.seq, &span.from, &i64::from(most)], read).await
        })
    }

    fn stretch(&self, node: i64, after: i64, most: u32) -> Result<Stretch, LedgerError> {
        self.ask(move |client| async move { walk::stretch(client, node, after, most).await })
    }

    fn writers(&self) -> Result<Vec<i64>, LedgerError> {
        self.ask(|client| async move { walk::writers(&client).await })
    }

    fn misshapen(&self) -> Result<Vec<String>, LedgerError> {
        self.ask(|client| async move { walk::misshapen(&client).await })
    }

    fn sets(&self) -> Result<Vec<String>, LedgerError> {
        self.ask(|client| async move {
            let sql = "SELECT hash FROM ledger_policy_sets ORDER BY hash";
            all(&client, sql, &[], |row| Ok(row.try_get(0)?)).await
        })
    }

    fn place(&self, id: &Key) -> Result<Option<Place>, LedgerError> {
        let id = id.to_vec();
        self.ask(|client| async move {
            let sql = "SELECT node, seq, at FROM ledger_ids WHERE id = $1";
            Ok(all(&client, sql, &[&id], read_place).await?.first().copied())
        })
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
        let (term, also) = (term.to_vec(), also.map(|also| also.to_vec()));
        self.ask(move |client| async move {
            let mut values: Vec<&(dyn ToSql + Sync)> = vec![&term, &before.at, &before.node, &before.seq, &span.from];
            let most = i64::from(most);
            values.push(&most);
            let also = also.as_ref().map_or("", |also| {
                values.push(also);
                // Not EXISTS, which is made a join of all that both have before any is taken.
                "AND (SELECT true FROM ledger_terms AS o
                     WHERE o.term = $7 AND o.at = t.at AND o.node = t.node AND o.seq = t.seq)"
            });
            let sql = format!(
                "SELECT node, seq, at FROM ledger_terms AS t
                 WHERE term = $1 AND (at, node, seq) < ($2, $3, $4) AND at <= $2 AND at >= $5 {also}
                 ORDER BY at DESC, node DESC, seq DESC LIMIT $6"
            );
            all(&client, &sql, &values, read_place).await
        })
    }

    fn with_terms(&self, terms: &[Key]) -> Result<Vec<Place>, LedgerError> {
        if terms.is_empty() {
            return Ok(Vec::new());
        }
        let terms: Vec<Vec<u8>> = terms.iter().map(|term| term.to_vec()).collect();
        self.ask(|client| async move {
            let sql = "SELECT node, seq, at FROM ledger_terms WHERE term = ANY($1)";
            all(&client, sql, &[&terms], read_place).await
        })
    }

    fn hash(&self, node: i64, seq: i64) -> Result<Option<Hash>, LedgerError> {
        self.ask(move |client| async move {
            let sql = "SELECT hash FROM ledger_hashes WHERE node = $1 AND seq = $2";
            let hashes = all(&client, sql, &[&node, &seq], |row| Ok(row.try_get::<_, Vec<u8>>(0)?)).await?;
            Ok(hashes.into_iter().next().map(|hash| hash.try_into().unwrap_or(NOTHING_BEFORE)))
        })
    }

    fn keys(&self) -> Result<Vec<Wrapped>, LedgerError> {
        self.ask(|client| async move { keys(&client).await })
    }

    fn files(&self, hash: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        let hash = hash.to_owned();
        self.ask(|client| async move {
            let sql = "SELECT files FROM ledger_policy_sets WHERE hash = $1";
            Ok(all(&client, sql, &[&hash], |row| Ok(row.try_get(0)?)).await?.into_iter().next())
        })
    }
}
