//! Opens the ledger's file, and refuses one that durability or history cannot rest on.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

use super::schema::{self, Stands};
use crate::record::LedgerError;

/// The first release without the WAL-reset bug, which loses acknowledged commits.
const OLDEST_SQLITE: i32 = 3_051_003;

/// Bytes in a page of a new file. Entries are some 8 KB: fewer pages to each than with the default of 4,096.
const PAGE_SIZE: i64 = 8192;

/// `auto_vacuum`: pages that are free are given back when that is asked for.
const INCREMENTAL: i64 = 2;

/// A file up to this size, in bytes, is checked whole when it is opened: a tenth of a second. Of a bigger one only the
/// chain's end is, where a crash would have hurt it; `verify` checks the rest.
const CHECKED_WHOLE: u64 = 64 * 1024 * 1024;

/// Settings, the value to set and the value that must then be read back.
const SETTINGS: [(&str, &str, &str); 10] = [
    ("journal_mode", "WAL", "wal"),
    // With WAL, anything less may lose acknowledged commits when the power fails.
    ("synchronous", "FULL", "2"),
    // On macOS, fsync alone leaves the data in the drive's cache. Elsewhere these two change nothing.
    ("fullfsync", "ON", "1"),
    ("checkpoint_fullfsync", "ON", "1"),
    // The writer checkpoints by itself, after it has answered, and looks at the outcome.
    ("wal_autocheckpoint", "0", "0"),
    // Nothing of a patient goes to a file that is not the ledger's.
    ("temp_store", "MEMORY", "2"),
    ("cell_size_check", "ON", "1"),
    // In KiB. With the default of 2,000 a large ledger's batch does not fit, and its pages are written more than once.
    ("cache_size", "-32000", "-32000"),
    ("trusted_schema", "OFF", "0"),
    // What is removed is overwritten, so that nothing of it is left in the file.
    ("secure_delete", "ON", "1"),
];

/// The one connection that writes: makes the file if there is none, and checks it if there is.
pub(in crate::record) fn writer(path: &Path, lock_wait: Duration) -> Result<Connection, LedgerError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(LedgerError::OldSqlite);
    }
    create(path)?;
    let mut connection = connect(path, lock_wait)?;
    // Before any setting: another program's file is left as it is.
    let stands = schema::stands(&connection)?;
    if stands == Stands::Fresh {
        connection.pragma_update(None, "page_size", PAGE_SIZE)?;
        // What is pruned is given back in steps: see `writer.rs`. It has to be said before there are tables.
        connection.pragma_update(None, "auto_vacuum", INCREMENTAL)?;
    }
    settle(&connection)?;
    // What is damaged is not upgraded.
    check(path, &connection)?;
    if stands != Stands::Current {
        schema::make(&mut connection)?;
    }
    Ok(connection)
}

/// A connection for reads, beside the writer's.
pub(in crate::record) fn reader(path: &Path, lock_wait: Duration) -> Result<Connection, LedgerError> {
    let connection = connect(path, lock_wait)?;
    settle(&connection)?;
    // Not opened read-only: the last connection to close tidies the WAL away, and this is the last.
    connection.pragma_update(None, "query_only", "ON")?;
    Ok(connection)
}

/// A connection to look at a ledger that is there, whatever state its entries are in.
pub(in crate::record) fn archive(path: &Path, lock_wait: Duration) -> Result<Connection, LedgerError> {
    let connection = connect(path, lock_wait)?;
    match schema::stands(&connection)? {
        Stands::Current => {}
        Stands::Fresh => return Err(LedgerError::Foreign),
        Stands::Earlier(version) => return Err(LedgerError::NotUpgraded(version)),
    }
    settle(&connection)?;
    connection.pragma_update(None, "query_only", "ON")?;
    Ok(connection)
}

/// Makes this version's of an earlier version's ledger that is there.
pub(in crate::record) fn upgrade(path: &Path, lock_wait: Duration) -> Result<(), LedgerError> {
    if matches!(schema::stands(&connect(path, lock_wait)?)?, Stands::Earlier(_)) {
        drop(writer(path, lock_wait)?);
    }
    Ok(())
}

/// A connection to copy a ledger that is there into another file. It writes nothing to the ledger itself.
pub(super) fn copier(path: &Path, lock_wait: Duration) -> Result<Connection, LedgerError> {
    let connection = connect(path, lock_wait)?;
    if schema::stands(&connection)? == Stands::Fresh {
        return Err(LedgerError::Foreign);
    }
    settle(&connection)?;
    // Of the copy, also where the ledger is from before this was set.
    connection.pragma_update(None, "auto_vacuum", INCREMENTAL)?;
    Ok(connection)
}

/// Keeps a connection from checkpointing when it closes: after a failed fsync that would be trying it again.
pub(in crate::record) fn leave_wal(connection: &Connection) {
    if let Err(error) = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true) {
        crate::telemetry::ledger::may_be_checkpointed(LedgerError::from(error));
    }
}

/// Writes what is there already: the page that has the version. A row that is set to what it is would not be written.
pub(super) fn rewrite(connection: &Connection) -> rusqlite::Result<()> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    connection.pragma_update(None, "user_version", version)
}

/// Makes an empty file that only its owner may read. SQLite gives the files beside it the same permissions.
fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    }
    sync_folder(path)
}

/// Makes a file's name durable. A file is durable once its name is.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() };
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

pub(super) fn connect(path: &Path, lock_wait: Duration) -> Result<Connection, LedgerError> {
    // No mutex: each connection has one user at a time, by type. No URI: a path is a path.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(lock_wait)?;
    Ok(connection)
}

/// Sets every setting and reads it back: SQLite says nothing when it does not take one.
fn settle(connection: &Connection) -> Result<(), LedgerError> {
    for (name, value, expected) in SETTINGS {
        connection.pragma_update(None, name, value)?;
        let taken = connection.pragma_query_value(None, name, |row| row.get(0))?;
        let taken = match taken {
            Value::Integer(number) => number.to_string(),
            Value::Text(text) => text,
            _ => String::new(),
        };
        if taken != expected {
            return Err(LedgerError::Setting(name));
        }
    }
    Ok(())
}

fn check(path: &Path, connection: &Connection) -> Result<(), LedgerError> {
    if fs::metadata(path)?.len() <= CHECKED_WHOLE {
        let report: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if report != "ok" {
            return Err(LedgerError::Corrupt);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::schema::{APPLICATION_ID, SCHEMA_VERSION};
    use super::*;

    const WAIT: Duration = Duration::from_millis(200);

    #[test]
    fn settings_are_really_set() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        for connection in [writer(&path, WAIT).unwrap(), reader(&path, WAIT).unwrap()] {
            let text: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
            let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
            assert_eq!((text.as_str(), number("synchronous"), number("wal_autocheckpoint")), ("wal", 2, 0));
            assert_eq!((number("busy_timeout"), number("page_size")), (200, PAGE_SIZE));
            assert_eq!((number("secure_delete"), number("auto_vacuum")), (1, INCREMENTAL));
            assert_eq!((number("application_id"), number("user_version")), (APPLICATION_ID, SCHEMA_VERSION));
        }
        assert!(rusqlite::version_number() >= OLDEST_SQLITE);
    }

    #[test]
    #[cfg(unix)]
    fn only_the_owner_can_read_the_files() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let _open = writer(&path, WAIT).unwrap();
        for file in fs::read_dir(folder.path()).unwrap() {
            assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_reader_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let _open = writer(&path, WAIT).unwrap();
        let reader = reader(&path, WAIT).unwrap();
        assert!(reader.execute("INSERT INTO policy_sets VALUES ('h', x'00')", []).is_err());
    }

    #[test]
    fn another_programs_database_is_refused_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
        let before = fs::read(&path).unwrap();
        assert_eq!(writer(&path, WAIT).unwrap_err(), LedgerError::Foreign);
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_later_schema_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        writer(&path, WAIT).unwrap().pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
        assert_eq!(writer(&path, WAIT).unwrap_err(), LedgerError::Foreign);
    }

    #[test]
    fn an_earlier_schema_is_refused_by_its_version_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let old = writer(&path, WAIT).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        drop(old);
        let before = fs::read(&path).unwrap();
        for refused in [writer(&path, WAIT), archive(&path, WAIT)] {
            let error = refused.unwrap_err();
            assert_eq!(error, LedgerError::Older(1));
            assert!(error.to_string().contains("version 1") && error.to_string().contains("kept as it is"));
        }
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn l05_a_file_that_is_no_database_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        fs::write(&path, [b'x'; 4096]).unwrap();
        let error = writer(&path, WAIT).unwrap_err();
        assert_eq!(error, LedgerError::Corrupt);
        assert!(error.to_string().contains("put back the last backup"));
    }

    #[test]
    fn a_file_in_memory_is_refused_for_its_journal() {
        let connection = Connection::open_in_memory().unwrap();
        assert_eq!(settle(&connection), Err(LedgerError::Setting("journal_mode")));
    }
}
