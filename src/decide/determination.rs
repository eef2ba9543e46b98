//! What is decided of one order and billing code, in types that cannot break the guide's invariants.
//!
//! `conditional` cannot be said without what is needed (crd-ci-q3), `satisfied` not without its number (q5), documents
//! not without who provides them (q1), and nothing without a reason (q6, q7, q8, q9). What differs between versions of the
//! guide (q2, q4) is `render::coverage_information`'s.

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::policy::model::{Card, Coding, Detail, DocNeeded, DocPurpose, FactName, Passage, Policy, Reason, Value};
use crate::policy::template::Template;

/// `info-needed`: what would tell the possible answers apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InfoNeeded {
    /// Who will do it.
    Performer,
    /// Where it will be done.
    Location,
    /// When it will be done.
    Timeframe,
    /// A more precise code.
    DetailCode,
    /// Something else: the reason says what.
    Other,
}

impl InfoNeeded {
    /// The code of CRD 2.2.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Performer => "performer",
            Self::Location => "location",
            Self::Timeframe => "timeframe",
            Self::DetailCode => "detail-code",
            Self::Other => "OTH",
        }
    }

    /// What to ask for where a fact is missing.
    #[must_use]
    pub fn of(fact: FactName) -> Self {
        match fact {
            FactName::Code => Self::DetailCode,
            FactName::Date => Self::Timeframe,
            FactName::Setting => Self::Location,
            FactName::Performer => Self::Performer,
            FactName::Plan | FactName::Diagnosis | FactName::Age | FactName::Quantity | FactName::History => {
                Self::Other
            }
        }
    }
}

/// What is needed; never nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs(BTreeSet<InfoNeeded>);

impl Needs {
    /// What is needed, or something else that the reason names.
    pub fn new(needs: impl IntoIterator<Item = InfoNeeded>) -> Self {
        let mut needs: BTreeSet<_> = needs.into_iter().collect();
        if needs.is_empty() {
            needs.insert(InfoNeeded::Other);
        }
        Self(needs)
    }

    /// In the order of the guide's value set.
    pub fn iter(&self) -> impl Iterator<Item = InfoNeeded> + '_ {
        self.0.iter().copied()
    }
}

/// `covered`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Covered {
    /// A benefit.
    Covered,
    /// No benefit.
    NotCovered,
    /// Depends on what is needed.
    Conditional(Needs),
    /// Cannot be said now.
    Indeterminate,
}

impl Covered {
    /// The code on the wire.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Covered => "covered",
            Self::NotCovered => "not-covered",
            Self::Conditional(_) => "conditional",
            Self::Indeterminate => "indeterminate",
        }
    }

    /// What it depends on.
    #[must_use]
    pub fn needs(&self) -> Option<&Needs> {
        match self {
            Self::Conditional(needs) => Some(needs),
            _ => None,
        }
    }
}

/// `pa-needed`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaNeeded {
    /// No.
    NoAuth,
    /// Yes.
    AuthNeeded,
    /// Yes, by the performer.
    PerformPa,
    /// There is one, with this number.
    Satisfied(String),
    /// Depends on what is needed.
    Conditional(Needs),
    /// Cannot be said now.
    Indeterminate,
}

impl PaNeeded {
    /// The code on the wire.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoAuth => "no-auth",
            Self::AuthNeeded => "auth-needed",
            Self::PerformPa => "performpa",
            Self::Satisfied(_) => "satisfied",
            Self::Conditional(_) => "conditional",
            Self::Indeterminate => "indeterminate",
        }
    }

    /// What it depends on.
    #[must_use]
    pub fn needs(&self) -> Option<&Needs> {
        match self {
            Self::Conditional(needs) => Some(needs),
            _ => None,
        }
    }
}

/// `doc-needed`, `doc-purpose` and `questionnaire`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documentation {
    /// Who provides it; never empty.
    pub needed: Vec<DocNeeded>,
    /// What is needed to say more, where one of them is `conditional`.
    pub needs: Option<Needs>,
    /// What for.
    pub purposes: Vec<DocPurpose>,
    /// The forms, canonical URLs.
    pub questionnaires: Vec<Box<str>>,
}

/// When something that a policy says holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds<'p> {
    /// Whatever the missing facts are.
    Always,
    /// If all of this is so.
    If {
        /// In words that follow "If ".
        conditions: Vec<Cow<'p, str>>,
        /// Whether it is sure that the policy speaks of the code, so that only the case is not.
        of_code: bool,
    },
    /// In the cases that remain.
    Otherwise,
}

impl Holds<'_> {
    /// Whether it is sure that the policy speaks of the code.
    #[must_use]
    pub fn is_of_code(&self) -> bool {
        matches!(self, Self::Always | Self::If { of_code: true, .. })
    }

    /// Whether a policy says it that may not speak of the code at all.
    #[must_use]
    pub fn is_of_unsure_policy(&self) -> bool {
        matches!(self, Self::If { of_code: false, .. })
    }
}

/// Something a policy says, and when it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held<'p, T> {
    /// What is said.
    pub what: &'p T,
    /// When.
    pub holds: Holds<'p>,
}

/// The reasons of a determination; never none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reasons<'p> {
    first: Held<'p, Reason>,
    rest: Vec<Held<'p, Reason>>,
}

impl<'p> Reasons<'p> {
    /// One reason and any others.
    #[must_use]
    pub fn new(first: Held<'p, Reason>, rest: Vec<Held<'p, Reason>>) -> Self {
        Self { first, rest }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Held<'p, Reason>> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}

/// A card that a policy makes of the determination, with the paragraphs its notes add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown<'p> {
    /// The action that makes it.
    pub action: &'p str,
    /// The policy whose action that is.
    pub policy: Option<&'p Policy>,
    /// The card.
    pub card: Held<'p, Card>,
    /// Paragraphs after its detail: the note's or group's name, and the text.
    pub paragraphs: Vec<(&'p str, &'p Template)>,
}

impl<'p> Shown<'p> {
    /// The names of all that is shown: the card's action, then its paragraphs.
    pub fn names(&self) -> impl Iterator<Item = &'p str> + '_ {
        std::iter::once(self.action).chain(self.paragraphs.iter().map(|(name, _)| *name))
    }
}

/// A rule that an answer rests on, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<'p> {
    /// The policy's number; `default` where no policy speaks.
    pub policy: &'p str,
    /// Its version.
    pub version: &'p str,
    /// The action's name.
    pub action: &'p str,
    /// The passages it rests on: the scope's and its own.
    pub passages: Vec<&'p Passage>,
}

/// How a determination came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace<'p> {
    /// The rules that could hold, in the order of the policy.
    pub candidates: Vec<Candidate<'p>>,
    /// The facts that were looked at and known.
    pub used: Vec<(FactName, Value)>,
    /// The modifiers of the ordered code.
    pub modifiers: Vec<String>,
    /// The facts that were looked at and not known; true if they could not be had.
    pub missing: Vec<(FactName, bool)>,
}

/// What is decided of one order, for one billing code where it has any.
#[derive(Clone, PartialEq, Eq)]
pub struct Determination<'p> {
    /// The billing code it is limited to.
    pub billing_code: Option<Coding>,
    /// Whether it is a benefit.
    pub covered: Covered,
    /// Whether it needs prior authorisation. Beside `not-covered` it is said to CRD 2.0 only.
    pub pa_needed: Option<PaNeeded>,
    /// What documentation it needs.
    pub documentation: Option<Documentation>,
    /// Why.
    pub reasons: Reasons<'p>,
    /// What else is to be known.
    pub details: Vec<Held<'p, Detail>>,
    /// The other orders it depends on: `DeviceRequest/1`.
    pub dependencies: Vec<String>,
    /// The last day it can be relied on.
    pub expiry: Option<Date>,
    /// The cards it makes.
    pub shown: Vec<Shown<'p>>,
    /// How it came to be.
    pub trace: Trace<'p>,
}

untold!(Determination<'_>);
