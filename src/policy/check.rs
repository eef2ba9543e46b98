//! Proves a policy set before it serves: exactly one case for whatever the facts are, no two policies for one code, cards
//! that fit, links that are safe, offers that can be taken, and every case of the tables.
//!
//! A set that fails here does not load.

mod cards;
mod cases;
mod offers;

use jiff::civil::Date;

use super::load::{Draft, Problem};
use super::model::{Case, Covered, FactName, NO_CODES, PaNeeded, Policy, PolicySet, Value};
use super::number;
use crate::decide::condition;

/// Of one fact, at most so many kinds of values may matter to the cases of a policy.
pub const MOST_KINDS: usize = 10;

/// More combinations of facts than this are not proved one by one, so a policy may not need them.
const MOST_COMBINATIONS: usize = 10_000;

/// `Card.summary` is shorter than 140 characters (CDS Hooks 2.0).
pub const LONGEST_SUMMARY: usize = 139;

/// What stands before the summary of a card that may not apply.
pub const MAY_APPLY: &str = "May apply – ";

/// What a proof looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Proof {
    /// Policy versions.
    pub policies: usize,
    /// Combinations of facts, each with exactly one case.
    pub combinations: usize,
    /// Rows of the case tables, all lists multiplied out.
    pub cases: usize,
}

/// Proves a set. It is proved alike on whatever day: cases that give no date have a day of their own (FAULTS P08).
///
/// # Errors
/// Everything that does not hold.
pub fn prove(draft: Draft) -> Result<(PolicySet, Proof), Vec<Problem>> {
    let mut problems = Vec::new();
    let mut proof = Proof::default();
    let set = draft.set;
    for policy in set.policies.values().flatten() {
        proof.policies += 1;
        proof.combinations += exactly_one_case(policy, &mut problems);
        outcomes(policy, &mut problems);
        cards::fit(policy, &set, &mut problems);
        cards::published(policy, &mut problems);
        offers::sound(policy, &set, &mut problems);
    }
    cards::of_no_order(&set, &mut problems);
    overlaps(&set, &mut problems);
    silence(&set, &mut problems);
    for file in &draft.cases {
        proof.cases += cases::run(file, &set, &mut problems);
    }
    if problems.is_empty() { Ok((set, proof)) } else { Err(problems) }
}

fn problem(policy: &Policy, element: impl Into<String>, what: impl Into<String>) -> Problem {
    let file = format!("policy {} version {}", policy.number, policy.version);
    Problem { file, element: element.into(), what: what.into() }
}

/// Tries each combination of the values that the cases tell apart.
fn exactly_one_case(policy: &Policy, problems: &mut Vec<Problem>) -> usize {
    let domains: Vec<(FactName, &Vec<Value>)> = policy.domains.iter().map(|(name, values)| (*name, values)).collect();
    let count = domains.iter().try_fold(1_usize, |count, (_, values)| count.checked_mul(values.len()));
    let Some(count) = count.filter(|count| *count <= MOST_COMBINATIONS) else {
        problems.push(problem(policy, "cases", "name more combinations of facts than can be proved"));
        return 0;
    };
    let mut reached = vec![false; policy.cases.len()];
    for index in 0..count {
        let mut rest = index;
        let combination: Vec<(FactName, &Value)> = domains
            .iter()
            .filter_map(|(name, values)| {
                let value = values.get(rest % values.len())?;
                rest /= values.len();
                Some((*name, value))
            })
            .collect();
        let value = |name| combination.iter().find(|(named, _)| *named == name).map_or(&NO_CODES, |(_, value)| *value);
        let holding: Vec<usize> = policy
            .cases
            .iter()
            .enumerate()
            .filter(|(_, case)| condition::all_known(&case.action.conditions, value))
            .map(|(index, _)| index)
            .collect();
        holding.iter().for_each(|index| _ = reached.get_mut(*index).map(|seen| *seen = true));
        if holding.len() != 1 {
            let ids: Vec<&str> =
                holding.iter().filter_map(|index| Some(&*policy.cases.get(*index)?.action.id)).collect();
            let what = if ids.is_empty() { "no case".to_owned() } else { format!("the cases {}", ids.join(" and ")) };
            problems.push(problem(policy, row(&combination), format!("{what}, must be exactly one")));
        }
    }
    for (case, _) in policy.cases.iter().zip(&reached).filter(|(_, reached)| !**reached) {
        problems.push(problem(policy, format!("case {}", case.action.id), "can never hold"));
    }
    count
}

/// A combination as a row of a table: `setting inpatient | plan medicare-hmo-blue`.
fn row(combination: &[(FactName, &Value)]) -> String {
    let columns = combination.iter().map(|(name, value)| {
        let value = match value {
            Value::Codes(codes) if codes.is_empty() => "none of those named".to_owned(),
            Value::Codes(codes) => codes.iter().map(|coding| &*coding.code).collect::<Vec<_>>().join(", "),
            Value::Number(number) => number::in_words(*number),
        };
        format!("{} {value}", fact_word(*name))
    });
    let columns: Vec<String> = columns.collect();
    if columns.is_empty() { "always".to_owned() } else { columns.join(" | ") }
}

/// The word for a fact in tables and traces.
#[must_use]
pub fn fact_word(name: FactName) -> &'static str {
    match name {
        FactName::Code => "code",
        FactName::Date => "date",
        FactName::Setting => "setting",
        FactName::Plan => "plan",
        FactName::Diagnosis => "diagnosis",
        FactName::Performer => "performer",
        FactName::Age => "age",
        FactName::Quantity => "quantity",
        FactName::History => "history",
    }
}

/// What the types of `decide` do not already rule out (crd-ci-q1, and documentation without a purpose's counterpart).
fn outcomes(policy: &Policy, problems: &mut Vec<Problem>) {
    for Case { action, outcome, .. } in &policy.cases {
        let asks = !outcome.doc_purpose.is_empty() || !outcome.questionnaires.is_empty();
        if asks && outcome.doc_needed.is_empty() {
            let at = format!("case {}", action.id);
            problems.push(problem(policy, at, "has a doc-purpose or questionnaire without doc-needed (crd-ci-q1)"));
        }
    }
}

/// Fills `{{code}}` where there is no billing code that the sentence is surely about.
pub const THE_SERVICE: &str = "the ordered service";

/// Fills `{{plan}}` where the product line is not known.
pub const THE_PLAN: &str = "the member's plan";

/// Where no policy speaks, nothing is promised by silence (FAULTS H18).
fn silence(set: &PolicySet, problems: &mut Vec<Problem>) {
    let rule = &set.default_rule;
    let all = [
        &rule.no_policy,
        &rule.code_not_specific,
        &rule.not_to_be_performed,
        &rule.coverage_not_active,
        &rule.no_member_found,
        &rule.coverage_not_found,
        &rule.technical,
    ];
    for case in all {
        if case.outcome.covered == Covered::Covered || case.outcome.pa_needed == Some(PaNeeded::NoAuth) {
            let (file, element) = ("the default rule".to_owned(), case.action.id.to_string());
            problems.push(Problem {
                file,
                element,
                what: "promises coverage or no authorization by silence".to_owned(),
            });
        }
    }
}

/// Versions of one policy may not overlap; two policies may share a code on one day only if one is written to come first.
///
/// Two that share no code may still meet in one order that has a code of each. No set can be refused for what orders may
/// hold, so `decide` leaves open which of them speaks, unless it is written.
fn overlaps(set: &PolicySet, problems: &mut Vec<Problem>) {
    let all: Vec<&Policy> = set.policies.values().flatten().collect();
    for (index, policy) in all.iter().enumerate() {
        for other in all.iter().skip(index + 1).filter(|other| overlap(policy, other)) {
            if policy.number == other.number {
                problems.push(problem(
                    policy,
                    "effectivePeriod",
                    format!("overlaps that of version {}", other.version),
                ));
            } else if policy.codes.iter().any(|code| other.codes.binary_search(code).is_ok())
                && !policy.is_ordered_with(other)
            {
                let what = format!("shares a code with policy {}, and no precedence says which speaks", other.number);
                problems.push(problem(policy, "scope", what));
            }
        }
    }
}

fn overlap(a: &Policy, b: &Policy) -> bool {
    let before = |end: Option<Date>, start: Option<Date>| end.zip(start).is_some_and(|(end, start)| end < start);
    !before(a.effective.1, b.effective.0) && !before(b.effective.1, a.effective.0)
}
