//! The one table from what went wrong to what is said: status, FHIR issue, a fixed sentence, a place.
//!
//! Never a value from the request (FAULTS R07).

mod refusals;

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;

use crate::answer::Refusal;
use crate::auth::AuthError;
use crate::record::LedgerError;
use crate::telemetry::Fault;
use crate::telemetry::recent::Cause;

/// How long whoever finds no place is told to stay away.
pub(super) const AGAIN: Duration = Duration::from_secs(1);

/// Everything that is said instead of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The request was refused, or the answer would be wrong.
    Refused(Refusal),
    /// The caller is not one we answer.
    Unknown(AuthError),
    /// Whoever calls is none of the proxies that alone may.
    NotTheProxy,
    /// A proxy says in two headers differently for whom it speaks.
    TwoCallers,
    /// The card of this item of feedback was not sent to this client; what was told of others is kept.
    NoSuchCard(usize),
    /// The answer could not be recorded, so it is not given.
    Ledger(LedgerError),
    /// No such page or service.
    NotFound,
    /// Another method is wanted.
    Method(&'static str),
    /// Not JSON by its own account.
    MediaType,
    /// Compressed.
    Encoded,
    /// Longer than a body may be.
    TooLong,
    /// Slower than a body may be.
    TooSlow,
    /// The connection broke, or the framing is wrong.
    BrokenBody,
    /// As many requests are being answered as there may be.
    Busy,
    /// The bodies of all requests take as many bytes as they may; this one was not read to its end.
    NoRoom,
    /// The caller has as many calls being answered, or as many bytes of bodies, as one caller may have.
    ShareTaken,
    /// The caller hung up before it was answered. This is logged, and nobody hears it.
    HungUp,
    /// The server failed while answering.
    Panicked,
    /// This item of feedback is of a card of which as much was told as may be.
    ToldEnough(usize),
    /// Markdown that would take more work than it may.
    Markdown,
    /// A page could not be written.
    Page,
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// HTTP status.
    pub status: u16,
    /// FHIR issue type.
    pub issue: &'static str,
    /// What is said.
    pub text: &'static str,
    /// Where, in the request; empty when it is nowhere in particular.
    pub place: String,
}

fn row(status: u16, issue: &'static str, text: &'static str) -> Row {
    Row { status, issue, text, place: String::new() }
}

impl Row {
    fn at(self, place: impl Into<String>) -> Self {
        Self { place: place.into(), ..self }
    }
}

impl Problem {
    /// The row of this problem.
    #[must_use]
    pub fn row(&self) -> Row {
        match self {
            Self::Refused(Refusal::Request(error)) => refusals::request(error),
            Self::Refused(Refusal::Gather(error)) => refusals::gather(error),
            Self::Refused(Refusal::TooMuchWork) => {
                row(422, "too-costly", "The request takes more work than one request may take.")
            }
            Self::Refused(Refusal::Render(_)) => {
                row(500, "exception", "The answer failed our own checks and was not sent.")
            }
            Self::Unknown(AuthError::KeysAway) => {
                row(503, "transient", "The caller's keys cannot be fetched now. Please try again.")
            }
            Self::Unknown(AuthError::Full) => {
                row(503, "throttled", "Too many callers are known now. Please try again.")
            }
            Self::Unknown(AuthError::MemoryAway) => {
                row(503, "transient", "Whether the token was used before cannot be known now. Please try again.")
            }
            Self::Unknown(AuthError::TooOften(_)) => {
                row(429, "throttled", "The caller calls too often. Please try again later.")
            }
            Self::Unknown(AuthError::Tenant) => row(403, "forbidden", "The caller may not call for this tenant."),
            Self::Unknown(AuthError::NotLocal) => {
                row(403, "forbidden", "No clients are registered: only this machine, asked directly, is answered.")
            }
            Self::NotTheProxy => row(403, "forbidden", "Only a known proxy may call here."),
            Self::TwoCallers => {
                row(403, "forbidden", "X-Forwarded-For and Forwarded say differently whom the call comes from.")
            }
            Self::NoSuchCard(item) => {
                let text = "No such card was sent to this client. What was told of other cards is kept.";
                row(404, "not-found", text).at(format!("feedback[{item}].card"))
            }
            Self::Unknown(_) => row(401, "login", "The caller is not known here."),
            Self::Ledger(LedgerError::Locked) => {
                row(503, "lock-error", "The answer could not be recorded. Please try again.")
            }
            Self::Ledger(LedgerError::Busy) => row(503, "throttled", "Too much is being recorded. Please try again."),
            Self::Ledger(LedgerError::Unstorable) => {
                row(422, "too-costly", "The answer would be larger than one that can be recorded.")
            }
            Self::Ledger(_) => row(503, "no-store", "The answer could not be recorded. Please try again."),
            Self::NotFound => row(404, "not-found", "There is nothing here."),
            Self::Method(allowed) => row(405, "not-supported", method(allowed)),
            Self::MediaType => row(415, "not-supported", "The body must be application/json."),
            Self::Encoded => row(415, "not-supported", "The body must not be compressed."),
            Self::TooLong => row(413, "too-long", "The body is too long."),
            Self::TooSlow => row(408, "timeout", "The body took too long to arrive."),
            Self::BrokenBody => row(400, "structure", "The body did not arrive whole."),
            Self::Busy | Self::NoRoom => {
                row(503, "throttled", "Too many requests are being answered. Please try again.")
            }
            Self::ShareTaken => {
                row(429, "throttled", "The caller has as much being answered as one caller may. Please try again.")
            }
            Self::HungUp => row(499, "incomplete", "The caller hung up."),
            Self::Panicked => row(500, "exception", "Something failed while answering."),
            Self::ToldEnough(index) => row(422, "too-costly", "The card has as much feedback as one may have.")
                .at(format!("feedback[{index}].card")),
            Self::Markdown => row(422, "too-costly", "The Markdown is too long, or nested too deep.").at("text"),
            Self::Page => row(500, "exception", "The page could not be written."),
        }
    }

    /// Why it was refused, for whoever has to do something about it.
    #[must_use]
    pub fn cause(&self) -> Cause {
        let of = |fault| match fault {
            Fault::Client => Cause::Client,
            Fault::Ehr => Cause::Ehr,
            Fault::Us => Cause::Server,
        };
        match self {
            Self::Refused(Refusal::Request(error)) => of(error.fault()),
            Self::Refused(Refusal::Gather(error)) => of(error.fault()),
            Self::Refused(Refusal::Render(error)) => of(error.fault()),
            Self::Refused(Refusal::TooMuchWork) => Cause::Client,
            Self::Unknown(AuthError::Full) | Self::Ledger(LedgerError::Busy) | Self::Busy | Self::NoRoom => Cause::Full,
            // The memory of used tokens lies in the ledger's database.
            Self::Unknown(AuthError::MemoryAway) => Cause::Ledger,
            Self::Unknown(error) => of(error.fault()),
            Self::Ledger(error) if error.fault() == Fault::Us => Cause::Ledger,
            Self::Panicked | Self::Page => Cause::Server,
            Self::Ledger(_)
            | Self::ShareTaken
            | Self::HungUp
            | Self::ToldEnough(_)
            | Self::Markdown
            | Self::NotTheProxy
            | Self::TwoCallers
            | Self::NoSuchCard(_)
            | Self::NotFound
            | Self::Method(_)
            | Self::MediaType
            | Self::Encoded
            | Self::TooLong
            | Self::TooSlow
            | Self::BrokenBody => Cause::Client,
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.cause().fault()
    }

    /// The body of the response.
    pub(super) fn text(&self, request_id: &str) -> String {
        outcome(&self.row(), request_id)
    }

    /// The response, with the id under which the request is logged.
    pub(super) fn response(&self, request_id: &str) -> HttpResponse {
        let row = self.row();
        let status = StatusCode::from_u16(row.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::build(status);
        response
            .content_type(super::JSON)
            .insert_header((super::REQUEST_ID, request_id))
            .insert_header((CACHE_CONTROL, "no-store"));
        match self {
            Self::Method(allowed) => _ = response.insert_header((ALLOW, *allowed)),
            Self::Unknown(AuthError::KeysAway | AuthError::Full | AuthError::MemoryAway) => {
                _ = response.insert_header((RETRY_AFTER, "2"));
            }
            Self::Unknown(AuthError::TooOften(seconds)) => _ = response.insert_header((RETRY_AFTER, *seconds)),
            Self::Unknown(AuthError::Tenant | AuthError::NotLocal) | Self::NotTheProxy => {}
            Self::Unknown(_) => _ = response.insert_header((WWW_AUTHENTICATE, r#"Bearer error="invalid_token""#)),
            Self::Busy | Self::NoRoom | Self::ShareTaken => _ = response.insert_header((RETRY_AFTER, AGAIN.as_secs())),
            Self::Ledger(LedgerError::Unstorable) => {}
            Self::Ledger(_) => _ = response.insert_header((RETRY_AFTER, "2")),
            _ => {}
        }
        // Where the body was not read to its end, the connection cannot be used again. Another one would cost whoever is busy
        // more than saying so.
        let was_read = matches!(
            self,
            Self::Refused(_) | Self::Ledger(_) | Self::NoSuchCard(_) | Self::Busy | Self::ShareTaken | Self::Panicked
        );
        if !was_read {
            response.force_close();
        }
        response.body(outcome(&row, request_id))
    }
}

/// What is said where another method is wanted.
fn method(allowed: &str) -> &'static str {
    match allowed {
        "GET" => "Method not allowed: use GET.",
        "GET, HEAD" => "Method not allowed: use GET or HEAD.",
        "POST" => "Method not allowed: use POST.",
        _ => "Method not allowed: use one that the Allow header names.",
    }
}

/// The OperationOutcome. A place that is a path goes into `expression`, one in the text into `diagnostics`.
fn outcome(row: &Row, request_id: &str) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Outcome<'a> {
        resource_type: &'static str,
        issue: [Entry<'a>; 1],
    }
    #[derive(Serialize)]
    struct Entry<'a> {
        severity: &'static str,
        code: &'static str,
        details: Text,
        diagnostics: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        expression: Option<[&'a str; 1]>,
    }
    #[derive(Serialize)]
    struct Text {
        text: &'static str,
    }
    let in_text = row.place.starts_with("line ");
    let diagnostics =
        if in_text { format!("{}; request {request_id}", row.place) } else { format!("request {request_id}") };
    let entry = Entry {
        severity: if row.status >= 500 { "fatal" } else { "error" },
        code: row.issue,
        details: Text { text: row.text },
        diagnostics,
        expression: (!in_text && !row.place.is_empty()).then_some([row.place.as_str()]),
    };
    serde_json::to_string(&Outcome { resource_type: "OperationOutcome", issue: [entry] }).unwrap_or_default()
}
