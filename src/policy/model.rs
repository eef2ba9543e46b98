//! What a policy set is once it is loaded: plain data, prepared for deciding and rendering.
//!
//! Nothing here reads, checks or decides; the words are those of FHIR and of `fhir-resources/README.md`.

mod card;
mod condition;
mod offer;
mod publication;
mod set;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;

use super::template::Template;
pub use card::{Card, Indicator, Link, Topic, Written};
pub use condition::{Condition, FactName, NO_CODES, Test, Value};
pub use offer::{Draft, Form, Offer, Suggestion};
pub use publication::{Artifact, Change, Identifier, Publication, Section};
pub use set::{DefaultRule, Hits, Meanings, OverrideReason, Payer, Plan, PolicySet, System};

/// A code system that the set knows, by its place in [`PolicySet::systems`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SystemId(pub u16);

/// A code in a known code system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Coding {
    /// The code system.
    pub system: SystemId,
    /// The code.
    pub code: Box<str>,
}

/// `covered`, as a rule says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Covered {
    /// A benefit under the plan.
    Covered,
    /// Depends on something.
    Conditional,
    /// Cannot be said now, for technical reasons.
    Indeterminate,
    /// No benefit under the plan.
    NotCovered,
}

/// `pa-needed`, as a rule says it. `satisfied` is not here: it needs an authorisation, not a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PaNeeded {
    /// No prior authorisation.
    NoAuth,
    /// The performer must obtain it, not the orderer.
    PerformPa,
    /// Depends on something.
    Conditional,
    /// Cannot be said now, for technical reasons.
    Indeterminate,
    /// Prior authorisation is needed.
    AuthNeeded,
}

/// `doc-needed`, as a rule says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DocNeeded {
    /// From a clinician.
    Clinical,
    /// From administrative staff.
    Admin,
    /// From the patient.
    Patient,
    /// Depends on something.
    Conditional,
    /// Cannot be said now, for technical reasons.
    Indeterminate,
}

impl DocNeeded {
    /// The code of CRD 2.2.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Clinical => "clinical",
            Self::Admin => "admin",
            Self::Patient => "patient",
            Self::Conditional => "conditional",
            Self::Indeterminate => "indeterminate",
        }
    }
}

/// `doc-purpose`: what the documentation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DocPurpose {
    /// With the prior authorisation request.
    WithPa,
    /// With the claim.
    WithClaim,
    /// With the order, to the performer.
    WithOrder,
    /// Kept by the provider.
    RetainDoc,
    /// Something else; the reason says what.
    Other,
}

/// Why a determination is what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// A code of the guide's reasons, where one fits: `(system URI, code)`.
    pub coding: Option<(Box<str>, Box<str>)>,
    /// The reason in words.
    pub text: Template,
}

/// What kind of thing a detail is (`detail.category`, CRD 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DetailCategory {
    /// Limits what the determination speaks of.
    Limitation,
    /// Matters for the decision to order.
    Decisional,
    /// Anything else.
    Other,
}

/// The value of a detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DetailValue {
    /// `valueBoolean`
    Boolean(bool),
    /// `valueString`
    String(Template),
    /// `valueUrl`, https.
    Url(Box<str>),
    /// `valuePeriod`, FHIR dates.
    Period(Option<Box<str>>, Option<Box<str>>),
    /// `valueQuantity`: the decimal as written, and the UCUM code.
    Quantity(Box<str>, Option<Box<str>>),
}

/// A computable detail of a determination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// Its category.
    pub category: DetailCategory,
    /// Its code: `(system URI, code)`.
    pub code: (Box<str>, Box<str>),
    /// Its value.
    pub value: DetailValue,
    /// Words that qualify it.
    pub qualification: Option<Box<str>>,
}

/// What a rule decides, with everything it inherits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// `covered`
    pub covered: Covered,
    /// `pa-needed`
    pub pa_needed: Option<PaNeeded>,
    /// `doc-needed`, sorted.
    pub doc_needed: Vec<DocNeeded>,
    /// `doc-purpose`, sorted.
    pub doc_purpose: Vec<DocPurpose>,
    /// `questionnaire`, canonical URLs.
    pub questionnaires: Vec<Box<str>>,
    /// `dependency`: the codes of another order in the same request that it depends on.
    pub depends_on: Vec<Coding>,
    /// `expiry-date`
    pub expiry: Option<Date>,
}

/// The passage that a sentence rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Its heading.
    pub label: Box<str>,
    /// The payer's words.
    pub citation: Box<str>,
}

/// One action of a PlanDefinition: the scope, a case or a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Its name in traces.
    pub id: Box<str>,
    /// All must hold. Empty for the scope, whose codes are in the index.
    pub conditions: Vec<Condition>,
    /// The condition in words that follow "If ".
    pub when: Option<Box<str>>,
    /// What it adds to why.
    pub reasons: Vec<Reason>,
    /// What it adds in detail.
    pub details: Vec<Detail>,
    /// The card it makes.
    pub card: Option<Card>,
    /// The paragraph it adds to the scope's card (notes).
    pub paragraph: Option<Template>,
    /// What it rests on.
    pub passage: Option<Passage>,
}

/// A case: exactly one of a policy's cases holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// When it holds and what it shows.
    pub action: Action,
    /// What it decides.
    pub outcome: Outcome,
    /// The first of its reasons, its own or inherited: no outcome is without one.
    pub why: Reason,
}

/// Paragraphs of which those that hold are shown, and what is shown when none is known to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notes {
    /// Name of the group.
    pub id: Box<str>,
    /// When none is known to hold.
    pub fallback: Option<Template>,
    /// What that rests on.
    pub passage: Option<Passage>,
    /// The notes.
    pub notes: Vec<Action>,
}

/// One version of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// `633`
    pub number: Box<str>,
    /// `2020-11`
    pub version: Box<str>,
    /// Its title.
    pub title: Box<str>,
    /// The file of its rules, by its path in the set.
    pub file: Box<str>,
    /// What is published of it, where the set has that.
    pub publication: Option<Arc<Publication>>,
    /// First and last service date it holds for.
    pub effective: (Option<Date>, Option<Date>),
    /// Where scopes of two policies meet, the lower speaks.
    pub precedence: Option<u32>,
    /// The codes it speaks of, sorted.
    pub codes: Vec<Coding>,
    /// What it says of all of them.
    pub scope: Action,
    /// The cases; one without conditions where the file has none.
    pub cases: Vec<Case>,
    /// The notes.
    pub notes: Vec<Notes>,
    /// For each fact the cases name, a value of each kind that they tell apart.
    pub domains: BTreeMap<FactName, Vec<Value>>,
}

impl Policy {
    /// Its cases and notes.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        let notes = self.notes.iter().flat_map(|group| &group.notes);
        self.cases.iter().map(|case| &case.action).chain(notes)
    }

    /// Every condition of its cases and notes.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.actions().flat_map(|action| &action.conditions)
    }

    /// Whether it is written which of two policies speaks where they meet: both have a precedence, and not the same.
    #[must_use]
    pub fn is_ordered_with(&self, other: &Self) -> bool {
        self.precedence.zip(other.precedence).is_some_and(|(one, other)| one != other)
    }

    /// Whether it is in force on a day.
    #[must_use]
    pub fn in_force(&self, day: Date) -> bool {
        let (start, end) = self.effective;
        start.is_none_or(|start| start <= day) && end.is_none_or(|end| day <= end)
    }
}
