//! The database goes away and comes back under load: nobody waits for it, and nothing that was promised is lost.

use std::thread;
use std::time::{Duration, Instant};

use super::load::{Load, all_are_kept_once, archive, promised, refused_at_once};
use crate::support::chaos::Chaos;
use crate::support::postgres::{self, Cluster, Database};
use crate::support::{Caller, Place};

/// How many seconds it is away: as many as `TEST_AWAY` says, or so.
fn away() -> Duration {
    Duration::from_secs(std::env::var("TEST_AWAY").map_or(3, |seconds| seconds.parse().unwrap()))
}

/// How soon it is answered again when the database is back.
const BACK: Duration = Duration::from_secs(2);

/// What a busy machine may add to a time that is bounded.
const SLACK: Duration = Duration::from_secs(1);

/// Whether hooks can be answered, in the words of the operations listener.
fn is_ready(ops: &Caller) -> bool {
    let reply = ops.get("/readyz");
    assert!([200, 503].contains(&reply.status), "{}", reply.text());
    reply.status == 200
}

fn wait_for(what: &str, most: Duration, so: impl Fn() -> bool) -> Duration {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < most, "not within {most:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
    started.elapsed()
}

/// The database goes and comes back under load, with all that is promised of that.
fn goes_and_comes_back(name: &str, url: &str, database: &Database, patience: Duration, go: impl Fn(), come: impl Fn()) {
    let millis = patience.as_millis().to_string();
    let place = Place::empty();
    let server = place.serve_in(&[
        ("COVENANT_LISTEN", "127.0.0.1:0"),
        ("COVENANT_OPS_LISTEN", "127.0.0.1:0"),
        ("COVENANT_LEDGER_URL", url),
        ("COVENANT_LEDGER_PATIENCE_MILLIS", &millis),
    ]);
    let ops = server.ops();
    let load = Load::on(&server, 4);
    load.answers(20, Instant::now());
    go();
    let noticed = wait_for("it is known to be away", patience + SLACK, || !is_ready(&ops));
    let known = Instant::now();
    while known.elapsed() < away() {
        assert!(!is_ready(&ops), "it is said to be ready");
        thread::sleep(Duration::from_millis(100));
    }
    let before = Instant::now();
    come();
    let back = Instant::now();
    let answered = load.answers(1, before).saturating_duration_since(back);
    wait_for("it is ready again", BACK, || is_ready(&ops));
    load.answers(20, Instant::now());
    let heard = load.end();

    let (refused, times) = refused_at_once(&heard, known, before);
    let first = heard.iter().filter(|said| said.at < known).map(|said| said.took).max().unwrap();
    let answers = heard.iter().filter(|said| said.reply.status == 200).count();
    let promised = promised(heard, "no-store");
    let kept = all_are_kept_once(&archive(database), &promised);
    println!(
        "{name}: known after {noticed:?}; {refused} refused in {times:?} (half, 95 of 100, all), the first ones in \
         {first:?}; answered {answered:?} after it was back; {answers} answers, {} promised, {kept} kept",
        promised.len(),
    );
    assert!(first <= patience + SLACK, "{first:?}");
    assert!(answered <= BACK, "{answered:?}");
}

#[test]
fn l01_while_the_database_is_stopped_calls_are_refused_at_once_and_answered_when_it_is_back() {
    let Some(cluster) = Cluster::own() else { return };
    let database = cluster.database();
    let (stop, start) = (|| cluster.stop_fast(), || cluster.start_again());
    goes_and_comes_back("stopped", &database.url(), &database, Duration::from_secs(1), stop, start);
}

#[test]
fn l01_while_the_database_cannot_be_reached_calls_are_refused_at_once_and_answered_when_it_is_back() {
    let Some(database) = postgres::shared() else { return };
    let chaos = Chaos::before(database.address());
    let url = database.url_through(chaos.address());
    let (refuse, pass) = (|| chaos.refuse(), || chaos.pass());
    goes_and_comes_back("refused", &url, &database, Duration::from_secs(1), refuse, pass);
}

#[test]
fn l01_while_the_database_is_silent_only_the_first_wait_and_no_longer_than_the_patience() {
    let Some(database) = postgres::shared() else { return };
    let chaos = Chaos::before(database.address());
    let url = database.url_through(chaos.address());
    let (hang, pass) = (|| chaos.hang(), || chaos.pass());
    goes_and_comes_back("silent", &url, &database, Duration::from_millis(300), hang, pass);
}
