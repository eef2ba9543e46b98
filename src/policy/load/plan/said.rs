//! Reads the `determination` extension: what an action decides, before it inherits from its scope.

use std::collections::BTreeSet;

use fhir_resources::r4::types::{CodeableConcept, Extension, ExtensionValue, Quantity};
use jiff::civil::Date;

use super::super::terms::{Terms, text};
use super::super::{BASE, Problems};
use super::template;
use crate::policy::model::{
    Covered, Detail, DetailCategory, DetailValue, DocNeeded, DocPurpose, Outcome, PaNeeded, Reason,
};
use crate::policy::number::thousandths;

/// What one action says itself.
#[derive(Debug, Default)]
pub(super) struct Said {
    covered: Option<Covered>,
    pa_needed: Option<PaNeeded>,
    doc_needed: BTreeSet<DocNeeded>,
    doc_purpose: BTreeSet<DocPurpose>,
    questionnaires: BTreeSet<Box<str>>,
    depends_on: BTreeSet<(Box<str>, Box<str>)>,
    expiry: Option<Date>,
    pub(super) reasons: Vec<Reason>,
    pub(super) details: Vec<Detail>,
}

/// The value of a `valuePositiveInt`.
pub(super) fn positive(extension: &Extension) -> Option<u32> {
    match extension.value.as_ref()? {
        ExtensionValue::PositiveInt(number) => number.value,
        _ => None,
    }
}

/// Whether a filter says that what it names must not be there.
pub(super) fn is_not(extensions: &[Extension]) -> bool {
    let url = format!("{BASE}StructureDefinition/not");
    let said = extensions.iter().find(|it| it.url == url).and_then(|it| it.value.as_ref());
    matches!(said, Some(ExtensionValue::Boolean(value)) if value.value == Some(true))
}

/// The range of numbers that a filter wants, in thousandths.
pub(super) fn range(extensions: &[Extension]) -> Option<(Option<i64>, Option<i64>)> {
    let url = format!("{BASE}StructureDefinition/range");
    let ExtensionValue::Range(range) = extensions.iter().find(|it| it.url == url)?.value.as_ref()? else {
        return None;
    };
    let bound = |quantity: Option<&Quantity>| match quantity.and_then(|quantity| text!(quantity.value)) {
        Some(number) => thousandths(number).map(Some),
        None => Some(None),
    };
    let (low, high) = (bound(range.low.as_deref())?, bound(range.high.as_deref())?);
    (low.is_some() || high.is_some()).then_some((low, high))
}

impl Said {
    pub(super) fn read(extensions: &[Extension], at: &str, problems: &mut Problems) -> Self {
        let mut said = Self::default();
        let url = format!("{BASE}StructureDefinition/determination");
        for part in extensions.iter().filter(|it| it.url == url).flat_map(|it| &it.extension) {
            let at = format!("{at}.determination.{}", part.url);
            if said.part(part, &at, problems).is_none() {
                problems.add(at, "is not understood");
            }
        }
        said
    }

    fn part(&mut self, part: &Extension, at: &str, problems: &mut Problems) -> Option<()> {
        match part.url.as_str() {
            "covered" => self.covered = Some(covered(code(part)?)?),
            "pa-needed" => self.pa_needed = Some(pa_needed(code(part)?)?),
            "doc-needed" => _ = self.doc_needed.insert(doc_needed(code(part)?)?),
            "doc-purpose" => _ = self.doc_purpose.insert(doc_purpose(code(part)?)?),
            "reason" => self.reasons.push(reason(part, at, problems)?),
            "detail" => self.details.push(detail(&part.extension, at, problems)?),
            "questionnaire" => match part.value.as_ref()? {
                ExtensionValue::Canonical(canonical) => {
                    _ = self.questionnaires.insert(canonical.value.as_deref()?.into())
                }
                _ => return None,
            },
            "dependency" => self.depends_on.extend(
                concept(part)?
                    .coding
                    .iter()
                    .filter_map(|coding| Some((text!(coding.system)?.into(), text!(coding.code)?.into()))),
            ),
            "expiry-date" => match part.value.as_ref()? {
                ExtensionValue::Date(date) => self.expiry = Some(date.value.as_deref()?.parse().ok()?),
                _ => return None,
            },
            _ => return None,
        }
        Some(())
    }

    /// The whole outcome: what is said here, else what the scope says; and its first reason.
    pub(super) fn settle(
        &self,
        scope: Option<&Self>,
        terms: &Terms,
        at: &str,
        problems: &mut Problems,
    ) -> Option<(Outcome, Reason)> {
        fn or<T: Clone>(own: &BTreeSet<T>, scope: Option<&BTreeSet<T>>) -> Vec<T> {
            let taken = if own.is_empty() { scope.unwrap_or(own) } else { own };
            taken.iter().cloned().collect()
        }
        let covered = self.covered.or_else(|| scope.and_then(|scope| scope.covered));
        let why = scope.and_then(|scope| scope.reasons.first()).or_else(|| self.reasons.first());
        let covered = problems.need(covered, &format!("{at}.determination.covered"))?;
        let why = problems.need(why, &format!("{at}.determination.reason"))?.clone();
        let questionnaires = self.questionnaires.iter().chain(scope.iter().flat_map(|scope| &scope.questionnaires));
        let mut depends_on = Vec::new();
        for (system, code) in self.depends_on.iter().chain(scope.iter().flat_map(|scope| &scope.depends_on)) {
            let known = terms.known(system, code);
            depends_on
                .extend(problems.need(known, &format!("{at}.determination.dependency in a code system of the set")));
        }
        let outcome = Outcome {
            covered,
            depends_on,
            pa_needed: self.pa_needed.or_else(|| scope.and_then(|scope| scope.pa_needed)),
            doc_needed: or(&self.doc_needed, scope.map(|scope| &scope.doc_needed)),
            doc_purpose: or(&self.doc_purpose, scope.map(|scope| &scope.doc_purpose)),
            questionnaires: questionnaires.cloned().collect(),
            expiry: self.expiry.or_else(|| scope.and_then(|scope| scope.expiry)),
        };
        Some((outcome, why))
    }
}

fn code(extension: &Extension) -> Option<&str> {
    match extension.value.as_ref()? {
        ExtensionValue::Code(code) => code.value.as_deref(),
        _ => None,
    }
}

fn covered(code: &str) -> Option<Covered> {
    Some(match code {
        "covered" => Covered::Covered,
        "not-covered" => Covered::NotCovered,
        "conditional" => Covered::Conditional,
        "indeterminate" => Covered::Indeterminate,
        _ => return None,
    })
}

fn pa_needed(code: &str) -> Option<PaNeeded> {
    Some(match code {
        "no-auth" => PaNeeded::NoAuth,
        "auth-needed" => PaNeeded::AuthNeeded,
        "performpa" => PaNeeded::PerformPa,
        "conditional" => PaNeeded::Conditional,
        "indeterminate" => PaNeeded::Indeterminate,
        _ => return None,
    })
}

fn doc_needed(code: &str) -> Option<DocNeeded> {
    Some(match code {
        "clinical" => DocNeeded::Clinical,
        "admin" => DocNeeded::Admin,
        "patient" => DocNeeded::Patient,
        "conditional" => DocNeeded::Conditional,
        "indeterminate" => DocNeeded::Indeterminate,
        _ => return None,
    })
}

fn doc_purpose(code: &str) -> Option<DocPurpose> {
    Some(match code {
        "withpa" => DocPurpose::WithPa,
        "withclaim" => DocPurpose::WithClaim,
        "withorder" => DocPurpose::WithOrder,
        "retain-doc" => DocPurpose::RetainDoc,
        "OTH" => DocPurpose::Other,
        _ => return None,
    })
}

fn concept(extension: &Extension) -> Option<&CodeableConcept> {
    match extension.value.as_ref()? {
        ExtensionValue::CodeableConcept(concept) => Some(concept),
        _ => None,
    }
}

/// The first coding of a concept: `(system URI, code)`.
fn coding(concept: &CodeableConcept) -> Option<(Box<str>, Box<str>)> {
    concept.coding.iter().find_map(|coding| Some((text!(coding.system)?.into(), text!(coding.code)?.into())))
}

fn reason(extension: &Extension, at: &str, problems: &mut Problems) -> Option<Reason> {
    let concept = concept(extension)?;
    Some(Reason { coding: coding(concept), text: template(text!(concept.text)?, at, problems)? })
}

fn detail(parts: &[Extension], at: &str, problems: &mut Problems) -> Option<Detail> {
    let part = |url: &str| parts.iter().find(|part| part.url == url);
    let category = match code(part("category")?)? {
        "cat-limitation" => DetailCategory::Limitation,
        "cat-decisional" => DetailCategory::Decisional,
        "cat-other" => DetailCategory::Other,
        _ => return None,
    };
    let value = match part("value")?.value.as_ref()? {
        ExtensionValue::Boolean(value) => DetailValue::Boolean(value.value?),
        ExtensionValue::String(value) => DetailValue::String(template(value.value.as_deref()?, at, problems)?),
        ExtensionValue::Url(value) => DetailValue::Url(value.value.as_deref()?.into()),
        ExtensionValue::Period(period) => {
            DetailValue::Period(text!(period.start).map(Into::into), text!(period.end).map(Into::into))
        }
        ExtensionValue::Quantity(quantity) => {
            DetailValue::Quantity(text!(quantity.value)?.into(), text!(quantity.code).map(Into::into))
        }
        _ => return None,
    };
    let qualification = part("qualification").and_then(|part| match part.value.as_ref()? {
        ExtensionValue::String(value) => value.value.as_deref().map(Into::into),
        _ => None,
    });
    Some(Detail { category, code: coding(concept(part("code")?)?)?, value, qualification })
}
