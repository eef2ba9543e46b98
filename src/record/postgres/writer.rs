//! The one task that writes: takes all that wait, commits them together, then answers each.
//!
//! While the database cannot be reached, whoever asks is told so at once, and it is tried again and again to reach it.

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};

use super::batch::{self, Outcome};
use super::open;
use super::parts::Parts;
use super::trial;
use crate::record::row::Loose;
use crate::record::state::State;
use crate::record::{LedgerError, Trouble};

/// How long to wait before it is tried again to reach the database, and how often an idle connection is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// The records of one call, and where its outcome goes.
pub(super) type Job = (Vec<Loose>, oneshot::Sender<Outcome>);

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
                    _ => self.keep(std::mem::take(&mut jobs)).await,
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
            let (pool, patience, node) = (self.pool.clone(), self.patience, self.node);
            let most = if self.state.now().is_ok() { patience } else { open::connecting(patience) };
            let reaching = async move {
                sleep(wait).await;
                open::reach(&pool, patience, Some(node), Instant::now() + most).await
            };
            tokio::pin!(reaching);
            let reached = loop {
                // It may be nothing but this connection that was lost: until that is known, whoever asks waits.
                let Err(error) = self.state.now() else { break reaching.as_mut().await };
                tokio::select! {
                    taken = queue.recv_many(&mut jobs, batch) => match taken {
                        0 => return false,
                        _ => fail(jobs.drain(..), error),
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

    /// Commits a batch and answers each call with its own outcome.
    async fn keep(&mut self, waiting: Vec<Job>) {
        let calls: Vec<&[Loose]> = waiting.iter().map(|(records, _)| records.as_slice()).collect();
        let outcomes = self.commit(&calls, Instant::now() + self.patience).await;
        self.state.follows(&outcomes);
        for ((_, reply), outcome) in waiting.into_iter().zip(outcomes) {
            // Whoever asked may have gone; what was kept is kept all the same.
            _ = reply.send(outcome);
        }
    }

    /// Commits calls together. Where one of them is at fault, so that none is kept, each half of them is tried by itself.
    async fn commit(&mut self, calls: &[&[Loose]], until: Instant) -> Vec<Outcome> {
        let (mut outcomes, mut parts) = (Vec::with_capacity(calls.len()), vec![calls]);
        while let Some(part) = parts.pop() {
            match self.commit_together(part, until).await {
                Ok(kept) => outcomes.extend(kept),
                Err(error) if error.is_the_calls_own() && part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                Err(error) => outcomes.extend(part.iter().map(|_| Err(error))),
            }
        }
        outcomes
    }

    /// Commits calls together, on another connection if the first one is lost.
    async fn commit_together(&mut self, calls: &[&[Loose]], until: Instant) -> Result<Vec<Outcome>, LedgerError> {
        let mut again = false;
        for _ in 0..ATTEMPTS {
            let client = match self.client.take() {
                Some(client) => client,
                None => open::reach(&self.pool, self.patience, None, until).await?,
            };
            match self.attempt(client, calls, again, until).await {
                // It was lost perhaps after the commit: what was kept is known by its ids.
                Err(NOT_REACHED) => again = true,
                outcomes => return outcomes,
            }
        }
        Err(NOT_REACHED)
    }

    /// Tries it once. A connection that is lost, silent, or stands behind another one's lock is given up.
    async fn attempt(
        &mut self,
        mut client: Object,
        calls: &[&[Loose]],
        again: bool,
        until: Instant,
    ) -> Result<Vec<Outcome>, LedgerError> {
        let attempt = async {
            self.parts.make(&mut client, calls.iter().flat_map(|call| call.iter()).map(Loose::at)).await?;
            batch::keep(&mut client, self.node, calls, again).await
        };
        let outcomes = timeout_at(until, attempt).await.unwrap_or(Err(SILENCE));
        if outcomes.as_ref().err().is_some_and(|error| !error.is_the_calls_own()) {
            // What was known to be there may be what is missing.
            self.parts = Parts::default();
        }
        match outcomes {
            Err(NOT_REACHED | SILENCE | LedgerError::Locked) => drop(Object::take(client)),
            _ if client.is_closed() => drop(Object::take(client)),
            _ => self.client = Some(client),
        }
        outcomes
    }

    /// Looks whether an idle connection still stands, and after a failure whether the failure is over.
    async fn look(&mut self) {
        let Some(client) = self.client.take() else { return };
        if client.is_closed() {
            drop(Object::take(client));
            return;
        }
        if self.state.now().is_err() {
            let until = Instant::now() + self.patience;
            let tried = async {
                trial::write(&client).await?;
                open::prove(&client, self.node).await
            };
            match timeout_at(until, tried).await.unwrap_or(Err(SILENCE)) {
                Ok(()) => self.state.is(Ok(())),
                Err(NOT_REACHED | SILENCE | LedgerError::Locked) => {
                    drop(Object::take(client));
                    return;
                }
                Err(_) => {}
            }
        }
        self.client = Some(client);
    }
}

/// How often it is tried to commit a batch whose connection is lost. A server that hangs up every time is away.
const ATTEMPTS: usize = 3;

const NOT_REACHED: LedgerError = LedgerError::Unavailable(Trouble::Connection);
const SILENCE: LedgerError = LedgerError::Unavailable(Trouble::Silence);

fn fail(jobs: impl Iterator<Item = Job>, error: LedgerError) {
    for (_, reply) in jobs {
        _ = reply.send(Err(error));
    }
}
