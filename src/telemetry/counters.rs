//! What is counted: labels of closed lists, which come from this program and its policy set and never from a request.
//!
//! Each server has its own. What counts nothing is what a part has before its server gives it some.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use prometheus::core::Collector;
use prometheus::{Error, Gauge, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

use super::recent::{Cause, Recent, Seen, Tally};

/// Upper bounds of the histogram, in seconds: from what an answer takes alone to what the guide allows it.
const SECONDS: [f64; 14] = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// What is counted of a call to a service that we do not have: its own word is the caller's.
const NO_SERVICE: &str = "none";

/// Outcomes of questions to an EHR that say that it does not work; the others are about one question.
const NOT_ANSWERED: [&str; 3] = ["late", "unreachable", "open"];

/// The counters of one server, shared by its parts.
#[derive(Debug, Clone, Default)]
pub struct Counters(Option<Arc<Counted>>);

#[derive(Debug)]
struct Counted {
    registry: Registry,
    answers: IntCounterVec,
    joined: IntCounterVec,
    refusals: IntCounterVec,
    determinations: IntCounterVec,
    seconds: HistogramVec,
    in_flight: IntGauge,
    ledger_failures: IntCounterVec,
    feedback: IntCounterVec,
    ehr_questions: IntCounterVec,
    policy_reload_failed: IntGauge,
    clients_reload_failed: IntGauge,
    panics: IntCounterVec,
    operators_refused: IntCounterVec,
    recent: Recent,
}

/// What was counted under labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    labels: BTreeMap<String, String>,
    /// How often.
    pub count: u64,
}

impl Count {
    /// A label; empty where it has none of the name.
    #[must_use]
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

impl Counters {
    /// Counters at nought.
    #[must_use]
    pub fn new() -> Self {
        Self(Counted::new().map(Arc::new).ok())
    }

    /// A hook was answered, and it took so long from its head to its reply.
    pub fn answered(&self, service: &str, version: &str, time: Duration) {
        self.count(|all| &all.answers, &[service, version]);
        self.timed(service, "answered", time);
        self.recently(|recent, now| recent.answered(now, time));
    }

    /// A hook was refused, and it took so long. Nothing is kept of services that we do not have.
    pub fn refused_in(&self, service: &str, time: Duration) {
        if !service.is_empty() {
            self.timed(service, "refused", time);
        }
    }

    /// A call was told what another call of the same bytes was told, which is counted once, as it is recorded once.
    pub fn joined(&self, service: &str) {
        self.count(|all| &all.joined, &[service]);
    }

    /// A call to a service was refused; to one that we do not have if it is empty.
    pub fn refused(&self, service: &str, issue: &str, status: u16, cause: Cause) {
        let service = if service.is_empty() { NO_SERVICE } else { service };
        self.count(|all| &all.refusals, &[service, issue, &status.to_string(), cause.fault().word()]);
        self.tally(|tally| match cause {
            Cause::Client => tally.client += 1,
            Cause::Ehr => tally.ehr += 1,
            Cause::Server => tally.server += 1,
            Cause::Ledger => tally.ledger += 1,
            Cause::Full => tally.full += 1,
        });
    }

    /// Something was determined by a policy for a member of a product line, and is in the ledger.
    pub fn determined(&self, covered: &str, pa_needed: &str, policy: &str, product: &str) {
        self.count(|all| &all.determinations, &[covered, pa_needed, policy, product]);
        self.tally(|tally| {
            tally.determined += 1;
            tally.indeterminate += u64::from([covered, pa_needed].contains(&"indeterminate"));
        });
    }

    /// The ledger did not keep what it was given, for this reason.
    pub fn ledger_failed(&self, kind: &str) {
        self.count(|all| &all.ledger_failures, &[kind]);
        self.tally(|tally| tally.unkept += 1);
    }

    /// A client told what became of a card, and it was kept.
    pub fn told(&self, outcome: &str) {
        self.count(|all| &all.feedback, &[outcome]);
    }

    /// A question to an EHR was answered, or came to nothing for this reason.
    pub fn asked(&self, outcome: &str) {
        self.count(|all| &all.ehr_questions, &[outcome]);
        self.tally(|tally| {
            tally.asked += 1;
            tally.unanswered += u64::from(NOT_ANSWERED.contains(&outcome));
        });
    }

    /// Whether the policy folder, as it is now, could not be served.
    pub fn policy_reload_failed(&self, failed: bool) {
        if let Some(all) = &self.0 {
            all.policy_reload_failed.set(i64::from(failed));
        }
    }

    /// Whether the registrations of clients, as they are now, could not be served.
    pub fn clients_reload_failed(&self, failed: bool) {
        if let Some(all) = &self.0 {
            all.clients_reload_failed.set(i64::from(failed));
        }
    }

    /// Answering panicked.
    pub fn panicked(&self) {
        self.count(|all| &all.panics, &[]);
    }

    /// A caller of the operations listener has shown no token of ours.
    pub fn operator_refused(&self) {
        self.count(|all| &all.operators_refused, &[]);
    }

    /// All of it in Prometheus's text format, with so many calls in flight; nothing where nothing is counted.
    #[must_use]
    pub fn text(&self, in_flight: usize) -> Option<String> {
        let all = self.0.as_ref()?;
        all.in_flight.set(i64::try_from(in_flight).unwrap_or(i64::MAX));
        TextEncoder::new().encode_to_string(&all.registry.gather()).ok()
    }

    /// The last hour as it is at a moment; nothing where nothing is counted.
    #[must_use]
    pub fn recent(&self, now: Timestamp) -> Option<Seen> {
        self.0.as_ref().map(|all| all.recent.seen(now))
    }

    /// What was counted in the last minutes, by which a server is judged; nothing where nothing is counted.
    #[must_use]
    pub fn last(&self) -> Option<Tally> {
        self.0.as_ref().map(|all| all.recent.last(Timestamp::now()))
    }

    /// Refusals since the start, by `service`, `issue`, `status` and `fault`.
    #[must_use]
    pub fn refusals(&self) -> Vec<Count> {
        self.counted(|all| &all.refusals)
    }

    /// Determinations since the start, by `covered`, `pa_needed`, `policy` and `product`.
    #[must_use]
    pub fn determinations(&self) -> Vec<Count> {
        self.counted(|all| &all.determinations)
    }

    /// What the ledger did not keep since the start, by `kind`.
    #[must_use]
    pub fn ledger_failures(&self) -> Vec<Count> {
        self.counted(|all| &all.ledger_failures)
    }

    /// Whether the policy folder, as it is now, cannot be served.
    #[must_use]
    pub fn has_policy_reload_failed(&self) -> bool {
        self.0.as_ref().is_some_and(|all| all.policy_reload_failed.get() != 0)
    }

    /// Whether the registrations of clients, as they are now, cannot be served.
    #[must_use]
    pub fn has_clients_reload_failed(&self) -> bool {
        self.0.as_ref().is_some_and(|all| all.clients_reload_failed.get() != 0)
    }

    fn counted(&self, which: impl Fn(&Counted) -> &IntCounterVec) -> Vec<Count> {
        let families = self.0.as_ref().map(|all| which(all).collect()).unwrap_or_default();
        let metrics = families.iter().flat_map(|family| family.get_metric());
        let count = |metric: &prometheus::proto::Metric| Count {
            labels: metric.get_label().iter().map(|it| (it.name().to_owned(), it.value().to_owned())).collect(),
            // A counter of whole numbers, told as all numbers are.
            count: metric.get_counter().get_value() as u64,
        };
        metrics.map(count).collect()
    }

    fn timed(&self, service: &str, outcome: &str, time: Duration) {
        let seconds =
            self.0.as_ref().and_then(|all| all.seconds.get_metric_with_label_values(&[service, outcome]).ok());
        if let Some(seconds) = seconds {
            seconds.observe(time.as_secs_f64());
        }
    }

    fn tally(&self, count: impl FnOnce(&mut Tally)) {
        self.recently(|recent, now| recent.count(now, count));
    }

    fn recently(&self, count: impl FnOnce(&Recent, Timestamp)) {
        if let Some(all) = &self.0 {
            count(&all.recent, Timestamp::now());
        }
    }

    fn count(&self, which: impl Fn(&Counted) -> &IntCounterVec, labels: &[&str]) {
        let counter = self.0.as_ref().and_then(|all| which(all).get_metric_with_label_values(labels).ok());
        if let Some(counter) = counter {
            counter.inc();
        }
    }
}

impl Counted {
    fn new() -> Result<Self, Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            if labels.is_empty() {
                // What has no labels is said from the start, so that its first increase is seen.
                counter.get_metric_with_label_values(labels)?;
            }
            Ok::<_, Error>(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, Error>(gauge)
        };
        let seconds = seconds(&registry)?;
        let build = Opts::new("covenant_build_info", "Always 1; the version that runs.");
        let build = Gauge::with_opts(build.const_label("version", env!("CARGO_PKG_VERSION")))?;
        build.set(1.0);
        registry.register(Box::new(build))?;
        Ok(Self {
            answers: counter("covenant_answers_total", "Hooks answered.", &["service", "crd_version"])?,
            joined: counter(
                "covenant_joined_total",
                "Calls that sent the same bytes as one that was being answered, and were told the same; they are not \
                 counted among answers and refusals, as the ledger has one entry for all of them.",
                &["service"],
            )?,
            refusals: counter(
                "covenant_refusals_total",
                "Calls to a service, feedback among them, that were refused: the FHIR issue, the HTTP status, and whose \
                 fault it was.",
                &["service", "issue", "status", "fault"],
            )?,
            determinations: counter(
                "covenant_determinations_total",
                "What was decided of orders, once for each billing code; policy is default where none speaks, several \
                 where it rests on more than one; product is unknown where the coverage does not say.",
                &["covered", "pa_needed", "policy", "product"],
            )?,
            seconds,
            in_flight: gauge("covenant_in_flight", "Calls being answered now.")?,
            ledger_failures: counter("covenant_ledger_failures_total", "What the ledger did not keep.", &["kind"])?,
            feedback: counter("covenant_feedback_total", "What clients told of cards.", &["outcome"])?,
            ehr_questions: counter(
                "covenant_ehr_questions_total",
                "Questions to EHRs' FHIR servers: answered, or why they came to nothing.",
                &["outcome"],
            )?,
            policy_reload_failed: gauge(
                "covenant_policy_reload_failed",
                "1 while the policy folder has changed and is not proved, so that the set before it serves.",
            )?,
            clients_reload_failed: gauge(
                "covenant_clients_reload_failed",
                "1 while the registrations of clients have changed and have a fault, so that those before serve.",
            )?,
            panics: counter("covenant_panics_total", "Calls that panicked; each cost one reply.", &[])?,
            operators_refused: counter(
                "covenant_operators_refused_total",
                "Calls of this listener that needed a token and showed none of ours, or one without the role.",
                &[],
            )?,
            recent: Recent::new().map_err(|error| Error::Msg(error.to_string()))?,
            registry,
        })
    }
}

/// How long calls take.
fn seconds(registry: &Registry) -> Result<HistogramVec, Error> {
    let seconds = HistogramOpts::new(
        "covenant_call_seconds",
        "From a hook's head to its reply; how long an answer takes is under outcome answered, apart from refusals.",
    );
    let seconds = HistogramVec::new(seconds.buckets(SECONDS.to_vec()), &["service", "outcome"])?;
    registry.register(Box::new(seconds.clone()))?;
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use jiff::Timestamp;

    use super::{Cause, Count, Counters};

    #[test]
    fn counters_can_be_made_and_say_what_was_counted() {
        let counters = Counters::new();
        counters.answered("order-sign-crd", "2.2", Duration::from_millis(3));
        counters.refused_in("order-sign-crd", Duration::from_micros(1));
        counters.refused_in("", Duration::from_millis(3));
        counters.refused("", "not-found", 404, Cause::Client);
        counters.policy_reload_failed(true);
        let text = counters.text(3).unwrap();
        for line in [
            "covenant_answers_total{crd_version=\"2.2\",service=\"order-sign-crd\"} 1",
            "covenant_call_seconds_bucket{outcome=\"answered\",service=\"order-sign-crd\",le=\"0.0025\"} 0",
            "covenant_call_seconds_bucket{outcome=\"answered\",service=\"order-sign-crd\",le=\"0.005\"} 1",
            "covenant_call_seconds_bucket{outcome=\"refused\",service=\"order-sign-crd\",le=\"0.00025\"} 1",
            "covenant_refusals_total{fault=\"client\",issue=\"not-found\",service=\"none\",status=\"404\"} 1",
            "covenant_policy_reload_failed 1",
            "covenant_in_flight 3",
            "covenant_panics_total 0",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in {text}");
        }
        assert_eq!(text.matches("covenant_call_seconds_count").count(), 2);
    }

    #[test]
    fn what_was_counted_can_be_read_again_by_its_labels() {
        let counters = Counters::new();
        for _ in 0..3 {
            counters.determined("not-covered", "none", "633", "ppo");
        }
        counters.refused("order-sign-crd", "no-store", 503, Cause::Ledger);
        let read = |counts: Vec<Count>, names: &[&str]| -> Vec<(String, u64)> {
            let said = |it: &Count| names.iter().map(|name| it.label(name)).collect::<Vec<_>>().join(" ");
            counts.iter().map(|it| (said(it), it.count)).collect()
        };
        let determined = read(counters.determinations(), &["covered", "pa_needed", "policy", "product", "other"]);
        assert_eq!(determined, [("not-covered none 633 ppo ".to_owned(), 3)]);
        let refused = read(counters.refusals(), &["service", "issue", "status", "fault"]);
        assert_eq!(refused, [("order-sign-crd no-store 503 us".to_owned(), 1)]);
        assert_eq!((counters.ledger_failures(), counters.has_policy_reload_failed()), (Vec::new(), false));
    }

    #[test]
    fn what_counts_nothing_says_nothing() {
        let counters = Counters::default();
        counters.panicked();
        assert_eq!((counters.text(0), counters.recent(Timestamp::now()), counters.last()), (None, None, None));
    }
}
