//! A policy set with one thing wrong is not served, and the operator is told which file and which place (FAULTS P01).

use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::{Value, json};

use crate::support::{Place, PolicyFolder, RULES, Ran, Reply, Served, order};

const SCOPE: &str = "action[0]";
const CASES: &str = "/action/0/action/0/action";

fn check(folder: &PolicyFolder) -> Ran {
    Place::empty().run(&["check".as_ref(), folder.path().as_os_str()])
}

/// The set with a change to the rules must be refused with all these words.
#[track_caller]
fn refused(change: impl FnOnce(&mut Value), words: &[&str]) {
    check(&PolicyFolder::copy().changing_rules(change)).failed(2, words);
}

fn cases(rules: &mut Value) -> &mut Vec<Value> {
    rules.pointer_mut(CASES).unwrap().as_array_mut().unwrap()
}

#[test]
fn p01_a_copy_of_the_embedded_set_is_the_same_set() {
    assert_eq!(check(&PolicyFolder::copy()).succeeded(), Place::empty().run(&["check"]).succeeded());
}

#[test]
fn p01_a_folder_that_is_not_there_is_refused() {
    Place::empty().run(&["check", "nowhere"]).failed(2, &["policy folder"]);
    let nothing = tempfile::tempdir().unwrap();
    let ran = Place::empty().run(&["check".as_ref(), nothing.path().as_os_str()]);
    ran.failed(2, &["PlanDefinition with the identifier default", "Organization"]);
}

#[test]
fn p01_malformed_json_is_refused_with_its_file_and_line() {
    check(&PolicyFolder::copy().writing(RULES, "{\n  \"resourceType\":")).failed(2, &[RULES, "line 2"]);
    let file = "payer/Organization-bcbsma.json";
    check(&PolicyFolder::copy().replacing(file, "\"id\"", "id")).failed(2, &[file, "line 3"]);
    let file = "policies/633/cases/golden.json";
    check(&PolicyFolder::copy().writing(file, "[]")).failed(2, &[file]);
}

/// The text of rules whose actions are in each other, so many levels of JSON deep.
fn nested(levels: usize) -> String {
    let around = (levels - 3) / 2;
    let actions = format!("{}[{{\"title\":\"a\"}}]{}", "[{\"action\":".repeat(around), "}]".repeat(around));
    format!(r#"{{"resourceType":"PlanDefinition","status":"active","action":{actions}}}"#)
}

#[test]
fn p01_a_file_that_is_nested_too_deep_or_holds_control_characters_is_refused_with_its_place() {
    check(&PolicyFolder::copy().writing(RULES, &nested(33))).failed(2, &[RULES, "line 1", "nested deeper than 32"]);
    let deep = format!(r#"{{"a":"\u0008","b":{}}}"#, nested(120));
    check(&PolicyFolder::copy().writing(RULES, &deep)).failed(2, &[RULES, "line 1", "control character"]);
}

#[test]
fn p01_what_fhir_does_not_know_is_refused_with_its_element() {
    refused(|rules| rules["actoin"] = json!([]), &[RULES, "actoin"]);
    refused(|rules| rules["action"][0]["titel"] = json!("x"), &[RULES, "titel"]);
    refused(|rules| rules["action"][0]["input"] = json!([]), &[RULES, "input", "empty"]);
    refused(|rules| rules["resourceType"] = json!("Patient"), &[RULES, "resourceType"]);
}

#[test]
fn p01_a_missing_case_is_refused_as_a_row_of_the_table() {
    let words = ["policy 633 version 2020-11", "setting outpatient | plan medicare-hmo-blue", "no case"];
    refused(|rules| cases(rules).retain(|case| case["id"] != "outpatient-medicare-hmo-blue"), &words);
    // All that is missing, at once.
    let words = ["setting inpatient | plan commercial-managed-care", "setting inpatient | plan medicare-ppo-blue"];
    refused(|rules| cases(rules).retain(|case| case["id"] != "inpatient"), &words);
}

#[test]
fn p01_a_doubled_case_is_refused_as_a_row_of_the_table() {
    let double = |rules: &mut Value| {
        let mut second = cases(rules)[0].clone();
        second["id"] = json!("second");
        cases(rules).push(second);
    };
    refused(double, &["policy 633 version 2020-11", "setting inpatient | plan", "the cases inpatient and second"]);
}

#[test]
fn p01_a_case_that_can_never_hold_is_refused() {
    let contradict = |rules: &mut Value| {
        let mut never = cases(rules)[0].clone();
        never["id"] = json!("never");
        let outpatient = cases(rules)[1]["input"][0].clone();
        never["input"].as_array_mut().unwrap().push(outpatient);
        cases(rules).push(never);
    };
    refused(contradict, &["policy 633 version 2020-11", "case never", "can never hold"]);
}

#[test]
fn p01_a_value_set_that_is_not_in_the_set_is_refused_with_the_place_that_names_it() {
    let unknown = json!("https://covenant.example/fhir/ValueSet/nowhere");
    let place = format!("{SCOPE}.input[0].codeFilter.valueSet");
    refused(
        |rules| rules["action"][0]["input"][0]["codeFilter"][0]["valueSet"] = unknown,
        &[RULES, &place, "not in the set"],
    );
}

#[test]
fn p01_a_code_that_does_not_exist_is_refused_with_its_place() {
    let place = format!("{SCOPE}.action[0].action[0].input[0].codeFilter.code");
    let slip = |rules: &mut Value| cases(rules)[0]["input"][0]["codeFilter"][0]["code"][0]["code"] = json!("inpatiant");
    refused(slip, &[RULES, &place]);
}

#[test]
fn p01_a_link_that_is_not_https_is_refused() {
    let file = "policies/633/Library-633.json";
    let folder = PolicyFolder::copy().replacing(
        file,
        "\"url\": \"https://www.bluecrossma.org",
        "\"url\": \"http://www.bluecrossma.org",
    );
    check(&folder).failed(2, &["policy 633 version 2020-11", "liver-cryoablation: links", "not https"]);
    let script = |rules: &mut Value| {
        let parts = rules.pointer_mut("/action/0/extension/0/extension").unwrap().as_array_mut().unwrap();
        let detail = parts.iter_mut().find(|part| part["url"] == "detail").unwrap();
        detail["extension"][2]["valueUrl"] = json!("javascript:alert(1)");
    };
    refused(script, &["policy 633 version 2020-11", "liver-cryoablation: detail", "not https"]);
}

#[test]
fn p01_a_title_that_is_too_long_with_its_longest_filling_is_refused() {
    let title = format!("{{{{code}}}} {}", "x".repeat(108));
    let words = ["policy 633 version 2020-11", "liver-cryoablation: title", "at most 139"];
    refused(|rules| rules["action"][0]["title"] = json!(title), &words);
    let fits = format!("{{{{code}}}} {}", "x".repeat(107));
    check(&PolicyFolder::copy().changing_rules(|rules| rules["action"][0]["title"] = json!(fits))).succeeded();
}

#[test]
fn p01_a_case_that_does_not_come_out_as_expected_is_refused_with_its_row() {
    let file = "policies/633/cases/golden.json";
    let wrong = |table: &mut Value| table["cases"][0]["expect"]["pa-needed"] = json!("no-auth");
    let row = "inpatient, hepatocellular carcinoma (code CPT 47371 | diagnosis C22.0 | plan commercial-managed-care";
    check(&PolicyFolder::copy().changing(file, wrong))
        .failed(2, &[file, row, "pa-needed is auth-needed, expected no-auth"]);
    let unknown = |table: &mut Value| table["cases"][0]["given"]["weather"] = json!("fair");
    check(&PolicyFolder::copy().changing(file, unknown)).failed(2, &[file, "weather"]);
}

#[test]
fn p01_a_row_of_cases_that_stands_for_none_or_for_more_than_can_be_tried_is_refused() {
    let file = "policies/633/cases/golden.json";
    let given = |facts: Value| move |table: &mut Value| table["cases"][0]["given"] = facts;
    let none = json!({"code": "CPT 47371", "diagnosis": []});
    check(&PolicyFolder::copy().changing(file, given(none))).failed(2, &[file, "stands for no case"]);
    // A million million million cases in a few hundred bytes.
    let many = json!(vec!["1"; 100]);
    let names = ["age", "quantity", "code", "billing", "diagnosis", "history", "performer", "setting", "plan"];
    let all: Value = names.iter().map(|name| ((*name).to_owned(), many.clone())).collect();
    check(&PolicyFolder::copy().changing(file, given(all))).failed(2, &[file, "more cases than can be tried"]);
}

#[test]
fn p01_a_place_to_fill_that_is_not_known_is_refused() {
    for text in ["{{patient}}", "{{code", "{{ code }}"] {
        let titled = |rules: &mut Value| rules["action"][0]["title"] = json!(format!("Not covered: {text}"));
        refused(titled, &[RULES, "action[0].title", "{{…}}"]);
    }
}

#[test]
fn p01_a_set_that_does_not_say_what_holds_where_no_policy_speaks_is_refused() {
    let file = "payer/PlanDefinition-default.json";
    let other = |definition: &mut Value| definition["identifier"][0]["value"] = json!("other");
    check(&PolicyFolder::copy().changing(file, other)).failed(2, &["PlanDefinition with the identifier default"]);
    let silent = |definition: &mut Value| {
        definition["action"].as_array_mut().unwrap().retain(|action| action["id"] != "no-policy");
    };
    check(&PolicyFolder::copy().changing(file, silent)).failed(2, &[file, "action with the id no-policy"]);
}

#[test]
fn p01_two_versions_of_a_policy_that_hold_on_one_day_are_refused() {
    let folder = PolicyFolder::copy();
    let mut second: Value = serde_json::from_slice(&std::fs::read(folder.path().join(RULES)).unwrap()).unwrap();
    second["version"] = json!("2021-01");
    let folder = folder.writing("policies/633/PlanDefinition-633-2021.json", &second.to_string());
    check(&folder).failed(2, &["policy 633", "effectivePeriod", "overlaps"]);
}

#[test]
fn p01_everything_that_is_wrong_is_said_at_once() {
    let wrong = PolicyFolder::copy().changing_rules(|rules| {
        rules["action"][0]["title"] = json!("{{patient}}");
        cases(rules)[0]["priority"] = json!("asap");
    });
    check(&wrong).failed(2, &["action[0].title", "action[0].action[0].action[0].priority", "2 problems"]);
}

#[test]
fn p01_a_broken_set_is_not_served_and_leaves_no_ledger() {
    let broken = PolicyFolder::copy().writing(RULES, "{}");
    let place = Place::with_settings(&format!("policies = {:?}", broken.path()));
    place.run(&["serve"]).failed(2, &[RULES]);
    assert!(!place.path("covenant.ledger").exists());
}

/// Signs the usual order until what is said of it is so, and gives up when it never is.
fn until(server: &Served, so: impl Fn(&Reply) -> bool) {
    let began = Instant::now();
    while !so(&server.sign(order("47383")).decided()) {
        assert!(began.elapsed() < Duration::from_secs(30), "the answer does not change");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn p02_a_changed_folder_serves_once_it_is_proved_and_until_then_the_old_set_does() {
    let place = Place::empty();
    let folder = PolicyFolder::copy();
    let path = folder.path().to_str().unwrap().to_owned();
    let environment =
        [("COVENANT_LISTEN", "127.0.0.1:0"), ("COVENANT_POLICIES", &path), ("COVENANT_POLICIES_LOOK_SECONDS", "1")];
    let server = place.serve_in(&environment);
    let summary = |reply: &Reply| reply.summaries()[0].clone();
    let before = summary(&server.sign(order("47383")).decided());
    let titled =
        |folder: PolicyFolder, title: &str| folder.changing_rules(|rules| rules["action"][0]["title"] = title.into());
    let folder = titled(folder, "Changed once: {{code}}");
    until(&server, |reply| summary(reply).starts_with("Changed once"));
    let text = fs::read_to_string(folder.path().join(RULES)).unwrap();
    let folder = folder.writing(RULES, &text.replace("Changed once", "{{nobody}} knows"));
    // Twice the time in which a set that holds would have served.
    thread::sleep(Duration::from_secs(4));
    assert!(summary(&server.sign(order("47383")).decided()).starts_with("Changed once"));
    // What reads it would use more stack than a thread has.
    let folder = folder.writing(RULES, &nested(120));
    thread::sleep(Duration::from_secs(4));
    assert!(summary(&server.sign(order("47383")).decided()).starts_with("Changed once"));
    let folder = titled(folder.writing(RULES, &text), "Changed twice: {{code}}");
    until(&server, |reply| summary(reply).starts_with("Changed twice"));
    drop(folder);
    assert!(!before.starts_with("Changed"));
    let (_, log) = server.kill();
    assert!(log.contains("not proved") && log.contains(RULES), "{log}");
}
