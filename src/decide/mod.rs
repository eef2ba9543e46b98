//! Decides what is known of an order against the policies: the pure heart, without I/O, clock or JSON.
//!
//! What is missing is computed, never written by hand: see `world`.

pub mod condition;
pub mod determination;
pub mod facts;
mod holds;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use determination::{
    Candidate, Covered, Determination, Documentation, Held, Holds, InfoNeeded, Needs, PaNeeded, Reasons, Shown, Trace,
};
use facts::{Cover, Fact, Facts};
use jiff::civil::Date;
use world::{World, Worlds};

use crate::policy::model::{
    self, Action, Case, Coding, DocNeeded, DocPurpose, FactName, Hits, Policy, PolicySet, Value,
};

/// One determination for each distinct billing code of the order; one without a code where it has none.
#[must_use]
pub fn decide<'p>(facts: &Facts, set: &'p PolicySet) -> Vec<Determination<'p>> {
    if !facts.to_be_performed {
        return vec![settled(None, &set.default_rule.not_to_be_performed, [])];
    }
    let (own, others): (Vec<&Coding>, Vec<&Coding>) = facts.codes.iter().partition(|code| set.is_billing(code));
    let mut seen = BTreeSet::new();
    let billing = own.into_iter().chain(&facts.billing_options).filter(|code| seen.insert(*code));
    let billing: Vec<&Coding> = billing.collect();
    if let Some(case) = no_coverage(facts, set) {
        let codes: Vec<_> = billing.into_iter().map(Some).collect();
        let codes = if codes.is_empty() { vec![None] } else { codes };
        return codes.into_iter().map(|code| settled(code, case, [])).collect();
    }
    let by_code = ByCode::of(facts);
    if facts.unread.is_some() {
        return vec![settled(None, &set.default_rule.technical, [])];
    }
    if !billing.is_empty() {
        let named: Vec<&Coding> = others.into_iter().filter(|code| names_policy(code, set)).collect();
        let one = |code| one(facts, &by_code, set, &Ordered { billing: Some(code), codes: vec![code], named: &named });
        return billing.into_iter().map(one).collect();
    }
    if facts.codes.is_empty() {
        return vec![settled(None, &set.default_rule.code_not_specific, [InfoNeeded::DetailCode])];
    }
    vec![one(facts, &by_code, set, &Ordered { billing: None, codes: others, named: &[] })]
}

/// Whether a policy names this very code.
fn names_policy(code: &Coding, set: &PolicySet) -> bool {
    set.index.get(code).is_some_and(|hits| !hits.exact.is_empty())
}

/// What one determination is about: names of one service.
struct Ordered<'f> {
    /// The billing code it is limited to.
    billing: Option<&'f Coding>,
    /// That code, or all codes of an order without one.
    codes: Vec<&'f Coding>,
    /// Beside a billing code: the order's codes that are not billed and that a policy names.
    named: &'f [&'f Coding],
}

impl<'f> Ordered<'f> {
    fn all(&self) -> impl Iterator<Item = &'f Coding> + '_ {
        self.codes.iter().chain(self.named).copied()
    }
}

/// What of the facts is looked up by a code: indexed once for all determinations of an order.
struct ByCode<'f> {
    /// Places in [`Facts::authorized`].
    authorized: BTreeMap<&'f Coding, Vec<usize>>,
    /// Places in [`Facts::companions`].
    companions: BTreeMap<&'f Coding, Vec<usize>>,
}

impl<'f> ByCode<'f> {
    fn of(facts: &'f Facts) -> Self {
        fn index<'f>(codes: impl Iterator<Item = &'f Vec<Coding>>) -> BTreeMap<&'f Coding, Vec<usize>> {
            let mut index: BTreeMap<&Coding, Vec<usize>> = BTreeMap::new();
            for (place, codes) in codes.enumerate() {
                codes.iter().for_each(|code| index.entry(code).or_default().push(place));
            }
            index
        }
        Self {
            authorized: index(facts.authorized.iter().map(|authorized| &authorized.codes)),
            companions: index(facts.companions.iter().map(|companion| &companion.codes)),
        }
    }
}

/// What is said where there is no coverage of ours that the order could rest on, whatever is ordered.
fn no_coverage<'p>(facts: &Facts, set: &'p PolicySet) -> Option<&'p Case> {
    match facts.coverage {
        Cover::Is(_) => None,
        Cover::PersonUnknown => Some(&set.default_rule.no_member_found),
        Cover::CoverageUnknown => Some(&set.default_rule.coverage_not_found),
        Cover::Unavailable(_) => Some(&set.default_rule.technical),
    }
}

/// The determination for one service, by its names in one or several code systems.
fn one<'p>(facts: &Facts, by_code: &ByCode<'_>, set: &'p PolicySet, ordered: &Ordered<'_>) -> Determination<'p> {
    let billing = ordered.billing;
    let Some(worlds) = Worlds::of(facts, &hits(ordered, set), set) else {
        return settled(billing, &set.default_rule.technical, []);
    };
    let covered = aspect(facts, &worlds, |world| Some(world.case.outcome.covered));
    // Where the service is a benefit in some worlds only, authorisation matters in those alone.
    let only_not_covered = worlds.iter().all(|world| world.case.outcome.covered == model::Covered::NotCovered);
    let pa_needed = aspect(facts, &worlds, |world| match world.case.outcome.covered {
        model::Covered::NotCovered if !only_not_covered => None,
        _ => Some(world.case.outcome.pa_needed),
    });
    let documents = aspect(facts, &worlds, |world| Some(&world.case.outcome.doc_needed));
    if covered.unavailable {
        let mut determination = settled(billing, &set.default_rule.technical, []);
        determination.trace = trace(facts, ordered, &worlds);
        return determination;
    }
    // What could not be had matters beside a decision that stands; that it is no benefit needs no more.
    let authorized =
        authorized(facts, by_code, &ordered.codes).filter(|_| pa_needed.same != Some(Some(model::PaNeeded::NoAuth)));
    let authorized = authorized.filter(|_| covered.same != Some(model::Covered::NotCovered));
    let unsure = authorized.is_none() && pa_needed.unavailable;
    let lost = documents.unavailable;
    let mut documentation = documentation(documents, &covered, &worlds);
    if authorized.is_some() {
        documentation = documentation.and_then(without_request);
    }
    let beside = (unsure || lost && documentation.is_some()) && !only_not_covered;
    Determination {
        billing_code: billing.cloned(),
        covered: covered_of(covered.same, &covered.needs()),
        pa_needed: match authorized {
            Some(number) => Some(PaNeeded::Satisfied(number)),
            None if pa_needed.unavailable => Some(PaNeeded::Indeterminate),
            None => pa_needed_of(pa_needed.same, &pa_needed.needs_beside(&covered)),
        },
        documentation,
        reasons: reasons(&worlds, beside.then_some(&set.default_rule.technical)),
        details: held(&worlds, |action| &action.details),
        dependencies: dependencies(facts, by_code, &worlds),
        expiry: expiry(facts, &worlds),
        shown: shown(facts, &worlds),
        trace: trace(facts, ordered, &worlds),
    }
}

/// Documentation where authorisation stands: there is no request any more that documents could go with (crd-ci-q4), and what
/// was for nothing else is not needed.
fn without_request(mut documentation: Documentation) -> Option<Documentation> {
    let before = documentation.purposes.len();
    documentation.purposes.retain(|purpose| *purpose != DocPurpose::WithPa);
    (!documentation.purposes.is_empty() || before == 0).then_some(documentation)
}

/// What the codes may mean to the policies, all of them together. One that a policy names says more than one that is wider.
fn hits(ordered: &Ordered<'_>, set: &PolicySet) -> Hits {
    let mut all = Hits::default();
    for found in ordered.all().filter_map(|code| set.index.get(code)) {
        all.exact.extend(found.exact.iter().cloned());
        all.wider.extend(found.wider.iter().cloned());
    }
    for versions in [&mut all.exact, &mut all.wider] {
        versions.sort_unstable();
        versions.dedup();
    }
    all
}

/// One aspect of the outcome over all worlds.
struct Aspect<T> {
    /// What every world says, if they agree. Worlds in which it does not matter say nothing.
    same: Option<T>,
    /// The facts it depends on.
    depends: Vec<FactName>,
    /// One of those could not be had.
    unavailable: bool,
}

fn aspect<'p, T: PartialEq>(facts: &Facts, worlds: &Worlds<'p>, of: impl Fn(World<'p>) -> Option<T>) -> Aspect<T> {
    let mut said = worlds.iter().filter_map(&of);
    let same = said.next().filter(|first| said.all(|next| next == *first));
    if same.is_some() {
        return Aspect { same, depends: Vec::new(), unavailable: false };
    }
    let depends = worlds.depends(&of);
    let unavailable = depends.iter().any(|name| facts.get(*name).failed().is_some());
    Aspect { same, depends, unavailable }
}

impl<T> Aspect<T> {
    fn needs(&self) -> Needs {
        Needs::new(self.depends.iter().copied().map(InfoNeeded::of))
    }

    /// What a `conditional` needs that depends on nothing itself: what coverage depends on.
    fn needs_beside(&self, covered: &Aspect<model::Covered>) -> Needs {
        if self.depends.is_empty() { covered.needs() } else { self.needs() }
    }
}

fn covered_of(same: Option<model::Covered>, needs: &Needs) -> Covered {
    match same {
        Some(model::Covered::Covered) => Covered::Covered,
        Some(model::Covered::NotCovered) => Covered::NotCovered,
        Some(model::Covered::Indeterminate) => Covered::Indeterminate,
        Some(model::Covered::Conditional) | None => Covered::Conditional(needs.clone()),
    }
}

fn pa_needed_of(same: Option<Option<model::PaNeeded>>, needs: &Needs) -> Option<PaNeeded> {
    Some(match same {
        Some(said) => match said? {
            model::PaNeeded::NoAuth => PaNeeded::NoAuth,
            model::PaNeeded::AuthNeeded => PaNeeded::AuthNeeded,
            model::PaNeeded::PerformPa => PaNeeded::PerformPa,
            model::PaNeeded::Indeterminate => PaNeeded::Indeterminate,
            model::PaNeeded::Conditional => PaNeeded::Conditional(needs.clone()),
        },
        None => PaNeeded::Conditional(needs.clone()),
    })
}

fn documentation(
    aspect: Aspect<&Vec<DocNeeded>>,
    covered: &Aspect<model::Covered>,
    worlds: &Worlds<'_>,
) -> Option<Documentation> {
    let open = if aspect.unavailable { DocNeeded::Indeterminate } else { DocNeeded::Conditional };
    let needed = aspect.same.map_or_else(|| vec![open], Clone::clone);
    if needed.is_empty() {
        return None;
    }
    let needs = needed.contains(&DocNeeded::Conditional).then(|| aspect.needs_beside(covered));
    let outcomes = || worlds.iter().map(|world| &world.case.outcome);
    let purposes: BTreeSet<_> = outcomes().flat_map(|outcome| &outcome.doc_purpose).copied().collect();
    let questionnaires: BTreeSet<_> = outcomes().flat_map(|outcome| &outcome.questionnaires).cloned().collect();
    let (purposes, questionnaires) = (purposes.into_iter().collect(), questionnaires.into_iter().collect());
    Some(Documentation { needed, needs, purposes, questionnaires })
}

fn held<'p, T>(worlds: &Worlds<'p>, of: impl Fn(&'p Action) -> &'p [T]) -> Vec<Held<'p, T>> {
    let actions = holds::actions(worlds).into_iter();
    actions
        .flat_map(|(_, action, holds)| of(action).iter().map(move |what| Held { what, holds: holds.clone() }))
        .collect()
}

/// The reasons of all worlds, and why something beside them could not be said.
fn reasons<'p>(worlds: &Worlds<'p>, beside: Option<&'p Case>) -> Reasons<'p> {
    let always = |case: &'p Case| Held { what: &case.why, holds: Holds::Always };
    let mut all = held(worlds, |action| &action.reasons).into_iter();
    let first = all.next().unwrap_or_else(|| always(worlds.first.case));
    Reasons::new(first, all.chain(beside.map(always)).collect())
}

/// The number of an authorisation that stands for one of these codes on all the days the service may be done.
fn authorized(facts: &Facts, by_code: &ByCode<'_>, codes: &[&Coding]) -> Option<String> {
    let stands = |code: &&Coding| {
        let places = by_code.authorized.get(*code)?;
        places.iter().filter_map(|place| facts.authorized.get(*place)).find(|it| it.is_for(code, facts.days))
    };
    codes.iter().find_map(stands).map(|authorized| authorized.number.clone())
}

/// The other orders of the request that some world depends on.
fn dependencies(facts: &Facts, by_code: &ByCode<'_>, worlds: &Worlds<'_>) -> Vec<String> {
    let codes: BTreeSet<&Coding> = worlds.iter().flat_map(|world| &world.case.outcome.depends_on).collect();
    let places: BTreeSet<usize> =
        codes.into_iter().filter_map(|code| by_code.companions.get(code)).flatten().copied().collect();
    places.into_iter().filter_map(|place| Some(facts.companions.get(place)?.reference.clone())).collect()
}

/// The last day on which nothing that the answer rests on has changed.
fn expiry(facts: &Facts, worlds: &Worlds<'_>) -> Option<Date> {
    let outcomes = worlds.iter().filter_map(|world| world.case.outcome.expiry);
    let policies = worlds.iter().filter_map(|world| world.policy?.effective.1);
    let end = match facts.coverage {
        Cover::Is(in_force) => in_force.end,
        _ => None,
    };
    let coverage = worlds.iter().filter_map(|world| end.filter(|_| world.policy.is_some()));
    outcomes.chain(policies).chain(coverage).min()
}

fn shown<'p>(facts: &Facts, worlds: &Worlds<'p>) -> Vec<Shown<'p>> {
    let cards = holds::actions(worlds).into_iter().filter_map(|(policy, action, holds)| {
        let card = Held { what: action.card.as_ref()?, holds };
        let scope = policy.filter(|policy| std::ptr::eq(action, &raw const policy.scope));
        Some(Shown {
            action: &action.id,
            policy,
            card,
            paragraphs: scope.map(|policy| notes(facts, policy)).unwrap_or_default(),
        })
    });
    cards.collect()
}

/// The paragraphs of the notes that are known to hold, or of the groups none of whose notes is.
fn notes<'p>(facts: &Facts, policy: &'p Policy) -> Vec<(&'p str, &'p crate::policy::template::Template)> {
    let mut paragraphs = Vec::new();
    for group in &policy.notes {
        let holding =
            group.notes.iter().filter(|note| condition::all(&note.conditions, facts) == condition::Truth::True);
        let before = paragraphs.len();
        paragraphs.extend(holding.filter_map(|note| Some((&*note.id, note.paragraph.as_ref()?))));
        if paragraphs.len() == before {
            paragraphs.extend(group.fallback.as_ref().map(|text| (&*group.id, text)));
        }
    }
    paragraphs
}

fn trace<'p>(facts: &Facts, ordered: &Ordered<'_>, worlds: &Worlds<'p>) -> Trace<'p> {
    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    for world in worlds.iter() {
        let candidate = candidate(world.policy, world.case);
        if !candidates.contains(&candidate) {
            candidates.push(candidate);
        }
    }
    let mut trace = Trace { candidates, used: Vec::new(), modifiers: facts.modifiers.clone(), missing: Vec::new() };
    let policies: Vec<&Policy> = worlds.iter().filter_map(|world| world.policy).collect();
    let named = |name| policies.iter().flat_map(|policy| policy.conditions()).any(|condition| condition.fact == name);
    for name in FactName::CONDITIONS {
        match facts.get(name) {
            _ if !named(name) => {}
            Fact::Known(value) => trace.used.push((name, value.clone())),
            Fact::Partial(value, why) => {
                trace.used.push((name, value.clone()));
                trace.missing.push((name, why.is_some()));
            }
            Fact::Absent => trace.missing.push((name, false)),
            Fact::Unavailable(_) => trace.missing.push((name, true)),
        }
    }
    let open: BTreeSet<FactName> =
        worlds.missing().filter(|name| matches!(name, FactName::Code | FactName::Date)).collect();
    trace.missing.extend(open.into_iter().map(|name| (name, false)));
    trace.used.push((FactName::Code, Value::Codes(ordered.all().cloned().collect())));
    trace
}

fn candidate<'p>(policy: Option<&'p Policy>, case: &'p Case) -> Candidate<'p> {
    let scope = policy.and_then(|policy| policy.scope.passage.as_ref());
    Candidate {
        policy: policy.map_or("default", |policy| &policy.number),
        version: policy.map_or("", |policy| &policy.version),
        action: &case.action.id,
        passages: scope.into_iter().chain(&case.action.passage).collect(),
    }
}

/// A determination that one case of the default rule settles.
fn settled<'p>(
    billing: Option<&Coding>,
    case: &'p Case,
    needs: impl IntoIterator<Item = InfoNeeded>,
) -> Determination<'p> {
    fn held<T>(what: &T) -> Held<'_, T> {
        Held { what, holds: Holds::Always }
    }
    let needs = Needs::new(needs);
    Determination {
        billing_code: billing.cloned(),
        covered: covered_of(Some(case.outcome.covered), &needs),
        pa_needed: pa_needed_of(Some(case.outcome.pa_needed), &needs),
        documentation: None,
        reasons: Reasons::new(held(&case.why), case.action.reasons.iter().skip(1).map(held).collect()),
        details: case.action.details.iter().map(held).collect(),
        dependencies: Vec::new(),
        expiry: None,
        shown: Vec::new(),
        trace: Trace {
            candidates: vec![candidate(None, case)],
            used: Vec::new(),
            modifiers: Vec::new(),
            missing: Vec::new(),
        },
    }
}
