//! What the ledger costs, in a file and in PostgreSQL: how many answers a second are recorded, in how many bytes each,
//! and how soon anything is found among a million.
//!
//! `cargo bench --bench ledger`; with `-- quick` after it, only to see that it runs; with a number, among so many; with
//! `sqlite` or `postgres`, on that engine alone; with `rates` or `reads`, that half alone.
#![allow(
    missing_docs,
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stdout
)]

mod corpus;
#[path = "../tests/laws_support.rs"]
mod laws_support;
#[path = "../tests/policy_set"]
mod policy_set {
    pub mod ask;
}
#[path = "../tests/support"]
mod support {
    pub mod postgres;
}

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use cpu_time::ProcessTime;

use covenant::answer::{Answer, at_once};
use covenant::gather::learned::Nobody;
use covenant::record::{
    Bounds, Entry, Ledger, LedgerError, MasterKeys, PostgresLedger, Search, Server, SqliteLedger, wait,
};
use futures_util::StreamExt;
use futures_util::stream;
use jiff::{Timestamp, ToSpan};
use tempfile::TempDir;

use corpus::{Chance, Origin, examples};
use laws_support::{MANNER, SET, moment, service_of};
use support::postgres::{Cluster, Database};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Who asks, and how many patients they have.
const CLIENTS: usize = 40;
const PATIENTS: usize = 200_000;

/// Requests that all others are made from.
const MOULDS: usize = 400;

/// Entries that a search asks for.
const MOST: usize = 50;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let quick = has("quick");
    let number = arguments.iter().find_map(|argument| argument.parse().ok());
    let count: usize = number.unwrap_or(if quick { 2_000 } else { 1_000_000 });
    let clinic = Clinic::open();
    let cluster = if has("sqlite") { None } else { Cluster::own() };
    let keys = MasterKeys::read(&format!("1:{}", "0b".repeat(32))).unwrap();
    if !has("reads") {
        let asked = if quick { 300 } else { 6_000 };
        for clients in if quick { vec![32] } else { vec![1, 32, 256] } {
            println!("{clients} clients at once, {asked} requests");
            rate("answered, not recorded", clients, asked, |order| drop(clinic.answer(order)), None);
            for (encrypted, masters) in [("", MasterKeys::default()), (", encrypted", keys.clone())] {
                let file = (!has("postgres")).then(|| Engine::file(&masters));
                let database = cluster.as_ref().map(|cluster| Engine::postgres(cluster, &masters));
                for engine in file.into_iter().chain(database) {
                    let what = format!("{}{encrypted}", engine.name);
                    rate(&what, clients, asked, |_| (), Some((&clinic, &*engine.ledger)));
                    println!("    {} bytes an entry", engine.closed() / asked as u64);
                }
            }
        }
    }
    if !has("rates") {
        let file = (!has("postgres")).then(|| Engine::file(&MasterKeys::default()));
        let database = cluster.as_ref().map(|cluster| Engine::postgres(cluster, &MasterKeys::default()));
        for engine in file.into_iter().chain(database) {
            let looks = if quick { 50 } else { 1_000 };
            filled(&clinic, &engine, count);
            reads(&clinic, &engine, count, looks);
            println!("  {} bytes an entry", engine.closed() / count as u64);
        }
    }
}

/// A ledger of the bench's own.
struct Engine {
    name: &'static str,
    ledger: Arc<dyn Ledger>,
    home: Home,
}

enum Home {
    File(TempDir, PathBuf),
    Postgres(Database),
}

impl Engine {
    fn file(masters: &MasterKeys) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bench.ledger");
        let ledger = Arc::new(SqliteLedger::open_with(&path, Bounds::default(), masters).unwrap());
        Self { name: "in a file", ledger, home: Home::File(folder, path) }
    }

    fn postgres(cluster: &Cluster, masters: &MasterKeys) -> Self {
        let database = cluster.database();
        let ledger = Arc::new(PostgresLedger::open(&Server::at(&database.url(), "bench"), masters).unwrap());
        Self { name: "in PostgreSQL", ledger, home: Home::Postgres(database) }
    }

    /// Closes it: the bytes that it takes.
    fn closed(self) -> u64 {
        drop(self.ledger);
        match self.home {
            Home::File(_folder, path) => {
                let (body, head): (f64, f64) = rusqlite::Connection::open(&path)
                    .unwrap()
                    .query_row("SELECT avg(length(body)), avg(length(head)) FROM records", [], |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })
                    .unwrap();
                println!("    of which body {body:.0}, head {head:.0}");
                path.metadata().unwrap().len()
            }
            Home::Postgres(database) => {
                let sql = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class
                           WHERE relkind = 'r' AND relname LIKE 'ledger_%'";
                database.ask(sql)[0][0].as_ref().unwrap().parse().unwrap()
            }
        }
    }
}

/// Answers requests of many patients as the server does.
struct Clinic {
    moulds: Vec<String>,
}

/// What tells one request from another.
#[derive(Clone, Copy)]
struct Order {
    number: usize,
    at: Timestamp,
}

const INSTANCE: &str = "facf0942-94a3-4295-8f48-14ecac708473";
const MEMBER: &str = "MEMBER-0000000000";

impl Clinic {
    fn open() -> Self {
        let mut chance = Chance::from(3);
        let examples: Vec<_> = examples().into_iter().filter(|example| example.origin == Origin::Embedded).collect();
        let mut moulds = Vec::new();
        for example in examples.iter().cycle().take(examples.len() * 20) {
            let (text, _) = example.varied(&mut chance);
            let mut request: serde_json::Value = serde_json::from_str(&text).unwrap();
            request["hookInstance"] = INSTANCE.into();
            give_number(&mut request);
            let text = request.to_string();
            // Of an ordinary size, and answered.
            let answered = at_once(text.as_bytes(), service_of(&text), &SET, &MANNER, &moment("mould"), Nobody).is_ok();
            if text.len() < 32 << 10 && text.contains(MEMBER) && answered {
                moulds.push(text);
            }
            if moulds.len() == MOULDS {
                break;
            }
        }
        println!("{} moulds of {} bytes", moulds.len(), moulds.iter().map(String::len).sum::<usize>() / moulds.len());
        Self { moulds }
    }

    fn request(&self, order: Order) -> String {
        let mould = &self.moulds[order.number % self.moulds.len()];
        mould.replace(INSTANCE, &instance(order.number)).replace(MEMBER, &member(order.number))
    }

    fn answer(&self, order: Order) -> (String, Answer) {
        let request = self.request(order);
        let mut moment = moment("");
        moment.at = order.at;
        moment.seed = Chance::from(order.number as u64).uuid();
        let answer = at_once(request.as_bytes(), service_of(&request), &SET, &MANNER, &moment, Nobody).unwrap();
        (request, answer)
    }

    fn entry(&self, order: Order) -> Entry {
        let (request, answer) = self.answer(order);
        let seed = Chance::from(order.number as u64).uuid();
        let id = Chance::from(!(order.number as u64)).uuid();
        let service = service_of(&request).id;
        Entry {
            hook_instance: answer.hook_instance,
            crd_version: answer.version.name().to_owned(),
            assertions: answer.assertions,
            cards: answer.cards,
            policies: answer.policies,
            members: answer.members,
            learned: answer.learned,
            determinations: answer.explanations,
            took_micros: 180,
            request: request.into(),
            response: answer.body.into(),
            ..Entry::asked(id, order.at, laws_support::TODAY, seed, service, &client(order.number), &SET.hash)
        }
    }
}

/// Gives the patient's coverage a number that can be told from others.
fn give_number(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(members) => {
            if members.get("resourceType").is_some_and(|kind| kind == "Coverage") {
                members.insert("subscriberId".to_owned(), MEMBER.into());
            }
            members.values_mut().for_each(give_number);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(give_number),
        _ => {}
    }
}

fn instance(number: usize) -> String {
    Chance::from(number as u64 ^ 0x5555).uuid().to_string()
}

fn member(number: usize) -> String {
    format!("MEMBER-{:010}", Chance::from(number as u64 ^ 0xaaaa).below(PATIENTS))
}

/// Few ask much, many little.
fn client(number: usize) -> String {
    let mut chance = Chance::from(number as u64 ^ 0x3333);
    let (one, other) = (chance.below(CLIENTS), chance.below(CLIENTS));
    format!("https://ehr-{}.example/fhir", one.min(other))
}

/// The orders of six years, in the order of time.
fn order(number: usize, count: usize) -> Order {
    let first: Timestamp = "2020-11-22T00:00:00Z".parse().unwrap();
    let seconds = 6 * 365 * 86_400 * number / count;
    Order { number, at: first + i64::try_from(seconds).unwrap().seconds() }
}

fn now(number: usize) -> Order {
    Order { number, at: Timestamp::now() }
}

/// How many a second are done by two threads for so many clients, each of which waits for its answer.
fn rate(
    what: &str,
    clients: usize,
    count: usize,
    alone: impl Fn(Order) + Sync,
    ledger: Option<(&Clinic, &dyn Ledger)>,
) {
    let (started, spent, next) = (Instant::now(), ProcessTime::now(), AtomicUsize::new(0));
    let threads = clients.min(2);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let orders = std::iter::from_fn(|| {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    (number < count).then(|| now(number))
                });
                match ledger {
                    None => orders.for_each(&alone),
                    Some((clinic, ledger)) => keep_all(ledger, orders.map(|it| clinic.entry(it)), clients / threads),
                }
            });
        }
    });
    let each = |seconds: f64| seconds * 1e6 / count as f64;
    let second = count as f64 / started.elapsed().as_secs_f64();
    println!("  {what:28} {second:7.0} a second, {:6.1} µs CPU each", each(spent.elapsed().as_secs_f64()));
}

/// Appends, so many at once.
fn keep_all(ledger: &dyn Ledger, entries: impl Iterator<Item = Entry>, at_once: usize) {
    let kept = stream::iter(entries).map(|entry| ledger.append(entry)).buffer_unordered(at_once);
    let all = kept.fold(Ok(()), |all: Result<(), LedgerError>, one| async move { all.and(one.map(|_| ())) });
    wait(all).unwrap();
}

/// Fills a ledger with the entries of six years.
fn filled(clinic: &Clinic, engine: &Engine, count: usize) {
    let (started, next) = (Instant::now(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let orders = std::iter::from_fn(|| {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number % 100_000 == 0 && number > 0 {
                        println!("    {number} after {:.0} s", started.elapsed().as_secs_f64());
                    }
                    (number < count).then(|| order(number, count))
                });
                keep_all(&*engine.ledger, orders.map(|it| clinic.entry(it)), 500);
            });
        }
    });
    let seconds = started.elapsed().as_secs_f64();
    println!("{}: {count} entries of six years in {seconds:.0} s, {:.0} a second", engine.name, count as f64 / seconds);
}

/// How soon things are found.
fn reads(clinic: &Clinic, engine: &Engine, count: usize, looks: usize) {
    let ledger = &*engine.ledger;
    let some = |look: usize| look.wrapping_mul(2_654_435_761).wrapping_add(12_345) % count;
    let assertion = |look: usize| {
        let mut number = some(look);
        loop {
            if let Some(id) = clinic.answer(order(number, count)).1.assertions.pop() {
                return id;
            }
            number = (number + 1) % count;
        }
    };
    timed("find", looks, assertion, |id| usize::from(ledger.find(&id).unwrap().is_some()));
    let opened = |id: String| {
        let entry = ledger.entry(&id).unwrap().unwrap();
        entry.cards.iter().map(|card| ledger.feedback(card).unwrap().len()).sum::<usize>() + 1
    };
    timed("explain: entry and feedback", looks, assertion, opened);
    let search = |search: Search| ledger.search(&search, MOST).unwrap().len();
    let of = |fill: fn(&mut Search, String), value: &dyn Fn(usize) -> String, look: usize| {
        let mut search = Search::default();
        fill(&mut search, value(look));
        search
    };
    timed("assertion", looks, |it| of(|to, it| to.assertion = Some(it), &assertion, it), search);
    let instances = |it| instance(some(it));
    timed("hookInstance", looks, |it| of(|to, it| to.hook_instance = Some(it), &instances, it), search);
    timed("member", looks, |it| of(|to, it| to.member = Some(it), &|it| member(some(it)), it), search);
    let clients = |it| client(some(it));
    timed("client", looks / 10, |it| of(|to, it| to.client = Some(it), &clients, it), search);
    let policy = |look: usize| {
        let mut number = some(look);
        loop {
            if let Some(policy) = clinic.answer(order(number, count)).1.policies.pop() {
                return policy;
            }
            number = (number + 1) % count;
        }
    };
    timed("policy", looks / 10, |it| of(|to, it| to.policy = Some(it), &policy, it), search);
    let day = |look: usize| {
        let from = order(some(look), count).at;
        Search { from: Some(from), before: Some(from + 24.hours()), ..Search::default() }
    };
    timed("a day", looks / 10, day, search);
    timed(
        "policy in a week",
        looks / 10,
        |it| Search { policy: Some(policy(it)), before: Some(day(it).from.unwrap() + 168.hours()), ..day(it) },
        search,
    );
    timed(
        "policy and client",
        looks / 10,
        |it| Search { policy: Some(policy(it)), client: Some(clients(it)), ..Search::default() },
        search,
    );
    let rare = |_| format!("https://ehr-{}.example/fhir", CLIENTS - 1);
    timed(
        "policy and a rare client",
        5,
        |it| Search { policy: Some(policy(it)), client: Some(rare(it)), ..Search::default() },
        search,
    );
    timed(
        "member and a client",
        looks / 10,
        |it| Search { member: Some(member(some(it))), client: Some(clients(it)), ..Search::default() },
        search,
    );
    timed("nothing: the latest", looks / 10, |_| Search::default(), search);

    let started = Instant::now();
    let mut walked = 0;
    let mut take = |_, _| {
        walked += 1;
        ControlFlow::Continue(())
    };
    ledger.each(Timestamp::MIN, Timestamp::MAX, &mut take).unwrap();
    println!("  each: {:.0} entries a second", walked as f64 / started.elapsed().as_secs_f64());
    assert_eq!(walked, count);
    let started = Instant::now();
    let verdict = ledger.verify().unwrap();
    assert_eq!((verdict.flaw(), verdict.entries), (None, count as u64));
    println!("  verify: {:.0} entries a second", count as f64 / started.elapsed().as_secs_f64());
}

/// Prints how long it takes: half of the times less, and of a hundred times one more.
fn timed<T>(what: &str, looks: usize, ask: impl Fn(usize) -> T, reply: impl Fn(T) -> usize) {
    let mut found = 0;
    let mut millis: Vec<f64> = (0..looks.max(5))
        .map(|look| {
            let asked = ask(look);
            let started = Instant::now();
            found += reply(asked);
            started.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    millis.sort_by(f64::total_cmp);
    let at = |share: f64| millis[((millis.len() - 1) as f64 * share) as usize];
    let each = found as f64 / millis.len() as f64;
    println!("  {what:28} p50 {:8.2} ms, p99 {:8.2} ms, {each:.1} found", at(0.5), at(0.99));
}
