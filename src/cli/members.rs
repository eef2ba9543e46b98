//! `covenant members …`: fills the member directory, and says what is in it.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use covenant::config::Settings;
use covenant::record::{self, Imported};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::CommandError;

/// `covenant members import FILE…`
pub(super) fn import(settings: &Settings, zone: &TimeZone, files: &[PathBuf]) -> Result<(), CommandError> {
    let bar = progress(record::import_bytes(files)?);
    let imported = record::import(&settings.ledger.path, files, Timestamp::now(), zone, &mut |bytes| bar.inc(bytes));
    bar.finish_and_clear();
    writeln!(std::io::stdout(), "imported {}", counts(&imported?))?;
    Ok(())
}

/// `covenant members status`
pub(super) fn status(settings: &Settings) -> Result<(), CommandError> {
    let path = &settings.ledger.path;
    if !path.exists() {
        return Err(CommandError::NoLedger(path.clone()));
    }
    let mut out = std::io::stdout().lock();
    match record::members(path)? {
        Some(imported) => writeln!(out, "{}\nimported {:.0}", counts(&imported), imported.at)?,
        None => writeln!(out, "no members have been imported: coverages are taken as they are sent")?,
    }
    Ok(())
}

fn counts(imported: &Imported) -> String {
    let Imported { patients, coverages, authorizations, passed_over, .. } = imported;
    format!("{patients} patients, {coverages} coverages, {authorizations} authorizations; {passed_over} passed over")
}

/// A bar for whoever watches; nothing where nobody does.
fn progress(bytes: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {eta} to go");
    ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
