//! Everything that coverage information can say is said somewhere under the invented set, in the shape of each version.

use std::collections::BTreeSet;

use covenant::decide::facts::Authorization;
use serde_json::{Value, json};

use super::ask::{CPT, HCPCS, Said, Says, VERSIONS, coverage, device, medication, service, sign};
use super::examples::{Example, examples};

/// The 16 elements, each with the type of its value in CRD 2.0 and 2.2; an empty one where the version has none.
const ELEMENTS: [(&str, &str, &str); 16] = [
    ("coverage", "valueReference", "valueReference"),
    ("covered", "valueCode", "valueCode"),
    ("pa-needed", "valueCode", "valueCode"),
    ("doc-needed", "valueCode", "valueCode"),
    ("doc-purpose", "valueCode", "valueCode"),
    ("info-needed", "valueCode", "valueCode"),
    ("billingCode", "valueCoding", "valueCoding"),
    ("reason", "valueCodeableConcept", "valueCodeableConcept"),
    ("detail", "extension", "extension"),
    ("dependency", "valueReference", "valueReference"),
    ("questionnaire", "valueCanonical", "valueCanonical"),
    ("date", "valueDate", "valueDate"),
    ("coverage-assertion-id", "valueString", "valueString"),
    ("satisfied-pa-id", "valueString", "valueString"),
    ("contact", "valueContactPoint", "valueContactDetail"),
    ("expiry-date", "", "valueDate"),
];

/// The answers to the examples in CRD 2.0, or in 2.2.
fn answers(first: bool) -> Vec<Said> {
    examples().into_iter().filter(|example| example.is_first() == first).map(|example| example.said).collect()
}

fn all_codes(answers: &[Said], name: &str) -> BTreeSet<String> {
    answers.iter().flat_map(|said| said.codes(name)).collect()
}

#[test]
fn each_of_the_16_elements_is_said_in_the_shape_of_each_version() {
    for first in [true, false] {
        let answers = answers(first);
        for (name, in_first, in_second) in ELEMENTS {
            let value = if first { in_first } else { in_second };
            let parts: Vec<Value> = answers.iter().flat_map(|said| said.parts(name)).collect();
            assert_eq!(parts.is_empty(), value.is_empty(), "{name} in CRD {}", if first { "2.0" } else { "2.2" });
            for part in parts {
                let members: Vec<&str> = part.as_object().unwrap().keys().map(String::as_str).collect();
                assert_eq!(members, ["url", value], "{part}");
            }
        }
        let known: BTreeSet<&str> = ELEMENTS.iter().map(|(name, ..)| *name).collect();
        let said = answers.iter().flat_map(Said::repetitions).flatten();
        let unknown: Vec<Value> = said.filter(|part| !known.contains(part["url"].as_str().unwrap())).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}

#[test]
fn a_detail_has_a_category_in_2_2_and_none_in_2_0() {
    for first in [true, false] {
        let answers = answers(first);
        let details: Vec<Value> = answers.iter().flat_map(|said| said.parts("detail")).collect();
        let mut kinds = BTreeSet::new();
        for detail in details {
            let parts = detail["extension"].as_array().unwrap();
            let names: Vec<&str> = parts.iter().map(|part| part["url"].as_str().unwrap()).collect();
            let rest = if first { &names[..] } else { names.strip_prefix(&["category"]).unwrap() };
            assert!(matches!(rest, ["code", "value"] | ["code", "value", "qualification"]), "{detail}");
            let value = parts.iter().find(|part| part["url"] == "value").unwrap().as_object().unwrap();
            kinds.extend(value.keys().filter(|name| *name != "url").cloned());
        }
        let mut expected = BTreeSet::from(["valueBoolean", "valuePeriod", "valueQuantity", "valueString"]);
        if !first {
            expected.insert("valueUrl");
        }
        assert_eq!(kinds.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected);
    }
}

#[test]
fn every_code_of_the_decisions_is_said_somewhere() {
    let (first, second) = (answers(true), answers(false));
    let set = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect::<BTreeSet<String>>();
    assert_eq!(all_codes(&first, "covered"), set(&["covered", "not-covered", "conditional"]));
    assert_eq!(all_codes(&second, "covered"), set(&["covered", "not-covered", "conditional", "indeterminate"]));
    let pa = ["no-auth", "auth-needed", "performpa", "satisfied", "conditional"];
    assert_eq!(all_codes(&first, "pa-needed"), set(&pa));
    assert_eq!(all_codes(&second, "pa-needed"), set(&[&pa[..], &["indeterminate"]].concat()));
    assert_eq!(all_codes(&first, "doc-needed"), set(&["clinical", "admin", "both"]));
    assert_eq!(all_codes(&second, "doc-needed"), set(&["clinical", "admin", "patient"]));
    assert_eq!(all_codes(&first, "doc-purpose"), set(&["withpa", "withclaim", "withorder", "retain-doc"]));
    assert_eq!(all_codes(&first, "info-needed"), set(&["performer", "location", "OTH"]));
    assert_eq!(all_codes(&second, "info-needed"), set(&["performer", "location", "detail-code", "OTH"]));
}

#[test]
fn documents_of_a_prior_authorization_are_never_for_withpa_in_2_2() {
    assert_eq!(
        all_codes(&answers(false), "doc-purpose"),
        ["OTH", "retain-doc", "withclaim", "withorder"].map(str::to_owned).into()
    );
    let said = sign(&[service(CPT, "99901")]).answer();
    assert_eq!(said.codes("doc-purpose"), ["OTH"]);
    assert!(!said.parts("reason").is_empty(), "the reason says what the documents are for");
}

#[test]
fn the_reason_codes_are_those_of_the_version() {
    for (first, expected) in [
        (true, &["coverage-not-found", "gold-card", "no-member-found"][..]),
        (false, &["auth-out-network", "coverage-not-found", "gold-card", "no-member-found", "technical"][..]),
    ] {
        let reasons: Vec<Value> = answers(first).iter().flat_map(|said| said.parts("reason")).collect();
        assert!(reasons.iter().all(|reason| reason["valueCodeableConcept"]["text"].is_string()), "each is in words");
        let codes = reasons.iter().filter_map(|it| it["valueCodeableConcept"]["coding"][0]["code"].as_str());
        let codes: BTreeSet<&str> = codes.collect();
        assert_eq!(codes, expected.iter().copied().collect(), "in CRD {}", if first { "2.0" } else { "2.2" });
    }
}

#[test]
fn prof_15_a_reason_that_has_moved_to_act_reason_is_said_in_both_code_systems_in_2_2_and_in_its_own_in_2_0() {
    let codings = |first: bool| {
        let reasons = answers(first).into_iter().flat_map(|said| said.parts("reason"));
        let codings = reasons.filter_map(|it| it["valueCodeableConcept"]["coding"].as_array().cloned());
        codings
            .map(|codings| codings.iter().map(|it| (it["system"].to_string(), it["code"].to_string())).collect())
            .collect::<BTreeSet<Vec<_>>>()
    };
    let of = |system: &str| (format!("\"{system}\""), "\"gold-card\"".to_owned());
    let (own, shared) = (
        of("http://hl7.org/fhir/us/davinci-crd/CodeSystem/temp"),
        of("http://terminology.hl7.org/CodeSystem/v3-ActReason"),
    );
    let first = codings(true);
    assert!(first.contains(&vec![own.clone()]), "{first:?}");
    assert!(first.iter().all(|codings| codings.len() == 1), "{first:?}");
    let second = codings(false);
    assert!(second.contains(&vec![own, shared]), "{second:?}");
    assert!(second.iter().all(|codings| codings.len() == 1 || codings[0].1 == "\"gold-card\""), "none is made up");
    assert!(second.len() > 1, "others are said by their own code alone");
}

#[test]
fn resp_45_a_reason_that_holds_in_some_cases_only_is_said_in_words_and_not_by_a_code() {
    for version in VERSIONS {
        let reasons = sign(&[service(CPT, "99903")]).in_version(version).answer().parts("reason");
        assert_eq!(reasons.len(), 3, "nobody is named who performs it");
        for reason in reasons {
            let reason = &reason["valueCodeableConcept"];
            assert!(reason["text"].as_str().unwrap().starts_with("If performed "), "{reason}");
            assert_eq!(reason.get("coding"), None);
        }
    }
}

#[test]
fn hook_19_a_supporting_hook_never_asks_for_documents() {
    for version in VERSIONS {
        for code in ["99901", "99902", "99913"] {
            let ask = sign(&[service(CPT, code)]).in_version(version);
            assert!(!ask.answer().codes("doc-needed").is_empty(), "{code} needs documents");
            let said = ask.selecting().answer();
            assert!(!said.codes("covered").is_empty(), "{code} is answered");
            for name in ["doc-needed", "doc-purpose", "questionnaire"] {
                assert!(said.parts(name).is_empty(), "{name} of {code} in CRD {version}");
            }
        }
        let said = sign(&[service(CPT, "99911")]).in_version(version).selecting().answer();
        assert!(said.cards().is_empty(), "a form is documentation too: {}", said.text);
    }
}

/// What is decided: everything but what names the code system, the day and the id.
fn decided(said: &Said) -> Vec<Vec<Value>> {
    let kept = |part: &Value| !matches!(part["url"].as_str(), Some("date" | "coverage-assertion-id"));
    said.repetitions().into_iter().map(|parts| parts.into_iter().filter(kept).collect()).collect()
}

#[test]
fn a_code_system_under_any_of_its_names_decides_the_same() {
    let hcpcs = [
        "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
        "https://bluebutton.cms.gov/resources/codesystem/hcpcs",
        "urn:oid:2.16.840.1.113883.6.285",
    ];
    for version in VERSIONS {
        let one = sign(&[device(HCPCS, "E9913")]).in_version(version).answer();
        assert_eq!(one.codes("covered"), ["covered"]);
        for name in hcpcs {
            let other = sign(&[device(name, "E9913")]).in_version(version).answer();
            assert_eq!(decided(&one), decided(&other), "{name}");
        }
        let one = sign(&[service(CPT, "99901")]).in_version(version).answer();
        let other = sign(&[service("urn:oid:2.16.840.1.113883.6.12", "99901")]).in_version(version).answer();
        assert_eq!(one.codes("pa-needed"), ["auth-needed"]);
        assert_eq!(decided(&one), decided(&other));
    }
}

fn authorization() -> Authorization {
    let codes = vec![(CPT.to_owned(), "99901".to_owned())];
    Authorization { number: "PA-123".to_owned(), codes, first: None, last: None }
}

#[test]
fn found_35_an_authorization_that_stands_is_said_unless_it_is_not_wanted() {
    for version in VERSIONS {
        let says = Says::member(coverage(), vec![authorization()]);
        let ask = sign(&[service(CPT, "99901")]).in_version(version).told(says);
        let said = ask.answer();
        assert_eq!(said.codes("pa-needed"), ["satisfied"]);
        assert_eq!(said.parts("satisfied-pa-id")[0]["valueString"], "PA-123");
        for name in ["doc-needed", "doc-purpose", "questionnaire"] {
            assert!(said.parts(name).is_empty(), "{name}: there is no request any more that documents could go with");
        }
        let said = ask.configured("unsolicited-determ", false).answer();
        assert_eq!(said.codes("pa-needed"), ["auth-needed"]);
        assert!(said.parts("satisfied-pa-id").is_empty());
    }
}

#[test]
fn dev_14_without_coverage_info_there_is_no_such_action_and_no_form() {
    for version in VERSIONS {
        let codes = ["99901", "99911"].map(|code| service(CPT, code));
        let said = sign(&codes).in_version(version).configured("coverage-info", false).answer();
        assert_eq!(said.body["systemActions"], json!([]));
        assert!(!said.text.contains("\"Task\"") && !said.text.contains("\"Questionnaire\""), "{}", said.text);
        assert_eq!(said.cards().len(), 1, "a reference to the policy stays");
    }
}

#[test]
fn what_was_taken_before_decides_on_the_next_step() {
    let ask = |says| sign(&[medication("9999051")]).told(says).answer().codes("pa-needed");
    let taken = |status: &str| {
        let mut earlier = medication("9999052");
        earlier["status"] = json!(status);
        Says::ehr("MedicationRequest", &[earlier])
    };
    assert_eq!(ask(taken("completed")), ["no-auth"]);
    assert_eq!(ask(taken("cancelled")), ["auth-needed"], "it was never taken");
    assert_eq!(ask(Says::ehr("MedicationRequest", &[])), ["auth-needed"]);
    assert_eq!(ask(Says::default()), ["conditional"], "nobody could be asked");
    assert_eq!(ask(Says::ehr("Location", &[])), ["auth-needed"], "the EHR says that there are none");
}

#[test]
fn a_part_of_what_a_rule_rests_on_decides_nothing() {
    // What happens to be in the prefetch need not be all that was taken.
    let mut other = medication("9999060");
    (other["id"], other["status"]) = (json!("other"), json!("completed"));
    let partly = sign(&[medication("9999051")]).sending("medications", other).answer();
    assert_eq!(partly.codes("pa-needed"), ["conditional"]);
    // Of two performers one is not there: she may be the one that the rule is about.
    let performed = |performers: Value| {
        let mut order = service(CPT, "99903");
        order["performer"] = performers;
        sign(&[order]).answer().codes("pa-needed")
    };
    let outside = json!({"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": "0000000099"}});
    let unknown = json!({"reference": "Practitioner/nowhere"});
    assert_eq!(performed(json!([outside, unknown])), performed(json!([unknown])));
    assert_ne!(performed(json!([outside])), performed(json!([unknown])));
}

#[test]
fn an_order_that_another_belongs_to_is_named() {
    for version in VERSIONS {
        let orders = [service(CPT, "99908"), service(CPT, "99918")];
        let said = sign(&orders).in_version(version).answer();
        let dependencies = said.parts("dependency");
        assert_eq!(dependencies.len(), 1, "{}", said.text);
        assert_eq!(dependencies[0]["valueReference"]["reference"], "ServiceRequest/order-99918");
    }
}

#[test]
fn every_example_is_there_in_both_versions() {
    let names: BTreeSet<(String, bool)> =
        examples().iter().map(|it: &Example| (it.name.replace("-crd20", ""), it.is_first())).collect();
    for (name, first) in &names {
        assert!(names.contains(&(name.clone(), !first)), "{name} is in one version only");
    }
    for number in 101..=114 {
        assert!(names.iter().any(|(name, _)| name.starts_with(&format!("ex-{number}-"))), "EX-{number} has no example");
    }
}
