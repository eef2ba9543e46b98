//! `/policies`: the policy set as pages. They are published, so nobody is asked who looks.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use jiff::civil::Date;
use url::form_urlencoded;

use super::{App, body, no_other, pages, read};
use crate::answer::Moment;
use crate::pages::policies::{Found, Site};
use crate::policy::model::PolicySet;

/// All policies, one, and a version of one.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    read::only(config, "/policies", all, no_other());
    read::only(config, "/policies/{number}", one, no_other());
    read::only(config, "/policies/{number}/{version}", version, no_other());
}

/// `GET /policies`
async fn all(app: Data<App>, payload: Payload) -> HttpResponse {
    let page = site(&app, &app.policies.now()).list();
    body::leave(payload, pages::written(StatusCode::OK, page, &[]))
}

/// `GET /policies/{number}`: the version in force on `on`, else today.
async fn one(app: Data<App>, request: HttpRequest, number: Path<String>, payload: Payload) -> HttpResponse {
    let response = match day(request.query_string()) {
        Ok(on) => show(&app, &number, None, on),
        Err(NotADay) => {
            let what = "That is not a day. A day is written like 2026-01-31: year, month and day.";
            pages::written(StatusCode::BAD_REQUEST, site(&app, &app.policies.now()).missing(what), &[])
        }
    };
    body::leave(payload, response)
}

/// `GET /policies/{number}/{version}`
async fn version(app: Data<App>, path: Path<(String, String)>, payload: Payload) -> HttpResponse {
    let (number, version) = path.into_inner();
    body::leave(payload, show(&app, &number, Some(&version), None))
}

fn site<'a>(app: &'a App, set: &'a PolicySet) -> Site<'a> {
    Site { set, manner: &app.manner, desk: app.desk, today: Moment::now(&app.manner.zone).today }
}

fn show(app: &App, number: &str, version: Option<&str>, on: Option<Date>) -> HttpResponse {
    let set = app.policies.now();
    let site = site(app, &set);
    let (status, page) = match site.page(&app.shelf, number, version, on.unwrap_or(site.today)) {
        Ok(Found::Page(page)) => (StatusCode::OK, Ok(page)),
        Ok(Found::Nothing(page)) => (StatusCode::NOT_FOUND, Ok(page)),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, Err(error)),
    };
    pages::written(status, page, &[])
}

/// What is not written as a day.
struct NotADay;

/// The day that is asked for, if one is. A form that is sent without one asks for none.
fn day(query: &str) -> Result<Option<Date>, NotADay> {
    let said = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "on");
    match said.as_ref().map(|(_, value)| &**value) {
        None | Some("") => Ok(None),
        // Longer ones are moments, which say more than a day.
        Some(text) if text.len() == "2026-01-31".len() => text.parse().map(Some).map_err(|_| NotADay),
        Some(_) => Err(NotADay),
    }
}
