//! What a card offers to do: orders to write, change or add, forms to fill in, apps to open.

use super::super::template::Template;

/// A resource that a policy keeps for its cards, as it is written; without an `id`, which the EHR gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its type.
    pub kind: Box<str>,
    /// Its JSON text, an object.
    pub json: Box<str>,
}

/// A form that is to be filled in outside of DTR (CRD resp-59).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Its name among what the policy keeps, and its `id` until the EHR gives one.
    pub id: Box<str>,
    /// The Questionnaire, whole.
    pub questionnaire: Draft,
    /// `Questionnaire.url`
    pub url: Box<str>,
    /// `Questionnaire.version`
    pub version: Box<str>,
    /// Why it is to be filled in, in words.
    pub reason: Box<str>,
    /// What is done with it then, in words; CRD 2.0 wants to know.
    pub after: Box<str>,
}

impl Form {
    /// `url|version`
    #[must_use]
    pub fn canonical(&self) -> String {
        format!("{}|{}", self.url, self.version)
    }
}

/// What one suggestion does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// Removes the order and writes another (Propose Alternate Request, CRD resp-53).
    Replace(Draft),
    /// Changes members of the order, each to what stands in the draft (the same response type).
    Change(Draft),
    /// Writes further orders (Identify Additional Orders).
    Add(Vec<Draft>),
    /// Writes a task to fill in a form (Request Form Completion).
    Form(Box<Form>),
}

/// One thing that a card offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// What the button says.
    pub label: Template,
    /// What it does.
    pub offer: Offer,
}
