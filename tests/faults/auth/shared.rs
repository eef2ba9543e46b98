//! Servers that share a PostgreSQL ledger share which tokens were used (FAULTS A20, A22).

use std::thread;
use std::time::{Duration, Instant};

use super::program::place;
use super::{ISSUER, refused};
use crate::support::chaos::Chaos;
use crate::support::postgres;
use crate::support::tokens::{Draft, Signer, now};
use crate::support::{Caller, Place, Reply, Served, order};

const PATIENCE: Duration = Duration::from_secs(60);

/// A server of a ledger, which waits for that for two seconds.
fn served(place: &Place, url: &str, node: &str) -> Served {
    place.serve_in(&[
        ("COVENANT_LISTEN", "127.0.0.1:0"),
        ("COVENANT_LEDGER_URL", url),
        ("COVENANT_LEDGER_NODE", node),
        ("COVENANT_LEDGER_PATIENCE_MILLIS", "2000"),
        ("COVENANT_LIMITS_FAILURES_PER_MINUTE", "0"),
    ])
}

fn sends(server: &Served, token: &str) -> Reply {
    server.sign_as_client(token, order("47383"))
}

/// A token from before the servers of a test began.
fn old(signer: &Signer) -> String {
    let issued = now() - 50;
    Draft::of(ISSUER, signer).claim("iat", issued).claim("exp", issued + 300).signed_by(signer)
}

#[test]
fn a22_a_token_that_was_used_at_one_server_is_refused_at_the_others_and_after_a_start() {
    let Some(database) = postgres::shared() else { return };
    let signer = Signer::es384("key-1");
    let (place, token) = (place(&signer), old(&signer));
    let [one, other] = ["one", "other"].map(|node| served(&place, &database.url(), node));
    sends(&one, &token).decided();
    refused(sends(&one, &token));
    refused(sends(&other, &token));
    drop(one);
    let one = served(&place, &database.url(), "one");
    refused(sends(&one, &token));
    // One that was not used is good, though it is from before the start: that it was used would be known.
    let unused = old(&signer);
    sends(&one, &unused).decided();
    refused(sends(&other, &unused));
}

#[test]
fn a20_of_two_at_once_at_two_servers_exactly_one_passes() {
    let Some(database) = postgres::shared() else { return };
    let signer = Signer::es384("key-1");
    let place = place(&signer);
    let servers = ["one", "other"].map(|node| served(&place, &database.url(), node));
    for _ in 0..20 {
        let token = Draft::of(ISSUER, &signer).signed_by(&signer);
        let mut statuses = thread::scope(|scope| {
            let sent = servers.each_ref().map(|server| {
                let (caller, token) = (Caller::clone(server), &token);
                scope.spawn(move || caller.sign_as_client(token, order("47383")).status)
            });
            sent.map(|reply| reply.join().unwrap())
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401]);
    }
    assert_eq!(database.ask("SELECT mark FROM ledger_tokens").len(), 20);
}

#[test]
fn a22_nobody_is_let_in_while_the_database_is_away_or_silent_and_all_are_when_it_is_back() {
    let Some(database) = postgres::shared() else { return };
    let (signer, chaos) = (Signer::es384("key-1"), Chaos::before(database.address()));
    let server = served(&place(&signer), &database.url_through(chaos.address()), "one");
    let fresh = || Draft::of(ISSUER, &signer).signed_by(&signer);
    let is_back = || {
        let began = Instant::now();
        while sends(&server, &fresh()).status != 200 {
            assert!(began.elapsed() < PATIENCE, "nobody is let in again");
            thread::sleep(Duration::from_millis(20));
        }
    };
    for go in [Chaos::hang, Chaos::refuse] {
        is_back();
        go(&chaos);
        for _ in 0..3 {
            let began = Instant::now();
            let reply = sends(&server, &fresh());
            assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
            assert_eq!(reply.header("www-authenticate"), None);
            reply.refused(503, "transient").nowhere().with_header("retry-after", "2");
        }
        chaos.pass();
    }
    is_back();
    // A caller who was told to come again may come with the same token, if it never got as far as the database.
    chaos.refuse();
    let token = fresh();
    sends(&server, &token).refused(503, "transient");
    chaos.pass();
    is_back();
    sends(&server, &token).decided();
    refused(sends(&server, &token));
}

#[test]
fn a22_an_earlier_ledger_gets_what_it_lacks_and_tokens_that_are_over_are_removed() {
    let Some(database) = postgres::shared() else { return };
    let signer = Signer::es384("key-1");
    let place = place(&signer);
    drop(served(&place, &database.url(), "one"));
    database.ask("DROP TABLE ledger_tokens");
    let server = served(&place, &database.url(), "one");
    sends(&server, &old(&signer)).decided();
    drop(server);
    let over = |seconds: i64| format!("INSERT INTO ledger_tokens VALUES (decode(md5('{seconds}'), 'hex'), {seconds})");
    // One is over for long, the other perhaps not by another server's clock.
    database.ask(&over(now() - 1000));
    database.ask(&over(now() - 100));
    let server = served(&place, &database.url(), "one");
    let began = Instant::now();
    while database.ask("SELECT mark FROM ledger_tokens").len() != 2 {
        assert!(began.elapsed() < PATIENCE, "what is over stays");
        thread::sleep(Duration::from_millis(20));
    }
    sends(&server, &Draft::of(ISSUER, &signer).signed_by(&signer)).decided();
    assert_eq!(database.ask("SELECT mark FROM ledger_tokens").len(), 3);
}
