//! Clients that call a server without pause, what they heard, and whether it is in the ledger.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use covenant::record::{Ledger, MasterKeys, PostgresLedger, Server};
use jiff::Timestamp;

use crate::support::postgres::Database;
use crate::support::{Caller, Reply, order};

/// How long anything that must happen may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a client waits after it was refused.
const PAUSE: Duration = Duration::from_millis(10);

/// A call, and what came of it.
pub struct Said {
    /// When it was sent.
    pub at: Instant,
    /// How long it took.
    pub took: Duration,
    /// What was heard whole.
    pub reply: Reply,
}

/// Clients at work. They end with their server, or when they are told to.
pub struct Load {
    heard: Arc<Mutex<Vec<Said>>>,
    over: Arc<Mutex<bool>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// So many clients, each of which calls the server again as soon as it is answered.
    pub fn on(server: &Caller, clients: usize) -> Self {
        let (heard, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(false)));
        let client = |_| {
            let (server, heard, over) = (server.clone(), heard.clone(), over.clone());
            thread::spawn(move || {
                while !*over.lock().unwrap() {
                    let (order, at) = (order("47383"), Instant::now());
                    // One that heard nothing whole was promised nothing.
                    let Ok(reply) = server.try_sign(order) else { break };
                    let refused = reply.status != 200;
                    heard.lock().unwrap().push(Said { at, took: at.elapsed(), reply });
                    if refused {
                        thread::sleep(PAUSE);
                    }
                }
            })
        };
        let clients = (0..clients).map(client).collect();
        Self { heard, over, clients }
    }

    /// Waits until so many calls that were sent after a moment were answered; when the first of them was answered.
    pub fn answers(&self, count: usize, after: Instant) -> Instant {
        let started = Instant::now();
        loop {
            let heard = self.heard.lock().unwrap();
            let answered = heard.iter().filter(|said| said.at >= after && said.reply.status == 200);
            let mut moments: Vec<Instant> = answered.map(|said| said.at + said.took).collect();
            drop(heard);
            if moments.len() >= count {
                moments.sort_unstable();
                return moments[0];
            }
            assert!(started.elapsed() < PATIENCE, "the server does not answer");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends it: all that was heard.
    pub fn end(mut self) -> Vec<Said> {
        *self.over.lock().unwrap() = true;
        for client in self.clients.drain(..) {
            client.join().unwrap();
        }
        std::mem::take(&mut *self.heard.lock().unwrap())
    }
}

/// How soon a call is refused while the ledger is known to fail.
const AT_ONCE: Duration = Duration::from_millis(100);

/// The calls that were sent and heard between two moments must all have been refused, and at once: 95 of 100 within a tenth
/// of a second, or, where the machine is so busy that ordinary answers take as long, in no more than twice their time. How
/// many they were, and the times of half of them, of 95 of 100, and of all.
pub fn refused_at_once(heard: &[Said], known: Instant, before: Instant) -> (usize, [Duration; 3]) {
    let times = |which: &dyn Fn(&Said) -> bool| {
        let mut times: Vec<Duration> = heard.iter().filter(|said| which(said)).map(|said| said.took).collect();
        times.sort_unstable();
        times
    };
    let between = |said: &Said| said.at > known && said.at + said.took < before;
    assert!(heard.iter().filter(|said| between(said)).all(|said| said.reply.status == 503));
    let refused = times(&between);
    let ordinary = times(&|said| said.at < known && said.reply.status == 200);
    assert!(refused.len() > 10, "only {} calls", refused.len());
    let part = |times: &[Duration], of_100: usize| times[(times.len() * of_100 / 100).min(times.len() - 1)];
    let said = [50, 95, 100].map(|of_100| part(&refused, of_100));
    assert!(said[1] <= AT_ONCE.max(2 * part(&ordinary, 95)), "{said:?}, where answers take {:?}", part(&ordinary, 50));
    (refused.len(), said)
}

/// Every assertion id that was promised. What was no answer must be a refusal for this reason.
pub fn promised(heard: Vec<Said>, issue: &str) -> Vec<String> {
    let assertions = heard.into_iter().flat_map(|said| {
        if said.reply.status == 200 {
            return said.reply.decided().assertions();
        }
        said.reply.refused(503, issue);
        Vec::new()
    });
    assertions.collect()
}

/// Holds what was promised against the ledger: all of it is there, nothing twice, and every chain holds. How many are there.
pub fn all_are_kept_once(ledger: &dyn Ledger, promised: &[String]) -> usize {
    let mut kept = Vec::new();
    let all = ledger.each(Timestamp::MIN, Timestamp::MAX, &mut |entry, _| {
        kept.extend(entry.assertions);
        ControlFlow::Continue(())
    });
    all.unwrap();
    let distinct: HashSet<&String> = kept.iter().collect();
    assert_eq!(distinct.len(), kept.len(), "an id is in the ledger twice");
    assert_eq!(promised.iter().collect::<HashSet<_>>().len(), promised.len(), "an id was promised twice");
    let lost: Vec<&String> = promised.iter().filter(|assertion| !distinct.contains(assertion)).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), promised.len());
    assert_eq!(ledger.verify().unwrap().flaw(), None);
    kept.len()
}

/// A database's ledger, to look at it.
pub fn archive(database: &Database) -> PostgresLedger {
    PostgresLedger::archive(&Server::at(&database.url(), "nobody"), &MasterKeys::default()).unwrap()
}
