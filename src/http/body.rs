//! Reads a body: of a type we know, not encoded, not too long, not too slowly, and only while there is room for it.
//!
//! actix has no timer for bodies and would decompress if it could; both are ours to rule out.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt;

use super::problem::Problem;
use super::room::Held;
use super::share::Share;
use super::{App, admit, rest};

/// The whole body. It has its bytes in the room until nothing of it is used any more.
///
/// # Errors
/// [`Problem`], as FAULTS T06–T10 and T15 say.
pub(super) async fn read(
    app: &App,
    request: &HttpRequest,
    payload: &mut Payload,
    share: &Share,
) -> Result<Bytes, Problem> {
    let limits = &app.manner.limits;
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
    let expected = length.unwrap_or_default();
    let mut held = app.room.enter(expected, share.clone())?;
    let time = Duration::from_secs(limits.body_seconds);
    let body = tokio::time::timeout(time, whole(payload, expected, limits.body_bytes, &mut held))
        .await
        .map_err(|_| Problem::TooSlow)??;
    Ok(held.keeps(body))
}

/// Reads a body for nothing where there is no place for its call, so that the connection can be used again. A token is not
/// looked at then: that would cost more than saying so, and the token could not be sent again. Whoever was never let in by
/// this connection is looked at all the same, so as not to keep it. Whoever comes sooner than it was told to rests first.
///
/// # Errors
/// [`Problem::Busy`], or why it was not read.
pub(super) async fn unless_busy(app: &App, request: &HttpRequest, payload: &mut Payload) -> Result<(), Problem> {
    if !app.is_busy() || !admit::was_let_in(request) {
        return Ok(());
    }
    rest::taken(app, request).await;
    if !app.is_busy() {
        return Ok(());
    }
    // Whose share it would take is not known, so that nothing large is read for nothing.
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_none_or(|length| length > app.manner.limits.large_body_bytes) {
        return Err(Problem::NoRoom);
    }
    read(app, request, payload, &Share::default()).await?;
    Err(rest::told(request))
}

async fn whole(payload: &mut Payload, expected: usize, most: usize, held: &mut Held) -> Result<Bytes, Problem> {
    // One chunk is the usual case, and needs no copy.
    let first = match payload.next().await {
        None => return Ok(Bytes::new()),
        Some(chunk) => chunk.map_err(|_| Problem::BrokenBody)?,
    };
    if first.len() > most {
        return Err(Problem::TooLong);
    }
    held.grow_to(first.len())?;
    let Some(second) = payload.next().await else { return Ok(first) };
    // Memory that is set aside is taken only as it is written.
    let mut body = BytesMut::with_capacity(expected.min(most));
    body.extend_from_slice(&first);
    let mut next = Some(second);
    while let Some(chunk) = next {
        let chunk = chunk.map_err(|_| Problem::BrokenBody)?;
        if body.len() + chunk.len() > most {
            return Err(Problem::TooLong);
        }
        held.grow_to(body.len() + chunk.len())?;
        body.extend_from_slice(&chunk);
        next = payload.next().await;
    }
    Ok(body.freeze())
}

/// A response beside which the request's body is still there, unread.
///
/// actix reads what is left of a chunked body that nobody holds, for as long as the client likes. While it is held, actix
/// closes the connection a second after the response instead.
struct Unread {
    response: BoxBody,
    _body: Payload,
}

impl MessageBody for Unread {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.response.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().response).poll_next(context)
    }
}

/// A response after which the connection is closed, if there is more of the request's body to come.
pub(super) fn leave(payload: Payload, response: HttpResponse) -> HttpResponse {
    response.map_body(|_, response| BoxBody::new(Unread { response, _body: payload }))
}
