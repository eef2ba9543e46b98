//! What is known of one order when it is decided, and what is not.
//!
//! A fact that was not stated and a fact that could not be had are different things: the first is asked for, the second is
//! a technical failure.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::policy::model::{Coding, FactName};

/// A fact of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact<T> {
    /// Stated.
    Known(T),
    /// Not stated, or not clearly.
    Absent,
    /// Could not be had.
    Unavailable(Why),
}

/// Why a fact could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// The EHR sent a failure (an OperationOutcome) where the resource should be.
    SentAsFailure,
}

/// The days on which a service may be done; one day when the date is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    /// The first.
    pub first: Date,
    /// The last, not before the first.
    pub last: Date,
}

/// When a coverage is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// Its status is `active`.
    pub active: bool,
    /// First day, if there is one.
    pub start: Option<Date>,
    /// Last day, if there is one.
    pub end: Option<Date>,
}

impl InForce {
    /// Whether it is in force on a day.
    #[must_use]
    pub fn on(&self, day: Date) -> bool {
        self.active && self.start.is_none_or(|start| start <= day) && self.end.is_none_or(|end| day <= end)
    }
}

/// What the payer's member directory says of a patient and a coverage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// Nobody in it is this person (CRD resp-44).
    PersonUnknown,
    /// The person is in it, and no single coverage of hers is this one (CRD resp-45).
    CoverageUnknown,
    /// The person and the coverage are in it.
    Member(Membership),
}

/// A coverage as the payer's own records have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// When it is in force.
    pub in_force: InForce,
    /// The Coverage resource that was imported, as JSON text.
    pub coverage: String,
    /// The standing prior authorisations of the person under it.
    pub authorizations: Vec<Authorization>,
}

/// A standing prior authorisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorization {
    /// Its number (`ClaimResponse.preAuthRef`).
    pub number: String,
    /// What it is for: system URI and code of each.
    pub codes: Vec<(String, String)>,
    /// The first day it holds for, if there is one.
    pub first: Option<Date>,
    /// The last.
    pub last: Option<Date>,
}

/// Everything that is decided from, for one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The order's codes, of code systems that the policy set knows.
    pub codes: Vec<Coding>,
    /// The billing codes that the order says may be used.
    pub billing_options: Vec<Coding>,
    /// When the service will be done.
    pub days: Days,
    /// Whether the order is for doing something: neither `doNotPerform` nor revoked.
    pub to_be_performed: bool,
    /// When the coverage is in force.
    pub coverage: InForce,
    /// Where the service will be done.
    pub setting: Fact<Vec<Coding>>,
    /// The product line.
    pub plan: Fact<Vec<Coding>>,
    /// The diagnoses.
    pub diagnosis: Fact<Vec<Coding>>,
}

impl Facts {
    /// A fact that conditions of cases and notes can name.
    #[must_use]
    pub fn get(&self, name: FactName) -> &Fact<Vec<Coding>> {
        match name {
            FactName::Setting => &self.setting,
            FactName::Plan => &self.plan,
            FactName::Diagnosis => &self.diagnosis,
            // The code and the date choose the policy and its version; conditions of cases never name them.
            FactName::Code | FactName::Date => &Fact::Absent,
        }
    }
}
