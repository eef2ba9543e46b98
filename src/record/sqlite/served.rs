//! What the file remembers of the server that serves from it, so that a copy of a file in use is known as one.
//!
//! A copy that was made while the server ran lacks what was in the WAL. It remembers a running server and another place than
//! its own. A copy that was put in the very place of the original cannot be told from it.

use rusqlite::{Connection, OptionalExtension, params};

use super::files::Identity;
use crate::record::LedgerError;

/// Notes that a server begins to serve from the file, or has ended.
pub(super) fn note(connection: &Connection, place: Identity, running: bool) -> Result<(), LedgerError> {
    let sql = "INSERT INTO served (one, device, inode, running) VALUES (1, ?1, ?2, ?3)
               ON CONFLICT (one) DO UPDATE SET device = ?1, inode = ?2, running = ?3";
    connection.execute(sql, params![place.device.cast_signed(), place.inode.cast_signed(), running])?;
    // Only what is in the file itself goes into a copy of it.
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    Ok(())
}

/// Whether the file is a copy of one that a server was writing to.
pub(super) fn is_a_copy(connection: &Connection, place: Identity) -> Result<bool, LedgerError> {
    let sql = "SELECT device, inode FROM served WHERE running";
    let served = connection.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).optional()?;
    Ok(served.is_some_and(|served| served != (place.device.cast_signed(), place.inode.cast_signed())))
}

/// Lets the file forget it: a backup is whole.
pub(super) fn forget(connection: &Connection) -> Result<(), LedgerError> {
    connection.execute("DELETE FROM served", [])?;
    Ok(())
}
