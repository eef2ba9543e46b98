//! Asks what the server would say to an order that this policy speaks of: facts are decided and rendered as those of any
//! request, and the answer is read as an EHR reads it.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::card::{Card, Entry, cards, information};
use super::words::Mark;
use crate::answer::Manner;
use crate::decide::decide;
use crate::decide::determination::Determination;
use crate::decide::facts::{Cover, Days, Fact, Facts, InForce};
use crate::policy::model::{Coding, FactName, Offer, Policy, PolicySet, Value};
use crate::render::{self, Decision, Frame, RenderError};
use crate::request::hook::Hook;
use crate::request::json::Json as Text;
use crate::request::options::Options;
use crate::request::version::Version;
use crate::request::{self, Order};

/// A policy that is asked about.
pub(super) struct Asked<'s> {
    pub(super) set: &'s PolicySet,
    pub(super) policy: &'s Policy,
    manner: &'s Manner,
    code: Option<&'s Coding>,
    day: Date,
}

/// What the server says.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Said {
    pub(super) mark: Mark,
    cards: Vec<Card>,
    information: Vec<Entry>,
    /// The actions of the policy that it rests on.
    #[serde(skip)]
    pub(super) actions: Vec<String>,
}

impl<'s> Asked<'s> {
    pub(super) fn of(policy: &'s Policy, set: &'s PolicySet, manner: &'s Manner) -> Self {
        // A code that no other policy speaks of, where there is one: the page is about this one.
        let alone = |code: &&Coding| {
            set.index.get(*code).is_some_and(|hits| hits.exact.iter().all(|(number, _)| *number == policy.number))
        };
        let code = policy.codes.iter().find(alone).or(policy.codes.first());
        let day = policy.effective.0.or(policy.effective.1).unwrap_or(ANY_DAY);
        Self { set, policy, manner, code, day }
    }

    /// What is decided of an order of which these facts are known.
    pub(super) fn decide(&self, known: &[(FactName, Value)]) -> Vec<Determination<'s>> {
        decide(&self.facts(known), self.set)
    }

    /// What is said of it; nothing where nothing is decided, which does not happen.
    pub(super) fn say(&self, known: &[(FactName, Value)]) -> Result<Option<Said>, RenderError> {
        let determinations = self.decide(known);
        let Some(first) = determinations.first() else { return Ok(None) };
        let mark = Mark::of(first);
        let shown = first.shown.iter().flat_map(|shown| shown.names());
        let rests = first.trace.candidates.iter().map(|candidate| candidate.action);
        let mut actions: Vec<String> = Vec::new();
        for action in shown.chain(rests) {
            if !actions.iter().any(|other| other == action) {
                actions.push(action.to_owned());
            }
        }
        let body = self.body(known, determinations)?;
        Ok(Some(Said { mark, cards: cards(&body), information: information(&body), actions }))
    }

    fn facts(&self, known: &[(FactName, Value)]) -> Facts {
        let cover = Cover::Is(InForce { active: true, start: None, end: None });
        let days = Days { first: self.day, last: self.day };
        let mut facts = Facts::of(self.code.cloned().into_iter().collect(), days, cover);
        for (name, value) in known {
            facts.set(*name, Fact::Known(value.clone()));
        }
        facts
    }

    /// The body of the answer to an order for the policy's service.
    fn body(&self, known: &[(FactName, Value)], determinations: Vec<Determination<'s>>) -> Result<Json, RenderError> {
        let name = self.code.and_then(|code| self.set.words(code)).unwrap_or("The service");
        let order = json!({"resourceType": self.kind(), "id": "order", "code": {"text": name}}).to_string();
        let text = Text::scan(order.as_bytes(), &self.manner.limits).map_err(|_| RenderError::Unwritable)?;
        let resource = request::resource(text.root());
        let value = resource.value();
        let order = Order::new(resource, value, "");
        let plan = known.iter().find_map(|(name, value)| match value {
            Value::Codes(codes) if *name == FactName::Plan => self.set.plan_name(codes.first()?).map(str::to_owned),
            _ => None,
        });
        let frame = Frame {
            set: self.set,
            hook: Hook::OrderSign,
            version: Version::V2_2,
            options: &Options::default(),
            coverage: Some("Coverage/coverage"),
            record: None,
            patient: "patient",
            encounter: None,
            user: "",
            forms: &[],
            unread: &[],
            address: None,
            today: self.day,
            seed: Uuid::nil(),
        };
        let rendered = render::render(&[Decision { order: &order, plan, determinations }], &frame)?;
        serde_json::from_slice(&rendered.body).map_err(|_| RenderError::Unwritable)
    }

    /// The kind of order that the policy's cards have a draft of to put in its place, so that they offer it.
    fn kind(&self) -> &str {
        let actions = std::iter::once(&self.policy.scope).chain(self.policy.cases.iter().map(|case| &case.action));
        let suggestions = actions.filter_map(|action| action.card.as_ref()).flat_map(|card| &card.suggestions);
        let drafts = suggestions.filter_map(|suggestion| match &suggestion.offer {
            Offer::Change(draft) | Offer::Replace(draft) => Some(&*draft.kind),
            Offer::Add(_) | Offer::Form(_) => None,
        });
        drafts.into_iter().next().unwrap_or("ServiceRequest")
    }
}

/// A version without a first and a last day is in force on any.
const ANY_DAY: Date = Date::constant(2000, 1, 1);
