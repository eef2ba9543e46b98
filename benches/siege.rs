//! What becomes of good callers while others besiege the server: ten thousand sockets that are slow or say nothing, and
//! five times the load that it can bear.
//!
//! `cargo bench --bench siege`; with `-- quick` after it, only to see that it runs; with `slow` or `overload`, that half alone.
//! The server is a process of its own with a ledger of its own, on a core; the load comes from this one, on
//! another. Without `taskset` they share what there is. Variables that set limits are the server's too.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "siege/bare.rs"]
mod bare;
#[path = "siege/cores.rs"]
mod cores;
#[path = "siege/good.rs"]
mod good;
#[path = "siege/served.rs"]
mod served;
#[path = "siege/slow.rs"]
mod slow;

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use good::{Heard, at_rate, closed_loop};
use served::Served;
use slow::Siege;

/// Good calls a second beside slow sockets.
const RATE: usize = 200;

/// Connections of a load that does not wait for answers: a crowd, and as many as can be open at once.
const CALLERS: [usize; 2] = [2_000, 14_000];

/// Files that the bench itself needs.
const OWN_FILES: u64 = 500;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    if has(bare::NAME) {
        return bare::serve();
    }
    let (quick, files) = (has("quick"), rlimit::increase_nofile_limit(u64::MAX).unwrap());
    println!("{files} files may be open in a process");
    let alone = cores::stay_on(cores::LOAD);
    println!("{}", cores::said(alone));
    if !has("overload") {
        let wanted = if quick { 500 } else { 10_000 };
        // Good callers have some too.
        let sockets = wanted.min(usize::try_from(files.saturating_sub(OWN_FILES)).unwrap());
        if sockets < wanted {
            println!("{wanted} slow sockets are not possible, {sockets} are");
        }
        slow_sockets(alone, sockets, Duration::from_secs(if quick { 8 } else { 60 }));
    }
    if !has("slow") {
        let time = Duration::from_secs(if quick { 2 } else { 15 });
        let most = usize::try_from(files.saturating_sub(OWN_FILES)).unwrap();
        let rounds = if quick { 1 } else { 5 };
        let (concurrent, crowds) = if quick { (&[64][..], &CALLERS[..1]) } else { (&[32, 64, 128][..], &CALLERS[..]) };
        shedding(alone, time / 3);
        for callers in crowds {
            overload(alone, concurrent, most.min(*callers), rounds, time);
        }
    }
}

/// Good calls beside slow sockets and without them.
fn slow_sockets(alone: bool, sockets: usize, time: Duration) {
    let server = Served::start(alone);
    let before = server.memory();
    let without = at_rate(server.address, RATE, 64, time.min(Duration::from_secs(15)));
    println!("{RATE} good calls a second, nobody else: {without}");
    let siege = Siege::of(server.address, sockets);
    // They are all there, and the first of them have been closed.
    thread::sleep(Duration::from_secs(if sockets > 1000 { 10 } else { 1 }));
    let with = at_rate(server.address, RATE, 64, time);
    let most = server.most_memory();
    println!("beside {} slow sockets for {} s: {with}", siege.open(), time.as_secs());
    for line in siege.ends() {
        println!("  {line}");
    }
    thread::sleep(Duration::from_secs(8));
    let after = server.memory();
    println!("memory of the server: {before} MB before, {most} MB at most, {after} MB after");
}

/// What it costs to say that there is no place.
fn shedding(alone: bool, time: Duration) {
    let cost = |server: Served| {
        closed_loop(server.address, 64, time / 5);
        let before = server.worked();
        let told = closed_loop(server.address, 64, time).told();
        (server.worked() - before).as_secs_f64() * 1e6 / told as f64
    };
    let (ours, bare) = (cost(Served::start_full(alone)), cost(Served::start_bare(alone)));
    println!(
        "a core works {ours:.1} µs to shed a call, {bare:.1} µs where the server does nothing else: {:.2} x",
        ours / bare
    );
}

/// What is answered at the best of times, and when five times as much is asked: in turns, as the machine has its moods.
fn overload(alone: bool, concurrent: &[usize], callers: usize, rounds: usize, time: Duration) {
    let server = Served::start(alone);
    // Warm.
    closed_loop(server.address, 16, Duration::from_secs(1));
    let mut shares: Vec<f64> = (0..rounds).map(|_| round(server.address, concurrent, callers, time)).collect();
    shares.sort_unstable_by(f64::total_cmp);
    println!(
        "in the middle {:.0} % of the best; memory of the server at most {} MB",
        100.0 * shares[shares.len() / 2],
        server.most_memory()
    );
}

/// What share of the best is answered under five times as much.
fn round(address: SocketAddr, concurrent: &[usize], callers: usize, time: Duration) -> f64 {
    let peaks = concurrent.iter().map(|concurrent| {
        let heard = closed_loop(address, *concurrent, time / 3);
        println!("{concurrent} callers, one call after another: {heard}");
        heard.goodput()
    });
    let peak = peaks.max_by(f64::total_cmp).unwrap();
    let offered = (5.0 * peak) as usize;
    let heard: Heard = at_rate(address, offered, callers, time);
    println!("{offered} calls a second on at most {callers} connections, whatever is answered: {heard}");
    println!("goodput {:.0} of {peak:.0} a second, {:.0} %", heard.goodput(), 100.0 * heard.goodput() / peak);
    heard.goodput() / peak
}
