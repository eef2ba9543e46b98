//! What is asked of a ledger, whichever engine it lies in. Nothing is told that is not what was sealed.

use std::collections::HashMap;
use std::ops::ControlFlow;

use jiff::Timestamp;
use uuid::Uuid;

use super::chain::{Flaw, NOTHING_BEFORE, Verdict, Walk, Walked};
use super::draft::{self, Kind};
use super::key::{self, Key, Word};
use super::keyring::Keyring;
use super::prune::Pruning;
use super::row::Row;
use super::shelf::{Node, Shelf, Span};
use super::{Entry, Feedback, LedgerError, Look};

/// Rows that are read at once, so that a long walk neither holds up other readers nor fills the memory.
const PAGE: u32 = 256;

/// Entries of a span that are opened at once: each may be of megabytes.
const OPENED: u32 = 64;

/// Rows at the end of a chain that are checked when a ledger is opened.
const TAIL: i64 = 64;

/// Reads for a ledger.
pub(super) struct Reads<'l> {
    pub(super) shelf: &'l dyn Shelf,
    pub(super) keyring: &'l Keyring,
}

impl Span {
    /// From a moment until just before another.
    pub(super) fn of(from: Timestamp, before: Timestamp) -> Self {
        let nanoseconds = |at: Timestamp, beyond| i64::try_from(at.as_nanosecond()).unwrap_or(beyond);
        Self { from: nanoseconds(from, i64::MIN), before: nanoseconds(before, i64::MAX) }
    }
}

impl Reads<'_> {
    /// The entry that has an id of this kind.
    pub(super) fn entry(&self, word: Word, id: &str) -> Result<Option<Entry>, LedgerError> {
        let key = key::key(word, id);
        let Some(place) = self.shelf.place(&key)? else { return Ok(None) };
        let rows = self.shelf.rows(&[place])?;
        let row = rows.first().ok_or(LedgerError::Corrupt)?.sound()?;
        if !row.ids().any(|own| own == key) {
            return Err(LedgerError::Corrupt);
        }
        if row.kind()? == Kind::Entry { self.open(row).map(Some) } else { Ok(None) }
    }

    /// The entry of a row. A key that another node has made since is looked for.
    pub(super) fn open(&self, row: &Row) -> Result<Entry, LedgerError> {
        self.fetch_key(row)?;
        draft::entry(row, self.keyring)
    }

    fn fetch_key(&self, row: &Row) -> Result<(), LedgerError> {
        if self.keyring.has(row.key) { Ok(()) } else { self.keyring.learn(&self.shelf.keys()?) }
    }

    /// What was told of cards, in the order in which it came.
    pub(super) fn feedback(&self, cards: &[String]) -> Result<Vec<Feedback>, LedgerError> {
        let terms: Vec<Key> = cards.iter().map(|card| key::key(Word::Told, card)).collect();
        let items = self.sharing(&terms, Kind::Feedback)?.into_iter().map(|row| {
            self.fetch_key(&row)?;
            draft::feedback(&row, self.keyring)
        });
        items.collect()
    }

    /// Who looked at an entry, in the order of time.
    pub(super) fn looks(&self, entry: Uuid) -> Result<Vec<Look>, LedgerError> {
        let term = key::key(Word::Looked, &entry.to_string());
        self.sharing(&[term], Kind::Look)?.iter().map(draft::look).collect()
    }

    /// All records of a kind that have one of the terms, in the order of time.
    fn sharing(&self, terms: &[Key], kind: Kind) -> Result<Vec<Row>, LedgerError> {
        let places = self.shelf.with_terms(terms)?;
        let mut rows = if places.is_empty() { Vec::new() } else { self.shelf.rows(&places)? };
        if rows.len() < places.len() {
            return Err(LedgerError::Corrupt);
        }
        rows.sort_by_key(|row| (row.at, row.node, row.seq));
        for row in &rows {
            let sound = row.sound()?;
            if sound.kind()? != kind || !sound.terms().any(|own| terms.contains(&own)) {
                return Err(LedgerError::Corrupt);
            }
        }
        Ok(rows)
    }

    /// The entries of a span with what was told of their cards, in the order of time, until it is broken off.
    pub(super) fn each(
        &self,
        span: Span,
        take: &mut dyn FnMut(Entry, Vec<Feedback>) -> ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        let mut after = None;
        loop {
            let rows = self.shelf.between(span, after, OPENED)?;
            after = rows.last().map(Row::place);
            let mut entries = Vec::with_capacity(rows.len());
            for row in &rows {
                if row.sound()?.kind()? == Kind::Entry {
                    entries.push(self.open(row)?);
                }
            }
            let cards: Vec<String> = entries.iter().flat_map(|entry| entry.cards.iter().cloned()).collect();
            let mut told: HashMap<String, Vec<Feedback>> = HashMap::new();
            for item in self.feedback(&cards)? {
                told.entry(item.card.clone()).or_default().push(item);
            }
            for entry in entries {
                let feedback = entry.cards.iter().filter_map(|card| told.remove(card)).flatten().collect();
                if take(entry, feedback).is_break() {
                    return Ok(());
                }
            }
            if rows.len() < OPENED as usize {
                return Ok(());
            }
        }
    }

    /// Checks the last rows of every chain against each other: what a crash would have hurt.
    pub(super) fn tails(&self) -> Result<Option<Flaw>, LedgerError> {
        for node in self.shelf.nodes()? {
            let from = node.head.0.saturating_sub(TAIL).max(node.pruned);
            let anchor = match from {
                0 => NOTHING_BEFORE,
                seq if seq == node.pruned => self.shelf.hash(node.number, seq)?.unwrap_or(NOTHING_BEFORE),
                seq => match self.shelf.page(node.number, seq - 1, 1)?.first() {
                    Some(row) if row.seq == seq => row.sealed(),
                    _ => return Ok(Some(Flaw::Missing(seq))),
                },
            };
            let (walked, _) = self.walk(&node, Walk::after(from, anchor))?;
            if let Some(flaw) = walked.flaws.first() {
                return Ok(Some(*flaw));
            }
        }
        Ok(None)
    }

    /// Walks every chain from its beginning.
    pub(super) fn verify(&self) -> Result<Verdict, LedgerError> {
        let nodes = self.shelf.nodes()?;
        let mut verdict = Verdict::default();
        let mut allowed: HashMap<i64, i64> = HashMap::new();
        for node in &nodes {
            let (start, gap) = self.start(node)?;
            let (mut walked, seen) = self.walk(node, start)?;
            walked.flaws.splice(0..0, gap);
            verdict.chains.push(walked);
            verdict.entries += seen.entries;
            verdict.feedback += seen.feedback;
            verdict.pruned += u64::try_from(node.pruned).unwrap_or_default();
            for (number, through) in seen.prunings {
                let allowed = allowed.entry(number).or_default();
                *allowed = through.max(*allowed);
            }
        }
        for (node, walked) in nodes.iter().zip(&mut verdict.chains) {
            if node.pruned > allowed.get(&node.number).copied().unwrap_or_default() {
                walked.flaws.insert(0, Flaw::Removed(node.pruned));
            }
        }
        Ok(verdict)
    }

    /// Where a walk begins: after what was pruned, of which every hash must be there.
    fn start(&self, node: &Node) -> Result<(Walk, Option<Flaw>), LedgerError> {
        if node.pruned == 0 {
            return Ok((Walk::after(0, NOTHING_BEFORE), None));
        }
        let last = self.shelf.hash(node.number, node.pruned)?;
        let whole = last.is_some() && self.shelf.hashes(node.number)? == node.pruned;
        let gap = if whole { None } else { Some(Flaw::Missing(node.pruned)) };
        Ok((Walk::after(node.pruned, last.unwrap_or(NOTHING_BEFORE)), gap))
    }

    /// Walks to the end. What is appended meanwhile may or may not be walked.
    fn walk(&self, node: &Node, mut walk: Walk) -> Result<(Walked, Seen), LedgerError> {
        let mut seen = Seen::default();
        loop {
            let rows = self.shelf.page(node.number, walk.seq(), PAGE)?;
            for row in &rows {
                if walk.step(row) {
                    seen.take(row)?;
                }
                if row.seq == node.head.0 && row.sealed() != node.head.1 {
                    walk.found(Flaw::Changed(row.seq));
                }
            }
            for seq in self.shelf.unindexed(&rows)? {
                walk.found(Flaw::Hidden(seq));
            }
            if rows.len() < PAGE as usize {
                break;
            }
        }
        if walk.seq() < node.head.0 {
            walk.found(Flaw::Missing(walk.seq().saturating_add(1)));
        }
        Ok((walk.end(node.name.clone()), seen))
    }
}

/// What a walk has come by.
#[derive(Default)]
struct Seen {
    entries: u64,
    feedback: u64,
    prunings: Vec<(i64, i64)>,
}

impl Seen {
    fn take(&mut self, row: &Row) -> Result<(), LedgerError> {
        match row.kind()? {
            Kind::Entry => self.entries += 1,
            Kind::Feedback => self.feedback += 1,
            Kind::Look => {}
            Kind::Pruning => self.prunings.extend(draft::head::<Pruning>(row)?.through),
        }
        Ok(())
    }
}
