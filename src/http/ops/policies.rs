//! Which policies serve: the name of the set, how much was proved of it, and since when.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use serde_json::json;

use super::{App, Operator, said};

/// `GET /policies`
pub(super) async fn policies(_operator: Operator, app: Data<App>) -> HttpResponse {
    let served = app.policies.served();
    let proof = served.proof;
    let what = json!({
        "set": served.set.hash,
        "since": served.since.to_string(),
        "proof": {"policies": proof.policies, "combinations": proof.combinations, "cases": proof.cases},
    });
    said(StatusCode::OK, &what)
}
