//! The commands: what they are called and what they take. Each has a file, none has logic of its own.

mod banner;
mod check;
mod client;
mod decide;
mod explain;
mod ledger;
mod members;
mod memory;
mod metrics;
mod reload;
mod replay;
mod serve;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use jiff::tz::TimeZone;

use covenant::answer::Manner;
use covenant::auth::AuthSettingsError;
use covenant::config::{LedgerSettings, Settings, SettingsError};
use covenant::gather::ehr::EhrError;
use covenant::http::tls::TlsError;
use covenant::policy::SetError;
use covenant::record::{ImportError, Ledger, LedgerError};
use covenant::request::version::Version;
use covenant::review::{ReviewError, Reviewer};

/// A payer's coverage-requirements server.
#[derive(Debug, Parser)]
#[command(name = "covenant", version, about)]
pub struct Command {
    /// The settings file; `covenant.toml` in the working directory if there is one.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Answer hooks (the default).
    Serve,
    /// Answer one request file, without a server and without recording it.
    Decide {
        /// The request, as an EHR would send it.
        file: PathBuf,
        /// The service it is for; the one of the hook that it says it is of, if none is named.
        #[arg(long)]
        service: Option<String>,
    },
    /// Prove a policy set: that of the settings, or a folder.
    Check {
        /// The folder.
        dir: Option<PathBuf>,
    },
    /// Say why an answer was what it was.
    Explain {
        /// A coverage-assertion-id, an invocation's id (`x-request-id`) or a card's.
        id: String,
    },
    /// Make a recorded answer again and compare the bytes.
    Replay {
        /// A coverage-assertion-id, an invocation's id (`x-request-id`) or a card's.
        id: String,
    },
    /// Look back at what is recorded, and after the ledger itself.
    Ledger {
        #[command(subcommand)]
        action: ledger::Action,
    },
    /// Look after the clients that are let in.
    Client {
        #[command(subcommand)]
        action: ClientAction,
    },
    /// Say how the server was used, in the measures of the guide.
    Metrics(metrics::Args),
    /// Look after the member directory.
    Members {
        #[command(subcommand)]
        action: MembersAction,
    },
}

#[derive(Debug, Subcommand)]
enum MembersAction {
    /// Replace the directory by what is in files: NDJSON, or a Bundle, of Patient, Coverage and ClaimResponse.
    Import {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Say how many are in it, and since when.
    Status,
}

#[derive(Debug, Subcommand)]
enum ClientAction {
    /// Say who is registered.
    List,
    /// Look whether the keys of all clients can be had and used.
    Check,
    /// Register another.
    Add(client::New),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The settings.
    #[error("{0}")]
    Settings(#[from] SettingsError),
    /// The policy set.
    #[error("{0}")]
    Set(#[from] SetError),
    /// The ledger.
    #[error("{0}")]
    Ledger(#[from] LedgerError),
    /// What was recorded is not shown.
    #[error("{0}")]
    Review(#[from] ReviewError),
    /// The files of members.
    #[error("{0}; nothing was imported")]
    Import(#[from] ImportError),
    /// There is no ledger where one is looked for.
    #[error("there is no ledger at {0}")]
    NoLedger(PathBuf),
    /// A file, a socket or the terminal.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The EHRs' FHIR servers.
    #[error("{0}")]
    Ehr(#[from] EhrError),
    /// Who is let in.
    #[error("{0}")]
    Auth(#[from] AuthSettingsError),
    /// How connections are encrypted.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// A schema that is built in.
    #[error("the schema {0} does not compile")]
    Schema(&'static str),
    /// What was asked for takes a setting that is not there.
    #[error("{0}")]
    Usage(&'static str),
    /// What was asked for is not there, or not as it should be.
    #[error("{0}")]
    Other(String),
}

impl CommandError {
    /// 2 for what has to be put right before trying again, 1 for everything else.
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Settings(_)
            | Self::Set(_)
            | Self::Schema(_)
            | Self::Ehr(_)
            | Self::Auth(_)
            | Self::Tls(_)
            | Self::Usage(_) => ExitCode::from(2),
            Self::Ledger(error) if error.is_of_settings() => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}

/// Runs the command of the arguments.
#[must_use]
pub fn run() -> ExitCode {
    let command = Command::parse();
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut err = std::io::stderr().lock();
            if let CommandError::Set(error) = &error {
                for problem in error.problems() {
                    _ = writeln!(err, "{problem}");
                }
            }
            _ = writeln!(err, "covenant: {error}");
            error.exit_code()
        }
    }
}

impl Command {
    fn run(self) -> Result<(), CommandError> {
        memory::stays_in_memory()?;
        let settings = Settings::of_process(self.config.as_deref(), std::env::vars_os())?;
        match self.action.unwrap_or(Action::Serve) {
            Action::Serve => serve::run(&settings),
            Action::Decide { file, service } => decide::run(&settings, &file, service.as_deref()),
            Action::Check { dir } => check::run(dir.as_deref().or(settings.policies.as_deref())),
            Action::Explain { id } => explain::run(&settings, &id),
            Action::Replay { id } => replay::run(&settings, &id),
            Action::Ledger { action } => ledger::run(&settings, &action),
            Action::Metrics(args) => metrics::run(&settings, &args),
            Action::Client { action: ClientAction::List } => client::list(&settings),
            Action::Client { action: ClientAction::Check } => client::check(&settings),
            Action::Client { action: ClientAction::Add(new) } => client::add(&settings, new),
            Action::Members { action: MembersAction::Import { files } } => {
                members::import(&settings, &zone(&settings)?, &files)
            }
            Action::Members { action: MembersAction::Status } => members::status(&settings),
        }
    }
}

fn zone(settings: &Settings) -> Result<TimeZone, CommandError> {
    TimeZone::get(&settings.time_zone)
        .map_err(|_| CommandError::Usage("time_zone must be the IANA name of a time zone"))
}

fn manner(settings: &Settings) -> Result<Manner, CommandError> {
    Ok(Manner {
        limits: settings.limits,
        payer_check: settings.payer_check,
        allow_http: settings.ehr.allow_http,
        default_version: Version::V2_0,
        zone: zone(settings)?,
    })
}

/// Refuses to go on where a ledger's file is not there: looking at one never makes one.
fn must_be_there(settings: &LedgerSettings) -> Result<(), CommandError> {
    if settings.url.is_none() && !settings.path.exists() {
        return Err(CommandError::NoLedger(settings.path.clone()));
    }
    Ok(())
}

/// Whoever runs the command, by the name that is kept of every look.
fn reviewer(ledger: &dyn Ledger) -> Reviewer<'_> {
    let name = ["LOGNAME", "USER"].iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    Reviewer::new(ledger, format!("{} on the command line", name.as_deref().unwrap_or("unknown")))
}
