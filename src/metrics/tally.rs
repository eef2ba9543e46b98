//! The guide's measures over many invocations: in total, by hook, by client and by policy.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::data::{MetricData, Requested};
use super::latency::Latency;
use super::responses::CoverageInfo;

/// The answers to `covered`, in the order in which they are shown. The guide's measure has the first three; CRD 2.2 answers
/// with the fourth too.
pub(super) const COVERED: [&str; 4] = ["covered", "not-covered", "conditional", "indeterminate"];

/// Within this time the guide wants an answer.
const IN_TIME: SignedDuration = SignedDuration::from_secs(5);

/// What many invocations come to. It grows with hooks, clients and policies, not with invocations.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// All of them.
    pub total: Figures,
    /// By the hook.
    pub hooks: BTreeMap<String, Figures>,
    /// By who called.
    pub clients: BTreeMap<String, Figures>,
    /// By the policies that decided. Orders are counted under the policies that decided them, and an invocation under those
    /// of its orders; a refusal is under none.
    pub policies: BTreeMap<String, Figures>,
}

/// What is counted.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Invocations.
    pub invocations: u64,
    /// Those that were answered.
    pub answered: u64,
    /// Those that were refused, by the issue that was said.
    pub refused: BTreeMap<String, u64>,
    /// Answers that took less than five seconds.
    pub in_time: u64,
    /// How long answers took.
    pub latency: Latency,
    /// Orders, appointments and encounters that an answer was due for.
    pub orders: u64,
    /// Those that coverage information was given for.
    pub results: u64,
    /// Those that have each of the answers to `covered`.
    pub covered: [u64; 4],
    /// Those that need prior authorization.
    pub pa: u64,
    /// Those that need it and have a form to be launched.
    pub pa_launch: u64,
    /// Those that need documentation.
    pub documents: u64,
    /// Those that need it and have a form to be launched.
    pub documents_launch: u64,
    /// Those whose prior authorization is satisfied.
    pub satisfied: u64,
}

/// One of the guide's measures: so many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Its number in the guide.
    pub number: u8,
    /// What it is called here.
    pub name: &'static str,
    /// How many.
    pub volume: u64,
    /// Of how many.
    pub of: u64,
}

impl Share {
    /// The percentage in tenths; none of nothing.
    #[must_use]
    pub fn permille(&self) -> Option<u64> {
        let thousandfold = u128::from(self.volume) * 2000 + u128::from(self.of);
        u64::try_from(thousandfold.checked_div(u128::from(self.of) * 2)?).ok()
    }
}

impl Tally {
    /// Counts an invocation of a client.
    pub fn add(&mut self, data: &MetricData, client: &str) {
        self.total.add(data, data.request.iter());
        self.hooks.entry(data.hook_type.clone()).or_default().add(data, data.request.iter());
        self.clients.entry(client.to_owned()).or_default().add(data, data.request.iter());
        let mut policies: Vec<&String> = data.request.iter().flat_map(|order| &order.policies).collect();
        policies.sort_unstable();
        policies.dedup();
        for policy in policies {
            let orders = data.request.iter().filter(|order| order.policies.contains(policy));
            self.policies.entry(policy.clone()).or_default().add(data, orders);
        }
    }
}

impl Figures {
    fn add<'d>(&mut self, data: &MetricData, orders: impl Iterator<Item = &'d Requested>) {
        self.invocations += 1;
        if data.http_response != 200 {
            for issue in &data.issue {
                *self.refused.entry(issue.code.clone()).or_default() += 1;
            }
            return;
        }
        self.answered += 1;
        if let Some(until) = data.response_time {
            let took = until.duration_since(data.request_time);
            self.in_time += u64::from(took < IN_TIME);
            self.latency.add(u64::try_from(took.as_micros()).unwrap_or_default());
        }
        orders.for_each(|order| self.order(order));
    }

    fn order(&mut self, order: &Requested) {
        let infos = || order.response.iter().flat_map(|response| &response.coverage_info);
        let any = |is: &dyn Fn(&CoverageInfo) -> bool| u64::from(infos().any(is));
        let needs_pa = |info: &CoverageInfo| info.pa_needed.as_deref() == Some("auth-needed");
        let needs_documents =
            |info: &CoverageInfo| matches!(info.doc_needed.as_deref(), Some("clinical" | "admin" | "both"));
        let launches = |info: &CoverageInfo| !info.questionnaire.is_empty();
        self.orders += 1;
        self.results += any(&|_| true);
        for (count, code) in self.covered.iter_mut().zip(COVERED) {
            *count += any(&|info| info.covered.as_deref() == Some(code));
        }
        self.pa += any(&needs_pa);
        self.pa_launch += any(&|info| needs_pa(info) && launches(info));
        self.documents += any(&needs_documents);
        self.documents_launch += any(&|info| needs_documents(info) && launches(info));
        self.satisfied += any(&|info| info.pa_needed.as_deref() == Some("satisfied"));
    }

    /// How many were refused.
    #[must_use]
    pub fn refusals(&self) -> u64 {
        self.invocations - self.answered
    }

    /// The guide's measures 1 to 6, in their order.
    #[must_use]
    pub fn shares(&self) -> [Share; 9] {
        let share = |number, name, volume, of| Share { number, name, volume, of };
        let [covered, not_covered, conditional, indeterminate] = self.covered;
        [
            share(1, "results", self.results, self.orders),
            share(2, "covered", covered, self.orders),
            share(2, "not-covered", not_covered, self.orders),
            share(2, "conditional", conditional, self.orders),
            share(2, "indeterminate", indeterminate, self.orders),
            share(3, "pa-with-launch", self.pa_launch, self.pa),
            share(4, "documents-with-launch", self.documents_launch, self.documents),
            share(5, "satisfied", self.satisfied, self.orders),
            share(6, "in-time", self.in_time, self.answered),
        ]
    }
}
