//! `covenant ledger export`: all entries of a span of time, to a file or to standard output.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use covenant::config::Settings;
use covenant::record;
use covenant::review::Edge;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

use super::no_such_day;
use crate::cli::{CommandError, reviewer, zone};

/// Runs the command.
pub(super) fn run(settings: &Settings, from: Edge, to: Option<Edge>, out: Option<&Path>) -> Result<(), CommandError> {
    let zone = zone(settings)?;
    let from = from.begins(&zone).ok_or_else(no_such_day)?;
    let before = to.map_or(Some(Timestamp::now()), |to| to.ends(&zone)).ok_or_else(no_such_day)?;
    if before < from {
        return Err(CommandError::Other("--to is before --from".to_owned()));
    }
    let ledger = record::open(&settings.ledger)?;
    let part = out.map(Part::of).transpose()?;
    let export = reviewer(&*ledger).export(from, before)?;
    let bar = progress(from, before);
    let mut progress = |at: Timestamp| bar.set_position(seconds(from, at));
    let written = match &part {
        Some(part) => export.write(&*ledger, &mut BufWriter::new(&part.file), &mut progress)?,
        None => export.write(&*ledger, &mut BufWriter::new(std::io::stdout().lock()), &mut progress)?,
    };
    bar.finish_and_clear();
    if let Some(part) = part {
        part.done()?;
    }
    Ok(writeln!(std::io::stderr(), "{written} entries from {from} until before {before}")?)
}

/// A file on its way. It has its name once it is whole; it is taken away if it never is.
struct Part {
    file: File,
    part: PathBuf,
    whole: PathBuf,
}

impl Part {
    /// Begins a file that only its owner may read: patients' data is in it.
    fn of(whole: &Path) -> Result<Self, CommandError> {
        let taken = || CommandError::Other(format!("{} is there already", whole.display()));
        if whole.exists() {
            return Err(taken());
        }
        let mut part = whole.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .map_err(|error| CommandError::Other(format!("{} cannot be written: {error}", part.display())))?;
        Ok(Self { file, part, whole: whole.to_owned() })
    }

    fn done(self) -> Result<(), CommandError> {
        self.file.sync_all()?;
        Ok(fs::rename(&self.part, &self.whole)?)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Of one that is whole there is nothing left under this name.
        _ = fs::remove_file(&self.part);
    }
}

/// How far the entries have come in time, for whoever watches; nothing where nobody does.
fn progress(from: Timestamp, before: Timestamp) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {percent}% of the time, {eta} to go");
    ProgressBar::new(seconds(from, before)).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn seconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_second().saturating_sub(from.as_second())).unwrap_or_default()
}
