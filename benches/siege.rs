//! What becomes of good callers while others besiege the server: ten thousand sockets that are slow or say nothing, five times
//! the load that it can bear, and the dearest requests that there are.
//!
//! `cargo bench --bench siege`; with `-- quick` after it, only to see that it runs; with `slow`, `overload` or `costly`, that
//! part alone.
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
#[path = "siege/costly.rs"]
mod costly;
#[path = "siege/good.rs"]
mod good;
#[path = "siege/served.rs"]
mod served;
#[path = "siege/slow.rs"]
mod slow;

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use good::{Crowd, Heard, Told};
use served::Served;
use slow::Siege;

/// Good calls a second beside slow sockets.
const RATE: usize = 200;

/// Connections of a load that does not wait for answers: five for each call that has a place, and as many as can be open at
/// once.
const CALLERS: [usize; 2] = [5 * 512, 14_000];

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
    let alone_is = ["slow", "overload", "costly"].into_iter().find(|part| has(part));
    let wants = |part: &str| alone_is.is_none_or(|alone| alone == part);
    if wants("costly") {
        costly::costly(alone, quick);
    }
    if wants("slow") {
        let wanted = if quick { 500 } else { 10_000 };
        // Good callers have some too.
        let sockets = wanted.min(usize::try_from(files.saturating_sub(OWN_FILES)).unwrap());
        if sockets < wanted {
            println!("{wanted} slow sockets are not possible, {sockets} are");
        }
        slow_sockets(alone, sockets, Duration::from_secs(if quick { 8 } else { 60 }));
    }
    if wants("overload") {
        let time = Duration::from_secs(if quick { 2 } else { 15 });
        let most = usize::try_from(files.saturating_sub(OWN_FILES)).unwrap();
        let rounds = if quick { 1 } else { 5 };
        let (concurrent, crowds) = if quick { (&[64][..], &CALLERS[..1]) } else { (&[32, 128, 512][..], &CALLERS[..]) };
        shedding(alone, crowds.iter().copied().max().unwrap().min(most), time / 3);
        for callers in crowds {
            overload(alone, concurrent, most.min(*callers), rounds, time);
        }
    }
}

/// Good calls beside slow sockets and without them.
fn slow_sockets(alone: bool, sockets: usize, time: Duration) {
    let server = Served::start(alone);
    let before = server.memory();
    let without = Crowd::of(server.address, 64).at_rate(RATE, Told::StayAway, time.min(Duration::from_secs(15)));
    println!("{RATE} good calls a second, nobody else: {without}");
    let siege = Siege::of(server.address, sockets);
    // They are all there, and the first of them have been closed.
    thread::sleep(Duration::from_secs(if sockets > 1000 { 10 } else { 1 }));
    let with = Crowd::of(server.address, 64).at_rate(RATE, Told::StayAway, time);
    let most = server.most_memory();
    println!("beside {} slow sockets for {} s: {with}", siege.open(), time.as_secs());
    for line in siege.ends() {
        println!("  {line}");
    }
    thread::sleep(Duration::from_secs(8));
    let after = server.memory();
    println!("memory of the server: {before} MB before, {most} MB at most, {after} MB after");
}

/// What is answered at the best of times, and when five times as much is asked: in turns, as the machine has its moods.
fn overload(alone: bool, concurrent: &[usize], callers: usize, rounds: usize, time: Duration) {
    let bare = bare(alone, callers, time / 3);
    let server = Served::start(alone);
    // Warm.
    Crowd::of(server.address, 16).one_after_another(Duration::from_secs(1));
    let mut shares = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        let best = best(server.address, concurrent, time);
        let offered = (5.0 * best) as usize;
        for (told, shares) in [Told::StayAway, Told::ComeAtOnce].into_iter().zip(&mut shares) {
            let heard = Crowd::of(server.address, callers).at_rate(offered, told, time);
            println!(
                "{offered} calls a second on at most {callers} connections, which {told} when they are told: {heard}"
            );
            println!("goodput {:.0} of {best:.0} a second, {:.0} %", heard.goodput(), 100.0 * heard.goodput() / best);
            shares.push((heard.goodput() / best, bare * best));
        }
    }
    for (told, mut shares) in [Told::StayAway, Told::ComeAtOnce].into_iter().zip(shares) {
        shares.sort_unstable_by(|(one, _), (other, _)| one.total_cmp(other));
        let (share, shed) = shares[shares.len() / 2];
        // Of a core's second, five bests less what is answered are told, and what is left answers.
        let all_told = (1.0 - 5.0 * shed) / (1.0 - shed);
        println!(
            "of {callers} connections, which {told} when they are told: in the middle {:.0} % of the best; {:.0} % would be \
             left if a server that does nothing else told all others",
            100.0 * share,
            100.0 * all_told.max(0.0)
        );
    }
    println!("memory of the server at most {} MB", server.most_memory());
}

/// The most answers a second to callers who call one time after another.
fn best(address: SocketAddr, concurrent: &[usize], time: Duration) -> f64 {
    let all = concurrent.iter().map(|concurrent| {
        let heard = Crowd::of(address, *concurrent).one_after_another(time / 3);
        println!("{concurrent} callers, one call after another: {heard}");
        heard.goodput()
    });
    all.max_by(f64::total_cmp).unwrap()
}

/// What it costs to say that there is no place, where there never is.
fn shedding(alone: bool, callers: usize, time: Duration) {
    // None calls again before it may.
    let rate = callers * 3 / 4;
    let cost = |server: Served| worked(&server, |crowd, time| crowd.at_rate(rate, Told::StayAway, time), callers, time);
    let (ours, bare) = (cost(Served::start_full(alone)), cost(Served::start_bare(alone)));
    println!(
        "{rate} calls a second on {callers} connections: a core works {:.1} µs to shed one, {:.1} µs where the server does \
         nothing else: {:.2} x",
        ours * 1e6,
        bare * 1e6,
        ours / bare
    );
}

/// What it takes at least to tell callers to come again, in seconds of a core: a server that does nothing else is busy with
/// as many as can call at once.
fn bare(alone: bool, callers: usize, time: Duration) -> f64 {
    let bare = worked(&Served::start_bare(alone), |crowd, time| crowd.one_after_another(time), callers, time);
    println!("a server that does nothing else tells {callers} callers at {:.1} µs each", bare * 1e6);
    bare
}

/// How long a core works for each call that is told to come again, once all are connected.
fn worked(server: &Served, call: impl Fn(&Crowd, Duration) -> Heard, callers: usize, time: Duration) -> f64 {
    let crowd = Crowd::of(server.address, callers);
    call(&crowd, Duration::from_secs(2));
    let before = server.worked();
    let told = call(&crowd, time).told();
    (server.worked() - before).as_secs_f64() / told as f64
}
