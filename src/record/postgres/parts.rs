//! The months that records lie in, each a part of its table, and small things that batches are made of.

use std::collections::HashSet;

use deadpool_postgres::Object;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::open::LOCK;
use crate::record::LedgerError;
use crate::record::key::Key;
use crate::record::row::{Place, Row};

/// The tables that are in parts.
const TABLES: [&str; 2] = ["ledger_records", "ledger_terms"];

/// Keys of rows with the rows' places, column by column.
pub(super) type Keys = (Vec<Vec<u8>>, Vec<i64>, Vec<i64>, Vec<i64>);

/// The keys of rows, for `unnest`.
pub(super) fn keys(rows: &[Row], of: impl Fn(&Row) -> Vec<Key>) -> Keys {
    let mut columns = Keys::default();
    for row in rows {
        let Place { node, seq, at } = row.place();
        for key in of(row) {
            columns.0.push(key.to_vec());
            columns.1.push(node);
            columns.2.push(seq);
            columns.3.push(at);
        }
    }
    columns
}

/// The months whose parts are known to be there.
#[derive(Debug, Default)]
pub(super) struct Parts(HashSet<Date>);

impl Parts {
    /// Makes the parts that records of these times go into, where they are not there yet.
    pub(super) async fn make(
        &mut self,
        client: &mut Object,
        times: impl Iterator<Item = i64> + Send,
    ) -> Result<(), LedgerError> {
        let mut wanted: Vec<Date> = times.map(month).collect::<Result<_, _>>()?;
        wanted.retain(|month| !self.0.contains(month));
        wanted.sort_unstable();
        wanted.dedup();
        for month in wanted {
            let next = month.checked_add(1.month()).map_err(|_| LedgerError::Unstorable)?;
            let (name, from, before) = (month.strftime("%Y_%m"), beginning(month)?, beginning(next)?);
            for table in TABLES {
                // A transaction for each: making a part keeps everybody else from its table. Who holds one table and waits
                // for the other stands across another node's batch, which takes both.
                let transaction = client.transaction().await?;
                transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
                let sql = format!("SELECT to_regclass('{table}_{name}') IS NULL");
                if transaction.query_one(&sql, &[]).await?.try_get(0)? {
                    let sql = format!(
                        "CREATE TABLE {table}_{name} PARTITION OF {table} FOR VALUES FROM ({from}) TO ({before});
                         CREATE TRIGGER stay BEFORE TRUNCATE ON {table}_{name}
                         FOR EACH STATEMENT EXECUTE FUNCTION ledger_keep()"
                    );
                    transaction.batch_execute(&sql).await?;
                }
                transaction.commit().await?;
            }
            self.0.insert(month);
        }
        Ok(())
    }
}

fn month(at: i64) -> Result<Date, LedgerError> {
    let at = Timestamp::from_nanosecond(i128::from(at)).map_err(|_| LedgerError::Unstorable)?;
    Ok(at.to_zoned(TimeZone::UTC).date().first_of_month())
}

fn beginning(day: Date) -> Result<i64, LedgerError> {
    let at = day.to_zoned(TimeZone::UTC).map_err(|_| LedgerError::Unstorable)?;
    i64::try_from(at.timestamp().as_nanosecond()).map_err(|_| LedgerError::Unstorable)
}
