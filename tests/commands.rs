//! The commands, run as an operator runs them, in a directory of their own.

mod banner;
mod clients;
mod looking;
mod members;
mod policies;
mod records;
mod settings;

use crate::support::{CANARY, Place, order};

#[test]
fn check_proves_the_embedded_set_and_says_what_it_proved() {
    let out = Place::empty().run(&["check"]).succeeded();
    let (set, proof) = out.trim_end().split_once('\n').unwrap();
    let hash = set.strip_prefix("policy set ").unwrap();
    assert!(hash.len() == 64 && hash.bytes().all(|it| it.is_ascii_hexdigit()), "{set}");
    assert!(proof.starts_with("1 policy versions, 8 combinations of facts with exactly one case each, "), "{proof}");
    let cases: usize = proof.split(' ').rev().nth(3).unwrap().parse().unwrap();
    assert!(cases > 100, "{proof}");
}

#[test]
fn decide_answers_a_file_and_records_nothing() {
    let place = Place::empty();
    let request = place.write("request.json", order("47383").text());
    let out = place.run(&["decide".as_ref(), request.as_os_str()]).succeeded();
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["cards"].as_array().unwrap().len(), 1);
    assert_eq!(answer["systemActions"][0]["resource"]["id"], "canary-order");
    assert!(!place.path("covenant.ledger").exists());
}

#[test]
fn decide_says_what_is_wrong_with_a_file_and_where() {
    let place = Place::empty();
    let decide = |text: String| place.run(&["decide".as_ref(), place.write("request.json", text).as_os_str()]);
    let deep = "[".repeat(65);
    for (text, words) in [
        (order("47383").without("/context/patientId").text(), ["400 required", "(context.patientId)"]),
        (order("47383").not_ordering("id").text(), ["422 required", "(context.draftOrders.entry[0].resource.id)"]),
        (order("47383").with("/prefetch/patient/id", CANARY).text(), ["400 invalid", "(Patient.id)"]),
        ("{\n \"hook\": 1,\n \"hook\": 2}".to_owned(), ["400 structure", "(line 3, column "]),
        (format!("{{\"a\":{deep}"), ["400 structure", "(line 1, column "]),
    ] {
        decide(text).failed(1, &words);
    }
}

#[test]
fn decide_says_that_there_is_no_such_file_or_service() {
    let place = Place::empty();
    place.run(&["decide", "nowhere.json"]).failed(1, &["covenant: "]);
    let request = place.write("request.json", order("47383").text());
    let service = ["decide".as_ref(), request.as_os_str(), "--service".as_ref(), "order-cancel-crd".as_ref()];
    place.run(&service).failed(1, &["there is no such service"]);
}

#[test]
fn a_command_that_is_not_known_is_refused_with_how_to_use_it() {
    Place::empty().run(&["promise"]).failed(2, &["promise", "Usage"]);
    assert!(Place::empty().run(&["--help"]).succeeded().contains("replay"));
}
