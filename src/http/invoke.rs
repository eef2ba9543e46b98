//! A hook is called: the whole story of a request, in the order in which it happens.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::line::Line;
use super::once::Told;
use super::problem::Problem;
use super::{App, JSON, REQUEST_ID, admit, body, rest};
use crate::answer::{self, Manner, Moment, Refusal};
use crate::auth::VerifiedClient;
use crate::effort::Effort;
use crate::gather::live::Asked;
use crate::record::{self, Entry, Recorded, Response};
use crate::request::Invocation;
use crate::request::hook::{self, Service};
use crate::request::version::Version;
use crate::telemetry::RequestLine;

/// What becomes of an invocation: a recorded answer, or a problem.
pub(super) type Outcome = Result<Arc<Answered>, Problem>;

/// An answer that is in the ledger.
pub(super) struct Answered {
    response: Recorded<Response>,
    version: Version,
    orders: usize,
}

/// `POST /cds-services/{id}`
pub(super) async fn invoke(
    app: Data<App>,
    request: HttpRequest,
    id: Path<String>,
    mut payload: Payload,
) -> HttpResponse {
    let (started, invocation) = (Instant::now(), Uuid::new_v4());
    let service = hook::service(&id);
    let told = story(&app, &request, service, &mut payload, invocation).await;
    let told = told.unwrap_or_else(|problem| Told { call: invocation, joined: false, outcome: Err(problem) });
    body::leave(payload, reply(&app, &told, service, started))
}

/// Recognise, read, let in, answer, record.
async fn story(
    app: &Data<App>,
    request: &HttpRequest,
    service: Option<&'static Service>,
    payload: &mut Payload,
    invocation: Uuid,
) -> Result<Told, Problem> {
    let call = invocation.to_string();
    body::unless_busy(app, request, payload).await?;
    let ticket = admit::admit(app, request, &call).await?;
    let service = service.ok_or(Problem::NotFound)?;
    let share = app.share(ticket.caller());
    let body = body::read(app, request, payload, &share).await?;
    // A body that is slow to come has no place.
    let _place = (app.places.try_acquire().map_err(|_| rest::told(request))?, share.place()?);
    let client = admit::enter(ticket, &call).await?;
    let (shared, kept) = (app.clone().into_inner(), body.clone());
    let start = || started(shared, client.clone(), service, kept, invocation);
    let answer = app.once.answer(service.id, client.caller(), (invocation, body), start);
    let Some(line) = request.conn_data::<Line>() else { return Ok(answer.await) };
    tokio::select! {
        biased;
        told = answer => Ok(told),
        () = line.is_hung_up() => Err(Problem::HungUp),
    }
}

/// Starts an answer: beside the workers, where it may take long.
fn started(
    app: Arc<App>,
    client: VerifiedClient,
    service: &'static Service,
    body: Bytes,
    invocation: Uuid,
) -> BoxFuture<'static, Outcome> {
    let effort = Arc::new(Effort::of_millis(app.manner.limits.cpu_millis));
    let is_large = body.len() > app.manner.limits.large_body_bytes;
    let (shared, counted) = (app.clone(), effort.clone());
    let answering = async move {
        let answering = answer_and_record(shared, client, service, body, invocation, &counted);
        counted.counts(answering).await
    };
    let answering = guarded(app.clone(), answering);
    if is_large { app.aside.answers(effort, answering) } else { answering }
}

/// The answer is made from the bytes, the policy set and this moment alone; it is sayable once it is in the ledger.
async fn answer_and_record(
    app: Arc<App>,
    client: VerifiedClient,
    service: &'static Service,
    body: Bytes,
    invocation: Uuid,
    effort: &Effort,
) -> Outcome {
    let (started, set) = (Instant::now(), app.policies.now());
    let moment = Moment::now(&app.manner.zone);
    let whom = Asked {
        ehr: &app.ehr,
        directory: app.directory.as_deref(),
        caller: client.caller(),
        servers: client.fhir_servers(),
        received: started,
        address: app.address.as_deref(),
    };
    let manner =
        Manner { default_version: client.version().unwrap_or(app.manner.default_version), ..app.manner.clone() };
    let source = |invocation: &Invocation<'_>| whom.of(invocation);
    let answer = answer::answer(&body, service, &set, &manner, &moment, effort, source).await;
    let asked = Entry {
        tenant: client.tenant().unwrap_or_default().to_owned(),
        ..Entry::asked(invocation, moment.at, moment.today, moment.seed, service.id, client.name(), &set.hash)
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(refusal) => return Err(refused(&app, asked, &body, refusal).await),
    };
    let entry = Entry {
        hook_instance: answer.hook_instance,
        crd_version: answer.version.name().to_owned(),
        assertions: answer.assertions,
        cards: answer.cards,
        policies: answer.policies,
        members: answer.members,
        learned: answer.learned,
        manner: manner.kept(),
        determinations: answer.explanations,
        took_micros: micros(started),
        request: answer.without_token.map_or(body, Bytes::from),
        response: answer.body.into(),
        ..asked
    };
    let (ledger, on_failure) = (app.ledger.clone(), app.on_failure);
    // What is being recorded is recorded, though nobody waits for it any more (FAULTS T14).
    let recording = tokio::spawn(async move { record::append(&*ledger, entry, on_failure).await });
    let response = recording.await.map_err(|_| app.panicked())?.map_err(|error| app.ledger_failed(error))?;
    match response.get().unkept() {
        // It is given all the same; that it was not kept is counted as ever.
        Some(error) => _ = app.ledger_failed(error),
        None => app.determined(&answer.determined),
    }
    Ok(Arc::new(Answered { response, version: answer.version, orders: answer.orders }))
}

/// A refusal, kept without what was refused (CRD found-37). It is said even if it cannot be kept: it promises nothing.
async fn refused(app: &App, asked: Entry, body: &[u8], refusal: Refusal) -> Problem {
    let problem = Problem::Refused(refusal);
    let response = problem.text(&asked.id.to_string()).into();
    let entry = Entry { status: problem.row().status, request: record::body_hash(body), response, ..asked };
    // The ledger says for itself that it failed.
    _ = app.ledger.append(entry).await.map_err(|error| app.ledger_failed(error));
    problem
}

/// A panic while answering is this request's alone (FAULTS P07).
fn guarded(app: Arc<App>, answering: impl Future<Output = Outcome> + Send + 'static) -> BoxFuture<'static, Outcome> {
    AssertUnwindSafe(answering).catch_unwind().map(move |it| it.unwrap_or_else(|_| Err(app.panicked()))).boxed()
}

/// Says what became of it, counts it as the ledger does, and logs one line.
fn reply(app: &App, told: &Told, service: Option<&Service>, started: Instant) -> HttpResponse {
    let (id, outcome) = (told.call.to_string(), &told.outcome);
    let (response, issue, fault, orders) = match outcome {
        Ok(answered) => (ok(&answered.response, &id), "", None, answered.orders),
        Err(problem) => (problem.response(&id), problem.row().issue, Some(problem.fault()), 0),
    };
    let service = service.map_or("", |service| service.id);
    let status = response.status().as_u16();
    match outcome {
        _ if told.joined => app.counters.joined(service),
        Ok(answered) => app.counters.answered(service, answered.version.name(), started.elapsed()),
        Err(problem) => {
            app.refused(service, problem);
            app.counters.refused_in(service, started.elapsed());
        }
    }
    if outcome.as_ref().err().is_none_or(|problem| app.is_told_of(problem)) {
        RequestLine { id: &id, service, status, issue, fault, orders, micros: micros(started) }.log();
    }
    response
}

/// The only 200 to a hook: it takes a recorded answer to say it.
fn ok(response: &Recorded<Response>, id: &str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(JSON)
        .insert_header((REQUEST_ID, id))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(response.get().clone().into_bytes())
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
