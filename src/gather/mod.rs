//! Fills the facts that are decided from, out of what the EHR sent and what was learnt beside it. What is not there is
//! itself a fact.
//!
//! Gathering is pure: resources that are missing are returned as queries, and the caller asks for them and gathers again.

mod codes;
mod coverage;
pub mod ehr;
mod fhir;
mod history;
mod known;
pub mod learned;
pub mod live;
mod order;
mod performer;
mod person;
mod scope;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::config::{Limits, PayerCheck};
use crate::decide::facts::{Companion, Days, Facts};
use crate::effort::Effort;
use crate::policy::model::{Coding, Form, Offer, PolicySet};
use crate::request::index::Index;
use crate::request::json::View;
use crate::request::order::patient_member;
use crate::request::schema::Misfit;
use crate::request::version::Version;
use crate::request::{Invocation, Order};
use crate::telemetry::Fault;
use codes::may_speak;
use coverage::{Sought, Standing};
pub use known::{Answers, Scanned, Wishes};
use known::{Found, Known};
use learned::{Learned, Query};

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
    /// Two different resources have one type and id, and no `fullUrl` tells them apart (G03).
    #[error("two different resources have one type and id")]
    Ambiguous,
    /// More references than one request may have (B01).
    #[error("there are more references than one request may have")]
    TooManyReferences,
    /// More orders than one request may have, counted with those that are only named (B01).
    #[error("there are more orders than one request may have")]
    TooManyOrders,
    /// An order has more codes than are compared (B01), and where it stands.
    #[error("an order has more codes than are compared")]
    TooManyCodes(String),
    /// Gathering took more work than one answer may (B03).
    #[error("the request takes more work than one answer may")]
    TooMuchWork,
    /// More determinations than one answer may have (B01).
    #[error("there are more determinations than one answer may have")]
    TooManyDeterminations,
    /// An order that the context names was not sent, and there is no way to ask for it.
    #[error("an order that the request names was not sent")]
    OrderNotSent(String),
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
    /// Orders that the request names and that could not be had, each as `ServiceRequest/1`, where a card can say so.
    pub unread: Vec<String>,
}

/// The Coverage that was sent, and as the payer has it.
pub struct Record<'k> {
    /// As it came.
    pub sent: View<'k>,
    /// As it was imported, JSON text.
    pub own: String,
}

/// How gathering goes.
#[derive(Debug, Clone)]
pub struct Way<'w> {
    /// How strictly the payer of a Coverage is looked at.
    pub payer_check: PayerCheck,
    /// Whether the EHR's FHIR server can be asked.
    pub can_ask: bool,
    /// Whether the EHR's FHIR server is a registered one.
    pub registered: bool,
    /// Whether there is a member directory.
    pub has_members: bool,
    /// The day, in the payer's time zone.
    pub today: Date,
    /// The payer's time zone.
    pub zone: TimeZone,
    /// What one request may cost.
    pub limits: &'w Limits,
    /// How much work may still be done for it.
    pub effort: &'w Effort,
}

/// Gathers what is known, and says what else should be learned. Without orders there is nothing to gather, and a Coverage
/// is not asked for.
///
/// What comes with wishes is not the last word: an error may be that something is not there yet.
pub fn gather<'k>(
    invocation: &Invocation<'k>,
    index: &Index<'k>,
    (answers, learned): (&Answers, &Learned),
    set: &PolicySet,
    way: &Way<'_>,
) -> (Result<Gathered<'k>, GatherError>, Wishes) {
    let known = Known::of(invocation, index, (answers, learned), way);
    let gathered = all(&known, set);
    (gathered, known.into_wishes())
}

fn all<'k>(known: &Known<'_, 'k>, set: &PolicySet) -> Result<Gathered<'k>, GatherError> {
    person::one_patient(known)?;
    let (due, unread) = scope::orders(known, set.default_rule.order_not_read.is_some())?;
    if let Some(other) = due.iter().map(|due| &due.order).find(|order| !order::is_of_patient(known, order)) {
        let member = patient_member(&other.resource.kind);
        return Err(GatherError::OtherSubject(format!("{}.{member}", other.expression)));
    }
    if known.invocation.orders.is_empty() && known.invocation.referred.is_empty() {
        return Ok(Gathered::default());
    }
    if due.is_empty() && !unread.is_empty() {
        return Ok(Gathered { unread, ..Gathered::default() });
    }
    let days = due.iter().map(|due| order::service_days(&due.order, &known.way.zone, known.way.today));
    let days: Vec<Days> = days.collect::<Result<_, _>>().map_err(|none| none.refused(known.invocation))?;
    let sought = coverage::coverage(known, &due, &days, set)?;
    let reference = match &sought {
        Sought::Is(coverage) => Some(coverage.reference.clone()),
        Sought::Failed(reference, _) => reference.clone(),
    };
    let standings = standings(known, &sought, &days, set)?;
    let mut facts = Vec::with_capacity(due.len());
    for ((due, days), standing) in due.iter().zip(&days).zip(&standings) {
        if known.way.effort.is_over() {
            return Err(GatherError::TooMuchWork);
        }
        let mut of_order = order::facts(known, due, *days, standing, set)?;
        if known.invocation.options.unsolicited_determinations {
            of_order.authorized.clone_from(&standing.authorized);
        }
        facts.push(of_order);
    }
    let determinations: usize = facts.iter().map(|facts| facts.codes.len() + facts.billing_options.len()).sum();
    if determinations > known.way.limits.determinations {
        return Err(GatherError::TooManyDeterminations);
    }
    let orders: Vec<Order<'k>> = due.into_iter().map(|due| due.order).collect();
    companions(known, &orders, &mut facts, set)?;
    let own = standings.into_iter().find_map(|standing| standing.own);
    let (members, record) = match sought {
        Sought::Is(coverage) => {
            let record = own.map(|own| Record { sent: coverage.view, own });
            (person::numbers(&coverage.value), record)
        }
        Sought::Failed(..) => (Vec::new(), None),
    };
    let forms = forms(known, &facts, set);
    Ok(Gathered { coverage: reference, members, record, forms, orders, facts, unread })
}

/// What each order can rest on. Orders on one day rest on the same.
fn standings(
    known: &Known<'_, '_>,
    sought: &Sought<'_>,
    days: &[Days],
    set: &PolicySet,
) -> Result<Vec<Standing>, GatherError> {
    let coverage = match sought {
        Sought::Failed(_, why) => return Ok(vec![Standing::failed(*why); days.len()]),
        Sought::Is(coverage) if !known.way.has_members => return Ok(vec![Standing::sent(coverage); days.len()]),
        Sought::Is(coverage) => coverage,
    };
    let mut by_day: BTreeMap<Date, Standing> = BTreeMap::new();
    let mut standings = Vec::with_capacity(days.len());
    for day in days.iter().map(|days| days.first) {
        let standing = match by_day.get(&day) {
            Some(standing) => standing.clone(),
            None => person::standing(known, coverage, set, day)?,
        };
        by_day.entry(day).or_insert_with(|| standing.clone());
        standings.push(standing);
    }
    Ok(standings)
}

/// Which of the forms that policies may ask for the EHR has already (CRD dev-20).
fn forms(known: &Known<'_, '_>, facts: &[Facts], set: &PolicySet) -> Vec<String> {
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

/// Gives each order whose policies look at others those of the request that they look at.
fn companions(
    known: &Known<'_, '_>,
    orders: &[Order<'_>],
    facts: &mut [Facts],
    set: &PolicySet,
) -> Result<(), GatherError> {
    let depends_on = |facts: &Facts| -> BTreeSet<Coding> {
        let cases = may_speak(facts, set).into_iter().flat_map(|policy| &policy.cases);
        cases.flat_map(|case| &case.outcome.depends_on).cloned().collect()
    };
    let wanted: Vec<BTreeSet<Coding>> = facts.iter().map(depends_on).collect();
    if wanted.iter().all(BTreeSet::is_empty) {
        return Ok(());
    }
    let mut all = Vec::new();
    for order in orders.iter().chain(&known.invocation.unselected) {
        let reference = format!("{}/{}", order.resource.kind, order.resource.id);
        all.push(Companion { reference, codes: order::codes(known, order, set)? });
    }
    for (place, (facts, wanted)) in facts.iter_mut().zip(&wanted).enumerate() {
        let others = all.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, companion)| companion);
        let others = others.filter(|companion| companion.codes.iter().any(|code| wanted.contains(code)));
        facts.companions = others.cloned().collect();
    }
    Ok(())
}

untold!(Gathered<'_>, Record<'_>);
