//! The layering law (DESIGN, section 1): which room may name which, and what only some may name at all.

pub mod logged;
mod source;
mod told;

use crate::laws_support::{files_under, repository};
use source::{Named, Source};

/// Each room and what of the crate it may name beside itself. A file belongs to the longest name that fits.
const ROOMS: [(&str, &[&str]); 26] = [
    // The picture in prose, and the parts it names.
    (
        "",
        &[
            "answer",
            "auth",
            "config",
            "date",
            "decide",
            "effort",
            "gather",
            "http",
            "metrics",
            "outbound",
            "pages",
            "policy",
            "record",
            "render",
            "request",
            "review",
            "telemetry",
        ],
    ),
    // A request's way without a server. It sees no edge and no ledger, so that replay can use it.
    ("answer", &["config", "decide", "effort", "gather", "policy::model", "render", "request"]),
    ("config", &[]),
    // The one reader of FHIR dates.
    ("date", &["decide::facts"]),
    // A clock for work, which whoever works looks at.
    ("effort", &[]),
    ("telemetry", &["config"]),
    ("untold", &[]),
    (
        "http",
        &[
            "answer",
            "auth",
            "config",
            "effort",
            "gather",
            "metrics",
            "pages",
            "policy::Serving",
            "policy::model",
            "record",
            "request",
            "review",
            "telemetry",
        ],
    ),
    // It reads a token as strictly as a request.
    ("auth", &["config", "outbound", "request::json", "request::version", "telemetry"]),
    // The one way outward.
    ("outbound", &[]),
    ("request", &["config", "telemetry"]),
    // It fills the facts; it does not decide.
    // Whose data it keeps is told by whoever verified it.
    (
        "gather",
        &[
            "auth::Caller",
            "config",
            "date",
            "decide::facts",
            "effort",
            "outbound",
            "policy::model",
            "policy::number",
            "request",
            "telemetry",
        ],
    ),
    ("policy", &[]),
    ("policy::model", &["policy::template"]),
    ("policy::template", &[]),
    ("policy::number", &[]),
    // It reads its files as strictly as a request, and keeps within the bounds of what can be proved.
    (
        "policy::load",
        &[
            "config::Limits",
            "policy::check::MOST_KINDS",
            "policy::model",
            "policy::number",
            "policy::template",
            "request::json",
        ],
    ),
    // A proof tries the rules, so it runs them.
    ("policy::check", &["decide", "policy::load", "policy::model", "policy::number", "policy::template"]),
    ("decide", &["policy::model", "policy::template"]),
    // From the proof it has the words and lengths that were proved to fit.
    (
        "render",
        &[
            "decide::determination",
            "policy::check",
            "policy::model",
            "policy::number",
            "policy::template",
            "request",
            "telemetry",
        ],
    ),
    (
        "record",
        &[
            "auth::Caller",
            "auth::Mark",
            "auth::Shared",
            "auth::Use",
            "config",
            "date",
            "decide::facts",
            "gather::learned",
            "telemetry",
        ],
    ),
    // It reads what was recorded, as whoever is asked later.
    (
        "metrics",
        &[
            "gather::learned",
            "policy::check",
            "policy::model",
            "record",
            "render::explanation",
            "request::hook",
            "request::order",
            "request::reference",
        ],
    ),
    // It looks back for the command line and for operators, and makes recorded answers again.
    (
        "review",
        &[
            "answer",
            "gather::learned",
            "metrics",
            "policy::load",
            "record",
            "render::explanation",
            "request::hook",
            "request::version",
        ],
    ),
    // What people see of a policy set is what its answers are made of.
    (
        "pages",
        &[
            "answer",
            "decide",
            "policy::check",
            "policy::model",
            "policy::number",
            "policy::template",
            "render",
            "request",
        ],
    ),
    // What operators see is what the server knows of itself.
    ("pages::ops", &["auth::ClientKeys", "auth::Standing", "pages", "policy::Served", "telemetry"]),
    // The commands are another crate, which sees the front doors.
    ("cli", &[]),
];

/// Names that only some rooms may use.
const ONLY: [(&[&str], &[&str]); 6] = [
    (&["tracing", "tracing_subscriber"], &["telemetry"]),
    (&["actix_web", "actix", "actix_rt", "actix_http", "actix_tls"], &["http"]),
    (
        &["std::fs", "std::os", "rusqlite", "tokio_postgres", "deadpool_postgres"],
        &["record", "policy::load", "auth::client", "cli"],
    ),
    // A connection that is handed over has the name of one that is made.
    (&["reqwest", "TcpStream", "UdpSocket"], &["outbound", "gather::ehr", "auth::keys", "http::tls"]),
    (&["TcpListener"], &["http", "cli"]),
    (&["std::env"], &["cli"]),
];

/// Rooms without I/O, clock, environment, chance or log.
const PURE: [&str; 6] = ["date", "decide", "render", "metrics", "policy::model", "policy::template"];

/// What those do not name.
const IMPURE: [&str; 24] = [
    "tokio",
    "futures_util",
    "actix",
    "actix_web",
    "reqwest",
    "rusqlite",
    "tracing",
    "std::fs",
    "std::io",
    "std::net",
    "std::env",
    "std::time",
    "std::thread",
    "std::process",
    "std::os",
    "async",
    "await",
    "Timestamp::now",
    "Zoned::now",
    "Instant",
    "SystemTime",
    "new_v4",
    "println",
    "eprintln",
];

const LONGEST_FILE: usize = 400;
const LONGEST_FUNCTION: usize = 70;
const MEDIAN_FILE: usize = 150;

fn sources() -> Vec<Source> {
    let root = repository("");
    let files = files_under(&repository("src")).into_iter().filter_map(|path| {
        let inside = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        let is_code = inside.ends_with(".rs") && !inside.ends_with("/tests.rs") && !inside.contains("/tests/");
        is_code.then(|| Source::new(&inside, &std::fs::read_to_string(&path).unwrap()))
    });
    let files: Vec<Source> = files.collect();
    assert!(files.len() > 40, "only {} files were read", files.len());
    files
}

fn within(module: &str, room: &str) -> bool {
    room.is_empty() || module == room || module.strip_prefix(room).is_some_and(|rest| rest.starts_with("::"))
}

/// The room of a module, and what it may name.
fn room(module: &str) -> Option<(&'static str, &'static [&'static str])> {
    let fits = |room: &str| if room.is_empty() { module.is_empty() } else { within(module, room) };
    ROOMS.into_iter().filter(|(room, _)| fits(room)).max_by_key(|(room, _)| room.len())
}

/// Whether a path names this: `std::fs` is in `std::fs::read`, `Instant` in `std::time::Instant::now`.
fn names(named: &Named, what: &str) -> bool {
    let what: Vec<&str> = what.split("::").collect();
    named.segments.windows(what.len()).any(|window| window == what)
}

fn layering(source: &Source) -> Vec<String> {
    let module = source.module.join("::");
    let Some((room, may)) = room(&module) else {
        return vec![format!("{}:1: no row of ROOMS says what this room may name", source.path)];
    };
    let mut found = Vec::new();
    for named in source.names() {
        let mut wrong = |what: String| found.push(format!("{}:{}: {what}", source.path, named.line));
        let path = named.segments.join("::");
        if let Some(inside) = path.strip_prefix("crate::").filter(|_| room != "cli") {
            let own = if room.is_empty() { inside.is_empty() } else { within(inside, room) };
            // What a room keeps below itself is its own affair, unless that has a row of its own.
            let own = own || (room == "policy" && within(inside, "policy"));
            if !own && !may.iter().any(|may| within(inside, may)) {
                wrong(format!("{room} names {path}; it may name {}", may.join(", ")));
            }
        }
        if room != "cli" && !room.is_empty() && room != "http" && names(&named, "crate::http") {
            wrong(format!("{room} names the edge, {path}"));
        }
        for (what, rooms) in ONLY {
            let used = what.iter().find(|what| names(&named, what));
            if let Some(used) = used.filter(|_| !rooms.iter().any(|room| within(&module, room))) {
                wrong(format!("{room} names {used}; only {} may", rooms.join(", ")));
            }
        }
        if PURE.iter().any(|pure| within(&module, pure)) {
            for impure in IMPURE.iter().filter(|impure| names(&named, impure)) {
                wrong(format!("{room} names {impure}; it is pure"));
            }
        }
        if room == "decide" && names(&named, "serde_json") {
            wrong("decide names serde_json; it knows no JSON".to_owned());
        }
    }
    found
}

fn manners(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let lines = source.text.lines().count();
    if !source.text.starts_with("//! ") {
        found.push(format!("{}:1: does not open with a sentence that says what it is", source.path));
    }
    if lines > LONGEST_FILE {
        found.push(format!("{}:{LONGEST_FILE}: {lines} lines without its tests, at most {LONGEST_FILE}", source.path));
    }
    for (name, line, length) in source.functions() {
        if length > LONGEST_FUNCTION {
            found.push(format!("{}:{line}: {name} has {length} lines, at most {LONGEST_FUNCTION}", source.path));
        }
    }
    for word in [".unwrap()", ".expect(", "todo!", "unimplemented!", "dbg!"] {
        found.extend(source.line_with(word).map(|line| format!("{}:{line}: {word} outside of tests", source.path)));
    }
    let note = source.text.lines().position(|line| line.contains("TODO") || line.contains("FIXME"));
    found.extend(note.map(|index| format!("{}:{}: something is left to do", source.path, index + 1)));
    found
}

#[test]
fn each_room_names_only_what_it_may() {
    let found: Vec<String> = sources().iter().flat_map(layering).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn files_and_functions_are_short_and_finished() {
    let found: Vec<String> = sources().iter().flat_map(manners).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn half_of_the_files_are_of_150_lines_or_less() {
    let mut lengths: Vec<usize> = sources().iter().map(|source| source.text.lines().count()).collect();
    lengths.sort_unstable();
    assert!(lengths[lengths.len() / 2] <= MEDIAN_FILE, "{lengths:?}");
}

#[test]
fn every_room_of_the_table_has_files() {
    let modules: Vec<String> = sources().iter().map(|source| source.module.join("::")).collect();
    for (room, may) in ROOMS {
        let empty = |room: &&&str| !modules.iter().any(|module| within(module, room));
        assert!(!empty(&&room), "nothing is in {room}");
        let named = may.iter().filter(|may| !may.contains(char::is_uppercase)).find(empty);
        assert_eq!(named, None, "{room} may name what is not there");
    }
}

#[test]
fn what_breaks_the_layering_is_found() {
    let broken = |path: &str, text: &str| layering(&Source::new(path, &format!("//! A room.\n{text}")));
    for (path, text, message) in [
        (
            "src/decide/new.rs",
            "use serde_json::Value;",
            "src/decide/new.rs:2: decide names serde_json; it knows no JSON",
        ),
        (
            "src/decide/new.rs",
            "use std::{fmt, time::Instant};",
            "src/decide/new.rs:2: decide names std::time; it is pure",
        ),
        ("src/render/new.rs", "\nasync fn f() {}", "src/render/new.rs:3: render names async; it is pure"),
        ("src/render/new.rs", "fn f() { Uuid::new_v4(); }", "src/render/new.rs:2: render names new_v4; it is pure"),
        (
            "src/policy/model/new.rs",
            "use std::env;",
            "src/policy/model/new.rs:2: policy::model names std::env; it is pure",
        ),
        ("src/gather/new.rs", "use actix_web::web;", "src/gather/new.rs:2: gather names actix_web; only http may"),
        (
            "src/gather/new.rs",
            "fn f() { std::fs::read(p) }",
            "src/gather/new.rs:2: gather names std::fs; only record, policy::load, auth::client, cli may",
        ),
        (
            "src/gather/new.rs",
            "use super::super::http::App;",
            "src/gather/new.rs:2: gather names the edge, crate::http::App",
        ),
        ("src/new/mod.rs", "", "src/new/mod.rs:1: no row of ROOMS says what this room may name"),
    ] {
        let found = broken(path, text);
        assert!(found.iter().any(|found| found == message), "{message} is not in {found:#?}");
    }
    let found = broken("src/record/new.rs", "fn f() { crate::render::render() }");
    assert_eq!(
        found,
        [
            "src/record/new.rs:2: record names crate::render::render; it may name auth::Caller, auth::Mark, auth::Shared, auth::Use, config, date, decide::facts, gather::learned, telemetry"
        ]
    );
    assert!(broken("src/gather/new.rs", "use crate::decide::facts::Facts;").is_empty());
    assert!(!broken("src/gather/new.rs", "use crate::decide::decide;").is_empty());
    assert!(
        broken("src/record/new.rs", "// std::fs::read\n#[cfg(test)]\nmod tests { use actix_web::web; }").is_empty()
    );
}

#[test]
fn what_breaks_the_manners_is_found() {
    let broken = |text: &str| manners(&Source::new("src/decide/new.rs", text)).join("\n");
    assert_eq!(broken("//! A room.\n"), "");
    assert!(broken("use x::y;\n").contains("does not open with a sentence"));
    assert!(broken(&format!("//! A room.\n{}", "\n".repeat(400))).contains("401 lines"));
    assert!(broken(&format!("//! A room.\nfn f() {{\n{}}}\n", "g();\n".repeat(69))).contains("f has 71 lines"));
    assert!(broken("//! A room.\nfn f() { x.unwrap() }\n").contains(":2: .unwrap()"));
    assert!(broken("//! A room.\n// TODO: more\n").contains(":2: something is left to do"));
    assert_eq!(broken("//! A room.\nfn f() { g(\".unwrap()\") }\n"), "");
}
