//! A determination in words, for whoever asks years later why: what the ledger keeps and `covenant explain` prints.

use serde::{Deserialize, Serialize};

use super::words::Words;
use crate::decide::determination::{Determination, InfoNeeded, Needs, PaNeeded};
use crate::policy::check::fact_word;
use crate::policy::model::{PolicySet, Value};
use crate::policy::number;

/// What was decided of one order.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// `ServiceRequest/1`
    pub order: String,
    /// The assertion id of its coverage information.
    pub assertion: String,
    /// Whether the assertion was sent: not if the order carried the same already, or none was wanted.
    pub sent: bool,
    /// One for each billing code.
    pub determinations: Vec<Decided>,
}

/// What was decided, and from what.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// `CPT 47383`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billing_code: Option<String>,
    /// `covered`
    pub covered: String,
    /// `pa-needed`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pa_needed: Option<String>,
    /// `info-needed`
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub info_needed: Vec<String>,
    /// Why, in words.
    pub reasons: Vec<String>,
    /// The rules that it rests on.
    pub rules: Vec<Rule>,
    /// The facts that were known: `setting inpatient`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub known: Vec<String>,
    /// The facts that were not.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub missing: Vec<String>,
    /// The actions of the policy whose cards and paragraphs were shown.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub shown: Vec<String>,
}

/// A rule with the passages it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// `633`, or `default`
    pub policy: String,
    /// `2020-11`
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub version: String,
    /// The action's name.
    pub action: String,
    /// `heading: words`
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub passages: Vec<String>,
}

impl Decided {
    /// Puts a determination into words.
    pub(super) fn of(determination: &Determination<'_>, words: &Words, set: &PolicySet) -> Self {
        let needs = [
            determination.covered.needs(),
            determination.pa_needed.as_ref().and_then(PaNeeded::needs),
            determination.documentation.as_ref().and_then(|documentation| documentation.needs.as_ref()),
        ];
        let mut info: Vec<InfoNeeded> = needs.into_iter().flatten().flat_map(Needs::iter).collect();
        info.sort_unstable();
        info.dedup();
        let rules = determination.trace.candidates.iter().map(|candidate| Rule {
            policy: candidate.policy.to_owned(),
            version: candidate.version.to_owned(),
            action: candidate.action.to_owned(),
            passages: candidate.passages.iter().map(|it| format!("{}: {}", it.label, it.citation)).collect(),
        });
        let said = |value: &Value| match value {
            Value::Codes(codes) if codes.is_empty() => "none".to_owned(),
            Value::Codes(codes) => codes.iter().map(|coding| set.label(coding)).collect::<Vec<_>>().join(", "),
            Value::Number(number) => number::in_words(*number),
        };
        let used = determination.trace.used.iter().map(|(name, used)| format!("{} {}", fact_word(*name), said(used)));
        let known = used.chain(determination.trace.modifiers.iter().map(|modifier| format!("modifier {modifier}")));
        let missing =
            determination.trace.missing.iter().map(|(name, failed)| {
                format!("{}{}", fact_word(*name), if *failed { " (could not be had)" } else { "" })
            });
        Self {
            billing_code: determination.billing_code.as_ref().map(|coding| set.label(coding)),
            covered: determination.covered.code().to_owned(),
            pa_needed: determination.pa_needed.as_ref().map(|said| said.code().to_owned()),
            info_needed: info.into_iter().map(|info| info.code().to_owned()).collect(),
            reasons: determination.reasons.iter().map(|it| words.qualified(&it.what.text, &it.holds)).collect(),
            rules: rules.collect(),
            known: known.collect(),
            missing: missing.collect(),
            shown: determination.shown.iter().flat_map(|shown| shown.names()).map(str::to_owned).collect(),
        }
    }
}

untold!(Explanation, Decided);
