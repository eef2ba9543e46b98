//! What the rooms of the ledger ask an engine for: rows, by where they lie and by what they are found by.
//!
//! An engine believes nothing and decides nothing: whether a row is what was sealed is for [`reads`](super::reads) to see.

use super::LedgerError;
use super::chain::Hash;
use super::key::Key;
use super::keyring::Wrapped;
use super::row::{Place, Row};

/// A node that writes, or wrote, to the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its number.
    pub(super) number: i64,
    /// Its name.
    pub(super) name: String,
    /// The place of its last record, and that record's hash.
    pub(super) head: (i64, Hash),
    /// The place of the last record that was removed but for its hash; 0 for none.
    pub(super) pruned: i64,
}

impl Node {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Records that it has kept: answers, refusals, feedback and looks.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.head.0.unsigned_abs()
    }

    /// How many of them were removed but for their hashes.
    #[must_use]
    pub fn pruned(&self) -> u64 {
        self.pruned.unsigned_abs()
    }
}

/// A span of time, in nanoseconds since 1970 began: from, and before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first moment.
    pub(super) from: i64,
    /// The first moment that is not in it any more.
    pub(super) before: i64,
}

/// The next rows of a node's chain, and what they are held against, as all of it was at one moment.
#[derive(Debug, Default)]
pub struct Stretch {
    /// The node as it is listed; none if it is not.
    pub(super) node: Option<Node>,
    /// The rows. Those that were removed by then are not among them.
    pub(super) rows: Vec<Row>,
    /// The places of rows that an index does not lead to by one of the rows' own keys.
    pub(super) hidden: Vec<i64>,
    /// What is left of the records before the rows, where some after the place that was asked for were removed.
    pub(super) removed: Option<Removed>,
}

/// What is left of records that were removed.
#[derive(Debug, Clone, Copy)]
pub struct Removed {
    /// The hash of the last of them, if it is there.
    pub(super) last: Option<Hash>,
    /// How many hashes there are.
    pub(super) hashes: i64,
}

/// The rows of a ledger, in one engine or another. Each call waits for the disk or the network.
pub trait Shelf: Send + Sync {
    /// What the engine is called.
    fn engine(&self) -> &'static str;

    /// All nodes, by their numbers.
    fn nodes(&self) -> Result<Vec<Node>, LedgerError>;

    /// The rows of these places, those that are there, in any order.
    fn rows(&self, places: &[Place]) -> Result<Vec<Row>, LedgerError>;

    /// The next rows of a node's chain after a place, in its order, at most so many.
    fn page(&self, node: i64, after: i64, most: u32) -> Result<Vec<Row>, LedgerError>;

    /// The next rows in time, of all nodes: by `at`, then node, then place; after a place, at most so many.
    fn between(&self, span: Span, after: Option<Place>, most: u32) -> Result<Vec<Row>, LedgerError>;

    /// The next rows of a node's chain after a place, at most so many, with what they are held against. All of it is read
    /// in one transaction.
    fn stretch(&self, node: i64, after: i64, most: u32) -> Result<Stretch, LedgerError>;

    /// The numbers of all nodes that records or hashes are of, in their order.
    fn writers(&self) -> Result<Vec<i64>, LedgerError>;

    /// What of the schema is not as it was made, in words.
    fn misshapen(&self) -> Result<Vec<String>, LedgerError>;

    /// The hashes of the policy sets that are kept.
    fn sets(&self) -> Result<Vec<String>, LedgerError>;

    /// Where the record of an id is.
    fn place(&self, id: &Key) -> Result<Option<Place>, LedgerError>;

    /// Where records of a term are, and of another one if there is one, the newest first; those before a place, at most so
    /// many.
    fn with_term(
        &self,
        term: &Key,
        also: Option<&Key>,
        span: Span,
        before: Option<Place>,
        most: u32,
    ) -> Result<Vec<Place>, LedgerError>;

    /// The latest rows in time, of all nodes, the newest first; those before a place, at most so many.
    fn latest(&self, span: Span, before: Option<Place>, most: u32) -> Result<Vec<Row>, LedgerError>;

    /// Where all records of these terms are, in any order.
    fn with_terms(&self, terms: &[Key]) -> Result<Vec<Place>, LedgerError>;

    /// The hash of a record that was removed.
    fn hash(&self, node: i64, seq: i64) -> Result<Option<Hash>, LedgerError>;

    /// The wrapped data keys.
    fn keys(&self) -> Result<Vec<Wrapped>, LedgerError>;

    /// The packed files of a policy set.
    fn files(&self, hash: &str) -> Result<Option<Vec<u8>>, LedgerError>;
}
