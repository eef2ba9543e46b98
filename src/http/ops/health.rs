//! Whether the server is alive, whether it is ready, and what it has counted: nothing of a patient, and no client's name.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{self, Data};
use serde_json::json;

use super::{App, said};

/// A ledger that does not say for so long whether it is ready, is not: whoever asks does not wait longer.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /healthz`: whether any worker can answer. This listener has a worker of its own, which says so of the others
/// (FAULTS B06).
pub(super) async fn alive(app: Data<App>) -> HttpResponse {
    let alive = app.pulse.is_there();
    let status = if alive { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    said(status, &json!({ "alive": alive }))
}

/// `GET /readyz`: whether hooks can be answered. There is no server without a policy set that is proved, and one that
/// cannot be served changes nothing (FAULTS P02). So it depends on the ledger (FAULTS L01), on whether it was told to stop
/// (FAULTS T21), and on whether this server fails most of its calls by a fault of its own.
pub(super) async fn ready(app: Data<App>) -> HttpResponse {
    if app.is_stopping() {
        return said(StatusCode::SERVICE_UNAVAILABLE, &json!({"ready": false, "notReady": ["stopping"]}));
    }
    let ledger = app.ledger.clone();
    let look = web::block(move || ledger.ready());
    let ready = matches!(tokio::time::timeout(PATIENCE, look).await, Ok(Ok(Ok(()))));
    let failing = app.counters.last().is_some_and(|last| last.is_failing());
    let missing = [("ledger", !ready), ("answers", failing)];
    let missing: Vec<&str> = missing.into_iter().filter_map(|(name, is_missing)| is_missing.then_some(name)).collect();
    if missing.is_empty() {
        said(StatusCode::OK, &json!({"ready": true}))
    } else {
        said(StatusCode::SERVICE_UNAVAILABLE, &json!({"ready": false, "notReady": missing}))
    }
}

/// `GET /metrics`: what was counted, in Prometheus's text format.
pub(super) async fn metrics(app: Data<App>) -> HttpResponse {
    match app.counters.text(app.in_flight()) {
        Some(text) => HttpResponse::Ok()
            .content_type("text/plain; version=0.0.4; charset=utf-8")
            .insert_header((CACHE_CONTROL, "no-store"))
            .body(text),
        None => said(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": "Nothing is counted."})),
    }
}
