//! Whether the ledger is whole, and letting go of what is too old (FAULTS L08).

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{Age, ReviewError, Reviewer};
use crate::record::{self, Ledger, Verdict};

/// How long records are kept at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Six years.
    SixYears,
    /// As long as is said: whoever says it knows that it is lawful.
    Shorter,
}

impl Reviewer<'_> {
    /// How many records are from before a moment and would go.
    ///
    /// # Errors
    /// [`ReviewError`]
    pub fn prunable(&self, before: Timestamp, retention: Retention, zone: &TimeZone) -> Result<u64, ReviewError> {
        may_go(before, retention, zone)?;
        Ok(record::prunable(self.ledger, before)?)
    }

    /// Removes what is from before a moment, but for its hashes, once it is kept who let it go; how many records went.
    ///
    /// # Errors
    /// [`ReviewError`]; what has gone until then is gone.
    pub fn prune(
        &self,
        before: Timestamp,
        retention: Retention,
        zone: &TimeZone,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, ReviewError> {
        may_go(before, retention, zone)?;
        Ok(record::prune(self.ledger, &self.who, Timestamp::now(), before, progress)?)
    }
}

fn may_go(before: Timestamp, retention: Retention, zone: &TimeZone) -> Result<(), ReviewError> {
    let old_enough = Age::six_years().ago(Timestamp::now(), zone).is_some_and(|six_years_ago| before <= six_years_ago);
    if old_enough || retention == Retention::Shorter { Ok(()) } else { Err(ReviewError::TooYoung) }
}

/// How far the chains hold. Nothing is shown of what they hold, so it is no look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified(Verdict);

impl Verified {
    /// Walks all chains of a ledger. Blocks.
    ///
    /// # Errors
    /// [`ReviewError`]
    pub fn of(ledger: &dyn Ledger) -> Result<Self, ReviewError> {
        Ok(Self(ledger.verify()?))
    }

    /// Whether they all hold.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.0.flaw().is_none()
    }

    /// In words, with what is wrong in the order of each chain.
    #[must_use]
    pub fn words(&self) -> String {
        let Verdict { chains, entries, feedback, pruned } = &self.0;
        let count = |number: u64, one: &str, many: &str| format!("{number} {}", if number == 1 { one } else { many });
        let mut kept = count(*entries, "entry", "entries");
        if *feedback > 0 {
            kept = format!("{kept} and {}", count(*feedback, "item of feedback", "items of feedback"));
        }
        let flaws = chains.iter().flat_map(|chain| chain.flaws.iter().map(move |flaw| (&chain.node, flaw)));
        let flaws: Vec<String> = flaws.map(|(node, flaw)| format!("{node}: {flaw}")).collect();
        if !flaws.is_empty() {
            let be = if entries + feedback == 1 { "is" } else { "are" };
            return format!("{kept} {be} whole, and\n{}", flaws.join("\n"));
        }
        let holds = match chains.len() {
            0 | 1 => "the chain holds".to_owned(),
            nodes => format!("the chains of {nodes} nodes hold"),
        };
        let gone = match pruned {
            0 => String::new(),
            1 => "\n1 record was pruned before them, as is kept".to_owned(),
            many => format!("\n{many} records were pruned before them, as is kept"),
        };
        format!("{kept}, {holds}{gone}")
    }

    /// For a program. A head is the witness that shows when a tail was cut off: keep it elsewhere.
    #[must_use]
    pub fn json(&self) -> Value {
        let chains = self.0.chains.iter().map(|chain| {
            let head: String = chain.head.iter().map(|byte| format!("{byte:02x}")).collect();
            let flaws: Vec<String> = chain.flaws.iter().map(ToString::to_string).collect();
            json!({"node": chain.node, "records": chain.records, "head": head, "flaws": flaws})
        });
        json!({
            "holds": self.holds(),
            "words": self.words(),
            "entries": self.0.entries,
            "feedback": self.0.feedback,
            "pruned": self.0.pruned,
            "chains": chains.collect::<Vec<_>>(),
        })
    }
}
