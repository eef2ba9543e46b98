//! Why an import was not made. Each names a place and no value.

use std::io;
use std::path::PathBuf;

use crate::record::LedgerError;

/// Why nothing of an import was kept; the directory that was there serves on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// A resource that cannot be read. Correct it, or the export that it came from.
    #[error("{}, line {line}: {place}{what}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The line that the resource begins in, or that breaks off; from 1.
        line: u64,
        /// A path in the resource and a space, such as `Patient.birthDate `; empty where there is none.
        place: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A file that cannot be opened or read.
    #[error("{}: {kind}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// A file was not the same when it was read again: each is read twice, so a pipe is none.
    #[error("{}: changed while it was read; each file is read twice, and a pipe cannot be", file.display())]
    Changed {
        /// The file.
        file: PathBuf,
    },
    /// Another import was begun after this one, and goes on in its place.
    #[error("another import was begun, and this one given up for it")]
    Superseded,
    /// The ledger's file did not take it.
    #[error("{0}")]
    Ledger(#[from] LedgerError),
}

impl From<rusqlite::Error> for ImportError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Ledger(error.into())
    }
}
