//! `covenant replay ID`: makes a recorded answer again, under the policy set that made it, and compares the bytes.

use std::io::Write;

use covenant::config::Settings;
use covenant::record;

use super::{CommandError, manner, must_be_there, reviewer};

/// Runs the command: the answer on standard output, what it is compared with on standard error.
pub(super) fn run(settings: &Settings, id: &str) -> Result<(), CommandError> {
    must_be_there(&settings.ledger)?;
    let ledger = record::open(&settings.ledger)?;
    let replayed = reviewer(&*ledger).replay(id, &manner(settings)?)?;
    let mut out = std::io::stdout().lock();
    out.write_all(&replayed.body)?;
    writeln!(out)?;
    match replayed.difference {
        None => Ok(writeln!(std::io::stderr(), "the same {} bytes as recorded", replayed.bytes)?),
        Some(difference) => Err(CommandError::Other(format!("differs from the recorded answer {difference}"))),
    }
}
