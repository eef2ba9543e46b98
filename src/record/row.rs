//! A record as it is stored: plain where a person may look, packed where the bulk is.

use uuid::Uuid;

use super::LedgerError;
use super::chain::{self, Hash};
use super::draft::{Card, Draft, Kind};
use super::key::{self, Key};
use super::keyring::Keyring;
use super::{dictionary, pack};

/// Where a record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The number of the node that wrote it.
    pub(super) node: i64,
    /// Its place in the node's chain, from 1.
    pub(super) seq: i64,
    /// When it was made, in nanoseconds since 1970 began.
    pub(super) at: i64,
}

/// One row of `records`, column by column. What was stored can be anything: nothing here is believed before it is
/// [`sound`](Row::sound).
#[derive(Clone, Default)]
pub struct Row {
    pub(super) node: i64,
    pub(super) seq: i64,
    pub(super) at: i64,
    pub(super) kind: i64,
    pub(super) id: Vec<u8>,
    /// Keys that are this record's alone. The `ids` table is only an index of it.
    pub(super) ids: Vec<u8>,
    /// Keys that others may have too. The `terms` table is only an index of it.
    pub(super) terms: Vec<u8>,
    pub(super) head: Vec<u8>,
    /// The number of the dictionary that the body was compressed under; 0 for none.
    pub(super) dictionary: i64,
    /// The number of the key that the body was encrypted with; 0 for none.
    pub(super) key: i64,
    pub(super) body: Vec<u8>,
    pub(super) previous: Vec<u8>,
    pub(super) hash: Vec<u8>,
}

/// Names the place alone.
impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row").field("node", &self.node).field("seq", &self.seq).finish_non_exhaustive()
    }
}

/// A row that has no place yet, and the card that must be there for it.
#[derive(Debug)]
pub(super) struct Loose {
    row: Row,
    pub(super) card: Option<Card>,
}

impl Loose {
    /// Packs a draft. The costly part of keeping it: done by whoever asks, not by the one who writes.
    pub(super) fn pack(draft: Draft, keyring: &Keyring) -> Result<Self, LedgerError> {
        let terms: Vec<Key> = draft.terms.iter().map(|(word, value)| keyring.key(*word, value)).collect();
        let parts: Vec<&[u8]> = draft.parts.iter().map(|part| &**part).collect();
        let packed = pack::pack(&parts)?;
        let mut row = Row {
            at: i64::try_from(draft.at.as_nanosecond()).map_err(|_| LedgerError::Unstorable)?,
            kind: draft.kind.number(),
            id: draft.id.into_bytes().to_vec(),
            ids: key::joined(&draft.ids),
            terms: key::joined(&terms),
            head: draft.head,
            dictionary: dictionary::number(),
            ..Row::default()
        };
        (row.key, row.body) = keyring.seal(&row.bound(), packed)?;
        Ok(Self { row, card: draft.card })
    }

    /// The row that follows the row `previous` of its node, sealed.
    pub(super) fn linked(&self, node: i64, seq: i64, previous: &Hash) -> Row {
        let mut row = Row { node, seq, previous: previous.to_vec(), ..self.row.clone() };
        row.hash = chain::seal(&row).to_vec();
        row
    }

    /// The key of its own id.
    pub(super) fn key(&self) -> Key {
        key::key(key::Word::Record, &self.row.uuid().unwrap_or_default().to_string())
    }

    /// When it was made.
    pub(super) fn at(&self) -> i64 {
        self.row.at
    }

    /// Bytes that keeping it writes, about: it, and for each key a share of a page of an index, where keys lie in no order.
    pub(super) fn bytes(&self) -> usize {
        let keys = (self.row.ids.len() + self.row.terms.len()) / size_of::<Key>();
        self.row.head.len() + self.row.body.len() + keys * 512
    }
}

impl Row {
    /// Where it lies.
    pub(super) fn place(&self) -> Place {
        Place { node: self.node, seq: self.seq, at: self.at }
    }

    /// Its own id.
    pub(super) fn uuid(&self) -> Result<Uuid, LedgerError> {
        Uuid::from_slice(&self.id).map_err(|_| LedgerError::Corrupt)
    }

    /// What kind of record it is.
    pub(super) fn kind(&self) -> Result<Kind, LedgerError> {
        Kind::of(self.kind).ok_or(LedgerError::Corrupt)
    }

    /// The keys that are this record's alone.
    pub(super) fn ids(&self) -> impl Iterator<Item = Key> + '_ {
        key::parted(&self.ids)
    }

    /// The keys that it may share.
    pub(super) fn terms(&self) -> impl Iterator<Item = Key> + '_ {
        key::parted(&self.terms)
    }

    /// Its hash; where that is none, the one that it should have, so that what follows it is held against the rest of it.
    pub(super) fn sealed(&self) -> Hash {
        self.hash.as_slice().try_into().unwrap_or_else(|_| chain::seal(self))
    }

    /// Itself, if it is what was sealed.
    pub(super) fn sound(&self) -> Result<&Self, LedgerError> {
        if self.hash == chain::seal(self) { Ok(self) } else { Err(LedgerError::Corrupt) }
    }

    /// The parts of its payload.
    pub(super) fn parts(&self, keyring: &Keyring) -> Result<Vec<Vec<u8>>, LedgerError> {
        match self.key {
            0 => pack::unpack(self.dictionary, &self.body),
            key => pack::unpack(self.dictionary, &keyring.open(key, &self.bound(), &self.body)?),
        }
    }

    /// What an encrypted payload is bound to: it cannot be put into another record.
    fn bound(&self) -> Vec<u8> {
        let mut bound = self.id.clone();
        bound.extend(self.kind.to_be_bytes());
        bound.extend(self.dictionary.to_be_bytes());
        bound
    }
}
