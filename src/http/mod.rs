//! The edge: all routes on one screen. Nothing else in the program knows HTTP.

mod admit;
mod around;
mod aside;
mod body;
mod cors;
mod counted;
mod desk;
pub mod discovery;
mod doors;
mod drain;
mod feedback;
mod invoke;
mod line;
mod listen;
mod once;
pub mod ops;
mod pages;
mod policies;
pub mod problem;
mod proxy;
mod pulse;
mod read;
mod rest;
mod room;
mod share;
pub mod tls;

use std::io;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::Method;
use actix_web::http::header::ALLOW;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{App as Routes, HttpRequest, HttpResponse, HttpServer, Route};
use jiff::Timestamp;
use rustls::ServerConfig;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::answer::Manner;
use crate::auth::Doorman;
use crate::config::{Networks, OnFailure, PagesSettings};
use crate::gather::ehr::Ehr;
use crate::gather::learned::Directory;
use crate::pages::policies::Shelf;
use crate::policy::Serving;
use crate::record::Ledger;
use crate::telemetry::counters::Counters;
use crate::telemetry::{Refused, Shed, Unheard};
use aside::Aside;
use doors::Doors;
use once::Once;
use ops::Ops;
use problem::Problem;
use pulse::Pulse;
use rest::Told;
use room::Room;
use share::Shares;

const JSON: &str = "application/json; charset=utf-8";
const REQUEST_ID: &str = "x-request-id";

/// What every request shares.
pub struct App {
    policies: Serving,
    ledger: Arc<dyn Ledger>,
    on_failure: OnFailure,
    manner: Manner,
    ehr: Ehr,
    directory: Option<Arc<dyn Directory>>,
    places: Semaphore,
    shares: Shares,
    shed: Shed,
    unheard: Unheard,
    stopping: AtomicBool,
    not_admitted: Refused,
    over_share: Refused,
    room: Room,
    aside: Aside,
    pulse: Pulse,
    once: Once,
    counters: Counters,
    doorman: Option<Arc<Doorman>>,
    origins: Arc<[String]>,
    desk: bool,
    desk_servers: Vec<String>,
    address: Option<String>,
    shelf: Shelf,
    tls: Option<ServerConfig>,
    proxies: Networks,
    began: Timestamp,
}

impl std::fmt::Debug for App {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("App")
            .field("set", &self.policies.now().hash)
            .field("manner", &self.manner)
            .finish_non_exhaustive()
    }
}

impl App {
    /// Everything that answering takes.
    #[must_use]
    pub fn new(policies: Serving, ledger: Arc<dyn Ledger>, manner: Manner, ehr: Ehr) -> Self {
        let places = Semaphore::new(manner.limits.in_flight);
        let room = Room::of(manner.limits.bytes_in_flight, manner.limits.large_body_bytes);
        let shares = Shares::of(&manner.limits);
        let counters = Counters::new();
        let ehr = ehr.counted_by(counters.clone()).within(manner.limits);
        Self {
            policies,
            ledger,
            on_failure: OnFailure::Refuse,
            manner,
            ehr,
            directory: None,
            places,
            shares,
            shed: Shed::default(),
            unheard: Unheard::default(),
            stopping: AtomicBool::new(false),
            not_admitted: Refused::default(),
            over_share: Refused::default(),
            room,
            // Half of the cores are the workers' alone; of two, so that one large request does not wait for another.
            aside: Aside::of(workers().div_ceil(2).max(2)),
            pulse: Pulse::new(),
            once: Once::default(),
            counters,
            doorman: None,
            origins: Arc::default(),
            desk: false,
            desk_servers: Vec::new(),
            address: None,
            shelf: Shelf::default(),
            tls: None,
            proxies: Networks::default(),
            began: Timestamp::now(),
        }
    }

    /// With another way than to refuse what cannot be kept.
    #[must_use]
    pub fn with_on_failure(self, on_failure: OnFailure) -> Self {
        Self { on_failure, ..self }
    }

    /// With a member directory to look patients and coverages up in.
    #[must_use]
    pub fn with_directory(self, directory: Arc<dyn Directory>) -> Self {
        Self { directory: Some(directory), ..self }
    }

    /// With a doorman, who lets in registered clients from anywhere. Without one only this machine is let in.
    #[must_use]
    pub fn with_doorman(self, doorman: Option<Arc<Doorman>>) -> Self {
        Self { doorman, ..self }
    }

    /// With TLS on the public listener.
    #[must_use]
    pub fn with_tls(self, tls: Option<ServerConfig>) -> Self {
        Self { tls, ..self }
    }

    /// With proxies before it whose word is taken for whom they speak. Without TLS of its own nobody else is answered.
    #[must_use]
    pub fn with_proxies(self, proxies: Networks) -> Self {
        Self { proxies, ..self }
    }

    /// With what people are shown in a browser.
    #[must_use]
    pub fn with_pages(self, pages: &PagesSettings) -> Self {
        Self { desk: pages.desk, desk_servers: pages.desk_servers.clone(), ..self }
    }

    /// With the address that it is reached under, such as `https://crd.payer.example`: cards lead to its pages.
    #[must_use]
    pub fn with_address(self, address: Option<String>) -> Self {
        Self { address, ..self }
    }

    /// With origins whose pages may call from a browser.
    #[must_use]
    pub fn with_origins(self, origins: &[String]) -> Self {
        Self { origins: origins.into(), ..self }
    }

    /// What this server counts.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// Cores, each of which answers on a thread.
fn workers() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Serves on a socket that is already bound, until its handle is told to stop: then what was begun has five seconds to end.
/// Signals are for [`run`].
///
/// # Errors
/// The socket cannot be listened on.
pub fn serve(listener: TcpListener, app: impl Into<Arc<App>>) -> io::Result<Server> {
    let app = Data::from(app.into());
    let tls = app.tls.clone();
    let desk = app.desk;
    let workers = workers();
    let most = listen::prepare(&listener, app.manner.limits.connections, app.manner.limits.in_flight)?;
    let lines = Arc::new(Semaphore::new(app.manner.limits.in_flight));
    let (doors, before) = (Doors::of(app.manner.limits.connections_per_address), app.proxies.clone());
    let routed = move || {
        let outside_in = Routes::new().wrap(from_fn(cors::cors)).wrap(from_fn(around::around));
        // This is asked once for each worker.
        let own = outside_in.app_data(Told::default());
        app.pulse.beats();
        own.app_data(app.clone()).configure(|config: &mut ServiceConfig| routes(config, desk))
    };
    let server = HttpServer::new(routed)
        .on_connect(move |connection, beside| tls::seen(connection, beside, (&doors, &lines), &before))
        .workers(workers)
        .max_connections(most.div_ceil(workers))
        .client_request_timeout(Duration::from_secs(5))
        .keep_alive(Duration::from_secs(75))
        .shutdown_timeout(5)
        .disable_signals();
    let server = match tls {
        Some(tls) => server.tls_handshake_timeout(Duration::from_secs(5)).listen_rustls_0_23(listener, tls)?,
        None => server.listen(listener)?,
    };
    Ok(server.run())
}

/// Serves on this thread until a signal ends it, or until `fatal` says that nothing can be answered any more: then true.
/// Operators are served beside it, and to its very end. Told to terminate, it serves on for `drain`.
///
/// # Errors
/// A socket cannot be listened on, or signals cannot be heard.
pub fn run(
    listener: TcpListener,
    ops: Option<Ops>,
    app: App,
    (look, drain): (Duration, Duration),
    fatal: impl Fn() -> bool,
) -> io::Result<bool> {
    actix_web::rt::System::new().block_on(async {
        let app = Arc::new(app);
        let signals = drain::Signals::heard()?;
        let ops = ops.map(|ops| ops::serve(ops, app.clone())).transpose()?;
        let ops = ops.map(|server| {
            let handle = server.handle();
            actix_web::rt::spawn(server);
            handle
        });
        let server = serve(listener, app.clone())?;
        let ended = drain::until_stopped(server, signals, &app, (look, drain), fatal).await;
        if let Some(ops) = ops {
            ops.stop(true).await;
        }
        ended
    })
}

fn routes(config: &mut ServiceConfig, has_desk: bool) {
    // The first that fits is taken, and each that is tried costs: what is called most comes first.
    config
        .service(
            web::resource("/cds-services/{id}").route(web::post().to(invoke::invoke)).default_service(web::to(no_post)),
        )
        .service(
            web::resource("/cds-services/{id}/feedback")
                .route(web::post().to(feedback::feedback))
                .default_service(web::to(no_post)),
        );
    read::only(config, "/cds-services", discovery::discovery, no_other());
    read::only(config, "/assets/{name}", pages::asset, no_other());
    if has_desk {
        read::only(config, "/", desk::page, no_other());
        read::only(config, "/desk/choices", desk::choices, no_other());
        read::only(config, "/desk/why/{id}", desk::why, no_other());
        let other = web::to(|request, body| method("POST", request, body));
        let markdown = web::resource("/desk/markdown").route(web::post().to(desk::markdown));
        config.service(markdown.default_service(other));
    }
    config.configure(policies::routes).default_service(web::to(nothing));
}

/// What is said to other methods where something is only read.
fn no_other() -> Route {
    web::to(|request, body| method(read::ALLOWED, request, body))
}

/// Another method than the one that is allowed. A browser that asks first whether it may call is told of no origin from
/// which it may (FAULTS T17).
async fn method(allowed: &'static str, request: HttpRequest, body: Payload) -> HttpResponse {
    let response = if request.method() == Method::OPTIONS {
        HttpResponse::NoContent().insert_header((ALLOW, allowed)).force_close().finish()
    } else {
        Problem::Method(allowed).response(&Uuid::new_v4().to_string())
    };
    body::leave(body, response)
}

/// Another method than POST: on a service we have it is not supported, elsewhere there is nothing.
async fn no_post(request: HttpRequest, body: Payload) -> HttpResponse {
    match request.match_info().get("id").and_then(crate::request::hook::service) {
        Some(_) => method("POST", request, body).await,
        None => nothing(body).await,
    }
}

async fn nothing(body: Payload) -> HttpResponse {
    body::leave(body, Problem::NotFound.response(&Uuid::new_v4().to_string()))
}
