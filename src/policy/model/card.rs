//! A card as a policy words it: what it says, how it is marked, where it leads and what it offers.

use serde::Serialize;
use serde_json::value::RawValue;

use super::super::template::Template;
use super::offer::{Offer, Suggestion};

/// How a card is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Indicator {
    /// Worth knowing.
    Info,
    /// Worth stopping for.
    Warning,
}

impl Indicator {
    /// The code on the wire.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
        }
    }
}

/// The topic of a card, from the guide's card types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// `guideline`
    pub code: Box<str>,
    /// `Guideline`
    pub display: Box<str>,
}

/// A link to something the payer publishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// What it leads to.
    pub label: Box<str>,
    /// Where, https.
    pub url: Box<str>,
    /// `absolute`, or `smart` for an app to launch; a card has links of one kind (CRD resp-19, resp-72).
    pub r#type: &'static str,
    /// What the app is told.
    #[serde(rename = "appContext", skip_serializing_if = "Option::is_none")]
    pub app_context: Option<Box<str>>,
}

/// A card as the policy words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// One sentence.
    pub summary: Template,
    /// Markdown.
    pub detail: Option<Template>,
    /// Its mark.
    pub indicator: Indicator,
    /// Its topic.
    pub topic: Topic,
    /// Where to read more; empty for a card of instructions.
    pub links: Vec<Link>,
    /// The links as a card writes them.
    pub written_links: Written,
    /// What it offers to do; a card with links offers nothing.
    pub suggestions: Vec<Suggestion>,
}

impl Card {
    /// Whether it offers a task to fill in a form.
    #[must_use]
    pub fn asks_for_a_form(&self) -> bool {
        self.suggestions.iter().any(|suggestion| matches!(suggestion.offer, Offer::Form(_)))
    }
}

/// JSON that is the same in every answer, so it is written once, at load.
#[derive(Debug, Clone)]
pub struct Written(Box<RawValue>);

impl Written {
    /// Writes a value.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn new(value: &impl Serialize) -> serde_json::Result<Self> {
        serde_json::value::to_raw_value(value).map(Self)
    }

    /// The text.
    #[must_use]
    pub fn raw(&self) -> &RawValue {
        &self.0
    }
}

impl PartialEq for Written {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Eq for Written {}
