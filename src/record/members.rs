//! The payer's member directory: who is covered, by what, and what was authorised. It lies beside the ledger in its file.
//!
//! `import` fills it from FHIR files; [`MemberDirectory`] answers from it, and never writes.

mod error;
mod file;
mod find;
mod import;
mod key;
mod place;
mod resource;
mod store;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::LedgerError;
use super::sqlite::open;
use crate::gather::learned::{Directory, LookupFailed, MemberQuery, MemberReply};
pub use error::ImportError;
pub use import::{import, import_bytes};

/// Threads that look up, each with a connection of its own: a look-up is some tens of microseconds.
const READERS: usize = 2;

/// Look-ups that may wait for them; beyond that one fails at once, which is an answer too.
const WAITING: usize = 1024;

/// How often an idle reader looks whether a first import was made.
const LOOK: Duration = Duration::from_secs(1);

/// How long to wait for a lock. In WAL mode a reader waits for nobody in ordinary use.
const LOCK_WAIT: Duration = Duration::from_secs(1);

/// When a directory was imported, and how many of each kind of resource it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// When.
    pub at: Timestamp,
    /// Patients.
    pub patients: u64,
    /// Coverages.
    pub coverages: u64,
    /// ClaimResponses that authorise something.
    pub authorizations: u64,
    /// Other resources, of which nothing was kept.
    pub passed_over: u64,
}

/// The directory in the ledger at `ledger`; none before the first import. Blocks.
///
/// # Errors
/// The file is not there, or is no ledger of this version.
pub fn members(ledger: &Path) -> Result<Option<Imported>, LedgerError> {
    let connection = open::archive(ledger, LOCK_WAIT)?;
    Ok(find::serving(&connection)?.map(|(_, imported)| imported))
}

/// A look-up, and where its outcome goes.
type Job = (MemberQuery, oneshot::Sender<MemberReply>);

/// Answers from the directory of a ledger's file, on threads of its own.
pub struct MemberDirectory {
    /// `None` only while dropping.
    jobs: Option<SyncSender<Job>>,
    readers: Vec<JoinHandle<()>>,
    there: Arc<AtomicBool>,
}

impl fmt::Debug for MemberDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemberDirectory").field("there", &self.there).finish_non_exhaustive()
    }
}

impl MemberDirectory {
    /// Opens the directory of a ledger that is there, whether anything was imported yet or not. Blocks.
    ///
    /// # Errors
    /// The file is no ledger of this version, or a thread could not be made.
    pub fn open(ledger: &Path) -> Result<Self, LedgerError> {
        let (jobs, queue) = mpsc::sync_channel(WAITING);
        let queue = Arc::new(Mutex::new(queue));
        let there = Arc::new(AtomicBool::new(false));
        let mut readers = Vec::with_capacity(READERS);
        open::upgrade(ledger, LOCK_WAIT)?;
        for _ in 0..READERS {
            let connection = open::archive(ledger, LOCK_WAIT)?;
            // The ledger's own connections look after the WAL, and must not after a failed fsync.
            open::leave_wal(&connection);
            there.store(find::serving(&connection)?.is_some(), Ordering::Relaxed);
            let (queue, there) = (queue.clone(), there.clone());
            let reader = move || read(&connection, &queue, &there);
            readers.push(thread::Builder::new().name("members".to_owned()).spawn(reader)?);
        }
        Ok(Self { jobs: Some(jobs), readers, there })
    }
}

impl Directory for MemberDirectory {
    fn find<'d>(&'d self, query: &'d MemberQuery) -> BoxFuture<'d, MemberReply> {
        let (reply, said) = oneshot::channel();
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.try_send((query.clone(), reply)).is_ok());
        Box::pin(async move { if sent { said.await.unwrap_or(Err(LookupFailed)) } else { Err(LookupFailed) } })
    }

    fn is_there(&self) -> bool {
        self.there.load(Ordering::Relaxed)
    }
}

impl Drop for MemberDirectory {
    fn drop(&mut self) {
        // Closing the queue is what ends the readers.
        self.jobs = None;
        for reader in self.readers.drain(..) {
            // One that panicked has told so, and nothing rests on it.
            _ = reader.join();
        }
    }
}

/// Answers one look-up after another until the directory is dropped.
fn read(connection: &Connection, queue: &Mutex<Receiver<Job>>, there: &AtomicBool) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(LOOK);
        match job {
            // Who asked has hung up.
            Ok((_, reply)) if reply.is_closed() => {}
            Ok((query, reply)) => {
                let found = find::find(connection, &query);
                if let Err(error) = &found {
                    crate::telemetry::ledger::members_cannot_be_read(error);
                }
                // A directory that is not there says nothing of anybody.
                _ = reply.send(found.ok().flatten().ok_or(LookupFailed));
            }
            Err(RecvTimeoutError::Timeout) => {
                if let Ok(serving) = find::serving(connection) {
                    there.store(serving.is_some(), Ordering::Relaxed);
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests;
