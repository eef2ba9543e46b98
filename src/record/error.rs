//! What can go wrong with the ledger, told by what a caller can do about it.
//!
//! All but one are our fault. None carries a value from a request.

use std::io;

use rusqlite::ffi;

use super::keyring::KeyError;
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
    /// It could not be done just now; a later attempt may succeed. Of what was to be kept nothing may be said: it was
    /// not, but for a PostgreSQL that fell silent after it was told to commit.
    #[error("the ledger cannot be used now, {0}")]
    Unavailable(Trouble),
    /// The writer has stopped for good: the disk would not say that it holds what it was given, and asking again
    /// could make it lie. Answer no more, exit, and look at the disk before starting again.
    #[error("the ledger has stopped for good because the disk failed to keep what was written")]
    Poisoned,
    /// The file is not the one that was opened any more: it was replaced or deleted under the server. Nothing that is
    /// written now would be found again. Put it back; where another file is meant to be there, start again.
    #[error(
        "the ledger's file, its -wal or its -shm was replaced or deleted under the server: put back what was there, or \
         start the server again"
    )]
    Moved,
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
    /// The entry or policy set cannot be stored at all: a number or a body beyond what a row can hold. Of an entry it is the
    /// request that asks for so much.
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
    /// The file is an earlier Covenant's ledger, of this version, which is only looked at. It is upgraded in place when it is
    /// opened to be written to.
    #[error(
        "the file is a ledger of version {0}: start the server with it, or restore it as a backup, and it is upgraded in place"
    )]
    NotUpgraded(i64),
    /// There is a ledger in the place where one is to be put. Move it away, with the files beside it.
    #[error("there is a ledger in its place already, or a -wal or -shm of one: move them away first")]
    There,
    /// A file that is to be put in place has a WAL or a journal beside it, so that it is not whole by itself.
    #[error(
        "the file has a -wal or a -journal beside it, so it is not whole by itself: make copies with `covenant ledger backup`"
    )]
    HasWal,
    /// A database is copied and put back by PostgreSQL's own tools.
    #[error(
        "the ledger is a PostgreSQL database (ledger.url): make a backup with pg_dump or pg_basebackup, put it back with \
         pg_restore, and look at it with `covenant ledger verify`"
    )]
    OwnTools,
    /// A payload is encrypted with a key that was not given, or payloads are and no key was. Name it in `ledger.keys_file`.
    #[error("the ledger's payloads are encrypted, and the key that opens them is not among the ledger.keys")]
    NoKey,
    /// `ledger.keys` or the file of `ledger.keys_file` holds something else than keys.
    #[error("the ledger's keys: {0}")]
    Keys(KeyError),
    /// `ledger.keys_file` cannot be read.
    #[error("ledger.keys_file cannot be read: {0}")]
    KeysFile(io::ErrorKind),
    /// The address of the database is none that can be used.
    #[error("ledger.url is not the address of a PostgreSQL database")]
    Url,
    /// SQLite is older than 3.51.3 and may lose commits that it acknowledged. Build with a newer one.
    #[error("sqlite is older than 3.51.3, which can lose acknowledged commits")]
    OldSqlite,
    /// The database would not take a setting that durability rests on, as SQLite on a network file system. Move the file,
    /// or set it in the server.
    #[error("the database would not take the setting {0}, on which durability rests")]
    Setting(&'static str),
    /// The file or its thread could not be made. Correct the path or its permissions.
    #[error("the ledger cannot be opened: {0}")]
    Io(io::ErrorKind),
}

/// What the database said when it could not be used, without its words, which could quote a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// SQLite's extended code.
    #[error("sqlite code {0}")]
    Sqlite(i32),
    /// PostgreSQL's SQLSTATE.
    #[error("SQLSTATE {}", str::from_utf8(.0).unwrap_or("?"))]
    State([u8; 5]),
    /// There is no connection, or it was lost.
    #[error("it cannot be reached")]
    Connection,
    /// It was asked and has not answered in time.
    #[error("it does not answer")]
    Silence,
}

impl LedgerError {
    /// Whether it lies in the settings, and in nothing that can pass.
    #[must_use]
    pub fn is_of_settings(&self) -> bool {
        matches!(self, Self::NoKey | Self::Keys(_) | Self::KeysFile(_) | Self::Url | Self::Setting(_))
    }

    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        if matches!(self, Self::NoSuchCard | Self::Unstorable) { Fault::Client } else { Fault::Us }
    }

    /// Whether it is of a call's own making, so that others can be kept.
    pub(super) fn is_the_calls_own(self) -> bool {
        matches!(self, Self::Duplicate | Self::Unstorable | Self::NoSuchCard)
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
            _ => Self::Unavailable(Trouble::Sqlite(ffi::SQLITE_ERROR)),
        }
    }
}

/// Keeps PostgreSQL's state and drops its message and cause.
impl From<tokio_postgres::Error> for LedgerError {
    fn from(error: tokio_postgres::Error) -> Self {
        use tokio_postgres::error::SqlState as S;
        let Some(state) = error.code() else {
            // A value that is not of the type that it was written with is no fault of the connection.
            let read =
                std::error::Error::source(&error).is_some_and(|cause| cause.is::<tokio_postgres::types::WrongType>());
            return if read { Self::Corrupt } else { Self::Unavailable(Trouble::Connection) };
        };
        match *state {
            S::UNIQUE_VIOLATION => Self::Duplicate,
            S::DISK_FULL => Self::Full,
            S::LOCK_NOT_AVAILABLE | S::T_R_DEADLOCK_DETECTED | S::T_R_SERIALIZATION_FAILURE => Self::Locked,
            // The server has hung up, or takes no writes any more: another connection may lead to one that does.
            S::ADMIN_SHUTDOWN
            | S::CRASH_SHUTDOWN
            | S::CANNOT_CONNECT_NOW
            | S::DATABASE_DROPPED
            | S::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
            | S::IDLE_SESSION_TIMEOUT
            | S::READ_ONLY_SQL_TRANSACTION
            | S::CONNECTION_EXCEPTION
            | S::CONNECTION_DOES_NOT_EXIST
            | S::CONNECTION_FAILURE => Self::Unavailable(Trouble::Connection),
            S::DATA_CORRUPTED | S::INDEX_CORRUPTED => Self::Corrupt,
            S::QUERY_CANCELED => Self::Unavailable(Trouble::Silence),
            S::PROGRAM_LIMIT_EXCEEDED => Self::Unstorable,
            _ => Self::Unavailable(Trouble::State(state.code().as_bytes().try_into().unwrap_or(*b"?????"))),
        }
    }
}

impl From<deadpool_postgres::PoolError> for LedgerError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        match error {
            deadpool_postgres::PoolError::Backend(error)
            | deadpool_postgres::PoolError::PostCreateHook(deadpool_postgres::HookError::Backend(error)) => {
                error.into()
            }
            deadpool_postgres::PoolError::Timeout(_) => Self::Unavailable(Trouble::Silence),
            _ => Self::Unavailable(Trouble::Connection),
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
        _ => LedgerError::Unavailable(Trouble::Sqlite(extended)),
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
        assert_eq!(code(ffi::SQLITE_IOERR_WRITE), LedgerError::Unavailable(Trouble::Sqlite(ffi::SQLITE_IOERR_WRITE)));
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
