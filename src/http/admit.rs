//! The door: every handler of the public listener asks here who is calling.

use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;

use super::problem::Problem;
use super::{App, proxy};
use crate::auth::{self, Fingerprint, Presented, Ticket, VerifiedClient};

/// Whether somebody was let in by a connection before.
#[derive(Debug, Default)]
pub(super) struct LetIn(AtomicBool);

/// Whether somebody was let in before by the connection that a request comes by.
pub(super) fn was_let_in(request: &HttpRequest) -> bool {
    request.conn_data::<LetIn>().is_some_and(|connection| connection.0.load(Ordering::Relaxed))
}

/// Leave for the client that calls, or why it is not let in. The call is what the request is logged under.
///
/// # Errors
/// [`Problem::Unknown`] or [`Problem::TwoCallers`]
pub(super) async fn admit<'a>(app: &'a App, request: &HttpRequest, call: &str) -> Result<Ticket<'a>, Problem> {
    let from = proxy::from(app, request)?;
    let admitted = match &app.doorman {
        None => auth::local(from),
        Some(doorman) => {
            let mut said = request.headers().get_all(AUTHORIZATION);
            // Of two it could not be told which is meant, so that they are none.
            let authorization = said.next().filter(|_| said.next().is_none()).and_then(|value| value.to_str().ok());
            let certificate = request.conn_data::<Fingerprint>();
            let presented = Presented { authorization, path: request.uri().path(), from, certificate };
            doorman.admit(presented, call).await
        }
    };
    if let (Ok(_), Some(connection)) = (&admitted, request.conn_data::<LetIn>()) {
        connection.0.store(true, Ordering::Relaxed);
    }
    admitted.map_err(Problem::Unknown)
}

/// Lets in the client for whose call everything is ready: from here on its token is used up.
///
/// # Errors
/// [`Problem::Unknown`]
pub(super) async fn enter(ticket: Ticket<'_>, call: &str) -> Result<VerifiedClient, Problem> {
    ticket.enter(call).await.map_err(Problem::Unknown)
}
