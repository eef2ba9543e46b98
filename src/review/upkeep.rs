//! Whether the ledger is whole, and letting go of what is too old (FAULTS L08).

use std::collections::BTreeSet;

use fhir_resources::File;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{Age, ReviewError, Reviewer};
use crate::policy::load;
use crate::record::{self, Damage, Ledger, LedgerError, Verdict};

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

impl Reviewer<'_> {
    /// Keeps that somebody makes a copy of the whole ledger: whoever has it has what is in it.
    ///
    /// # Errors
    /// [`ReviewError`]; then no copy is to be made.
    pub fn backup(&self) -> Result<(), ReviewError> {
        self.look("backup", Vec::new(), "the whole ledger".to_owned())
    }
}

fn may_go(before: Timestamp, retention: Retention, zone: &TimeZone) -> Result<(), ReviewError> {
    let old_enough = Age::six_years().ago(Timestamp::now(), zone).is_some_and(|six_years_ago| before <= six_years_ago);
    if old_enough || retention == Retention::Shorter { Ok(()) } else { Err(ReviewError::TooYoung) }
}

/// How far the chains hold, and what they rest on. Nothing is shown of what they hold, so it is no look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    verdict: Verdict,
    copy: bool,
}

/// What is said of a copy that may lack its end.
const COPY: &str = "this file is a copy that was made while a server wrote to it, or it was moved after its server was \
                    killed: what was only in the -wal file then may be missing; compare the heads with those kept elsewhere";

impl Verified {
    /// Walks all chains of a ledger. Blocks.
    ///
    /// # Errors
    /// [`ReviewError`]
    pub fn of(ledger: &dyn Ledger) -> Result<Self, ReviewError> {
        let mut verdict = ledger.verify()?;
        // Sets that are kept and those that records name, each once.
        let named = std::mem::take(&mut verdict.policy_sets);
        let kept: BTreeSet<String> = ledger.shelf().sets()?.into_iter().collect();
        for hash in named.union(&kept) {
            let damage = match ledger.policy_set(hash) {
                Ok(Some(files)) => {
                    let files: Vec<File> = files.into_iter().map(|(path, bytes)| File { path, bytes }).collect();
                    (load::hash(&files) != *hash).then(|| Damage::OtherPolicySet(hash.clone()))
                }
                Ok(None) => Some(Damage::NoPolicySet(hash.clone())),
                Err(LedgerError::Corrupt) => Some(Damage::OtherPolicySet(hash.clone())),
                Err(error) => return Err(error.into()),
            };
            verdict.damage.extend(damage);
        }
        Ok(Self { verdict, copy: ledger.is_a_copy() })
    }

    /// Whether they all hold.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.verdict.holds()
    }

    /// In words, with what is wrong in the order of each chain.
    #[must_use]
    pub fn words(&self) -> String {
        let Verdict { chains, entries, feedback, pruned, damage, policy_sets: _ } = &self.verdict;
        let count = |number: u64, one: &str, many: &str| format!("{number} {}", if number == 1 { one } else { many });
        let mut kept = count(*entries, "entry", "entries");
        if *feedback > 0 {
            kept = format!("{kept} and {}", count(*feedback, "item of feedback", "items of feedback"));
        }
        let flaws = chains.iter().flat_map(|chain| chain.flaws.iter().map(move |flaw| (&chain.node, flaw)));
        let flaws = flaws.map(|(node, flaw)| format!("{node}: {flaw}"));
        let flaws: Vec<String> = flaws.chain(damage.iter().map(ToString::to_string)).collect();
        let copy = if self.copy { format!("\n{COPY}") } else { String::new() };
        if !flaws.is_empty() {
            let be = if entries + feedback == 1 { "is" } else { "are" };
            return format!("{kept} {be} whole, and\n{}{copy}", flaws.join("\n"));
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
        format!("{kept}, {holds}{gone}{copy}")
    }

    /// For a program. A head is the witness that shows when a tail was cut off: keep it elsewhere.
    #[must_use]
    pub fn json(&self) -> Value {
        let chains = self.verdict.chains.iter().map(|chain| {
            let head: String = chain.head.iter().map(|byte| format!("{byte:02x}")).collect();
            let flaws: Vec<String> = chain.flaws.iter().map(ToString::to_string).collect();
            json!({"node": chain.node, "records": chain.records, "head": head, "flaws": flaws})
        });
        let damage: Vec<String> = self.verdict.damage.iter().map(ToString::to_string).collect();
        json!({
            "holds": self.holds(),
            "words": self.words(),
            "entries": self.verdict.entries,
            "feedback": self.verdict.feedback,
            "pruned": self.verdict.pruned,
            "chains": chains.collect::<Vec<_>>(),
            "damage": damage,
            "copyOfOneInUse": self.copy,
        })
    }
}
