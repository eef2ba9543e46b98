//! `covenant serve`: answers hooks until it is told to stop.

use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use covenant::config::{OpsSettings, Settings};
use covenant::gather::ehr::Ehr;
use covenant::http::ops::Ops;
use covenant::http::{self, App};
use covenant::policy::{self, Proved, Serving};
use covenant::record::{Ledger, LedgerError, MemberDirectory, SqliteLedger, members};
use covenant::request::schema;
use covenant::telemetry;

use super::{CommandError, manner, reload, today, zone};

/// How often it is looked whether the ledger has stopped for good.
const LOOK: Duration = Duration::from_millis(250);

/// Runs the command.
pub(super) fn run(settings: &Settings) -> Result<(), CommandError> {
    telemetry::start();
    schema::compile_all().map_err(CommandError::Schema)?;
    let Proved { set, proof, files } = policy::open(settings.policies.as_deref(), today())?;
    let ledger = Arc::new(SqliteLedger::open(&settings.ledger.path)?);
    let files: Vec<_> = files.into_iter().map(|file| (file.path, file.bytes)).collect();
    ledger.keep_policy_set(&set.hash, &files)?;
    let directory = MemberDirectory::open(&settings.ledger.path)?;
    let ehr = Ehr::new(&settings.ehr)?;
    let listener = TcpListener::bind(settings.listen)?;
    let address = listener.local_addr()?;
    let ops = operations(&settings.ops)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "Covenant answers for {} on http://{address}", set.payer.name)?;
    writeln!(
        out,
        "  policies  {} ({} cases hold), set {}",
        proof.policies,
        proof.cases,
        set.hash.get(..12).unwrap_or_default()
    )?;
    writeln!(out, "  ledger    {}", settings.ledger.path.display())?;
    match members(&settings.ledger.path)? {
        Some(it) => writeln!(out, "  members   {}, imported {:.0}", it.patients, it.at)?,
        None => writeln!(out, "  members   none imported: coverages are taken as they are sent")?,
    }
    match &ops {
        Some(ops) => writeln!(out, "  operators http://{}, {} tokens", ops.socket.local_addr()?, ops.tokens.len())?,
        None => writeln!(out, "  operators none: ops.listen is empty")?,
    }
    writeln!(out, "  no authentication is configured, so only this machine is answered")?;
    writeln!(out, "Try:\n  curl http://{address}/cds-services")?;
    writeln!(
        out,
        "  curl -H 'Content-Type: application/json' -d @cds-hooks/examples/order-sign-47383.request.json http://{address}/cds-services/order-sign-crd"
    )?;
    drop(out);
    let policies = Serving::new(Arc::new(set), proof);
    let app = App::new(policies.clone(), ledger.clone(), manner(settings), zone(settings)?, ehr)
        .with_directory(Arc::new(directory));
    if let (Some(folder), 1..) = (&settings.policies, settings.policies_look_seconds) {
        let look = Duration::from_secs(settings.policies_look_seconds);
        reload::watch(folder.clone(), look, policies, ledger.clone(), app.counters().clone());
    }
    until_stopped(listener, ops, app, &ledger)
}

/// Binds the operations listener, if there is to be one.
fn operations(settings: &OpsSettings) -> Result<Option<Ops>, CommandError> {
    let Some(address) = settings.listen else { return Ok(None) };
    let socket = TcpListener::bind(address)
        .map_err(|error| CommandError::Other(format!("ops.listen = {address} cannot be listened on: {error}")))?;
    Ok(Some(Ops { socket, tokens: settings.tokens.clone() }))
}

/// Serves; a ledger that has stopped for good ends the process (FAULTS L04).
fn until_stopped(
    listener: TcpListener,
    ops: Option<Ops>,
    app: App,
    ledger: &Arc<SqliteLedger>,
) -> Result<(), CommandError> {
    let stopped = http::run(listener, ops, app, LOOK, || ledger.ready() == Err(LedgerError::Poisoned))?;
    if stopped {
        telemetry::ledger_stopped();
        return Err(LedgerError::Poisoned.into());
    }
    Ok(())
}
