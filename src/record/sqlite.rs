//! The ledger in one SQLite file: many may ask, one thread writes.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc as blocking};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_util::future::BoxFuture;
use rusqlite::Connection;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::batch::Kept;
use super::chain::Verdict;
use super::row::Row;
use super::writer::{Job, Writer};
use super::{Entry, Feedback, Ledger, LedgerError, PolicyFiles, Receipt, feedback, open, policies, reads};

/// What a ledger may use up, each with its reason.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Entries that may wait for the writer. Beyond it an append is refused at once: a long queue is a late answer.
    pub queue: usize,
    /// Entries that are committed together. Bounds what one failed commit takes with it, and the first one's wait.
    pub batch: usize,
    /// How long to wait for another process's lock. Ordinary use holds it for milliseconds.
    pub lock_wait: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { queue: 1024, batch: 256, lock_wait: Duration::from_secs(1) }
    }
}

/// A ledger in one SQLite file, with a thread of its own.
///
/// Dropping it keeps what is still in the queue, and waits for that: drop it where blocking is allowed.
#[derive(Debug)]
pub struct SqliteLedger {
    /// To the writer. `None` only while dropping; closed once the writer has stopped for good.
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<Result<(), LedgerError>>>,
    reader: Mutex<Connection>,
}

impl SqliteLedger {
    /// Opens the ledger, or makes one that only its owner may read, with the bounds for ordinary use. Blocks.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        Self::open_with(path, Bounds::default())
    }

    /// Opens the ledger, or makes one that only its owner may read. Blocks.
    ///
    /// Refuses a file that is damaged, another program's, or on a file system that cannot keep a commit.
    pub fn open_with(path: &Path, bounds: Bounds) -> Result<Self, LedgerError> {
        let writer = Writer::new(open::writer(path, bounds.lock_wait)?, bounds.lock_wait)?;
        let reader = Mutex::new(open::reader(path, bounds.lock_wait)?);
        let (jobs, queue) = mpsc::channel(bounds.queue.max(1));
        let batch = bounds.batch.max(1);
        let writer = thread::Builder::new().name("ledger".to_owned()).spawn(move || writer.run(queue, batch))?;
        Ok(Self { jobs: Some(jobs), writer: Some(writer), reader })
    }

    /// Opens a ledger that is there to look at it: nothing can be appended, and nothing is checked that is not looked at,
    /// so that a damaged one can be walked. Blocks.
    pub fn archive(path: &Path) -> Result<Self, LedgerError> {
        let reader = Mutex::new(open::archive(path, Bounds::default().lock_wait)?);
        Ok(Self { jobs: None, writer: None, reader })
    }

    fn keep(&self, what: Kept) -> BoxFuture<'static, Result<Receipt, LedgerError>> {
        let (reply, receipt) = oneshot::channel();
        let sent = self.send(Job::Keep(what, reply));
        Box::pin(async move {
            sent?;
            receipt.await.unwrap_or(Err(LedgerError::Poisoned))
        })
    }

    pub(super) fn send(&self, job: Job) -> Result<(), LedgerError> {
        let jobs = self.jobs.as_ref().ok_or(LedgerError::Poisoned)?;
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => LedgerError::Busy,
            TrySendError::Closed(_) => LedgerError::Poisoned,
        })
    }

    /// A read that panicked has left nothing half done.
    fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for SqliteLedger {
    fn append(&self, entry: Entry) -> BoxFuture<'static, Result<Receipt, LedgerError>> {
        self.keep(Kept::Entry(Box::new(entry)))
    }

    fn keep_feedback(&self, items: Vec<Feedback>) -> BoxFuture<'static, Result<Receipt, LedgerError>> {
        self.keep(Kept::Feedback(items))
    }

    fn feedback(&self, card: &str) -> Result<Vec<Feedback>, LedgerError> {
        feedback::of_card(&self.reader(), card)
    }

    fn find(&self, assertion_id: &str) -> Result<Option<Entry>, LedgerError> {
        reads::find(&self.reader(), assertion_id)
    }

    fn keep_policy_set(&self, hash: &str, files: &[(String, Vec<u8>)]) -> Result<(), LedgerError> {
        let (reply, outcome) = blocking::channel();
        self.send(Job::KeepPolicySet(hash.to_owned(), policies::pack(files)?, reply))?;
        outcome.recv().unwrap_or(Err(LedgerError::Poisoned))
    }

    fn policy_set(&self, hash: &str) -> Result<Option<PolicyFiles>, LedgerError> {
        let packed = reads::policy_set(&self.reader(), hash)?;
        packed.as_deref().map(policies::unpack_files).transpose()
    }

    fn verify(&self) -> Result<Verdict, LedgerError> {
        reads::verify(|| self.reader())
    }

    fn ready(&self) -> Result<(), LedgerError> {
        if self.jobs.as_ref().is_none_or(mpsc::Sender::is_closed) {
            return Err(LedgerError::Poisoned);
        }
        reads::head::<Row>(&self.reader())?;
        Ok(())
    }
}

impl Drop for SqliteLedger {
    fn drop(&mut self) {
        // Closing the queue is what ends the writer, once it has emptied it.
        self.jobs = None;
        let ended = self.writer.take().map(JoinHandle::join);
        if ended.is_some_and(|ended| !matches!(ended, Ok(Ok(())))) {
            open::leave_wal(&self.reader());
        }
    }
}
