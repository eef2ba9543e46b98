//! Looking back from the command line: who looked is kept, and what is shown is what was asked for.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use covenant::record::{Entry, Ledger, Look, SqliteLedger, wait};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;
use uuid::Uuid;

use crate::metrics::entries::refused;
use crate::support::{CANARY, Place, Reply, order};

/// A place with the ledger of one answer.
fn answered() -> (Place, Reply) {
    let place = Place::empty();
    let server = place.serve();
    let answer = server.sign(order("47383")).decided();
    server.kill();
    (place, answer)
}

fn ledger(place: &Place) -> SqliteLedger {
    SqliteLedger::open(&place.path("covenant.ledger")).unwrap()
}

fn looks(place: &Place, answer: &Reply) -> Vec<Look> {
    ledger(place).looks(answer.request_id()).unwrap()
}

#[test]
fn l06_every_command_that_reads_an_entry_records_who_and_when() {
    let (place, answer) = answered();
    let id = answer.assertions().remove(0);
    let began = Timestamp::now();
    let commands =
        [&["explain", &id][..], &["replay", &id], &["ledger", "show", &id], &["ledger", "search", "--assertion", &id]];
    for command in commands {
        place.run_in(&[("LOGNAME", "casey"), ("USER", "other")], command).succeeded();
    }
    place.run_in(&[("LOGNAME", ""), ("USER", "kim")], &["explain", &id]).succeeded();
    place.run(&["explain", &id]).succeeded();
    let looks = looks(&place, &answer);
    let said: Vec<String> = looks.iter().map(|look| format!("{}, {}", look.who, look.how)).collect();
    let casey = ["explain", "replay", "show", "search"].map(|how| format!("casey on the command line, {how}"));
    let others = ["kim", "unknown"].map(|who| format!("{who} on the command line, explain"));
    assert_eq!(said, [&casey[..], &others].concat());
    assert!(looks.iter().all(|look| look.at >= began && look.asked == format!("assertion {id}")), "{looks:?}");
    assert_eq!(place.run(&["ledger", "verify"]).succeeded(), "1 entry, the chain holds\n");
}

#[test]
fn l06_exports_and_measures_are_looks_too() {
    let (place, _) = answered();
    for (number, command) in [&["metrics"][..], &["ledger", "export", "--from", "2026-01-01"]].iter().enumerate() {
        place.run(command).succeeded();
        let looks = i64::try_from(number).unwrap() + 1;
        assert_eq!(ledger(&place).verify().unwrap().chains[0].records, 1 + looks, "{command:?}");
    }
}

#[test]
fn an_id_of_each_kind_leads_to_the_entry() {
    let (place, answer) = answered();
    let [invocation, card] = [answer.request_id().to_string(), answer.cards().remove(0)];
    for id in [&answer.assertions()[0], &invocation, &card] {
        let shown: Value = serde_json::from_str(&place.run(&["ledger", "show", id]).succeeded()).unwrap();
        assert_eq!(shown["id"], invocation);
        assert!(place.run(&["explain", id]).succeeded().contains("CPT 47383: not covered"));
        assert_eq!(place.run(&["replay", id]).succeeded().trim_end(), answer.text());
    }
}

#[test]
fn search_prints_a_line_for_each_entry_and_never_the_member() {
    let (place, answer) = answered();
    let member = ledger(&place).find(&answer.assertions()[0]).unwrap().unwrap().members.remove(0);
    let today = Timestamp::now().to_zoned(TimeZone::get("America/New_York").unwrap()).date().to_string();
    let search = |arguments: &[&str]| place.run(&[&["ledger", "search"], arguments].concat()).succeeded();
    let line = search(&["--member", &member, "--from", &today, "--to", &today, "--client", "local", "--policy", "633"]);
    let columns: Vec<&str> = line.trim_end().split('\t').collect();
    let [at, id, service, client, version, status, assertions, policies] = columns.as_slice() else { panic!("{line}") };
    assert!(at.parse::<Timestamp>().is_ok(), "{at}");
    assert_eq!((*id, *service, *client), (&*answer.request_id().to_string(), "order-sign-crd", "local"));
    assert_eq!((*version, *status, *assertions, *policies), ("2.2", "200", &*answer.assertions()[0], "633"));
    assert!(!line.to_lowercase().contains(CANARY), "{line}");
    assert_eq!(search(&["--to", "2020-01-01"]), "");
    assert_eq!(search(&["--from", "2020-01-01T00:00:00Z"]), line);
    for wrong in [&["--from", "yesterday"][..], &["--limit", "0"], &["--limit", "1001"]] {
        place.run(&[&["ledger", "search"], wrong].concat()).failed(2, &[wrong[0]]);
    }
}

#[test]
fn a_replay_that_differs_fails_and_shows_where() {
    let (place, answer) = answered();
    let ledger = ledger(&place);
    let entry = ledger.find(&answer.assertions()[0]).unwrap().unwrap();
    let response = answer.text().replace("Not covered: CPT 47383", "Covered: CPT 47383");
    let (id, none) = (Uuid::new_v4(), Vec::new());
    let other = Entry { id, response: response.into(), assertions: none.clone(), cards: none, ..entry };
    wait(ledger.append(other)).unwrap();
    drop(ledger);
    let ran = place.run(&["replay", &id.to_string()]);
    assert_eq!((ran.code, ran.out.trim_end()), (Some(1), answer.text()));
    assert!(ran.err.contains("differs from the recorded answer at /cards/0/summary, after "), "{}", ran.err);
}

#[test]
fn export_writes_a_file_of_its_owner_whole_or_not_at_all() {
    let (place, _) = answered();
    let export = |arguments: &[&str]| place.run(&[&["ledger", "export", "--from", "2026-01-01"], arguments].concat());
    let printed = export(&[]);
    let event: Value = serde_json::from_str(&printed.out).unwrap();
    assert_eq!((printed.code, &event["resourceType"]), (Some(0), &"AuditEvent".into()));
    assert!(printed.err.starts_with("1 entries from 2026-01-01T05:00:00Z until before "), "{}", printed.err);
    assert_eq!(export(&["--out", "all.ndjson"]).code, Some(0));
    let file = place.path("all.ndjson");
    assert_eq!(fs::read_to_string(&file).unwrap(), printed.out);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    export(&["--out", "all.ndjson"]).failed(1, &["all.ndjson is there already"]);
    export(&["--to", "2025-01-01"]).failed(1, &["--to is before --from"]);
    export(&["--out", "nowhere/all.ndjson"]).failed(1, &["nowhere/all.ndjson.part cannot be written"]);
    assert!(!place.path("all.ndjson.part").exists());
    place.run(&["ledger", "export"]).failed(2, &["--from"]);
}

#[test]
fn l08_prune_says_how_many_would_go_and_wants_a_yes() {
    let (place, answer) = answered();
    let now = Timestamp::now();
    let held = ledger(&place);
    // What goes is the beginning of the chain: nothing older comes after what is kept.
    for days in [3000_i64, 2500] {
        let entry = refused(400, "value", "No.");
        wait(held.append(Entry { id: Uuid::new_v4(), at: now - (days * 24).hours(), ..entry })).unwrap();
    }
    drop(held);
    let prune = |arguments: &[&str]| place.run(&[&["ledger", "prune"], arguments].concat());
    assert!(prune(&[]).succeeded().starts_with("0 records from before "), "the first record is of today");
    for short in ["5y", "2000d", "0d"] {
        prune(&["--older-than", short, "--yes"]).failed(1, &["six years", "164.316"]);
    }
    prune(&["--older-than", "6 months"]).failed(2, &["--older-than", "6y or 2200d"]);
    let lawful = ["--older-than", "0d", "--less-than-six-years-is-lawful-here"];
    prune(&lawful).failed(1, &["3 records from before ", "--yes"]);
    assert!(ledger(&place).find(&answer.assertions()[0]).unwrap().is_some());
    let gone = prune(&[&lawful[..], &["--yes"]].concat()).succeeded();
    assert!(gone.starts_with("3 records from before "), "{gone}");
    let verified = place.run(&["ledger", "verify"]).succeeded();
    assert_eq!(verified, "0 entries, the chain holds\n3 records were pruned before them, as is kept\n");
}

#[test]
fn l08_six_years_are_the_default() {
    let place = Place::empty();
    drop(place.serve());
    let held = ledger(&place);
    for days in [3000_i64, 2300, 2100, 1] {
        let (id, at) = (Uuid::new_v4(), Timestamp::now() - (days * 24).hours());
        wait(held.append(Entry { id, at, ..refused(400, "value", "No.") })).unwrap();
    }
    drop(held);
    place.run(&["ledger", "prune"]).failed(1, &["2 records from before "]);
    assert!(place.run(&["ledger", "prune", "--yes"]).succeeded().starts_with("2 records from before "));
    assert!(place.run(&["ledger", "prune", "--yes"]).succeeded().starts_with("0 records from before "));
}

#[test]
fn looking_works_beside_a_server_that_is_running() {
    let place = Place::empty();
    let server = place.serve();
    let answer = server.sign(order("47383")).decided();
    let id = answer.assertions().remove(0);
    for command in [&["explain", &id][..], &["ledger", "show", &id], &["metrics"], &["ledger", "verify"]] {
        place.run(command).succeeded();
        server.sign(order("47383")).decided();
    }
    server.kill();
    assert_eq!(place.run(&["ledger", "verify"]).succeeded(), "5 entries, the chain holds\n");
}
