//! The dearest requests that there are under the limits, and over them: what each takes of a processor and of memory, and how
//! long good callers wait beside twenty of them a second.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::good::{Crowd, Told};
use crate::served::Served;

/// Dear calls a second beside good ones.
const DEAR_RATE: u32 = 20;

/// Good calls a second beside them.
const GOOD_RATE: usize = 50;

/// Dear calls that may be on their way at once: more of them are not sent, so that there is an end to it.
const MOST_AT_ONCE: usize = 40;

const ORDER: &str = "/context/draftOrders/entry/0/resource";

const CPT: &str = "http://www.ama-assn.org/go/cpt";

/// A request by what makes it dear.
struct Dear {
    kind: &'static str,
    path: &'static str,
    body: String,
}

/// Sends each kind by itself, and then beside good calls.
pub fn costly(alone: bool, quick: bool) {
    let mut all = dear();
    if quick {
        all.truncate(3);
    }
    println!(
        "{:44} {:>9} {:>6} {:>9} {:>7} {:>21}",
        "kind", "bytes", "status", "CPU ms", "MiB", "slowest good call ms"
    );
    for dear in &all {
        let server = Served::start(alone);
        Crowd::of(server.address, 4).one_after_another(Duration::from_millis(if quick { 200 } else { 1000 }));
        let (before, worked) = (server.memory(), server.worked());
        let rounds = if quick { 1 } else { 3 };
        let mut status = 0;
        for round in 0..rounds {
            status = calls(server.address, dear, round);
        }
        let millis = (server.worked() - worked).as_secs_f64() * 1e3 / f64::from(rounds);
        let grown = server.most_memory().saturating_sub(before);
        let slowest = beside(server.address, dear, Duration::from_secs(if quick { 1 } else { 5 }));
        println!(
            "{:44} {:>9} {status:>6} {millis:>9.1} {grown:>7} {:>21.1}",
            dear.kind,
            dear.body.len(),
            slowest.as_secs_f64() * 1e3
        );
    }
}

/// The slowest good call beside dear ones.
fn beside(address: SocketAddr, dear: &Dear, time: Duration) -> Duration {
    let (ended, on_their_way) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 1000;
            while !ended.load(Ordering::Relaxed) {
                if on_their_way.load(Ordering::Relaxed) < MOST_AT_ONCE {
                    on_their_way.fetch_add(1, Ordering::Relaxed);
                    let (on_their_way, this) = (&on_their_way, number);
                    scope.spawn(move || {
                        calls(address, dear, this);
                        on_their_way.fetch_sub(1, Ordering::Relaxed);
                    });
                    number += 1;
                }
                thread::sleep(Duration::from_secs(1) / DEAR_RATE);
            }
        });
        let heard = Crowd::of(address, 32).at_rate(GOOD_RATE, Told::StayAway, time);
        ended.store(true, Ordering::Relaxed);
        heard.slowest()
    })
}

/// Sends a request and reads the whole answer: its status; 0 where there is none within half a minute. Each call is another
/// one, as the same again would be answered once.
fn calls(address: SocketAddr, dear: &Dear, number: u32) -> u16 {
    let body =
        dear.body.replace("facf0942-94a3-4295-8f48-14ecac708473", &format!("facf0942-94a3-4295-8f48-{number:012}"));
    let call = || -> std::io::Result<u16> {
        let began = Instant::now();
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            dear.path,
            body.len()
        );
        // Who is refused before all is sent is answered all the same.
        _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        let mut answer = Vec::new();
        let mut chunk = [0; 65536];
        while began.elapsed() < Duration::from_secs(30) {
            match stream.read(&mut chunk) {
                Ok(0) | Err(_) => break,
                Ok(read) => answer.extend_from_slice(&chunk[..read]),
            }
        }
        let head = String::from_utf8_lossy(&answer[..answer.len().min(64)]).into_owned();
        Ok(head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default())
    };
    call().unwrap_or_default()
}

/// The usual request, changed.
fn order(change: impl FnOnce(&mut Value)) -> String {
    let example = include_str!("../../cds-hooks/examples/order-sign-47383.request.json");
    let mut request: Value = serde_json::from_str(example).unwrap();
    change(&mut request);
    request.to_string()
}

/// The usual request with a member of its order.
fn ordering(member: &str, value: Value) -> String {
    order(|request| request.pointer_mut(ORDER).unwrap()[member] = value)
}

fn list(count: usize, item: impl FnMut(usize) -> Value) -> Value {
    Value::from_iter((0..count).map(item))
}

fn coding(number: usize) -> Value {
    json!({"system": CPT, "code": format!("{:05}", number)})
}

/// References of an order to resources that are in a Bundle of the prefetch.
fn referring(member: &str, kind: &str, count: usize, resource: impl Fn(usize) -> Value) -> String {
    order(|request| {
        let references = list(count, |number| json!({"reference": format!("{kind}/dear-{number}")}));
        request.pointer_mut(ORDER).unwrap()[member] = references;
        let entries = list(count, |number| {
            let mut resource = resource(number);
            resource["id"] = format!("dear-{number}").into();
            json!({ "resource": resource })
        });
        request["prefetch"]["dear"] = json!({"resourceType": "Bundle", "type": "searchset", "entry": entries});
    })
}

fn condition(subject: &Value, codings: usize) -> Value {
    json!({"resourceType": "Condition", "subject": subject, "code": {"coding": list(codings, |number| {
        json!({"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": format!("C{number:04}")})
    })}})
}

/// Every kind; those that cost most when this was written come first.
fn dear() -> Vec<Dear> {
    let example: Value = serde_json::from_str(&order(|_| ())).unwrap();
    let subject = example.pointer(ORDER).unwrap()["subject"].clone();
    let sign = |kind, body| Dear { kind, path: "/cds-services/order-sign-crd", body };
    let conditions = |count| referring("reasonReference", "Condition", count, |_| condition(&subject, 1));
    let one_large = |count: usize| {
        order(|request| {
            let mut large = condition(&subject, 5000);
            large["id"] = "large".into();
            request.pointer_mut(ORDER).unwrap()["reasonReference"] =
                list(count, |_| json!({"reference": "Condition/large"}));
            request["prefetch"]["large"] = large;
        })
    };
    let contained = |count: usize| {
        order(|request| {
            let order = request.pointer_mut(ORDER).unwrap();
            order["reasonReference"] = list(count, |number| json!({"reference": format!("#c{number}")}));
            order["contained"] = list(count, |number| {
                let mut condition = condition(&subject, 1);
                condition["id"] = format!("c{number}").into();
                condition
            });
        })
    };
    let orders = |count: usize, billing: usize| {
        order(|request| {
            let mut entry = request.pointer("/context/draftOrders/entry/0").unwrap().clone();
            let option = |number: usize| {
                json!({
                    "url": "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-billing-options",
                    "valueCodeableConcept": {"coding": [coding(47_000 + number)]}
                })
            };
            // An empty list is no FHIR.
            if billing > 0 {
                entry["resource"]["code"]["extension"] = list(billing, option);
            }
            let mut entries = vec![entry; count];
            for (number, entry) in entries.iter_mut().enumerate() {
                entry["resource"]["id"] = format!("dear-{number}").into();
            }
            request["context"]["draftOrders"]["entry"] = entries.into();
        })
    };
    let locations = |count: usize| {
        let location = |number: usize| json!({"resourceType": "Location", "name": format!("Ward {number}")});
        referring("locationReference", "Location", count, location)
    };
    vec![
        sign("2,000 reasons beside 2,000 Conditions", conditions(2000)),
        sign("400 reasons beside 400 Conditions", conditions(400)),
        sign("400 references to one large Condition", one_large(400)),
        sign("400 contained Conditions", contained(400)),
        sign("64 codings", ordering("code", json!({"coding": list(60, coding)}))),
        sign("12,000 codings", ordering("code", json!({"coding": list(12_000, coding)}))),
        sign("50 orders", orders(50, 0)),
        sign("50 orders of 10 billing codes", orders(50, 10)),
        sign("1 order of 60 billing codes", orders(1, 60)),
        sign("500 locations", locations(500)),
        sign("3,000 locations", locations(3000)),
        sign(
            "a name of a megabyte",
            ordering("code", json!({"coding": [coding(47_383)], "text": "x".repeat(1_000_000)})),
        ),
        sign("one character of 400,000 marks", {
            ordering("code", json!({"coding": [coding(47_383)], "text": "e".to_owned() + &"\u{301}".repeat(400_000)}))
        }),
        sign("an order of 1.9 MB", ordering("note", json!([{"text": "x".repeat(1_900_000)}]))),
        sign("50 orders with a note of 30 KB", {
            order(|request| {
                let mut entry = request.pointer("/context/draftOrders/entry/0").unwrap().clone();
                entry["resource"]["note"] = json!([{"text": "x".repeat(30_000)}]);
                let mut entries = vec![entry; 50];
                for (number, entry) in entries.iter_mut().enumerate() {
                    entry["resource"]["id"] = format!("dear-{number}").into();
                }
                request["context"]["draftOrders"]["entry"] = entries.into();
            })
        }),
        sign("5,000 prefetch keys", {
            order(|request| {
                for number in 0..5000 {
                    request["prefetch"][format!("key-{number}-{}", "K".repeat(200))] = Value::Null;
                }
            })
        }),
        sign("a prefetch key of a megabyte", order(|request| request["prefetch"]["K".repeat(1_000_000)] = Value::Null)),
        sign("20,000 identifiers of the coverage", {
            order(|request| {
                let identifier = |number: usize| json!({"system": "https://x", "value": number.to_string()});
                request["prefetch"]["coverage"]["entry"][0]["resource"]["identifier"] = list(20_000, identifier);
            })
        }),
        sign("20,000 names of the patient", {
            order(|request| {
                let name = |number: usize| json!({"family": format!("F{number}"), "given": ["A"]});
                request["prefetch"]["patient"]["name"] = list(20_000, name);
            })
        }),
        sign("99,000 numbers", ordering("extra", list(99_000, Value::from))),
        sign("5,000 resources in the prefetch", {
            order(|request| {
                let entry = |number: usize| json!({"resource": {"resourceType": "Basic", "id": format!("b{number}")}});
                request["prefetch"]["many"] =
                    json!({"resourceType": "Bundle", "type": "searchset", "entry": list(5000, entry)});
            })
        }),
        Dear {
            kind: "Markdown that is left open",
            path: "/desk/markdown",
            body: json!({"text": "<b>x\n\n".repeat(10_000)}).to_string(),
        },
        Dear {
            kind: "Markdown of many brackets",
            path: "/desk/markdown",
            body: json!({"text": "[".repeat(60_000)}).to_string(),
        },
        Dear {
            kind: "Markdown of stars",
            path: "/desk/markdown",
            body: json!({"text": "*a **b ".repeat(9_000)}).to_string(),
        },
    ]
}
