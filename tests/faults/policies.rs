//! Policy sets over time: what a set that is good on one day is on another, what is not evaluated, and folders that change
//! under the server (FAULTS P08, P09, P11).

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::{Value, json};

use crate::support::{Place, PolicyFolder, RULES, Ran, SECRET, Served};

const DEFAULT: &str = "payer/PlanDefinition-default.json";
const LIBRARY: &str = "policies/633/Library-633.json";
const SETTING: &str = "terminology/ConceptMap-setting.json";

fn check(folder: &Path) -> Ran {
    Place::empty().run(&["check".as_ref(), folder.as_os_str()])
}

/// The set with a change to a file must be refused with all these words.
#[track_caller]
fn refused(file: &str, change: impl FnOnce(&mut Value), words: &[&str]) {
    check(PolicyFolder::copy().changing(file, change).path()).failed(2, words);
}

#[test]
fn p08_cases_without_a_date_run_in_the_period_of_their_version_whatever_day_it_is() {
    // One set that was proved years ago, and one that is proved years before it serves.
    for period in [
        json!({"end": "2021-12-31"}),
        json!({"start": "2001-01-01", "end": "2002-12-31"}),
        json!({"start": "2090-01-01"}),
    ] {
        let folder = PolicyFolder::copy().changing_rules(|rules| rules["effectivePeriod"] = period.clone());
        let folder = undated(folder);
        check(folder.path()).succeeded();
        // They do run on that day: a case that wants another outcome there is refused.
        let other = folder.changing("policies/633/cases/golden.json", |table| {
            table["cases"][0]["expect"]["policy"] = json!("default");
        });
        check(other.path()).failed(2, &["golden.json", "policy is {\"633\"}"]);
    }
}

/// The set without the cases that give dates or periods of coverage of their own.
fn undated(folder: PolicyFolder) -> PolicyFolder {
    folder.changing("policies/633/cases/facts.json", |table| {
        let rows = table["cases"].as_array_mut().unwrap();
        rows.retain(|row| row["given"].get("date").is_none() && row["given"].get("coverage").is_none());
    })
}

#[test]
fn p08_a_later_version_changes_nothing_of_the_cases_that_were_there() {
    let folder = PolicyFolder::copy().changing_rules(|rules| {
        rules["effectivePeriod"] = json!({"start": "2020-11-01", "end": "2020-12-31"});
    });
    let mut second: Value = serde_json::from_slice(&fs::read(folder.path().join(RULES)).unwrap()).unwrap();
    second["version"] = json!("2021-01");
    second["effectivePeriod"] = json!({"start": "2021-01-01"});
    let parts = second.pointer_mut("/action/0/extension/0/extension").unwrap().as_array_mut().unwrap();
    parts.iter_mut().find(|part| part["url"] == "covered").unwrap()["valueCode"] = json!("covered");
    let folder = undated(folder.writing("policies/633/PlanDefinition-633-2021.json", &second.to_string()));
    check(folder.path()).succeeded();
}

#[test]
fn p09_an_element_that_may_change_a_meaning_is_refused_with_its_place_wherever_it_stands() {
    let extension = json!([{"url": "https://elsewhere.example/only-if", "valueBoolean": true}]);
    for (file, at, place) in [
        (RULES, "", "modifierExtension"),
        (RULES, "/action/0", "action[0].modifierExtension"),
        (RULES, "/action/0/action/0/action/0/input/0", "action[0].action[0].action[0].input[0].modifierExtension"),
        (DEFAULT, "/action/1", "action[1].modifierExtension"),
        (SETTING, "/group/0/element/0/target/0", "group[0].element[0].target[0].modifierExtension"),
        (LIBRARY, "", "modifierExtension"),
        ("payer/Organization-bcbsma.json", "", "modifierExtension"),
    ] {
        let change = |value: &mut Value| value.pointer_mut(at).unwrap()["modifierExtension"] = extension.clone();
        refused(file, change, &[file, &format!("{place}: may change the meaning"), "not understood"]);
    }
    for file in [RULES, DEFAULT, SETTING, LIBRARY] {
        refused(file, |it| it["implicitRules"] = json!("https://elsewhere.example/rules"), &[file, "implicitRules"]);
    }
}

#[test]
fn p09_a_condition_that_is_not_evaluated_is_refused_with_its_place() {
    let expression =
        json!([{"kind": "applicability", "expression": {"language": "text/fhirpath", "expression": "false"}}]);
    refused(RULES, |rules| rules["action"][0]["condition"] = expression, &[RULES, "action[0].condition"]);
    let dated = json!([{"path": "occurrence", "valueDateTime": "2026-01-01"}]);
    let place = "action[0].input[0].dateFilter: may change what a rule means";
    refused(RULES, |rules| rules["action"][0]["input"][0]["dateFilter"] = dated, &[RULES, place]);
    let depends = json!([{"property": "https://elsewhere.example/property", "value": "x"}]);
    let place = "group[0].element[0].target[0].dependsOn";
    refused(SETTING, |map| map["group"][0]["element"][0]["target"][0]["dependsOn"] = depends, &[SETTING, place]);
}

#[test]
fn p09_a_map_that_leads_nowhere_is_refused_with_its_place() {
    let target = "/group/0/element/0/target/0";
    for file in [SETTING, "terminology/ConceptMap-encounter-setting.json"] {
        let slip = |map: &mut Value| map.pointer_mut(target).unwrap()["code"] = json!("outpatientt");
        refused(file, slip, &[file, "group[0].element[0].target[0].code", "CodeSystem/setting"]);
        let elsewhere =
            |map: &mut Value| map["group"][0]["target"] = json!("https://covenant.example/fhir/CodeSystem/place");
        refused(file, elsewhere, &[file, "group[0].element[0].target[0].code", "CodeSystem/setting"]);
        let narrower = |map: &mut Value| map.pointer_mut(target).unwrap()["equivalence"] = json!("narrower");
        refused(file, narrower, &[file, "group[0].element[0].target[0].equivalence"]);
    }
    let twice = |map: &mut Value| {
        let mut again = map["group"][0]["element"][0].clone();
        again["target"][0]["code"] = json!("outpatient");
        map["group"][0]["element"].as_array_mut().unwrap().push(again);
    };
    refused(SETTING, twice, &[SETTING, "another setting of a code that has one already"]);
    let wider = "terminology/ConceptMap-wider-codes.json";
    let slip = |map: &mut Value| map["group"][0]["target"] = json!("http://www.ama-assn.org/go/ctp");
    refused(wider, slip, &[wider, "group[0].element[0].target[0].code", "a code system that the set does not know"]);
}

#[test]
fn r01_markdown_that_could_run_where_it_is_shown_does_not_load() {
    let hostile = ["<script>alert(1)</script>", "see [this](javascript:alert(1))", "a <img src=x onerror=alert(1)>"];
    for text in hostile {
        for (file, at, place) in [
            (RULES, "/action/0/description", "action[0].description"),
            (RULES, "/description", "description"),
            (RULES, "/action/0/documentation/0/citation", "action[0].documentation[0].citation"),
            (LIBRARY, "/description", "description"),
            (LIBRARY, "/copyright", "copyright"),
        ] {
            let change = |value: &mut Value| {
                let (parent, name) = at.rsplit_once('/').unwrap();
                value.pointer_mut(parent).unwrap()[name] = json!(format!("{{{{order}}}} {text}"));
            };
            refused(file, change, &[file, &format!("{place}: has "), "Markdown"]);
        }
        let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
        let change = |library: &mut Value| library["content"][0]["data"] = json!(data);
        refused(LIBRARY, change, &[LIBRARY, "content[0].data: has ", "Markdown"]);
    }
}

/// Moves the files of each folder as a mounted ConfigMap keeps them: in a hidden folder that `..data` leads to, with a link
/// to each beside it.
fn mounted(folder: &Path, revision: &str) {
    let mut inner = Vec::new();
    let (hidden, staged) = (folder.join(revision), folder.join("..data_tmp"));
    fs::create_dir(&hidden).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name());
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if path.is_dir() {
            inner.push(path);
        } else {
            fs::copy(&path, hidden.join(&name)).unwrap();
            fs::remove_file(&path).unwrap();
            symlink(Path::new("..data").join(&name), &path).unwrap();
        }
    }
    symlink(revision, &staged).unwrap();
    fs::rename(&staged, folder.join("..data")).unwrap();
    inner.iter().for_each(|inner| mounted(inner, revision));
}

#[test]
fn p11_a_mounted_config_map_is_the_set_that_was_mounted_and_each_file_is_read_once() {
    let folder = PolicyFolder::copy();
    let plain = check(folder.path()).succeeded();
    mounted(folder.path(), "..2026_11_28_00_00_00.1");
    assert_eq!(check(folder.path()).succeeded(), plain);
    // An editor's copies are passed over too.
    fs::copy(folder.path().join(RULES), folder.path().join("policies/633/.PlanDefinition-633.json")).unwrap();
    assert_eq!(check(folder.path()).succeeded(), plain);
}

/// What makes a folder unreadable, how it is put right, and what is told of it.
type Break = (fn(&Path), fn(&Path), &'static str);

const BREAKS: [Break; 5] = [
    (
        |folder| fs::rename(folder, folder.with_extension("away")).unwrap(),
        |folder| fs::rename(folder.with_extension("away"), folder).unwrap(),
        "the policy folder: cannot be read",
    ),
    (
        |folder| symlink("nowhere.json", folder.join("payer/link.json")).unwrap(),
        |folder| fs::remove_file(folder.join("payer/link.json")).unwrap(),
        "payer/link.json: is a link that leads nowhere",
    ),
    (
        |folder| assert!(Command::new("mkfifo").arg(folder.join("payer/pipe.json")).status().unwrap().success()),
        |folder| fs::remove_file(folder.join("payer/pipe.json")).unwrap(),
        "payer/pipe.json: is not a file",
    ),
    (
        // Nobody can read the memory at its first address.
        |folder| symlink("/proc/self/mem", folder.join("payer/memory.json")).unwrap(),
        |folder| fs::remove_file(folder.join("payer/memory.json")).unwrap(),
        "payer/memory.json: cannot be read",
    ),
    (
        |folder| symlink("..", folder.join("payer/round")).unwrap(),
        |folder| fs::remove_file(folder.join("payer/round")).unwrap(),
        "payer/round: is a link to a folder that it lies in",
    ),
];

#[test]
fn p11_what_cannot_be_read_is_refused_with_its_place_and_nobody_waits_for_it() {
    for (breaks, _, told) in BREAKS {
        let folder = PolicyFolder::copy();
        let inside = folder.path().join("set");
        move_into(folder.path(), &inside);
        breaks(&inside);
        let began = Instant::now();
        check(&inside).failed(2, &[told, "1 problems"]);
        assert!(began.elapsed() < Duration::from_secs(20), "{told}");
    }
}

/// Moves what lies in a folder into another one in it, which may be taken away.
fn move_into(folder: &Path, inside: &Path) {
    fs::create_dir(inside).unwrap();
    for part in ["payer", "policies", "terminology"] {
        fs::rename(folder.join(part), inside.join(part)).unwrap();
    }
}

fn until(what: &str, so: impl Fn() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(30), "it does not come to pass that {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

fn failed(server: &Served, ops: &crate::support::Caller) -> bool {
    assert_eq!(server.get("/cds-services").status, 200);
    ops.get("/metrics").text().lines().any(|line| line == "covenant_policy_reload_failed 1")
}

#[test]
fn p11_a_folder_that_cannot_be_read_is_told_and_watching_goes_on() {
    let folder = PolicyFolder::copy();
    let inside = folder.path().join("set");
    move_into(folder.path(), &inside);
    let (place, tokens) = (Place::empty(), format!("alice:{SECRET}"));
    let server = place.serve_in(&[
        ("COVENANT_LISTEN", "127.0.0.1:0"),
        ("COVENANT_OPS_LISTEN", "127.0.0.1:0"),
        ("COVENANT_OPS_TOKENS", &tokens),
        ("COVENANT_POLICIES", inside.to_str().unwrap()),
        ("COVENANT_POLICIES_LOOK_SECONDS", "1"),
    ]);
    let ops = server.ops();
    let set = || ops.get_as_operator("/policies", SECRET).json()["set"].clone();
    let first = set();
    for (breaks, mends, told) in BREAKS {
        breaks(&inside);
        until(&format!("it is told: {told}"), || failed(&server, &ops));
        let page = ops.get_as_operator("/", SECRET);
        assert!(page.text().contains("The policy folder"), "{}", page.text());
        assert_eq!(set(), first, "the set before serves");
        mends(&inside);
        until(&format!("it is put right: {told}"), || !failed(&server, &ops));
    }
    // It still takes what changes.
    let rules = fs::read_to_string(inside.join(RULES)).unwrap();
    fs::write(inside.join(RULES), rules.replace("Not covered: {{code}}", "Not a benefit: {{code}}")).unwrap();
    until("another set serves", || set() != first);
    let (_, log) = server.kill();
    for (_, _, told) in BREAKS {
        assert!(log.contains(told), "{told} is not in {log}");
    }
}
