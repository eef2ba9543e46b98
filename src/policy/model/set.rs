//! A whole policy set: who answers, what codes mean, all policies and what is said where none speaks.

use std::collections::{BTreeMap, HashMap};

use super::{Card, Case, Coding, Policy, SystemId, Written};

/// A code system with all the names it goes by.
#[derive(Debug, Clone)]
pub struct System {
    /// The short name people use: `CPT`.
    pub label: Box<str>,
    /// The URI that is written in answers.
    pub uri: Box<str>,
    /// Whether its codes are billed, so that a determination can be scoped by one (`billingCode`).
    pub billing: bool,
}

/// What is said where no policy speaks.
#[derive(Debug, Clone)]
pub struct DefaultRule {
    /// The code is known, and no policy speaks of it.
    pub no_policy: Case,
    /// The order does not say precisely enough what is ordered.
    pub code_not_specific: Case,
    /// The order is not for doing something.
    pub not_to_be_performed: Case,
    /// The coverage is not in force on the day of the service.
    pub coverage_not_active: Case,
    /// The member directory does not know the patient.
    pub no_member_found: Case,
    /// The member directory knows the patient, and no single coverage of hers is the one that was sent.
    pub coverage_not_found: Case,
    /// Something we needed could not be had.
    pub technical: Case,
    /// The words of a card that puts the EHR's record of a coverage right, where the set has them.
    pub coverage_record: Option<Card>,
    /// The words of a card that says that an order could not be read, where the set has them.
    pub order_not_read: Option<Card>,
}

/// A product line, and how a Coverage is recognised as it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// As a fact.
    pub coding: Coding,
    /// Its name.
    pub name: Box<str>,
    /// Identifier values, names and aliases, lower-case.
    pub known_as: Vec<Box<str>>,
    /// `Coverage.type` codings.
    pub types: Vec<Coding>,
}

/// Who answers.
#[derive(Debug, Clone)]
pub struct Payer {
    /// The name on the insurance card.
    pub name: Box<str>,
    /// What it is called where there is little room: its first alias, else its name.
    pub short: Box<str>,
    /// Home page, https.
    pub url: Option<Box<str>>,
    /// Contact points: `(system, value)` of `telecom`.
    pub contacts: Vec<(Box<str>, Box<str>)>,
    /// The identifiers that route a Coverage here: `(system URI, value)`.
    pub identifiers: Vec<(Box<str>, Box<str>)>,
}

/// A reason a clinician can give for going on despite a card (`overrideReasons`).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OverrideReason {
    /// Its code.
    pub code: Box<str>,
    /// Its code system.
    pub system: Box<str>,
    /// In words.
    pub display: Box<str>,
}

/// What an ordered code may mean to the policies: versions of policies, by number and place in [`PolicySet::policies`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hits {
    /// Versions whose scope holds the code.
    pub exact: Vec<(Box<str>, usize)>,
    /// Versions whose scope holds a code narrower than this one.
    pub wider: Vec<(Box<str>, usize)>,
}

/// Codes of others, each with the code of ours it stands for.
pub type Meanings = HashMap<Coding, Coding>;

/// A whole policy set: immutable, one for a request from beginning to end.
#[derive(Debug)]
pub struct PolicySet {
    /// SHA-256 over all its files, hex.
    pub hash: String,
    /// Who answers.
    pub payer: Payer,
    /// The product lines.
    pub plans: Vec<Plan>,
    /// The code systems.
    pub systems: Vec<System>,
    /// Every URI and OID of a code system.
    pub system_names: HashMap<Box<str>, SystemId>,
    /// The settings that there are, in the order of their file.
    pub settings: Vec<Coding>,
    /// What codes mean, in plain words.
    pub words: HashMap<Coding, Box<str>>,
    /// What of an order says where the service will be done.
    pub order_setting: Meanings,
    /// What of an encounter does.
    pub encounter_setting: Meanings,
    /// All versions of all policies, by number.
    pub policies: BTreeMap<Box<str>, Vec<Policy>>,
    /// From an ordered code to what it may mean: one look-up however many policies there are.
    pub index: HashMap<Coding, Hits>,
    /// What is said where no policy speaks.
    pub default_rule: DefaultRule,
    /// The reasons that warnings offer for going on, as a card writes them; none where the set has none.
    pub override_reasons: Option<Written>,
}

impl PolicySet {
    /// The versions of policies that a code may mean.
    pub fn policies_of(&self, code: &Coding) -> impl Iterator<Item = &Policy> {
        let hits = self.index.get(code);
        let places = hits.into_iter().flat_map(|hits| if hits.exact.is_empty() { &hits.wider } else { &hits.exact });
        places.filter_map(|(number, place)| self.policies.get(number)?.get(*place))
    }

    /// The code system that goes by this URI or OID.
    #[must_use]
    pub fn system(&self, name: &str) -> Option<SystemId> {
        self.system_names.get(name).copied()
    }

    /// A code as people write it: `CPT 47383`.
    #[must_use]
    pub fn label(&self, coding: &Coding) -> String {
        let label = self.systems.get(usize::from(coding.system.0)).map_or("", |system| &*system.label);
        format!("{label} {}", coding.code)
    }

    /// What a code means in plain words, where the set says so.
    #[must_use]
    pub fn words(&self, coding: &Coding) -> Option<&str> {
        self.words.get(coding).map(|words| &**words)
    }

    /// Whether a code is one that is billed.
    #[must_use]
    pub fn is_billing(&self, coding: &Coding) -> bool {
        self.systems.get(usize::from(coding.system.0)).is_some_and(|system| system.billing)
    }

    /// The product line of a coding.
    #[must_use]
    pub fn plan(&self, coding: &Coding) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.coding == *coding)
    }

    /// The name of a product line.
    #[must_use]
    pub fn plan_name(&self, coding: &Coding) -> Option<&str> {
        self.plan(coding).map(|plan| &*plan.name)
    }
}
