//! Ledgers that do as a test wants, around one that keeps what it is given.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use covenant::record::{Draft, Entry, Feedback, Keyring, Ledger, LedgerError, Look, Receipt, Shelf, SqliteLedger};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::sync::Semaphore;

type Append = dyn Fn(Arc<SqliteLedger>, Entry) -> BoxFuture<'static, Result<Receipt, LedgerError>> + Send + Sync;
/// A ledger in a folder of its own.
pub struct TestLedger {
    append: Box<Append>,
    ready: Result<(), LedgerError>,
    looks: Result<(), LedgerError>,
    silent: Duration,
    kept: Arc<SqliteLedger>,
    refusals: Mutex<Vec<Entry>>,
    _folder: TempDir,
}

impl TestLedger {
    /// Keeps entries, as it should.
    pub fn ordinary() -> Self {
        Self::that(|kept, entry| kept.append(entry))
    }

    /// Keeps nothing.
    pub fn failing(error: LedgerError) -> Self {
        Self { ready: Err(error), looks: Err(error), ..Self::that(move |_, _| async move { Err(error) }.boxed()) }
    }

    /// Keeps entries, and not that they are looked at.
    pub fn without_looks(error: LedgerError) -> Self {
        Self { looks: Err(error), ..Self::ordinary() }
    }

    /// Does not say for so long whether it is ready.
    pub fn silent(time: Duration) -> Self {
        Self { silent: time, ..Self::ordinary() }
    }

    /// Keeps each worker from everything else for so long, once.
    pub fn sticking(time: Duration) -> Self {
        let left = AtomicUsize::new(thread::available_parallelism().unwrap().get());
        Self::that(move |kept, entry| {
            // Who is stuck does not take another.
            if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                thread::sleep(time);
            }
            kept.append(entry)
        })
    }

    /// Panics the first time, with what it was given in the message.
    pub fn panicking_once() -> Self {
        let panicked = AtomicBool::new(false);
        Self::that(move |kept, entry| {
            if !panicked.swap(true, Ordering::SeqCst) {
                panic!("a panic of the test's, which quotes {:?}", entry.request);
            }
            kept.append(entry)
        })
    }

    /// Panics whenever it is given an entry.
    pub fn panicking() -> Self {
        Self::that(|_, _| panic!("a panic of the test's"))
    }

    /// Keeps entries once its gate is opened.
    pub fn held() -> (Self, Gate) {
        let (arrive, arrived) = mpsc::channel();
        let open = Arc::new(Semaphore::new(0));
        let gate = Gate { arrived, open: open.clone() };
        let ledger = Self::that(move |kept, entry| {
            // Nobody listens when the test is over.
            _ = arrive.send(());
            let open = open.clone();
            async move {
                _ = open.acquire().await;
                kept.append(entry).await
            }
            .boxed()
        });
        (ledger, gate)
    }

    fn that(
        append: impl Fn(Arc<SqliteLedger>, Entry) -> BoxFuture<'static, Result<Receipt, LedgerError>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kept = Arc::new(SqliteLedger::open(&folder.path().join("test.ledger")).unwrap());
        let (ready, looks, silent) = (Ok(()), Ok(()), Duration::ZERO);
        Self { append: Box::new(append), ready, looks, silent, kept, refusals: Mutex::default(), _folder: folder }
    }
}

impl TestLedger {
    /// The refusals that it was given.
    pub fn refusals(&self) -> Vec<Entry> {
        self.refusals.lock().unwrap().clone()
    }
}

impl Ledger for TestLedger {
    fn append(&self, entry: Entry) -> BoxFuture<'static, Result<Receipt, LedgerError>> {
        if entry.status != 200 {
            self.refusals.lock().unwrap().push(entry.clone());
        }
        (self.append)(self.kept.clone(), entry)
    }

    fn keep_feedback(&self, items: Vec<Feedback>) -> BoxFuture<'static, Result<Receipt, LedgerError>> {
        match self.ready {
            Ok(()) => self.kept.keep_feedback(items),
            Err(error) => async move { Err(error) }.boxed(),
        }
    }

    fn look(&self, look: Look) -> BoxFuture<'static, Result<Receipt, LedgerError>> {
        match self.looks {
            Ok(()) => self.kept.look(look),
            Err(error) => async move { Err(error) }.boxed(),
        }
    }

    fn keep(&self, drafts: Vec<Draft>) -> BoxFuture<'static, Result<Receipt, LedgerError>> {
        self.kept.keep(drafts)
    }

    fn shelf(&self) -> &dyn Shelf {
        self.kept.shelf()
    }

    fn keyring(&self) -> &Keyring {
        self.kept.keyring()
    }

    fn keep_policy_set(&self, hash: &str, files: &[(String, Vec<u8>)]) -> Result<(), LedgerError> {
        self.kept.keep_policy_set(hash, files)
    }

    fn remove(&self, node: i64, through: i64, most: u32) -> Result<u64, LedgerError> {
        self.kept.remove(node, through, most)
    }

    fn ready(&self) -> Result<(), LedgerError> {
        thread::sleep(self.silent);
        self.ready
    }

    fn since(&self) -> Option<Timestamp> {
        self.ready.ok().and(self.kept.since())
    }
}
/// What a held ledger waits for. It opens when it is dropped, so that a failing test leaves nobody waiting.
pub struct Gate {
    arrived: mpsc::Receiver<()>,
    open: Arc<Semaphore>,
}

impl Gate {
    /// Waits until an entry stands before the gate.
    pub fn wait_for_one(&self) {
        self.arrived.recv_timeout(Duration::from_secs(30)).expect("an entry for the ledger");
    }

    /// Lets all through that have come and that will come.
    pub fn open(&self) {
        self.open.close();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}
