//! Coverage information: where it is due, what it is limited to, and that it is nowhere else.

use std::collections::BTreeSet;

use covenant::request::schema;
use serde_json::{Value, json};

use super::said::{PAIRS, name, parts, repetitions};
use crate::laws_support::COVERAGE_INFORMATION;
use crate::support::{TestApp, order};

const PRIMARY: [&str; 3] = ["order-sign", "order-dispatch", "appointment-book"];

/// Every example of these hooks has a system action with coverage information on each order that the hook is about.
fn is_given_at(hooks: &[&str]) {
    for hook in hooks {
        let pairs: Vec<_> = PAIRS.iter().filter(|pair| pair.hook() == *hook && pair.is_due()).collect();
        assert!(pairs.len() >= 3, "{hook} has {} examples", pairs.len());
        for pair in pairs {
            let returned: BTreeSet<String> = pair.updated().into_iter().map(name).collect();
            assert_eq!(returned, pair.in_scope().into_iter().collect(), "{}", pair.name);
            for order in pair.updated() {
                assert!(!repetitions(order).is_empty(), "{}", pair.name);
            }
        }
    }
}

#[test]
fn hook_16_a_primary_hook_is_answered_with_coverage_information_whatever_is_lacking() {
    is_given_at(&PRIMARY);
    let covered = |code: &str| PAIRS.iter().any(|pair| pair.answer.to_string().contains(code));
    assert!(covered("\"conditional\"") && covered("\"detail-code\""), "no example lacks anything");
}

#[test]
fn hook_26_coverage_information_is_given_at_appointment_book() {
    is_given_at(&["appointment-book"]);
}

#[test]
fn hook_33_coverage_information_is_given_at_order_dispatch() {
    is_given_at(&["order-dispatch"]);
}

#[test]
fn hook_39_coverage_information_is_given_at_order_select() {
    is_given_at(&["order-select"]);
}

#[test]
fn resp_27_coverage_information_is_given_at_the_other_hooks_too() {
    is_given_at(&["order-select", "encounter-start", "encounter-discharge"]);
}

#[test]
fn resp_28_coverage_information_is_left_out_where_it_is_not_wanted_and_nowhere_else() {
    let app = TestApp::start();
    for hook in super::orders::HOOKS {
        let pair = PAIRS.iter().find(|pair| pair.hook() == hook && pair.is_due()).unwrap();
        app.invoke(pair.request.to_string()).decided();
        let mut request = pair.request.clone();
        request["extension"]["davinci-crd.configuration"] = json!({"coverage-info": false});
        assert_eq!(app.invoke(request.to_string()).answered().json()["systemActions"], json!([]), "{hook}");
    }
}

#[test]
fn system_actions_are_always_there_at_every_hook_and_in_every_version() {
    let app = TestApp::start();
    for hook in super::orders::HOOKS {
        let pair = PAIRS.iter().find(|pair| pair.hook() == hook && pair.is_due()).unwrap();
        for version in ["2.0", "2.1", "2.2"] {
            let mut request = pair.request.clone();
            request["extension"]["davinci-crd.requestedVersion"] = json!(version);
            request["extension"]["davinci-crd.configuration"] = json!({"coverage-info": false, "max-cards": 0});
            let said = app.invoke(request.to_string()).answered();
            assert_eq!(said.text(), r#"{"cards":[],"systemActions":[]}"#, "{hook} {version}");
        }
    }
}

#[test]
fn resp_25_coverage_information_is_never_a_card() {
    let mut cards = 0;
    for pair in PAIRS.iter() {
        for card in pair.cards() {
            assert_ne!(card["source"]["topic"]["code"], "coverage-info", "{}", pair.name);
            assert!(!card.to_string().contains(COVERAGE_INFORMATION), "{}", pair.name);
            cards += 1;
        }
    }
    assert!(cards > 30);
}

#[test]
fn covinfo_1_no_two_repetitions_are_about_the_same_coverage_and_code() {
    let mut several = 0;
    for pair in PAIRS.iter() {
        for order in pair.updated() {
            let repetitions = repetitions(order);
            let scope = |it: &&Vec<Value>| format!("{:?}{:?}", parts(it, "coverage"), parts(it, "billingCode"));
            let scopes: BTreeSet<String> = repetitions.iter().map(scope).collect();
            assert_eq!(scopes.len(), repetitions.len(), "{}", pair.name);
            several += usize::from(repetitions.len() > 1);
        }
    }
    assert!(several > 0, "no order has several repetitions");
}

#[test]
fn covinfo_2_of_several_reasons_each_says_when_it_holds() {
    let mut several = 0;
    for order in PAIRS.iter().flat_map(|pair| pair.updated()) {
        for repetition in repetitions(order) {
            let reasons = parts(repetition, "reason");
            if reasons.len() < 2 {
                continue;
            }
            several += 1;
            for reason in reasons {
                let text = reason["valueCodeableConcept"]["text"].as_str().unwrap();
                assert!(text.starts_with("If ") || text.starts_with("Otherwise: "), "{text}");
            }
        }
    }
    assert!(several > 0, "no repetition has several reasons");
}

#[test]
fn resp_30_what_holds_under_a_condition_says_so() {
    let app = TestApp::start();
    let answered = app.sign(order("47371").not_ordering("locationCode").in_version("2.2")).decided();
    let information = answered.coverage_information()[0].to_string();
    assert!(information.contains(r#""qualification","valueString":"If performed inpatient"#), "{information}");
    assert_eq!(answered.says("billingCode"), ["47371"], "it is about this code only");
    assert_eq!(answered.says("date").len(), 1);
    assert!(answered.summaries().iter().any(|summary| summary.starts_with("May apply")), "{:?}", answered.summaries());
}

#[test]
fn resp_32_another_coverage_keeps_its_own_assertion_id() {
    let other = json!({"url": COVERAGE_INFORMATION, "extension": [
        {"url": "coverage", "valueReference": {"reference": "Coverage/canary-other"}},
        {"url": "covered", "valueCode": "covered"}, {"url": "pa-needed", "valueCode": "no-auth"},
        {"url": "date", "valueDate": "2026-11-01"}, {"url": "coverage-assertion-id", "valueString": "of-another-payer"}
    ]});
    let app = TestApp::start();
    let answered = app.sign(order("47383").ordering("extension", json!([other]))).decided();
    assert_eq!(answered.coverage_information()[0], other, "what another payer said stays");
    assert_eq!(answered.coverage_information().len(), 2);
    assert_eq!(answered.assertions().len(), 2);
}

#[test]
fn resp_33_repetitions_for_one_coverage_share_their_assertion_id() {
    for order in PAIRS.iter().flat_map(|pair| pair.updated()) {
        let ids: BTreeSet<String> = repetitions(order)
            .into_iter()
            .flat_map(|repetition| parts(repetition, "coverage-assertion-id"))
            .map(|part| part["valueString"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids.len(), 1, "{order}");
    }
    let all = PAIRS.iter().flat_map(|pair| pair.updated());
    assert!(all.into_iter().any(|order| repetitions(order).len() > 1));
}

#[test]
fn resp_47_a_returned_order_is_as_valid_as_the_one_that_was_sent() {
    let mut checked = BTreeSet::new();
    for pair in PAIRS.iter() {
        for order in pair.updated() {
            let kind = order["resourceType"].as_str().unwrap();
            assert_eq!(schema::resource(kind).unwrap().check(order, kind), Ok(()), "{}", pair.name);
            let list = order["extension"].as_array().unwrap();
            assert!(list.iter().all(|extension| extension["url"].is_string()), "{}", pair.name);
            checked.insert(kind.to_owned());
        }
    }
    assert!(checked.len() >= 8, "{checked:?}");
}

#[test]
fn resp_51_what_an_order_does_not_say_is_taken_from_what_does() {
    let app = TestApp::start();
    let pa = |request| app.sign(request).decided().says("pa-needed");
    let unplaced = || order("47383").in_version("2.0").not_ordering("locationCode");
    assert_eq!(pa(unplaced()), ["conditional"]);
    let admitted = json!({
        "resourceType": "Encounter", "id": "canary-encounter", "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": "Patient/canary-patient"}
    });
    let inpatient = unplaced().with("/context/encounterId", "canary-encounter").with("/prefetch/encounter", admitted);
    assert_eq!(pa(inpatient), ["auth-needed"], "the patient is in hospital");
}

#[test]
fn conf_13_answers_speak_in_the_guides_own_elements() {
    let extensions = ["davinci-crd.associated-resource", "davinci-crd.if-none-exist"];
    let elements = [
        "coverage",
        "covered",
        "pa-needed",
        "doc-needed",
        "doc-purpose",
        "info-needed",
        "billingCode",
        "reason",
        "detail",
        "dependency",
        "questionnaire",
        "date",
        "coverage-assertion-id",
        "satisfied-pa-id",
        "contact",
        "expiry-date",
    ];
    for pair in PAIRS.iter() {
        let own = pair.cards().iter().flat_map(|card| card["extension"].as_object().into_iter().flatten());
        for (name, _) in own {
            assert!(extensions.contains(&&**name), "{}: {name}", pair.name);
        }
        for part in pair.updated().into_iter().flat_map(repetitions).flatten() {
            assert!(elements.contains(&part["url"].as_str().unwrap()), "{}: {part}", pair.name);
        }
    }
}

#[test]
fn impl_5_an_answer_names_the_billing_code_it_assumes() {
    let mut looked_at = 0;
    for pair in PAIRS.iter().filter(|pair| pair.name.contains("47383") || pair.name.contains("billing-options")) {
        for repetition in pair.updated().into_iter().flat_map(repetitions) {
            assert_eq!(parts(repetition, "billingCode").len(), 1, "{}", pair.name);
            looked_at += 1;
        }
    }
    assert!(looked_at > 4);
    let app = TestApp::start();
    let wider = json!({"coding": [{"system": "http://snomed.info/sct", "code": "449404007"}]});
    let reasons = app.sign(order("47383").ordering("code", wider)).decided().says("reason");
    assert!(reasons.iter().any(|reason| reason.starts_with("If billed as ")), "{reasons:?}");
}

#[test]
fn an_order_that_only_may_be_the_policys_is_told_so_in_each_sentence_that_the_policy_says_of_it() {
    let app = TestApp::start();
    let qualified = |sentence: &str| sentence.starts_with("If billed as ") || sentence.starts_with("May apply ");
    for version in ["2.0", "2.1", "2.2"] {
        for (system, code) in [("http://snomed.info/sct", "449404007"), ("http://www.ama-assn.org/go/cpt", "47399")] {
            let wider = json!({"coding": [{"system": system, "code": code}], "text": "Liver procedure"});
            let answered = app.sign(order("47383").in_version(version).ordering("code", wider)).decided();
            assert_eq!(answered.says("covered"), ["conditional"]);
            let reasons = answered.says("reason");
            let of_policy = reasons.iter().filter(|reason| reason.contains("633"));
            assert!(of_policy.clone().count() > 0 && of_policy.into_iter().all(|it| qualified(it)), "{reasons:?}");
            for repetition in answered.coverage_information() {
                let repetition = repetition["extension"].as_array().unwrap();
                for detail in parts(repetition, "detail").iter().map(|it| &it["extension"]) {
                    let value = detail.as_array().unwrap().iter().find(|part| part["url"] == "value").unwrap();
                    let sentence = value["valueString"].as_str();
                    let of_default = detail.as_array().unwrap().iter().any(|part| part["valueString"] == "Otherwise");
                    let sure = sentence.is_none_or(|it| of_default || qualified(it) || it.starts_with("https://"));
                    assert!(sure, "{code} {version}: {sentence:?}");
                }
            }
            let texts = answered.card_texts();
            assert!(texts.iter().any(|text| text.contains("is not covered in any product line")), "{texts:?}");
            for text in texts {
                let paragraph = text.split("\n\n").next().unwrap();
                let sentences = paragraph.trim_end_matches(':');
                assert!(qualified(sentences) && sentences.len() > 60, "{code} {version}: {text}");
                let alone = "\n\nLiver procedure is not covered";
                assert!(!text.contains(alone), "{text}");
            }
        }
    }
}
