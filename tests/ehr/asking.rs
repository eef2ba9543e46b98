//! Who asks: a client of one fake server, for one patient.

use std::cell::RefCell;
use std::io::Write;
use std::net::Ipv4Addr;
use std::sync::Once;
use std::time::{Duration, Instant};

use covenant::auth::{self, Caller};
use covenant::config::{EhrSettings, Settings};
use covenant::gather::ehr::{Ehr, Way};
use covenant::gather::learned::{Failure, Query, Reply};
use covenant::request::Access;
use futures_util::FutureExt;
use serde_json::{Value, json};

use crate::support::RunningEhr;

/// The patient who is asked about.
pub const PATIENT: &str = "p1";

/// The token that the EHR gave.
pub const TOKEN: &str = "a-token-that-is-never-told";

/// Whoever is on this machine.
pub fn local() -> Caller {
    let ticket = auth::local(Some(Ipv4Addr::LOCALHOST.into())).unwrap();
    ticket.enter("a call").now_or_never().unwrap().unwrap().caller().clone()
}

/// The settings of a client that has no server.
pub fn settings() -> EhrSettings {
    Settings::read(None, |_| None).unwrap().ehr
}

/// A client, and what it asks with.
pub struct Asking {
    pub ehr: Ehr,
    base: String,
    token: &'static str,
    expires_in: u64,
    time: Duration,
}

impl Asking {
    /// One that asks this server.
    pub fn of(server: &RunningEhr) -> Self {
        Self::with(server, |_| ())
    }

    /// One with other settings.
    pub fn with(server: &RunningEhr, change: impl FnOnce(&mut EhrSettings)) -> Self {
        Self::at(&server.base(), change)
    }

    /// One that asks whatever is at a URL.
    pub fn at(base: &str, change: impl FnOnce(&mut EhrSettings)) -> Self {
        let mut settings = EhrSettings { servers: vec![base.to_owned()], allow_private: true, ..settings() };
        change(&mut settings);
        let ehr = Ehr::new(&settings).unwrap();
        Self { ehr, base: base.to_owned(), token: TOKEN, expires_in: 300, time: Duration::from_secs(10) }
    }

    /// One that may ask nobody.
    pub fn unregistered() -> Self {
        let ehr = Ehr::new(&settings()).unwrap();
        Self { ehr, base: String::new(), token: TOKEN, expires_in: 300, time: Duration::from_secs(10) }
    }

    /// It has this token.
    pub fn with_token(self, token: &'static str) -> Self {
        Self { token, ..self }
    }

    /// Its token is good for so many seconds.
    pub fn with_token_for(self, expires_in: u64) -> Self {
        Self { expires_in, ..self }
    }

    /// It must have its answers after so many milliseconds.
    pub fn within_millis(self, millis: u64) -> Self {
        Self { time: Duration::from_millis(millis), ..self }
    }

    /// The way to a server.
    pub fn way_to(&self, server: &str) -> Result<Way, Failure> {
        self.way_about(server, PATIENT)
    }

    /// The way to a server about a patient.
    pub fn way_about(&self, server: &str, patient: &str) -> Result<Way, Failure> {
        self.way_of(&local(), server, patient)
    }

    /// The way of a caller to a server about a patient.
    pub fn way_of(&self, caller: &Caller, server: &str, patient: &str) -> Result<Way, Failure> {
        let authorization = Access { token: self.token.to_owned(), expires_in: self.expires_in };
        self.ehr.way(server, &authorization, patient, caller, Instant::now())
    }

    /// Asks one thing.
    pub async fn ask(&self, query: Query) -> Reply {
        only(self.ask_all(&[query]).await)
    }

    /// Asks several things at once, which must not take longer than it has, by much.
    pub async fn ask_all(&self, queries: &[Query]) -> Vec<Reply> {
        let way = self.way_to(&self.base).unwrap();
        self.ask_on(&way, queries).await
    }

    /// Asks on a way.
    pub async fn ask_on(&self, way: &Way, queries: &[Query]) -> Vec<Reply> {
        let started = Instant::now();
        let replies = self.ehr.ask(way, queries, started + self.time).await;
        assert!(started.elapsed() < self.time + Duration::from_millis(1500), "late: {:?}", started.elapsed());
        assert_eq!(replies.len(), queries.len());
        replies
    }
}

/// The only item.
#[track_caller]
pub fn only<T: std::fmt::Debug>(items: Vec<T>) -> T {
    assert_eq!(items.len(), 1, "{items:?}");
    items.into_iter().next().unwrap()
}

/// A reply that failed.
pub fn failed(failure: Failure) -> Reply {
    Reply::Failed(failure)
}

/// A resource that is nobody's.
pub fn location(id: &str) -> Value {
    json!({"resourceType": "Location", "id": id})
}

thread_local! {
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// From now on what a thread logs is kept for it.
///
/// For all threads at once: a subscriber of one thread misses events that another thread without one has met first.
pub fn keep_logs() {
    static KEPT: Once = Once::new();
    KEPT.call_once(|| {
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(|| ThreadLog).finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        tracing::callsite::rebuild_interest_cache();
    });
}

/// What this thread has logged.
pub fn logged() -> String {
    String::from_utf8(LOG.take()).unwrap()
}

struct ThreadLog;

impl Write for ThreadLog {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| log.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
