//! The one thread that writes: takes all that wait, commits them together, then answers each.
//!
//! It never tries a failed commit again, and after a failed fsync it writes no more.

use std::ops::ControlFlow;
use std::sync::mpsc::Sender as Reply;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use super::batch::{self, Batch, Outcome};
use super::open;
use crate::record::LedgerError;
use crate::record::row::Loose;
use crate::record::state::State;

/// Bytes that may wait in the WAL before they are moved into the file. More makes a start after a crash slower.
const CHECKPOINT_AFTER: usize = 16 * 1024 * 1024;

/// Something for the writer to do, and where its outcome goes.
pub(in crate::record) enum Job {
    /// Keep the records of one call.
    Keep(Vec<Loose>, oneshot::Sender<Outcome>),
    /// Keep a policy set's packed files under their hash.
    KeepPolicySet(String, Vec<u8>, Reply<Result<(), LedgerError>>),
    /// Take old records away but for their hashes.
    Remove {
        /// The node's number.
        node: i64,
        /// The place of the last that may go.
        through: i64,
        /// How many may go at once.
        most: u32,
        /// How many went.
        reply: Reply<Result<u64, LedgerError>>,
    },
    /// After a failure, see whether it is over.
    Prove,
    /// Reach the writer's own connection.
    #[cfg(test)]
    Run(Box<dyn FnOnce(&Connection) + Send>),
    /// Make the next commit fail in this way.
    #[cfg(test)]
    Fail(LedgerError),
}

type Waiting = (Vec<Loose>, oneshot::Sender<Outcome>);

/// The writer, with all that it owns.
pub(super) struct Writer {
    connection: Connection,
    lock_wait: Duration,
    in_wal: usize,
    state: State,
    #[cfg(test)]
    failure: Option<LedgerError>,
}

impl Writer {
    /// A writer on its own connection.
    pub(super) fn new(connection: Connection, lock_wait: Duration, state: State) -> Result<Self, LedgerError> {
        // The wait is ours: see `begin`.
        connection.busy_timeout(Duration::ZERO)?;
        Ok(Self {
            connection,
            lock_wait,
            in_wal: 0,
            state,
            #[cfg(test)]
            failure: None,
        })
    }

    /// Works until every sender is gone and the queue is empty, or until the disk has failed: an error is for good.
    ///
    /// Returning closes the queue, which is how callers learn that the ledger is poisoned.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Job>, batch: usize) -> Result<(), LedgerError> {
        let mut jobs = Vec::with_capacity(batch);
        while queue.blocking_recv_many(&mut jobs, batch) > 0 {
            // Whoever else wants this core goes first: what they ask for is kept with this, by one commit.
            thread::yield_now();
            while jobs.len() < batch
                && let Ok(job) = queue.try_recv()
            {
                jobs.push(job);
            }
            if self.work(jobs.drain(..)).is_break() {
                crate::telemetry::ledger::disk_failed();
                open::leave_wal(&self.connection);
                return Err(LedgerError::Poisoned);
            }
        }
        Ok(())
    }

    fn work(&mut self, jobs: impl Iterator<Item = Job>) -> ControlFlow<()> {
        let (mut waiting, mut prove): (Vec<Waiting>, bool) = (Vec::new(), false);
        for job in jobs {
            match job {
                Job::Keep(what, reply) => waiting.push((what, reply)),
                Job::KeepPolicySet(hash, files, reply) => {
                    let outcome = self.keep_policy_set(&hash, &files);
                    // Whoever asked may have gone; the set is kept all the same.
                    let _ = reply.send(outcome);
                    stop_if_poisoned(outcome)?;
                }
                Job::Remove { node, through, most, reply } => {
                    let outcome = self.remove(node, through, most);
                    let _ = reply.send(outcome);
                    stop_if_poisoned(outcome.map(|_| ()))?;
                }
                Job::Prove => prove = true,
                #[cfg(test)]
                Job::Run(what) => what(&self.connection),
                #[cfg(test)]
                Job::Fail(how) => self.failure = Some(how),
            }
        }
        if prove && waiting.is_empty() && self.state.now().is_err() {
            stop_if_poisoned(self.prove())?;
        }
        stop_if_poisoned(self.keep(waiting))?;
        let settled = self.checkpoint();
        if let Err(error) = settled {
            // Nobody asked for it, so nobody else would hear of it.
            crate::telemetry::ledger::not_checkpointed(error);
        }
        stop_if_poisoned(settled)
    }

    /// Commits a batch and answers it: all of it with the commit's error, or each with its own outcome.
    fn keep(&mut self, waiting: Vec<Waiting>) -> Result<(), LedgerError> {
        if waiting.is_empty() {
            return Ok(());
        }
        match self.commit(&waiting) {
            Ok(outcomes) => {
                self.state.follows(&outcomes);
                // Whoever asked may have gone; what was kept is kept all the same.
                for ((_, reply), outcome) in waiting.into_iter().zip(outcomes) {
                    let _ = reply.send(outcome);
                }
                Ok(())
            }
            Err(error) => {
                self.state.is(Err(error));
                for (_, reply) in waiting {
                    let _ = reply.send(Err(error));
                }
                Err(error)
            }
        }
    }

    fn commit(&mut self, waiting: &[Waiting]) -> Result<Vec<Outcome>, LedgerError> {
        let transaction = begin(&self.connection, self.lock_wait)?;
        let mut batch = Batch::begin(&transaction)?;
        let outcomes = waiting.iter().map(|(what, _)| batch.keep(what)).collect::<Result<_, _>>()?;
        self.in_wal += batch.end()?;
        #[cfg(test)]
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        transaction.commit()?;
        Ok(outcomes)
    }

    /// Writes what is there already. Another process's lock is not waited for: it is looked again.
    fn prove(&mut self) -> Result<(), LedgerError> {
        let written = || {
            let transaction = begin(&self.connection, Duration::ZERO)?;
            open::rewrite(&transaction)?;
            Ok(transaction.commit()?)
        };
        let written = written();
        self.state.is(written);
        written
    }

    fn keep_policy_set(&mut self, hash: &str, files: &[u8]) -> Result<(), LedgerError> {
        // Not OR IGNORE, which would pass over other faults too.
        let sql = "INSERT INTO policy_sets (hash, files) VALUES (?1, ?2) ON CONFLICT (hash) DO NOTHING";
        let transaction = begin(&self.connection, self.lock_wait)?;
        transaction.prepare_cached(sql)?.execute(params![hash, files])?;
        transaction.commit()?;
        self.in_wal += files.len();
        Ok(())
    }

    fn remove(&mut self, node: i64, through: i64, most: u32) -> Result<u64, LedgerError> {
        let transaction = begin(&self.connection, self.lock_wait)?;
        let gone = batch::remove(&transaction, node, through, most)?;
        transaction.commit()?;
        Ok(gone)
    }

    /// Moves the WAL into the file once it has grown. Done after the answers, so that the batch does not wait for it,
    /// and by the connection that writes: what SQLite got wrong before 3.51.3 was a checkpoint beside a writer.
    fn checkpoint(&mut self) -> Result<(), LedgerError> {
        if self.in_wal < CHECKPOINT_AFTER {
            return Ok(());
        }
        self.in_wal = 0;
        self.connection.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?.query_row([], |_| Ok(()))?;
        Ok(())
    }
}

/// Begins a transaction that writes, waiting for another process to let go of the lock.
///
/// SQLite's own wait sleeps ever longer, up to a tenth of a second. An import of members beside us lets go for only a few
/// milliseconds at a time: who looks every millisecond does not miss them.
fn begin(connection: &Connection, lock_wait: Duration) -> Result<Transaction<'_>, LedgerError> {
    let started = Instant::now();
    loop {
        match Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(LedgerError::from) {
            Err(LedgerError::Locked) if started.elapsed() < lock_wait => thread::sleep(Duration::from_millis(1)),
            begun => return begun,
        }
    }
}

/// Every failure but one is over when whoever asked has been told.
fn stop_if_poisoned(outcome: Result<(), LedgerError>) -> ControlFlow<()> {
    if outcome == Err(LedgerError::Poisoned) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}
