//! A client tells what became of the cards it was sent. It is kept beside the answers that had them, and never logged.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{self, Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::FutureExt;
use jiff::Timestamp;
use uuid::Uuid;

use super::problem::Problem;
use super::{App, REQUEST_ID, admit, body, rest};
use crate::answer::Refusal;
use crate::auth::VerifiedClient;
use crate::record::{self, Heard, LedgerError, Outcome, Recorded, Told};
use crate::request::RequestError;
use crate::request::feedback::{self, Item};
use crate::request::hook::{self, Service};
use crate::request::json::Json;
use crate::telemetry::{self, RequestLine};

/// `POST /cds-services/{id}/feedback`
pub(super) async fn feedback(
    app: Data<App>,
    request: HttpRequest,
    id: Path<String>,
    mut payload: Payload,
) -> HttpResponse {
    let (started, call) = (Instant::now(), Uuid::new_v4().to_string());
    let service = hook::service(&id);
    let outcome = story(&app, &request, service, &mut payload, &call).await;
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let service = service.map_or("", |service| service.id);
    let response = match outcome {
        Ok(kept) => {
            telemetry::heard(&call, service, kept.get().kept.len(), micros);
            ok(&kept, &call)
        }
        Err(problem) => {
            let row = problem.row();
            let (status, issue, fault) = (row.status, row.issue, problem.fault());
            app.refused(service, &problem);
            if app.is_told_of(&problem) {
                RequestLine { id: &call, service, status, issue, fault: Some(fault), orders: 0, micros }.log();
            }
            problem.response(&call)
        }
    };
    body::leave(payload, response)
}

/// Recognise, read, let in, keep.
async fn story(
    app: &Data<App>,
    request: &HttpRequest,
    service: Option<&'static Service>,
    payload: &mut Payload,
    call: &str,
) -> Result<Recorded<Heard>, Problem> {
    body::unless_busy(app, request, payload).await?;
    let ticket = admit::admit(app, request, call).await?;
    let service = service.ok_or(Problem::NotFound)?;
    let share = app.share(ticket.caller());
    let body = body::read(app, request, payload, &share).await?;
    // A body that is slow to come has no place.
    let _place = (app.places.try_acquire().map_err(|_| rest::told(request))?, share.place()?);
    let client = admit::enter(ticket, call).await?;
    let keeping = keep(app.clone().into_inner(), client, service, body);
    // A panic is this call's alone (FAULTS P07).
    AssertUnwindSafe(keeping).catch_unwind().await.unwrap_or_else(|_| Err(app.panicked()))
}

async fn keep(
    app: Arc<App>,
    client: VerifiedClient,
    service: &'static Service,
    body: Bytes,
) -> Result<Recorded<Heard>, Problem> {
    let refused = |error| Problem::Refused(Refusal::Request(error));
    let json = Json::scan(&body, &app.manner.limits).map_err(|error| refused(RequestError::Json(error)))?;
    let items = feedback::read(&json).map_err(refused)?;
    let at = Timestamp::now();
    let told = |Item { card, accepted, text }: Item| Told {
        at,
        service: service.id.to_owned(),
        card: card.to_string(),
        outcome: if accepted { Outcome::Accepted } else { Outcome::Overridden },
        item: text,
    };
    let items: Vec<Told> = items.into_iter().map(told).collect();
    bounded(&app, &items).await?;
    let outcomes: Vec<Outcome> = items.iter().map(|item| item.outcome).collect();
    let heard = record::keep_feedback(&*app.ledger, client.caller(), items).await;
    let heard = heard.map_err(|error| app.ledger_failed(error))?;
    app.told(heard.get().kept.iter().filter_map(|index| outcomes.get(*index)));
    match heard.get().unknown.first() {
        Some(item) => Err(Problem::NoSuchCard(*item)),
        None => Ok(heard),
    }
}

/// Times that something may be told of one card: it is shown to one person, who sets it aside or takes it once.
const MOST_TOLD: usize = 256;

/// Refuses to keep more of a card than one may have, before anything of a call is kept.
async fn bounded(app: &Arc<App>, items: &[Told]) -> Result<(), Problem> {
    let cards: BTreeSet<String> = items.iter().map(|item| item.card.clone()).collect();
    let ledger = app.ledger.clone();
    let counted = web::block(move || {
        let told = cards.into_iter().map(|card| ledger.told(&card).map(|told| (card, told)));
        told.collect::<Result<BTreeMap<String, usize>, LedgerError>>()
    });
    let mut told = counted.await.map_err(|_| Problem::Panicked)?.map_err(|error| app.ledger_failed(error))?;
    for (index, item) in items.iter().enumerate() {
        let told = told.entry(item.card.clone()).or_default();
        *told += 1;
        if *told > MOST_TOLD {
            return Err(Problem::ToldEnough(index));
        }
    }
    Ok(())
}

/// The only 200 to feedback: it takes what was recorded to say it.
fn ok(_kept: &Recorded<Heard>, call: &str) -> HttpResponse {
    HttpResponse::Ok().insert_header((REQUEST_ID, call)).insert_header((CACHE_CONTROL, "no-store")).finish()
}
