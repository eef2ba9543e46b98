//! The hash chain: each record is sealed together with the one before it on its node, so that an edit shows.
//!
//! What it cannot show by itself is a tail cut off by someone who also sets back where the node says that it stands.
//! Compare the [`Verdict`]'s heads with a [`Receipt`](super::Receipt) kept elsewhere.

use std::collections::BTreeSet;
use std::fmt;

use sha2::{Digest, Sha256};

use super::row::Row;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// What the first record gives as the hash before it.
pub(super) const NOTHING_BEFORE: Hash = [0; 32];

/// Says what is hashed and how, so that no other use of SHA-256 can be taken for it. A new encoding needs a new name.
const DOMAIN: &[u8] = b"covenant ledger record, version 3";

/// Flaws that are told of one node; a ledger that has more is not told apart by them.
pub(super) const MOST_FLAWS: usize = 100;

/// The hash of a row: over all its columns as they are stored, and so over the hash of the row before.
pub(super) fn seal(row: &Row) -> Hash {
    let columns: [&[u8]; 12] = [
        &row.previous,
        &row.node.to_be_bytes(),
        &row.seq.to_be_bytes(),
        &row.at.to_be_bytes(),
        &row.kind.to_be_bytes(),
        &row.id,
        &row.ids,
        &row.terms,
        &row.head,
        &row.dictionary.to_be_bytes(),
        &row.key.to_be_bytes(),
        &row.body,
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

/// How far a ledger's chains hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Each node's chain, by the nodes' numbers.
    pub chains: Vec<Walked>,
    /// How many entries are whole.
    pub entries: u64,
    /// How many items of feedback are whole.
    pub feedback: u64,
    /// How many records were removed but for their hashes.
    pub pruned: u64,
    /// What was done to the ledger beside its records.
    pub damage: Vec<Damage>,
    /// The policy sets that records name, by their hashes.
    pub policy_sets: BTreeSet<String>,
}

impl Verdict {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.flaw().is_none() && self.damage.is_empty()
    }

    /// The first thing that is wrong with a chain.
    #[must_use]
    pub fn flaw(&self) -> Option<Flaw> {
        self.chains.iter().find_map(|chain| chain.flaws.first().copied())
    }
}

/// How far one node's chain holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walked {
    /// The node's name.
    pub node: String,
    /// The place of the last record that was walked, and of every one before it; 0 for none.
    pub records: i64,
    /// Its hash; 32 zero bytes if there is none.
    pub head: Hash,
    /// What is wrong, in the order of the chain; of many, the first hundred.
    pub flaws: Vec<Flaw>,
}

/// Something that was done to a ledger, by the place (from 1) of the record that shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// The record is not what was sealed.
    Changed(i64),
    /// The record is not there, and later ones are or were.
    Missing(i64),
    /// The record was sealed after another one than it now follows: moved, or the one before was made anew.
    Reordered(i64),
    /// The record is whole, and cannot be found by what it is to be found by.
    Hidden(i64),
    /// The records up to this one were removed, and no pruning tells of it.
    Removed(i64),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(seq) => write!(f, "record {seq} was changed"),
            Self::Missing(seq) => write!(f, "record {seq} is missing"),
            Self::Reordered(seq) => write!(f, "record {seq} does not follow the one before it"),
            Self::Hidden(seq) => write!(f, "record {seq} cannot be found by its ids"),
            Self::Removed(seq) => write!(f, "the records up to {seq} were removed, and no pruning tells of it"),
        }
    }
}

/// Something that was done to a ledger beside the records of its chains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// A node is not listed, though there must be one of this number.
    NoNode(i64),
    /// A data key is not there, and payloads are encrypted with it.
    NoKey(i64),
    /// A table, an index, a trigger or a function is missing, changed, or was added.
    Schema(String),
    /// A policy set that records name is not there.
    NoPolicySet(String),
    /// A policy set is not the one that its hash is of.
    OtherPolicySet(String),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNode(node) => write!(f, "node {node} was removed from the list of nodes"),
            Self::NoKey(key) => write!(f, "data key {key} was removed: payloads that it encrypts cannot be read"),
            Self::Schema(what) => write!(f, "the schema was changed: {what}"),
            Self::NoPolicySet(hash) => write!(f, "policy set {hash} was removed, and records name it"),
            Self::OtherPolicySet(hash) => write!(f, "policy set {hash} was changed"),
        }
    }
}

/// A walk along a chain, one row at a time.
#[derive(Debug)]
pub(super) struct Walk {
    seq: i64,
    head: Hash,
    flaws: Vec<Flaw>,
}

impl Walk {
    /// A walk that has seen the rows up to `seq`, the last of which has the hash `head`.
    pub(super) fn after(seq: i64, head: Hash) -> Self {
        Self { seq, head, flaws: Vec::new() }
    }

    /// Takes the next row; whether it is whole and in its place.
    pub(super) fn step(&mut self, row: &Row) -> bool {
        let expected = self.seq.saturating_add(1);
        let flaw = if row.seq > expected {
            Some(Flaw::Missing(expected))
        } else if row.seq < expected || row.previous != self.head {
            Some(Flaw::Reordered(row.seq))
        } else if row.sound().is_err() {
            Some(Flaw::Changed(row.seq))
        } else {
            None
        };
        // What follows is held against what is there, so that one change is told once.
        (self.seq, self.head) = (row.seq, row.sealed());
        flaw.is_none_or(|flaw| {
            self.found(flaw);
            false
        })
    }

    /// Passes over the rows up to `seq`, which were removed since the walk began; the last of them had the hash `head`.
    pub(super) fn skip(&mut self, seq: i64, head: Hash) {
        (self.seq, self.head) = (seq, head);
    }

    /// Something is wrong.
    pub(super) fn found(&mut self, flaw: Flaw) {
        if self.flaws.len() < MOST_FLAWS && !self.flaws.contains(&flaw) {
            self.flaws.push(flaw);
        }
    }

    /// The place of the last row.
    pub(super) fn seq(&self) -> i64 {
        self.seq
    }

    /// What has been found.
    pub(super) fn end(self, node: String) -> Walked {
        Walked { node, records: self.seq, head: self.head, flaws: self.flaws }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row { seq: 1, ids: b"ab".to_vec(), terms: b"c".to_vec(), ..Row::default() }
    }

    #[test]
    fn the_encoding_is_pinned() {
        let hex: String = seal(&row()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex, "a3faa81346392c4cdfdf8014d4fc6dcb950e15febe7b5f4131215110485d0ca2",
            "changing this breaks every ledger there is"
        );
    }

    #[test]
    fn a_byte_moved_to_the_next_column_is_seen() {
        let moved = Row { ids: b"a".to_vec(), terms: b"bc".to_vec(), ..row() };
        assert_ne!(seal(&row()), seal(&moved));
    }

    #[test]
    fn every_column_is_sealed() {
        let b = |text: &str| text.as_bytes().to_vec();
        let others = [
            Row { node: 2, ..row() },
            Row { seq: 2, ..row() },
            Row { at: 1, ..row() },
            Row { kind: 1, ..row() },
            Row { id: b("x"), ..row() },
            Row { ids: b("x"), ..row() },
            Row { terms: b("x"), ..row() },
            Row { head: b("x"), ..row() },
            Row { dictionary: 1, ..row() },
            Row { key: 1, ..row() },
            Row { body: b("x"), ..row() },
            Row { previous: b("x"), ..row() },
        ];
        let mut hashes: Vec<Hash> = others.iter().map(seal).collect();
        hashes.push(seal(&row()));
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), others.len() + 1);
    }
}
