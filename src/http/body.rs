//! Reads a body: of a type we know, not encoded, not too long, not too slowly.
//!
//! actix has no timer for bodies and would decompress if it could; both are ours to rule out.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;

use super::problem::Problem;
use crate::config::Limits;

/// The whole body.
///
/// # Errors
/// [`Problem`], as FAULTS T06–T10 say.
pub(super) async fn read(request: &HttpRequest, payload: Payload, limits: &Limits) -> Result<Bytes, Problem> {
    let header =
        |name| request.headers().get(name).and_then(|value: &actix_web::http::header::HeaderValue| value.to_str().ok());
    let essence =
        header(CONTENT_TYPE).map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    if !matches!(essence.as_deref(), Some("application/json" | "application/fhir+json")) {
        return Err(Problem::MediaType);
    }
    if request.headers().contains_key(CONTENT_ENCODING) && header(CONTENT_ENCODING) != Some("identity") {
        return Err(Problem::Encoded);
    }
    let length = header(CONTENT_LENGTH).and_then(|value| value.parse::<usize>().ok());
    if length.is_some_and(|length| length > limits.body_bytes) {
        return Err(Problem::TooLong);
    }
    let time = Duration::from_secs(limits.body_seconds);
    tokio::time::timeout(time, whole(payload, length.unwrap_or_default(), limits.body_bytes))
        .await
        .map_err(|_| Problem::TooSlow)?
}

async fn whole(mut payload: Payload, expected: usize, most: usize) -> Result<Bytes, Problem> {
    // One chunk is the usual case, and needs no copy.
    let first = match payload.next().await {
        None => return Ok(Bytes::new()),
        Some(chunk) => chunk.map_err(|_| Problem::BrokenBody)?,
    };
    if first.len() > most {
        return Err(Problem::TooLong);
    }
    let Some(second) = payload.next().await else { return Ok(first) };
    let mut body = BytesMut::with_capacity(expected.min(most));
    body.extend_from_slice(&first);
    let mut next = Some(second);
    while let Some(chunk) = next {
        let chunk = chunk.map_err(|_| Problem::BrokenBody)?;
        if body.len() + chunk.len() > most {
            return Err(Problem::TooLong);
        }
        body.extend_from_slice(&chunk);
        next = payload.next().await;
    }
    Ok(body.freeze())
}
