//! Removing what is too old to be kept, but for its hash (FAULTS L08): the chain still holds, and says so.

use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::draft::{Draft, Kind};
use super::reads::Reads;
use super::shelf::{Node, Span};
use super::{Ledger, LedgerError, Tidied, wait};

/// Records that are removed in one transaction: what is appended meanwhile waits for no more than these.
const BATCH: u32 = 200;

/// Records that are looked at together: each may be of a few megabytes.
const LOOKED: u32 = 16;

/// What is left to others between two steps of tidying up.
const PAUSE: Duration = Duration::from_millis(5);

/// How often it is waited for whoever reads what is to be emptied: some ten seconds.
const WAITS: u32 = 2000;

/// What is stored of a pruning, before anything is removed.
#[derive(Serialize, Deserialize)]
pub(super) struct Pruning {
    /// Who.
    pub(super) who: String,
    /// What is older than this goes.
    pub(super) before: Timestamp,
    /// Each node's number, and the place of the last record that goes.
    pub(super) through: Vec<(i64, i64)>,
}

/// Removes all records before a moment, as far as each chain has none that is younger among them; how many went.
///
/// First it is kept that they go, and who let them go. `progress` is told of each batch.
///
/// # Errors
/// [`LedgerError`]; what has gone until then is gone, and calling it again goes on.
pub fn prune(
    ledger: &dyn Ledger,
    who: &str,
    at: Timestamp,
    before: Timestamp,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, LedgerError> {
    let through = through(ledger, before)?;
    if through.iter().all(|(node, last)| *last == node.pruned) {
        // An earlier pruning may have been broken off before its end.
        tidy(ledger)?;
        return Ok(0);
    }
    let through = through.into_iter().map(|(node, last)| (node.number, last)).collect();
    let pruning = Pruning { who: who.to_owned(), before, through };
    wait(ledger.keep(vec![Draft::event(Kind::Pruning, at, Vec::new(), &pruning)?]))?;
    let mut removed = 0;
    for (node, last) in pruning.through {
        loop {
            let gone = ledger.remove(node, last, BATCH)?;
            removed += gone;
            progress(gone);
            if gone == 0 {
                break;
            }
        }
    }
    tidy(ledger)?;
    Ok(removed)
}

/// Lets nothing of removed records be left in the ledger's files, in steps between which others are kept.
fn tidy(ledger: &dyn Ledger) -> Result<(), LedgerError> {
    let mut waited = 0;
    loop {
        match ledger.tidy()? {
            Tidied::Done => return Ok(()),
            Tidied::More => {}
            Tidied::Waiting if waited < WAITS => waited += 1,
            // Somebody reads without an end. What was removed leaves the WAL with the next pruning, or when all is closed.
            Tidied::Waiting => return Err(LedgerError::Locked),
        }
        thread::sleep(PAUSE);
    }
}

/// How many records [`prune`] would remove. Nothing is kept of the question.
///
/// # Errors
/// [`LedgerError`]
pub fn prunable(ledger: &dyn Ledger, before: Timestamp) -> Result<u64, LedgerError> {
    let gone = through(ledger, before)?.into_iter().map(|(node, last)| last.saturating_sub(node.pruned));
    Ok(gone.filter_map(|gone| u64::try_from(gone).ok()).sum())
}

/// Each node, and the place of its last record that goes.
fn through(ledger: &dyn Ledger, before: Timestamp) -> Result<Vec<(Node, i64)>, LedgerError> {
    let reads = Reads { shelf: ledger.shelf(), keyring: ledger.keyring() };
    let mut through = Vec::new();
    for node in ledger.shelf().nodes()? {
        let last = reads.last_before(node.number, node.pruned, before)?;
        through.push((node, last));
    }
    Ok(through)
}

impl Reads<'_> {
    /// The place of the last record of a node's beginning that is all before a moment.
    ///
    /// Clocks jump: of two records the later may be the older. None goes before its turn.
    fn last_before(&self, node: i64, after: i64, before: Timestamp) -> Result<i64, LedgerError> {
        let limit = Span::of(before, Timestamp::MAX).from;
        let mut last = after;
        loop {
            let rows = self.shelf.page(node, last, LOOKED)?;
            for row in &rows {
                if row.at >= limit {
                    return Ok(last);
                }
                last = row.seq;
            }
            if rows.len() < LOOKED as usize {
                return Ok(last);
            }
        }
    }
}
