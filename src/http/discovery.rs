//! `GET /cds-services`: which hooks are served, with what they want to know.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::value::RawValue;

use super::{App, JSON};
use crate::request::hook::SERVICES;

/// The discovery document, without insignificant whitespace. Made once, at start.
#[must_use]
pub fn document() -> String {
    let entries =
        SERVICES.iter().filter_map(|service| serde_json::from_str::<serde_json::Value>(service.discovery).ok());
    let entries: Vec<String> = entries.map(|entry| entry.to_string()).collect();
    let document = format!("{{\"services\":[{}]}}", entries.join(","));
    serde_json::from_str::<&RawValue>(&document).map(|raw| raw.get().to_owned()).unwrap_or_default()
}

/// Says it.
pub(super) async fn discovery(app: Data<App>) -> HttpResponse {
    HttpResponse::Ok().content_type(JSON).body(app.discovery.clone())
}
