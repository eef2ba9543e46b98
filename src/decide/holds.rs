//! Says when something holds that a policy says in some worlds and not in others.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::determination::Holds;
use super::world::{World, Worlds};
use crate::policy::model::{Action, Policy};

/// The actions of all worlds in the order they are met, each with its policy and when it holds.
pub(super) fn actions<'p>(worlds: &Worlds<'p>) -> Vec<(Option<&'p Policy>, &'p Action, Holds<'p>)> {
    let mut found: Vec<(Option<&Policy>, &Action, Holds<'_>)> = Vec::new();
    for world in worlds.iter() {
        for action in scope(world).into_iter().chain([&world.case.action]) {
            if !found.iter().any(|(_, seen, _)| std::ptr::eq(*seen, action)) {
                found.push((world.policy, action, holds(action, world, worlds)));
            }
        }
    }
    found
}

fn scope(world: World<'_>) -> Option<&Action> {
    world.policy.map(|policy| &policy.scope)
}

fn holds<'p>(action: &'p Action, world: World<'p>, worlds: &Worlds<'p>) -> Holds<'p> {
    let is = |other: World<'_>| {
        std::ptr::eq(&raw const other.case.action, action) || scope(other).is_some_and(|it| std::ptr::eq(it, action))
    };
    if worlds.iter().all(is) {
        return Holds::Always;
    }
    let Some(policy) = world.policy else { return Holds::Otherwise };
    let of_policy = || worlds.iter().filter(|other| other.policy.is_some_and(|other| std::ptr::eq(other, policy)));
    let days_here: BTreeSet<usize> = of_policy().map(|world| world.day).collect();
    let speaks = |other: World<'_>| other.policy.is_some_and(|other| std::ptr::eq(other, policy));
    // On each day on which the policy may speak: it does, whatever the code means.
    let of_code = worlds.iter().all(|other| !days_here.contains(&other.day) || speaks(other));
    let code = (!of_code).then(|| match policy.scope.when.as_deref().filter(|_| !worlds.has_several_speakers()) {
        Some(when) => Cow::Borrowed(when),
        None => Cow::Owned(format!("policy {} is the one that applies", policy.number)),
    });
    let other_days = worlds.iter().any(|other| !days_here.contains(&other.day));
    let day = other_days.then(|| Cow::Owned(days(days_here, worlds)));
    let case = action.when.as_deref().filter(|_| !of_policy().all(is)).map(Cow::Borrowed);
    Holds::If { conditions: code.into_iter().chain(day).chain(case).collect(), of_code }
}

/// The days of some places of [`Worlds::days`], in words: `performed on or after 2027-01-01`.
fn days(places: BTreeSet<usize>, worlds: &Worlds<'_>) -> String {
    let starts = places.iter().filter(|place| place.checked_sub(1).is_none_or(|before| !places.contains(&before)));
    let spans = starts.map(|start| {
        let end = (*start..).find(|place| !places.contains(place)).unwrap_or_default();
        let from = worlds.days.get(*start).filter(|_| *start > 0);
        let before = worlds.days.get(end);
        match (from, before) {
            (Some(from), Some(before)) => format!("from {from} and before {before}"),
            (Some(from), None) => format!("on or after {from}"),
            (None, Some(before)) => format!("before {before}"),
            (None, None) => "at any time".to_owned(),
        }
    });
    format!("performed {}", spans.collect::<Vec<_>>().join(" or "))
}
