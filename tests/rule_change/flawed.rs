//! Rules that fail where they are used: a set with them is refused, and should it ever serve, nothing is skipped.

use std::time::{Duration, Instant};

use serde_json::json;

use super::set::Set;
use super::{RULES, request, said};
use crate::laws_support::body;

/// The usual request, at a place of service.
fn at(place: &str) -> String {
    request("medicare-ppo-blue", None).replacen("\"22\"", &format!("\"{place}\""), 1)
}

#[test]
fn p03_an_order_whose_rule_fails_is_indeterminate_and_the_others_are_answered() {
    let set = Set::new();
    // Not proved: in one case of the facts there is no rule.
    set.change(RULES, |rules| {
        let cases = rules["action"][0]["action"][0]["action"].as_array_mut().unwrap();
        cases.retain(|case| case["id"] != "inpatient");
    });
    let broken = set.load_unproved();
    let covered = |setting: &str| said(&body(&at(setting), &broken, "p03")).0;
    assert_eq!(covered("21"), "indeterminate");
    assert_eq!(covered("22"), "not-covered");
}

#[test]
fn p04_of_two_rules_that_hold_at_once_the_more_restrictive_speaks_and_the_set_is_refused() {
    let set = Set::new();
    set.change(RULES, |rules| {
        let cases = rules["action"][0]["action"][0]["action"].as_array_mut().unwrap();
        let mut second = cases.iter().find(|case| case["id"] == "inpatient").unwrap().clone();
        second["id"] = "lenient".into();
        second["extension"][0]["extension"] = json!([
            {"url": "covered", "valueCode": "covered"}, {"url": "pa-needed", "valueCode": "no-auth"}
        ]);
        cases.push(second);
    });
    assert!(set.refused().contains("the cases inpatient and lenient"));
    let both = set.load_unproved();
    assert_eq!(said(&body(&at("21"), &both, "p04")).0, "not-covered");
}

/// The set with cases that tell so many kinds of diagnoses apart.
fn of_diagnoses(kinds: usize) -> Set {
    let set = Set::new();
    set.change(RULES, |rules| {
        let cases = rules["action"][0]["action"][0]["action"].as_array_mut().unwrap();
        let first = cases[0].clone();
        for kind in 0..kinds {
            let mut case = first.clone();
            case["id"] = format!("diagnosis-{kind}").into();
            case["input"] = json!([{"type": "Condition", "codeFilter": [{"path": "code", "code": [
                {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": format!("Z{kind:02}")}]}]}]);
            cases.push(case);
        }
    });
    set
}

#[test]
fn p05_a_policy_that_would_take_too_many_steps_is_refused_and_never_runs_long() {
    assert!(of_diagnoses(11).refused().contains("more kinds of codes apart than can be proved"));
    // Ten kinds are a thousand ways to have some of them; with two settings and four product lines, eight thousand.
    let many = of_diagnoses(10).load_unproved();
    let unknown = request("nobody's", Some("2026")).replacen("\"reasonCode\"", "\"_reasonCode\"", 1);
    let unknown = unknown.replacen("\"locationCode\"", "\"_locationCode\"", 1);
    let began = Instant::now();
    body(&unknown, &many, "p05");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
