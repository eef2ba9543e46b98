//! The door: every handler of the public listener asks here who is calling.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;

use super::App;
use super::problem::Problem;
use crate::auth::{self, AuthError, Cause, VerifiedClient};

/// The verified client that calls, or why it is not let in.
pub(super) async fn admit(app: &App, request: &HttpRequest) -> Result<VerifiedClient, Problem> {
    let admitted = match &app.doorman {
        None => auth::local(request.peer_addr().map(|peer| peer.ip())),
        Some(doorman) => {
            let mut said = request.headers().get_all(AUTHORIZATION);
            match (said.next(), said.next()) {
                // Of two it could not be told which is meant.
                (Some(_), Some(_)) => Err(AuthError::Token(Cause::Form)),
                (said, _) => {
                    let said = said.and_then(|value| value.to_str().ok());
                    doorman.admit(said, request.uri().path()).await
                }
            }
        }
    };
    admitted.map_err(Problem::Unknown)
}
