//! Codes of a fact as they are gathered, together with what of the fact was not read.
//!
//! A fact is `Known` only by way of this type: nothing that it rests on may be unread.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::fhir::codings;
use super::known::{Found, Resolved};
use crate::decide::facts::{Fact, Facts, Why};
use crate::policy::model::{Coding, Condition, FactName, Policy, PolicySet, SystemId};

/// What the policies that may speak of an order look at: the facts that their conditions name, each with the code systems of
/// the codes that they compare it with.
pub(super) struct Wanted<'p> {
    systems: BTreeMap<FactName, BTreeSet<SystemId>>,
    conditions: Vec<&'p Condition>,
}

impl<'p> Wanted<'p> {
    /// What these policies look at.
    pub(super) fn by(policies: impl Iterator<Item = &'p Policy>) -> Self {
        let mut systems: BTreeMap<FactName, BTreeSet<SystemId>> = BTreeMap::new();
        let conditions: Vec<&Condition> = policies.flat_map(Policy::conditions).collect();
        for condition in &conditions {
            let known = systems.entry(condition.fact).or_default();
            // Codes are sorted by their system.
            let mut codes = condition.codes();
            while let Some(first) = codes.first() {
                known.insert(first.system);
                codes = codes.get(codes.partition_point(|code| code.system <= first.system)..).unwrap_or_default();
            }
        }
        Self { systems, conditions }
    }

    /// Whether a condition names the fact.
    pub(super) fn names(&self, fact: FactName) -> bool {
        self.systems.contains_key(&fact)
    }

    /// Whether a condition names this code of the fact.
    fn looks_for(&self, fact: FactName, code: &Coding) -> bool {
        let mut conditions = self.conditions.iter().filter(|condition| condition.fact == fact);
        conditions.any(|condition| condition.codes().binary_search(code).is_ok())
    }

    /// Whether a code is in a system that conditions compare the fact with.
    fn compares(&self, fact: FactName, code: &Coding) -> bool {
        self.systems.get(&fact).is_some_and(|systems| systems.contains(&code.system))
    }
}

/// Codes of a fact beyond which those that no condition names are left out: each is compared in every case.
const MOST_CODES: usize = 64;

/// Codes that were read of a fact, and what of it was not.
pub(super) struct Codes<'s> {
    fact: FactName,
    set: &'s PolicySet,
    read: Vec<Coding>,
    open: bool,
    failed: Option<Why>,
    /// The resources that were looked at, by their places in the index.
    seen: BTreeSet<usize>,
}

impl<'s> Codes<'s> {
    /// Nothing yet of a fact.
    pub(super) fn of(fact: FactName, set: &'s PolicySet) -> Self {
        Self { fact, set, read: Vec::new(), open: false, failed: None, seen: BTreeSet::new() }
    }

    /// Codes of something that is one part of the fact. Without one that can be compared it is not read: it may be anything.
    pub(super) fn one_of(&mut self, codes: impl IntoIterator<Item = Coding>, wanted: &Wanted<'_>) {
        let before = self.read.len();
        self.read.extend(codes);
        let new = self.read.get(before..).unwrap_or_default();
        if !new.iter().any(|code| wanted.compares(self.fact, code)) {
            self.open = true;
        }
    }

    /// Whether one of these codes can be compared.
    pub(super) fn can_compare(&self, codes: &[Coding], wanted: &Wanted<'_>) -> bool {
        codes.iter().any(|code| wanted.compares(self.fact, code))
    }

    /// The codes of concepts that are names of one thing.
    pub(super) fn concept<'v>(&mut self, concepts: impl IntoIterator<Item = &'v Value>, wanted: &Wanted<'_>) {
        let set = self.set;
        self.one_of(concepts.into_iter().flat_map(|concept| codings(concept, set)), wanted);
    }

    /// Codes that are said beside what the fact rests on.
    pub(super) fn also(&mut self, codes: impl IntoIterator<Item = Coding>) {
        self.read.extend(codes);
    }

    /// What a place says of the fact. Without a code it is not read: it may say anything.
    pub(super) fn place(&mut self, codes: Vec<Coding>) {
        self.open |= codes.is_empty();
        self.read.extend(codes);
    }

    /// Something that the fact rests on was not sent, or says nothing that can be compared.
    pub(super) fn unread(&mut self) {
        self.open = true;
    }

    /// Something that the fact rests on could not be had.
    pub(super) fn failed(&mut self, why: Why) {
        self.failed = Some(why);
    }

    /// The resource that the fact rests on, where it was found; else the fact is open. Each is given once, however often it is
    /// referred to.
    pub(super) fn found<'r, 'k>(&mut self, found: Found<Resolved<'r, 'k>>) -> Option<Resolved<'r, 'k>> {
        match found {
            Found::Is(resource) => return self.seen.insert(resource.at.place()).then_some(resource),
            Found::Failed(why) => self.failed(why),
            Found::Nothing | Found::Unsaid => self.unread(),
        }
        None
    }

    /// Whether something was not read.
    pub(super) fn is_open(&self) -> bool {
        self.open || self.failed.is_some()
    }

    /// Whether no code was read.
    pub(super) fn is_empty(&self) -> bool {
        self.read.is_empty()
    }

    /// The fact of which several codes may be true.
    pub(super) fn into_fact(self, wanted: &Wanted<'_>) -> Fact<Vec<Coding>> {
        let (open, failed, fact) = (self.is_open(), self.failed, self.fact);
        let mut codes = self.sorted();
        if codes.len() > MOST_CODES {
            codes.retain(|code| wanted.looks_for(fact, code));
        }
        match (codes.is_empty(), failed) {
            (_, None) if !open => Fact::Known(codes),
            (false, _) => Fact::Partial(codes, failed),
            (true, Some(why)) => Fact::Unavailable(why),
            (true, None) => Fact::Absent,
        }
    }

    /// The fact of which one code alone is true: whatever was not read could say another.
    pub(super) fn into_single(self) -> Fact<Vec<Coding>> {
        let (open, failed) = (self.is_open(), self.failed);
        let codes = self.sorted();
        match failed {
            Some(why) => Fact::Unavailable(why),
            None if !open && codes.len() == 1 => Fact::Known(codes),
            None => Fact::Absent,
        }
    }

    fn sorted(self) -> Vec<Coding> {
        let mut codes = self.read;
        codes.sort_unstable();
        codes.dedup();
        codes
    }
}

/// The versions of policies that may speak of an order by its codes, each once.
pub(super) fn may_speak<'s>(facts: &Facts, set: &'s PolicySet) -> Vec<&'s Policy> {
    let codes = facts.codes.iter().chain(&facts.billing_options);
    let mut found: Vec<&Policy> = codes.flat_map(|code| set.policies_of(code)).collect();
    found.sort_by_key(|policy| (&policy.number, &policy.version));
    found.dedup_by(|one, other| std::ptr::eq(*one, *other));
    found
}
