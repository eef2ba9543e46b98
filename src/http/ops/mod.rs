//! The operations listener: a socket of its own, for whoever runs the server. None of its routes is on the public
//! listener, and none of the public ones is here.
//!
//! What anybody may see who reaches it has no patient's and no client's name in it. Everything else takes an [`Operator`],
//! and so does being told that there is nothing: what is here is not told to strangers. The page alone is shown to whoever
//! has told a browser name and secret, too.

mod health;
mod ledger;
mod operator;
mod page;
mod params;
mod policies;
mod reviewing;
mod stream;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, HeaderValue};
use actix_web::web::{self, Data};
use actix_web::{App as Routes, HttpResponse, HttpServer, Resource, Route};
use serde_json::{Value, json};

use super::{App, JSON};
use crate::config::{Role, Token};
pub use operator::Operator;
use operator::{Operators, Takes};

/// More than those who watch a server need. Whoever holds them all keeps operators out, and nobody else.
const CONNECTIONS: usize = 64;

/// Where operators are answered, and who they are.
#[derive(Debug)]
pub struct Ops {
    /// A socket that is already bound.
    pub socket: TcpListener,
    /// Who is let in.
    pub tokens: Vec<Token>,
}

/// Serves operators until it is told to stop. Signals are for the public listener, which this one outlives.
///
/// # Errors
/// The socket cannot be listened on.
pub fn serve(ops: Ops, app: Arc<App>) -> io::Result<Server> {
    let (app, operators) = (Data::from(app), Data::new(Operators::new(ops.tokens)));
    let server =
        HttpServer::new(move || Routes::new().app_data(app.clone()).app_data(operators.clone()).configure(routes));
    let server = server
        .workers(1)
        .max_connections(CONNECTIONS)
        .client_request_timeout(Duration::from_secs(5))
        .keep_alive(Duration::from_secs(75))
        .shutdown_timeout(1)
        .disable_signals()
        .listen(ops.socket)?;
    Ok(server.run())
}

/// Who may call a route.
enum For {
    /// Whoever reaches the listener: nothing of a patient and no client's name is there.
    Anybody,
    /// Operators whose token has this role.
    Holders(Role),
}

/// All routes: each with who may call it.
fn routes(config: &mut web::ServiceConfig) {
    use For::{Anybody, Holders};
    use Role::{Metrics, Phi, Prune};
    let mut read = |path: &str, who: For, route: Route| {
        config.service(reserved(path, who).route(route).default_service(web::to(only_get)));
    };
    read("/", Holders(Metrics), web::get().to(page::page));
    read("/assets/{name}", Anybody, web::get().to(page::asset));
    read("/healthz", Anybody, web::get().to(health::alive));
    read("/readyz", Anybody, web::get().to(health::ready));
    read("/metrics", Anybody, web::get().to(health::metrics));
    read("/policies", Holders(Metrics), web::get().to(policies::policies));
    read("/ledger/explain/{id}", Holders(Phi), web::get().to(ledger::explain));
    read("/ledger/replay/{id}", Holders(Phi), web::get().to(ledger::replay));
    read("/ledger/entries/{id}", Holders(Phi), web::get().to(ledger::entry));
    read("/ledger/entries", Holders(Phi), web::get().to(ledger::search));
    read("/ledger/export", Holders(Phi), web::get().to(ledger::export));
    read("/ledger/verify", Holders(Metrics), web::get().to(ledger::verify));
    read("/ledger/metrics", Holders(Metrics), web::get().to(ledger::metrics));
    let prune = reserved("/ledger/prune", Holders(Prune)).route(web::post().to(ledger::prune));
    config.service(prune.default_service(web::to(only_post)));
    config.default_service(web::to(nothing));
}

/// A path, and who may call it.
fn reserved(path: &str, who: For) -> Resource {
    let resource = web::resource(path);
    match who {
        For::Anybody => resource,
        For::Holders(role) => resource.app_data(Takes(role)),
    }
}

async fn only_get(_operator: Operator) -> HttpResponse {
    not_so("GET", "This is only to be read.")
}

async fn only_post(_operator: Operator) -> HttpResponse {
    not_so("POST", "This is only to be done.")
}

fn not_so(allowed: &'static str, text: &str) -> HttpResponse {
    let mut response = said(StatusCode::METHOD_NOT_ALLOWED, &json!({ "error": text }));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

async fn nothing(_operator: Operator) -> HttpResponse {
    said(StatusCode::NOT_FOUND, &json!({"error": "There is nothing here."}))
}

/// A reply of this moment, which nobody keeps.
fn said(status: StatusCode, what: &Value) -> HttpResponse {
    HttpResponse::build(status).content_type(JSON).insert_header((CACHE_CONTROL, "no-store")).body(what.to_string())
}
