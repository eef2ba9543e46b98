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
use actix_web::{App as Routes, HttpResponse, HttpServer, Resource};
use serde_json::{Value, json};

use super::{App, JSON, read};
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
    config.service(reserved(read::resource("/", page::page, web::to(only_read)), Holders(Metrics)));
    config.service(reserved(read::resource("/assets/{name}", page::asset, web::to(only_read)), Anybody));
    config.service(reserved(read::resource("/healthz", health::alive, web::to(only_read)), Anybody));
    config.service(reserved(read::resource("/readyz", health::ready, web::to(only_read)), Anybody));
    config.service(reserved(read::resource("/metrics", health::metrics, web::to(only_read)), Anybody));
    config.service(reserved(read::resource("/policies", policies::policies, web::to(only_read)), Holders(Metrics)));
    config.service(reserved(read::resource("/ledger/explain/{id}", ledger::explain, web::to(only_read)), Holders(Phi)));
    config.service(reserved(read::resource("/ledger/replay/{id}", ledger::replay, web::to(only_read)), Holders(Phi)));
    config.service(reserved(read::resource("/ledger/entries/{id}", ledger::entry, web::to(only_read)), Holders(Phi)));
    config.service(reserved(read::resource("/ledger/entries", ledger::search, web::to(only_read)), Holders(Phi)));
    config.service(reserved(read::resource("/ledger/export", ledger::export, web::to(only_read)), Holders(Phi)));
    config.service(reserved(read::resource("/ledger/verify", ledger::verify, web::to(only_read)), Holders(Metrics)));
    config.service(reserved(read::resource("/ledger/metrics", ledger::metrics, web::to(only_read)), Holders(Metrics)));
    let prune = reserved(web::resource("/ledger/prune"), Holders(Prune)).route(web::post().to(ledger::prune));
    config.service(prune.default_service(web::to(only_post)));
    config.default_service(web::to(nothing));
}

/// A path that only some may call.
fn reserved(resource: Resource, who: For) -> Resource {
    match who {
        For::Anybody => resource,
        For::Holders(role) => resource.app_data(Takes(role)),
    }
}

async fn only_read(_operator: Operator) -> HttpResponse {
    not_so(read::ALLOWED, "This can only be read.")
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
