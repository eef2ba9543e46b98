//! The door: every handler of the public listener asks here who is calling.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;

use super::problem::Problem;
use super::{App, proxy};
use crate::auth::{self, Caller, Fingerprint, VerifiedClient};

/// The verified client that calls, or why it is not let in. The call is what the request is logged under.
pub(super) async fn admit(app: &App, request: &HttpRequest, call: &str) -> Result<VerifiedClient, Problem> {
    let from = proxy::from(app, request);
    let admitted = match &app.doorman {
        None => auth::local(from),
        Some(doorman) => {
            let mut said = request.headers().get_all(AUTHORIZATION);
            // Of two it could not be told which is meant, so that they are none.
            let authorization = said.next().filter(|_| said.next().is_none()).and_then(|value| value.to_str().ok());
            // A proxy that does not say for whom it speaks is counted itself.
            let from = from.or_else(|| request.peer_addr().map(|peer| peer.ip()));
            let certificate = request.conn_data::<Fingerprint>();
            let caller = Caller { authorization, path: request.uri().path(), from, certificate };
            doorman.admit(caller, call).await
        }
    };
    admitted.map_err(Problem::Unknown)
}
