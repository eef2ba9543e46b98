//! The order desk: its page, what can be chosen there, and two things that a page cannot do for itself.
//!
//! Nothing of it is recorded: hooks that the desk calls are calls like any other, and these are not hooks.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use uuid::Uuid;

use super::problem::Problem;
use super::{App, JSON, admit, body, pages};
use crate::answer::{self, Moment, Refusal};
use crate::gather::learned::Nobody;
use crate::pages::desk::{self, Choices};
use crate::pages::markdown;
use crate::request::RequestError;
use crate::request::hook;
use crate::request::json::Json;

/// `GET /`
pub(super) async fn page(app: Data<App>, payload: Payload) -> HttpResponse {
    let set = app.policies.now();
    let written = desk::page(&Choices::of(&set, &app.desk_servers));
    body::leave(payload, pages::written(written, &app.desk_servers))
}

/// `GET /desk/choices`: what can be chosen, as JSON.
pub(super) async fn choices(app: Data<App>, payload: Payload) -> HttpResponse {
    let set = app.policies.now();
    let choices = serde_json::to_string(&Choices::of(&set, &app.desk_servers)).unwrap_or_default();
    body::leave(payload, said(choices))
}

/// `POST /desk/trace`: what would be decided of a request and why, as `covenant explain` has it of a recorded one.
pub(super) async fn trace(app: Data<App>, request: HttpRequest, mut payload: Payload) -> HttpResponse {
    let outcome = read(&app, &request, &mut payload).await.and_then(|body| traced(&app, &body));
    body::leave(payload, outcome.map_or_else(|problem| problem.response(&Uuid::new_v4().to_string()), said))
}

fn traced(app: &App, body: &[u8]) -> Result<String, Problem> {
    let service = hook::of_request(body).ok_or(Problem::NotFound)?;
    let moment = Moment::now(&app.zone);
    let answer = answer::at_once(body, service, &app.policies.now(), &app.manner, &moment, Nobody);
    answer.map(|answer| answer.explanations).map_err(Problem::Refused)
}

/// `POST /desk/markdown`: Markdown of any server, `{"text": …}`, as HTML that can stand in the page.
pub(super) async fn markdown(app: Data<App>, request: HttpRequest, mut payload: Payload) -> HttpResponse {
    let outcome = read(&app, &request, &mut payload).await.and_then(|body| {
        let refused = |error| Problem::Refused(Refusal::Request(RequestError::Json(error)));
        let json = Json::scan(&body, &app.manner.limits).map_err(refused)?;
        let text = json.root().get("text").and_then(|text| text.str().map(|text| text.into_owned()));
        Ok(json!({ "html": markdown::html(&text.unwrap_or_default()) }).to_string())
    });
    body::leave(payload, outcome.map_or_else(|problem| problem.response(&Uuid::new_v4().to_string()), said))
}

/// The body of a call to the desk: whoever may call a hook may call it, within the same bounds.
async fn read(app: &App, request: &HttpRequest, payload: &mut Payload) -> Result<Bytes, Problem> {
    admit::admit(app, request, &Uuid::new_v4().to_string()).await?;
    let body = body::read(request, payload, &app.manner.limits, &app.room).await?;
    let _place = app.places.try_acquire().map_err(|_| Problem::Busy)?;
    Ok(body)
}

fn said(json: String) -> HttpResponse {
    HttpResponse::Ok().content_type(JSON).insert_header((CACHE_CONTROL, "no-store")).body(json)
}
