//! The worlds that the facts leave open: one for each way in which what is missing could turn out.
//!
//! In a world everything is known, so exactly one rule holds. What is the same in all worlds is the answer, whatever is
//! missing; where they differ, comparing worlds that differ in one thing only tells which things matter.

use jiff::civil::Date;

use super::condition;
use super::facts::{Fact, Facts};
use crate::policy::model::{Case, Coding, FactName, Hits, Policy, PolicySet};

/// More worlds than this are not looked at: the answer is then technical (FAULTS P05).
const MOST_WORLDS: usize = 10_000;

/// One thing that is not known, and how it could turn out.
enum Open<'p> {
    Day(Vec<Date>),
    Policy(Vec<Option<&'p str>>),
    Fact(FactName, Vec<&'p [Coding]>),
}

impl Open<'_> {
    fn ways(&self) -> usize {
        match self {
            Self::Day(days) => days.len(),
            Self::Policy(policies) => policies.len(),
            Self::Fact(_, values) => values.len(),
        }
    }

    fn fact(&self) -> FactName {
        match self {
            Self::Day(_) => FactName::Date,
            Self::Policy(_) => FactName::Code,
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
}

/// All the worlds of an order and a code.
pub struct Worlds<'p> {
    /// The world in which everything turns out the first way.
    pub first: World<'p>,
    open: Vec<Open<'p>>,
    /// In mixed radix: the last open thing turns fastest.
    worlds: Vec<World<'p>>,
}

impl<'p> Worlds<'p> {
    /// Every way the missing facts could turn out, or `None` if there are too many.
    pub fn of(facts: &Facts, hits: &'p Hits, set: &'p PolicySet) -> Option<Self> {
        let mut open = Vec::new();
        let families = families(hits, facts, set);
        let days = turning_days(facts, &families, set);
        let versions: Vec<&Policy> = families
            .iter()
            .flatten()
            .filter_map(|number| set.policies.get(*number))
            .flatten()
            .filter(|policy| days.iter().any(|day| policy.in_force(*day)))
            .collect();
        for name in [FactName::Setting, FactName::Plan, FactName::Diagnosis] {
            if matches!(facts.get(name), Fact::Known(_)) {
                continue;
            }
            let mut values: Vec<&[Coding]> = Vec::new();
            for value in versions.iter().filter_map(|policy| policy.domains.get(&name)).flatten() {
                if !values.contains(&value.as_slice()) {
                    values.push(value);
                }
            }
            if !values.is_empty() {
                open.push(Open::Fact(name, values));
            }
        }
        open.push(Open::Policy(families));
        open.push(Open::Day(days));
        let count = open.iter().try_fold(1_usize, |count, open| count.checked_mul(open.ways()))?;
        if count > MOST_WORLDS {
            return None;
        }
        let worlds: Vec<World<'_>> = (0..count).map(|index| world(index, &open, facts, set)).collect();
        Some(Self { first: *worlds.first()?, open, worlds })
    }

    /// The worlds.
    pub fn iter(&self) -> impl Iterator<Item = World<'p>> + '_ {
        self.worlds.iter().copied()
    }

    /// The open facts.
    pub fn missing(&self) -> impl Iterator<Item = FactName> + '_ {
        self.open.iter().filter(|open| open.ways() > 1).map(Open::fact)
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

/// The policies that may speak: by their numbers, none where no policy does.
fn families<'p>(hits: &'p Hits, facts: &Facts, set: &'p PolicySet) -> Vec<Option<&'p str>> {
    if hits.exact.is_empty() {
        return hits.wider.iter().map(|number| Some(&**number)).chain(std::iter::once(None)).collect();
    }
    // `policy::check` lets scopes meet only where an order of precedence is written.
    let precedence = |number: &str| {
        let versions = set.policies.get(number).map(Vec::as_slice).unwrap_or_default();
        let in_force = versions.iter().filter(|policy| policy.in_force(facts.days.first));
        in_force.map(|policy| policy.precedence.unwrap_or(u32::MAX)).min().map_or((1, u32::MAX), |rank| (0, rank))
    };
    let first = hits.exact.iter().min_by_key(|number| (precedence(number), (*number).clone()));
    first.map(|number| Some(&**number)).into_iter().collect()
}

/// The days that could make a difference: the first, and each later one on which something begins or has just ended.
fn turning_days(facts: &Facts, families: &[Option<&str>], set: &PolicySet) -> Vec<Date> {
    let mut days = vec![facts.days.first];
    let versions = families.iter().flatten().filter_map(|number| set.policies.get(*number)).flatten();
    let periods = versions.map(|policy| policy.effective).chain([(facts.coverage.start, facts.coverage.end)]);
    for (start, end) in periods {
        days.extend(start);
        days.extend(end.and_then(|end| end.tomorrow().ok()));
    }
    days.retain(|day| facts.days.first <= *day && *day <= facts.days.last);
    days.sort_unstable();
    days.dedup();
    days
}

fn world<'p>(mut index: usize, open: &[Open<'p>], facts: &Facts, set: &'p PolicySet) -> World<'p> {
    let (mut day, mut family, mut assumed) = (facts.days.first, None, Vec::new());
    for open in open.iter().rev() {
        let way = index % open.ways().max(1);
        index /= open.ways().max(1);
        match open {
            Open::Day(days) => day = days.get(way).copied().unwrap_or(day),
            Open::Policy(policies) => family = policies.get(way).copied().flatten(),
            Open::Fact(name, values) => assumed.push((*name, values.get(way).copied().unwrap_or_default())),
        }
    }
    let rule = &set.default_rule;
    if !facts.coverage.on(day) {
        return World { policy: None, case: &rule.coverage_not_active };
    }
    let versions = family.and_then(|number| set.policies.get(number)).map(Vec::as_slice).unwrap_or_default();
    let Some(policy) = versions.iter().find(|policy| policy.in_force(day)) else {
        return World { policy: None, case: &rule.no_policy };
    };
    let value = |name: FactName| match facts.get(name) {
        Fact::Known(codes) => codes.as_slice(),
        Fact::Absent | Fact::Unavailable(_) => {
            assumed.iter().find(|(assumed, _)| *assumed == name).map(|(_, codes)| *codes).unwrap_or_default()
        }
    };
    let holding = policy.cases.iter().filter(|case| condition::all_known(&case.action.conditions, value));
    // A loaded set has exactly one. Should that ever fail: the more restrictive of several (P04), technical for none.
    match holding.max_by_key(|case| (case.outcome.covered, case.outcome.pa_needed)) {
        Some(case) => World { policy: Some(policy), case },
        None => World { policy: None, case: &rule.technical },
    }
}
