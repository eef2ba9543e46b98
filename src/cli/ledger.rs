//! `covenant ledger …`: looks after the ledger.

use std::io::Write;

use covenant::config::Settings;
use covenant::record;

use super::{CommandError, must_be_there};

/// `covenant ledger verify`
pub(super) fn verify(settings: &Settings) -> Result<(), CommandError> {
    must_be_there(&settings.ledger)?;
    let verdict = record::archive(&settings.ledger)?.verify()?;
    let mut out = std::io::stdout().lock();
    let (entries, feedback) = (verdict.entries, verdict.feedback);
    let more = if feedback > 0 { format!(" and {feedback} items of feedback") } else { String::new() };
    let flaws: Vec<String> = verdict
        .chains
        .iter()
        .flat_map(|chain| chain.flaws.iter().map(move |flaw| format!("{}: {flaw}", chain.node)))
        .collect();
    if flaws.is_empty() {
        writeln!(out, "{entries} entries{more}, the chain holds")?;
        if verdict.pruned > 0 {
            writeln!(out, "{} records were pruned before them, as is kept", verdict.pruned)?;
        }
        return Ok(());
    }
    Err(CommandError::Other(format!("{entries} entries{more} are whole, and\n{}", flaws.join("\n"))))
}
