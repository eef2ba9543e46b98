//! The hash chain: each entry is sealed together with the one before it, so that an edit shows.
//!
//! What it cannot show by itself is a tail cut off: what remains is a whole, shorter chain. Compare the [`Verdict`]'s
//! `entries` and `head` with a [`Receipt`](super::Receipt) kept elsewhere.

use std::fmt;

use sha2::{Digest, Sha256};

use super::row::Row;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// What the first entry gives as the hash before it.
pub(super) const NOTHING_BEFORE: Hash = [0; 32];

/// Says what is hashed and how, so that no other use of SHA-256 can be taken for it. A new encoding needs a new name.
const DOMAIN: &[u8] = b"covenant ledger entry, version 2";

/// The hash of a row: over all its columns as they are stored, and so over the hash of the row before.
pub(super) fn seal(row: &Row) -> Hash {
    let columns: [&[u8]; 18] = [
        &row.previous,
        &row.seq.to_be_bytes(),
        row.id.as_bytes(),
        row.at.as_bytes(),
        row.today.as_bytes(),
        row.seed.as_bytes(),
        row.service.as_bytes(),
        row.hook_instance.as_bytes(),
        row.client.as_bytes(),
        row.crd_version.as_bytes(),
        row.policy_set.as_bytes(),
        row.assertions.as_bytes(),
        row.cards.as_bytes(),
        &row.took_micros.to_be_bytes(),
        &row.determinations,
        &row.learned,
        &row.request,
        &row.response,
    ];
    digest(DOMAIN, &columns)
}

/// The hash of columns, under the name of what they are. Each is preceded by its length: no two rows have one encoding.
pub(super) fn digest(domain: &[u8], columns: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new_with_prefix(domain);
    for column in columns {
        hasher.update((column.len() as u64).to_be_bytes());
        hasher.update(column);
    }
    hasher.finalize().into()
}

/// A row of a chain.
pub(super) trait Link {
    /// Its place, from 1.
    fn seq(&self) -> i64;
    /// The hash that it gives of the row before.
    fn previous(&self) -> Hash;
    /// The hash that it was stored with.
    fn hash(&self) -> Hash;
    /// The hash that it should have.
    fn seal(&self) -> Hash;
}

impl Link for Row {
    fn seq(&self) -> i64 {
        self.seq
    }

    fn previous(&self) -> Hash {
        self.previous
    }

    fn hash(&self) -> Hash {
        self.hash
    }

    fn seal(&self) -> Hash {
        seal(self)
    }
}

/// How far a ledger's chain holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// How many entries were walked and found whole.
    pub entries: u64,
    /// The hash of the last of them; 32 zero bytes if there is none.
    pub head: Hash,
    /// How many items of feedback were walked and found whole, in their own chain; 0 if an entry is flawed.
    pub feedback: u64,
    /// The hash of the last of those; 32 zero bytes if there is none.
    pub feedback_head: Hash,
    /// The first thing that is wrong; nothing after it was looked at.
    pub flaw: Option<Flaw>,
}

/// Something that was done to a ledger, by the place (from 1) of the entry or item of
/// feedback that shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// The entry is not what was sealed.
    Changed(i64),
    /// The entry is not there, and later ones are.
    Missing(i64),
    /// The entry was sealed after another one than it now follows: moved, or the one before was made anew.
    Reordered(i64),
    /// The entry is whole, and cannot be found by one of its assertion or card ids.
    Hidden(i64),
    /// The item of feedback is not what was sealed.
    FeedbackChanged(i64),
    /// The item of feedback is not there, and later ones are.
    FeedbackMissing(i64),
    /// The item of feedback was sealed after another one than it now follows.
    FeedbackReordered(i64),
    /// The item of feedback is whole, and its card does not lead to the entry that it was told of.
    FeedbackHidden(i64),
}

impl Flaw {
    /// The same flaw, of feedback.
    pub(super) fn of_feedback(self) -> Self {
        match self {
            Self::Changed(seq) => Self::FeedbackChanged(seq),
            Self::Missing(seq) => Self::FeedbackMissing(seq),
            Self::Reordered(seq) => Self::FeedbackReordered(seq),
            Self::Hidden(seq) => Self::FeedbackHidden(seq),
            feedback => feedback,
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(seq) => write!(f, "entry {seq} was changed"),
            Self::Missing(seq) => write!(f, "entry {seq} is missing"),
            Self::Reordered(seq) => write!(f, "entry {seq} does not follow the one before it"),
            Self::Hidden(seq) => write!(f, "entry {seq} cannot be found by its ids"),
            Self::FeedbackChanged(seq) => write!(f, "feedback {seq} was changed"),
            Self::FeedbackMissing(seq) => write!(f, "feedback {seq} is missing"),
            Self::FeedbackReordered(seq) => write!(f, "feedback {seq} does not follow the one before it"),
            Self::FeedbackHidden(seq) => write!(f, "feedback {seq} cannot be found by its card"),
        }
    }
}

/// A walk along the chain, one row at a time.
#[derive(Debug)]
pub(super) struct Walk {
    rows: u64,
    seq: i64,
    head: Hash,
}

/// What a walk has found: how many rows are whole, the last one's hash, and the first flaw.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) rows: u64,
    pub(super) head: Hash,
    pub(super) flaw: Option<Flaw>,
}

impl Walk {
    /// A walk that has seen the rows up to `seq`, the last of which has the hash `head`.
    pub(super) fn after(seq: i64, head: Hash) -> Self {
        Self { rows: 0, seq, head }
    }

    /// A walk from the first row.
    pub(super) fn start() -> Self {
        Self::after(0, NOTHING_BEFORE)
    }

    /// Takes the next row, or says what is wrong with it.
    pub(super) fn step(&mut self, row: &impl Link) -> Result<(), Flaw> {
        let (seq, expected) = (row.seq(), self.seq.saturating_add(1));
        if seq > expected {
            return Err(Flaw::Missing(expected));
        }
        if seq < expected || row.previous() != self.head {
            return Err(Flaw::Reordered(seq));
        }
        if row.hash() != row.seal() {
            return Err(Flaw::Changed(seq));
        }
        *self = Self { rows: self.rows.saturating_add(1), seq, head: row.hash() };
        Ok(())
    }

    /// The place of the last row that was found whole; 0 before the first.
    pub(super) fn seq(&self) -> i64 {
        self.seq
    }

    /// What has been found.
    pub(super) fn end(&self, flaw: Option<Flaw>) -> Walked {
        Walked { rows: self.rows, head: self.head, flaw }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row { seq: 1, service: "ab".into(), hook_instance: "c".into(), ..Row::default() }
    }

    #[test]
    fn the_encoding_is_pinned() {
        let hex: String = seal(&row()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex, "447dcea4f4a2786fbf98db57227b48ba6f024e913426768982d2da0b27af41d1",
            "changing this breaks every ledger there is"
        );
    }

    #[test]
    fn a_byte_moved_to_the_next_column_is_seen() {
        let moved = Row { service: "a".into(), hook_instance: "bc".into(), ..row() };
        assert_ne!(seal(&row()), seal(&moved));
    }

    #[test]
    fn every_column_is_sealed() {
        let b = |text: &str| text.as_bytes().to_vec();
        let t = |text: &str| text.to_owned();
        let others = [
            Row { seq: 2, ..row() },
            Row { id: t("x"), ..row() },
            Row { at: t("x"), ..row() },
            Row { today: t("x"), ..row() },
            Row { seed: t("x"), ..row() },
            Row { service: t("x"), ..row() },
            Row { hook_instance: t("x"), ..row() },
            Row { client: t("x"), ..row() },
            Row { crd_version: t("x"), ..row() },
            Row { policy_set: t("x"), ..row() },
            Row { assertions: t("x"), ..row() },
            Row { cards: t("x"), ..row() },
            Row { took_micros: 1, ..row() },
            Row { determinations: b("x"), ..row() },
            Row { learned: b("x"), ..row() },
            Row { request: b("x"), ..row() },
            Row { response: b("x"), ..row() },
            Row { previous: [1; 32], ..row() },
        ];
        let mut hashes: Vec<Hash> = others.iter().map(seal).collect();
        hashes.push(seal(&row()));
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), others.len() + 1);
    }
}
