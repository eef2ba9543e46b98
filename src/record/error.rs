//! What can go wrong with the ledger, told by what a caller can do about it.
//!
//! All but one are our fault. None carries a value from a request.

use std::io;

use rusqlite::ffi;

use crate::telemetry::Fault;

/// Why the ledger did not do what was asked. After any of them nothing was promised: no answer may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The writer is behind and its queue is full. Nothing was kept; ask the client to come back in a second.
    #[error("the ledger's queue is full")]
    Busy,
    /// Another process held the file's lock for too long. Nothing was kept; ask the client to come back.
    #[error("another process holds the ledger's lock")]
    Locked,
    /// The disk is full. Nothing was kept; the ledger serves again by itself when there is space.
    #[error("the disk that holds the ledger is full")]
    Full,
    /// SQLite could not do it just now. Nothing was kept; a later attempt may succeed.
    #[error("the ledger cannot be used now, sqlite code {0}")]
    Unavailable(i32),
    /// The writer has stopped for good: the disk would not say that it holds what it was given, and asking again
    /// could make it lie. Answer no more, exit, and look at the disk before starting again.
    #[error("the ledger has stopped for good because the disk failed to keep what was written")]
    Poisoned,
    /// The file is damaged or was tampered with. Do not serve from it.
    #[error(
        "the ledger is damaged: keep the file and its -wal for inspection, put back the last backup that \
         `covenant ledger verify` accepts, then start again"
    )]
    Corrupt,
    /// One of the entry's assertion or card ids was given before. This entry was refused, others were not; make new ids.
    #[error("an assertion or card id was given before")]
    Duplicate,
    /// Feedback names a card that is not in this client's answers of this service: there is none, or it is another's, and
    /// which of them is not told. Nothing of the call was kept; it is the client's to put right.
    #[error("there is no such card in this client's answers of this service")]
    NoSuchCard,
    /// The entry or policy set cannot be stored at all: a number or a body beyond what a row can hold.
    #[error("the entry does not fit in the ledger")]
    Unstorable,
    /// The file is another program's, or a newer Covenant's. Open another, or use that version.
    #[error("the file is not a ledger that this version can read")]
    Foreign,
    /// The file is an earlier Covenant's ledger, of this version. It is kept as it is: read it with that Covenant.
    #[error(
        "the file is a ledger of version {0}, which this Covenant does not write: it is kept as it is; read it with the \
         Covenant that made it, and let ledger.path name a new file"
    )]
    Older(i64),
    /// SQLite is older than 3.51.3 and may lose commits that it acknowledged. Build with a newer one.
    #[error("sqlite is older than 3.51.3, which can lose acknowledged commits")]
    OldSqlite,
    /// SQLite would not take a setting that durability rests on, as on a network file system. Move the file.
    #[error("sqlite would not take the setting {0} on this file system")]
    Setting(&'static str),
    /// The file or its thread could not be made. Correct the path or its permissions.
    #[error("the ledger cannot be opened: {0}")]
    Io(io::ErrorKind),
}

impl LedgerError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        if *self == Self::NoSuchCard { Fault::Client } else { Fault::Us }
    }
}

/// Keeps SQLite's code and drops its message and cause, which could quote a value.
impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        match error {
            E::SqliteFailure(failure, _) => from_code(failure.extended_code),
            // A row that does not have the type that it was written with.
            E::FromSqlConversionFailure(..)
            | E::IntegralValueOutOfRange(..)
            | E::InvalidColumnType(..)
            | E::Utf8Error(..) => Self::Corrupt,
            _ => Self::Unavailable(ffi::SQLITE_ERROR),
        }
    }
}

impl From<io::Error> for LedgerError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}

fn from_code(extended: i32) -> LedgerError {
    match extended {
        // After a failed fsync the kernel may call the lost pages clean, so that the next fsync succeeds without them.
        ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC => return LedgerError::Poisoned,
        ffi::SQLITE_IOERR_DATA | ffi::SQLITE_IOERR_CORRUPTFS => return LedgerError::Corrupt,
        _ => {}
    }
    // The low byte is the primary code.
    match extended & 0xff {
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => LedgerError::Locked,
        ffi::SQLITE_FULL => LedgerError::Full,
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => LedgerError::Corrupt,
        ffi::SQLITE_CONSTRAINT => LedgerError::Duplicate,
        ffi::SQLITE_TOOBIG => LedgerError::Unstorable,
        _ => LedgerError::Unavailable(extended),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(extended: i32) -> LedgerError {
        LedgerError::from(rusqlite::Error::SqliteFailure(ffi::Error::new(extended), Some("patient Doe".into())))
    }

    #[test]
    fn l04_only_a_failed_sync_poisons() {
        assert_eq!(code(ffi::SQLITE_IOERR_FSYNC), LedgerError::Poisoned);
        assert_eq!(code(ffi::SQLITE_IOERR_DIR_FSYNC), LedgerError::Poisoned);
        assert_eq!(code(ffi::SQLITE_IOERR_WRITE), LedgerError::Unavailable(ffi::SQLITE_IOERR_WRITE));
    }

    #[test]
    fn l02_l03_full_and_locked_are_told_apart() {
        assert_eq!(code(ffi::SQLITE_FULL), LedgerError::Full);
        assert_eq!(code(ffi::SQLITE_BUSY), LedgerError::Locked);
        assert_eq!(code(ffi::SQLITE_BUSY_SNAPSHOT), LedgerError::Locked);
    }

    #[test]
    fn no_message_quotes_sqlite() {
        for extended in [ffi::SQLITE_ERROR, ffi::SQLITE_CONSTRAINT_PRIMARYKEY, ffi::SQLITE_CORRUPT] {
            let error = code(extended);
            assert!(!format!("{error} {error:?}").contains("Doe"));
        }
    }
}
