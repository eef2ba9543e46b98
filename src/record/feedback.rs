//! What clients told of cards, kept beside the entries that showed them.
//!
//! The text of an item may hold a patient's data: it is stored as it came, and shown only with the
//! whole entry.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One item of a feedback call (CDS Hooks 2.0, Feedback).
#[derive(Clone, PartialEq, Eq)]
pub struct Feedback {
    /// When it came.
    pub at: jiff::Timestamp,
    /// The service that it was sent to, which must be the one whose answer had the card.
    pub service: String,
    /// The verified client that sent it, which must be the one that was answered.
    pub client: String,
    /// The card's uuid, in lower case.
    pub card: String,
    /// What became of the card.
    pub outcome: Outcome,
    /// The item as it was sent, JSON text of one object.
    pub item: String,
}

/// Names the card: what the user wrote stays out of logs.
impl fmt::Debug for Feedback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feedback")
            .field("card", &self.card)
            .field("outcome", &self.outcome)
            .field("item_bytes", &self.item.len())
            .finish_non_exhaustive()
    }
}

/// What a user did with a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A suggestion of it was taken.
    Accepted,
    /// It was set aside.
    Overridden,
}

/// What is stored in plain of an item.
#[derive(Serialize, Deserialize)]
pub(super) struct FeedbackHead {
    pub(super) service: String,
    pub(super) client: String,
    pub(super) card: String,
    pub(super) outcome: Outcome,
}
