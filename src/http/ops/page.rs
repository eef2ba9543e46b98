//! The operators' page: what a server knows of itself, gathered at one moment, for a browser.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};
use actix_web::web::{self, Data, Path, Payload};
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError};
use jiff::Timestamp;
use serde_json::json;

use super::health::PATIENCE;
use super::operator::Onlooker;
use super::{App, Operator, nothing, said};
use crate::http::pages;
use crate::pages::assets;
use crate::pages::ops::{self, Ledger, Node, Operations};
use crate::record;
use crate::telemetry;

/// What the page may load: style and pictures of this server. It runs no script at all.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// `GET /`
pub(super) async fn page(_onlooker: Onlooker, app: Data<App>) -> HttpResponse {
    let ledger = look(&app).await;
    let (taken, served) = (Timestamp::now(), app.policies.served());
    let said_of = Operations {
        taken,
        zone: &app.manner.zone,
        began: app.began,
        in_flight: app.in_flight(),
        most_in_flight: app.manner.limits.in_flight,
        recent: app.counters.recent(taken),
        determinations: app.counters.determinations(),
        refusals: app.counters.refusals(),
        ledger,
        served: &served,
        reload_failed: app.counters.has_policy_reload_failed(),
        clients_reload_failed: app.counters.has_clients_reload_failed(),
        left_alone: app.ehr.servers().left_alone().into_iter().collect(),
        clients: app.doorman.as_ref().map(|doorman| doorman.keys()),
    };
    let Ok(html) = ops::page(&said_of) else {
        telemetry::page_failed();
        return said(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": "Something failed."}));
    };
    let mut response = pages::page(StatusCode::OK, html, &[]);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `GET /assets/{name}`: files that say nothing of the server, and so are for anybody. That there is none is not.
pub(super) async fn asset(request: HttpRequest, name: Path<String>, payload: Payload) -> HttpResponse {
    if assets::find(&name).is_some() {
        return pages::asset(request, name, payload).await;
    }
    match Operator::extract(&request).await {
        Ok(operator) => nothing(operator).await,
        Err(nobody) => nobody.error_response(),
    }
}

/// How the ledger stands. One that does not say for long is not ready, and nobody waits longer.
async fn look(app: &App) -> Ledger {
    let (asked, engine) = (app.ledger.clone(), app.ledger.shelf().engine());
    let asking = tokio::time::timeout(PATIENCE, web::block(move || stands(&asked))).await;
    let silent = || (Err("it does not say whether it is ready".to_owned()), None, None);
    let (ready, since, nodes) = asking.ok().and_then(Result::ok).unwrap_or_else(silent);
    Ledger { engine, ready, since, nodes, failures: app.counters.ledger_failures() }
}

type Stands = (Result<(), String>, Option<Timestamp>, Option<Vec<Node>>);

fn stands(ledger: &Arc<dyn record::Ledger>) -> Stands {
    let ready = ledger.ready().map_err(|error| error.to_string());
    // A ledger that is away is not asked for more.
    let nodes = ready.is_ok().then(|| ledger.shelf().nodes().ok()).flatten();
    let node = |node: record::Node| Node { name: node.name().to_owned(), kept: node.kept(), pruned: node.pruned() };
    (ready, ledger.since(), nodes.map(|nodes| nodes.into_iter().map(node).collect()))
}
