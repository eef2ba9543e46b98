//! Who operates: the only maker of [`Operator`], without which no handler that tells more than health runs.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError};
use serde_json::json;

use super::{App, said};
use crate::config::Token;
use crate::telemetry;

/// Proof that a caller has shown an operator's token.
///
/// ```compile_fail,E0451
/// let forged = covenant::http::ops::Operator { name: "anyone".into() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    name: String,
}

impl Operator {
    /// The name of the token.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Everybody who is let in.
#[derive(Debug)]
pub(super) struct Operators(Vec<Token>);

impl Operators {
    pub(super) fn new(tokens: Vec<Token>) -> Self {
        Self(tokens)
    }

    /// Whose secret it is. All are looked at, so that the time tells nothing of whose it is.
    fn of(&self, secret: &str) -> Option<Operator> {
        let mut found = None;
        for token in &self.0 {
            if token.secret.is(secret) {
                found = Some(Operator { name: token.name.clone() });
            }
        }
        found
    }
}

/// Nobody was recognised: without a token and with a wrong one the same is said.
#[derive(Debug, thiserror::Error)]
#[error("no operator was recognised")]
pub struct NoOperator;

impl ResponseError for NoOperator {
    fn status_code(&self) -> StatusCode {
        StatusCode::UNAUTHORIZED
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = said(self.status_code(), &json!({"error": "An operator's token is needed."}));
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        response
    }
}

impl FromRequest for Operator {
    type Error = NoOperator;
    type Future = Ready<Result<Self, NoOperator>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // On a listener that knows no operators there are none.
        let operators = request.app_data::<Data<Operators>>();
        let operator = operators.zip(secret(request)).and_then(|(operators, secret)| operators.of(secret));
        if let Some(operator) = &operator {
            telemetry::operator(operator.name(), &request.match_pattern().unwrap_or_default());
        } else {
            telemetry::operator_refused();
            if let Some(app) = request.app_data::<Data<App>>() {
                app.counters().operator_refused();
            }
        }
        ready(operator.ok_or(NoOperator))
    }
}

/// The secret of `Authorization: Bearer`. Two such headers are none: it is not ours to choose.
fn secret(request: &HttpRequest) -> Option<&str> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let header = headers.next().filter(|_| headers.next().is_none())?;
    let (scheme, secret) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| secret.trim_start())
}
