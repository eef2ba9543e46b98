//! The one task that writes: takes all that wait, commits them together, then answers each.
//!
//! While the database cannot be reached, whoever asks is told so at once, and it is tried again and again to reach it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};

use super::batch::{self, Outcome};
use super::open;
use super::parts::Parts;
use crate::record::row::Loose;
use crate::record::{LedgerError, Trouble};

/// How long to wait before it is tried again to reach the database, and how often an idle connection is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// The records of one call, and where its outcome goes.
pub(super) type Job = (Vec<Loose>, oneshot::Sender<Outcome>);

/// How the writer stands: what an append can hope for.
#[derive(Debug, Clone)]
pub(super) struct State(Arc<Mutex<Result<(), LedgerError>>>);

impl State {
    /// All is well.
    pub(super) fn well() -> Self {
        Self(Arc::new(Mutex::new(Ok(()))))
    }

    /// How it stands now.
    pub(super) fn now(&self) -> Result<(), LedgerError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is(&self, now: Result<(), LedgerError>) {
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), now);
        match (before, now) {
            (Ok(()), Err(error)) => tracing::error!(%error, "the ledger cannot be written"),
            (Err(_), Ok(())) => tracing::info!("the ledger can be written again"),
            _ => {}
        }
    }
}

/// The writer, with all that it owns.
pub(super) struct Writer {
    pub(super) pool: Pool,
    pub(super) node: i64,
    pub(super) patience: Duration,
    pub(super) state: State,
    pub(super) client: Option<Object>,
    pub(super) parts: Parts,
}

impl Writer {
    /// Works until every sender is gone and the queue is empty.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Job>, batch: usize) {
        let mut jobs = Vec::with_capacity(batch);
        loop {
            if self.client.is_none() && !self.wait_for_a_connection(&mut queue, batch).await {
                return;
            }
            tokio::select! {
                taken = queue.recv_many(&mut jobs, batch) => match taken {
                    0 => return,
                    _ => self.keep(jobs.drain(..).collect()).await,
                },
                () = sleep(LOOK) => self.look().await,
            }
        }
    }

    /// Tries to reach the database until it is there; meanwhile all who ask are told at once that it is not. False when
    /// nobody is left to ask.
    async fn wait_for_a_connection(&mut self, queue: &mut mpsc::Receiver<Job>, batch: usize) -> bool {
        let (mut jobs, mut wait) = (Vec::with_capacity(batch), Duration::ZERO);
        loop {
            let reaching = reach(self.pool.clone(), self.patience, wait);
            tokio::pin!(reaching);
            let reached = loop {
                tokio::select! {
                    taken = queue.recv_many(&mut jobs, batch) => match taken {
                        0 => return false,
                        _ => fail(jobs.drain(..), self.state.now().err().unwrap_or(NOT_REACHED)),
                    },
                    reached = &mut reaching => break reached,
                }
            };
            self.state.is(reached.as_ref().map(|_| ()).map_err(|error| *error));
            if let Ok(client) = reached {
                self.client = Some(client);
                return true;
            }
            wait = LOOK;
        }
    }

    /// Commits a batch and answers it: all of it with the commit's error, or each with its own outcome.
    async fn keep(&mut self, waiting: Vec<Job>) {
        let calls: Vec<&[Loose]> = waiting.iter().map(|(records, _)| records.as_slice()).collect();
        let until = Instant::now() + self.patience;
        let mut kept = self.commit(&calls, false, until).await;
        if kept == Err(NOT_REACHED) {
            // The connection was lost, perhaps after the commit: what was kept is known by its ids.
            self.client = timeout_at(until, reach(self.pool.clone(), self.patience, Duration::ZERO))
                .await
                .ok()
                .and_then(Result::ok);
            if self.client.is_some() {
                kept = self.commit(&calls, true, until).await;
            }
        }
        self.state.is(kept.as_ref().map(|_| ()).map_err(|error| *error));
        match kept {
            // Whoever asked may have gone; what was kept is kept all the same.
            Ok(outcomes) => {
                for ((_, reply), outcome) in waiting.into_iter().zip(outcomes) {
                    _ = reply.send(outcome);
                }
            }
            Err(error) => fail(waiting.into_iter(), error),
        }
    }

    /// Commits calls together; if one of them has an id twice, each by itself. A connection that is lost or silent is given up.
    async fn commit(&mut self, calls: &[&[Loose]], again: bool, until: Instant) -> Result<Vec<Outcome>, LedgerError> {
        match self.attempt(calls, again, until).await {
            Err(LedgerError::Duplicate) if calls.len() == 1 => Ok(vec![Err(LedgerError::Duplicate)]),
            Err(LedgerError::Duplicate) => {
                let mut outcomes = Vec::with_capacity(calls.len());
                for call in calls {
                    outcomes.push(match self.attempt(&[call], true, until).await {
                        Ok(outcome) => outcome.into_iter().next().unwrap_or(Err(NOT_REACHED)),
                        Err(error) => Err(error),
                    });
                }
                Ok(outcomes)
            }
            outcomes => outcomes,
        }
    }

    async fn attempt(&mut self, calls: &[&[Loose]], again: bool, until: Instant) -> Result<Vec<Outcome>, LedgerError> {
        let Some(mut client) = self.client.take() else { return Err(NOT_REACHED) };
        let attempt = async {
            self.parts.make(&mut client, calls.iter().flat_map(|call| call.iter()).map(Loose::at)).await?;
            batch::keep(&mut client, self.node, calls, again).await
        };
        let outcome = timeout_at(until, attempt).await;
        match outcome {
            Ok(Err(NOT_REACHED)) | Err(_) => drop(Object::take(client)),
            Ok(_) if client.is_closed() => drop(Object::take(client)),
            Ok(_) => self.client = Some(client),
        }
        outcome.unwrap_or(Err(LedgerError::Unavailable(Trouble::Silence)))
    }

    /// Looks whether an idle connection still stands, and after a failure whether the failure is over.
    async fn look(&mut self) {
        let Some(client) = &self.client else { return };
        if client.is_closed() {
            self.state.is(Err(NOT_REACHED));
            self.client = None;
            return;
        }
        if self.state.now().is_err() {
            let sql = "UPDATE ledger_nodes SET seq = seq WHERE node = $1";
            let until = Instant::now() + self.patience;
            let written = timeout_at(until, client.execute(sql, &[&self.node])).await;
            let written = written.map_or(Err(LedgerError::Unavailable(Trouble::Silence)), |written| Ok(written?));
            if written.is_ok() {
                self.state.is(Ok(()));
            }
        }
    }
}

const NOT_REACHED: LedgerError = LedgerError::Unavailable(Trouble::Connection);

/// A connection that is fit to write with, after a wait.
pub(super) async fn reach(pool: Pool, patience: Duration, wait: Duration) -> Result<Object, LedgerError> {
    sleep(wait).await;
    let until = Instant::now() + patience;
    let reached = async {
        let client = pool.get().await?;
        open::settle(&client, patience).await?;
        Ok(client)
    };
    timeout_at(until, reached).await.unwrap_or(Err(LedgerError::Unavailable(Trouble::Silence)))
}

fn fail(jobs: impl Iterator<Item = Job>, error: LedgerError) {
    for (_, reply) in jobs {
        _ = reply.send(Err(error));
    }
}
