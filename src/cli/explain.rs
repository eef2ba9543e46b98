//! `covenant explain ID`: says in words why an answer was what it was.

use std::io::Write;

use covenant::config::Settings;
use covenant::record;

use super::{CommandError, must_be_there, reviewer, zone};

/// Runs the command.
pub(super) fn run(settings: &Settings, id: &str) -> Result<(), CommandError> {
    must_be_there(&settings.ledger)?;
    let ledger = record::open(&settings.ledger)?;
    let explained = reviewer(&*ledger).explain(id)?;
    Ok(write!(std::io::stdout(), "{}", explained.text(&zone(settings)?))?)
}
