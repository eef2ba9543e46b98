//! What is kept together in one transaction: each call's records by themselves, or none of them.

use std::collections::HashMap;

use deadpool_postgres::{Object, Transaction};
use tokio_postgres::types::ToSql;

use super::parts;
use super::shelf::{self, all};
use crate::record::chain::Hash;
use crate::record::key::Key;
use crate::record::row::{Loose, Row};
use crate::record::{LedgerError, Receipt};

/// What came of one call.
pub(super) type Outcome = Result<Receipt, LedgerError>;

/// Keeps the records of calls in one transaction. A call that is at fault by itself has its own outcome; one that has an
/// id twice fails all with [`LedgerError::Duplicate`].
///
/// `again` says that some may have been kept already by an attempt that nobody heard the end of.
pub(super) async fn keep(
    client: &mut Object,
    node: i64,
    calls: &[&[Loose]],
    again: bool,
) -> Result<Vec<Outcome>, LedgerError> {
    let transaction = client.transaction().await?;
    // An attempt before, or another process in this node's name, has ended once the lock is ours.
    let (mut seq, mut hash) = head(&transaction, node).await?;
    let kept = if again { kept(&transaction, calls).await? } else { HashMap::new() };
    let cards = cards(&transaction, calls).await?;
    let (mut outcomes, mut rows) = (Vec::with_capacity(calls.len()), Vec::new());
    for call in calls {
        let before = call.last().and_then(|last| kept.get(&last.key()));
        let has_card = |loose: &Loose| {
            loose.card.as_ref().is_none_or(|card| cards.get(&card.key).is_some_and(|row| card.is_in(row)))
        };
        let outcome = match before {
            Some(receipt) => Ok(*receipt),
            None if !call.iter().all(has_card) => Err(LedgerError::NoSuchCard),
            None => {
                for loose in *call {
                    let row = loose.linked(node, seq.saturating_add(1), &hash);
                    (seq, hash) = (row.seq, row.sealed());
                    rows.push(row);
                }
                Ok(Receipt { seq, hash })
            }
        };
        outcomes.push(outcome);
    }
    if !rows.is_empty() {
        insert(&transaction, &rows).await?;
        let statement =
            transaction.prepare_cached("UPDATE ledger_nodes SET seq = $2, hash = $3 WHERE node = $1").await?;
        transaction.execute(&statement, &[&node, &seq, &hash.as_slice()]).await?;
    }
    transaction.commit().await?;
    Ok(outcomes)
}

/// The place and hash that the chain goes on from, and the lock on it.
async fn head(transaction: &Transaction<'_>, node: i64) -> Result<(i64, Hash), LedgerError> {
    let sql = "SELECT seq, hash FROM ledger_nodes WHERE node = $1 FOR UPDATE";
    let heads = all(transaction, sql, &[&node], |row| Ok((row.try_get(0)?, row.try_get::<_, Vec<u8>>(1)?))).await?;
    let (seq, hash) = heads.into_iter().next().ok_or(LedgerError::Corrupt)?;
    Ok((seq, hash.try_into().map_err(|_| LedgerError::Corrupt)?))
}

/// The receipts of calls that were kept already, by the key of their last record.
async fn kept(transaction: &Transaction<'_>, calls: &[&[Loose]]) -> Result<HashMap<Key, Receipt>, LedgerError> {
    let keys: Vec<Vec<u8>> = calls.iter().filter_map(|call| call.last()).map(|last| last.key().to_vec()).collect();
    let sql = "SELECT i.id, r.seq, r.hash FROM ledger_ids AS i
               JOIN ledger_records AS r ON r.node = i.node AND r.seq = i.seq AND r.at = i.at WHERE i.id = ANY($1)";
    let read = |row: &tokio_postgres::Row| {
        let key = row.try_get::<_, Vec<u8>>(0)?.try_into().map_err(|_| LedgerError::Corrupt)?;
        let hash = row.try_get::<_, Vec<u8>>(2)?.try_into().map_err(|_| LedgerError::Corrupt)?;
        Ok((key, Receipt { seq: row.try_get(1)?, hash }))
    };
    Ok(all(transaction, sql, &[&keys], read).await?.into_iter().collect())
}

/// The rows that have the cards which feedback names.
async fn cards(transaction: &Transaction<'_>, calls: &[&[Loose]]) -> Result<HashMap<Key, Row>, LedgerError> {
    let named: Vec<Key> =
        calls.iter().flat_map(|call| call.iter()).filter_map(|loose| Some(loose.card.as_ref()?.key)).collect();
    if named.is_empty() {
        return Ok(HashMap::new());
    }
    let keys: Vec<Vec<u8>> = named.iter().map(|key| key.to_vec()).collect();
    let sql = format!(
        "SELECT {} FROM ledger_ids AS i
         JOIN ledger_records AS r ON r.node = i.node AND r.seq = i.seq AND r.at = i.at WHERE i.id = ANY($1)",
        shelf::COLUMNS
    );
    let rows = all(transaction, &sql, &[&keys], shelf::read).await?;
    let of = |row: Row| {
        let own: Vec<Key> = row.ids().filter(|key| named.contains(key)).collect();
        own.into_iter().map(move |key| (key, row.clone()))
    };
    Ok(rows.into_iter().flat_map(of).collect())
}

/// Inserts rows and their indexes, each table's in one statement and all of them sent at once.
async fn insert(transaction: &Transaction<'_>, rows: &[Row]) -> Result<(), LedgerError> {
    let column = |of: fn(&Row) -> i64| rows.iter().map(of).collect::<Vec<i64>>();
    let bytes = |of: fn(&Row) -> &[u8]| rows.iter().map(of).collect::<Vec<&[u8]>>();
    let (node, seq, at) = (column(|row| row.node), column(|row| row.seq), column(|row| row.at));
    let (kind, dictionary, key) = (column(|row| row.kind), column(|row| row.dictionary), column(|row| row.key));
    let head: Vec<&str> = rows.iter().map(|row| std::str::from_utf8(&row.head).unwrap_or_default()).collect();
    let (id, ids, terms) = (bytes(|row| &row.id), bytes(|row| &row.ids), bytes(|row| &row.terms));
    let (body, previous, hash) = (bytes(|row| &row.body), bytes(|row| &row.previous), bytes(|row| &row.hash));
    let records = transaction
        .prepare_cached(
            "INSERT INTO ledger_records
                 (node, seq, at, kind, id, ids, terms, head, dictionary, key, body, previous, hash)
             SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bytea[],
                 $7::bytea[], $8::text[], $9::bigint[], $10::bigint[], $11::bytea[], $12::bytea[], $13::bytea[])",
        )
        .await?;
    let id_index = index(transaction, "ledger_ids (id, node, seq, at)", "").await?;
    let term_index = index(transaction, "ledger_terms (term, node, seq, at)", "ON CONFLICT DO NOTHING").await?;
    let of_ids = parts::keys(rows, |row| row.ids().collect());
    let of_terms = parts::keys(rows, |row| row.terms().collect());
    let values: [&(dyn ToSql + Sync); 13] =
        [&node, &seq, &at, &kind, &id, &ids, &terms, &head, &dictionary, &key, &body, &previous, &hash];
    let ids_values: [&(dyn ToSql + Sync); 4] = [&of_ids.0, &of_ids.1, &of_ids.2, &of_ids.3];
    let terms_values: [&(dyn ToSql + Sync); 4] = [&of_terms.0, &of_terms.1, &of_terms.2, &of_terms.3];
    futures_util::future::try_join3(
        transaction.execute(&id_index, &ids_values),
        transaction.execute(&term_index, &terms_values),
        transaction.execute(&records, &values),
    )
    .await?;
    Ok(())
}

async fn index(
    transaction: &Transaction<'_>,
    table: &str,
    conflict: &str,
) -> Result<tokio_postgres::Statement, LedgerError> {
    let sql = format!(
        "INSERT INTO {table} SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[]) {conflict}"
    );
    Ok(transaction.prepare_cached(&sql).await?)
}
