//! The door: every handler of the public listener asks here who is calling.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, X_FORWARDED_FOR};

use super::App;
use super::problem::Problem;
use crate::auth::{self, VerifiedClient};

/// The verified client that calls, or why it is not let in. The call is what the request is logged under.
pub(super) async fn admit(app: &App, request: &HttpRequest, call: &str) -> Result<VerifiedClient, Problem> {
    let peer = request.peer_addr().map(|peer| peer.ip());
    let admitted = match &app.doorman {
        None => auth::local(peer),
        Some(doorman) => {
            let mut said = request.headers().get_all(AUTHORIZATION);
            // Of two it could not be told which is meant, so that they are none.
            let said = said.next().filter(|_| said.next().is_none()).and_then(|value| value.to_str().ok());
            let from = if app.behind_proxy { forwarded(request).or(peer) } else { peer };
            doorman.admit(said, request.uri().path(), from, call).await
        }
    };
    admitted.map_err(Problem::Unknown)
}

/// For whom the proxy before us says that it speaks: the last of all, which is its own word (FAULTS T18).
fn forwarded(request: &HttpRequest) -> Option<IpAddr> {
    let last = request.headers().get_all(X_FORWARDED_FOR).last()?.to_str().ok()?;
    last.rsplit(',').next()?.trim().parse().ok()
}
