//! Looking back over HTTP: what the command line shows, for operators. Each look is kept under the token's name.

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, CACHE_CONTROL};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::json;

use super::params::{Params, Wrong};
use super::reviewing::{Refused, review, shown, stream};
use super::{App, Operator, said};
use crate::http::{JSON, body};
use crate::metrics::{Identifier, Period};
use crate::record::Search;
use crate::review::{About, Format, MOST, Retention, ReviewError, Reviewer, Verified};

type Said = Result<HttpResponse, Refused>;

/// `GET /ledger/explain/{id}`: as JSON, or as text for whoever would rather have that.
pub(super) async fn explain(operator: Operator, app: Data<App>, id: Path<String>, request: HttpRequest) -> Said {
    Params::of(&request, &[])?;
    let explained = review(&app, &operator, move |reviewer| reviewer.explain(&id)).await?;
    if !wants_text(&request) {
        return Ok(shown(&explained));
    }
    let text = explained.text(&app.manner.zone);
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(text))
}

/// Whether the first kind that is accepted, of those there are, is text.
fn wants_text(request: &HttpRequest) -> bool {
    let accepted = request.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok());
    let mut kinds = accepted.flat_map(|value| value.split(',')).map(|kind| kind.split(';').next().unwrap_or_default());
    kinds.find_map(|kind| match kind.trim() {
        "text/plain" => Some(true),
        "application/json" | "application/*" | "*/*" => Some(false),
        _ => None,
    }) == Some(true)
}

/// `GET /ledger/replay/{id}`
pub(super) async fn replay(operator: Operator, app: Data<App>, id: Path<String>, request: HttpRequest) -> Said {
    Params::of(&request, &[])?;
    let manner = app.manner.clone();
    let replayed = review(&app, &operator, move |reviewer| reviewer.replay(&id, &manner)).await?;
    Ok(shown(&replayed))
}

/// `GET /ledger/entries/{id}`
pub(super) async fn entry(operator: Operator, app: Data<App>, id: Path<String>, request: HttpRequest) -> Said {
    Params::of(&request, &[])?;
    Ok(shown(&review(&app, &operator, move |reviewer| reviewer.show(&id)).await?))
}

/// `GET /ledger/entries`
pub(super) async fn search(operator: Operator, app: Data<App>, request: HttpRequest) -> Said {
    let known = ["assertion", "hook-instance", "member", "client", "policy", "from", "to", "limit"];
    let params = Params::of(&request, &known)?;
    let search = Search {
        assertion: params.text("assertion"),
        hook_instance: params.text("hook-instance"),
        member: params.text("member"),
        client: params.text("client"),
        policy: params.text("policy"),
        from: params.begins("from", &app.manner.zone)?,
        before: params.ends("to", &app.manner.zone)?,
    };
    let limit: usize = params.parsed("limit", LIMIT)?.unwrap_or(50);
    if !(1..=MOST).contains(&limit) {
        return Err(Wrong { name: "limit", what: LIMIT }.into());
    }
    let found = review(&app, &operator, move |reviewer| reviewer.search(&search, limit)).await?;
    Ok(shown(&json!({ "entries": found })))
}

const LIMIT: &str = "is not a number from 1 to 1000";

/// `GET /ledger/export`
pub(super) async fn export(operator: Operator, app: Data<App>, request: HttpRequest) -> Said {
    let params = Params::of(&request, &["from", "to"])?;
    let from = params.begins("from", &app.manner.zone)?.ok_or(Wrong { name: "from", what: "is missing" })?;
    let before = params.ends("to", &app.manner.zone)?.unwrap_or_else(Timestamp::now);
    if before < from {
        return Err(Wrong { name: "to", what: "is before the parameter from" }.into());
    }
    let look = move |reviewer: &Reviewer<'_>| reviewer.export(from, before);
    stream(&app, &operator, "application/fhir+ndjson", look, |export, ledger, pipe| {
        export.write(ledger, pipe, &mut |_| ()).map(drop)
    })
    .await
}

/// `POST /ledger/prune`
pub(super) async fn prune(operator: Operator, app: Data<App>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let response = pruned(&operator, &app, &request).await;
    body::leave(payload, response.unwrap_or_else(|refused| actix_web::ResponseError::error_response(&refused)))
}

async fn pruned(operator: &Operator, app: &Data<App>, request: &HttpRequest) -> Said {
    let params = Params::of(request, &["before", "confirm", "less-than-six-years-is-lawful-here"])?;
    let before = params.begins("before", &app.manner.zone)?.ok_or(Wrong { name: "before", what: "is missing" })?;
    let shorter = params.is_true("less-than-six-years-is-lawful-here")?;
    let retention = if shorter { Retention::Shorter } else { Retention::SixYears };
    let (confirmed, zone) = (params.is_true("confirm")?, app.manner.zone.clone());
    if !confirmed {
        let would_go = review(app, operator, move |reviewer| reviewer.prunable(before, retention, &zone)).await?;
        return Err(Refused::Unconfirmed(would_go));
    }
    let gone = review(app, operator, move |reviewer| reviewer.prune(before, retention, &zone, &mut |_| ())).await?;
    Ok(said(StatusCode::OK, &json!({"before": before.to_string(), "gone": gone})))
}

/// `GET /ledger/verify`. Nothing is shown of what is recorded, so it is no look.
pub(super) async fn verify(operator: Operator, app: Data<App>, request: HttpRequest) -> Said {
    Params::of(&request, &[])?;
    let ledger = app.ledger.clone();
    let verified = review(&app, &operator, move |_| Verified::of(&*ledger)).await?;
    Ok(said(StatusCode::OK, &verified.json()))
}

/// `GET /ledger/metrics`
pub(super) async fn metrics(operator: Operator, app: Data<App>, request: HttpRequest) -> Said {
    let params = Params::of(&request, &["from", "to", "format"])?;
    let day = |name| params.parsed::<Date>(name, "is not a day, such as 2026-11-24");
    let (from, to) = (day("from")?, day("to")?);
    let (format, kind) = match params.get("format") {
        None | Some("json") => (Format::Json, JSON),
        Some("table") => (Format::Table, "text/plain; charset=utf-8"),
        Some("csv") => (Format::Csv, "text/csv; charset=utf-8"),
        Some("data") => (Format::Data, "application/x-ndjson"),
        Some(_) => return Err(Wrong { name: "format", what: "is not table, csv, json or data" }.into()),
    };
    let today = Timestamp::now().to_zoned(app.manner.zone.clone()).date();
    let period = Period::of(from, to, today, &app.manner.zone);
    let period = period.map_err(|_| Wrong { name: "to", what: "is before the first day" })?;
    let zone = app.manner.zone.iana_name().unwrap_or_default().to_owned();
    let set = app.policies.now();
    let payer = set.payer.identifiers.first();
    let payer = payer.map(|(system, value)| Identifier { system: system.to_string(), value: value.to_string() });
    let nameless = || ReviewError::Unreadable("the payer has no identifier".to_owned());
    let about = About { period, zone, payer: payer.ok_or_else(nameless)? };
    let look = move |reviewer: &Reviewer<'_>| reviewer.measures(about);
    if format == Format::Data {
        return stream(&app, &operator, kind, look, move |measures, ledger, pipe| measures.write(ledger, format, pipe))
            .await;
    }
    let ledger = app.ledger.clone();
    let written = review(&app, &operator, move |reviewer| {
        let mut out = Vec::new();
        look(reviewer)?.write(&*ledger, format, &mut out)?;
        Ok(out)
    });
    Ok(HttpResponse::Ok().content_type(kind).insert_header((CACHE_CONTROL, "no-store")).body(written.await?))
}
