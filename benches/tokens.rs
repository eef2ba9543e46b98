//! What tokens cost: a call without one, with a fresh one of ES384 and of RS384, in one run, so that only their ratios are
//! looked at; and what good callers keep beside a flood of bad signatures from another address (FAULTS A24).
//! `cargo bench --bench tokens`; with `-- quick` after it, only to see that it runs.
//!
//! The load comes from other processes, so that its CPU is not counted, on another core where `taskset` is there. Those good
//! callers who are counted beside the flood are on the server's core.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "siege/cores.rs"]
mod cores;
#[allow(dead_code)]
#[path = "../tests/support/tokens.rs"]
mod tokens;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use jiff::tz::TimeZone;

use covenant::answer::Manner;
use covenant::auth::Doorman;
use covenant::config::{PayerCheck, Settings};
use covenant::gather::ehr::Ehr;
use covenant::http::{self, App};
use covenant::policy::Serving;
use covenant::policy::check::Proof;
use covenant::policy::model::PolicySet;
use covenant::record::SqliteLedger;
use covenant::request::version::Version;
use tokens::{BASE_URL, Draft, Signer, bearer, jwks};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ISSUER: &str = "https://ehr.example.org";
const REQUESTS: usize = 2_000;
const ROUNDS: usize = 7;
const INSTANCE: &str = "facf0942-94a3-4295-8f48-14ecac708473";
const BODY: &str = include_str!("../cds-hooks/examples/order-sign-47383.request.json");

/// Connections of a load; and bad signatures that are offered in a second.
const CONNECTIONS: usize = 16;
const OFFERED: u64 = 10_000;

/// What is sent in place of a token to a server that asks for none.
const NO_TOKEN: &str = "none";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "load", address, file] => return load(address.parse().unwrap(), &lines(file)),
        [_, "flood", address, file, seconds] => {
            return flood(address.parse().unwrap(), &lines(file), seconds.parse().unwrap());
        }
        _ => {}
    }
    let alone = cores::stay_on(cores::SERVER);
    println!("{}", cores::said(alone));
    let quick = arguments.iter().any(|argument| argument == "quick");
    let set = Arc::new(covenant::policy::open(None).unwrap().set);
    let folder = tempfile::tempdir().unwrap();
    let signers = [Signer::es384("ec"), Signer::rs384("rsa")];
    let keys = jwks(signers.iter().map(Signer::jwk));
    let clients = folder.path().join("clients.toml");
    let registration = format!("[[client]]\nname = \"one\"\nissuer = \"{ISSUER}\"\njwks = '{keys}'\n");
    std::fs::write(&clients, registration).unwrap();
    let open = serve(&set, folder.path(), None);
    let guarded = serve(&set, folder.path(), Some(&clients));
    let (rounds, requests) = if quick { (1, 200) } else { (ROUNDS, REQUESTS) };
    compare(alone, folder.path(), [open, guarded], &signers, rounds, requests);
    flooded(alone, folder.path(), guarded, &signers[0], if quick { 1 } else { 20 });
}

/// What each kind of call costs: CPU time, and the time until it is answered.
fn compare(
    alone: bool,
    folder: &Path,
    [open, guarded]: [SocketAddr; 2],
    signers: &[Signer; 2],
    rounds: usize,
    requests: usize,
) {
    let kinds =
        [("no token", open, None), ("ES384", guarded, Some(&signers[0])), ("RS384", guarded, Some(&signers[1]))];
    let mut spent = [const { Vec::new() }; 3];
    let mut took = [const { Vec::new() }; 3];
    for round in 0..=rounds {
        for (index, (_, address, signer)) in kinds.iter().enumerate() {
            let file = folder.join("tokens");
            let tokens = (0..requests).map(|_| signer.map_or_else(|| NO_TOKEN.to_owned(), fresh));
            std::fs::write(&file, tokens.collect::<Vec<_>>().join("\n")).unwrap();
            let before = ProcessTime::now();
            let out =
                child(alone, &["load", &address.to_string(), file.to_str().unwrap()]).stdout(Stdio::piped()).output();
            let out = out.unwrap();
            assert!(out.status.success(), "{out:?}");
            // The first round warms up.
            if round > 0 {
                spent[index].push(before.elapsed().as_secs_f64() * 1e6 / requests as f64);
                took[index].push(String::from_utf8(out.stdout).unwrap().trim().parse::<f64>().unwrap());
            }
        }
    }
    println!("{rounds} rounds of {requests} calls, {CONNECTIONS} connections, recorded in a file");
    let spent = spent.map(|mut all| median(&mut all));
    let took = took.map(|mut all| median(&mut all));
    for (index, (name, ..)) in kinds.iter().enumerate() {
        let (cpu, time) = (spent[index], took[index]);
        println!(
            "  {name:8} {cpu:7.1} µs CPU a call, {:.2} × without; answered in {time:8.1} µs, {:.2} ×",
            cpu / spent[0],
            time / took[0]
        );
    }
}

/// What good callers keep while bad signatures come from another address.
fn flooded(alone: bool, folder: &Path, address: SocketAddr, signer: &Signer, seconds: u64) {
    let forger = Signer::es384("ec");
    let forged = folder.join("forged");
    // Each is looked at as far as its signature, until its address is not looked at any more.
    let tokens: Vec<String> = (0..200).map(|_| fresh(&forger)).collect();
    std::fs::write(&forged, tokens.join("\n")).unwrap();
    let before = goodput(address, signer, seconds);
    let arguments = ["flood", &address.to_string(), forged.to_str().unwrap(), &(seconds + 1).to_string()];
    let mut flood = child(alone, &arguments).stdout(Stdio::piped()).spawn().unwrap();
    thread::sleep(Duration::from_millis(500));
    let beside = goodput(address, signer, seconds);
    let mut said = String::new();
    BufReader::new(flood.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert!(flood.wait().unwrap().success());
    println!(
        "good callers alone {before:.0} answers a second; beside the flood {beside:.0}, {:.0} %",
        100.0 * beside / before
    );
    println!("  the flood: {}", said.trim());
}

/// Answers a second to good callers, who call one after another on a connection each and sign each call afresh.
fn goodput(address: SocketAddr, signer: &Signer, seconds: u64) -> f64 {
    let answered = AtomicU64::new(0);
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut caller = Caller::of(address, "good");
                while Instant::now() < until {
                    assert_eq!(caller.calls(&bearer(&fresh(signer))), 200);
                    answered.fetch_add(1, Ordering::Relaxed);
                    // Good callers leave room, as clinicians do: what is looked at is whether they are answered.
                    thread::sleep(Duration::from_millis(5));
                }
            });
        }
    });
    answered.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}

fn fresh(signer: &Signer) -> String {
    Draft::of(ISSUER, signer).signed_by(signer)
}

fn median(all: &mut [f64]) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn child(alone: bool, arguments: &[&str]) -> Command {
    let own = std::env::current_exe().unwrap();
    let mut command = cores::command_on(alone.then_some(cores::LOAD), own.to_str().unwrap());
    command.args(arguments);
    command
}

fn lines(file: &str) -> Vec<String> {
    std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

/// Runs a server on a thread of its own. One with clients is behind a proxy on this machine, which tells of addresses.
fn serve(set: &Arc<PolicySet>, folder: &Path, clients: Option<&Path>) -> SocketAddr {
    let mut settings = Settings::read(None, |_| None).unwrap();
    settings.auth.clients = clients.map(Path::to_owned);
    settings.auth.base_url = Some(BASE_URL.to_owned());
    settings.limits.client_per_minute = 0;
    if clients.is_some() {
        settings.tls.proxies = serde_json::from_value("127.0.0.1".into()).unwrap();
    }
    let file = folder.join(if clients.is_some() { "guarded.ledger" } else { "open.ledger" });
    let ledger = Arc::new(SqliteLedger::open(&file).unwrap());
    let doorman = Doorman::of(&settings).unwrap().map(Arc::new);
    let manner = Manner {
        limits: settings.limits,
        payer_check: PayerCheck::WhenKnown,
        allow_http: true,
        default_version: Version::V2_0,
        zone: TimeZone::get("America/New_York").unwrap(),
    };
    let serving = Serving::new(set.clone(), Proof::default());
    let app = App::new(serving, ledger, manner, Ehr::new(&settings.ehr).unwrap());
    let app = app.with_doorman(doorman).with_proxies(settings.tls.proxies);
    let (said, heard) = mpsc::channel();
    thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            said.send(listener.local_addr().unwrap()).unwrap();
            http::serve(listener, app).unwrap().await.unwrap();
        });
    });
    heard.recv().unwrap()
}

/// A connection, and the address that a proxy would tell of it.
struct Caller {
    address: SocketAddr,
    stream: Option<TcpStream>,
    forwarded: &'static str,
    called: u64,
}

impl Caller {
    fn of(address: SocketAddr, name: &str) -> Self {
        let forwarded = if name == "good" { "198.51.100.1" } else { "203.0.113.9" };
        Self { address, stream: None, forwarded, called: 0 }
    }

    /// Calls with what an Authorization header says: the status.
    fn calls(&mut self, authorization: &str) -> u16 {
        self.called += 1;
        let instance = uuid::Uuid::new_v4().to_string();
        let body = BODY.replacen(INSTANCE, &instance, 1);
        // Where nobody is registered, nobody may speak for others.
        let forwarded = match authorization == bearer(NO_TOKEN) {
            true => String::new(),
            false => format!("x-forwarded-for: {}\r\n", self.forwarded),
        };
        let head = format!(
            "POST /cds-services/order-sign-crd HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             {forwarded}authorization: {authorization}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = self.stream.take().unwrap_or_else(|| {
            let stream = TcpStream::connect(self.address).unwrap();
            stream.set_nodelay(true).unwrap();
            stream
        });
        // A server that has refused may have closed already.
        _ = stream.write_all(format!("{head}{body}").as_bytes());
        let (status, stays) = response(&mut stream);
        if stays {
            self.stream = Some(stream);
        }
        status
    }
}

/// The status of a response, and whether the connection stays open after it.
fn response(stream: &mut TcpStream) -> (u16, bool) {
    let (mut buffer, mut filled) = (vec![0; 1 << 16], 0);
    loop {
        let read = stream.read(&mut buffer[filled..]).unwrap_or(0);
        if read == 0 {
            return (0, false);
        }
        filled += read;
        let text = String::from_utf8_lossy(&buffer[..filled]);
        let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if filled >= head.len() + 4 + length.parse::<usize>().unwrap() {
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            return (status, !head.contains("connection: close"));
        }
    }
}

/// Calls once with each token, over some connections, and prints in how many µs half of the calls were answered.
fn load(address: SocketAddr, tokens: &[String]) {
    let took = thread::scope(|scope| {
        let calling = |first: usize| {
            let mut caller = Caller::of(address, "good");
            let mut took = Vec::new();
            for token in tokens.iter().skip(first).step_by(CONNECTIONS) {
                let began = Instant::now();
                assert_eq!(caller.calls(&bearer(token)), 200);
                took.push(began.elapsed().as_secs_f64() * 1e6);
            }
            took
        };
        let threads: Vec<_> = (0..CONNECTIONS).map(|first| scope.spawn(move || calling(first))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<f64>>()
    });
    let mut took = took;
    println!("{}", median(&mut took));
}

/// Offers bad signatures for so many seconds, and prints how many, and what became of them.
fn flood(address: SocketAddr, tokens: &[String], seconds: u64) {
    let counts = [const { AtomicU64::new(0) }; 3];
    let began = Instant::now();
    thread::scope(|scope| {
        for thread in 0..CONNECTIONS {
            let counts = &counts;
            scope.spawn(move || {
                let mut caller = Caller::of(address, "bad");
                let pause = Duration::from_micros(1_000_000 * CONNECTIONS as u64 / OFFERED);
                let mut next = began;
                for token in tokens.iter().cycle().skip(thread) {
                    if began.elapsed() >= Duration::from_secs(seconds) {
                        return;
                    }
                    thread::sleep(next.saturating_duration_since(Instant::now()));
                    next += pause;
                    let which = match caller.calls(&bearer(token)) {
                        401 => 0,
                        429 => 1,
                        _ => 2,
                    };
                    counts[which].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let [refused, throttled, lost] = counts.map(AtomicU64::into_inner);
    let rate = (refused + throttled + lost) as f64 / began.elapsed().as_secs_f64();
    println!("{rate:.0} a second of {OFFERED} offered; 401 {refused}, 429 {throttled}, hung up on {lost}");
}
