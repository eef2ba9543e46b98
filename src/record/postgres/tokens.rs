//! Which tokens were used, at whatever server of this database: its unique index decides who is the first (FAULTS A20, A22).

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;

use super::open;
use crate::auth::{Mark, Shared, Use};
use crate::record::state::State;
use crate::record::{LedgerError, Trouble};
use crate::telemetry;

/// Connections of a server to this end. A question is one short statement.
pub(super) const CONNECTIONS: usize = 2;

/// How often those that are over are removed, and how long after they are: servers' clocks may differ by as much.
const SWEEP: Duration = Duration::from_secs(60);
const AFTER: &str = "300";

/// How often it is asked: a connection may be lost that nobody has looked at since.
const ATTEMPTS: usize = 2;

/// The tokens of all servers of a database. Each remembers its own too, up to `limits.live_tokens`, so that this is bounded.
#[derive(Clone)]
pub(super) struct Tokens {
    pub(super) pool: Pool,
    pub(super) runtime: Handle,
    pub(super) patience: Duration,
    pub(super) state: State,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("state", &self.state).finish_non_exhaustive()
    }
}

/// Makes a connection ready. A commit is seen by others at once and does not wait for the disk: an answer is given once its
/// record is on it, and what was committed before that is on it then too.
pub(super) async fn prepare(client: &Client, patience: Duration) -> Result<(), tokio_postgres::Error> {
    open::bound(client, patience).await?;
    client.batch_execute("SET synchronous_commit = off").await
}

/// Connects, so that no caller waits for that.
pub(super) async fn connect(pool: &Pool) -> Result<(), LedgerError> {
    let mut all = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        all.push(pool.get().await?);
    }
    Ok(())
}

impl Shared for Tokens {
    fn take(&self, mark: Mark, until: u64) -> BoxFuture<'static, Use> {
        // While the database is known to be away, nobody waits for it.
        if self.state.now().is_err() {
            return Box::pin(async { Use::Away });
        }
        // Connections live on the ledger's own thread.
        let (pool, patience) = (self.pool.clone(), self.patience);
        let asking = self.runtime.spawn(timeout(patience, take(pool, mark, until)));
        Box::pin(async move {
            match asking.await {
                Ok(Ok(Ok(true))) => Use::First,
                Ok(Ok(Ok(false))) => Use::Again,
                _ => Use::Away,
            }
        })
    }
}

/// Whether it is the first. A connection that is lost or silent is given up, and never handed out again.
async fn take(pool: Pool, mark: Mark, until: u64) -> Result<bool, LedgerError> {
    let until = i64::try_from(until).map_err(|_| LedgerError::Unstorable)?;
    for _ in 0..ATTEMPTS {
        let client = Held(Some(pool.get().await?));
        match client.inserts(mark, until).await {
            Ok(is_first) => {
                client.gives_back();
                return Ok(is_first);
            }
            Err(LedgerError::Unavailable(Trouble::Connection)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(LedgerError::Unavailable(Trouble::Connection))
}

/// A connection that goes back to its pool only when that is said.
struct Held(Option<Object>);

impl Held {
    async fn inserts(&self, mark: Mark, until: i64) -> Result<bool, LedgerError> {
        let client = self.0.as_ref().ok_or(LedgerError::Unavailable(Trouble::Connection))?;
        let sql = "INSERT INTO ledger_tokens (mark, until) VALUES ($1, $2) ON CONFLICT (mark) DO NOTHING";
        let statement = client.prepare_cached(sql).await?;
        Ok(client.execute(&statement, &[&mark.as_slice(), &until]).await? == 1)
    }

    fn gives_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Object::take(client));
        }
    }
}

/// Removes those that are over, by the database's clock, as long as the ledger is there. A failure is tried again.
pub(super) async fn sweep(pool: Pool, patience: Duration) {
    let sql = format!("DELETE FROM ledger_tokens WHERE until < extract(epoch FROM now())::bigint - {AFTER}");
    loop {
        let swept = async {
            let client = pool.get().await?;
            client.execute(&sql, &[]).await?;
            Ok::<_, LedgerError>(())
        };
        if !matches!(timeout(patience, swept).await, Ok(Ok(()))) {
            telemetry::ledger::tokens_not_removed();
        }
        sleep(SWEEP).await;
    }
}
