//! Whether the ledger's files are still those that were opened: a file that was replaced or deleted is written to in vain.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::record::LedgerError;

/// The device and the number of a file on it: what it is, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl Identity {
    /// What a path leads to.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// The path of a file that lies beside another one and is called after it.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// The files of a ledger that is open: its own, its WAL and the WAL's index.
#[derive(Debug, Clone)]
pub(super) struct Files(Vec<(PathBuf, Identity)>);

impl Files {
    /// Those of a ledger that has just been opened and looked into, so that all of them are there.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        // SQLite follows a link, and keeps the others beside the file that it leads to.
        let own = fs::canonicalize(path)?;
        let paths = [path.to_owned(), beside(&own, "-wal"), beside(&own, "-shm")];
        Ok(Self(
            paths
                .into_iter()
                .map(|path| Identity::of(&path).map(|identity| (path, identity)))
                .collect::<Result<_, _>>()?,
        ))
    }

    /// The ledger's own file.
    pub(super) fn own(&self) -> Option<Identity> {
        self.0.first().map(|(_, identity)| *identity)
    }

    /// Whether their paths still lead to them.
    pub(super) fn are_there(&self) -> Result<(), LedgerError> {
        let moved = |(path, identity): &(PathBuf, Identity)| Identity::of(path).ok() != Some(*identity);
        if self.0.iter().any(moved) { Err(LedgerError::Moved) } else { Ok(()) }
    }
}
