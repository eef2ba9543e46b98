//! Tries whether the database could take a record: writes one and takes it back before it is committed.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_postgres::Client;
use uuid::Uuid;

use crate::record::{LedgerError, trial};

/// How long a trial that went well stands. Each leaves rows behind that the database has to sweep up.
const STANDS: Duration = Duration::from_secs(30);

/// How the last trials went.
#[derive(Debug)]
pub(super) struct Trials(Mutex<Last>);

#[derive(Debug, Clone, Copy)]
struct Last {
    outcome: Result<(), LedgerError>,
    ended: Instant,
}

impl Trials {
    /// A ledger that is just opened has been written to.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Last { outcome: Ok(()), ended: Instant::now() }))
    }

    /// Whether a record could be kept now: tried, unless it was tried lately and went well.
    pub(super) fn run(&self, write: impl FnOnce() -> Result<(), LedgerError>) -> Result<(), LedgerError> {
        let last = *self.last();
        if last.outcome.is_ok() && last.ended.elapsed() < STANDS {
            return Ok(());
        }
        let outcome = write();
        *self.last() = Last { outcome, ended: Instant::now() };
        outcome
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what a record would take, and takes it back. It is not compressed, so that it takes as much as it has.
pub(super) async fn write(client: &Client) -> Result<(), LedgerError> {
    let key = format!("trial {}", Uuid::new_v4());
    let written = async {
        client.batch_execute("BEGIN").await?;
        let sql = "INSERT INTO ledger_policy_sets (hash, files) VALUES ($1, $2)";
        client.execute(sql, &[&key, &incompressible()]).await
    };
    let written = written.await;
    let ended = client.batch_execute("ROLLBACK").await;
    written?;
    Ok(ended?)
}

/// Bytes that look like chance to whoever would compress them (xorshift).
fn incompressible() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(trial::SIZE / size_of::<u64>()).flatten().collect()
}
