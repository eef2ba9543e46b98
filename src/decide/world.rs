//! The worlds that the facts leave open: one for each way in which what is missing could turn out.
//!
//! In a world everything is known, so exactly one rule holds. What is the same in all worlds is the answer, whatever is
//! missing; where they differ, comparing worlds that differ in one thing only tells which things matter.

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::civil::Date;

use super::condition;
use super::facts::{Cover, Fact, Facts};
use crate::policy::model::{Case, FactName, Hits, NO_CODES, Policy, PolicySet, Value};

/// More worlds than this are not looked at: the answer is then technical (FAULTS P05).
const MOST_WORLDS: usize = 10_000;

/// One thing that is not known, and how it could turn out.
enum Open<'p> {
    Day(Vec<Date>),
    Meaning(Vec<Meaning<'p>>),
    Fact(FactName, Vec<Cow<'p, Value>>),
}

/// What the ordered codes may mean.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning<'p> {
    /// What the policy that names them speaks of.
    Exactly,
    /// What this policy speaks of, where several name them and no precedence says which one speaks.
    OneOfSeveral(&'p str),
    /// What this policy speaks of, though no code says so.
    Narrower(&'p str),
    /// Nothing that a policy speaks of.
    Nothing,
}

impl Open<'_> {
    fn ways(&self) -> usize {
        match self {
            Self::Day(days) => days.len(),
            Self::Meaning(meanings) => meanings.len(),
            Self::Fact(_, values) => values.len(),
        }
    }

    fn fact(&self) -> FactName {
        match self {
            Self::Day(_) => FactName::Date,
            Self::Meaning(_) => FactName::Code,
            Self::Fact(name, _) => *name,
        }
    }
}

/// The rule that holds in a world.
#[derive(Debug, Clone, Copy)]
pub struct World<'p> {
    /// The policy version that speaks, or none.
    pub policy: Option<&'p Policy>,
    /// The case that holds.
    pub case: &'p Case,
    /// The day, by its place in [`Worlds::days`].
    pub day: usize,
}

/// All the worlds of an order and a code.
pub struct Worlds<'p> {
    /// The world in which everything turns out the first way.
    pub first: World<'p>,
    /// The days on which something could change; on each, all days up to the next are meant.
    pub days: Vec<Date>,
    open: Vec<Open<'p>>,
    /// In mixed radix: the last open thing turns fastest.
    worlds: Vec<World<'p>>,
}

impl<'p> Worlds<'p> {
    /// Every way the missing facts could turn out, or `None` if there are too many.
    pub fn of(facts: &Facts, hits: &Hits, set: &'p PolicySet) -> Option<Self> {
        let versions = versions(hits, set);
        let days = turning_days(facts, &versions);
        let speaking = days.iter().map(|day| speaking(hits, &versions, *day)).collect::<Vec<_>>();
        let mut open = Vec::new();
        for name in FactName::CONDITIONS {
            if matches!(facts.get(name), Fact::Known(_)) {
                continue;
            }
            let mut values: Vec<Cow<'_, Value>> = Vec::new();
            let in_force = versions.iter().filter(|policy| days.iter().any(|day| policy.in_force(*day)));
            for value in in_force.filter_map(|policy| policy.domains.get(&name)).flatten() {
                let value = with_what_is_known(value, facts.get(name));
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            if !values.is_empty() {
                open.push(Open::Fact(name, values));
            }
        }
        open.push(Open::Meaning(meanings(hits, &versions, &speaking)));
        open.push(Open::Day(days.clone()));
        let count = open.iter().try_fold(1_usize, |count, open| count.checked_mul(open.ways()))?;
        if count > MOST_WORLDS {
            return None;
        }
        let worlds = (0..count).map(|index| world(index, &open, facts, &speaking, set));
        let worlds: Vec<World<'_>> = worlds.collect();
        Some(Self { first: *worlds.first()?, days, open, worlds })
    }

    /// The worlds.
    pub fn iter(&self) -> impl Iterator<Item = World<'p>> + '_ {
        self.worlds.iter().copied()
    }

    /// The open facts.
    pub fn missing(&self) -> impl Iterator<Item = FactName> + '_ {
        self.open.iter().filter(|open| open.ways() > 1).map(Open::fact)
    }

    /// Whether several policies name the codes, and which of them speaks is open.
    pub fn has_several_speakers(&self) -> bool {
        self.open
            .iter()
            .any(|open| matches!(open, Open::Meaning(all) if matches!(**all, [Meaning::OneOfSeveral(_), ..])))
    }

    /// The facts that `aspect` depends on: two worlds that differ in that fact alone say different things.
    pub fn depends<T: PartialEq>(&self, aspect: impl Fn(World<'p>) -> T) -> Vec<FactName> {
        let mut stride = self.worlds.len();
        let mut found = Vec::new();
        for open in &self.open {
            let ways = open.ways().max(1);
            let inner = stride / ways;
            let differs = self.worlds.chunks(stride).any(|block| {
                block
                    .iter()
                    .enumerate()
                    .any(|(index, world)| block.get(index % inner).is_some_and(|base| aspect(*base) != aspect(*world)))
            });
            if differs {
                found.push(open.fact());
            }
            stride = inner;
        }
        found
    }
}

/// The policy versions that the code may mean.
fn versions<'p>(hits: &Hits, set: &'p PolicySet) -> Vec<&'p Policy> {
    let places = if hits.exact.is_empty() { &hits.wider } else { &hits.exact };
    places.iter().filter_map(|(number, place)| set.policies.get(number)?.get(*place)).collect()
}

/// The versions that may speak on a day, by number. Of those that name the code, one that another one comes before does not;
/// two of which one has no precedence are in no order.
fn speaking<'p>(hits: &Hits, versions: &[&'p Policy], day: Date) -> Vec<&'p Policy> {
    let in_force = || versions.iter().filter(|policy| policy.in_force(day)).copied();
    let first = in_force().filter_map(|policy| policy.precedence).min();
    let comes_later = |policy: &Policy| !hits.exact.is_empty() && policy.precedence.is_some_and(|it| Some(it) != first);
    let mut speaking: Vec<&Policy> = in_force().filter(|policy| !comes_later(policy)).collect();
    speaking.sort_by(|one, other| one.number.cmp(&other.number));
    speaking
}

/// What the codes may mean: `speaking` are the versions that may speak, for each day.
fn meanings<'p>(hits: &Hits, versions: &[&'p Policy], speaking: &[Vec<&'p Policy>]) -> Vec<Meaning<'p>> {
    let numbers = |policies: &mut dyn Iterator<Item = &&'p Policy>| -> BTreeSet<&'p str> {
        policies.map(|policy| &*policy.number).collect()
    };
    if hits.exact.is_empty() && !hits.wider.is_empty() {
        let numbers = numbers(&mut versions.iter());
        return numbers.into_iter().map(Meaning::Narrower).chain([Meaning::Nothing]).collect();
    }
    let several = numbers(&mut speaking.iter().filter(|policies| policies.len() > 1).flatten());
    if several.is_empty() { vec![Meaning::Exactly] } else { several.into_iter().map(Meaning::OneOfSeveral).collect() }
}

/// The days that could make a difference: the first, and each later one on which something begins or has just ended.
fn turning_days(facts: &Facts, versions: &[&Policy]) -> Vec<Date> {
    let mut days = vec![facts.days.first];
    let coverage = match facts.coverage {
        Cover::Is(in_force) => (in_force.start, in_force.end),
        _ => (None, None),
    };
    let periods = versions.iter().map(|policy| policy.effective).chain([coverage]);
    for (start, end) in periods {
        days.extend(start);
        days.extend(end.and_then(|end| end.tomorrow().ok()));
    }
    days.retain(|day| facts.days.first <= *day && *day <= facts.days.last);
    days.sort_unstable();
    days.dedup();
    days
}

/// A value that a fact may turn out to have: what is known of it is part of it, however the rest turns out.
fn with_what_is_known<'p>(value: &'p Value, fact: &Fact<Value>) -> Cow<'p, Value> {
    let (Fact::Partial(Value::Codes(known), _), Value::Codes(codes)) = (fact, value) else {
        return Cow::Borrowed(value);
    };
    let mut all: Vec<_> = codes.iter().chain(known).cloned().collect();
    all.sort_unstable();
    all.dedup();
    Cow::Owned(Value::Codes(all))
}

fn world<'p>(
    mut index: usize,
    open: &[Open<'p>],
    facts: &Facts,
    speaking: &[Vec<&'p Policy>],
    set: &'p PolicySet,
) -> World<'p> {
    let (mut day, mut meaning, mut assumed) = ((0, facts.days.first), Meaning::Exactly, Vec::new());
    for open in open.iter().rev() {
        let way = index % open.ways().max(1);
        index /= open.ways().max(1);
        match open {
            Open::Day(days) => day = (way, days.get(way).copied().unwrap_or(day.1)),
            Open::Meaning(meanings) => meaning = meanings.get(way).copied().unwrap_or(meaning),
            Open::Fact(name, values) => assumed.push((*name, values.get(way).map_or(&NO_CODES, Cow::as_ref))),
        }
    }
    let rule = &set.default_rule;
    let of = |policy, case| World { policy, case, day: day.0 };
    if !facts.in_force(day.1) {
        return of(None, &rule.coverage_not_active);
    }
    let mut speaking = speaking.get(day.0).into_iter().flatten().copied();
    let first = match meaning {
        Meaning::Exactly => speaking.next(),
        Meaning::Narrower(number) => speaking.find(|policy| *policy.number == *number),
        Meaning::Nothing => None,
        // On a day on which it is none of those that may speak, what else speaks is not said by it.
        Meaning::OneOfSeveral(number) => {
            speaking.clone().find(|policy| *policy.number == *number).or_else(|| speaking.next())
        }
    };
    let Some(policy) = first else {
        return of(None, &rule.no_policy);
    };
    let value = |name: FactName| match facts.get(name) {
        Fact::Known(value) => value,
        Fact::Partial(..) | Fact::Absent | Fact::Unavailable(_) => {
            assumed.iter().find(|(assumed, _)| *assumed == name).map_or(&NO_CODES, |(_, value)| *value)
        }
    };
    let holding = policy.cases.iter().filter(|case| condition::all_known(&case.action.conditions, value));
    // A loaded set has exactly one. Should that ever fail: the more restrictive of several (P04), technical for none.
    match holding.max_by_key(|case| (case.outcome.covered, case.outcome.pa_needed)) {
        Some(case) => of(Some(policy), case),
        None => of(None, &rule.technical),
    }
}
