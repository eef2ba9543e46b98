//! What a walk along the chains is made of: stretches, each as it is at one moment, and the shape of the tables.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::{GenericClient, Object, Transaction};
use tokio_postgres::IsolationLevel;

use super::shelf::{self, all, columns, read_node};
use crate::record::LedgerError;
use crate::record::chain::NOTHING_BEFORE;
use crate::record::key::Key;
use crate::record::row::{Place, Row};
use crate::record::shelf::{Removed, Stretch};

/// What [`shape.sql`](misshapen) says of a ledger that is as it was made: a table and a line of it, with a bar between.
const SHAPE: &str = include_str!("shape.txt");

/// The next rows of a node's chain after a place, with what they are held against.
pub(super) async fn stretch(mut client: Object, node: i64, after: i64, most: u32) -> Result<Stretch, LedgerError> {
    // One look at the database's state for all of it: a pruning beside it cannot come between a row and its index.
    let isolated = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let transaction = isolated.start().await?;
    let sql = "SELECT node, name, seq, hash, pruned FROM ledger_nodes WHERE node = $1";
    let listed = all(&transaction, sql, &[&node], read_node).await?.into_iter().next();
    let pruned = listed.as_ref().map_or(0, |node| node.pruned);
    let removed = if pruned > after { Some(removed(&transaction, node, pruned).await?) } else { None };
    let sql = format!(
        "SELECT {} FROM ledger_records AS r WHERE r.node = $1 AND r.seq > $2 ORDER BY r.seq LIMIT $3",
        shelf::COLUMNS
    );
    let rows = all(&transaction, &sql, &[&node, &after.max(pruned), &i64::from(most)], shelf::read).await?;
    let hidden = unindexed(&transaction, &rows).await?;
    transaction.commit().await?;
    Ok(Stretch { node: listed, rows, hidden, removed })
}

/// What is left of a node's records up to a place.
async fn removed(transaction: &Transaction<'_>, node: i64, pruned: i64) -> Result<Removed, LedgerError> {
    let sql = "SELECT hash FROM ledger_hashes WHERE node = $1 AND seq = $2";
    let last = all(transaction, sql, &[&node, &pruned], |row| Ok(row.try_get::<_, Vec<u8>>(0)?)).await?;
    let last = last.into_iter().next().map(|hash| hash.try_into().unwrap_or(NOTHING_BEFORE));
    let sql = "SELECT count(*) FROM ledger_hashes WHERE node = $1 AND seq <= $2";
    let counts: Vec<i64> = all(transaction, sql, &[&node, &pruned], |row| Ok(row.try_get(0)?)).await?;
    Ok(Removed { last, hashes: counts.first().copied().ok_or(LedgerError::Corrupt)? })
}

/// The places of rows that an index does not lead to.
async fn unindexed(transaction: &Transaction<'_>, rows: &[Row]) -> Result<Vec<i64>, LedgerError> {
    let unnested = |keys: fn(&Row) -> Vec<Key>| {
        let of = |row: &Row| keys(row).into_iter().map(|key| (key.to_vec(), row.place())).collect::<Vec<_>>();
        let (keys, places): (Vec<Vec<u8>>, Vec<Place>) = rows.iter().flat_map(of).unzip();
        let [node, seq, at] = columns(&places);
        (keys, node, seq, at)
    };
    let ids = unnested(|row| row.ids().collect());
    let terms = unnested(|row| row.terms().collect());
    let mut hidden = BTreeSet::new();
    for (index, key, (keys, node, seq, at)) in [("ledger_ids", "id", ids), ("ledger_terms", "term", terms)] {
        let sql = format!(
            "SELECT p.seq FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[]) AS p (key, node, seq, at)
             WHERE NOT EXISTS (SELECT 1 FROM {index} AS i
                 WHERE i.{key} = p.key AND i.node = p.node AND i.seq = p.seq AND i.at = p.at)"
        );
        let seqs: Vec<i64> = all(transaction, &sql, &[&keys, &node, &seq, &at], |row| Ok(row.try_get(0)?)).await?;
        hidden.extend(seqs);
    }
    Ok(hidden.into_iter().collect())
}

/// The numbers of all nodes that records or hashes are of.
pub(super) async fn writers(client: &impl GenericClient) -> Result<Vec<i64>, LedgerError> {
    let mut writers = BTreeSet::new();
    for table in ["ledger_records", "ledger_hashes"] {
        // From one node to the next by the index, instead of by way of all records.
        let sql = format!("SELECT min(node) FROM {table} WHERE node > $1");
        let mut last = i64::MIN;
        loop {
            let next: Vec<Option<i64>> = all(client, &sql, &[&last], |row| Ok(row.try_get(0)?)).await?;
            let Some(next) = next.into_iter().next().flatten() else { break };
            writers.insert(next);
            last = next;
        }
    }
    Ok(writers.into_iter().collect())
}

/// What of the tables, triggers and functions is not as it was made.
pub(super) async fn misshapen(client: &impl GenericClient) -> Result<Vec<String>, LedgerError> {
    let mut made: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (kind, line) in SHAPE.lines().filter_map(|line| line.split_once('|')) {
        made.entry(kind).or_default().insert(line);
    }
    let read = |row: &tokio_postgres::Row| {
        Ok((row.try_get::<_, String>(0)?, row.try_get::<_, String>(1)?, row.try_get::<_, String>(2)?))
    };
    let mut found: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for (name, kind, line) in all(client, include_str!("shape.sql"), &[], read).await? {
        found.entry((kind, name)).or_default().insert(line);
    }
    let mut words = Vec::new();
    // A month that has no record yet has no part.
    for kind in made.keys().filter(|kind| !kind.ends_with(" part")) {
        if !found.contains_key(&((*kind).to_owned(), (*kind).to_owned())) {
            words.push(format!("{kind} is missing"));
        }
    }
    for ((kind, name), lines) in &found {
        let Some(made) = made.get(kind.as_str()) else { continue };
        let missing = made.iter().filter(|line| !lines.contains(**line)).map(|line| (line, "missing or changed"));
        words.extend(missing.map(|(line, what)| format!("{name}: {} is {what}", named(line))));
        let added = lines.iter().filter(|line| !made.contains(line.as_str()));
        words.extend(added.map(|line| format!("{name}: {} was added or changed", named(line))));
    }
    Ok(words)
}

/// What a line is of: its first two words.
fn named(line: &str) -> String {
    let mut words = line.splitn(3, ' ');
    match (words.next(), words.next()) {
        (Some("function"), _) => "the function".to_owned(),
        (Some(kind), Some(name)) => format!("{kind} {name}"),
        _ => line.to_owned(),
    }
}
