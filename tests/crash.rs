//! Killed at random moments under load, the server has kept every answer that anybody heard.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use covenant::record::{Ledger, SqliteLedger};
use uuid::Uuid;

use crate::support::{Place, Served, order};

const KILLS: usize = 20;
const CLIENTS: usize = 6;

/// Posts until the server dies; every assertion id of every answer that was heard whole.
fn heard_before_death(server: Served, answers: usize) -> Vec<String> {
    let heard = Mutex::new(Vec::new());
    let count = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let client = (*server).clone();
            let (heard, count) = (&heard, &count);
            scope.spawn(move || {
                while let Ok(reply) = client.try_sign(order("47383")) {
                    let assertions = reply.decided().assertions();
                    heard.lock().unwrap().extend(assertions);
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        // The moment is random in what the server is doing; only the load before it is chosen.
        while count.load(Ordering::SeqCst) < answers {
            thread::yield_now();
        }
        thread::sleep(Duration::from_micros(u64::from(Uuid::new_v4().as_bytes()[0]) * 40));
        server.kill();
    });
    heard.into_inner().unwrap()
}

#[test]
fn every_answer_that_was_heard_before_a_kill_is_in_the_ledger_and_no_id_is_there_twice() {
    let place = Place::empty();
    let mut heard = Vec::new();
    for kill in 0..KILLS {
        let server = place.serve();
        heard.extend(heard_before_death(server, 10 + kill * 7));
    }
    let ledger = SqliteLedger::open(&place.path("covenant.ledger")).unwrap();
    for assertion in &heard {
        let entry = ledger.find(assertion).unwrap().unwrap_or_else(|| panic!("{assertion} is lost"));
        assert!(entry.assertions.contains(assertion));
    }
    assert_eq!(heard.iter().collect::<HashSet<_>>().len(), heard.len(), "an id was promised twice");
    let verdict = ledger.verify().unwrap();
    assert_eq!(verdict.flaw(), None);
    assert!(verdict.entries >= heard.len() as u64);
    println!("{} answers heard before {KILLS} kills, all of them among {} entries", heard.len(), verdict.entries);
}
