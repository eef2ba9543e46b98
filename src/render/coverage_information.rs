//! The coverage-information extension: one repetition for each determination, in the shape of the version that is spoken.
//!
//! All differences between the versions are here, in [`Shape`] and the functions that take one.

use std::borrow::Cow;

use jiff::civil::Date;
use serde_json::value::RawValue;

use super::extension::{Coding, Concept, ContactDetail, ContactPoint, Extension, Period, Quantity, Reference, Value};
use super::words::{self, Words};
use crate::decide::determination::{Covered, Determination, Documentation, Held, Holds, InfoNeeded, Needs, PaNeeded};
use crate::policy::model::{Detail, DetailCategory, DetailValue, DocNeeded, DocPurpose, Payer, PolicySet, Reason};
use crate::request::version::Version;

/// The extension's URL.
pub(super) const URL: &str = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-coverage-information";

const TEMP: &str = "http://hl7.org/fhir/us/davinci-crd/CodeSystem/temp";

/// The two shapes the extension has had: CRD 2.0.1's, and that of 2.1 and 2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    First,
    Second,
}

impl From<Version> for Shape {
    fn from(version: Version) -> Self {
        if version == Version::V2_0 { Self::First } else { Self::Second }
    }
}

impl Shape {
    /// The reason codes that the version may say. The value set of 2.0.1 has the first two alone; its binding is extensible, and
    /// the codes of later versions say what resp-44 and resp-45 ask for.
    fn reason_codes(self) -> &'static [&'static str] {
        match self {
            Self::First => &["gold-card", "detail-code", "no-member-found", "no-active-coverage", "coverage-not-found"],
            Self::Second => &[
                "gold-card",
                "no-member-found",
                "no-active-coverage",
                "coverage-not-found",
                "auth-out-network",
                "technical",
            ],
        }
    }

    /// The code's codings: the guide's own, and beside it that of the shared code system where it has moved there. Of all
    /// reasons one has: `gold-card` (CRD prof-15).
    fn reason_codings<'a>(self, system: &'a str, code: &'a str) -> Vec<Coding<'a>> {
        let moved = self == Self::Second && code == "gold-card";
        let shared = moved.then_some(Coding { system: "http://terminology.hl7.org/CodeSystem/v3-ActReason", code });
        [Coding { system, code }].into_iter().chain(shared).collect()
    }

    /// The detail codes of the version's value set, and their system.
    fn detail_code(self, code: &str) -> Option<&'static str> {
        let first =
            ["allowed-quantity", "allowed-period", "in-network-copay", "out-network-copay", "concurrent-review"];
        match self {
            Self::First if first.contains(&code) || code == "appropriate-use-needed" => Some(TEMP),
            Self::First => None,
            Self::Second => Some("http://terminology.hl7.org/CodeSystem/crd-coverage-detail"),
        }
    }

    /// The system of a card's topic.
    pub(super) fn topic_system(self) -> &'static str {
        match self {
            Self::First => TEMP,
            Self::Second => "http://terminology.hl7.org/CodeSystem/cdshooks-card-type",
        }
    }
}

/// What a repetition says beside its determination.
pub(super) struct About<'a> {
    pub(super) shape: Shape,
    /// Whether the hook is one at which nobody is asked for documentation (CRD hook-19).
    pub(super) supporting: bool,
    pub(super) coverage: Option<&'a str>,
    pub(super) today: Date,
    pub(super) assertion: &'a str,
}

/// One repetition.
pub(super) fn extension<'a>(
    determination: &'a Determination<'a>,
    words: &Words,
    about: &About<'a>,
    set: &'a PolicySet,
) -> Extension<'a> {
    let shape = about.shape;
    let coverage = match about.coverage {
        Some(coverage) => Reference { reference: Some(coverage.into()), ..Reference::default() },
        None => Reference { reference: None, r#type: Some("Coverage"), display: Some(unnamed(&set.payer).into()) },
    };
    let mut parts = vec![part("coverage", Value::Reference(coverage))];
    let documentation = determination.documentation.as_ref().filter(|_| !about.supporting);
    let mut info: Vec<InfoNeeded> = Vec::new();
    parts.push(part("covered", Value::Code(covered(shape, &determination.covered, &mut info))));
    parts.extend(pa_needed(shape, determination, &mut info).map(|code| part("pa-needed", Value::Code(code))));
    if let Some(documentation) = documentation {
        documents(shape, documentation, &mut info, &mut parts);
    }
    let mut codes: Vec<&str> = info.into_iter().map(|info| info_needed(shape, info)).collect();
    codes.sort_unstable();
    codes.dedup();
    parts.extend(codes.into_iter().map(|code| part("info-needed", Value::Code(code))));
    parts.extend(determination.billing_code.as_ref().map(|coding| {
        let system = set.systems.get(usize::from(coding.system.0)).map_or("", |system| &*system.uri);
        part("billingCode", Value::Coding(Coding { system, code: &coding.code }))
    }));
    parts.extend(
        determination.reasons.iter().map(|reason| part("reason", Value::Concept(self::reason(shape, reason, words)))),
    );
    parts.extend(
        determination.details.iter().filter_map(|held| Some(part("detail", Value::Parts(detail(shape, held, words)?)))),
    );
    let dependencies = determination
        .dependencies
        .iter()
        .map(|it| Reference { reference: Some(Cow::Borrowed(it)), ..Reference::default() });
    parts.extend(dependencies.map(|reference| part("dependency", Value::Reference(reference))));
    let questionnaires = documentation.into_iter().flat_map(|documentation| &documentation.questionnaires);
    parts.extend(questionnaires.map(|canonical| part("questionnaire", Value::Canonical(canonical))));
    parts.push(part("date", Value::Date(about.today)));
    parts.push(part("coverage-assertion-id", Value::String(Cow::Borrowed(about.assertion))));
    parts.extend(satisfied(determination).map(|id| part("satisfied-pa-id", Value::String(Cow::Borrowed(id)))));
    parts.extend(contacts(shape, set));
    if let (Shape::Second, Some(expiry)) = (shape, determination.expiry.filter(|expiry| *expiry >= about.today)) {
        parts.push(part("expiry-date", Value::Date(expiry)));
    }
    part(URL, Value::Parts(parts))
}

/// How a coverage is called whose name nobody knows.
pub(super) fn unnamed(payer: &Payer) -> String {
    format!("The patient's coverage with {}", payer.name)
}

fn part<'a>(url: &'static str, value: Value<'a>) -> Extension<'a> {
    Extension { url, value }
}

/// 2.0.1 has no `indeterminate`: what cannot be said now is conditional on something else.
fn covered(shape: Shape, covered: &Covered, info: &mut Vec<InfoNeeded>) -> &'static str {
    info.extend(covered.needs().into_iter().flat_map(Needs::iter));
    match (shape, covered) {
        (Shape::First, Covered::Indeterminate) => {
            info.push(InfoNeeded::Other);
            "conditional"
        }
        _ => covered.code(),
    }
}

/// 2.2 has none beside `not-covered` (crd-ci-q2). 2.0.1 always has one, as its own q2 is written.
fn pa_needed(shape: Shape, determination: &Determination<'_>, info: &mut Vec<InfoNeeded>) -> Option<&'static str> {
    let said = determination.pa_needed.as_ref();
    if shape == Shape::Second {
        let said = said.filter(|_| determination.covered != Covered::NotCovered)?;
        info.extend(said.needs().into_iter().flat_map(Needs::iter));
        return Some(said.code());
    }
    match said {
        None | Some(PaNeeded::Indeterminate) => {
            info.push(InfoNeeded::Other);
            Some("conditional")
        }
        Some(said) => {
            info.extend(said.needs().into_iter().flat_map(Needs::iter));
            Some(said.code())
        }
    }
}

fn satisfied<'a>(determination: &'a Determination<'_>) -> Option<&'a str> {
    match &determination.pa_needed {
        Some(PaNeeded::Satisfied(id)) if determination.covered != Covered::NotCovered => Some(id),
        _ => None,
    }
}

fn documents(shape: Shape, documentation: &Documentation, info: &mut Vec<InfoNeeded>, parts: &mut Vec<Extension<'_>>) {
    info.extend(documentation.needs.iter().flat_map(Needs::iter));
    match shape {
        Shape::Second => parts.extend(documentation.needed.iter().map(|it| part("doc-needed", Value::Code(it.code())))),
        Shape::First => {
            // One code for all: what cannot be said is conditional, what patients provide goes through the office.
            let has = |needed| documentation.needed.contains(&needed);
            let unsure = has(DocNeeded::Conditional) || has(DocNeeded::Indeterminate);
            let (clinical, admin) = (has(DocNeeded::Clinical), has(DocNeeded::Admin) || has(DocNeeded::Patient));
            let code = match (unsure, clinical, admin) {
                (true, _, _) => "conditional",
                (_, true, true) => "both",
                (_, true, _) => "clinical",
                _ => "admin",
            };
            if unsure && documentation.needs.is_none() {
                info.push(InfoNeeded::Other);
            }
            parts.push(part("doc-needed", Value::Code(code)));
        }
    }
    let purpose = |purpose: &DocPurpose| match (purpose, shape) {
        // 2.2's crd-ci-q4, as it is written, refuses `withpa` always; the reason says what the documents are for.
        (DocPurpose::WithPa, Shape::Second) | (DocPurpose::Other, _) => "OTH",
        (DocPurpose::WithPa, Shape::First) => "withpa",
        (DocPurpose::WithClaim, _) => "withclaim",
        (DocPurpose::WithOrder, _) => "withorder",
        (DocPurpose::RetainDoc, _) => "retain-doc",
    };
    parts.extend(documentation.purposes.iter().map(|it| part("doc-purpose", Value::Code(purpose(it)))));
}

/// 2.0.1 has no `detail-code` here; there it is a reason.
fn info_needed(shape: Shape, info: InfoNeeded) -> &'static str {
    match (shape, info) {
        (Shape::First, InfoNeeded::DetailCode) => InfoNeeded::Other.code(),
        _ => info.code(),
    }
}

fn reason<'a>(shape: Shape, held: &Held<'a, Reason>, words: &Words) -> Concept<'a> {
    // A code has no "if": one that holds in some cases only would be read as if it held (CRD resp-44, resp-45).
    let sure = held.holds == Holds::Always;
    let coding = held.what.coding.as_ref().filter(|(_, code)| sure && shape.reason_codes().contains(&&**code));
    let text = words.qualified(&held.what.text, &held.holds);
    let coding = coding.map(|(system, code)| shape.reason_codings(system, code)).unwrap_or_default();
    Concept { coding, text: Some(text.into()) }
}

fn detail<'a>(shape: Shape, held: &Held<'a, Detail>, words: &Words) -> Option<Vec<Extension<'a>>> {
    let detail = held.what;
    let code = &*detail.code.1;
    let concept = match shape.detail_code(code) {
        Some(system) => Concept { coding: vec![Coding { system, code }], text: None },
        // The binding is extensible: what has no code in this version is said in words.
        None => Concept { coding: Vec::new(), text: Some(code.replace('-', " ").into()) },
    };
    let value = match (&detail.value, shape) {
        (DetailValue::Boolean(value), _) => Value::Boolean(*value),
        // A sentence that may not be about the order says so itself, for whoever shows it without its qualification.
        (DetailValue::String(text), _) if held.holds.is_of_unsure_policy() => {
            Value::String(words.qualified(text, &held.holds).into())
        }
        (DetailValue::String(text), _) => Value::String(words.plain(text, &held.holds).into()),
        (DetailValue::Url(url), Shape::First) => Value::String(Cow::Borrowed(url)),
        (DetailValue::Url(url), Shape::Second) => Value::Url(url),
        (DetailValue::Period(start, end), _) => Value::Period(Period { start: start.as_deref(), end: end.as_deref() }),
        (DetailValue::Quantity(value, code), _) => Value::Quantity(Quantity {
            value: RawValue::from_string(value.to_string()).ok(),
            system: code.as_ref().map(|_| "http://unitsofmeasure.org"),
            code: code.as_deref(),
        }),
    };
    let category = match detail.category {
        DetailCategory::Limitation => "cat-limitation",
        DetailCategory::Decisional => "cat-decisional",
        DetailCategory::Other => "cat-other",
    };
    let mut parts = Vec::with_capacity(4);
    if shape == Shape::Second {
        parts.push(part("category", Value::Code(category)));
    }
    parts.push(part("code", Value::Concept(concept)));
    parts.push(part("value", value));
    let qualification = match (words::condition(&held.holds), detail.qualification.as_deref()) {
        (Some(condition), Some(own)) => Some(Cow::Owned(format!("{condition}. {own}"))),
        (Some(condition), None) => Some(condition),
        (None, own) => own.map(Cow::Borrowed),
    };
    parts.extend(qualification.map(|text| part("qualification", Value::String(text))));
    Some(parts)
}

/// 2.0.1 has a ContactPoint each, 2.2 one ContactDetail.
fn contacts(shape: Shape, set: &PolicySet) -> Vec<Extension<'_>> {
    let points = set.payer.contacts.iter().map(|(system, value)| ContactPoint { system, value });
    match shape {
        Shape::First => points.map(|point| part("contact", Value::ContactPoint(point))).collect(),
        Shape::Second if set.payer.contacts.is_empty() => Vec::new(),
        Shape::Second => vec![part("contact", Value::ContactDetail(ContactDetail { telecom: points.collect() }))],
    }
}
