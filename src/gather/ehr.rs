//! Asks the EHR's FHIR server for what a request lacks: the only client that takes an EHR's token outward.
//!
//! A token goes to a registered server or nowhere. Whatever the server does, an answer or the reason for none is there by
//! the deadline, and what it sent is what was asked for, about the patient who was asked about (FAULTS E01–E12).

mod base;
mod budget;
mod call;
mod circuit;
mod reading;
mod searched;
mod servers;
mod warm;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use reqwest::header::HeaderValue;

use super::learned::{Failure, Query, Reply};
use crate::auth::Caller;
use crate::config::{EhrSettings, Limits};
use crate::outbound::OutboundError;
use crate::request::Access;
use crate::telemetry::counters::Counters;
use crate::telemetry::{self, EhrLine};
use base::Base;
use budget::Budget;
use call::{Got, Question};
use circuit::Circuit;
use servers::Server;
pub use servers::Servers;
use warm::Warm;

/// A token that ends sooner than this may have ended when the call arrives: the EHR counted from before it asked us.
const MARGIN: Duration = Duration::from_secs(1);

/// No token of a hook and no pause of ours is longer.
const DAY: u64 = 24 * 60 * 60;

/// Why no FHIR server can be asked as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum EhrError {
    /// Not an http or https URL without user, query and fragment.
    #[error("ehr.servers: `{0}` is not the base URL of a FHIR server")]
    NotABase(String),
    /// Plain http, which is not allowed.
    #[error("ehr.servers: `{0}` is plain http, and ehr.allow_http is false")]
    PlainHttp(String),
    /// An address that only we can reach, which is not allowed.
    #[error("ehr.servers: `{0}` is a private address, and ehr.allow_private is false")]
    Private(String),
    /// Nothing can be reached.
    #[error("ehr.servers: {0}")]
    Outbound(#[from] OutboundError),
}

/// A registered server, and the right to ask it about one patient. Only [`Ehr::way`] makes one.
#[derive(Clone)]
pub struct Way {
    server: Arc<Server>,
    authorization: HeaderValue,
    expires: Instant,
    patient: String,
    /// Whose replies they are: a client's in a tenant, by this token and no other.
    caller: Caller,
    circuit: Arc<Circuit>,
    budget: Arc<Budget>,
    /// Whether a reply from moments ago will do.
    pub may_read_warm: bool,
    /// Whether replies may be kept for moments.
    pub may_fill_warm: bool,
}

impl Way {
    /// Whether the token is over, or will be before a call arrives.
    fn has_expired(&self) -> bool {
        Instant::now() + MARGIN >= self.expires
    }
}

/// Tells nothing of the patient and the token.
impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Way({})", self.server.origin)
    }
}

/// All that is needed to ask, one for the process.
#[derive(Debug)]
pub struct Ehr {
    servers: Servers,
    settings: EhrSettings,
    limits: Limits,
    warm: Warm,
    counters: Counters,
}

impl Ehr {
    /// Looks at the registered servers, and asks none of them yet.
    ///
    /// # Errors
    /// [`EhrError`]: a server is not one that may be asked, or TLS cannot be had.
    pub fn new(settings: &EhrSettings) -> Result<Self, EhrError> {
        let servers = Servers::of(settings)?;
        let limits = Limits::of_text(0, 0);
        Ok(Self { servers, settings: settings.clone(), limits, warm: Warm::new(), counters: Counters::default() })
    }

    /// The servers that may be asked, for whoever changes them.
    #[must_use]
    pub fn servers(&self) -> Servers {
        self.servers.clone()
    }

    /// Whether a server is one that may be asked.
    #[must_use]
    pub fn is_registered(&self, server: &str) -> bool {
        Base::parse(server, &self.settings).is_ok_and(|base| self.servers.find(&base).is_some())
    }

    /// With counters for what is asked.
    #[must_use]
    pub fn counted_by(self, counters: Counters) -> Self {
        Self { counters, ..self }
    }

    /// Within these bounds of what one request may ask.
    #[must_use]
    pub fn within(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// When everything must be learnt for a request that was received at this moment.
    #[must_use]
    pub fn deadline(&self, received: Instant) -> Instant {
        received + Duration::from_millis(self.settings.deadline_millis.min(DAY * 1000))
    }

    /// The way to the server that a request names, for its caller and patient, with its token. No call is made.
    ///
    /// # Errors
    /// [`Failure::NotRegistered`]: the server is not exactly a registered one. [`Failure::Refused`]: no header can hold
    /// the token.
    pub fn way(
        &self,
        fhir_server: &str,
        access: &Access,
        patient: &str,
        caller: &Caller,
        received: Instant,
    ) -> Result<Way, Failure> {
        let base = Base::parse(fhir_server, &self.settings).ok();
        let Some(server) = base.and_then(|base| self.servers.find(&base)) else {
            telemetry::ehr_not_registered();
            self.counters.asked(word(Failure::NotRegistered));
            return Err(Failure::NotRegistered);
        };
        let token = Some(&access.token).filter(|token| is_token(token)).ok_or(Failure::Refused)?;
        let mut header = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Failure::Refused)?;
        header.set_sensitive(true);
        Ok(Way {
            circuit: server.circuits.of(caller),
            caller: caller.with_access(Some(token)),
            server,
            authorization: header,
            expires: received + Duration::from_secs(access.expires_in.min(DAY)),
            patient: patient.to_owned(),
            budget: Arc::new(Budget::of(&self.limits)),
            may_read_warm: false,
            may_fill_warm: false,
        })
    }

    /// Asks everything at once; a reply for each question, in their order, all of them by `until`.
    pub async fn ask(&self, way: &Way, queries: &[Query], until: Instant) -> Vec<Reply> {
        // Boxed, so that what awaits this can be sent to another thread.
        let asked: Vec<BoxFuture<'_, Reply>> = queries.iter().map(|query| self.one(way, query, until)).collect();
        futures_util::stream::iter(asked).buffered(self.settings.concurrent.max(1)).collect().await
    }

    fn one<'a>(&'a self, way: &'a Way, query: &'a Query, until: Instant) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            let started = Instant::now();
            let reply = self.reply(way, query, until).await;
            self.counters.asked(reply.as_ref().err().map_or("answered", |failure| word(*failure)));
            match reply {
                Ok(reply) => reply,
                // That it is left alone was said when it began.
                Err(Failure::Open) => Reply::Failed(Failure::Open),
                Err(failure) => {
                    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
                    // A registered name that leads into our own network is as much of an attempt.
                    let security = matches!(failure, Failure::OtherPatient | Failure::NotRegistered);
                    EhrLine { origin: &way.server.origin, failure: word(failure), security, micros }.log();
                    Reply::Failed(failure)
                }
            }
        })
    }

    async fn reply(&self, way: &Way, query: &Query, until: Instant) -> Result<Reply, Failure> {
        if way.has_expired() {
            return Err(Failure::Expired);
        }
        if let Some(reply) = self.warm.read(way, query) {
            return Ok(reply);
        }
        let reply = match query {
            Query::Read { kind, id } => self.read(way, query, kind, id, until).await?,
            Query::Search { kind, parameters } => self.search(way, query, kind, parameters, until).await?,
            Query::Page { .. } => self.rest(way, query, until).await?,
        };
        self.warm.fill(way, query, &reply);
        Ok(reply)
    }

    fn question<'a>(&'a self, way: &'a Way, until: Instant) -> Question<'a> {
        let fair = Duration::from_millis(self.settings.deadline_millis / 2);
        Question { client: &way.server.client, way, until, fair, left: self.settings.response_bytes, connected: false }
    }

    async fn read(&self, way: &Way, query: &Query, kind: &str, id: &str, until: Instant) -> Result<Reply, Failure> {
        let url = way.server.base.url_of(query).ok_or(Failure::Unreadable)?;
        match self.question(way, until).get(&url).await? {
            Got::Body(body) => Ok(Reply::Found(vec![reading::resource(body, kind, id, &way.patient)?])),
            Got::Gone => Ok(Reply::Nothing),
        }
    }

    async fn search(
        &self,
        way: &Way,
        query: &Query,
        kind: &str,
        parameters: &[(String, String)],
        until: Instant,
    ) -> Result<Reply, Failure> {
        let mut question = self.question(way, until);
        let ignored = match self.pages(&mut question, query, parameters).await? {
            Searched::AsAsked(pages) => return Ok(Reply::Found(pages)),
            Searched::Ignoring(ignored) => ignored,
        };
        let mut found = Vec::new();
        for query in searched::narrower(kind, parameters, &ignored).ok_or(Failure::Ignored)? {
            let Query::Search { parameters, .. } = &query else { continue };
            match self.pages(&mut question, &query, parameters).await? {
                Searched::AsAsked(pages) => found.extend(pages),
                Searched::Ignoring(_) => return Err(Failure::Ignored),
            }
        }
        Ok(Reply::Found(found))
    }

    /// The pages of a search of the client's from one of them on. What was searched for is the client's affair.
    async fn rest(&self, way: &Way, query: &Query, until: Instant) -> Result<Reply, Failure> {
        match self.pages(&mut self.question(way, until), query, &[]).await? {
            Searched::AsAsked(pages) => Ok(Reply::Found(pages)),
            Searched::Ignoring(_) => Err(Failure::Ignored),
        }
    }

    /// The pages of a search, if the first says that it is what was searched for.
    async fn pages(
        &self,
        question: &mut Question<'_>,
        query: &Query,
        parameters: &[(String, String)],
    ) -> Result<Searched, Failure> {
        let way = question.way;
        let elsewhere = if matches!(query, Query::Page { .. }) { Failure::TooMuch } else { Failure::Unreadable };
        let mut url = way.server.base.url_of(query).ok_or(elsewhere)?;
        let mut pages = Vec::new();
        loop {
            if pages.len() >= self.settings.pages {
                return Err(Failure::TooMuch);
            }
            let Got::Body(body) = question.get(&url).await? else {
                return Err(Failure::Unreachable);
            };
            let page =
                reading::page(body, query.kind(), &way.patient, |resource| searched::passes(parameters, resource))?;
            // Later pages are often called by a token of the server's.
            if let Some(own) = page.own.filter(|_| pages.is_empty()) {
                let own = way.server.base.link(&own).ok_or(Failure::Ignored)?;
                let ignored = searched::ignored(query.kind(), parameters, &own);
                if !ignored.is_empty() {
                    return Ok(Searched::Ignoring(ignored));
                }
            }
            pages.push(page.text);
            let Some(next) = page.next else { return Ok(Searched::AsAsked(pages)) };
            url = way.server.base.next(&next).ok_or(Failure::TooMuch)?;
        }
    }
}

/// How a server searched.
enum Searched {
    AsAsked(Vec<String>),
    /// It did not look at these parameters.
    Ignoring(Vec<usize>),
}

/// Whether a text can be a bearer token: it ends no header and begins no other.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A failure in the log, and where failures are counted.
fn word(failure: Failure) -> &'static str {
    match failure {
        Failure::NotRegistered => "not-registered",
        Failure::Refused => "refused",
        Failure::Expired => "expired",
        Failure::Late => "late",
        Failure::Unreachable => "unreachable",
        Failure::Open => "open",
        Failure::TooMuch => "too-much",
        Failure::Unreadable => "unreadable",
        Failure::OtherPatient => "other-patient",
        Failure::Ignored => "ignored",
    }
}
