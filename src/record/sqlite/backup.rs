//! A whole copy of a ledger in a file of its own, made while the ledger is in use; and a copy put back in its place.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::files::beside;
use super::schema::{self, Stands};
use super::{SqliteLedger, open, served};
use crate::record::keyring::MasterKeys;
use crate::record::{Ledger, LedgerError};

/// How long to wait for another process's lock.
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// Writes a copy of the ledger at `ledger` to a file that is not there yet, and that only its owner may read. Blocks.
///
/// The copy holds all that was acknowledged when it was begun. Nobody who writes waits for it.
///
/// # Errors
/// [`LedgerError`]; then no file is left.
pub fn backup(ledger: &Path, to: &Path) -> Result<(), LedgerError> {
    let name = to.to_str().ok_or(LedgerError::Io(io::ErrorKind::InvalidFilename))?;
    let part = Part::of(to, new(to)?);
    let connection = open::copier(ledger, LOCK_WAIT)?;
    connection.execute("VACUUM INTO ?1", [name])?;
    drop(connection);
    let connection = open::connect(to, LOCK_WAIT)?;
    // An earlier version's does not remember it.
    if schema::stands(&connection)? == Stands::Current {
        served::forget(&connection)?;
    }
    drop(connection);
    part.file.sync_all()?;
    part.keep()?;
    Ok(())
}

/// Puts a copy of a ledger in the place of one that is not there, if it is accepted; whether it was. Blocks.
///
/// The copy at `from` is left as it is. What is put in place is of this version's schema.
///
/// # Errors
/// [`LedgerError::There`] where the place is taken. After any error nothing is in it.
pub fn restore(
    from: &Path,
    to: &Path,
    masters: &MasterKeys,
    accept: impl FnOnce(&dyn Ledger) -> Result<bool, LedgerError>,
) -> Result<bool, LedgerError> {
    if beside(from, "-wal").exists() || beside(from, "-journal").exists() {
        return Err(LedgerError::HasWal);
    }
    if [to.to_owned(), beside(to, "-wal"), beside(to, "-shm")].iter().any(|path| path.exists()) {
        return Err(LedgerError::There);
    }
    let path = beside(to, ".part");
    let mut part = Part::of(&path, new(&path)?);
    io::copy(&mut File::open(from)?, &mut part.file)?;
    // An earlier version's is made this one's; its pages are looked at.
    let connection = open::writer(&path, LOCK_WAIT)?;
    served::forget(&connection)?;
    drop(connection);
    let accepted = accept(&SqliteLedger::archive(&path, masters)?)?;
    if accepted {
        part.file.sync_all()?;
        // Unlike a renaming, this fails where somebody has put a file there meanwhile.
        fs::hard_link(&path, to)?;
        drop(part);
        open::sync_folder(to)?;
    }
    Ok(accepted)
}

fn new(path: &Path) -> Result<File, LedgerError> {
    Ok(OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?)
}

/// A file on its way. It is taken away, with what SQLite keeps beside it, unless it is kept.
struct Part {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl Part {
    fn of(path: &Path, file: File) -> Self {
        Self { path: path.to_owned(), file, kept: false }
    }

    fn keep(mut self) -> io::Result<()> {
        self.kept = true;
        open::sync_folder(&self.path)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.kept {
            for end in ["", "-wal", "-shm", "-journal"] {
                // Most are not there.
                _ = fs::remove_file(beside(&self.path, end));
            }
        }
    }
}
