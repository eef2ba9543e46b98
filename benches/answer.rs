//! CPU per request of the whole answer, recorded and not, against the floor: all three in one run, so that only their
//! ratios are looked at. `cargo bench --bench answer`; with `-- quick` after it, only to see that it runs.
//!
//! The floor is a bare handler that reads the same body with borrowed structs and answers a constant of the same size.
//! The load comes from a second process, so that its CPU is not counted.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};

use actix_web::web::{self, Bytes, Data};
use actix_web::{App as Routes, HttpResponse, HttpServer};
use cpu_time::ProcessTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::value::RawValue;

use covenant::answer::{Manner, Moment, at_once};
use covenant::config::Settings;
use covenant::gather::ehr::Ehr;
use covenant::gather::learned::Nobody;
use covenant::http::{self, App};
use covenant::policy::Serving;
use covenant::policy::check::Proof;
use covenant::policy::model::PolicySet;
use covenant::record::SqliteLedger;
use covenant::request::hook::{SERVICES, Service};
use covenant::request::version::Version;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 9;
const REQUESTS: usize = 3_000;
const CONNECTIONS: usize = 32;
const INSTANCE: &str = "facf0942-94a3-4295-8f48-14ecac708473";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, address, path, body] = arguments.as_slice()
        && word == "load"
    {
        return load(address.parse().unwrap(), path, &std::fs::read_to_string(body).unwrap());
    }
    let rounds = if arguments.iter().any(|argument| argument == "quick") { 1 } else { ROUNDS };
    let set = Arc::new(covenant::policy::open(None).unwrap().set);
    let folder = tempfile::tempdir().unwrap();
    for (name, body) in bodies() {
        let file = folder.path().join("body.json");
        std::fs::write(&file, &body).unwrap();
        let size = one_answer(&set, body.as_bytes()).len();
        let servers =
            [("floor", floor(size)), ("answered", answered(&set)), ("recorded", recorded(&set, folder.path(), name))];
        let mut micros: Vec<Vec<f64>> = vec![Vec::new(); servers.len()];
        for round in 0..=rounds {
            for ((_, address), micros) in servers.iter().zip(&mut micros) {
                let before = ProcessTime::now();
                let status = Command::new(std::env::current_exe().unwrap())
                    .args(["load", &address.to_string(), "/cds-services/order-sign-crd"])
                    .arg(&file)
                    .stdout(Stdio::null())
                    .status();
                assert!(status.unwrap().success());
                let spent = before.elapsed().as_secs_f64() * 1e6 / REQUESTS as f64;
                // The first round warms up.
                if round > 0 {
                    micros.push(spent);
                }
            }
        }
        println!("{name}: request {} bytes, answer {size} bytes, {rounds} rounds of {REQUESTS} requests", body.len());
        let medians: Vec<f64> = micros.iter_mut().map(|all| median(all)).collect();
        for ((what, _), median) in servers.iter().zip(&medians) {
            println!("  {what:9} {median:7.1} µs CPU a request, {:.2} × the floor", median / medians[0]);
        }
        let body = body.as_bytes();
        println!("  of which answering alone, without HTTP: {:.1} µs", alone(rounds, || one_answer(&set, body).len()));
    }
}

fn median(all: &mut [f64]) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn alone(rounds: usize, mut work: impl FnMut() -> usize) -> f64 {
    let mut spent: Vec<f64> = (0..rounds)
        .map(|_| {
            let before = ProcessTime::now();
            for _ in 0..REQUESTS {
                std::hint::black_box(work());
            }
            before.elapsed().as_secs_f64() * 1e6 / REQUESTS as f64
        })
        .collect();
    median(&mut spent)
}

/// The README's request, and the same as large as a prefetch-complete one usually is: narratives and resources that no
/// decision reads.
fn bodies() -> [(&'static str, String); 2] {
    let small: serde_json::Value =
        serde_json::from_str(include_str!("../cds-hooks/examples/order-sign-47383.request.json")).unwrap();
    let mut large = small.clone();
    let narrative = |words: usize| {
        let div =
            format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{}</div>", "<p>plainly invented</p>".repeat(words));
        serde_json::json!({ "status": "generated", "div": div })
    };
    large["prefetch"]["patient"]["text"] = narrative(60);
    large["prefetch"]["coverage"]["entry"][0]["resource"]["text"] = narrative(60);
    large["context"]["draftOrders"]["entry"][0]["resource"]["text"] = narrative(20);
    let practitioner = |n: usize| {
        serde_json::json!({ "resource": {
            "resourceType": "Practitioner", "id": format!("p{n}"), "text": narrative(20),
            "identifier": [{ "system": "http://hl7.org/fhir/sid/us-npi", "value": format!("99999999{n:02}") }],
            "name": [{ "family": "Example", "given": ["Some", "One"], "prefix": ["Dr"] }],
            "address": [{ "use": "work", "line": ["1 Example Street"], "city": "Exampleton", "state": "MA", "postalCode": "00000" }],
            "telecom": [{ "system": "phone", "value": "555-0100" }, { "system": "email", "value": "one@example.org" }]
        }})
    };
    let entries: Vec<_> = (0..8).map(practitioner).collect();
    large["prefetch"]["practitioners"] =
        serde_json::json!({ "resourceType": "Bundle", "type": "searchset", "entry": entries });
    [("small", small.to_string()), ("large", large.to_string())]
}

fn ehr() -> Ehr {
    Ehr::new(&Settings::read(None, |_| None).unwrap().ehr).unwrap()
}

fn manner() -> Manner {
    let limits = Settings::read(None, |_| None).unwrap().limits;
    Manner {
        limits,
        payer_check: covenant::config::PayerCheck::WhenKnown,
        allow_http: true,
        default_version: Version::V2_0,
        zone: TimeZone::get("America/New_York").unwrap(),
    }
}

fn service() -> &'static Service {
    &SERVICES[0]
}

fn one_answer(set: &PolicySet, body: &[u8]) -> Vec<u8> {
    let moment = Moment::now(&TimeZone::UTC);
    at_once(body, service(), set, &manner(), &moment, Nobody).unwrap().body
}

/// Runs a server on a thread of its own.
fn start(serve: impl FnOnce(TcpListener) -> std::io::Result<actix_web::dev::Server> + Send + 'static) -> SocketAddr {
    let (said, heard) = mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            said.send(listener.local_addr().unwrap()).unwrap();
            serve(listener).unwrap().await.unwrap();
        });
    });
    heard.recv().unwrap()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'b> {
    hook: &'b str,
    hook_instance: &'b str,
    #[serde(borrow)]
    context: Context<'b>,
    #[serde(borrow)]
    prefetch: HashMap<&'b str, &'b RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context<'b> {
    patient_id: &'b str,
    #[serde(borrow)]
    draft_orders: Bundle<'b>,
}

#[derive(Deserialize)]
struct Bundle<'b> {
    #[serde(borrow)]
    entry: Vec<BundleEntry<'b>>,
}

#[derive(Deserialize)]
struct BundleEntry<'b> {
    #[serde(borrow)]
    resource: &'b RawValue,
}

fn floor(size: usize) -> SocketAddr {
    let constant = Bytes::from(vec![b'x'; size]);
    start(move |listener| {
        let handler = move |body: Bytes| {
            let constant = constant.clone();
            async move {
                let envelope: Envelope<'_> = serde_json::from_slice(&body).unwrap();
                let read = envelope.hook.len() + envelope.hook_instance.len() + envelope.context.patient_id.len();
                let orders = envelope.context.draft_orders.entry.iter().map(|entry| entry.resource.get().len());
                let prefetched = envelope.prefetch.values().map(|raw| raw.get().len());
                std::hint::black_box(read + orders.sum::<usize>() + prefetched.sum::<usize>());
                HttpResponse::Ok().content_type("application/json; charset=utf-8").body(constant)
            }
        };
        let server =
            HttpServer::new(move || Routes::new().route("/cds-services/{id}", web::post().to(handler.clone())));
        Ok(server.listen(listener)?.run())
    })
}

/// Everything but the ledger: the same bytes go out, unproved.
fn answered(set: &Arc<PolicySet>) -> SocketAddr {
    let (set, manner) = (Data::from(set.clone()), manner());
    start(move |listener| {
        let handler = move |set: Data<PolicySet>, body: Bytes| {
            let manner = manner.clone();
            async move {
                let answer = at_once(&body, service(), &set, &manner, &Moment::now(&manner.zone), Nobody).unwrap();
                HttpResponse::Ok().content_type("application/json; charset=utf-8").body(answer.body)
            }
        };
        let server = HttpServer::new(move || {
            Routes::new().app_data(set.clone()).route("/cds-services/{id}", web::post().to(handler.clone()))
        });
        Ok(server.listen(listener)?.run())
    })
}

fn recorded(set: &Arc<PolicySet>, folder: &std::path::Path, name: &str) -> SocketAddr {
    let ledger = Arc::new(SqliteLedger::open(&folder.join(format!("{name}.ledger"))).unwrap());
    let set = set.clone();
    start(move |listener| http::serve(listener, App::new(Serving::new(set, Proof::default()), ledger, manner(), ehr())))
}

/// Sends the requests over some connections, each with a hookInstance of its own.
fn load(address: SocketAddr, path: &str, body: &str) {
    std::thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            scope.spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_nodelay(true).unwrap();
                let mut buffer = vec![0; 1 << 16];
                for n in (connection..REQUESTS).step_by(CONNECTIONS) {
                    let instance = format!("facf0942-94a3-4295-8f48-{:012x}", n);
                    let body = body.replacen(INSTANCE, &instance, 1);
                    let head = format!(
                        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
                    read_response(&mut stream, &mut buffer);
                }
            });
        }
    });
}

fn read_response(stream: &mut TcpStream, buffer: &mut [u8]) {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).unwrap();
        assert!(read > 0, "the server hung up");
        filled += read;
        let text = String::from_utf8_lossy(&buffer[..filled]);
        let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if filled == head.len() + 4 + length.parse::<usize>().unwrap() {
            return;
        }
    }
}
