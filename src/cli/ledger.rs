//! `covenant ledger …`: looks after the ledger.

use std::io::Write;

use covenant::config::Settings;
use covenant::record::Ledger;

use super::{CommandError, existing_ledger};

/// `covenant ledger verify`
pub(super) fn verify(settings: &Settings) -> Result<(), CommandError> {
    let verdict = existing_ledger(&settings.ledger.path)?.verify()?;
    match verdict.flaw {
        None if verdict.feedback > 0 => {
            let (entries, feedback) = (verdict.entries, verdict.feedback);
            Ok(writeln!(std::io::stdout(), "{entries} entries and {feedback} items of feedback, the chains hold")?)
        }
        None => Ok(writeln!(std::io::stdout(), "{} entries, the chain holds", verdict.entries)?),
        Some(flaw) => Err(CommandError::Other(format!("after {} entries: {flaw}", verdict.entries))),
    }
}
