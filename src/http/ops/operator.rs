//! Who operates: the only maker of [`Operator`], without which no handler that tells more than health runs.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{App, said};
use crate::config::{Role, Token};
use crate::telemetry;

/// Proof that a caller has shown an operator's token.
///
/// ```compile_fail,E0451
/// let forged = covenant::http::ops::Operator { name: "anyone".into(), roles: Vec::new() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    name: String,
    roles: Vec<Role>,
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
                found = Some(Operator { name: token.name.clone(), roles: token.roles.clone() });
            }
        }
        found
    }

    /// Whose name and secret these are, both of one token.
    fn named(&self, name: &str, secret: &str) -> Option<Operator> {
        self.of(secret).filter(|operator| operator.name == name)
    }
}

/// An operator who looks at the page, by a token as a bearer or as a browser sends it, with a name.
///
/// A browser sends name and secret also where another site makes it call. So nothing takes them but the page, which changes
/// nothing, is recorded nowhere and can be read by no other site.
#[derive(Debug)]
pub(super) struct Onlooker;

/// The role that a route takes. Each route that an operator is asked for has one, by the table of routes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Takes(pub(super) Role);

/// Why an operator is not answered.
#[derive(Debug, thiserror::Error)]
pub enum NotAllowed {
    /// Nobody was recognised: without a token and with a wrong one the same is said.
    #[error("no operator was recognised")]
    Nobody,
    /// The operator's token lacks a role.
    #[error("the operator's token lacks the role {}", .0.name())]
    Lacks(Role),
}

impl ResponseError for NotAllowed {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Nobody => StatusCode::UNAUTHORIZED,
            Self::Lacks(_) => StatusCode::FORBIDDEN,
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Nobody => {
                let mut response = said(self.status_code(), &json!({"error": "An operator's token is needed."}));
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                response
            }
            Self::Lacks(role) => {
                let text = format!("This takes the role {}, which the token does not have (ops.tokens).", role.name());
                let issue = json!({"severity": "error", "code": "forbidden", "details": {"text": text}});
                said(self.status_code(), &json!({"resourceType": "OperationOutcome", "issue": [issue]}))
            }
        }
    }
}

/// The page is not shown. Where nobody was recognised, a browser asks its user who it is.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotShown(NotAllowed);

impl ResponseError for NotShown {
    fn status_code(&self) -> StatusCode {
        self.0.status_code()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = self.0.error_response();
        if matches!(self.0, NotAllowed::Nobody) {
            let asked = HeaderValue::from_static(r#"Basic realm="Covenant operations""#);
            response.headers_mut().insert(WWW_AUTHENTICATE, asked);
        }
        response
    }
}

impl FromRequest for Operator {
    type Error = NotAllowed;
    type Future = Ready<Result<Self, NotAllowed>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(allowed(request, known(request, by_secret)))
    }
}

impl FromRequest for Onlooker {
    type Error = NotShown;
    type Future = Ready<Result<Self, NotShown>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let operator = known(request, |operators, scheme, said| {
            by_secret(operators, scheme, said).or_else(|| by_name(operators, scheme, said))
        });
        ready(allowed(request, operator).map(|_| Self).map_err(NotShown))
    }
}

/// Who calls, by what its one Authorization header says. Two such headers are none: it is not ours to choose. On a listener
/// that knows no operators there are none.
fn known(request: &HttpRequest, of: impl Fn(&Operators, &str, &str) -> Option<Operator>) -> Option<Operator> {
    let operators = request.app_data::<Data<Operators>>()?;
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let header = headers.next().filter(|_| headers.next().is_none())?;
    let (scheme, said) = header.to_str().ok()?.split_once(' ')?;
    of(operators, scheme, said.trim_start())
}

/// `Authorization: Bearer` and the secret.
fn by_secret(operators: &Operators, scheme: &str, said: &str) -> Option<Operator> {
    scheme.eq_ignore_ascii_case("Bearer").then(|| operators.of(said)).flatten()
}

/// `Authorization: Basic` and, encoded, the name and the secret (RFC 7617).
fn by_name(operators: &Operators, scheme: &str, said: &str) -> Option<Operator> {
    let said = scheme.eq_ignore_ascii_case("Basic").then(|| STANDARD.decode(said).ok()).flatten()?;
    let (name, secret) = str::from_utf8(&said).ok()?.split_once(':')?;
    operators.named(name, secret)
}

/// Whether the operator has the role that the route takes. Logs who was let in, or that nobody was.
fn allowed(request: &HttpRequest, operator: Option<Operator>) -> Result<Operator, NotAllowed> {
    let route = request.match_pattern().unwrap_or_default();
    let lacks = |operator: &Operator| {
        let taken = request.app_data::<Takes>().map(|taken| taken.0);
        taken.filter(|role| !operator.roles.contains(role))
    };
    let allowed = match operator {
        None => {
            telemetry::operator_refused();
            Err(NotAllowed::Nobody)
        }
        Some(operator) => match lacks(&operator) {
            Some(role) => {
                telemetry::operator_lacks_role(operator.name(), &route);
                Err(NotAllowed::Lacks(role))
            }
            None => {
                telemetry::operator(operator.name(), &route);
                Ok(operator)
            }
        },
    };
    if let (Err(_), Some(app)) = (&allowed, request.app_data::<Data<App>>()) {
        app.counters().operator_refused();
    }
    allowed
}
