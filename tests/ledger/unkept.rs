//! What becomes of answers that the ledger cannot keep, as `ledger.on_failure` says.

use std::thread;
use std::time::{Duration, Instant};

use covenant::record::Ledger;

use super::load::archive;
use crate::support::chaos::Chaos;
use crate::support::{Caller, Place, Served, order, postgres};

const GIVEN: &str = "AN ANSWER IS GIVEN THAT IS NOT IN THE LEDGER";

fn serve(place: &Place, url: &str, on_failure: &str) -> Served {
    place.serve_in(&[
        ("COVENANT_LISTEN", "127.0.0.1:0"),
        ("COVENANT_OPS_LISTEN", "127.0.0.1:0"),
        ("COVENANT_LEDGER_URL", url),
        ("COVENANT_LEDGER_PATIENCE_MILLIS", "300"),
        ("COVENANT_LEDGER_ON_FAILURE", on_failure),
    ])
}

fn failures(ops: &Caller) -> u64 {
    let text = ops.get("/metrics").text().to_owned();
    let counted = text.lines().filter(|line| line.starts_with("covenant_ledger_failures_total{"));
    counted.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

fn is_ready_again(ops: &Caller) {
    let started = Instant::now();
    while ops.get("/readyz").status != 200 {
        assert!(started.elapsed() < Duration::from_secs(10), "it is not ready again");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_operator_who_has_chosen_so_gives_answers_that_are_not_kept_and_is_told_of_each() {
    let Some(database) = postgres::shared() else { return };
    let chaos = Chaos::before(database.address());
    let place = Place::empty();
    let server = serve(&place, &database.url_through(chaos.address()), "answer");
    let ops = server.ops();
    let mut kept = server.sign(order("47383")).decided().assertions();
    assert_eq!(failures(&ops), 0);
    chaos.refuse();
    let unkept: Vec<String> = (0..5).flat_map(|_| server.sign(order("47383")).decided().assertions()).collect();
    assert_eq!(failures(&ops), 5);
    chaos.pass();
    is_ready_again(&ops);
    kept.extend(server.sign(order("47383")).decided().assertions());
    assert_eq!(failures(&ops), 5);
    let (_, err) = server.kill();
    assert_eq!(err.matches(GIVEN).count(), 5, "{err}");
    assert!(err.lines().any(|line| line.contains("WARN") && line.contains("ledger.on_failure is answer")), "{err}");
    let ledger = archive(&database);
    assert!(kept.iter().all(|assertion| ledger.find(assertion).unwrap().is_some()));
    assert!(unkept.iter().all(|assertion| ledger.find(assertion).unwrap().is_none()));
    assert_eq!(ledger.verify().unwrap().flaw(), None);
}

#[test]
fn l01_otherwise_no_answer_is_given_that_is_not_kept() {
    let Some(database) = postgres::shared() else { return };
    let chaos = Chaos::before(database.address());
    let place = Place::empty();
    let server = serve(&place, &database.url_through(chaos.address()), "refuse");
    let ops = server.ops();
    chaos.refuse();
    for _ in 0..5 {
        server.sign(order("47383")).refused(503, "no-store");
    }
    assert_eq!(failures(&ops), 5);
    chaos.pass();
    is_ready_again(&ops);
    let kept = server.sign(order("47383")).decided().assertions();
    let (_, err) = server.kill();
    assert!(!err.contains(GIVEN) && !err.contains("on_failure"), "{err}");
    let ledger = archive(&database);
    assert!(ledger.find(&kept[0]).unwrap().is_some());
    assert_eq!(ledger.verify().unwrap().entries, 1);
}
