//! What cards offer to do, and what is said of members, under the invented policy set.

use covenant::decide::facts::{InForce, Membership, Standing};
use covenant::gather::learned::{LookupFailed, MemberReply};
use covenant::request::schema;
use serde_json::{Value, json};

use super::said::{name, resources};

use crate::policies::ask::{CPT, Said, Says, coverage, service, sign};
use crate::policies::examples::examples;

/// The answers to all examples of the invented set.
fn answers() -> Vec<Said> {
    examples().into_iter().map(|example| example.said).collect()
}

fn suggestions(card: &Value) -> Vec<Value> {
    card["suggestions"].as_array().cloned().unwrap_or_default()
}

fn actions(suggestion: &Value) -> Vec<Value> {
    suggestion["actions"].as_array().cloned().unwrap()
}

fn says<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap_or_default()
}

#[test]
fn resp_2_a_card_is_for_information_unless_its_policy_says_more() {
    let cards: Vec<Value> = answers().iter().flat_map(Said::cards).collect();
    let info = cards.iter().filter(|card| card["indicator"] == "info").count();
    assert!(cards.len() > 30 && info * 2 > cards.len(), "{info} of {} are for information", cards.len());
}

#[test]
fn resp_11_what_is_offered_is_said_in_words_too() {
    let mut offered = 0;
    for card in answers().iter().flat_map(Said::cards) {
        for suggestion in suggestions(&card) {
            let words = format!("{} {}", says(&card, "summary"), says(&card, "detail"));
            assert!(says(&suggestion, "label").chars().count() > 8 && words.chars().count() > 60, "{card}");
            for action in actions(&suggestion) {
                assert!(says(&action, "description").chars().count() > 8, "{action}");
                offered += 1;
            }
        }
    }
    assert!(offered > 10);
}

#[test]
fn resp_38_documentation_that_is_needed_comes_with_its_questionnaire() {
    let mut asked = 0;
    for repetition in answers().iter().flat_map(Said::repetitions) {
        let of = |name: &str| repetition.iter().filter(|part| part["url"] == name).collect::<Vec<_>>();
        let clinical = of("doc-needed").iter().any(|part| matches!(says(part, "valueCode"), "clinical" | "both"));
        if clinical {
            assert!(of("questionnaire").iter().all(|part| says(part, "valueCanonical").starts_with("https://")));
            assert!(!of("questionnaire").is_empty(), "{repetition:?}");
            asked += 1;
        }
        assert!(of("questionnaire").is_empty() || !of("doc-needed").is_empty(), "a form nobody needs: {repetition:?}");
    }
    assert!(asked >= 6);
}

/// What is said when the member directory says this: `covered`, and the code and the words of the reason.
fn told(reply: MemberReply) -> (Vec<String>, String, String) {
    let says = Says { member: Some(reply), ..Says::default() };
    let said = sign(&[service(CPT, "99901")]).told(says).answer();
    let reason = said.parts("reason")[0]["valueCodeableConcept"].clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (said.codes("covered"), text(&reason["coding"][0]["code"]), text(&reason["text"]))
}

#[test]
fn resp_43_a_member_directory_that_fails_is_a_technical_failure() {
    let (covered, code, words) = told(Err(LookupFailed));
    assert_eq!((covered, &*code), (vec!["indeterminate".to_owned()], "technical"));
    assert!(words.contains("technical problem"), "{words}");
}

#[test]
fn resp_44_a_patient_whom_the_payer_does_not_know_is_not_covered() {
    let (covered, code, words) = told(Ok(Standing::PersonUnknown));
    assert_eq!((covered, &*code), (vec!["not-covered".to_owned()], "no-member-found"));
    assert!(!words.is_empty());
}

#[test]
fn resp_45_a_coverage_that_is_not_found_or_not_in_force_is_not_covered() {
    let (covered, code, _) = told(Ok(Standing::CoverageUnknown));
    assert_eq!((covered, &*code), (vec!["not-covered".to_owned()], "coverage-not-found"));
    let in_force = InForce { active: false, start: None, end: None };
    let ended = Membership { in_force, coverage: coverage().to_string(), authorizations: Vec::new() };
    let (covered, code, _) = told(Ok(Standing::Member(ended)));
    assert_eq!((covered, &*code), (vec!["not-covered".to_owned()], "no-active-coverage"));
}

#[test]
fn hook_34_an_order_that_is_not_selected_is_looked_at_beside_the_one_that_is() {
    let example = examples().into_iter().find(|example| example.name == "ex-108-dependency").unwrap();
    let mut request: Value = serde_json::from_str(&example.request).unwrap();
    let drafts: Vec<String> = resources(&request["context"]["draftOrders"]).into_iter().map(name).collect();
    request["hook"] = json!("order-select");
    request["context"]["selections"] = json!([drafts[0]]);
    let said = Said::to("selected", &request.to_string(), Says::default());
    assert_eq!(said.repetitions().len(), 1, "{}", said.text);
    assert_eq!(said.parts("dependency")[0]["valueReference"]["reference"], *drafts[1]);
}

#[test]
fn resp_55_what_is_offered_is_valid() {
    let mut checked = std::collections::BTreeSet::new();
    for card in answers().iter().flat_map(Said::cards) {
        for action in suggestions(&card).iter().flat_map(actions) {
            let resource = &action["resource"];
            let Some(kind) = resource["resourceType"].as_str() else { continue };
            checked.insert(kind.to_owned());
            // A form is handed on as the payer wrote it, and a policy set that FHIR refuses does not load.
            let Some(schema) = schema::resource(kind) else { continue };
            assert_eq!(schema.check(resource, kind), Ok(()), "{resource}");
        }
    }
    for kind in ["ServiceRequest", "DeviceRequest", "MedicationRequest", "Task", "Questionnaire", "Coverage"] {
        assert!(checked.contains(kind), "no {kind} is offered: {checked:?}");
    }
}

#[test]
fn resp_71_a_coverage_record_that_is_put_right_fits_the_schema() {
    let mut put_right = 0;
    for card in answers().iter().flat_map(Said::cards).filter(|card| card["source"]["topic"]["code"] == "insurance") {
        let [suggestion] = suggestions(&card).try_into().unwrap();
        let [action] = actions(&suggestion).try_into().unwrap();
        assert_eq!((says(&action, "type"), says(&action["resource"], "resourceType")), ("update", "Coverage"));
        assert_eq!(schema::COVERAGE.check(&action["resource"], "Coverage"), Ok(()));
        put_right += 1;
    }
    assert!(put_right >= 2);
}
