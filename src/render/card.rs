//! Cards: what a clinician reads in ten seconds, in the words of the policy.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::Frame;
use super::coverage_information::Shape;
use super::ids::Ids;
use super::links::{self, Links};
use super::response::{self, Suggestion};
use super::words::{self, Words};
use crate::decide::determination::{Held, Holds};
use crate::policy::check::{LONGEST_SUMMARY, MAY_APPLY};
use crate::policy::model::{Card as Said, Indicator, Policy, Written};
use crate::policy::template::Template;
use crate::request::Order;

/// A card as it is written.
#[derive(Serialize)]
pub(super) struct Card<'a> {
    pub(super) uuid: String,
    pub(super) summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    indicator: &'static str,
    source: Source<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suggestions: Vec<Suggestion>,
    #[serde(rename = "selectionBehavior", skip_serializing_if = "Option::is_none")]
    selection_behavior: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<Links<'a>>,
    #[serde(rename = "overrideReasons", skip_serializing_if = "Option::is_none")]
    override_reasons: Option<&'a RawValue>,
    extension: Associated,
}

#[derive(Debug, Serialize)]
struct Source<'a> {
    label: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    topic: Topic<'a>,
}

#[derive(Debug, Serialize)]
struct Topic<'a> {
    system: &'static str,
    code: &'a str,
    display: &'a str,
}

#[derive(Serialize)]
struct Associated {
    #[serde(rename = "davinci-crd.associated-resource")]
    resources: [Reference; 1],
}

impl Associated {
    fn with(reference: String) -> Self {
        Self { resources: [Reference { reference }] }
    }
}

#[derive(Serialize)]
struct Reference {
    reference: String,
}

/// A card that is to be written, before it is known whether there is room for it.
pub(super) struct Draft<'p> {
    /// The policy that makes it, and the action.
    pub(super) place: Option<(&'p Policy, &'p str)>,
    pub(super) card: Held<'p, Said>,
    pub(super) paragraphs: Vec<(&'p str, &'p Template)>,
    pub(super) words: Words,
    /// The order it is about.
    pub(super) order: &'p Order<'p>,
}

impl<'p> Draft<'p> {
    /// What stands first: warnings, then what surely applies.
    pub(super) fn rank(&self) -> (bool, bool) {
        (self.card.what.indicator != Indicator::Warning, self.card.holds != Holds::Always)
    }

    /// Writes the card.
    pub(super) fn write<'a>(&self, frame: &Frame<'a>, ids: &mut Ids) -> Card<'a>
    where
        'p: 'a,
    {
        let (card, set, shape): (&'p Said, _, _) = (self.card.what, frame.set, Shape::from(frame.version));
        let warning = card.indicator == Indicator::Warning;
        let topic = Topic { system: shape.topic_system(), code: &card.topic.code, display: &card.topic.display };
        let uuid = ids.next_id().to_string();
        let about = response::About {
            shape,
            set,
            order: self.order,
            patient: frame.patient,
            encounter: frame.encounter,
            user: frame.user,
            today: frame.today,
            forms: frame.forms,
        };
        let suggestions = response::suggestions(&card.suggestions, &about, &self.words, ids);
        let resource = &self.order.resource;
        Card {
            uuid,
            summary: summary(&self.card, &self.words),
            detail: self.detail(),
            indicator: card.indicator.code(),
            source: Source { label: &set.payer.name, url: set.payer.url.as_deref(), topic },
            selection_behavior: (!suggestions.is_empty()).then(|| response::selection_behavior(&card.suggestions)),
            suggestions,
            links: links::of(card, self.place, frame.address),
            override_reasons: set.override_reasons.as_ref().filter(|_| warning).map(Written::raw),
            extension: Associated::with(format!("{}/{}", resource.kind, resource.id)),
        }
    }

    /// When it applies, what the policy says, and the paragraphs of its notes. Where it is not sure that the policy speaks of
    /// the order at all, that stands in the policy's first sentence; other conditions stand above what they are about.
    fn detail(&self) -> Option<String> {
        let holds = &self.card.holds;
        let own = self.card.what.detail.iter().map(|text| self.words.markdown(text, holds));
        let notes = self.paragraphs.iter().map(|(_, text)| self.words.markdown(text, holds));
        let mut all: Vec<String> = own.chain(notes).collect();
        match (words::condition(holds), all.first_mut()) {
            (Some(condition), Some(first)) if holds.is_of_unsure_policy() => *first = format!("{condition}: {first}"),
            (Some(condition), _) => all.insert(0, format!("{condition}:")),
            (None, _) => {}
        }
        (!all.is_empty()).then(|| all.join("\n\n"))
    }
}

/// The card that puts the EHR's record of the coverage right, where staff may see it and there is something to put right
/// (CRD resp-70).
pub(super) fn coverage_record<'a>(frame: &Frame<'a>, ids: &mut Ids) -> Option<Card<'a>> {
    let card = frame.set.default_rule.coverage_record.as_ref().filter(|_| frame.hook.is_administrative())?;
    let ((sent, own), coverage) = (frame.record?, frame.coverage?);
    if !frame.options.wants(&card.topic.code) {
        return None;
    }
    let suggestion = response::coverage_record::put_right(sent, own, ids)?;
    let written = of_no_order(card, coverage, frame, ids);
    Some(Card { suggestions: vec![suggestion], selection_behavior: Some("any"), ..written })
}

/// The card that says that an order could not be read, so that nobody takes silence for an answer (FAULTS G08).
pub(super) fn order_not_read<'a>(order: &str, frame: &Frame<'a>, ids: &mut Ids) -> Option<Card<'a>> {
    let card = frame.set.default_rule.order_not_read.as_ref()?;
    if !frame.options.wants(&card.topic.code) {
        return None;
    }
    Some(of_no_order(card, order, frame, ids))
}

/// A card of the default rule, about a resource that is no order of the answer.
fn of_no_order<'a>(card: &'a Said, about: &str, frame: &Frame<'a>, ids: &mut Ids) -> Card<'a> {
    let shape = Shape::from(frame.version);
    let topic = Topic { system: shape.topic_system(), code: &card.topic.code, display: &card.topic.display };
    let payer = &frame.set.payer;
    let words = Words::new(&serde_json::Value::Null, String::new(), None);
    Card {
        uuid: ids.next_id().to_string(),
        summary: words::cut(&words.plain(&card.summary, &Holds::Always), LONGEST_SUMMARY).into_owned(),
        detail: card.detail.as_ref().map(|text| words.markdown(text, &Holds::Always)),
        indicator: card.indicator.code(),
        source: Source { label: &payer.name, url: payer.url.as_deref(), topic },
        suggestions: Vec::new(),
        selection_behavior: None,
        links: None,
        override_reasons: None,
        extension: Associated::with(about.to_owned()),
    }
}

fn summary(held: &Held<'_, Said>, words: &Words) -> String {
    let text = words.plain(&held.what.summary, &held.holds);
    let text =
        if held.holds == Holds::Always { Cow::Borrowed(&*text) } else { Cow::Owned(format!("{MAY_APPLY}{text}")) };
    words::cut(&text, LONGEST_SUMMARY).into_owned()
}

untold!(Card<'_>, Associated, Reference, Draft<'_>);
