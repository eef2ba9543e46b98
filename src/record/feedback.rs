//! What clients told of cards, kept beside the entries that showed them.
//!
//! The text of an item may hold a patient's data: it is stored as it came, and shown only with the
//! whole entry.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Ledger, LedgerError, Recorded};
use crate::auth::Caller;

/// What a caller told of one card. Whose word it is, is said when it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Told {
    /// When it came.
    pub at: jiff::Timestamp,
    /// The service that it was sent to, which must be the one whose answer had the card.
    pub service: String,
    /// The card's uuid, in lower case.
    pub card: String,
    /// What became of the card.
    pub outcome: Outcome,
    /// The item as it was sent, JSON text of one object.
    pub item: String,
}

untold!(Told);

/// What became of a call of feedback: the places of its items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Those that are kept.
    pub kept: Vec<usize>,
    /// Those of cards that are in no answer to this caller by this service.
    pub unknown: Vec<usize>,
}

/// Keeps what a caller tells of cards that it was shown, and says which items those are: the one way to say that it was heard.
///
/// All of a card's items are kept or none, and those of an unknown card keep nothing else from being kept.
///
/// # Errors
/// [`LedgerError`], and then some may be kept all the same.
pub async fn keep_feedback(ledger: &dyn Ledger, by: &Caller, told: Vec<Told>) -> Result<Recorded<Heard>, LedgerError> {
    let items: Vec<Feedback> = told.into_iter().map(|told| Feedback::by(by, told)).collect();
    let all = (0..items.len()).collect();
    match ledger.keep_feedback(items.clone()).await {
        Ok(_) => return Ok(Recorded(Heard { kept: all, unknown: Vec::new() })),
        Err(LedgerError::NoSuchCard) => {}
        Err(error) => return Err(error),
    }
    let mut cards: BTreeMap<String, Vec<(usize, Feedback)>> = BTreeMap::new();
    for (index, item) in items.into_iter().enumerate() {
        cards.entry(item.card.clone()).or_default().push((index, item));
    }
    let mut heard = Heard::default();
    for (indexes, items) in cards.into_values().map(|items| items.into_iter().unzip::<_, _, Vec<_>, Vec<_>>()) {
        match ledger.keep_feedback(items).await {
            Ok(_) => heard.kept.extend(indexes),
            Err(LedgerError::NoSuchCard) => heard.unknown.extend(indexes),
            Err(error) => return Err(error),
        }
    }
    heard.kept.sort_unstable();
    heard.unknown.sort_unstable();
    Ok(Recorded(heard))
}

/// One item of a feedback call (CDS Hooks 2.0, Feedback), as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Feedback {
    /// When it came.
    pub at: jiff::Timestamp,
    /// The service that it was sent to, which must be the one whose answer had the card.
    pub service: String,
    /// The verified client that sent it, which must be the one that was answered.
    pub client: String,
    /// The tenant that it called for, which must be the one that was answered; empty for none.
    pub tenant: String,
    /// The card's uuid, in lower case.
    pub card: String,
    /// What became of the card.
    pub outcome: Outcome,
    /// The item as it was sent, JSON text of one object.
    pub item: String,
}

impl Feedback {
    fn by(caller: &Caller, told: Told) -> Self {
        let Told { at, service, card, outcome, item } = told;
        let (client, tenant) = (caller.client().to_owned(), caller.tenant().unwrap_or_default().to_owned());
        Self { at, service, client, tenant, card, outcome, item }
    }
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
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) tenant: String,
    pub(super) card: String,
    pub(super) outcome: Outcome,
}
