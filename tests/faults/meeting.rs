//! Two policies that meet in one order, through a code of each (FAULTS P10).

use covenant::policy::model::PolicySet;
use serde_json::{Value, json};

use crate::rule_change::set::Set;
use crate::support::{Reply, TestApp, order};

const BASE: &str = "https://covenant.example/fhir/StructureDefinition/";
const CPT: &str = "http://www.ama-assn.org/go/cpt";
const SNOMED: &str = "http://snomed.info/sct";

/// What a policy decides.
#[derive(Clone, Copy)]
struct Says {
    number: &'static str,
    code: (&'static str, &'static str),
    covered: &'static str,
    pa_needed: &'static str,
    precedence: Option<u32>,
}

const FREE: Says =
    Says { number: "700", code: (SNOMED, "700001"), covered: "covered", pa_needed: "no-auth", precedence: None };
const WITH_AUTHORIZATION: Says = Says { number: "701", code: (SNOMED, "700002"), pa_needed: "auth-needed", ..FREE };

/// The default set with these policies beside 633.
fn set(policies: &[Says]) -> PolicySet {
    let set = Set::new();
    write(&set, policies);
    set.load()
}

fn write(set: &Set, policies: &[Says]) {
    for policy in policies {
        let (system, code) = policy.code;
        let mut definition = json!({
            "resourceType": "PlanDefinition", "id": policy.number, "status": "active", "version": "1", "title": "A policy",
            "identifier": [{"value": policy.number}],
            "action": [{
                "id": format!("scope-{}", policy.number), "title": format!("Policy {} speaks of {{{{code}}}}", policy.number),
                "description": "{{order}} is looked at.",
                "code": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/cdshooks-card-type", "code": "guideline", "display": "Guideline"}]}],
                "priority": "routine",
                "input": [{"type": "ServiceRequest", "codeFilter": [{
                    "path": "code", "code": [{"system": system, "code": code}],
                }]}],
                "extension": [{"url": format!("{BASE}determination"), "extension": [
                    {"url": "covered", "valueCode": policy.covered},
                    {"url": "pa-needed", "valueCode": policy.pa_needed},
                    {"url": "reason", "valueCodeableConcept": {"text": format!("Policy {} says so.", policy.number)}},
                ]}],
            }],
        });
        if let Some(precedence) = policy.precedence {
            definition["extension"] = json!([{"url": format!("{BASE}precedence"), "valuePositiveInt": precedence}]);
        }
        set.write(&format!("policies/{0}/PlanDefinition-{0}.json", policy.number), &definition);
    }
}

/// What is answered to an order with these codes.
fn answered(set: PolicySet, codes: &[(&str, &str)], version: &str) -> Reply {
    let codings: Vec<Value> = codes.iter().map(|(system, code)| json!({"system": system, "code": code})).collect();
    let request = order("47383").in_version(version).ordering("code", json!({"coding": codings, "text": "A service"}));
    TestApp::with_policies(set).sign(request).decided()
}

#[test]
fn p10_where_no_precedence_says_which_policy_speaks_the_difference_is_conditional() {
    for codes in [[FREE.code, WITH_AUTHORIZATION.code], [WITH_AUTHORIZATION.code, FREE.code]] {
        for version in ["2.0", "2.1", "2.2"] {
            let said = answered(set(&[FREE, WITH_AUTHORIZATION]), &codes, version);
            assert_eq!(said.says("covered"), ["covered"], "both say so");
            assert_eq!(said.says("pa-needed"), ["conditional"]);
            let asked = if version == "2.0" { "OTH" } else { "detail-code" };
            assert_eq!(said.says("info-needed"), [asked]);
            let reasons = said.says("reason");
            for number in ["700", "701"] {
                let expected = format!("If policy {number} is the one that applies: Policy {number} says so.");
                assert!(reasons.contains(&expected), "{reasons:?}");
            }
            let texts = said.card_texts();
            assert!(
                texts.iter().any(|text| text == "May apply – Policy 701 speaks of the ordered service"),
                "{texts:?}"
            );
            assert!(texts.iter().any(|text| text.starts_with("If policy 701 is the one that applies: A service")));
        }
    }
}

#[test]
fn p10_where_the_policies_agree_it_does_not_matter_which_one_speaks() {
    let alike = Says { number: "702", code: (SNOMED, "700003"), ..FREE };
    let said = answered(set(&[FREE, alike]), &[FREE.code, alike.code], "2.2");
    assert_eq!((said.says("covered"), said.says("pa-needed")), (vec!["covered".into()], vec!["no-auth".into()]));
    assert_eq!(said.says("info-needed"), [""; 0]);
}

#[test]
fn p10_a_billing_code_does_not_silence_the_policy_of_another_code_of_the_order() {
    for precedence in [None, Some(5)] {
        let free = Says { precedence, ..FREE };
        let said = answered(set(&[free]), &[(CPT, "47383"), free.code], "2.2");
        assert_eq!(said.says("covered"), ["conditional"]);
        assert_eq!(said.says("billingCode").len(), 1);
        assert!(said.says("info-needed").contains(&"detail-code".to_owned()));
        let reasons = said.says("reason").join(" ");
        assert!(reasons.contains("If policy 633 is the one that applies: the ordered service is"), "{reasons}");
        assert!(reasons.contains("If policy 700 is the one that applies: Policy 700 says so."), "{reasons}");
    }
    // A policy that speaks alone is not in doubt, whatever else the order is called.
    let said = answered(set(&[FREE]), &[(CPT, "47383"), (SNOMED, "700009")], "2.2");
    assert_eq!(said.says("covered"), ["not-covered"]);
}

#[test]
fn p10_where_a_precedence_is_written_it_is_the_first_that_speaks() {
    for (free, other, expected) in [(1, 2, "no-auth"), (2, 1, "auth-needed")] {
        let policies =
            [Says { precedence: Some(free), ..FREE }, Says { precedence: Some(other), ..WITH_AUTHORIZATION }];
        let said = answered(set(&policies), &[FREE.code, WITH_AUTHORIZATION.code], "2.2");
        assert_eq!((said.says("covered"), said.says("pa-needed")), (vec!["covered".into()], vec![expected.into()]));
        assert_eq!(said.says("info-needed"), [""; 0]);
    }
    let equal = [FREE, WITH_AUTHORIZATION].map(|policy| Says { precedence: Some(1), ..policy });
    let said = answered(set(&equal), &[FREE.code, WITH_AUTHORIZATION.code], "2.2");
    assert_eq!(said.says("pa-needed"), ["conditional"], "one precedence for both is no order");
}

#[test]
fn p10_through_one_code_policies_meet_only_where_each_has_a_precedence_of_its_own() {
    for (one, other) in [(None, None), (Some(1), None), (None, Some(1)), (Some(1), Some(1))] {
        let set = Set::new();
        let shared = Says { code: FREE.code, precedence: other, ..WITH_AUTHORIZATION };
        write(&set, &[Says { precedence: one, ..FREE }, shared]);
        let problems = set.refused();
        assert!(problems.contains("no precedence says which speaks"), "{one:?} {other:?}: {problems}");
    }
    let set = Set::new();
    let shared = Says { code: FREE.code, precedence: Some(1), ..WITH_AUTHORIZATION };
    write(&set, &[Says { precedence: Some(2), ..FREE }, shared]);
    set.load();
}
