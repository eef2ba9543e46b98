//! The invented set is proved before it serves, and what would be wrong with what is new in it is refused in words.

use covenant::policy::check::prove;
use covenant::policy::load::{folder, load};
use covenant::policy::{self, load::Problem};
use fhir_resources::File;
use serde_json::{Value, json};

use super::ask::FOLDER;
use crate::laws_support::{files_under, repository};

const BASE: &str = "https://covenant.example/fhir/StructureDefinition/";

fn files() -> Vec<File> {
    folder(&repository(FOLDER)).unwrap()
}

/// What is said of the set with a change to the PlanDefinition of a policy, which must not load.
fn refused(number: &str, change: impl FnOnce(&mut Value)) -> String {
    let path = match number {
        "default" => "payer/PlanDefinition-default.json".to_owned(),
        number => format!("policies/{number}/PlanDefinition-{number}.json"),
    };
    let mut files = files();
    let file = files.iter_mut().find(|file| file.path == path).unwrap();
    let mut definition: Value = serde_json::from_slice(&file.bytes).unwrap();
    change(&mut definition);
    file.bytes = serde_json::to_vec(&definition).unwrap();
    let problems = load(&files).and_then(prove).expect_err("the set must be refused");
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

/// The extensions of an action that have this name.
fn extension<'v>(action: &'v mut Value, name: &str) -> &'v mut Value {
    let extensions = action["extension"].as_array_mut().unwrap();
    extensions.iter_mut().find(|it| it["url"] == format!("{BASE}{name}")).unwrap()
}

/// A part of an extension.
fn part<'v>(extension: &'v mut Value, name: &str) -> &'v mut Value {
    extension["extension"].as_array_mut().unwrap().iter_mut().find(|it| it["url"] == name).unwrap()
}

#[test]
fn the_invented_set_is_proved() {
    let proved = policy::open(Some(&repository(FOLDER))).unwrap();
    assert_eq!(proved.proof.policies, 14);
    assert!(proved.proof.cases >= 65, "{:?}", proved.proof);
    assert!(proved.proof.combinations >= 20, "{:?}", proved.proof);
}

#[test]
fn every_policy_of_the_invented_set_has_its_table_of_cases_and_says_that_it_is_invented() {
    let files = files();
    for file in files.iter().filter(|file| file.path.contains("PlanDefinition-ex-")) {
        let definition: Value = serde_json::from_slice(&file.bytes).unwrap();
        for name in ["title", "description"] {
            let text = definition[name].as_str().unwrap().to_lowercase();
            assert!(text.contains("invented"), "{}: {name}", file.path);
        }
        let table = file.path.rsplit_once('/').unwrap().0.to_owned() + "/cases/";
        assert!(files.iter().any(|other| other.path.starts_with(&table)), "{table} has no table");
    }
}

#[test]
fn the_examples_beside_a_set_are_no_part_of_it() {
    assert!(files_under(&repository(FOLDER).join("examples")).len() > 100);
    assert!(files().iter().all(|file| !file.path.starts_with("examples/")));
}

#[test]
fn a_gap_between_numbers_is_printed_as_a_row() {
    let said = refused("ex-107", |definition| {
        let adult = &mut definition["action"][0]["action"][0]["action"][1];
        adult["input"][0]["codeFilter"][0]["extension"][0]["valueRange"]["high"]["value"] = json!(60);
    });
    assert!(said.contains("policy EX-107 version 1: age 61: no case, must be exactly one"), "{said}");
    let said = refused("ex-107", |definition| {
        let older = &mut definition["action"][0]["action"][0]["action"][2];
        older["input"][0]["codeFilter"][0]["extension"][0]["valueRange"]["low"]["value"] = json!(64);
    });
    assert!(said.contains("age 64: the cases adult and older, must be exactly one"), "{said}");
}

#[test]
fn a_rule_that_forgets_its_not_is_printed_as_a_row() {
    let said = refused("ex-105", |definition| {
        let not_tried = &mut definition["action"][0]["action"][0]["action"][1];
        not_tried["input"][0]["codeFilter"][0].as_object_mut().unwrap().shift_remove("extension");
    });
    assert!(said.contains("history none of those named: no case, must be exactly one"), "{said}");
    assert!(said.contains("history 9999052: the cases tried and not-tried, must be exactly one"), "{said}");
}

#[test]
fn a_number_without_a_range_is_refused() {
    let said = refused("ex-106", |definition| {
        let within = &mut definition["action"][0]["action"][0]["action"][0];
        within["input"][0]["codeFilter"][0].as_object_mut().unwrap().shift_remove("extension");
    });
    assert!(said.contains("codeFilter.extension range: is missing"), "{said}");
}

#[test]
fn resp_72_a_card_is_for_one_kind_of_thing() {
    let library = json!([{"type": "citation", "resource": "https://covenant.example/fhir/Library/ex-112"}]);
    let more_than_one = "card: has more than one of links, apps and suggestions";
    for number in ["ex-109", "ex-110", "ex-111"] {
        let documentation = library.clone();
        let said = refused(number, |definition| definition["action"][0]["documentation"] = documentation);
        assert!(said.contains(more_than_one), "{number}: {said}");
    }
    let said = refused("ex-112", |definition| definition["action"][0]["documentation"] = library);
    assert!(said.contains(more_than_one), "{said}");
}

#[test]
fn an_app_is_opened_over_https() {
    let said = refused("ex-112", |definition| {
        part(extension(&mut definition["action"][0], "smart-app"), "url")["valueUrl"] =
            json!("http://apps.example/launch");
    });
    assert!(said.contains("policy EX-112 version 1: app: links: one is not https"), "{said}");
}

#[test]
fn the_label_of_a_suggestion_fits_a_button() {
    let label = |text: &str| {
        let text = json!(text);
        refused("ex-110", |definition| {
            part(extension(&mut definition["action"][0], "suggestion"), "label")["valueString"] = text;
        })
    };
    let said = label(&"x".repeat(81));
    assert!(said.contains("belongs-with: suggestion[0]: has a label of 81 characters"), "{said}");
    let said = label("Add what {{order}} needs");
    assert!(said.contains("has {{order}} in its label"), "{said}");
    // A filling counts: the longest is `the ordered service`.
    let said = label(&format!("{}{{{{code}}}}", "x".repeat(62)));
    assert!(said.contains("has a label of 81 characters"), "{said}");
}

#[test]
fn the_suggestions_of_a_card_are_of_one_response_type() {
    let said = refused("ex-109", |definition| {
        part(extension(&mut definition["action"][0], "suggestion"), "kind")["valueCode"] = json!("add");
    });
    let expected = "of several response types: Identify Additional Orders, Propose Alternate Request";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_draft_is_an_order_that_nobody_has_signed_for_nobody_yet() {
    let with = |member: &str, value: Value| refused("ex-110", |definition| definition["contained"][0][member] = value);
    let said = with("subject", json!({"reference": "Patient/1"}));
    assert!(said.contains("drafts a ServiceRequest with a subject of its own"), "{said}");
    let said = with("subject", json!({"identifier": {"value": "1"}, "display": "Someone"}));
    assert!(said.contains("drafts a ServiceRequest with a subject of its own"), "{said}");
    let said = with("status", json!("active"));
    assert!(said.contains("drafts a ServiceRequest whose status is not draft"), "{said}");
    let said = refused("ex-110", |definition| {
        definition["contained"][0] = json!({"resourceType": "Questionnaire", "id": "test", "status": "draft"});
    });
    assert!(said.contains("drafts a Questionnaire, which is no order"), "{said}");
}

#[test]
fn resp_59_what_is_asked_for_by_dtr_is_not_asked_for_by_a_task_too() {
    let said = refused("ex-111", |definition| {
        let parts = extension(&mut definition["action"][0], "determination")["extension"].as_array_mut().unwrap();
        parts.push(json!({"url": "doc-needed", "valueCode": "clinical"}));
        parts.push(
            json!({"url": "questionnaire", "valueCanonical": "https://example-health-plan.example/Questionnaire/1"}),
        );
    });
    assert!(said.contains("asks for a form by a task and for a questionnaire by DTR (resp-59)"), "{said}");
}

#[test]
fn the_card_for_a_coverage_record_speaks_of_no_order() {
    let card = |member: &str, text: &str| {
        let text = json!(text);
        let change = |definition: &mut Value| {
            let actions = definition["action"].as_array_mut().unwrap();
            actions.iter_mut().find(|action| action["id"] == "coverage-record").unwrap()[member] = text;
        };
        refused("default", change)
    };
    let said = card("description", "{{order}} rests on it.");
    assert!(said.contains("coverage-record: title or description: has a place to fill"), "{said}");
    let said = card("title", &"x".repeat(140));
    assert!(said.contains("coverage-record: title: is longer than a summary may be"), "{said}");
}
