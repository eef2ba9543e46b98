//! How an operator looks back: on a thread that may wait, under the token's name; and what is said where it fails.

use std::io;

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{self, Data};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::params::Wrong;
use super::stream::{Pipe, pipe};
use super::{App, Operator, said};
use crate::record::Ledger;
use crate::review::{NotAgain, ReviewError, Reviewer};

/// Why nothing is shown to an operator.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// A parameter is wrong.
    #[error("a parameter is wrong")]
    Parameter(Wrong),
    /// It was not confirmed that so many records may go.
    #[error("it was not confirmed")]
    Unconfirmed(u64),
    /// It cannot be looked back.
    #[error("{0}")]
    Review(#[from] ReviewError),
    /// A panic.
    #[error("something failed")]
    Panicked,
}

impl From<Wrong> for Refused {
    fn from(wrong: Wrong) -> Self {
        Self::Parameter(wrong)
    }
}

impl Refused {
    /// Status and what is said.
    fn row(&self) -> (u16, Value) {
        let error = |status, text: &str| (status, json!({"error": text}));
        match self {
            Self::Parameter(Wrong { name: "", what }) => error(400, &format!("A parameter {what}.")),
            Self::Parameter(Wrong { name, what }) => {
                (400, json!({"error": format!("The parameter {name} {what}."), "parameter": name}))
            }
            Self::Unconfirmed(records) => {
                let text = "These would go, but for their hashes: with confirm=true they do, and do not come back.";
                (400, json!({"error": text, "parameter": "confirm", "wouldGo": records}))
            }
            Self::Review(ReviewError::TooYoung) => {
                let text = "Records have to be kept for six years, and younger ones would go.";
                (400, json!({"error": text, "parameter": "before"}))
            }
            Self::Review(ReviewError::Unknown) => error(404, "Nothing has this id."),
            Self::Review(ReviewError::Ledger(_)) => error(503, "The ledger cannot be used now, so nothing is shown."),
            Self::Review(ReviewError::NotAgain(NotAgain::Refused)) => {
                error(409, "It was refused, and of what is refused nothing is kept that it could be made again from.")
            }
            Self::Review(ReviewError::NotAgain(NotAgain::RefusedNow(_))) => error(409, "It is refused now."),
            Self::Review(ReviewError::NotAgain(why)) => {
                (409, json!({"error": "It cannot be made again.", "why": why.to_string()}))
            }
            Self::Review(ReviewError::Unreadable(_)) => error(500, "What was kept is not what this version can read."),
            Self::Review(ReviewError::Io(_)) | Self::Panicked => error(500, "Something failed."),
        }
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.row().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        said(self.status_code(), &self.row().1)
    }
}

/// Looks back on a thread that may wait.
pub(super) async fn review<T: Send + 'static>(
    app: &Data<App>,
    operator: &Operator,
    look: impl FnOnce(&Reviewer<'_>) -> Result<T, ReviewError> + Send + 'static,
) -> Result<T, Refused> {
    let (ledger, who) = (app.ledger.clone(), operator.name().to_owned());
    let looked = web::block(move || look(&Reviewer::new(&*ledger, who))).await;
    looked.map_err(|_| app.failed(Refused::Panicked))?.map_err(|error| app.failed(error.into()))
}

/// Looks back, and writes what is seen as fast as it is read. What is said first is said once the look is kept; a reply
/// that cannot be written to its end is broken off.
pub(super) async fn stream<T: 'static>(
    app: &Data<App>,
    operator: &Operator,
    kind: &'static str,
    look: impl FnOnce(&Reviewer<'_>) -> Result<T, ReviewError> + Send + 'static,
    write: impl FnOnce(T, &dyn Ledger, &mut Pipe) -> Result<(), ReviewError> + Send + 'static,
) -> Result<HttpResponse, Refused> {
    let (ledger, who) = (app.ledger.clone(), operator.name().to_owned());
    let (begin, begun) = oneshot::channel();
    let (mut pipe, chunks) = pipe();
    let writing = app.clone();
    // It goes on by itself: whoever stops reading stops it.
    drop(actix_web::rt::task::spawn_blocking(move || {
        let seen = match look(&Reviewer::new(&*ledger, who)) {
            Ok(seen) => seen,
            Err(error) => return drop(begin.send(Err(error))),
        };
        _ = begin.send(Ok(()));
        let written = write(seen, &*ledger, &mut pipe).and_then(|()| Ok(pipe.end()?));
        // That nobody reads any more is no failure of ours.
        if let Err(error) = written.or_else(unless_nobody_reads) {
            _ = writing.failed(error.into());
        }
    }));
    begun.await.map_err(|_| app.failed(Refused::Panicked))?.map_err(|error| app.failed(error.into()))?;
    Ok(HttpResponse::Ok().content_type(kind).insert_header((CACHE_CONTROL, "no-store")).streaming(chunks))
}

fn unless_nobody_reads(error: ReviewError) -> Result<(), ReviewError> {
    match error {
        ReviewError::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        error => Err(error),
    }
}

impl App {
    /// Counts and logs what is our fault.
    fn failed(&self, refused: Refused) -> Refused {
        match &refused {
            Refused::Review(ReviewError::Ledger(error)) => _ = self.ledger_failed(*error),
            Refused::Panicked => _ = self.panicked(),
            _ => {}
        }
        if refused.status_code().is_server_error() {
            crate::telemetry::review_failed(&refused.to_string());
        }
        refused
    }
}

/// What was seen, as JSON.
pub(super) fn shown(what: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(what)
}
