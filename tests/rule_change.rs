//! A rule is changed in its files alone: one PlanDefinition and the cases that it must meet, nothing in `src`.

mod flawed;
pub mod set;

use std::fs;

use covenant::http::discovery::document;
use covenant::policy::model::PolicySet;
use covenant::request::schema;
use serde_json::{Value, json};

use crate::laws_support::{body, is_about, items, repository, returned, value_of};
use set::Set;

const RULES: &str = "policies/633/PlanDefinition-633.json";
const CASES: &str = "policies/633/cases/golden.json";
const CASE: &str = "/action/0/action/0/action/4";
const PRECEDENCE: &str = "https://covenant.example/fhir/StructureDefinition/precedence";

/// The request of an example for another product line, on a day where one is given.
fn request(plan: &str, day: Option<&str>) -> String {
    let text = fs::read_to_string(repository("cds-hooks/examples/order-sign-47383.request.json")).unwrap();
    let text = text.replacen("\"commercial-ppo-indemnity\"", &format!("\"{plan}\""), 1);
    let text = text.replacen("\"Commercial PPO and Indemnity\"", &format!("\"{plan}\""), 1);
    let day = day.map(|day| format!("\"intent\": \"order\", \"occurrenceDateTime\": \"{day}\""));
    text.replacen("\"intent\": \"order\"", &day.unwrap_or_else(|| "\"intent\": \"order\"".to_owned()), 1)
}

/// `covered` and `pa-needed` of the first coverage information in an answer, and the reasons.
fn said(body: &str) -> (String, Option<String>, String) {
    let extensions = items(value_of(returned(body)[0], "extension").unwrap());
    let ours = extensions.iter().find(|it| is_about(it, "Coverage/example-coverage")).unwrap();
    let ours: Value = serde_json::from_str(ours).unwrap();
    let parts = ours["extension"].as_array().unwrap();
    let code = |url: &str| parts.iter().find(|part| part["url"] == url)?["valueCode"].as_str().map(str::to_owned);
    let reasons = parts.iter().filter(|part| part["url"] == "reason");
    let reasons = reasons.map(|part| part["valueCodeableConcept"]["text"].as_str().unwrap()).collect::<Vec<_>>();
    (code("covered").unwrap(), code("pa-needed"), reasons.join("\n"))
}

fn answered(set: &PolicySet, plan: &str, day: Option<&str>) -> (String, Option<String>, String) {
    said(&body(&request(plan, day), set, "rule change"))
}

/// Medicare PPO Blue, outpatient: a benefit that needs prior authorisation.
fn cover_outpatient_medicare_ppo(set: &Set) {
    set.change(RULES, |definition| {
        let scope = definition.pointer_mut("/action/0/extension/0/extension").unwrap().as_array_mut().unwrap();
        let reason = scope.iter().position(|part| part["url"] == "reason").unwrap();
        let investigational = scope.remove(reason);
        for index in 0..5 {
            let case = format!("/action/0/action/0/action/{index}/extension/0/extension");
            definition.pointer_mut(&case).unwrap().as_array_mut().unwrap().push(investigational.clone());
        }
        let case = definition.pointer_mut(CASE).unwrap();
        assert_eq!(case["id"], "outpatient-medicare-ppo-blue");
        case["extension"][0]["extension"] = json!([
            {"url": "covered", "valueCode": "covered"},
            {"url": "pa-needed", "valueCode": "auth-needed"},
            {"url": "reason", "valueCodeableConcept": {"text": "{{code}} is a benefit with prior authorization."}},
        ]);
    });
}

/// The cases that name this product line and outpatient, or leave the one or the other open.
fn change_the_cases(set: &Set) {
    for file in set.files("policies/633/cases") {
        set.change(&file, |table| {
            let rows = table["cases"].as_array_mut().unwrap();
            rows.retain(|row| !speaks_of_what_changed(&row["given"]));
            rows.push(json!({
                "name": "outpatient, Medicare PPO Blue",
                "given": {"code": ["CPT 47371", "CPT 47383"], "plan": "medicare-ppo-blue", "setting": "outpatient"},
                "expect": {"policy": "633", "covered": "covered", "pa-needed": "auth-needed", "info-needed": []},
            }));
        });
    }
}

fn speaks_of_what_changed(given: &Value) -> bool {
    let may_be = |name: &str, value: &str| match &given[name] {
        Value::Null => true,
        Value::Array(values) => values.iter().any(|it| it == value),
        one => one == value,
    };
    may_be("setting", "outpatient") && may_be("plan", "medicare-ppo-blue")
}

#[test]
fn a_changed_rule_and_its_case_change_the_answer_and_no_other() {
    let set = Set::new();
    let before = set.load();
    cover_outpatient_medicare_ppo(&set);
    change_the_cases(&set);
    let after = set.load();
    assert_ne!(before.hash, after.hash);
    let (covered, pa_needed, _) = answered(&before, "medicare-ppo-blue", None);
    assert_eq!((covered.as_str(), pa_needed.as_deref()), ("not-covered", None));
    let (covered, pa_needed, reason) = answered(&after, "medicare-ppo-blue", None);
    assert_eq!((covered.as_str(), pa_needed.as_deref()), ("covered", Some("auth-needed")));
    assert_eq!(reason, "CPT 47383 is a benefit with prior authorization.");
    for plan in ["commercial-managed-care", "commercial-ppo-indemnity", "medicare-hmo-blue"] {
        assert_eq!(answered(&after, plan, None), answered(&before, plan, None), "{plan}");
    }
}

#[test]
fn a_changed_rule_whose_cases_were_not_changed_is_refused_and_the_case_named() {
    let set = Set::new();
    cover_outpatient_medicare_ppo(&set);
    let problems = set.refused();
    let line = problems.lines().find(|line| line.starts_with(CASES)).unwrap_or_else(|| panic!("{problems}"));
    assert!(line.contains("plan medicare-ppo-blue") && line.contains("setting outpatient"), "{line}");
    assert!(line.ends_with("covered is covered, expected not-covered"), "{line}");
}

#[test]
fn h19_an_order_that_carries_the_answer_of_the_old_rule_gets_that_of_the_new_one_in_its_place() {
    let set = Set::new();
    let before = set.load();
    cover_outpatient_medicare_ppo(&set);
    change_the_cases(&set);
    let after = set.load();
    let request = request("medicare-ppo-blue", None);
    let first = body(&request, &before, "before");
    let order =
        items(value_of(value_of(value_of(&request, "context").unwrap(), "draftOrders").unwrap(), "entry").unwrap());
    let carrying = request.replacen(value_of(order[0], "resource").unwrap(), returned(&first)[0], 1);
    assert!(returned(&body(&carrying, &before, "again")).is_empty());
    let second = body(&carrying, &after, "after");
    assert_eq!(items(value_of(returned(&second)[0], "extension").unwrap()).len(), 1);
    assert_eq!(said(&second).0, "covered");
}

/// A second policy that speaks of CPT 47383 and says that it is a benefit.
fn other_policy(precedence: Option<u32>) -> Value {
    let mut policy = json!({
        "resourceType": "PlanDefinition", "id": "700", "status": "active", "version": "1", "title": "Another policy",
        "identifier": [{"value": "700"}],
        "action": [{
            "id": "another",
            "input": [{"type": "ServiceRequest", "codeFilter": [{
                "path": "code", "code": [{"system": "http://www.ama-assn.org/go/cpt", "code": "47383"}],
            }]}],
            "extension": [{"url": "https://covenant.example/fhir/StructureDefinition/determination", "extension": [
                {"url": "covered", "valueCode": "covered"},
                {"url": "pa-needed", "valueCode": "no-auth"},
                {"url": "reason", "valueCodeableConcept": {"text": "Another policy says so."}},
            ]}],
        }],
    });
    if let Some(precedence) = precedence {
        policy["extension"] = json!([{"url": PRECEDENCE, "valuePositiveInt": precedence}]);
    }
    policy
}

#[test]
fn two_policies_that_share_a_code_are_refused_unless_it_is_written_which_speaks() {
    let refused = |ours: Option<u32>, other: Option<u32>| {
        let set = Set::new();
        set.write("policies/700/PlanDefinition-700.json", &other_policy(other));
        if let Some(ours) = ours {
            set.change(RULES, |rules| rules["extension"] = json!([{"url": PRECEDENCE, "valuePositiveInt": ours}]));
        }
        let problems = set.refused();
        assert!(problems.contains("shares a code with policy 700, and no precedence says which speaks"), "{problems}");
    };
    refused(None, None);
    refused(Some(1), Some(1));
}

#[test]
fn where_two_policies_share_a_code_the_one_that_is_written_to_come_first_speaks() {
    for (ours, other, expected) in [(1, 2, "not-covered"), (2, 1, "covered")] {
        let set = Set::new();
        set.write("policies/700/PlanDefinition-700.json", &other_policy(Some(other)));
        set.change(RULES, |rules| rules["extension"] = json!([{"url": PRECEDENCE, "valuePositiveInt": ours}]));
        // The cases of 633 try days on which 700 speaks alone.
        fs::remove_dir_all(set.path("policies/633/cases")).unwrap();
        assert_eq!(answered(&set.load(), "medicare-ppo-blue", None).0, expected);
    }
}

#[test]
fn where_the_first_of_two_policies_ends_the_next_one_speaks_from_that_day() {
    let set = Set::new();
    set.write("policies/700/PlanDefinition-700.json", &other_policy(Some(2)));
    set.change(RULES, |rules| {
        rules["extension"] = json!([{"url": PRECEDENCE, "valuePositiveInt": 1}]);
        rules["effectivePeriod"]["end"] = json!("2026-12-31");
    });
    fs::remove_dir_all(set.path("policies/633/cases")).unwrap();
    let set = set.load();
    assert_eq!(answered(&set, "medicare-ppo-blue", Some("2026-12-31")).0, "not-covered");
    assert_eq!(answered(&set, "medicare-ppo-blue", Some("2027-01-01")).0, "covered");
    let (covered, _, reasons) = said(&body(&in_a_winter(), &set, "span"));
    assert_eq!(covered, "conditional", "some time in winter may be before the first policy ends or after");
    assert!(reasons.contains("Another policy says so."), "{reasons}");
}

/// A request for some day in December or January.
fn in_a_winter() -> String {
    request("medicare-ppo-blue", None).replacen(
        "\"intent\": \"order\"",
        "\"intent\": \"order\", \"occurrencePeriod\": {\"start\": \"2026-12-01\", \"end\": \"2027-01-31\"}",
        1,
    )
}

#[test]
fn where_only_the_day_is_open_a_reason_says_on_which_days_it_holds_and_doubts_nothing_else() {
    let ends =
        in_a_winter().replacen("\"start\": \"2025-01-01\"", "\"start\": \"2025-01-01\", \"end\": \"2026-12-31\"", 1);
    let (_, _, reasons) = said(&body(&ends, &Set::new().load(), "coverage ends"));
    assert!(!reasons.contains("If billed as"), "the order is billed as just that: {reasons}");
    let set = Set::new();
    second_version(&set, "2026-12-31", "2027-01-01", |second| {
        let scope = second.pointer_mut("/action/0/extension/0/extension").unwrap().as_array_mut().unwrap();
        scope.iter_mut().find(|part| part["url"] == "covered").unwrap()["valueCode"] = json!("covered");
        let reason = scope.iter_mut().find(|part| part["url"] == "reason").unwrap();
        reason["valueCodeableConcept"]["text"] = json!("{{code}} is a benefit.");
    });
    fs::remove_dir_all(set.path("policies/633/cases")).unwrap();
    let (covered, _, reasons) = said(&body(&in_a_winter(), &set.load(), "two versions"));
    assert_eq!(covered, "conditional");
    for reason in reasons.lines() {
        assert!(reason.starts_with("If "), "said as if it held whenever the service is done: {reason}");
    }
}

/// A version of 633 that follows the one there is, from a day on.
fn second_version(set: &Set, ends: &str, starts: &str, change: impl FnOnce(&mut Value)) {
    let mut second = set.read(RULES);
    second["id"] = json!("633-2");
    second["version"] = json!("2027-01");
    second["effectivePeriod"] = json!({"start": starts});
    change(&mut second);
    set.write("policies/633/PlanDefinition-633-2.json", &second);
    set.change(RULES, |rules| rules["effectivePeriod"]["end"] = json!(ends));
}

#[test]
fn overlapping_versions_of_a_policy_are_refused() {
    let set = Set::new();
    second_version(&set, "2027-01-01", "2027-01-01", |_| {});
    let problems = set.refused();
    assert!(problems.contains("effectivePeriod: overlaps that of version 20"), "{problems}");
}

#[test]
fn a_second_version_takes_over_by_the_day_of_the_service() {
    let set = Set::new();
    second_version(&set, "2026-12-31", "2027-01-01", |second| {
        let scope = second.pointer_mut("/action/0/extension/0/extension").unwrap().as_array_mut().unwrap();
        scope.iter_mut().find(|part| part["url"] == "covered").unwrap()["valueCode"] = json!("covered");
    });
    // Its cases hold for the day on which they are tried, which the first version still covers; one is for 2030.
    set.change("policies/633/cases/facts.json", |table| {
        let rows = table["cases"].as_array_mut().unwrap();
        rows.retain(|row| !row["given"]["date"].to_string().contains("2030"));
    });
    let set = set.load();
    for (day, expected) in [(None, "not-covered"), (Some("2026-12-31"), "not-covered"), (Some("2027-01-01"), "covered")]
    {
        assert_eq!(answered(&set, "medicare-ppo-blue", day).0, expected, "{day:?}");
    }
    let month = answered(&set, "medicare-ppo-blue", Some("2027"));
    assert_eq!(month.0, "covered", "every day of the year is the second version's");
}

#[test]
fn a_code_that_a_later_version_drops_is_no_longer_decided_by_it() {
    let set = Set::new();
    second_version(&set, "2026-12-31", "2027-01-01", |second| {
        let code = json!([{"system": "http://www.ama-assn.org/go/cpt", "code": "47371"}]);
        second["action"][0]["input"][0]["codeFilter"] = json!([{"path": "code", "code": code}]);
    });
    fs::remove_dir_all(set.path("policies/633/cases")).unwrap();
    let set = set.load();
    assert_eq!(answered(&set, "medicare-ppo-blue", Some("2026-12-31")).0, "not-covered");
    let (covered, _, reasons) = answered(&set, "medicare-ppo-blue", Some("2027-01-01"));
    assert_eq!(covered, "conditional", "no policy in force speaks of CPT 47383 then");
    assert!(reasons.starts_with("No published BCBSMA medical policy in force"), "{reasons}");
}

#[test]
fn h18_a_default_rule_that_says_covered_or_no_auth_by_silence_is_refused() {
    for (url, code) in [("covered", "covered"), ("pa-needed", "no-auth")] {
        let set = Set::new();
        set.change("payer/PlanDefinition-default.json", |default| {
            let parts = default.pointer_mut("/action/0/extension/0/extension").unwrap().as_array_mut().unwrap();
            parts.iter_mut().find(|part| part["url"] == url).unwrap()["valueCode"] = json!(code);
        });
        // The cases expect the default rule to be as it is; here it is the rule itself that must not stand.
        fs::remove_dir_all(set.path("policies/633/cases")).unwrap();
        assert!(set.try_load().is_err(), "the set says {url} {code} where no policy speaks, and serves");
    }
}

#[test]
fn law_1_files_that_contradict_each_other_are_refused_and_the_later_does_not_win() {
    let second = |file: &str, change: fn(&mut Value)| {
        let set = Set::new();
        let mut twin = set.read(file);
        change(&mut twin);
        set.write(&file.replace(".json", "-twin.json"), &twin);
        fs::remove_dir_all(set.path("policies/633/cases")).unwrap();
        set.try_load().is_err()
    };
    let refused = [
        (
            "payer/PlanDefinition-default.json",
            second("payer/PlanDefinition-default.json", |twin| {
                *twin.pointer_mut("/action/0/extension/0/extension/0/valueCode").unwrap() = json!("not-covered");
            }),
        ),
        (
            "policies/633/Library-633.json",
            second("policies/633/Library-633.json", |twin| {
                twin["relatedArtifact"] =
                    json!([{"type": "derived-from", "label": "x", "url": "https://covenant.example"}]);
            }),
        ),
        (
            "terminology/ConceptMap-setting.json",
            second("terminology/ConceptMap-setting.json", |twin| {
                *twin.pointer_mut("/group/0/element/0/target/0/code").unwrap() = json!("outpatient");
            }),
        ),
        (
            "terminology/CodeSystem-setting.json",
            second("terminology/CodeSystem-setting.json", |twin| {
                twin["concept"] = json!([{"code": "inpatient"}, {"code": "outpatient"}, {"code": "home"}]);
            }),
        ),
        (
            "terminology/ValueSet-billing-code-systems.json",
            second("policies/633/ValueSet-633-services.json", |twin| {
                *twin.pointer_mut("/compose/include/0/concept/0/code").unwrap() = json!("47399");
            }),
        ),
        ("payer/Organization-bcbsma.json", second("payer/Organization-bcbsma.json", |_| {})),
        ("payer/InsurancePlan-medicare-ppo-blue.json", second("payer/InsurancePlan-medicare-ppo-blue.json", |_| {})),
    ];
    let served: Vec<&str> = refused.iter().filter(|(_, refused)| !refused).map(|(file, _)| *file).collect();
    assert!(served.is_empty(), "served although a second file says otherwise: {served:?}");
}

#[test]
fn dev_5_a_kind_of_card_that_no_service_declares_becomes_an_option_of_all() {
    let set = Set::new();
    set.change(RULES, |definition| {
        definition["action"][0]["code"][0]["coding"][0] =
            json!({"system": "http://terminology.hl7.org/CodeSystem/cdshooks-card-type", "code": "network", "display": "Network"});
    });
    let changed = set.load();
    let document: Value = serde_json::from_str(&document(&changed)).unwrap();
    assert_eq!(schema::DISCOVERY.check(&document, ""), Ok(()));
    let services = document["services"].as_array().unwrap();
    assert_eq!(services.len(), 6);
    for service in services {
        let options = service["extension"]["davinci-crd.configuration-options"].as_array().unwrap();
        let codes: Vec<&str> = options.iter().map(|option| option["code"].as_str().unwrap()).collect();
        assert_eq!(codes.iter().filter(|code| **code == "network").count(), 1, "{codes:?}");
        assert_eq!(codes.last(), Some(&"max-cards"));
    }
    let cards = |request: &str| {
        let answer: Value = serde_json::from_str(&body(request, &changed, "dev-5")).unwrap();
        answer["cards"].as_array().unwrap().iter().filter(|card| card["source"]["topic"]["code"] == "network").count()
    };
    let asked: Value = serde_json::from_str(&request("medicare-ppo-blue", None)).unwrap();
    assert_eq!(cards(&asked.to_string()), 1);
    let mut quiet = asked;
    quiet["extension"]["davinci-crd.configuration"]["network"] = json!(false);
    assert_eq!(cards(&quiet.to_string()), 0);
}
