//! What was decided, in a word or two and a sentence: always as an icon and a word, so that colour is never alone.

use serde::Serialize;

use crate::decide::determination::{Covered, Determination, InfoNeeded, Needs, PaNeeded};
use crate::policy::model::{Condition, FactName, Policy, PolicySet, Test};
use crate::policy::number;

/// What was decided, as a chip shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Mark {
    /// Its colours, as `page.css` names them.
    class: &'static str,
    icon: &'static str,
    word: &'static str,
    /// What stands beside the chip.
    notes: Vec<String>,
}

impl Mark {
    pub(super) fn of(determination: &Determination<'_>) -> Self {
        let asks = matches!(determination.pa_needed, Some(PaNeeded::AuthNeeded | PaNeeded::PerformPa));
        let depends = matches!(determination.pa_needed, Some(PaNeeded::Conditional(_)));
        let unsure = matches!(determination.pa_needed, Some(PaNeeded::Indeterminate));
        let (class, icon, word) = match &determination.covered {
            Covered::NotCovered => ("not-covered", "✕", "Not covered"),
            Covered::Covered if asks => ("authorization", "⚑", "Covered with authorization"),
            // What may need authorization is not shown as what needs none.
            Covered::Covered if depends => ("conditional", "◐", "It depends"),
            Covered::Covered if unsure => ("unsure", "?", "Cannot be said"),
            Covered::Covered => ("covered", "✓", "Covered"),
            Covered::Conditional(_) => ("conditional", "◐", "It depends"),
            Covered::Indeterminate => ("unsure", "?", "Cannot be said"),
        };
        let documents = determination.documentation.as_ref().map(|it| match &it.needs {
            Some(needs) => format!("Whether documentation is asked for depends on {}.", needs_in_words(needs)),
            None => "Documentation is asked for.".to_owned(),
        });
        let notes = needs(&determination.covered).into_iter().chain(authorization(determination)).chain(documents);
        Self { class, icon, word, notes: notes.collect() }
    }
}

fn needs(covered: &Covered) -> Option<String> {
    covered.needs().map(|needs| format!("It depends on {}.", needs_in_words(needs)))
}

/// Prior authorization, where something is to be said of it.
fn authorization(determination: &Determination<'_>) -> Option<String> {
    Some(match determination.pa_needed.as_ref()? {
        PaNeeded::AuthNeeded => "Prior authorization is required.".to_owned(),
        PaNeeded::PerformPa => "Prior authorization is required; the performer obtains it.".to_owned(),
        PaNeeded::NoAuth if determination.covered == Covered::Covered => "No prior authorization is needed.".to_owned(),
        PaNeeded::Conditional(needs) if determination.covered.needs() != Some(needs) => {
            format!("Whether prior authorization is required depends on {}.", needs_in_words(needs))
        }
        PaNeeded::Indeterminate => "Whether prior authorization is required cannot be said.".to_owned(),
        PaNeeded::NoAuth | PaNeeded::Conditional(_) | PaNeeded::Satisfied(_) => return None,
    })
}

fn needs_in_words(needs: &Needs) -> String {
    let word = |need| match need {
        InfoNeeded::Performer => "who performs it",
        InfoNeeded::Location => "where it is performed",
        InfoNeeded::Timeframe => "when it is performed",
        InfoNeeded::DetailCode => "the exact code",
        InfoNeeded::Other => "what the reason names",
    };
    listed(&needs.iter().map(word).collect::<Vec<_>>())
}

/// What a policy says of an order of which nothing is known but its code.
pub(super) fn meaning(policy: &Policy, determination: &Determination<'_>) -> Vec<String> {
    let facts: Vec<&str> = policy.domains.keys().map(|name| fact(*name)).collect();
    let whatever = if facts.is_empty() { String::new() } else { format!(", whatever {}", listed(&facts)) };
    let first = match &determination.covered {
        Covered::NotCovered => format!("The service is not covered{whatever}."),
        Covered::Covered => format!("The service is covered{whatever}."),
        Covered::Conditional(_) if facts.is_empty() => "Whether the service is covered depends on the case.".to_owned(),
        Covered::Conditional(_) => format!("Whether the service is covered depends on {}.", listed(&facts)),
        Covered::Indeterminate => "Whether the service is covered cannot be said.".to_owned(),
    };
    std::iter::once(first).chain(authorization(determination)).collect()
}

fn fact(name: FactName) -> &'static str {
    match name {
        FactName::Code => "the code",
        FactName::Date => "the day of the service",
        FactName::Setting => "the setting",
        FactName::Plan => "the product line",
        FactName::Diagnosis => "the diagnosis",
        FactName::Performer => "the performer",
        FactName::Age => "the patient’s age",
        FactName::Quantity => "the quantity",
        FactName::History => "the patient’s other medications",
    }
}

/// `a, b and c`
pub(super) fn listed(words: &[&str]) -> String {
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
    }
}

/// When an action holds, in the policy's words where it has any.
pub(super) fn when(own: Option<&str>, conditions: &[Condition], set: &PolicySet) -> String {
    if let Some(own) = own {
        return format!("If {own}");
    }
    if conditions.is_empty() {
        return "In every case".to_owned();
    }
    let words: Vec<String> = conditions.iter().map(|condition| self::condition(condition, set)).collect();
    format!("If {}", listed(&words.iter().map(String::as_str).collect::<Vec<_>>()))
}

/// More codes than this are counted, not named.
const NAMED: usize = 4;

fn condition(condition: &Condition, set: &PolicySet) -> String {
    let is = if condition.not { "is not" } else { "is" };
    let what = match &condition.test {
        Test::Within(Some(low), Some(high)) => {
            format!("from {} to {}", number::in_words(*low), number::in_words(*high))
        }
        Test::Within(Some(low), None) => format!("at least {}", number::in_words(*low)),
        Test::Within(None, high) => format!("at most {}", high.map(number::in_words).unwrap_or_default()),
        Test::AnyOf(codes) if codes.len() > NAMED => format!("one of {} codes", codes.len()),
        Test::AnyOf(codes) => {
            let named = codes.iter().map(|code| set.words(code).map_or_else(|| set.label(code), str::to_owned));
            named.collect::<Vec<_>>().join(" or ")
        }
    };
    format!("{} {is} {what}", fact(condition.fact))
}
