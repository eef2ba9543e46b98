//! The ledger: every answer is kept here, durably, before anybody hears it.
//!
//! This room decides nothing; it never alters what it has kept, and removes it only when it is told to, but for its hash.

mod chain;
mod dictionary;
mod draft;
mod entry;
mod error;
mod feedback;
mod key;
mod keyring;
mod look;
mod members;
mod pack;
mod policies;
mod postgres;
mod prune;
mod reads;
mod row;
mod search;
mod shelf;
mod sqlite;
mod state;
mod trial;
mod verify;

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use uuid::Uuid;

pub use chain::{Damage, Flaw, Hash, Verdict, Walked};
pub use draft::Draft;
pub use entry::{Entry, body_hash};
pub use error::{LedgerError, Trouble};
pub use feedback::{Feedback, Heard, Outcome, Told, keep_feedback};
pub use keyring::{KeyError, Keyring, MasterKeys};
pub use look::Look;
pub use members::{ImportError, Imported, MemberDirectory, import, import_bytes, members};
pub use postgres::{PostgresLedger, Server};
pub use prune::{prunable, prune};
pub use search::Search;
pub use shelf::{Node, Removed, Shelf, Stretch};
pub use sqlite::{Bounds, SqliteLedger};

use crate::auth::Shared;
use crate::config::{LedgerSettings, OnFailure};
use key::Word;
use reads::Reads;
use shelf::Span;

/// An answer ready to be sent.
#[derive(Clone)]
pub struct Response {
    body: Bytes,
    unkept: Option<LedgerError>,
}

impl Response {
    /// The body, to be sent as it is.
    pub fn into_bytes(self) -> Bytes {
        self.body
    }

    /// Why it is not in the ledger, where the operator has chosen that it is given all the same.
    pub fn unkept(&self) -> Option<LedgerError> {
        self.unkept
    }
}

/// Tells the size alone: what is answered stays out of logs.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({} bytes)", self.body.len())
    }
}

/// Proof that a value is in the ledger, or that the operator has chosen to do without: only this room can make one.
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

/// A ledger's word that a record is durable, and where it stands in its chain.
///
/// Its fields are private: a ledger outside this room can fail, wait or hand over to a real one, and cannot pretend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    seq: i64,
    hash: Hash,
}

impl Receipt {
    /// The record's place in its node's chain; the first is 1.
    pub fn seq(&self) -> i64 {
        self.seq
    }

    /// The record's hash. Kept somewhere else, it is the witness that shows when the ledger's tail was cut off.
    pub fn hash(&self) -> Hash {
        self.hash
    }
}

/// How far it has come that nothing of removed records is left in a ledger's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tidied {
    /// There is more to do.
    More,
    /// Somebody is reading what is to be emptied: it has to be tried again.
    Waiting,
    /// All is done.
    Done,
}

/// The files of a policy set: name and content, in the order they were kept in.
pub type PolicyFiles = Vec<(String, Vec<u8>)>;

/// A place that keeps records in order.
///
/// Only [`keep`](Ledger::keep) and what is made of it may be called from an async task: `append`, `keep_feedback` and
/// `look`. The others wait for the disk or the network: give them a thread that may block.
pub trait Ledger: Send + Sync {
    /// Keeps all of these or none; resolves once they would survive a power loss, with the word of the last.
    ///
    /// They are on their way as soon as this returns: dropping the future does not take them back.
    fn keep(&self, drafts: Vec<Draft>) -> BoxFuture<'static, Result<Receipt, LedgerError>>;

    /// The rows.
    fn shelf(&self) -> &dyn Shelf;

    /// What opens their payloads.
    fn keyring(&self) -> &Keyring;

    /// Keeps the files of a policy set under its hash; a hash that is already kept is left as it is.
    ///
    /// The hash is the caller's claim: whoever reads the files back computes it again.
    fn keep_policy_set(&self, hash: &str, files: &[(String, Vec<u8>)]) -> Result<(), LedgerError>;

    /// Removes the next records of a node up to a place, at most so many, but for their hashes; how many went. Only
    /// [`prune`] calls it, which first keeps that they go.
    fn remove(&self, node: i64, through: i64, most: u32) -> Result<u64, LedgerError>;

    /// Takes the next step towards files in which nothing of removed records is left. Only [`prune`] calls it.
    fn tidy(&self) -> Result<Tidied, LedgerError> {
        Ok(Tidied::Done)
    }

    /// Notes that a server serves from it from now on, until it is closed. Blocks.
    fn serve(&self) -> Result<(), LedgerError> {
        Ok(())
    }

    /// Whether it was a copy of a ledger in use when it was opened: what was only in that one's WAL may be missing.
    fn is_a_copy(&self) -> bool {
        false
    }

    /// Whether an append can be hoped to succeed: for readiness probes. It tries to write, and waits for seconds at most.
    fn ready(&self) -> Result<(), LedgerError>;

    /// Where the servers of this ledger remember together which tokens were used; none where there is one server alone.
    fn shared_tokens(&self) -> Option<Arc<dyn Shared>> {
        None
    }

    /// Whether it has stopped for good: nothing can be kept until the process is started again. Never waits.
    fn has_stopped(&self) -> bool {
        false
    }

    /// Since when it can be written, or cannot, as its own writer knows; none without a writer of its own.
    fn since(&self) -> Option<Timestamp> {
        None
    }

    /// Keeps an entry.
    fn append(&self, entry: Entry) -> BoxFuture<'static, Result<Receipt, LedgerError>> {
        self.keep_each(Draft::entry(entry).map(|draft| vec![draft]))
    }

    /// Keeps all items of one call of feedback, each beside its card, or none of them.
    ///
    /// One that names a card of no answer of its client, tenant and service is [`LedgerError::NoSuchCard`].
    fn keep_feedback(&self, items: Vec<Feedback>) -> BoxFuture<'static, Result<Receipt, LedgerError>> {
        self.keep_each(items.into_iter().map(Draft::feedback).collect())
    }

    /// Keeps that somebody looks at what is kept. Nothing is to be shown before this has resolved.
    fn look(&self, look: Look) -> BoxFuture<'static, Result<Receipt, LedgerError>> {
        self.keep_each(Draft::look(look).map(|draft| vec![draft]))
    }

    /// Keeps drafts, if they could be made.
    fn keep_each(&self, drafts: Result<Vec<Draft>, LedgerError>) -> BoxFuture<'static, Result<Receipt, LedgerError>> {
        match drafts {
            Ok(drafts) => self.keep(drafts),
            Err(error) => Box::pin(async move { Err(error) }),
        }
    }

    /// The entry that promised this coverage-assertion-id, if any did.
    fn find(&self, assertion_id: &str) -> Result<Option<Entry>, LedgerError> {
        self.reads().entry(Word::Assertion, assertion_id)
    }

    /// The entry of an id of any kind: a coverage-assertion-id, an invocation's (`x-request-id`) or a card's.
    fn entry(&self, id: &str) -> Result<Option<Entry>, LedgerError> {
        for word in [Word::Assertion, Word::Record, Word::Card] {
            if let Some(entry) = self.reads().entry(word, id)? {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// How often something was told of a card.
    fn told(&self, card: &str) -> Result<usize, LedgerError> {
        Ok(self.shelf().with_terms(&[key::key(Word::Told, card)])?.len())
    }

    /// What was told of a card, in the order in which it came.
    fn feedback(&self, card: &str) -> Result<Vec<Feedback>, LedgerError> {
        self.reads().feedback(&[card.to_owned()])
    }

    /// Who looked at an entry, in the order of time.
    fn looks(&self, entry: Uuid) -> Result<Vec<Look>, LedgerError> {
        self.reads().looks(entry)
    }

    /// The entries that fit, the newest first, at most so many.
    fn search(&self, search: &Search, most: usize) -> Result<Vec<Entry>, LedgerError> {
        self.reads().search(search, most)
    }

    /// The entries from a moment until before another with what was told of their cards, in the order of time, until it
    /// is broken off.
    fn each(
        &self,
        from: Timestamp,
        before: Timestamp,
        take: &mut dyn FnMut(Entry, Vec<Feedback>) -> ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        self.reads().each(Span::of(from, before), take)
    }

    /// The files that were kept under this hash, if any were.
    fn policy_set(&self, hash: &str) -> Result<Option<PolicyFiles>, LedgerError> {
        self.shelf().files(hash)?.as_deref().map(policies::unpack_files).transpose()
    }

    /// Walks all chains and says how far they hold. Records appended meanwhile may or may not be walked.
    fn verify(&self) -> Result<Verdict, LedgerError> {
        self.reads().verify()
    }

    #[doc(hidden)]
    #[allow(private_interfaces)]
    fn reads(&self) -> Reads<'_> {
        Reads { shelf: self.shelf(), keyring: self.keyring() }
    }
}

/// Keeps an answer and gives it back, sendable: the one way to a `Recorded<Response>`.
pub async fn append(
    ledger: &dyn Ledger,
    entry: Entry,
    on_failure: OnFailure,
) -> Result<Recorded<Response>, LedgerError> {
    let (id, body) = (entry.id, entry.response.clone());
    match (ledger.append(entry).await, on_failure) {
        (Ok(_), _) => Ok(Recorded(Response { body, unkept: None })),
        // Whoever asks could choose by its length that an answer is not kept.
        (Err(LedgerError::Unstorable), _) => Err(LedgerError::Unstorable),
        (Err(error), OnFailure::Refuse) => Err(error),
        (Err(error), OnFailure::Answer) => {
            crate::telemetry::ledger::answer_is_not_kept(id, error);
            Ok(Recorded(Response { body, unkept: Some(error) }))
        }
    }
}

/// Opens the ledger of the settings, or makes it. Blocks.
///
/// # Errors
/// [`LedgerError`]
pub fn open(settings: &LedgerSettings) -> Result<Arc<dyn Ledger>, LedgerError> {
    let masters = masters(settings)?;
    Ok(match server(settings) {
        Some(server) => Arc::new(PostgresLedger::open(&server, &masters)?),
        None => Arc::new(SqliteLedger::open_with(&settings.path, Bounds::default(), &masters)?),
    })
}

/// Opens the ledger of the settings as it is, to look whether it is whole; nothing can be kept in it. Blocks.
///
/// # Errors
/// [`LedgerError`]
pub fn archive(settings: &LedgerSettings) -> Result<Arc<dyn Ledger>, LedgerError> {
    let masters = masters(settings)?;
    Ok(match server(settings) {
        Some(server) => Arc::new(PostgresLedger::archive(&server, &masters)?),
        None => Arc::new(SqliteLedger::archive(&settings.path, &masters)?),
    })
}

/// Writes a copy of the ledger of the settings, whole, to a file that is not there yet. It may be in use. Blocks.
///
/// # Errors
/// [`LedgerError::OwnTools`] where it is a database; otherwise what is wrong.
pub fn backup(settings: &LedgerSettings, to: &Path) -> Result<(), LedgerError> {
    if settings.url.is_some() { Err(LedgerError::OwnTools) } else { sqlite::backup::backup(&settings.path, to) }
}

/// Puts a copy that [`backup`] made in the place of the settings' ledger, if it is accepted; whether it was. Blocks.
///
/// # Errors
/// [`LedgerError::OwnTools`] where it is a database; otherwise what is wrong. Then nothing is put anywhere.
pub fn restore(
    settings: &LedgerSettings,
    from: &Path,
    accept: impl FnOnce(&dyn Ledger) -> Result<bool, LedgerError>,
) -> Result<bool, LedgerError> {
    if settings.url.is_some() {
        return Err(LedgerError::OwnTools);
    }
    sqlite::backup::restore(from, &settings.path, &masters(settings)?, accept)
}

fn server(settings: &LedgerSettings) -> Option<Server> {
    let url = settings.url.as_ref()?.shown();
    Some(Server { patience: settings.patience(), ..Server::at(url, &settings.node) })
}

fn masters(settings: &LedgerSettings) -> Result<MasterKeys, LedgerError> {
    let mut text = settings.keys.as_ref().map(|keys| keys.shown().to_owned()).unwrap_or_default();
    if let Some(file) = &settings.keys_file {
        text.push('\n');
        text.push_str(&std::fs::read_to_string(file).map_err(|error| LedgerError::KeysFile(error.kind()))?);
    }
    MasterKeys::read(&text).map_err(LedgerError::Keys)
}

/// Waits for what a ledger keeps, on a thread that may block.
///
/// # Errors
/// [`LedgerError`]
pub fn wait<T>(kept: impl Future<Output = Result<T, LedgerError>>) -> Result<T, LedgerError> {
    tokio::runtime::Builder::new_current_thread().build()?.block_on(kept)
}

#[cfg(test)]
mod tests;
