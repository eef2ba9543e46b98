//! Cards: who they are from, what they say first, and where they lead.

use serde_json::{Value, json};

use super::said::PAIRS;
use crate::support::{ORDER, TestApp, order};

const INSURER: &str = "Blue Cross Blue Shield of Massachusetts";

/// The cards of all examples, each with the example's name.
fn cards() -> Vec<(&'static str, &'static Value)> {
    let cards: Vec<_> = PAIRS.iter().flat_map(|pair| pair.cards().iter().map(|card| (&*pair.name, card))).collect();
    assert!(cards.len() > 30);
    cards
}

/// The cards that lead somewhere.
fn references() -> Vec<(&'static str, &'static Value)> {
    let found: Vec<_> =
        cards().into_iter().filter(|(_, card)| card["source"]["topic"]["code"] == "guideline").collect();
    assert!(found.len() > 20);
    found
}

fn text<'c>(card: &'c Value, member: &str) -> &'c str {
    card[member].as_str().unwrap_or_default()
}

fn links(card: &Value) -> Vec<Value> {
    card["links"].as_array().cloned().unwrap_or_default()
}

#[test]
fn dev_24_a_card_about_one_of_several_orders_names_it() {
    let app = TestApp::start();
    let second = "/context/draftOrders/entry/1/resource";
    let inpatient = json!([{"coding": [{
        "system": "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set", "code": "21"
    }]}]);
    let coded = |code: &str, text: &str| json!({"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": code}], "text": text});
    let request = order("47383").ordering("locationCode", inpatient).times(2);
    let request = request.with(&format!("{ORDER}/code"), coded("47383", "Canary through the skin"));
    let request = request.with(&format!("{second}/code"), coded("47371", "Canary by laparoscope"));
    let reply = app.sign(request).decided().json();
    let cards = reply["cards"].as_array().unwrap();
    assert_eq!(cards.len(), 4, "two policies' cards for each order: {reply}");
    for card in cards {
        let about = card["extension"]["davinci-crd.associated-resource"][0]["reference"].as_str().unwrap();
        let (own, other) = match about {
            "ServiceRequest/canary-order-0" => ("Canary through the skin (CPT 47383)", "Canary by laparoscope"),
            "ServiceRequest/canary-order-1" => ("Canary by laparoscope (CPT 47371)", "Canary through the skin"),
            _ => panic!("{about}"),
        };
        assert!(text(card, "detail").contains(own) && !text(card, "detail").contains(other), "{card}");
    }
}

#[test]
fn dev_25_a_card_names_the_resource_it_is_about() {
    for pair in PAIRS.iter() {
        for card in pair.cards() {
            let about = card["extension"]["davinci-crd.associated-resource"][0]["reference"].as_str().unwrap();
            assert!(pair.in_scope().iter().any(|name| name == about), "{}: {about}", pair.name);
        }
    }
}

#[test]
fn resp_1_nothing_is_critical_and_only_what_a_clinician_would_stop_for_is_a_warning() {
    for (name, card) in cards() {
        let expected = if text(card, "summary").contains("Not covered") { "warning" } else { "info" };
        assert_eq!(card["indicator"], expected, "{name}");
    }
}

#[test]
fn resp_4_a_card_is_from_the_insurer_as_it_is_known() {
    for (name, card) in cards() {
        assert_eq!(card["source"]["label"], INSURER, "{name}");
    }
}

#[test]
fn resp_5_a_card_has_a_topic_in_the_system_of_its_version() {
    for pair in PAIRS.iter() {
        let system = match pair.version() {
            "2.0" => "http://hl7.org/fhir/us/davinci-crd/CodeSystem/temp",
            _ => "http://terminology.hl7.org/CodeSystem/cdshooks-card-type",
        };
        for card in pair.cards() {
            assert_eq!(card["source"]["topic"]["system"], system, "{}", pair.name);
            assert!(["guideline", "claim"].contains(&text(&card["source"]["topic"], "code")), "{}", pair.name);
        }
    }
}

#[test]
fn resp_6_a_summary_says_in_one_line_what_is_so_or_what_to_do() {
    for (name, card) in cards() {
        let summary = text(card, "summary");
        assert!(summary.chars().count() < 140 && !summary.contains('\n'), "{name}: {summary}");
        let says = ["Not covered: ", "Precertification is required if "].iter().any(|words| summary.contains(words));
        assert!(says && summary.contains("policy 633"), "{name}: {summary}");
    }
}

#[test]
fn resp_7_a_detail_says_more_than_the_summary_has_room_for() {
    for (name, card) in cards() {
        let (summary, detail) = (text(card, "summary"), text(card, "detail"));
        assert!(detail.chars().count() > 140 && !detail.contains(summary), "{name}: {detail}");
    }
}

#[test]
fn resp_8_what_matters_most_stands_in_the_first_paragraph() {
    for (name, card) in references() {
        let paragraphs: Vec<&str> = text(card, "detail").split("\n\n").collect();
        // Where it depends on something, that comes before, and in the same sentence where it may not be of the policy.
        let first = paragraphs.iter().find(|it| !it.starts_with("If ") || !it.ends_with(':')).unwrap();
        assert!(first.contains("is not covered in any product line"), "{name}: {first}");
        assert!(paragraphs.last().unwrap().starts_with("The policy lists its codes for information"), "{name}");
    }
}

#[test]
fn resp_9_a_detail_tells_what_the_links_lead_to() {
    for (name, card) in references() {
        assert!(text(card, "detail").contains("Medical policy 633 states: “"), "{name}");
        assert!(links(card)[0]["label"].as_str().unwrap().starts_with("Medical policy 633: "), "{name}");
        assert!(links(card).iter().all(|link| link["label"].as_str().unwrap().chars().count() > 8), "{name}");
    }
}

#[test]
fn resp_10_links_are_links_and_not_markdown() {
    for (name, card) in cards() {
        let detail = text(card, "detail");
        assert!(!detail.contains("](") && !detail.contains("://"), "{name}: {detail}");
    }
}

#[test]
fn resp_12_a_card_is_never_all_that_coverage_information_says_already() {
    for (name, card) in cards() {
        let leads = !links(card).is_empty();
        let detail = text(card, "detail");
        let instructs = detail.starts_with("Request precertification")
            || ["\n\n", ": "].iter().any(|before| detail.contains(&format!("{before}Request precertification")));
        assert!(leads || instructs, "{name}: it neither leads to the policy nor says what to do");
    }
    // Where there is nothing else to say, there is no card.
    let app = TestApp::start();
    for request in [order("70551"), order("47383").covered("status", "cancelled"), order("47383").not_ordering("code")]
    {
        assert_eq!(app.sign(request).decided().summaries(), [""; 0]);
    }
}

#[test]
fn resp_17_no_card_leads_to_a_portal() {
    for (name, card) in cards() {
        for link in links(card) {
            let url = link["url"].as_str().unwrap();
            let document = url.starts_with("https://www.bluecrossma.org/medical-policies/") && url.contains(".pdf");
            assert!(document, "{name}: {url} is no document");
        }
        let said = format!("{} {}", text(card, "summary"), text(card, "detail")).to_lowercase();
        for word in ["portal", "log in", "website", "online"] {
            assert!(!said.contains(word), "{name}: {word} in {said}");
        }
    }
}

#[test]
fn resp_18_an_external_reference_has_links_to_whole_addresses() {
    for (name, card) in references() {
        let links = links(card);
        assert!(!links.is_empty(), "{name}");
        for link in links {
            assert_eq!(link["type"], "absolute", "{name}");
            assert!(
                link["url"].as_str().unwrap().starts_with("https://") && link.get("appContext").is_none(),
                "{name}"
            );
        }
        assert_eq!(card.get("suggestions"), None, "{name}");
    }
}

#[test]
fn resp_20_an_external_reference_says_in_its_detail_what_stands_there() {
    for (name, card) in references() {
        let passage = "“Cryosurgical ablation of either primary or metastatic tumors in the liver is INVESTIGATIONAL.”";
        assert!(text(card, "detail").contains(passage), "{name}");
        assert!(text(card, "detail").contains("**Evidence"), "{name}");
    }
}

#[test]
fn resp_21_links_lead_to_the_document_itself_and_to_its_page_where_there_is_one() {
    for (name, card) in references() {
        let urls: Vec<String> = links(card).iter().map(|link| link["url"].as_str().unwrap().to_owned()).collect();
        assert!(urls[0].contains("633%20Cryosurgical%20Ablation"), "{name}: {}", urls[0]);
        assert!(urls.iter().any(|url| url.contains("#page=")), "{name}");
        assert!(urls.iter().all(|url| url.contains(".pdf")), "{name}: a list of policies is no deep link");
    }
}

#[test]
fn resp_24_instructions_have_nothing_to_click() {
    let instructions: Vec<_> =
        cards().into_iter().filter(|(_, card)| card["source"]["topic"]["code"] == "claim").collect();
    assert!(instructions.len() > 5);
    for (name, card) in instructions {
        assert_eq!((card.get("links"), card.get("suggestions")), (None, None), "{name}");
        assert!(!text(card, "detail").is_empty(), "{name}");
    }
}

#[test]
fn hooks_card_5_the_reasons_to_override_a_warning_have_displays() {
    let mut reasons = 0;
    for (name, card) in cards() {
        for reason in card["overrideReasons"].as_array().into_iter().flatten() {
            assert!(!text(reason, "code").is_empty() && !text(reason, "display").is_empty(), "{name}: {reason}");
            reasons += 1;
        }
        assert_eq!(card["indicator"] == "warning", card.get("overrideReasons").is_some(), "{name}");
    }
    assert!(reasons > 0);
}

#[test]
fn hooks_card_1_every_card_and_every_answer_has_ids_of_its_own() {
    let app = TestApp::start();
    let request = order("47371");
    let ids = || {
        let reply = app.sign(&request).decided().json();
        let cards = reply["cards"].as_array().unwrap().iter();
        cards.map(|card| card["uuid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut all = [ids(), ids()].concat();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert!(count >= 2 && all.len() == count, "{all:?}");
}
