//! Tries whether the file could take a record: writes one and takes it back before it is committed, and writes as much
//! beside the file. The WAL may still have room for a record when the disk has none.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ffi, params};

use super::{open, writer};
use crate::record::{LedgerError, Trouble, trial};

/// How long a trial that went well stands for the next ones, so that whoever asks often does not keep the writer waiting.
const STANDS: Duration = Duration::from_secs(1);

/// How long another's trial may take before the disk is said not to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Pages that the trial's connection holds in memory. What is more goes to the disk at once, as a commit would.
const HELD: i64 = 8;

/// Tries to write, by a connection of its own.
#[derive(Debug)]
pub(super) struct Trial {
    connection: Mutex<Connection>,
    /// The file beside the ledger's, while there is one.
    beside: PathBuf,
    lock_wait: Duration,
    last: Mutex<Last>,
}

/// How the last trial went, and when it ended.
#[derive(Debug, Clone, Copy)]
struct Last {
    outcome: Result<(), LedgerError>,
    ended: Instant,
    /// When the one that runs began.
    began: Option<Instant>,
}

impl Trial {
    /// A ledger that is just opened has been written to.
    pub(super) fn of(path: &Path, lock_wait: Duration) -> Result<Self, LedgerError> {
        let connection = open::reader(path, lock_wait)?;
        connection.pragma_update(None, "query_only", "OFF")?;
        connection.pragma_update(None, "cache_size", HELD)?;
        connection.busy_timeout(Duration::ZERO)?;
        // It leaves the WAL to the others, also when it is the last to close.
        open::leave_wal(&connection);
        let mut beside = path.as_os_str().to_owned();
        beside.push("-trial");
        let last = Last { outcome: Ok(()), ended: Instant::now(), began: None };
        Ok(Self { connection: Mutex::new(connection), beside: beside.into(), lock_wait, last: Mutex::new(last) })
    }

    /// Whether a record could be kept now. One trial is made at a time.
    pub(super) fn run(&self) -> Result<(), LedgerError> {
        let last = self.last();
        if last.outcome.is_ok() && last.ended.elapsed() < STANDS {
            return Ok(());
        }
        let connection = match self.connection.try_lock() {
            Ok(connection) => connection,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Whoever finds one running has its predecessor's word, unless it takes too long.
            Err(TryLockError::WouldBlock) => {
                let now = self.last();
                let is_late = now.began.is_some_and(|began| began.elapsed() >= PATIENCE);
                return if is_late { Err(LedgerError::Unavailable(Trouble::Silence)) } else { now.outcome };
            }
        };
        self.note(Last { began: Some(Instant::now()), ..last });
        let outcome = write_beside(&self.beside).and_then(|()| write(&connection, self.lock_wait));
        self.note(Last { outcome, ended: Instant::now(), began: None });
        outcome
    }

    fn last(&self) -> Last {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, last: Last) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }
}

/// Writes what a record would take, and takes it back.
fn write(connection: &Connection, lock_wait: Duration) -> Result<(), LedgerError> {
    let transaction = writer::begin(connection, lock_wait)?;
    let sql = "INSERT INTO policy_sets (hash, files) VALUES ('trial', zeroblob(?1))";
    transaction.prepare_cached(sql)?.execute(params![i64::try_from(trial::SIZE).unwrap_or(i64::MAX)])?;
    Ok(transaction.rollback()?)
}

/// Writes as much as a record may take to a file that only its owner may read, and removes it.
fn write_beside(path: &Path) -> Result<(), LedgerError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| file.write_all(&vec![0; trial::SIZE]));
    let removed = fs::remove_file(path);
    match written.and(removed) {
        Ok(()) => Ok(()),
        // A folder in which no file can be made holds one that can still be written: the record decides.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(failure(&error)),
    }
}

fn failure(error: &io::Error) -> LedgerError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => LedgerError::Full,
        _ => LedgerError::Unavailable(Trouble::Sqlite(ffi::SQLITE_IOERR_WRITE)),
    }
}
