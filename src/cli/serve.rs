//! `covenant serve`: answers hooks until it is told to stop.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use covenant::auth::Doorman;
use covenant::config::{EhrSettings, OnFailure, OpsSettings, Settings};
use covenant::gather::ehr::{Ehr, Servers};
use covenant::http::ops::Ops;
use covenant::http::{self, App, tls};
use covenant::policy::{self, Proved, Serving};
use covenant::record::{self, Ledger, LedgerError, MemberDirectory, members};
use covenant::request::schema;
use covenant::telemetry;

use super::banner::Banner;
use super::{CommandError, manner, reload};

/// How often it is looked whether the ledger has stopped for good.
const LOOK: Duration = Duration::from_millis(250);

/// Seconds that a server answers on at most once it is told to stop: an hour.
const LONGEST_DRAIN: u64 = 60 * 60;

/// How long it is waited for the last calls to let go of the ledger, so that it can be closed. They were given time to end
/// before.
const CLOSING: Duration = Duration::from_secs(5);

/// Runs the command.
pub(super) fn run(settings: &Settings) -> Result<(), CommandError> {
    telemetry::start();
    if settings.ledger.on_failure == OnFailure::Answer {
        telemetry::ledger_is_optional();
    }
    schema::compile_all().map_err(CommandError::Schema)?;
    let Proved { set, proof, files } = policy::open(settings.policies.as_deref())?;
    let ledger = record::open(&settings.ledger)?;
    let files: Vec<_> = files.into_iter().map(|file| (file.path, file.bytes)).collect();
    ledger.keep_policy_set(&set.hash, &files)?;
    ledger.serve()?;
    let directory = directory(settings)?.map(Arc::new);
    let doorman = Doorman::of(settings)?.map(|doorman| Arc::new(doorman.sharing(ledger.shared_tokens())));
    let ehr = Ehr::new(&askable(settings, doorman.as_deref()))?;
    let tls = tls::config(&settings.tls, tls::LOOK)?;
    let listener = TcpListener::bind(settings.listen)?;
    let address = listener.local_addr()?;
    let ops = operations(&settings.ops)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let members = directory.as_ref().map(|_| members(&settings.ledger.path)).transpose()?.flatten();
    let banner = Banner {
        settings,
        set: &set,
        proof,
        listens: (scheme, address),
        operators: ops
            .as_ref()
            .map(|ops| Ok::<_, CommandError>((ops.socket.local_addr()?, ops.tokens.len())))
            .transpose()?,
        clients: doorman.as_ref().map(|doorman| doorman.clients().count()),
        members,
    };
    banner.write(&mut std::io::stdout().lock())?;
    let (policies, servers) = (Serving::new(Arc::new(set), proof), ehr.servers());
    let mut app = App::new(policies.clone(), ledger.clone(), manner(settings)?, ehr)
        .with_on_failure(settings.ledger.on_failure)
        .with_origins(&settings.cors_origins)
        .with_pages(&settings.pages)
        .with_address(public(settings, scheme, address))
        .with_doorman(doorman.clone())
        .with_tls(tls)
        .with_proxies(settings.tls.proxies.clone());
    if let Some(directory) = directory.clone() {
        app = app.with_directory(directory);
    }
    let watch = watch(settings, &app, policies, &ledger, doorman.zip(Some(servers)));
    let stopped = until_stopped(listener, ops, app, &ledger, settings.drain_seconds);
    drop(watch);
    // In this order: what is closed last tidies the WAL away, and that is the ledger's to do.
    if !(directory.is_none_or(is_closed) && is_closed(ledger)) {
        telemetry::ledger::not_closed();
    }
    stopped
}

/// Looks whether the files of policies and of clients have changed, as often as it is said. What is given back looks at
/// policies for as long as it is there.
fn watch(
    settings: &Settings,
    app: &App,
    policies: Serving,
    ledger: &Arc<dyn Ledger>,
    clients: Option<(Arc<Doorman>, Servers)>,
) -> Option<reload::Watch> {
    let folder = settings.policies.as_ref().filter(|_| settings.policies_look_seconds > 0);
    let watch = folder.map(|folder| {
        let look = Duration::from_secs(settings.policies_look_seconds);
        reload::watch(folder.clone(), look, policies, ledger.clone(), app.counters().clone())
    });
    if let (Some(file), Some((doorman, servers)), 1..) = (&settings.auth.clients, clients, settings.auth.look_seconds) {
        let registered = reload::Registered { file: file.clone(), doorman, own: settings.ehr.servers.clone(), servers };
        registered.watch(Duration::from_secs(settings.auth.look_seconds), app.counters().clone());
    }
    watch
}

/// The address that we are known by. Where nobody is registered only this machine calls, at the address that we listen on.
fn public(settings: &Settings, scheme: &str, address: SocketAddr) -> Option<String> {
    let here = settings.auth.clients.is_none().then(|| format!("{scheme}://{address}"));
    settings.auth.base_url.clone().or(here)
}

/// How EHRs are asked: the servers of all registered clients are askable, each for its own client.
fn askable(settings: &Settings, doorman: Option<&Doorman>) -> EhrSettings {
    let clients = doorman.map(Doorman::clients);
    let servers = reload::all(&settings.ehr.servers, clients.as_ref().map_or(&[], |clients| clients.fhir_servers()));
    EhrSettings { servers, ..settings.ehr.clone() }
}

/// Binds the operations listener, if there is to be one.
fn operations(settings: &OpsSettings) -> Result<Option<Ops>, CommandError> {
    let Some(address) = settings.listen else { return Ok(None) };
    let socket = TcpListener::bind(address)
        .map_err(|error| CommandError::Other(format!("ops.listen = {address} cannot be listened on: {error}")))?;
    Ok(Some(Ops { socket, tokens: settings.tokens.clone() }))
}

/// The member directory, which lies in the ledger's file: beside a database there is one where members were imported.
fn directory(settings: &Settings) -> Result<Option<MemberDirectory>, CommandError> {
    let path = &settings.ledger.path;
    if settings.ledger.url.is_some() && !path.exists() {
        return Ok(None);
    }
    Ok(Some(MemberDirectory::open(path)?))
}

/// Serves; a ledger that has stopped for good ends the process (FAULTS L04).
fn until_stopped(
    listener: TcpListener,
    ops: Option<Ops>,
    app: App,
    ledger: &Arc<dyn Ledger>,
    drain_seconds: u64,
) -> Result<(), CommandError> {
    let drain = Duration::from_secs(drain_seconds.min(LONGEST_DRAIN));
    let stopped = http::run(listener, ops, app, (LOOK, drain), || ledger.has_stopped())?;
    if stopped {
        telemetry::ledger_stopped();
        return Err(LedgerError::Poisoned.into());
    }
    Ok(())
}

/// Closes what is left to nobody else, once that is so; whether it was, before long.
fn is_closed<T: ?Sized>(shared: Arc<T>) -> bool {
    let until = Instant::now() + CLOSING;
    while Arc::strong_count(&shared) > 1 && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
    }
    Arc::strong_count(&shared) == 1
}
