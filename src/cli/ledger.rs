//! `covenant ledger …`: looks back at what is recorded, and after the ledger itself.

mod backup;
mod export;

use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;
use covenant::config::Settings;
use covenant::record::{self, Search};
use covenant::review::{Age, Edge, Retention, Verified};
use jiff::Timestamp;

use super::{CommandError, must_be_there, reviewer, zone};

/// What is done.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Print an entry whole, as JSON.
    Show {
        /// A coverage-assertion-id, an invocation's id (`x-request-id`) or a card's.
        id: String,
    },
    /// List the entries of which all that is asked for is so, the newest first.
    Search(Wanted),
    /// Write all entries of a span of time: FHIR R4 AuditEvents, one a line.
    Export {
        /// The first day, in the payer's time zone, or a moment (RFC 3339).
        #[arg(long, value_name = "WHEN")]
        from: Edge,
        /// The last day, which is exported too, or the moment before which it ends; now without one.
        #[arg(long, value_name = "WHEN")]
        to: Option<Edge>,
        /// Where to; a file that is not there yet. Standard output without one.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Remove what is too old, but for its hashes: the chain still holds, and tells who let it go.
    Prune {
        /// How old, in years or days.
        #[arg(long, value_name = "AGE", default_value = "6y")]
        older_than: Age,
        /// Do it, instead of saying how many would go.
        #[arg(long)]
        yes: bool,
        /// Let records go that are younger than the six years of 45 CFR 164.316(b)(2).
        #[arg(long)]
        less_than_six_years_is_lawful_here: bool,
    },
    /// Walk the hash chains and name every record that is changed, missing or out of order; and what is missing or changed
    /// of nodes, keys, policy sets and the schema.
    Verify,
    /// Write a whole copy of the ledger's file, which may be in use. (A database has its own tools for that.)
    Backup {
        /// A file that is not there yet.
        file: PathBuf,
    },
    /// Put a copy in the place of the ledger, where there is none, if `verify` finds it whole.
    Restore {
        /// A file that `backup` made.
        file: PathBuf,
    },
}

/// What is known of the entries that are looked for.
#[derive(Debug, clap::Args)]
pub(super) struct Wanted {
    /// A coverage-assertion-id.
    #[arg(long, value_name = "ID")]
    assertion: Option<String>,
    /// `hookInstance`
    #[arg(long, value_name = "ID")]
    hook_instance: Option<String>,
    /// A subscriber or member number.
    #[arg(long, value_name = "NUMBER")]
    member: Option<String>,
    /// The client that asked.
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// The number of a policy that decided.
    #[arg(long, value_name = "NUMBER")]
    policy: Option<String>,
    /// The first day, in the payer's time zone, or a moment (RFC 3339).
    #[arg(long, value_name = "WHEN")]
    from: Option<Edge>,
    /// The last day, which is searched too, or the moment before which it ends.
    #[arg(long, value_name = "WHEN")]
    to: Option<Edge>,
    /// How many at most.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

/// Runs the command.
pub(super) fn run(settings: &Settings, action: &Action) -> Result<(), CommandError> {
    if !matches!(action, Action::Restore { .. }) {
        must_be_there(&settings.ledger)?;
    }
    match action {
        Action::Show { id } => show(settings, id),
        Action::Search(wanted) => search(settings, wanted),
        Action::Export { from, to, out } => export::run(settings, *from, *to, out.as_deref()),
        Action::Prune { older_than, yes, less_than_six_years_is_lawful_here: shorter } => {
            let retention = if *shorter { Retention::Shorter } else { Retention::SixYears };
            prune(settings, *older_than, retention, *yes)
        }
        Action::Verify => verify(settings),
        Action::Backup { file } => backup::backup(settings, file),
        Action::Restore { file } => backup::restore(settings, file),
    }
}

fn show(settings: &Settings, id: &str) -> Result<(), CommandError> {
    let ledger = record::open(&settings.ledger)?;
    let shown = reviewer(&*ledger).show(id)?;
    let text = serde_json::to_string_pretty(&shown).map_err(std::io::Error::from)?;
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

fn search(settings: &Settings, wanted: &Wanted) -> Result<(), CommandError> {
    let zone = zone(settings)?;
    let from = wanted.from.map(|from| from.begins(&zone).ok_or_else(no_such_day)).transpose()?;
    let before = wanted.to.map(|to| to.ends(&zone).ok_or_else(no_such_day)).transpose()?;
    let search = Search {
        assertion: wanted.assertion.clone(),
        hook_instance: wanted.hook_instance.clone(),
        member: wanted.member.clone(),
        client: wanted.client.clone(),
        policy: wanted.policy.clone(),
        from,
        before,
    };
    let ledger = record::open(&settings.ledger)?;
    let found = reviewer(&*ledger).search(&search, usize::from(wanted.limit))?;
    let mut out = std::io::stdout().lock();
    for found in found {
        writeln!(out, "{}", found.line())?;
    }
    Ok(())
}

fn prune(settings: &Settings, age: Age, retention: Retention, yes: bool) -> Result<(), CommandError> {
    let zone = zone(settings)?;
    let before = age.ago(Timestamp::now(), &zone).ok_or_else(no_such_day)?;
    let ledger = record::open(&settings.ledger)?;
    let reviewer = reviewer(&*ledger);
    let gone = match reviewer.prunable(before, retention, &zone)? {
        0 => 0,
        some if !yes => {
            let what = format!("{some} records from before {before:.0} would go, but for their hashes");
            return Err(CommandError::Other(format!("{what}; with --yes they do, and do not come back")));
        }
        _ => reviewer.prune(before, retention, &zone, &mut |_| ())?,
    };
    Ok(writeln!(std::io::stdout(), "{gone} records from before {before:.0} are gone, but for their hashes")?)
}

fn verify(settings: &Settings) -> Result<(), CommandError> {
    let verified = Verified::of(&*record::archive(&settings.ledger)?)?;
    if verified.holds() {
        return Ok(writeln!(std::io::stdout(), "{}", verified.words())?);
    }
    Err(CommandError::Other(verified.words()))
}

fn no_such_day() -> CommandError {
    CommandError::Other("there is no such day".to_owned())
}
