//! What is known of one order when it is decided, and what is not.
//!
//! A fact that was not stated and a fact that could not be had are different things: the first is asked for, the second is
//! a technical failure.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::policy::model::{Coding, FactName, Value};

/// A fact of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact<T> {
    /// Stated, and nothing that it rests on is unread.
    Known(T),
    /// Some of it is stated and the rest was not read: what is here is so, and there may be more. With a reason where the
    /// rest could not be had.
    Partial(T, Option<Why>),
    /// Not stated, or not clearly.
    Absent,
    /// Could not be had.
    Unavailable(Why),
}

impl<T> Fact<T> {
    /// The same fact of another type.
    pub fn map<U>(self, of: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Known(value) => Fact::Known(of(value)),
            Self::Partial(value, why) => Fact::Partial(of(value), why),
            Self::Absent => Fact::Absent,
            Self::Unavailable(why) => Fact::Unavailable(why),
        }
    }

    /// Why it, or a part of it, could not be had.
    pub fn failed(&self) -> Option<Why> {
        match self {
            Self::Unavailable(why) | Self::Partial(_, Some(why)) => Some(*why),
            Self::Known(_) | Self::Partial(_, None) | Self::Absent => None,
        }
    }
}

/// Why a fact could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// The EHR sent a failure (an OperationOutcome) where the resource should be.
    SentAsFailure,
    /// The EHR's FHIR server was asked, and did not say (CRD resp-43).
    NotLearnt,
    /// Our member directory could not be asked.
    DirectoryFailed,
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
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// When it is in force.
    pub in_force: InForce,
    /// The Coverage resource that was imported, as JSON text.
    pub coverage: String,
    /// The standing prior authorisations of the person under it.
    pub authorizations: Vec<Authorization>,
}

/// A standing prior authorisation.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// Whether the patient has a coverage with us that an order can rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cover {
    /// There is one, and this is when it is in force.
    Is(InForce),
    /// We do not know the person (CRD resp-44).
    PersonUnknown,
    /// We know the person, and no single coverage of hers is the one that was sent (CRD resp-45).
    CoverageUnknown,
    /// It could not be learnt (CRD resp-43).
    Unavailable(Why),
}

/// A standing prior authorisation, in codes that the policy set knows.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorized {
    /// Its number.
    pub number: String,
    /// What it is for.
    pub codes: Vec<Coding>,
    /// The first day it holds for, if there is one.
    pub first: Option<Date>,
    /// The last.
    pub last: Option<Date>,
}

impl Authorized {
    /// Whether it is for this code, on each of these days.
    #[must_use]
    pub fn is_for(&self, code: &Coding, days: Days) -> bool {
        self.codes.contains(code)
            && self.first.is_none_or(|first| first <= days.first)
            && self.last.is_none_or(|last| days.last <= last)
    }
}

/// Another order of the same request.
#[derive(Clone, PartialEq, Eq)]
pub struct Companion {
    /// `DeviceRequest/1`
    pub reference: String,
    /// Its codes.
    pub codes: Vec<Coding>,
}

/// Everything that is decided from, for one order.
#[derive(Clone, PartialEq, Eq)]
pub struct Facts {
    /// The order's codes, of code systems that the policy set knows.
    pub codes: Vec<Coding>,
    /// Why what says what is ordered could not be had, where there is no code without it.
    pub unread: Option<Why>,
    /// The billing codes that the order says may be used.
    pub billing_options: Vec<Coding>,
    /// The modifiers of its procedure codes, such as `26`, sorted.
    pub modifiers: Vec<String>,
    /// When the service will be done.
    pub days: Days,
    /// Whether the order is for doing something: neither `doNotPerform` nor revoked.
    pub to_be_performed: bool,
    /// The coverage.
    pub coverage: Cover,
    /// The authorisations that stand.
    pub authorized: Vec<Authorized>,
    /// The other orders of the request.
    pub companions: Vec<Companion>,
    /// What conditions can name, as far as it was looked for.
    values: Vec<(FactName, Fact<Value>)>,
}

impl Facts {
    /// What is known of an order for certain codes on certain days, and nothing else yet.
    #[must_use]
    pub fn of(codes: Vec<Coding>, days: Days, coverage: Cover) -> Self {
        Self {
            codes,
            unread: None,
            billing_options: Vec::new(),
            modifiers: Vec::new(),
            days,
            to_be_performed: true,
            coverage,
            authorized: Vec::new(),
            companions: Vec::new(),
            values: Vec::new(),
        }
    }

    /// A fact that conditions of cases and notes can name.
    #[must_use]
    pub fn get(&self, name: FactName) -> &Fact<Value> {
        self.values.iter().find(|(other, _)| *other == name).map_or(&Fact::Absent, |(_, fact)| fact)
    }

    /// Says a fact.
    pub fn set(&mut self, name: FactName, fact: Fact<Value>) {
        self.values.retain(|(other, _)| *other != name);
        self.values.push((name, fact));
    }

    /// Says a fact of codes.
    pub fn set_codes(&mut self, name: FactName, fact: Fact<Vec<Coding>>) {
        self.set(name, fact.map(Value::Codes));
    }

    /// The codes of a fact, as far as they were read.
    #[must_use]
    pub fn codes_of(&self, name: FactName) -> &[Coding] {
        match self.get(name) {
            Fact::Known(Value::Codes(codes)) | Fact::Partial(Value::Codes(codes), _) => codes,
            _ => &[],
        }
    }

    /// Whether the coverage is in force on a day; not if there is none.
    #[must_use]
    pub fn in_force(&self, day: Date) -> bool {
        matches!(self.coverage, Cover::Is(in_force) if in_force.on(day))
    }
}

untold!(Membership, Authorization, Authorized, Companion, Facts);
