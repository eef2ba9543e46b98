//! The ledger in one SQLite file: many may ask, one thread writes.

pub(super) mod backup;
mod batch;
mod files;
pub(super) mod open;
mod schema;
mod served;
mod shelf;
mod trial;
pub(super) mod writer;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc as blocking};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior, params};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::keyring::{Keyring, MasterKeys};
use super::reads::Reads;
use super::row::Loose;
use super::shelf::Shelf;
use super::state::State;
use super::{Draft, Ledger, LedgerError, Receipt, Tidied, policies};
use files::{Files, Identity};
use trial::Trial;
use writer::{Job, Writer};

/// The number of the one node that a file has.
const NODE: i64 = 1;

/// What a ledger may use up, each with its reason.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Calls that may wait for the writer. Beyond it an append is refused at once: a long queue is a late answer.
    pub queue: usize,
    /// Calls that are committed together. Bounds what one failed commit takes with it, and the first one's wait.
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
    /// `None` in a ledger that is only looked at.
    trial: Option<Trial>,
    reader: Mutex<Connection>,
    keyring: Keyring,
    state: State,
    /// What is written to; none in a ledger that is only looked at.
    files: Option<Files>,
    /// Whether it was a copy of one in use when it was opened.
    copy: bool,
}

impl SqliteLedger {
    /// Opens the ledger, or makes one that only its owner may read, with the bounds for ordinary use and without keys.
    /// Blocks.
    ///
    /// # Errors
    /// [`LedgerError`]
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        Self::open_with(path, Bounds::default(), &MasterKeys::default())
    }

    /// Opens the ledger, or makes one that only its owner may read. Blocks.
    ///
    /// # Errors
    /// The file is damaged, another program's, or on a file system that cannot keep a commit; or a key is missing.
    pub fn open_with(path: &Path, bounds: Bounds, masters: &MasterKeys) -> Result<Self, LedgerError> {
        let mut connection = open::writer(path, bounds.lock_wait)?;
        let keyring = keyring(&mut connection, masters)?;
        let state = State::well();
        let reader = open::reader(path, bounds.lock_wait)?;
        let files = Files::of(path)?;
        let copy = files.own().map_or(Ok(false), |own| served::is_a_copy(&reader, own))?;
        if copy {
            crate::telemetry::ledger::is_a_copy_of_one_in_use();
        }
        let writer = Writer::new(connection, bounds.lock_wait, state.clone(), files.clone())?;
        let trial = Some(Trial::of(path, bounds.lock_wait)?);
        let (reader, files) = (Mutex::new(reader), Some(files));
        let mut ledger = Self { jobs: None, writer: None, trial, reader, keyring, state, files, copy };
        if let Some(flaw) = (Reads { shelf: &ledger, keyring: &ledger.keyring }).tails()? {
            crate::telemetry::ledger::end_is_damaged(flaw);
            return Err(LedgerError::Corrupt);
        }
        let (jobs, queue) = mpsc::channel(bounds.queue.max(1));
        let batch = bounds.batch.max(1);
        let writer = thread::Builder::new().name("ledger".to_owned()).spawn(move || writer.run(queue, batch))?;
        (ledger.jobs, ledger.writer) = (Some(jobs), Some(writer));
        Ok(ledger)
    }

    /// Opens a ledger that is there to look at it: nothing can be appended, and nothing is checked that is not looked at,
    /// so that a damaged one can be walked. Blocks.
    ///
    /// # Errors
    /// The file is not there, or is another program's.
    pub fn archive(path: &Path, masters: &MasterKeys) -> Result<Self, LedgerError> {
        let connection = open::archive(path, Bounds::default().lock_wait)?;
        let keyring = Keyring::to_read(masters, &shelf::keys(&connection)?)?;
        let copy = served::is_a_copy(&connection, Identity::of(path)?)?;
        let (reader, state) = (Mutex::new(connection), State::well());
        Ok(Self { jobs: None, writer: None, trial: None, reader, keyring, state, files: None, copy })
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

/// Opens the data keys, and stores what is new of them before anything is written with it.
fn keyring(connection: &mut Connection, masters: &MasterKeys) -> Result<Keyring, LedgerError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let (keyring, new) = Keyring::to_write(masters, &shelf::keys(&transaction)?)?;
    for key in new {
        let sql = "INSERT INTO keys (number, master, wrapped) VALUES (?1, ?2, ?3)
                   ON CONFLICT (number) DO UPDATE SET master = excluded.master, wrapped = excluded.wrapped";
        transaction.execute(sql, params![key.number, key.master, key.bytes])?;
    }
    transaction.commit()?;
    Ok(keyring)
}

impl Ledger for SqliteLedger {
    fn keep(&self, drafts: Vec<Draft>) -> BoxFuture<'static, Result<Receipt, LedgerError>> {
        let (reply, receipt) = oneshot::channel();
        let packed = drafts.into_iter().map(|draft| Loose::pack(draft, &self.keyring)).collect::<Result<Vec<_>, _>>();
        let sent = packed.and_then(|records| self.send(Job::Keep(records, reply)));
        Box::pin(async move {
            sent?;
            receipt.await.unwrap_or(Err(LedgerError::Poisoned))
        })
    }

    fn shelf(&self) -> &dyn Shelf {
        self
    }

    fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    fn keep_policy_set(&self, hash: &str, files: &[(String, Vec<u8>)]) -> Result<(), LedgerError> {
        let (reply, outcome) = blocking::channel();
        self.send(Job::KeepPolicySet(hash.to_owned(), policies::pack(files)?, reply))?;
        outcome.recv().unwrap_or(Err(LedgerError::Poisoned))
    }

    fn remove(&self, node: i64, through: i64, most: u32) -> Result<u64, LedgerError> {
        let (reply, outcome) = blocking::channel();
        self.send(Job::Remove { node, through, most, reply })?;
        outcome.recv().unwrap_or(Err(LedgerError::Poisoned))
    }

    fn tidy(&self) -> Result<Tidied, LedgerError> {
        let (reply, outcome) = blocking::channel();
        self.send(Job::Tidy(reply))?;
        outcome.recv().unwrap_or(Err(LedgerError::Poisoned))
    }

    fn serve(&self) -> Result<(), LedgerError> {
        let (reply, outcome) = blocking::channel();
        self.send(Job::Serve(reply))?;
        outcome.recv().unwrap_or(Err(LedgerError::Poisoned))
    }

    fn is_a_copy(&self) -> bool {
        self.copy
    }

    fn has_stopped(&self) -> bool {
        self.jobs.as_ref().is_none_or(mpsc::Sender::is_closed)
    }

    fn ready(&self) -> Result<(), LedgerError> {
        if self.has_stopped() {
            return Err(LedgerError::Poisoned);
        }
        if let Err(error) = self.trial.as_ref().map_or(Ok(()), Trial::run) {
            self.state.is(Err(error));
            return Err(error);
        }
        if let Err(error) = self.state.now() {
            // Nobody may ask for anything to be kept while it is said that nothing can be. A full queue is a sign of life.
            _ = self.send(Job::Prove);
            return Err(error);
        }
        // Nobody may have asked for anything to be kept since it went.
        if let Some(Err(error)) = self.files.as_ref().map(Files::are_there) {
            self.state.is(Err(error));
            return Err(error);
        }
        shelf::head(&self.reader())?;
        Ok(())
    }

    fn since(&self) -> Option<Timestamp> {
        Some(self.state.since())
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
