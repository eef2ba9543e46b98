//! The order desk: its page, what can be chosen there, and two things that a page cannot do for itself.
//!
//! The hooks that the desk calls are calls like any other. These are not hooks, and only a look at the ledger is recorded.

use std::panic::{AssertUnwindSafe, catch_unwind};

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{self, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use uuid::Uuid;

use super::problem::Problem;
use super::{App, JSON, admit, body, pages};
use crate::answer::Refusal;
use crate::auth::VerifiedClient;
use crate::pages::desk::{self, Choices};
use crate::pages::markdown;
use crate::record::Ledger;
use crate::request::RequestError;
use crate::request::json::{Json, View};
use crate::review::{ReviewError, Reviewer};

/// `GET /`
pub(super) async fn page(app: Data<App>, payload: Payload) -> HttpResponse {
    let set = app.policies.now();
    let written = desk::page(&Choices::of(&set, &app.desk_servers));
    body::leave(payload, pages::written(StatusCode::OK, written, &app.desk_servers))
}

/// `GET /desk/choices`: what can be chosen, as JSON.
pub(super) async fn choices(app: Data<App>, payload: Payload) -> HttpResponse {
    let set = app.policies.now();
    let choices = serde_json::to_string(&Choices::of(&set, &app.desk_servers)).unwrap_or_default();
    body::leave(payload, said(choices))
}

/// `GET /desk/why/{id}`: what the ledger has of how an answer was decided, for the caller who got it. The id is the
/// request's (`x-request-id`) or an assertion's. That somebody looks is recorded, as every look is.
pub(super) async fn why(app: Data<App>, request: HttpRequest, id: Path<String>, payload: Payload) -> HttpResponse {
    let call = Uuid::new_v4().to_string();
    let story = async {
        let ticket = admit::admit(&app, &request, &call).await?;
        let share = app.share(ticket.caller());
        let _place = (app.places.try_acquire().map_err(|_| Problem::Busy)?, share.place()?);
        let client = admit::enter(ticket, &call).await?;
        let ledger = app.ledger.clone();
        let looked = web::block(move || explained(&*ledger, &client, &id)).await.map_err(|_| app.panicked())?;
        looked.map_err(|error| match error {
            ReviewError::Ledger(error) => app.ledger_failed(error),
            ReviewError::Unknown => Problem::NotFound,
            _ => app.panicked(),
        })
    };
    let outcome: Result<String, Problem> = story.await;
    body::leave(payload, outcome.map_or_else(|problem| problem.response(&call), said))
}

/// An answer explained to the client and tenant that got it. To others there is no such answer.
fn explained(ledger: &dyn Ledger, client: &VerifiedClient, id: &str) -> Result<String, ReviewError> {
    let entry = ledger.entry(id)?.ok_or(ReviewError::Unknown)?;
    if (&*entry.client, &*entry.tenant) != (client.name(), client.tenant().unwrap_or_default()) {
        return Err(ReviewError::Unknown);
    }
    let explained = Reviewer::new(ledger, format!("the order desk, for {}", client.name())).explain(id)?;
    Ok(json!({ "orders": explained.orders, "refused": explained.refused }).to_string())
}

/// `POST /desk/markdown`: Markdown of any server, `{"text": …}`, as HTML that can stand in the page.
pub(super) async fn markdown(app: Data<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    does(&app, &request, payload, |body| {
        let refused = |error| Problem::Refused(Refusal::Request(RequestError::Json(error)));
        let json = Json::scan(body, &app.manner.limits).map_err(refused)?;
        let text = json.root().get("text").and_then(View::str).unwrap_or_default();
        let html = markdown::html_of_anybody(&text).map_err(|_| Problem::Markdown)?;
        Ok(json!({ "html": html }).to_string())
    })
    .await
}

/// Does something with what the desk sends: whoever may call a hook may call it, within the same bounds.
async fn does(
    app: &App,
    request: &HttpRequest,
    mut payload: Payload,
    what: impl Fn(&[u8]) -> Result<String, Problem>,
) -> HttpResponse {
    let call = Uuid::new_v4().to_string();
    let story = async {
        let ticket = admit::admit(app, request, &call).await?;
        let share = app.share(ticket.caller());
        let body = body::read(app, request, &mut payload, &share).await?;
        let _place = (app.places.try_acquire().map_err(|_| Problem::Busy)?, share.place()?);
        admit::enter(ticket, &call).await?;
        // A panic is this call's alone (FAULTS P07).
        catch_unwind(AssertUnwindSafe(|| what(&body))).unwrap_or_else(|_| Err(app.panicked()))
    };
    let outcome = story.await;
    body::leave(payload, outcome.map_or_else(|problem| problem.response(&call), said))
}

fn said(json: String) -> HttpResponse {
    let mut reply = HttpResponse::Ok();
    reply.content_type(JSON).insert_header((CACHE_CONTROL, "no-store")).force_close().body(json)
}
