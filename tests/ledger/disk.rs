//! The disk below the file fails in every way in which it can: whoever asks is told so at once, nothing that was promised is
//! lost, and the server goes on by itself.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use covenant::record::{Ledger, SqliteLedger};
use rusqlite::Connection;

use super::load::{Load, all_are_kept_once, promised, refused_at_once};
use super::mount::Mount;
use crate::support::{Place, SECRET, Served, order};

/// How soon it is answered again.
const BACK: Duration = Duration::from_secs(2);

const LISTENING: [(&str, &str); 2] = [("COVENANT_LISTEN", "127.0.0.1:0"), ("COVENANT_OPS_LISTEN", "127.0.0.1:0")];

/// The disk fails and is mended under load, with all that is promised of that.
fn fails_and_is_mended(name: &str, server: Served, file: &Path, fail: impl Fn(), mend: impl Fn()) {
    let ops = server.ops();
    let load = Load::on(&server, 4);
    load.answers(20, Instant::now());
    fail();
    let failing = Instant::now();
    while ops.get("/readyz").status != 503 {
        assert!(failing.elapsed() < Duration::from_secs(20), "it is still said to be ready");
        thread::sleep(Duration::from_millis(5));
    }
    let known = Instant::now();
    thread::sleep(Duration::from_secs(1));
    assert_eq!(ops.get("/readyz").status, 503);
    let before = Instant::now();
    mend();
    let answered = load.answers(1, before).saturating_duration_since(before);
    load.answers(20, Instant::now());
    assert_eq!(ops.get("/readyz").status, 200);
    let heard = load.end();
    let (refused, times) = refused_at_once(&heard, known, before);
    let promised = promised(heard, "no-store");
    server.kill();
    let kept = all_are_kept_once(&SqliteLedger::open(file).unwrap(), &promised);
    println!(
        "{name}: {refused} refused in {times:?} (half, 95 of 100, all); answered {answered:?} after; {} promised, {kept} kept",
        promised.len()
    );
    assert!(answered <= BACK, "{answered:?}");
}

#[test]
fn l02_a_full_disk_is_told_at_once_and_over_when_there_is_space() {
    let Some(mount) = Mount::of_kilobytes(4096) else { return };
    let (place, file) = (Place::empty(), mount.path("full.ledger"));
    let path = ("COVENANT_LEDGER_PATH", file.to_str().unwrap());
    let server = place.serve_in(&[LISTENING[0], LISTENING[1], path]);
    fails_and_is_mended("full", server, &file, || mount.fill(), || mount.make_space());
}

#[test]
fn l02_a_full_disk_is_told_before_a_call_fails_also_while_a_little_still_fits() {
    let Some(mount) = Mount::of_kilobytes(4096) else { return };
    let (place, file) = (Place::empty(), mount.path("full.ledger"));
    let token = format!("alice:{SECRET}");
    let path = ("COVENANT_LEDGER_PATH", file.to_str().unwrap());
    let server = place.serve_in(&[LISTENING[0], LISTENING[1], path, ("COVENANT_OPS_TOKENS", &token)]);
    let ops = server.ops();
    server.sign(order("47383")).decided();
    assert_eq!(ops.get("/readyz").status, 200);
    for left in [32 * 1024, 0, 64 * 1024] {
        mount.fill();
        mount.leave(left);
        let filled = Instant::now();
        while ops.get("/readyz").status != 503 {
            assert!(filled.elapsed() < BACK, "it is said to be ready with {left} bytes");
            thread::sleep(Duration::from_millis(50));
        }
        for _ in 0..3 {
            assert_eq!(ops.get("/readyz").status, 503, "{left} bytes");
        }
        let page = ops.get_as_operator("/", SECRET).text().to_owned();
        assert!(page.contains("the disk that holds the ledger is full"), "{page}");
        assert!(!page.contains("Nothing needs to be looked at"), "{page}");
        mount.make_space();
        let mended = Instant::now();
        while ops.get("/readyz").status != 200 {
            assert!(mended.elapsed() < BACK, "it is not ready again");
            thread::sleep(Duration::from_millis(50));
        }
    }
    server.sign(order("47383")).decided();
    server.kill();
    // A trial is nothing that is kept.
    let ledger = SqliteLedger::open(&file).unwrap();
    assert_eq!((ledger.verify().unwrap().flaw(), ledger.policy_set("trial").unwrap()), (None, None));
}

#[test]
fn l02_a_write_error_is_told_at_once_and_over_when_writes_succeed() {
    let place = Place::empty();
    let server = place.serve_that_survives_a_limit(&LISTENING);
    let process = server.process().to_string();
    let allow = |bytes: &str| {
        let limited = Command::new("prlimit").args(["--pid", &process, &format!("--fsize={bytes}:")]).status();
        assert!(limited.unwrap().success());
    };
    let file = place.path("covenant.ledger");
    fails_and_is_mended("write errors", server, &file, || allow("8192"), || allow("unlimited"));
}

#[test]
fn l03_a_lock_that_another_process_holds_is_told_and_over_when_it_lets_go() {
    let place = Place::empty();
    let server = place.serve_in(&LISTENING);
    let ops = server.ops();
    server.sign(order("47383")).decided();
    let other = Connection::open(place.path("covenant.ledger")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let started = Instant::now();
    server.sign(order("47383")).refused(503, "lock-error");
    let took = started.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(ops.get("/readyz").status, 503);
    other.execute_batch("ROLLBACK").unwrap();
    let started = Instant::now();
    while ops.get("/readyz").status != 200 {
        assert!(started.elapsed() < BACK, "it is not ready again");
        thread::sleep(Duration::from_millis(20));
    }
    let promised = server.sign(order("47383")).decided().assertions();
    server.kill();
    assert!(all_are_kept_once(&SqliteLedger::open(&place.path("covenant.ledger")).unwrap(), &promised) >= 2);
}
