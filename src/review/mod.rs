//! Looking back at what was recorded: why it was answered, whether it would be again, and what is to go.
//!
//! Whatever is shown, that somebody looks is kept first (FAULTS L06): who, when, how and at what. Where that cannot be
//! kept, nothing is shown, not even that there is nothing.

mod audit;
mod error;
mod explain;
mod export;
mod measures;
mod replay;
mod shown;
mod span;
mod text;
mod upkeep;

use jiff::Timestamp;
use uuid::Uuid;

pub use error::{NotAgain, ReviewError};
pub use explain::{Explained, ExplainedCard, ExplainedOrder, InWords, Told};
pub use export::Export;
pub use measures::{About, Format, Measures};
pub use replay::{Difference, Replayed};
pub use shown::{Found, Glance, Shown, ShownFeedback};
pub use span::{Age, Edge};
pub use upkeep::{Retention, Verified};

use crate::record::{Entry, Feedback, Ledger, Look, Search, wait};

/// The most entries that one search shows.
pub const MOST: usize = 1000;

/// Somebody who looks back. Every call waits for the disk or the network: give it a thread that may block.
pub struct Reviewer<'l> {
    ledger: &'l dyn Ledger,
    who: String,
}

impl std::fmt::Debug for Reviewer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reviewer").field("who", &self.who).finish_non_exhaustive()
    }
}

/// An entry that somebody is about to be shown, with all that lies beside it. The look is kept.
struct Opened {
    entry: Entry,
    /// What was told of its cards, in the order in which it came.
    feedback: Vec<Feedback>,
    /// Who looked before.
    looks: Vec<Look>,
}

impl<'l> Reviewer<'l> {
    /// Somebody who looks at a ledger, by the name that is kept of it.
    #[must_use]
    pub fn new(ledger: &'l dyn Ledger, who: impl Into<String>) -> Self {
        Self { ledger, who: who.into() }
    }

    /// Why an answer was what it was. The id is an assertion's, an invocation's or a card's.
    ///
    /// # Errors
    /// [`ReviewError`]
    pub fn explain(&self, id: &str) -> Result<Explained, ReviewError> {
        Explained::of(self.opened("explain", id)?, id)
    }

    /// The same answer, made again under the policies that made it.
    ///
    /// # Errors
    /// [`ReviewError`]
    pub fn replay(&self, id: &str, manner: &crate::answer::Manner) -> Result<Replayed, ReviewError> {
        let entry = self.opened("replay", id)?.entry;
        replay::again(self.ledger, &entry, manner)
    }

    /// An entry, whole.
    ///
    /// # Errors
    /// [`ReviewError`]
    pub fn show(&self, id: &str) -> Result<Shown, ReviewError> {
        Ok(Shown::of(self.opened("show", id)?))
    }

    /// The entries that fit, the newest first, at most so many, and never more than [`MOST`].
    ///
    /// # Errors
    /// [`ReviewError`]
    pub fn search(&self, search: &Search, most: usize) -> Result<Vec<Found>, ReviewError> {
        let found = self.ledger.search(search, most.min(MOST))?;
        self.look("search", found.iter().map(|entry| entry.id).collect(), search.words())?;
        Ok(found.into_iter().map(Found::of).collect())
    }

    /// All entries from a moment until before another, to be written out.
    ///
    /// # Errors
    /// [`ReviewError`]
    pub fn export(&self, from: Timestamp, before: Timestamp) -> Result<Export, ReviewError> {
        self.look("export", Vec::new(), format!("from {from}, before {before}"))?;
        Ok(Export::of(from, before))
    }

    /// The guide's measures of a period, to be written out.
    ///
    /// # Errors
    /// [`ReviewError`]
    pub fn measures(&self, about: About) -> Result<Measures, ReviewError> {
        let (from, before) = (about.period.start, about.period.end);
        self.look("metrics", Vec::new(), format!("from {from}, before {before}"))?;
        Ok(Measures::of(about))
    }

    /// The entry of an id of any kind, once it is kept that it is looked at.
    fn opened(&self, how: &str, id: &str) -> Result<Opened, ReviewError> {
        let id = id.trim();
        let Some(entry) = self.ledger.entry(id)? else {
            // What was asked for is told to nobody: it is no id of ours, and could be anything.
            self.look(how, Vec::new(), "an id that is not there".to_owned())?;
            return Err(ReviewError::Unknown);
        };
        let mut feedback = Vec::new();
        for card in &entry.cards {
            feedback.extend(self.ledger.feedback(card)?);
        }
        feedback.sort_by_key(|item| item.at);
        let looks = self.ledger.looks(entry.id)?;
        let kind = match id {
            _ if entry.assertions.iter().any(|own| own == id) => "assertion",
            _ if entry.cards.iter().any(|own| own == id) => "card",
            _ => "invocation",
        };
        self.look(how, vec![entry.id], format!("{kind} {id}"))?;
        Ok(Opened { entry, feedback, looks })
    }

    fn look(&self, how: &str, entries: Vec<Uuid>, asked: String) -> Result<(), ReviewError> {
        let (at, who, how) = (Timestamp::now(), self.who.clone(), how.to_owned());
        wait(self.ledger.look(Look { at, who, how, entries, asked }))?;
        Ok(())
    }
}
