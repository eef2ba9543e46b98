//! The ledger in a PostgreSQL database, which several servers may share: each is a node with a chain of its own.

mod batch;
mod open;
mod parts;
mod remove;
mod shelf;
mod tokens;
mod trial;
mod walk;
mod writer;

use std::fmt;
use std::sync::{Arc, mpsc as blocking};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::runtime::{self, Handle};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::keyring::{Keyring, MasterKeys};
use super::reads::Reads;
use super::row::Loose;
use super::shelf::Shelf;
use super::state::State;
use super::{Draft, Ledger, LedgerError, Receipt, Trouble, policies};
use crate::auth::Shared;
use open::Pools;
use parts::Parts;
use tokens::Tokens;
use trial::Trials;
use writer::{Job, Writer};

/// How long a read may take. Writes have the server's patience; a reader has more.
const READ: Duration = Duration::from_secs(30);

/// Where the database is, and how it is written to.
#[derive(Clone)]
pub struct Server {
    /// `postgres://user:password@host:port/database`
    pub url: String,
    /// The name of this node; its chain goes on under it. Two servers that run at once may have one name, and then wait for
    /// each other.
    pub node: String,
    /// How long a commit may take. After that the database is taken to be away, and who asks is told so at once.
    pub patience: Duration,
    /// Connections at most: one writes, the others read.
    pub connections: usize,
    /// Calls that may wait for the writer. Beyond it an append is refused at once: a long queue is a late answer.
    pub queue: usize,
    /// Calls that are committed together.
    pub batch: usize,
}

impl Server {
    /// A database, with the bounds for ordinary use.
    #[must_use]
    pub fn at(url: &str, node: &str) -> Self {
        let patience = Duration::from_secs(1);
        Self { url: url.to_owned(), node: node.to_owned(), patience, connections: 4, queue: 1024, batch: 256 }
    }
}

/// Leaves the address out: it has a password in it.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("node", &self.node).field("patience", &self.patience).finish_non_exhaustive()
    }
}

/// A ledger in PostgreSQL, with a thread and connections of its own.
///
/// Dropping it keeps what is still in the queue, and waits for that: drop it where blocking is allowed.
pub struct PostgresLedger {
    /// To the writer. `None` while dropping, and in a ledger that is only looked at.
    jobs: Option<mpsc::Sender<Job>>,
    /// Ends the thread of a ledger that is only looked at.
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    runtime: Handle,
    pool: Pool,
    keyring: Keyring,
    state: State,
    trials: Trials,
    patience: Duration,
    /// None in a ledger that is only looked at.
    tokens: Option<Tokens>,
}

impl fmt::Debug for PostgresLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresLedger").field("state", &self.state).finish_non_exhaustive()
    }
}

/// What opening a database has come to.
struct Opened {
    runtime: Handle,
    pool: Pool,
    tokens: Option<Tokens>,
    keyring: Keyring,
}

impl PostgresLedger {
    /// Opens the ledger: makes the tables if there are none, and enters this node. Blocks.
    ///
    /// # Errors
    /// The database cannot be reached, or one that durability or history cannot rest on; or a key is missing.
    pub fn open(server: &Server, masters: &MasterKeys) -> Result<Self, LedgerError> {
        let (jobs, queue) = mpsc::channel(server.queue.max(1));
        let (tell, told) = blocking::channel();
        let (patience, trials) = (server.patience, Trials::new());
        let (server, masters, state) = (server.clone(), masters.clone(), State::well());
        let writers = state.clone();
        let run = async move {
            let Pools { write: pool, read, tokens } = open::pools(&server)?;
            let until = Instant::now() + open::OPENING;
            let mut client = open::reach(&pool, server.patience, None, until).await?;
            let (node, keyring) = open::enter(&mut client, &server, &masters).await?;
            tokens::connect(&tokens).await?;
            // Who opens it waits for this.
            let (runtime, patience, state) = (Handle::current(), server.patience, writers.clone());
            tokio::spawn(tokens::sweep(read.clone(), READ));
            let tokens = Some(Tokens { pool: tokens, runtime: runtime.clone(), patience, state });
            _ = tell.send(Ok(Opened { runtime, pool: read, tokens, keyring }));
            let (patience, parts) = (server.patience, Parts::default());
            let writer = Writer { pool, node, patience, state: writers, client: Some(client), parts };
            writer.run(queue, server.batch.max(1)).await;
            Ok(())
        };
        let (opened, thread) = start(run, told)?;
        let Opened { runtime, pool, tokens, keyring } = opened;
        let thread = Some(thread);
        let ledger =
            Self { jobs: Some(jobs), end: None, thread, runtime, pool, keyring, state, trials, patience, tokens };
        if let Some(flaw) = (Reads { shelf: &ledger, keyring: &ledger.keyring }).tails()? {
            crate::telemetry::ledger::end_is_damaged(flaw);
            return Err(LedgerError::Corrupt);
        }
        Ok(ledger)
    }

    /// Opens a ledger that is there to look at it: nothing can be appended and nothing is made. Blocks.
    ///
    /// # Errors
    /// The database cannot be reached, or holds no ledger.
    pub fn archive(server: &Server, masters: &MasterKeys) -> Result<Self, LedgerError> {
        let (end, ended) = oneshot::channel();
        let (tell, told) = blocking::channel();
        let (patience, trials) = (server.patience, Trials::new());
        let (server, masters) = (server.clone(), masters.clone());
        let run = async move {
            let Pools { read: pool, .. } = open::pools(&server)?;
            let keys = timeout(READ, async { shelf::keys(&*pool.get().await?).await });
            let keys = keys.await.unwrap_or(Err(LedgerError::Unavailable(Trouble::Silence)))?;
            let keyring = Keyring::to_read(&masters, &keys)?;
            // Who opens it waits for this.
            _ = tell.send(Ok(Opened { runtime: Handle::current(), pool, tokens: None, keyring }));
            _ = ended.await;
            Ok(())
        };
        let (Opened { runtime, pool, tokens, keyring }, thread) = start(run, told)?;
        let (end, thread, state) = (Some(end), Some(thread), State::well());
        Ok(Self { jobs: None, end, thread, runtime, pool, keyring, state, trials, patience, tokens })
    }

    /// Asks on the ledger's own thread, and waits here.
    fn ask<T: Send + 'static, F: Future<Output = Result<T, LedgerError>> + Send>(
        &self,
        question: impl FnOnce(Object) -> F + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.ask_within(READ, question)
    }

    /// Asks, and waits for so long at most.
    fn ask_within<T: Send + 'static, F: Future<Output = Result<T, LedgerError>> + Send>(
        &self,
        most: Duration,
        question: impl FnOnce(Object) -> F + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (tell, told) = blocking::channel();
        let pool = self.pool.clone();
        self.runtime.spawn(async move {
            let asked = async { question(pool.get().await?).await };
            let said = timeout(most, asked).await.unwrap_or(Err(LedgerError::Unavailable(Trouble::Silence)));
            // Who asked waits for this.
            _ = tell.send(said);
        });
        told.recv().unwrap_or(Err(LedgerError::Unavailable(Trouble::Connection)))
    }
}

/// Runs the ledger's side on a thread of its own, until it ends; what it has told of itself at its start.
fn start(
    run: impl Future<Output = Result<(), LedgerError>> + Send + 'static,
    told: blocking::Receiver<Result<Opened, LedgerError>>,
) -> Result<(Opened, JoinHandle<()>), LedgerError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (fail, failed) = blocking::channel();
    let thread = thread::Builder::new().name("ledger".to_owned()).spawn(move || {
        if let Err(error) = runtime.block_on(run) {
            _ = fail.send(error);
        }
    })?;
    match told.recv() {
        Ok(opened) => Ok((opened?, thread)),
        Err(_) => Err(failed.recv().unwrap_or(LedgerError::Unavailable(Trouble::Connection))),
    }
}

impl Ledger for PostgresLedger {
    fn keep(&self, drafts: Vec<Draft>) -> BoxFuture<'static, Result<Receipt, LedgerError>> {
        let (reply, receipt) = oneshot::channel();
        let packed = drafts.into_iter().map(|draft| Loose::pack(draft, &self.keyring)).collect::<Result<Vec<_>, _>>();
        let sent = packed.and_then(|records| {
            let jobs = self.jobs.as_ref().ok_or(LedgerError::Poisoned)?;
            jobs.try_send((records, reply)).map_err(|error| match error {
                TrySendError::Full(_) => LedgerError::Busy,
                TrySendError::Closed(_) => LedgerError::Poisoned,
            })
        });
        Box::pin(async move {
            sent?;
            receipt.await.unwrap_or(Err(LedgerError::Poisoned))
        })
    }

    fn shelf(&self) -> &dyn Shelf {
        self
    }

    fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    fn keep_policy_set(&self, hash: &str, files: &[(String, Vec<u8>)]) -> Result<(), LedgerError> {
        let (hash, files) = (hash.to_owned(), policies::pack(files)?);
        self.ask(move |client| async move {
            let sql = "INSERT INTO ledger_policy_sets (hash, files) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING";
            client.execute(sql, &[&hash, &files]).await?;
            Ok(())
        })
    }

    fn remove(&self, node: i64, through: i64, most: u32) -> Result<u64, LedgerError> {
        self.ask(move |mut client| async move { remove::remove(&mut client, node, through, most.into()).await })
    }

    fn shared_tokens(&self) -> Option<Arc<dyn Shared>> {
        self.tokens.clone().map(|tokens| Arc::new(tokens) as Arc<dyn Shared>)
    }

    fn has_stopped(&self) -> bool {
        self.jobs.as_ref().is_none_or(mpsc::Sender::is_closed)
    }

    fn ready(&self) -> Result<(), LedgerError> {
        if self.has_stopped() {
            return Err(LedgerError::Poisoned);
        }
        // After a failure the writer itself tries, until it can write again.
        self.state.now()?;
        // A trial that is broken off leaves a transaction open, so its connection is used for nothing else.
        let tried = |client| async move { trial::write(&Object::take(client)).await };
        self.trials.run(|| self.ask_within(self.patience, tried))
    }

    fn since(&self) -> Option<Timestamp> {
        Some(self.state.since())
    }
}

impl Drop for PostgresLedger {
    fn drop(&mut self) {
        // Closing the queue is what ends the writer, once it has emptied it.
        self.jobs = None;
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // One that panicked has told so.
            _ = thread.join();
        }
    }
}
