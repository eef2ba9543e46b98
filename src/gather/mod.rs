//! Fills the facts that are decided from, out of what the EHR sent and what was learnt beside it. What is not there is
//! itself a fact.
//!
//! Gathering asks nobody: what it looks for and does not find is a wish, and whoever can fulfils it and gathers again.

mod coverage;
pub mod ehr;
pub(crate) mod fhir;
mod history;
mod known;
pub mod learned;
pub mod live;
mod order;
mod performer;
mod person;
mod scope;

use jiff::civil::Date;

use crate::config::PayerCheck;
use crate::decide::facts::{Companion, Cover, Facts, Why};
use crate::policy::model::{Form, Offer, Policy, PolicySet};
use crate::request::json::View;
use crate::request::schema::Misfit;
use crate::request::version::Version;
use crate::request::{Invocation, Order};
use crate::telemetry::Fault;
use coverage::Sought;
use known::{Found, Known};
pub use known::{Read, Wishes};
use learned::Query;

/// Why nothing can be decided. Each names a place and no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatherError {
    /// A resource breaks FHIR R4 (the version decides on 400 or 422).
    #[error("a resource breaks FHIR R4 at {}", .0.expression)]
    Resource(Misfit, Version),
    /// An order or a resource it rests on is another patient's (H09).
    #[error("a resource is about another patient than the request")]
    OtherSubject(String),
    /// The prefetched Patient is another than the context's (H10).
    #[error("the prefetched patient is another than the request's")]
    OtherPatient,
    /// The access token is for another patient (H11).
    #[error("the access token is for another patient than the request's")]
    OtherTokenPatient,
    /// The client looked and found no Coverage (C01).
    #[error("there is no coverage")]
    NoCoverage,
    /// No Coverage was sent, and there is no way to ask for one (C05).
    #[error("no coverage was sent")]
    CoverageNotSent,
    /// More than one Coverage (C02).
    #[error("there is more than one coverage")]
    SeveralCoverages,
    /// The payer says who it is, and it is not us (C03).
    #[error("the coverage is another payer's")]
    OtherPayer,
    /// The payer does not say who it is, and `payer_check` is strict (C03).
    #[error("the coverage does not say whose it is")]
    PayerNotSaid,
    /// The Coverage is for another person (C08).
    #[error("the coverage is for another patient than the request")]
    OtherBeneficiary,
    /// An order that the context names, and nobody can find (H13).
    #[error("an order that the request names is not to be found")]
    OrderNotFound(String),
    /// An order that the context names, and that the EHR could not give: there is nothing an answer could be put on.
    #[error("an order that the request names could not be had")]
    OrderNotHad(String),
}

impl GatherError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::OrderNotHad(_) => Fault::Ehr,
            _ => Fault::Client,
        }
    }
}

/// Everything that an answer is decided from: the Coverage, the orders, and the facts of each in their order.
#[derive(Default)]
pub struct Gathered<'k> {
    /// How coverage information refers to the Coverage: `Coverage/id`; `None` if nobody knows its name.
    pub coverage: Option<String>,
    /// The numbers by which its payer knows the patient.
    pub members: Vec<String>,
    /// What the payer's records say of the Coverage, beside what was sent.
    pub record: Option<Record<'k>>,
    /// The forms (`url|version`) that the EHR is known to have.
    pub forms: Vec<String>,
    /// The orders that an answer is due for.
    pub orders: Vec<Order<'k>>,
    /// One for each of the orders.
    pub facts: Vec<Facts>,
}

/// The Coverage that was sent, and as the payer has it.
pub struct Record<'k> {
    /// As it came.
    pub sent: View<'k>,
    /// As it was imported, JSON text.
    pub own: String,
}

/// How gathering goes.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// How strictly the payer of a Coverage is looked at.
    pub payer_check: PayerCheck,
    /// Whether the EHR's FHIR server can be asked.
    pub can_ask: bool,
    /// Whether there is a member directory.
    pub has_members: bool,
    /// The day, in the payer's time zone.
    pub today: Date,
}

/// Gathers what is known, and says what else should be learnt. Without orders there is nothing to gather, and a Coverage
/// is not asked for.
///
/// What comes with wishes is not the last word: an error may be that something is not there yet.
pub fn gather<'k>(
    invocation: &'k Invocation<'k>,
    read: &'k Read<'k>,
    set: &PolicySet,
    way: &Way,
) -> (Result<Gathered<'k>, GatherError>, Wishes) {
    let known = Known::of(invocation, read, way.can_ask);
    let gathered = all(&known, set, way);
    (gathered, known.into_wishes())
}

fn all<'k>(known: &Known<'k>, set: &PolicySet, way: &Way) -> Result<Gathered<'k>, GatherError> {
    person::one_patient(known)?;
    let orders = scope::orders(known)?;
    let patient = &known.invocation.patient_id;
    if let Some(other) = orders.iter().find(|order| !order::is_of_patient(order, patient)) {
        let member = order::patient_member(other);
        return Err(GatherError::OtherSubject(format!("{}.{member}", other.expression)));
    }
    if known.invocation.orders.is_empty() && known.invocation.referred.is_empty() {
        return Ok(Gathered::default());
    }
    let (mut found, reference, unavailable) = match coverage::coverage(known, &orders, set, way.payer_check)? {
        Sought::Is(coverage) => {
            let reference = Some(coverage.reference.clone());
            (Some(coverage), reference, Cover::Unavailable(Why::NotLearnt))
        }
        Sought::Failed(reference, why) => (None, reference, Cover::Unavailable(why)),
    };
    let records = match &mut found {
        Some(coverage) if way.has_members => Some(person::records(known, coverage, set, way.today)?),
        _ => None,
    };
    let mut facts = Vec::with_capacity(orders.len());
    for order in &orders {
        facts.push(order::facts(known, order, found.as_deref().ok_or(unavailable), set, way.today)?);
    }
    for (order, facts) in orders.iter().zip(&mut facts) {
        if depends_on_others(facts, set) {
            facts.companions = companions(known, order, &orders, set)?;
        }
        if known.invocation.options.unsolicited_determinations {
            facts.authorized = records.as_ref().map(|records| records.authorized.clone()).unwrap_or_default();
        }
    }
    let members = found.as_ref().map(|coverage| person::numbers(&coverage.value)).unwrap_or_default();
    let own = records.and_then(|records| records.coverage);
    let record = found.zip(own).map(|(coverage, own)| Record { sent: coverage.view, own });
    let forms = forms(known, &facts, set);
    Ok(Gathered { coverage: reference, members, record, forms, orders, facts })
}

/// Which of the forms that policies may ask for the EHR has already (CRD dev-20).
fn forms(known: &Known<'_>, facts: &[Facts], set: &PolicySet) -> Vec<String> {
    let policies = facts.iter().flat_map(|facts| may_speak(facts, set));
    let actions = policies.flat_map(|policy| policy.cases.iter().map(|case| &case.action).chain([&policy.scope]));
    let suggestions = actions.filter_map(|action| action.card.as_ref()).flat_map(|card| &card.suggestions);
    let forms = suggestions.filter_map(|suggestion| match &suggestion.offer {
        Offer::Form(form) => Some(form),
        _ => None,
    });
    let has = |form: &Form| {
        let query = Query::search("Questionnaire", &[("url", &form.url), ("version", &form.version)]);
        matches!(known.ask(query), Found::Is([_, ..]))
    };
    let mut found: Vec<String> = forms.filter(|form| has(form)).map(|form| form.canonical()).collect();
    found.dedup();
    found
}

/// The versions of policies that may speak of an order, by its codes.
fn may_speak<'s>(facts: &Facts, set: &'s PolicySet) -> impl Iterator<Item = &'s Policy> {
    facts.codes.iter().chain(&facts.billing_options).flat_map(|code| set.policies_of(code))
}

/// Whether a policy that may speak of an order looks at the others.
fn depends_on_others(facts: &Facts, set: &PolicySet) -> bool {
    may_speak(facts, set).flat_map(|policy| &policy.cases).any(|case| !case.outcome.depends_on.is_empty())
}

/// The other orders of the request with their codes.
fn companions(
    known: &Known<'_>,
    order: &Order<'_>,
    orders: &[Order<'_>],
    set: &PolicySet,
) -> Result<Vec<Companion>, GatherError> {
    let name = |order: &Order<'_>| format!("{}/{}", order.resource.kind, order.resource.id);
    let this = name(order);
    let others = orders.iter().chain(&known.invocation.unselected).filter(|other| name(other) != this);
    let companion =
        |other: &Order<'_>| Ok(Companion { reference: name(other), codes: order::codes(known, other, set)? });
    others.map(companion).collect()
}

untold!(Gathered<'_>, Record<'_>);
