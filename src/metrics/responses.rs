//! What an answer said of one order: its system action, and the cards that are about it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::code::{Concept, codings, kind};
use super::known::Known;
use crate::policy::check::fact_word;
use crate::policy::model::FactName;
use crate::record::{Feedback, Outcome};
use crate::render::explanation::{Decided, Explanation};
use crate::request::order::{list, string};
use crate::request::reference::target;

const COVERAGE_INFORMATION: &str = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-coverage-information";

/// The types of response that the guide defines, by the topics of cards.
const TYPES: [&str; 15] = [
    "coverage-info",
    "unsolicited-determ",
    "claim",
    "insurance",
    "limits",
    "network",
    "appropriate-use",
    "cost",
    "therapy-alternatives-opt",
    "therapy-alternatives-req",
    "clinical-reminder",
    "duplicate-therapy",
    "contraindication",
    "guideline",
    "off-guideline",
];

/// A card or a system action (`CRDMetricData.request.response`).
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// Its type, where it is one that the guide defines.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// The types of the resources that it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub focus: Vec<String>,
    /// What the user did with the card, if the client told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engagement: Option<Engagement>,
    /// The coverage information of a system action, one for each billing code.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub coverage_info: Vec<CoverageInfo>,
}

/// What a user did with a card. CDS Hooks has no word for a card that was ignored, so none is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Engagement {
    /// A suggestion of it was taken.
    Accept,
    /// It was set aside.
    Override,
}

/// One repetition of coverage information (`CRDMetricData.request.response.coverageInfo`).
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CoverageInfo {
    /// `covered`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub covered: Option<String>,
    /// `auth-needed`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pa_needed: Option<String>,
    /// `clinical`; where an answer has several, the one that stands for them all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doc_needed: Option<String>,
    /// `location`; all of them, where the model has place for one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub info_needed: Vec<String>,
    /// The forms that are to be filled in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub questionnaire: Vec<Form>,
    /// `coverage-assertion-id`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assertion_id: Option<String>,
    /// `satisfied-pa-id`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub satisfied_id: Option<String>,
    /// The product line that was decided by, else the type of the Coverage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_line: Option<Concept>,
}

/// A form. Whether it is adaptive does not stand in an answer: who asks for the form learns it there.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Form {
    /// `url|version`
    pub reference: String,
    /// Whether answers came with it.
    pub response: bool,
}

/// An answer that is looked into.
pub(super) struct Answer<'a> {
    pub(super) body: &'a Value,
    pub(super) known: &'a Known<'a>,
    /// What was told of cards, by their uuids.
    pub(super) engagements: BTreeMap<&'a str, Engagement>,
}

/// What was told of cards, by their uuids. A suggestion that was taken is taken, whatever was told of the card beside it.
pub(super) fn engagements(feedback: &[Feedback]) -> BTreeMap<&str, Engagement> {
    let mut told = BTreeMap::new();
    for item in feedback {
        let engagement = match item.outcome {
            Outcome::Accepted => Engagement::Accept,
            Outcome::Overridden => Engagement::Override,
        };
        let kept = told.entry(item.card.as_str()).or_insert(engagement);
        if engagement == Engagement::Accept {
            *kept = engagement;
        }
    }
    told
}

impl Answer<'_> {
    /// What was said of one of the orders.
    pub(super) fn of(&self, explanation: &Explanation, orders: &[&str]) -> Vec<Response> {
        let actions = list(self.body, "systemActions").iter().filter_map(|action| action.get("resource"));
        let actions = actions.filter(|resource| name(resource).as_deref() == Some(&explanation.order));
        let actions = actions.map(|resource| self.action(resource, explanation));
        let cards = list(self.body, "cards").iter().filter(|card| {
            let about: Vec<&str> = associated(card).collect();
            // What is about none of the orders, as the Coverage, is about what they have in common.
            about.contains(&explanation.order.as_str()) || !about.iter().any(|name| orders.contains(name))
        });
        actions.chain(cards.map(|card| self.card(card))).collect()
    }

    fn action(&self, resource: &Value, explanation: &Explanation) -> Response {
        let extensions = list(resource, "extension").iter();
        let ours = extensions.filter(|extension| string(extension, "url") == Some(COVERAGE_INFORMATION));
        // An order may carry what another payer said of it.
        let ours = ours.filter(|extension| text(extension, "coverage-assertion-id") == Some(&explanation.assertion));
        let mut decided = explanation.determinations.iter();
        Response {
            kind: Some("coverage-info"),
            focus: string(resource, "resourceType").map(str::to_owned).into_iter().collect(),
            engagement: None,
            coverage_info: ours.map(|extension| self.coverage_info(extension, decided.next())).collect(),
        }
    }

    fn coverage_info(&self, extension: &Value, decided: Option<&Decided>) -> CoverageInfo {
        let one = |url| text(extension, url).map(str::to_owned);
        let has_response = parts(extension, "response").next().is_some();
        let forms = parts(extension, "questionnaire").filter_map(value);
        CoverageInfo {
            covered: one("covered"),
            pa_needed: one("pa-needed"),
            doc_needed: doc_needed(parts(extension, "doc-needed").filter_map(value).collect()).map(str::to_owned),
            info_needed: parts(extension, "info-needed").filter_map(value).map(str::to_owned).collect(),
            questionnaire: forms.map(|form| Form { reference: form.to_owned(), response: has_response }).collect(),
            assertion_id: one("coverage-assertion-id"),
            satisfied_id: one("satisfied-pa-id"),
            business_line: decided.and_then(product_line).or_else(|| self.coverage_type(extension)),
        }
    }

    fn coverage_type(&self, extension: &Value) -> Option<Concept> {
        let reference = parts(extension, "coverage").next()?.pointer("/valueReference/reference")?.as_str()?;
        let kind = self.known.find(reference)?.get("type")?;
        Concept::of(codings(kind).collect())
    }

    fn card(&self, card: &Value) -> Response {
        let topic = card.pointer("/source/topic/code").and_then(Value::as_str);
        let uuid = string(card, "uuid").unwrap_or_default();
        let mut focus: Vec<String> =
            associated(card).filter_map(target).filter_map(|(it, _)| kind(it)).map(str::to_owned).collect();
        focus.dedup();
        Response {
            kind: TYPES.into_iter().find(|it| topic == Some(it)),
            focus,
            engagement: self.engagements.get(uuid).copied(),
            coverage_info: Vec::new(),
        }
    }
}

/// The resources that a card says it is about: `ServiceRequest/1`.
fn associated(card: &Value) -> impl Iterator<Item = &str> {
    let extension = card.get("extension").map(|it| list(it, "davinci-crd.associated-resource"));
    extension.unwrap_or_default().iter().filter_map(|it| string(it, "reference"))
}

/// `ServiceRequest/1`
fn name(resource: &Value) -> Option<String> {
    Some(format!("{}/{}", string(resource, "resourceType")?, string(resource, "id")?))
}

/// The product line that a decision looked at: it stands in the words that the ledger keeps.
fn product_line(decided: &Decided) -> Option<Concept> {
    let mut known = decided.known.iter();
    let plan = known.find_map(|fact| fact.strip_prefix(fact_word(FactName::Plan))?.strip_prefix(' '))?;
    Some(Concept::said(plan))
}

/// CRD 2.0 has one code for all documentation, 2.2 a code for each kind of it, the metrics those of 2.0.
fn doc_needed(codes: Vec<&str>) -> Option<&str> {
    let clinical = codes.contains(&"clinical");
    let office = codes.iter().any(|code| matches!(*code, "admin" | "patient"));
    if clinical && office { Some("both") } else { codes.first().copied() }
}

fn parts<'e>(extension: &'e Value, url: &str) -> impl Iterator<Item = &'e Value> {
    list(extension, "extension").iter().filter(move |part| string(part, "url") == Some(url))
}

/// The text of a part, whichever type its value has.
fn value(part: &Value) -> Option<&str> {
    ["valueCode", "valueString", "valueCanonical", "valueId"].iter().find_map(|name| string(part, name))
}

fn text<'e>(extension: &'e Value, url: &str) -> Option<&'e str> {
    parts(extension, url).find_map(value)
}

untold!(Response, CoverageInfo, Form);
