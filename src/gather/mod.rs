//! Fills the facts that are decided from, out of what the EHR sent. What is not there is itself a fact.

mod coverage;
pub mod ehr;
mod fhir;
pub mod learned;
mod order;
mod prefetch;

use jiff::civil::Date;

use crate::config::PayerCheck;
use crate::decide::facts::Facts;
use crate::policy::model::PolicySet;
use crate::request::Invocation;
use crate::request::schema::{self, Misfit};
use crate::request::version::Version;
use crate::telemetry::Fault;
pub use coverage::Coverage;

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
}

impl GatherError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::Client
    }
}

/// Everything that an answer is decided from: the Coverage, and the facts of each order in their order.
#[derive(Debug)]
pub struct Gathered {
    /// The Coverage.
    pub coverage: Coverage,
    /// One for each order of the invocation.
    pub facts: Vec<Facts>,
}

/// Gathers what is known. Without orders there is nothing to gather, and a Coverage is not asked for.
///
/// # Errors
/// [`GatherError`]: the request is about several patients, or not about one coverage of ours.
pub fn gather(
    invocation: &Invocation<'_>,
    set: &PolicySet,
    payer_check: PayerCheck,
    today: Date,
) -> Result<Option<Gathered>, GatherError> {
    one_patient(invocation)?;
    if invocation.orders.is_empty() {
        return Ok(None);
    }
    let coverage = coverage::coverage(invocation, set, payer_check)?;
    let facts = invocation.orders.iter().map(|order| order::facts(invocation, order, &coverage, set, today));
    let facts = facts.collect::<Result<_, _>>()?;
    Ok(Some(Gathered { coverage, facts }))
}

/// The patient of the context is the patient of everything.
fn one_patient(invocation: &Invocation<'_>) -> Result<(), GatherError> {
    let id = &invocation.patient_id;
    if invocation.token_patient.as_ref().is_some_and(|patient| patient != id) {
        return Err(GatherError::OtherTokenPatient);
    }
    for patient in prefetch::all(invocation, "Patient") {
        let value = patient.value();
        coverage::checked(&schema::PATIENT, &value, "Patient", invocation)?;
        if patient.id != *id {
            return Err(GatherError::OtherPatient);
        }
    }
    Ok(())
}
