//! What the ledger is for: why an answer was given, the same answer again, and whether anybody changed it.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::json;

use crate::support::{FakeEhr, Place, PolicyFolder, Reply, held, order};

/// A place with a ledger that has the answers to these requests, which are given back.
fn recorded(place: &Place, requests: impl IntoIterator<Item = Vec<u8>>) -> Vec<Reply> {
    let server = place.serve();
    let replies = requests.into_iter().map(|request| server.invoke(request).answered()).collect();
    server.kill();
    replies
}

/// Replays must print the answer's bytes, and that they are the same.
#[track_caller]
fn replays(place: &Place, assertion: &str, answer: &Reply) {
    let ran = place.run(&["replay", assertion]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.out.strip_suffix('\n'), Some(answer.text()));
    assert_eq!(ran.err, format!("the same {} bytes as recorded\n", answer.body.len()));
}

#[test]
fn explain_prints_the_policy_the_rule_and_the_passage_it_rests_on() {
    let place = Place::empty();
    let answer = recorded(&place, [order("47383").into()]).remove(0);
    let [assertion] = answer.assertions().try_into().unwrap();
    let out = place.run(&["explain", &assertion]).succeeded();
    for words in [
        "order-sign-crd answered local on 20",
        "hook order-sign",
        "CRD 2.2, policy set ",
        &format!("ServiceRequest/canary-order, assertion {assertion}"),
        "CPT 47383: not covered\n",
        "because  CPT 47383 is investigational under BCBSMA medical policy 633, so it is not covered.",
        "rule     policy 633 version 2020-11, ",
        "Policy 633, Policy: “Cryosurgical ablation of either primary or metastatic tumors in the liver is INVESTIGATIONAL.”",
        "known    ",
    ] {
        assert!(out.contains(words), "{words} is not in {out}");
    }
}

#[test]
fn an_id_that_nobody_made_cannot_be_explained_replayed_or_shown() {
    let place = Place::empty();
    let commands = [&["explain", "anything"][..], &["replay", "anything"], &["ledger", "show", "anything"]];
    let others = [&["ledger", "verify"][..], &["ledger", "search"], &["ledger", "prune"], &["metrics"]];
    for command in commands.iter().chain(&others) {
        place.run(command).failed(1, &["there is no ledger at covenant.ledger"]);
    }
    assert!(!place.path("covenant.ledger").exists(), "looking made a ledger");
    recorded(&place, [order("47383").into()]);
    for command in commands {
        place.run(command).failed(1, &["nothing in the ledger has this id"]);
    }
}

#[test]
fn replay_makes_every_example_s_answer_again_byte_for_byte() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("cds-hooks/examples");
    let files = fs::read_dir(examples).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|path| path.to_str().unwrap().ends_with(".request.json"));
    let requests: Vec<Vec<u8>> = files.map(|path| fs::read(path).unwrap()).collect();
    let place = Place::empty();
    let answers = recorded(&place, requests);
    let mut replayed = 0;
    for answer in &answers {
        for assertion in answer.assertions() {
            replays(&place, &assertion, answer);
            replayed += 1;
        }
    }
    assert!(replayed > 30 && answers.len() > 40, "{replayed} of {}", answers.len());
}

#[test]
fn replay_answers_with_the_policies_that_answered_though_they_have_changed_since() {
    let place = Place::empty();
    let policies = PolicyFolder::copy();
    place.write("covenant.toml", format!("policies = {:?}", policies.path()));
    let before = recorded(&place, [order("47383").into()]).remove(0);
    let policies =
        policies.changing_rules(|rules| rules["action"][0]["title"] = "Not covered any more: {{code}}".into());
    let after = recorded(&place, [order("47383").into()]).remove(0);
    assert_ne!(before.summaries(), after.summaries());
    for answer in [&before, &after] {
        replays(&place, &answer.assertions()[0], answer);
    }
    // Nor does it matter that there are no policies any more.
    drop(policies);
    replays(&place, &before.assertions()[0], &before);
}

#[test]
fn replay_makes_an_answer_again_that_rested_on_what_the_ehr_said_then() {
    let place = Place::empty();
    let ehr = FakeEhr::holding(held()).starts();
    let request = order("47383").with("/prefetch", json!({})).of(&ehr);
    let base = ehr.base();
    let environment =
        [("COVENANT_LISTEN", "127.0.0.1:0"), ("COVENANT_EHR_SERVERS", &base), ("COVENANT_EHR_ALLOW_PRIVATE", "true")];
    let server = place.serve_in(&environment);
    let answer = server.sign(request).decided();
    server.kill();
    assert_eq!(ehr.paths().len(), 2, "{:?}", ehr.paths());
    drop(ehr);
    replays(&place, &answer.assertions()[0], &answer);
}

#[test]
fn replay_answers_with_the_settings_that_were_set_then_whatever_is_set_now() {
    let place = Place::empty();
    let silent_payer = order("47383").without("/prefetch/payer");
    let answers = recorded(&place, [order("47383").times(2).into(), silent_payer.into()]);
    let now = [
        ("COVENANT_PAYER_CHECK", "strict"),
        ("COVENANT_LIMITS_BODY_BYTES", "100"),
        ("COVENANT_LIMITS_DEPTH", "3"),
        ("COVENANT_LIMITS_NODES", "50"),
        ("COVENANT_LIMITS_ORDERS", "1"),
        ("COVENANT_EHR_ALLOW_HTTP", "false"),
    ];
    for answer in &answers {
        let ran = place.run_in(&now, &["replay", &answer.assertions()[0]]);
        assert_eq!((ran.code, ran.out.trim_end()), (Some(0), answer.text()), "{}", ran.err);
    }
    let shown = place.run(&["ledger", "show", &answers[0].assertions()[0]]).succeeded();
    assert!(
        shown.contains(r#""payer_check":"when-known""#) || shown.contains(r#""payer_check": "when-known""#),
        "{shown}"
    );
}

#[test]
fn replay_works_beside_a_server_that_is_running() {
    let place = Place::empty();
    let server = place.serve();
    let answer = server.sign(order("47383")).decided();
    replays(&place, &answer.assertions()[0], &answer);
    server.sign(order("47383")).decided();
}

#[test]
fn l07_verify_says_how_far_the_chain_holds() {
    let place = Place::empty();
    recorded(&place, (0..5).map(|_| order("47383").into()));
    assert_eq!(place.run(&["ledger", "verify"]).succeeded(), "5 entries, the chain holds\n");
}

/// Opens the file as somebody without scruples would: the file itself holds a change off until its triggers are gone.
fn without_triggers(place: &Place) -> Connection {
    let file = Connection::open(place.path("covenant.ledger")).unwrap();
    assert!(file.execute("UPDATE records SET head = '{}' WHERE seq = 3", []).is_err());
    assert!(file.execute("DELETE FROM records WHERE seq = 3", []).is_err());
    let triggers = "SELECT group_concat('DROP TRIGGER ' || name, ';') FROM sqlite_schema WHERE type = 'trigger'";
    let triggers: String = file.query_row(triggers, [], |row| row.get(0)).unwrap();
    file.execute_batch(&triggers).unwrap();
    file
}

/// Flips one bit in the middle of a column of record 3.
fn flip(file: &Connection, column: &str) {
    let read = format!("SELECT {column} FROM records WHERE seq = 3");
    let mut bytes: Vec<u8> = file.query_row(&read, [], |row| row.get(0)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let write = format!("UPDATE records SET {column} = ?1 WHERE seq = 3");
    assert_eq!(file.execute(&write, [bytes]).unwrap(), 1);
}

/// What `ledger verify` says of five entries, after somebody was at the file.
fn verified(tamper: impl FnOnce(&Connection)) -> String {
    let place = Place::empty();
    recorded(&place, (0..5).map(|_| order("47383").into()));
    tamper(&without_triggers(&place));
    let ran = place.run(&["ledger", "verify"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    ran.err
}

#[test]
fn l07_one_bit_changed_in_a_record_is_named() {
    for column in ["id", "ids", "terms", "body", "previous", "hash"] {
        let said = verified(|file| flip(file, column));
        assert!(said.contains("record 3"), "{column}: {said}");
    }
}

#[test]
fn l07_a_record_that_is_edited_taken_out_or_hidden_is_named() {
    for (sql, words) in [
        ("UPDATE records SET head = '{}' WHERE seq = 3", "record 3 was changed"),
        ("UPDATE records SET at = at + 1 WHERE seq = 3", "record 3 was changed"),
        ("DELETE FROM records WHERE seq = 3", "record 3 is missing"),
        ("DELETE FROM ids WHERE seq = 3", "record 3 cannot be found"),
        ("DELETE FROM terms WHERE seq = 3", "record 3 cannot be found"),
    ] {
        let said = verified(|file| assert!(file.execute(sql, []).unwrap() >= 1));
        assert!(said.contains(words), "{sql}: {said}");
    }
}

#[test]
fn l05_a_ledger_that_was_tampered_with_is_not_served_from() {
    let place = Place::empty();
    recorded(&place, (0..3).map(|_| order("47383").into()));
    without_triggers(&place).execute("UPDATE records SET head = '{}' WHERE seq = 2", []).unwrap();
    place.run_in(&[("COVENANT_LISTEN", "127.0.0.1:0")], &["serve"]).failed(1, &["damaged", "backup"]);
}
