//! A server of one's own, in this process, on a port of its own.

use std::net::TcpListener;
use std::ops::Deref;
use std::sync::{Arc, LazyLock, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use covenant::answer::Manner;
use covenant::auth::Doorman;
use covenant::config::{OpsSettings, Role, Secret, Settings, Token};
use covenant::gather::ehr::Ehr;
use covenant::http::ops::Ops;
use covenant::http::{self, App, tls};
use covenant::policy::check::Proof;
use covenant::policy::model::PolicySet;
use covenant::policy::{self, Serving};
use covenant::record::{Entry, Feedback, Ledger, Look, Search};
use covenant::request::version::Version;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::call::Caller;
use super::ehr::RunningEhr;
use super::tokens::BASE_URL;
use super::{Certified, Place, TestLedger};

/// The embedded policy set, proved once for all tests.
static EMBEDDED: LazyLock<(Arc<PolicySet>, Proof)> = LazyLock::new(|| {
    let proved = policy::open(None).unwrap();
    (Arc::new(proved.set), proved.proof)
});

/// How often a test's server looks whether its certificate has changed.
const LOOK: Duration = Duration::from_millis(20);

/// What lets the operator of a test in, whose name is `alice`.
pub const SECRET: &str = "planted-secret-of-an-operator-0123456789";

/// Settings with an operations listener on a port of its own.
pub fn operated(settings: &mut Settings) {
    settings.ops.listen = Some("127.0.0.1:0".parse().unwrap());
    settings.ops.tokens =
        vec![token("bob", "planted-secret-of-another-operator-0123", &Role::ALL), token("alice", SECRET, &Role::ALL)];
}

/// An operator's token.
pub fn token(name: &str, secret: &str, roles: &[Role]) -> Token {
    Token { name: name.to_owned(), secret: Secret::of(secret), roles: roles.to_vec() }
}

/// A running server. It ends with the test.
pub struct TestApp {
    caller: Caller,
    ops: Option<Caller>,
    ledger: Arc<TestLedger>,
    handles: Vec<ServerHandle>,
    thread: Option<JoinHandle<()>>,
}

impl TestApp {
    /// As it is by default.
    pub fn start() -> Self {
        Self::with(TestLedger::ordinary(), |_| ())
    }

    /// With other settings.
    pub fn with_settings(change: impl FnOnce(&mut Settings)) -> Self {
        Self::with(TestLedger::ordinary(), change)
    }

    /// With a FHIR server that is registered, though only this machine reaches it.
    pub fn beside(ehr: &RunningEhr) -> Self {
        Self::with_settings(|settings| {
            settings.ehr.servers = vec![ehr.base()];
            settings.ehr.allow_private = true;
        })
    }

    /// With a doorman who lets in the clients of a file of registrations, and other settings.
    pub fn guarded(clients: &str, change: impl FnOnce(&mut Settings)) -> Self {
        Self::guarded_with(TestLedger::ordinary(), clients, change)
    }

    /// The same with another ledger.
    pub fn guarded_with(ledger: TestLedger, clients: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let place = Place::empty();
        let file = place.write("clients.toml", clients);
        Self::with(ledger, |settings| {
            settings.auth.clients = Some(file);
            settings.auth.base_url = Some(BASE_URL.to_owned());
            settings.auth.allow_http = true;
            // All that tests send comes from one address.
            settings.limits.failures_per_minute = 0;
            settings.limits.connections_per_address = 0;
            settings.ehr.allow_private = true;
            change(settings);
        })
    }

    /// Whoever calls it by TLS.
    pub fn by_tls(&self, certified: &Certified) -> Caller {
        Caller::by_tls(self.caller.address, certified)
    }

    /// With a listener for operators, and another ledger.
    pub fn operated(ledger: TestLedger) -> Self {
        Self::with(ledger, operated)
    }

    /// Whoever calls it, to be called from elsewhere.
    pub fn caller(&self) -> Caller {
        self.caller.clone()
    }

    /// Whoever calls its operations listener, which it must have.
    pub fn ops(&self) -> &Caller {
        self.ops.as_ref().expect("an operations listener")
    }

    /// With another ledger.
    pub fn with_ledger(ledger: TestLedger) -> Self {
        Self::with(ledger, |_| ())
    }

    /// With another policy set.
    pub fn with_policies(set: PolicySet) -> Self {
        Self::serving((Arc::new(set), Proof::default()), TestLedger::ordinary(), |_| ())
    }

    /// With another ledger and other settings.
    pub fn with(ledger: TestLedger, change: impl FnOnce(&mut Settings)) -> Self {
        Self::serving(EMBEDDED.clone(), ledger, change)
    }

    fn serving(set: (Arc<PolicySet>, Proof), ledger: TestLedger, change: impl FnOnce(&mut Settings)) -> Self {
        let ledger = Arc::new(ledger);
        let (app, ops) = app(set, ledger.clone(), change);
        let app = Arc::new(app);
        let ops = ops.listen.map(|address| Ops { socket: TcpListener::bind(address).unwrap(), tokens: ops.tokens });
        let operations = ops.as_ref().map(|ops| Caller::of(ops.socket.local_addr().unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async {
                let server = http::serve(listener, app.clone()).unwrap();
                let mut handles = vec![server.handle()];
                if let Some(ops) = ops {
                    let ops = http::ops::serve(ops, app).unwrap();
                    handles.push(ops.handle());
                    actix_web::rt::spawn(ops);
                }
                tell.send(handles).unwrap();
                server.await.unwrap();
            });
        });
        let handles = told.recv().unwrap();
        Self { caller: Caller::of(address), ops: operations, ledger, handles, thread: Some(thread) }
    }

    /// Comes back once every worker has looked at all that was sent before: each has answered something that came later.
    pub fn has_taken_in_what_was_sent(&self) {
        let workers = thread::available_parallelism().unwrap().get();
        for _ in 0..4 * workers {
            let asked = self.connect().sends("GET /cds-services HTTP/1.1\r\nHost: localhost\r\n\r\n").reply();
            assert_eq!(asked.status, 200);
        }
    }

    /// What the ledger has that was told of a card.
    pub fn told(&self, card: &str) -> Vec<Feedback> {
        self.ledger.feedback(card).unwrap()
    }

    /// Keeps an entry that the server did not make.
    pub fn keeps(&self, entry: Entry) {
        actix_web::rt::System::new().block_on(self.ledger.append(entry)).unwrap();
    }

    /// How many answers are in the ledger, whose chain must hold.
    pub fn recorded(&self) -> u64 {
        let verdict = self.ledger.verify().unwrap();
        assert!(verdict.holds(), "{verdict:?}");
        verdict.entries - u64::try_from(self.ledger.refusals().len()).unwrap()
    }

    /// The entry that promised an assertion.
    pub fn entry(&self, assertion: &str) -> Entry {
        self.ledger.find(assertion).unwrap().expect("an entry of this assertion")
    }

    /// Keeps the files of a policy set, as a server does when it starts.
    pub fn keeps_policies(&self, hash: &str, files: &[(String, Vec<u8>)]) {
        self.ledger.keep_policy_set(hash, files).unwrap();
    }

    /// The entry of an id of any kind, as `covenant explain` looks it up.
    pub fn explains(&self, id: &str) -> Option<Entry> {
        self.ledger.entry(id).unwrap()
    }

    /// How many entries fit, as nobody is told who looks.
    pub fn searched(&self, search: &Search) -> usize {
        self.ledger.search(search, 1000).unwrap().len()
    }

    /// Who looked at an entry.
    pub fn looks(&self, entry: Uuid) -> Vec<Look> {
        self.ledger.looks(entry).unwrap()
    }

    /// The refusals that the ledger was given.
    pub fn refusals(&self) -> Vec<Entry> {
        self.ledger.refusals()
    }
}

/// Everything that answering takes, with the embedded policies and the default settings, for a test that serves it itself.
pub fn app_with(ledger: Arc<dyn Ledger>) -> App {
    app(EMBEDDED.clone(), ledger, |_| ()).0
}

fn app(
    (set, proof): (Arc<PolicySet>, Proof),
    ledger: Arc<dyn Ledger>,
    change: impl FnOnce(&mut Settings),
) -> (App, OpsSettings) {
    let mut settings = Settings::read(None, |_| None).unwrap();
    // Where there are operators by default is one place for all tests.
    settings.ops.listen = None;
    change(&mut settings);
    let manner = Manner {
        limits: settings.limits,
        payer_check: settings.payer_check,
        allow_http: settings.ehr.allow_http,
        default_version: Version::V2_0,
        zone: TimeZone::get(&settings.time_zone).unwrap(),
    };
    let ehr = Ehr::new(&settings.ehr).unwrap();
    let doorman = Doorman::of(&settings).unwrap().map(Arc::new);
    let app = App::new(Serving::new(set, proof), ledger, manner, ehr)
        .with_on_failure(settings.ledger.on_failure)
        .with_doorman(doorman)
        .with_origins(&settings.cors_origins)
        .with_pages(&settings.pages)
        .with_proxies(settings.tls.proxies.clone())
        .with_tls(tls::config(&settings.tls, LOOK).unwrap());
    (app, settings.ops)
}

impl Deref for TestApp {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        // The command is sent at once; what it returns only waits, and so does the thread's end.
        self.handles.iter().for_each(|handle| drop(handle.stop(false)));
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}
