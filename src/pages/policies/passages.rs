//! The passages that a policy's actions rest on, each under the action's own name, by which cards link to it.

use std::collections::HashSet;

use serde::Serialize;
use unicode_segmentation::UnicodeSegmentation;

use super::place::fragment;
use super::words::when;
use crate::pages::markdown;
use crate::policy::check::{THE_PLAN, THE_SERVICE};
use crate::policy::model::{Action, Notes, Passage, Policy, PolicySet};
use crate::policy::template::{Slot, Template};

/// A place of the page that an action's cards lead to, with what the policy says there.
#[derive(Debug, Serialize)]
pub(super) struct Place {
    /// The action's name; nothing where a place before has it.
    id: Option<String>,
    /// When it holds: `If performed inpatient`.
    when: String,
    /// What it adds to a card, as HTML.
    paragraph: Option<String>,
    /// The heading of the passage.
    label: Option<String>,
    /// The payer's words.
    citation: Option<String>,
    /// The codes that it is about, a list for each condition: label and plain words.
    codes: Vec<Vec<(String, String)>>,
    #[serde(skip)]
    name: String,
}

/// All places of a policy, in the order of its file.
#[derive(Debug, Serialize)]
pub(super) struct Places {
    /// What the policy says of all its codes: its statement.
    statement: Place,
    cases: Vec<Place>,
    /// Each group's own paragraph, then its notes.
    notes: Vec<Vec<Place>>,
}

impl Places {
    pub(super) fn of(policy: &Policy, set: &PolicySet) -> Self {
        let mut taken = HashSet::new();
        let mut statement = action(&policy.scope, set, &mut taken);
        // The codes of the scope have a table of their own.
        statement.codes.clear();
        // A policy without cases has one that is its scope.
        let cases = policy.cases.iter().filter(|case| case.action.id != policy.scope.id);
        let cases = cases.map(|case| action(&case.action, set, &mut taken)).collect();
        let notes = policy.notes.iter().map(|group| notes(group, set, &mut taken)).collect();
        Self { statement, cases, notes }
    }

    /// Where an action's place is, and what stands there: the heading of its passage and how that begins.
    pub(super) fn link(&self, action: &str) -> Option<(String, String)> {
        let all = std::iter::once(&self.statement).chain(&self.cases).chain(self.notes.iter().flatten());
        let place = all.into_iter().find(|place| place.name == action)?;
        let quoted = place.label.as_ref().zip(place.citation.as_ref());
        let words = quoted.map(|(label, citation)| format!("{label}: “{}”", beginning(citation)));
        Some((fragment(action)?, words.unwrap_or_else(|| place.when.clone())))
    }
}

/// The longest beginning of a passage that names it.
const BEGINNING: usize = 72;

fn beginning(citation: &str) -> String {
    let all: Vec<&str> = citation.graphemes(true).collect();
    match all.get(..BEGINNING) {
        Some(kept) if all.len() > BEGINNING => format!("{}…", kept.concat().trim_end()),
        _ => citation.to_owned(),
    }
}

fn place(name: &str, passage: Option<&Passage>, taken: &mut HashSet<String>) -> Place {
    Place {
        id: taken.insert(name.to_owned()).then(|| name.to_owned()),
        when: String::new(),
        paragraph: None,
        label: passage.map(|passage| passage.label.to_string()),
        citation: passage.map(|passage| passage.citation.to_string()),
        codes: Vec::new(),
        name: name.to_owned(),
    }
}

fn action(action: &Action, set: &PolicySet, taken: &mut HashSet<String>) -> Place {
    let words = |code| (set.label(code), set.words(code).unwrap_or_default().to_owned());
    let asked = action.conditions.iter().filter(|condition| !condition.not);
    let codes = asked.map(|condition| condition.codes().iter().map(words).collect());
    Place {
        when: when(action.when.as_deref(), &action.conditions, set),
        paragraph: action.paragraph.as_ref().map(paragraph),
        codes: codes.filter(|codes: &Vec<_>| !codes.is_empty()).collect(),
        ..place(&action.id, action.passage.as_ref(), taken)
    }
}

fn notes(group: &Notes, set: &PolicySet, taken: &mut HashSet<String>) -> Vec<Place> {
    let own = group.fallback.as_ref().map(|text| Place {
        paragraph: Some(paragraph(text)),
        when: if group.notes.is_empty() { "In every case" } else { "If none of the following is known to hold" }
            .to_owned(),
        ..place(&group.id, group.passage.as_ref(), taken)
    });
    let own: Vec<Place> = own.into_iter().collect();
    let notes = group.notes.iter().map(|note| action(note, set, taken));
    let notes: Vec<Place> = notes.collect();
    own.into_iter().chain(notes).collect()
}

/// A text with nothing known of an order.
fn paragraph(text: &Template) -> String {
    let mut filled = String::new();
    text.fill(&mut filled, |slot| match slot {
        Slot::Code | Slot::Order => THE_SERVICE,
        Slot::Plan => THE_PLAN,
    });
    markdown::html(&filled)
}
