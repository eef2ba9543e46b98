//! Proves the cards of a set: that they fit where they are shown, that their links are safe, and that each is one thing.

use unicode_segmentation::UnicodeSegmentation;

use super::{LONGEST_SUMMARY, MAY_APPLY, THE_PLAN, THE_SERVICE, problem};
use crate::policy::load::Problem;
use crate::policy::model::{Action, Card, DetailValue, Policy, PolicySet};
use crate::policy::template::{Slot, Template};

/// The actions that may have a card.
pub(super) fn actions(policy: &Policy) -> impl Iterator<Item = &Action> {
    let notes = policy.notes.iter().flat_map(|group| &group.notes);
    std::iter::once(&policy.scope).chain(policy.cases.iter().map(|case| &case.action)).chain(notes)
}

/// Every card fits where it is shown, says which order it is about, and leads or offers to one kind of thing.
pub(super) fn fit(policy: &Policy, set: &PolicySet, problems: &mut Vec<Problem>) {
    for action in actions(policy) {
        for detail in &action.details {
            if matches!(&detail.value, DetailValue::Url(url) if !url.starts_with("https://")) {
                problems.push(problem(policy, format!("{}: detail", action.id), "is a link that is not https"));
            }
        }
        let Some(card) = &action.card else { continue };
        let at = |element: &str| format!("{}: {element}", action.id);
        if card.summary.has(Slot::Order) {
            problems.push(problem(policy, at("title"), "has {{order}}, whose length nobody knows"));
        }
        if card.detail.as_ref().is_none_or(|detail| !detail.has(Slot::Order)) {
            problems.push(problem(
                policy,
                at("description"),
                "lacks {{order}}: a card says which order it is about (dev-24)",
            ));
        }
        let longest = longest(&card.summary, policy, set) + MAY_APPLY.graphemes(true).count();
        if longest > LONGEST_SUMMARY {
            let what = format!("is {longest} characters with the longest filling, at most {LONGEST_SUMMARY}");
            problems.push(problem(policy, at("title"), what));
        }
        if card.links.iter().any(|link| !link.url.starts_with("https://")) {
            problems.push(problem(policy, at("links"), "one is not https"));
        }
        if kinds(card) > 1 {
            let what = "has more than one of links, apps and suggestions: each is a card of its own (resp-19, resp-72)";
            problems.push(problem(policy, at("card"), what));
        }
    }
}

/// Every link of what is published of a policy is https.
pub(super) fn published(policy: &Policy, problems: &mut Vec<Problem>) {
    let artifacts = policy.publication.iter().flat_map(|publication| publication.artifacts());
    for artifact in artifacts.filter(|it| it.url.as_ref().is_some_and(|url| !url.starts_with("https://"))) {
        problems.push(problem(policy, "library", format!("has a link that is not https: {}", artifact.label)));
    }
}

/// How many kinds of things a card leads or offers to.
fn kinds(card: &Card) -> usize {
    let links = |kind: &str| card.links.iter().any(|link| link.r#type == kind);
    [links("absolute"), links("smart"), !card.suggestions.is_empty()].into_iter().filter(|it| *it).count()
}

/// The cards that are about no order that was read have nothing to fill in.
pub(super) fn of_no_order(set: &PolicySet, problems: &mut Vec<Problem>) {
    let rule = &set.default_rule;
    for (name, card) in [("coverage-record", &rule.coverage_record), ("order-not-read", &rule.order_not_read)] {
        if let Some(card) = card {
            nothing_to_fill(name, card, problems);
        }
    }
}

fn nothing_to_fill(name: &str, card: &Card, problems: &mut Vec<Problem>) {
    let mut add = |element: &str, what: &str| {
        let (file, element) = ("the default rule".to_owned(), format!("{name}: {element}"));
        problems.push(Problem { file, element, what: what.to_owned() });
    };
    let slots = [Slot::Code, Slot::Plan, Slot::Order];
    if slots.iter().any(|slot| card.summary.has(*slot) || card.detail.as_ref().is_some_and(|text| text.has(*slot))) {
        add("title or description", "has a place to fill, and no order that could fill it");
    }
    let mut summary = String::new();
    card.summary.fill(&mut summary, |_| "");
    if summary.graphemes(true).count() > LONGEST_SUMMARY {
        add("title", "is longer than a summary may be");
    }
    if kinds(card) > 0 {
        add("card", "has links, apps or suggestions, which it cannot have");
    }
}

/// The length of a text with its longest filling, in characters as people count them.
pub(super) fn longest(summary: &Template, policy: &Policy, set: &PolicySet) -> usize {
    let codes = policy.codes.iter().map(|code| set.label(code)).max_by_key(|label| label.graphemes(true).count());
    let plans = set.plans.iter().map(|plan| &*plan.name).max_by_key(|name| name.graphemes(true).count());
    let (codes, plans) = (codes.unwrap_or_default(), plans.unwrap_or_default());
    let mut filled = String::new();
    summary.fill(&mut filled, |slot| match slot {
        Slot::Code if codes.len() > THE_SERVICE.len() => &codes,
        Slot::Code => THE_SERVICE,
        Slot::Plan if plans.len() > THE_PLAN.len() => plans,
        Slot::Plan => THE_PLAN,
        Slot::Order => "",
    });
    filled.graphemes(true).count()
}
