//! `covenant metrics`: the guide's metric data of each recorded invocation, or its measures over all of them.

use std::io::BufWriter;

use clap::ValueEnum;
use covenant::config::Settings;
use covenant::metrics::{Identifier, Period};
use covenant::policy::SetError;
use covenant::policy::load;
use covenant::record;
use covenant::review::{self, About};
use jiff::Timestamp;
use jiff::civil::Date;

use super::{CommandError, must_be_there, reviewer, zone};

/// What is looked at, and how it is written.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The first day; without one, thirty days are looked at.
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// The last day, which is looked at too; today without one. Days are those of the payer's time zone.
    #[arg(long, value_name = "DATE")]
    to: Option<Date>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The measures, for a terminal.
    Table,
    /// The measures, for a spreadsheet.
    Csv,
    /// The measures, for a program.
    Json,
    /// The guide's CRDMetricData of each invocation, one a line.
    Data,
}

/// Runs the command.
pub(super) fn run(settings: &Settings, args: &Args) -> Result<(), CommandError> {
    must_be_there(&settings.ledger)?;
    let zone = zone(settings)?;
    let today = Timestamp::now().to_zoned(zone.clone()).date();
    let period =
        Period::of(args.from, args.to, today, &zone).map_err(|error| CommandError::Other(error.to_string()))?;
    let about = About { period, zone: settings.time_zone.clone(), payer: payer(settings)? };
    let ledger = record::open(&settings.ledger)?;
    let measures = reviewer(&*ledger).measures(about)?;
    Ok(measures.write(&*ledger, args.format.into(), &mut BufWriter::new(std::io::stdout().lock()))?)
}

impl From<Format> for review::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Table => Self::Table,
            Format::Csv => Self::Csv,
            Format::Json => Self::Json,
            Format::Data => Self::Data,
        }
    }
}

/// By what the payer is known: the first identifier in its policy set.
fn payer(settings: &Settings) -> Result<Identifier, CommandError> {
    let files = match &settings.policies {
        Some(folder) => load::folder(folder).map_err(SetError::Unreadable)?,
        None => fhir_resources::embedded(),
    };
    let set = load::load(&files).map_err(SetError::Wrong)?.set;
    let first = set.payer.identifiers.first();
    let (system, value) = first.ok_or_else(|| CommandError::Other("the payer has no identifier".to_owned()))?;
    Ok(Identifier { system: system.to_string(), value: value.to_string() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Args, Format};
    use clap::Parser;
    use jiff::civil::date;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn days_and_format_are_read_from_the_arguments() {
        let parsed = |line: &str| Command::try_parse_from(line.split(' ')).map(|command| command.args);
        let usual = parsed("metrics").unwrap();
        assert_eq!((usual.from, usual.to, usual.format), (None, None, Format::Table));
        let args = parsed("metrics --from 2026-11-01 --to 2026-11-30 --format data").unwrap();
        assert_eq!(
            (args.from, args.to, args.format),
            (Some(date(2026, 11, 1)), Some(date(2026, 11, 30)), Format::Data)
        );
        for wrong in ["metrics --from yesterday", "metrics --to 2026-02-30", "metrics --format xml", "metrics 2026"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
