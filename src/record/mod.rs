//! The ledger: every answer is kept here, durably, before anybody hears it.
//!
//! This room decides nothing and reads no payload; it never alters or removes what it has kept.

mod batch;
mod chain;
mod error;
mod feedback;
mod members;
mod open;
mod policies;
mod reads;
mod row;
mod sqlite;
mod writer;

use std::fmt;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use uuid::Uuid;

pub use chain::{Flaw, Hash, Verdict};
pub use error::LedgerError;
pub use feedback::{Feedback, Outcome};
pub use members::{ImportError, Imported, MemberDirectory, import, import_bytes, members};
pub use sqlite::{Bounds, SqliteLedger};

/// An answered invocation, whole: from it the same answer can be made again.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The invocation's id.
    pub id: Uuid,
    /// When it was asked.
    pub at: jiff::Timestamp,
    /// That day in the payer's time zone: the date that policies were applied as of.
    pub today: jiff::civil::Date,
    /// What the answer's fresh ids were made from.
    pub seed: Uuid,
    /// The service that was called, such as `order-sign-crd`.
    pub service: String,
    /// The request's `hookInstance`.
    pub hook_instance: String,
    /// The verified client that asked.
    pub client: String,
    /// The CRD version that was spoken: `2.0`, `2.1` or `2.2`.
    pub crd_version: String,
    /// SHA-256 of the policy set that decided, in hex; the key of [`Ledger::policy_set`].
    pub policy_set: String,
    /// The coverage-assertion-ids that the answer promised; may be empty. Each is unique in the ledger.
    pub assertions: Vec<String>,
    /// The uuids of the cards in the answer, by which feedback names them; may be empty. Each is unique in the ledger.
    pub cards: Vec<String>,
    /// The determinations with their traces, as JSON text.
    pub determinations: String,
    /// What was learnt beside the request, as JSON text of [`gather::learned::Learned`](crate::gather::learned::Learned);
    /// `{}` when nothing was.
    pub learned: String,
    /// How long the answer took to make, in microseconds.
    pub took_micros: u64,
    /// The request's body, byte for byte.
    pub request: Bytes,
    /// The response's body, byte for byte.
    pub response: Bytes,
}

/// Names the entry and tells sizes: what was asked and answered stays out of logs.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("id", &self.id)
            .field("service", &self.service)
            .field("request_bytes", &self.request.len())
            .field("response_bytes", &self.response.len())
            .finish_non_exhaustive()
    }
}

/// An answer ready to be sent.
#[derive(Clone)]
pub struct Response(Bytes);

impl Response {
    /// The body, to be sent as it is.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

/// Tells the size alone, for the same reason as [`Entry`]'s.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({} bytes)", self.0.len())
    }
}

/// Proof that a value is in the ledger: only this room can make one.
///
/// ```compile_fail,E0423
/// let forged = covenant::record::Recorded("an answer that was never kept");
/// ```
#[derive(Debug)]
pub struct Recorded<T>(T);

impl<T> Recorded<T> {
    /// Looks at the value.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// Takes the value out; the proof is spent.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// A ledger's word that an entry, or an item of feedback, is durable, and where it stands in its chain.
///
/// Its fields are private: a ledger outside this room can fail, wait or hand over to a real one, and cannot pretend.
#[derive(Debug)]
pub struct Receipt {
    seq: i64,
    hash: Hash,
}

impl Receipt {
    /// The entry's place in the ledger; the first is 1.
    pub fn seq(&self) -> i64 {
        self.seq
    }

    /// The entry's hash. Kept somewhere else, it is the witness that shows when the ledger's tail was cut off.
    pub fn hash(&self) -> Hash {
        self.hash
    }
}

/// The files of a policy set: name and content, in the order they were kept in.
pub type PolicyFiles = Vec<(String, Vec<u8>)>;

/// A place that keeps entries for ever and in order.
///
/// Only `append` and `keep_feedback` may be called from an async task. The others wait for the disk: give them a thread that may block.
pub trait Ledger: Send + Sync {
    /// Keeps an entry; resolves once it would survive a power loss.
    ///
    /// The entry is on its way as soon as this returns: dropping the future does not take it back.
    fn append(&self, entry: Entry) -> BoxFuture<'static, Result<Receipt, LedgerError>>;

    /// The entry that promised this coverage-assertion-id, if any did.
    fn find(&self, assertion_id: &str) -> Result<Option<Entry>, LedgerError>;

    /// Keeps all items of one call of feedback, each beside its card, or none of them; resolves once they would survive a
    /// power loss, with the word of the last. They are on their way as soon as this returns.
    ///
    /// One that names a card of no answer of its client and service is [`LedgerError::NoSuchCard`].
    fn keep_feedback(&self, items: Vec<Feedback>) -> BoxFuture<'static, Result<Receipt, LedgerError>>;

    /// What was told of a card, in the order in which it came.
    fn feedback(&self, card: &str) -> Result<Vec<Feedback>, LedgerError>;

    /// Keeps the files of a policy set under its hash; a hash that is already kept is left as it is.
    ///
    /// The hash is the caller's claim: whoever reads the files back computes it again.
    fn keep_policy_set(&self, hash: &str, files: &[(String, Vec<u8>)]) -> Result<(), LedgerError>;

    /// The files that were kept under this hash, if any were.
    fn policy_set(&self, hash: &str) -> Result<Option<PolicyFiles>, LedgerError>;

    /// Walks the whole chain and says how far it holds. Entries appended meanwhile may or may not be walked.
    fn verify(&self) -> Result<Verdict, LedgerError>;

    /// Whether an append can be hoped to succeed: for readiness probes.
    fn ready(&self) -> Result<(), LedgerError> {
        Ok(())
    }
}

/// Keeps an answer and gives it back, sendable: the one way to a `Recorded<Response>`.
pub async fn append(ledger: &dyn Ledger, entry: Entry) -> Result<Recorded<Response>, LedgerError> {
    let response = Response(entry.response.clone());
    ledger.append(entry).await?;
    Ok(Recorded(response))
}

/// Keeps a call of feedback and says how many items it had: the one way to say that it was heard.
pub async fn keep_feedback(ledger: &dyn Ledger, items: Vec<Feedback>) -> Result<Recorded<usize>, LedgerError> {
    let count = items.len();
    ledger.keep_feedback(items).await?;
    Ok(Recorded(count))
}

#[cfg(test)]
mod tests;
