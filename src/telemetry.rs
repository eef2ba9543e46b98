//! What is logged: lines of a closed list of fields, none of which can hold a patient's data.
//!
//! Never a body, a resource, a token, a header or a query. `info` is what happened, `warn` is for someone to look at,
//! `error` is for someone to act on now.

pub mod counters;
pub mod ledger;
pub mod recent;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Whose fault a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What the client sent.
    Client,
    /// The EHR's FHIR server.
    Ehr,
    /// Ours.
    Us,
}

impl Fault {
    /// Its word in logs and metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Ehr => "ehr",
            Self::Us => "us",
        }
    }
}

/// Writes logs to standard error. Control characters in values are escaped by the subscriber (FAULTS R04).
pub fn start() {
    let colour = std::io::stderr().is_terminal();
    let subscriber =
        fmt().with_writer(std::io::stderr).with_max_level(Level::INFO).with_ansi(colour).with_target(false).finish();
    // A second start, as in tests, keeps the first.
    _ = subscriber.with(filter_fn(is_ours)).try_init();
    // A panic's message can quote what was being looked at, so only its place is told.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}

/// Whether something comes from this program, or is trouble of what takes its connections, which speaks of sockets alone.
/// Other libraries may quote what they read.
fn is_ours(event: &Metadata<'_>) -> bool {
    match event.target().split("::").next() {
        Some("actix_server") => *event.level() <= Level::WARN,
        from => from == Some("covenant"),
    }
}

/// A caller was not let in; why, in one of our own words, for whoever looks after security.
///
/// A flood for one reason hides no other.
pub fn not_admitted(id: &str, why: &'static str) {
    static REASONS: Mutex<BTreeMap<&'static str, Refused>> = Mutex::new(BTreeMap::new());
    let mut reasons = REASONS.lock().unwrap_or_else(PoisonError::into_inner);
    if !reasons.entry(why).or_default().is_told(why) {
        return;
    }
    drop(reasons);
    tracing::warn!(id, security = true, why, fault = "client", "a caller was not let in");
}

/// The keys of a client cannot be fetched from where they are registered to be.
pub fn keys_not_fetched(client: &str, why: &str) {
    tracing::warn!(client, why, fault = "client", "a client's keys cannot be fetched");
}

/// The process may not open as many files as there may be connections.
pub fn fewer_connections(most: usize) {
    tracing::warn!(
        most,
        "the process may not open as many files as limits.connections takes: there are at most so many"
    );
}

/// The process was told to terminate.
pub fn stopping() {
    tracing::info!("told to stop: not ready from now on, and serving on for drain_seconds");
}

/// Another certificate serves from now on.
pub fn certificate_changed() {
    tracing::info!("another certificate serves from now on");
}

/// A certificate that cannot be used was put in place of the one that goes on serving.
pub fn certificate_kept(problem: &str) {
    tracing::error!(problem, "the certificate has changed and cannot be used; the one before goes on serving");
}

/// Others are registered from now on: so many.
pub fn clients_changed(clients: usize) {
    tracing::info!(clients, "other registrations of clients serve from now on");
}

/// The registrations of clients have changed and have a fault; it is the operator's own text.
pub fn clients_kept(problem: &str) {
    tracing::error!(
        problem,
        "the registrations of clients have changed and cannot be used; those before go on serving"
    );
}

/// The ledger has stopped for good.
pub fn ledger_stopped() {
    tracing::error!("the ledger has stopped for good: exiting, look at the disk before starting again");
}

/// The operator has chosen that answers are given which the ledger did not keep.
pub fn ledger_is_optional() {
    tracing::warn!("ledger.on_failure is answer: while the ledger fails, answers are given that nobody can look up");
}

/// Something is wrong with a policy folder that has changed; it is the operator's own text.
pub fn policy_problem(problem: &str) {
    tracing::error!(problem, "the policy folder has changed, and is not proved");
}

/// The set that served goes on serving.
pub fn policies_kept(set: &str) {
    tracing::error!(set, "the policies that were proved before go on serving");
}

/// Another set serves from now on.
pub fn policies_changed(set: &str) {
    tracing::info!(set, "other policies serve from now on");
}

/// A caller of the operations listener has shown no token of ours.
pub fn operator_refused() {
    tracing::warn!(security = true, "an operator was asked for, and nobody was recognised");
}

/// An operator's token lacks the role that a route takes.
pub fn operator_lacks_role(name: &str, route: &str) {
    tracing::warn!(name, route, security = true, "an operator was refused: the token lacks the role that this takes");
}

/// An operator was let in, by the name of the token, to a route of ours.
pub fn operator(name: &str, route: &str) {
    tracing::info!(name, route, "an operator was let in");
}

/// An operator was shown nothing, and the fault is ours. The error is one of our own sentences.
pub fn review_failed(error: &str) {
    tracing::error!(error, fault = "us", "an operator could not look back");
}

/// A page for people could not be written: a fault of its template.
pub fn page_failed() {
    tracing::error!(fault = "us", "a page could not be written");
}

/// Feedback was kept: so many items, and never what they say.
pub fn heard(id: &str, service: &str, items: usize, micros: u64) {
    tracing::info!(id, service, items, micros, "heard");
}

/// Calls for which there was no place. One line in a second tells of all of them.
#[derive(Debug, Default)]
pub struct Shed(SummedUp);

impl Shed {
    /// One more.
    pub fn one(&self) {
        if let Some(calls) = self.0.one_at(Instant::now()) {
            tracing::error!(calls, fault = "us", "there was no place for calls, so many since this was last told");
        }
    }
}

/// So many refused calls are told of each by itself in a second: one that is of interest is seen, and a flood is not written
/// down word for word.
const EACH: u64 = 20;

/// Calls that are refused for one reason. Of a flood, one line in a second tells of all that are not told of by themselves.
#[derive(Debug, Default)]
pub struct Refused {
    each: Mutex<Option<(Instant, u64)>>,
    rest: SummedUp,
}

impl Refused {
    /// One more, for a reason in one of our own words: whether it is told of by itself.
    pub fn is_told(&self, why: &'static str) -> bool {
        let now = Instant::now();
        let is_told = self.is_one_of_few_at(now);
        if let Some(calls) = (!is_told).then(|| self.rest.one_at(now)).flatten() {
            tracing::warn!(
                calls,
                security = true,
                why,
                fault = "client",
                "calls were refused, so many since this was last told"
            );
        }
        is_told
    }

    /// One more, of those whose sum is told elsewhere: whether it is told of by itself.
    pub fn is_one_of_few(&self) -> bool {
        self.is_one_of_few_at(Instant::now())
    }

    fn is_one_of_few_at(&self, now: Instant) -> bool {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, told) = match &mut *each {
            Some(second) if now.saturating_duration_since(second.0) < Duration::from_secs(1) => second,
            ended => ended.insert((now, 0)),
        };
        *told += 1;
        *told <= EACH
    }
}

/// Counts what is told of at most once in a second.
#[derive(Debug, Default)]
struct SummedUp(Mutex<Untold>);

#[derive(Debug, Default)]
struct Untold {
    calls: u64,
    told: Option<Instant>,
}

impl SummedUp {
    /// One more: how many are to be told of, if any are now.
    fn one_at(&self, now: Instant) -> Option<u64> {
        let mut untold = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        untold.calls += 1;
        if untold.told.is_some_and(|told| now.saturating_duration_since(told) < Duration::from_secs(1)) {
            return None;
        }
        untold.told = Some(now);
        Some(std::mem::take(&mut untold.calls))
    }
}

/// Calls by a proxy of which it is not known for whom it speaks. One line in a second tells of all of them.
#[derive(Debug, Default)]
pub struct Unheard(SummedUp);

impl Unheard {
    /// One more; why, in one of our own words.
    pub fn one(&self, why: &str) {
        if let Some(calls) = self.0.one_at(Instant::now()) {
            tracing::error!(
                calls,
                why,
                security = true,
                "a proxy does not say so that it can be read for whom it speaks, so many times since this was last told: \
                 look at its X-Forwarded-For and Forwarded; tokens that come by it are not counted by address"
            );
        }
    }
}

/// What is said of one answered or refused request.
#[derive(Debug, Clone)]
pub struct RequestLine<'a> {
    /// The invocation's id, also in the answer's headers.
    pub id: &'a str,
    /// Of a service we have, else empty.
    pub service: &'a str,
    /// HTTP status.
    pub status: u16,
    /// The issue code of a refusal.
    pub issue: &'a str,
    /// Whose fault a refusal is.
    pub fault: Option<Fault>,
    /// Orders answered.
    pub orders: usize,
    /// Microseconds from the first byte of the body to the answer.
    pub micros: u64,
}

impl RequestLine<'_> {
    /// Writes the line.
    pub fn log(&self) {
        let Self { id, service, status, issue, fault, orders, micros } = *self;
        match fault {
            Some(Fault::Us) => tracing::error!(id, service, status, issue, fault = "us", micros, "refused"),
            Some(Fault::Ehr) => tracing::info!(id, service, status, issue, fault = "ehr", micros, "refused"),
            Some(Fault::Client) => tracing::info!(id, service, status, issue, fault = "client", micros, "refused"),
            None => tracing::info!(id, service, status, orders, micros, "answered"),
        }
    }
}

/// What is said of a question to an EHR's FHIR server that came to nothing.
#[derive(Debug, Clone)]
pub struct EhrLine<'a> {
    /// Scheme, host and port, as they are registered.
    pub origin: &'a str,
    /// Why, in one of our own words.
    pub failure: &'a str,
    /// Whether it looks like an attempt on patients' data.
    pub security: bool,
    /// Microseconds until it was given up.
    pub micros: u64,
}

impl EhrLine<'_> {
    /// Writes the line.
    pub fn log(&self) {
        let Self { origin, failure, security, micros } = *self;
        if security {
            tracing::warn!(origin, failure, security, fault = "ehr", micros, "the EHR was asked in vain");
        } else {
            tracing::info!(origin, failure, fault = "ehr", micros, "the EHR was asked in vain");
        }
    }
}

/// A request named a FHIR server that is not registered: no call is made. What it named is not told, it could be anything.
pub fn ehr_not_registered() {
    tracing::warn!(security = true, fault = "client", "a FHIR server that is not registered was named");
}

/// A FHIR server has failed so often that it is not asked for a while.
pub fn ehr_left_alone(origin: &str) {
    tracing::warn!(origin, fault = "ehr", "the EHR keeps failing and is left alone for a while");
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Refused, SummedUp};

    #[test]
    fn t15_calls_without_a_place_are_told_of_once_in_a_second_and_none_is_left_out() {
        let (shed, began) = (SummedUp::default(), Instant::now());
        let told = (0..2500).filter_map(|millis| shed.one_at(began + Duration::from_millis(millis)));
        assert_eq!(told.collect::<Vec<_>>(), [1, 1000, 1000]);
    }

    #[test]
    fn b04_of_a_flood_of_refused_calls_the_first_of_each_second_are_told_of_by_themselves() {
        let (refused, began) = (Refused::default(), Instant::now());
        let told = (0..3000).filter(|millis| refused.is_one_of_few_at(began + Duration::from_millis(*millis)));
        assert_eq!(told.count(), 60);
    }
}
