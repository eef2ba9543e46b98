//! Killed at random moments under load, the server or its database, every answer that anybody heard is kept.

use std::thread;
use std::time::{Duration, Instant};

use covenant::record::SqliteLedger;
use uuid::Uuid;

use crate::ledger::load::{Load, all_are_kept_once, archive, promised};
use crate::support::postgres::{self, Cluster};
use crate::support::{Environment, Place};

const CLIENTS: usize = 6;

/// How often the server is killed: as often as `TEST_KILLS` says, or so.
fn kills(ordinarily: usize) -> usize {
    std::env::var("TEST_KILLS").map_or(ordinarily, |kills| kills.parse().unwrap())
}

/// The moment is random in what the server is doing; only the load before it is chosen.
fn a_moment() {
    thread::sleep(Duration::from_micros(u64::from(Uuid::new_v4().as_bytes()[0]) * 40));
}

/// Starts a server and kills it, again and again; every assertion id of every answer that was heard whole.
fn killed(place: &Place, environment: Environment<'_>, kills: usize) -> Vec<String> {
    let kill = |kill: usize| {
        let server = place.serve_in(environment);
        let load = Load::on(&server, CLIENTS);
        load.answers(10 + kill % 10 * 4, Instant::now());
        a_moment();
        server.kill();
        promised(load.end(), "no-store")
    };
    (0..kills).flat_map(kill).collect()
}

#[test]
fn every_answer_that_was_heard_before_a_kill_is_in_the_file_and_no_id_is_there_twice() {
    let (place, kills) = (Place::empty(), kills(20));
    let promised = killed(&place, &[("COVENANT_LISTEN", "127.0.0.1:0")], kills);
    let ledger = SqliteLedger::open(&place.path("covenant.ledger")).unwrap();
    let kept = all_are_kept_once(&ledger, &promised);
    println!("SQLite: {kills} kills, {} promised, 0 lost, 0 twice among {kept} kept", promised.len());
}

#[test]
fn every_answer_that_was_heard_before_a_kill_is_in_the_database_and_no_id_is_there_twice() {
    let Some(database) = postgres::shared() else { return };
    let (place, kills) = (Place::empty(), kills(15));
    let url = database.url();
    let promised = killed(&place, &[("COVENANT_LISTEN", "127.0.0.1:0"), ("COVENANT_LEDGER_URL", &url)], kills);
    let kept = all_are_kept_once(&archive(&database), &promised);
    println!("PostgreSQL: {kills} kills, {} promised, 0 lost, 0 twice among {kept} kept", promised.len());
}

#[test]
fn a_database_that_is_killed_under_load_loses_nothing_and_the_server_goes_on_by_itself() {
    let Some(cluster) = Cluster::own() else { return };
    let (place, database, kills) = (Place::empty(), cluster.database(), kills(4).div_ceil(4).max(3));
    let server = place.serve_in(&[("COVENANT_LISTEN", "127.0.0.1:0"), ("COVENANT_LEDGER_URL", &database.url())]);
    let load = Load::on(&server, CLIENTS);
    for kill in 0..kills {
        load.answers(10 + kill % 10 * 4, Instant::now());
        a_moment();
        cluster.kill9();
        cluster.start_again();
    }
    load.answers(20, Instant::now());
    let promised = promised(load.end(), "no-store");
    let kept = all_are_kept_once(&archive(&database), &promised);
    println!("PostgreSQL itself: {kills} kills, {} promised, 0 lost, 0 twice among {kept} kept", promised.len());
}
