//! Takes old records away, and leaves their hashes.

use deadpool_postgres::{GenericClient, Object, Transaction};

use super::parts;
use super::shelf::{self, all};
use crate::record::LedgerError;
use crate::record::row::Row;

/// Takes the next records of a node up to a place away; how many went.
pub(super) async fn remove(client: &mut Object, node: i64, through: i64, most: i64) -> Result<u64, LedgerError> {
    let transaction = client.transaction().await?;
    let sql = format!(
        "SELECT {} FROM ledger_records AS r WHERE r.node = $1 AND r.seq <= $2 ORDER BY r.seq LIMIT $3",
        shelf::COLUMNS
    );
    let rows: Vec<Row> = all(&transaction, &sql, &[&node, &through, &most], shelf::read).await?;
    let Some(last) = rows.last().map(|row| row.seq) else { return Ok(0) };
    let sql = "INSERT INTO ledger_hashes (node, seq, hash)
               SELECT node, seq, hash FROM ledger_records WHERE node = $1 AND seq <= $2";
    transaction.execute(sql, &[&node, &last]).await?;
    forget(&transaction, "ledger_ids", "id", parts::keys(&rows, |row| row.ids().collect())).await?;
    forget(&transaction, "ledger_terms", "term", parts::keys(&rows, |row| row.terms().collect())).await?;
    let gone = transaction.execute("DELETE FROM ledger_records WHERE node = $1 AND seq <= $2", &[&node, &last]).await?;
    transaction.execute("UPDATE ledger_nodes SET pruned = $2 WHERE node = $1", &[&node, &last]).await?;
    transaction.commit().await?;
    Ok(gone)
}

async fn forget(transaction: &Transaction<'_>, index: &str, key: &str, keys: parts::Keys) -> Result<(), LedgerError> {
    let sql = format!(
        "DELETE FROM {index} AS i USING unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[]) AS p (key, node, seq, at)
         WHERE i.{key} = p.key AND i.node = p.node AND i.seq = p.seq AND i.at = p.at"
    );
    let statement = transaction.prepare_cached(&sql).await?;
    transaction.execute(&statement, &[&keys.0, &keys.1, &keys.2, &keys.3]).await?;
    Ok(())
}
