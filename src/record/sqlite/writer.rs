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
use super::files::Files;
use super::{open, served};
use crate::record::row::Loose;
use crate::record::state::State;
use crate::record::{LedgerError, Tidied};

/// Free pages that are given back in one transaction: some 2 MB, for which an append waits.
const GIVEN_BACK: i64 = 256;

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
    /// Take the next step towards a file in which nothing of removed records is left.
    Tidy(Reply<Result<Tidied, LedgerError>>),
    /// Note that a server serves from the file, until the writer ends.
    Serve(Reply<Result<(), LedgerError>>),
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
    files: Files,
    serves: bool,
    #[cfg(test)]
    failure: Option<LedgerError>,
}

impl Writer {
    /// A writer on its own connection.
    pub(super) fn new(
        connection: Connection,
        lock_wait: Duration,
        state: State,
        files: Files,
    ) -> Result<Self, LedgerError> {
        // The wait is ours: see `begin`.
        connection.busy_timeout(Duration::ZERO)?;
        Ok(Self {
            connection,
            lock_wait,
            in_wal: 0,
            state,
            files,
            serves: false,
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
        if self.serves
            && let Err(error) = self.note(false)
        {
            crate::telemetry::ledger::not_checkpointed(error);
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
                Job::Tidy(reply) => {
                    let outcome = self.tidy();
                    let _ = reply.send(outcome);
                    stop_if_poisoned(outcome.map(|_| ()))?;
                }
                Job::Serve(reply) => {
                    let outcome = self.note(true);
                    let _ = reply.send(outcome);
                    stop_if_poisoned(outcome)?;
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
        self.files.are_there()?;
        let transaction = begin(&self.connection, self.lock_wait)?;
        let mut batch = Batch::begin(&transaction)?;
        let outcomes = waiting.iter().map(|(what, _)| batch.keep(what)).collect::<Result<_, _>>()?;
        self.in_wal += batch.end()?;
        #[cfg(test)]
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        transaction.commit()?;
        // What was moved away in between is not where it would be looked for.
        self.files.are_there()?;
        Ok(outcomes)
    }

    /// Writes what is there already. Another process's lock is not waited for: it is looked again.
    fn prove(&mut self) -> Result<(), LedgerError> {
        let written = || {
            self.files.are_there()?;
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
        self.files.are_there()?;
        let transaction = begin(&self.connection, self.lock_wait)?;
        transaction.prepare_cached(sql)?.execute(params![hash, files])?;
        transaction.commit()?;
        self.in_wal += files.len();
        self.files.are_there()
    }

    fn remove(&mut self, node: i64, through: i64, most: u32) -> Result<u64, LedgerError> {
        self.files.are_there()?;
        let transaction = begin(&self.connection, self.lock_wait)?;
        let gone = batch::remove(&transaction, node, through, most)?;
        transaction.commit()?;
        Ok(gone)
    }

    /// Gives some free pages back; once there are none, moves the WAL into the file and empties it. What was removed is
    /// overwritten in the file, and is in older pages of the WAL until then.
    fn tidy(&mut self) -> Result<Tidied, LedgerError> {
        self.files.are_there()?;
        let free =
            |connection: &Connection| connection.pragma_query_value(None, "freelist_count", |row| row.get::<_, i64>(0));
        let before = free(&self.connection)?;
        if before > 0 {
            let transaction = begin(&self.connection, self.lock_wait)?;
            // Each row that it gives is a page that it has given back.
            let mut statement = transaction.prepare(&format!("PRAGMA incremental_vacuum({GIVEN_BACK})"))?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
            drop(rows);
            drop(statement);
            transaction.commit()?;
            // A file from before version 4 gives none back: they are used again.
            if free(&self.connection)? < before {
                return Ok(Tidied::More);
            }
        }
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        let busy: bool = self.connection.query_row(sql, [], |row| row.get(0))?;
        self.in_wal = 0;
        Ok(if busy { Tidied::Waiting } else { Tidied::Done })
    }

    /// Notes in the file that a server serves from it, or has ended.
    fn note(&mut self, running: bool) -> Result<(), LedgerError> {
        self.files.are_there()?;
        if let Some(own) = self.files.own() {
            served::note(&self.connection, own, running)?;
        }
        self.serves = running;
        Ok(())
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
pub(super) fn begin(connection: &Connection, lock_wait: Duration) -> Result<Transaction<'_>, LedgerError> {
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
