//! What is asked of a ledger, whichever engine it lies in. Nothing is told that is not what was sealed.

use std::collections::HashMap;
use std::ops::ControlFlow;

use jiff::Timestamp;
use uuid::Uuid;

use super::draft::{self, Kind};
use super::key::{self, Key, Word};
use super::keyring::Keyring;
use super::row::{Place, Row};
use super::shelf::{Shelf, Span};
use super::{Entry, Feedback, LedgerError, Look};

/// Looks at one entry that are told, the last ones: an entry may be looked at without end.
const MOST_LOOKS: u32 = 256;

/// Entries of a span that are read at once, packed: each may be of a few megabytes.
const READ: u32 = 16;

/// Bytes of entries that are opened at once, and one entry more: each may be of tens of megabytes.
const OPENED: usize = 4 * 1024 * 1024;

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

    /// Who looked at an entry last, in the order of time: at most [`MOST_LOOKS`].
    pub(super) fn looks(&self, entry: Uuid) -> Result<Vec<Look>, LedgerError> {
        let term = key::key(Word::Looked, &entry.to_string());
        let always = Span::of(Timestamp::MIN, Timestamp::MAX);
        let places = self.shelf.with_term(&term, None, always, None, MOST_LOOKS)?;
        self.at(&places, &[term], Kind::Look)?.iter().map(draft::look).collect()
    }

    /// All records of a kind that have one of the terms, in the order of time.
    fn sharing(&self, terms: &[Key], kind: Kind) -> Result<Vec<Row>, LedgerError> {
        self.at(&self.shelf.with_terms(terms)?, terms, kind)
    }

    /// All records of a kind at some places, in the order of time.
    fn at(&self, places: &[Place], terms: &[Key], kind: Kind) -> Result<Vec<Row>, LedgerError> {
        let mut rows = if places.is_empty() { Vec::new() } else { self.shelf.rows(places)? };
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
            let rows = self.shelf.between(span, after, READ)?;
            after = rows.last().map(Row::place);
            let mut opened = Opened::default();
            for row in &rows {
                if row.sound()?.kind()? == Kind::Entry {
                    opened.take(self.open(row)?);
                }
                if opened.bytes >= OPENED && self.told(std::mem::take(&mut opened), take)?.is_break() {
                    return Ok(());
                }
            }
            if self.told(opened, take)?.is_break() || rows.len() < READ as usize {
                return Ok(());
            }
        }
    }

    /// Hands entries out, each with what was told of its cards.
    fn told(
        &self,
        opened: Opened,
        take: &mut dyn FnMut(Entry, Vec<Feedback>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, LedgerError> {
        let cards: Vec<String> = opened.entries.iter().flat_map(|entry| entry.cards.iter().cloned()).collect();
        let mut told: HashMap<String, Vec<Feedback>> = HashMap::new();
        for item in self.feedback(&cards)? {
            told.entry(item.card.clone()).or_default().push(item);
        }
        for entry in opened.entries {
            let feedback = entry.cards.iter().filter_map(|card| told.remove(card)).flatten().collect();
            if take(entry, feedback).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Entries that are in memory at once.
#[derive(Default)]
struct Opened {
    entries: Vec<Entry>,
    bytes: usize,
}

impl Opened {
    fn take(&mut self, entry: Entry) {
        self.bytes += entry.request.len() + entry.response.len() + entry.determinations.len() + entry.learned.len();
        self.entries.push(entry);
    }
}
