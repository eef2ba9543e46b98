//! A request arrives in parts: whatever comes later, no definite answer is contradicted (FAULTS G02).

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::{Value, json};

use super::ask::{Ask, CPT, Said, Says, medication, service, sign};
use crate::laws_support::Draw;

const POS: &str = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set";
const NPI: &str = "http://hl7.org/fhir/sid/us-npi";
const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";

/// A part of a request: a member of its order, something that is sent beside it, or what the EHR says of a type.
#[derive(Clone)]
enum Part {
    Member(&'static str, Value),
    Sent(&'static str, Value),
    Told(&'static str, Vec<Value>),
}

/// The request with some of its parts.
fn with(order: &Value, parts: &[Part]) -> Ask {
    let mut order = order.clone();
    for part in parts {
        if let Part::Member(name, value) = part {
            order[*name] = value.clone();
        }
    }
    let mut ask = sign(&[order]);
    let mut says = Says::default();
    for part in parts {
        match part {
            Part::Member(..) => {}
            Part::Sent(key, resource) => ask = ask.sending(key, resource.clone()),
            Part::Told(kind, resources) => says.replies.extend(Says::ehr(kind, resources).replies),
        }
    }
    ask.told(says)
}

/// What an answer promises, where it is definite.
fn promises(said: &Said) -> BTreeSet<(String, String)> {
    let definite = ["covered", "not-covered", "no-auth", "auth-needed", "performpa"];
    let all = ["covered", "pa-needed"]
        .into_iter()
        .flat_map(|name| said.codes(name).into_iter().map(move |code| (name, code)));
    all.filter(|(_, code)| definite.contains(&code.as_str())).map(|(name, code)| (name.to_owned(), code)).collect()
}

/// Lets the parts arrive in an order. Every promise stands until the end, or becomes open: another one never takes its place.
fn arrives(order: &Value, parts: &[Part], what: &str) {
    let mut promised: BTreeSet<(String, String)> = BTreeSet::new();
    for count in 0..=parts.len() {
        let said = with(order, &parts[..count]).answer();
        promised.extend(promises(&said));
        for name in ["covered", "pa-needed"] {
            let said: Vec<_> = promised.iter().filter(|(other, _)| other == name).collect();
            assert!(said.len() < 2, "{what}: after {count} parts {said:?} were promised");
        }
    }
}

fn location(id: &str, place: &str) -> Value {
    json!({"resourceType": "Location", "id": id, "type": [{"coding": [{"system": POS, "code": place}]}]})
}

fn provider(kind: &str, id: &str, number: &str) -> Value {
    json!({"resourceType": kind, "id": id, "identifier": [{"system": NPI, "value": number}]})
}

fn prescription(id: &str, code: &str) -> Value {
    let mut prescription = medication(code);
    prescription["id"] = json!(id);
    prescription["status"] = json!("completed");
    prescription
}

/// Orders whose answer depends on a fact, each with all of its parts: the place, the performer, what was taken before.
fn requests() -> Vec<(&'static str, Value, Vec<Part>)> {
    let at = |one: &str, other: &str| {
        vec![
            Part::Member("locationReference", json!([{"reference": "Location/a"}, {"reference": "Location/b"}])),
            Part::Sent("locations", location("a", one)),
            Part::Sent("other-locations", location("b", other)),
            Part::Member("locationCode", json!([{"coding": [{"system": POS, "code": one}]}])),
        ]
    };
    let by = |one: &str, other: &str| {
        let behind = json!({"resourceType": "PractitionerRole", "id": "r",
            "practitioner": {"reference": "Practitioner/b"}, "organization": {"reference": "Organization/c"}});
        vec![
            Part::Member("performer", json!([{"reference": "Practitioner/a"}, {"reference": "PractitionerRole/r"}])),
            Part::Sent("practitioners", provider("Practitioner", "a", one)),
            Part::Sent("roles", behind),
            Part::Sent("practitioner-behind", provider("Practitioner", "b", other)),
            Part::Sent("organization-behind", provider("Organization", "c", "9999999999")),
        ]
    };
    let taken = |code: &str, others: Vec<Value>| {
        let mut by_reference = prescription("earlier-by-reference", "0");
        by_reference.as_object_mut().unwrap().shift_remove("medicationCodeableConcept");
        by_reference["medicationReference"] = json!({"reference": "Medication/m"});
        let medication =
            json!({"resourceType": "Medication", "id": "m", "code": {"coding": [{"system": RXNORM, "code": code}]}});
        let mut all = vec![by_reference];
        all.extend(others);
        vec![Part::Told("MedicationRequest", all), Part::Sent("medications", medication)]
    };
    let words = json!({"text": "some medicine"});
    let mut in_words = prescription("earlier-in-words", "0");
    in_words["medicationCodeableConcept"] = words;
    let (place, by_whom, drug) = (service(CPT, "99904"), service(CPT, "99903"), medication("9999051"));
    vec![
        ("outpatient twice", place.clone(), at("22", "22")),
        ("inpatient and outpatient", place.clone(), at("21", "22")),
        ("an unknown place beside", place, at("21", "99")),
        ("in the network and gold", by_whom.clone(), by("0000000002", "0000000001")),
        ("outside of the network", by_whom, by("9999999998", "9999999997")),
        ("tried", drug.clone(), taken("9999052", vec![])),
        ("not tried", drug.clone(), taken("9999059", vec![])),
        ("words beside", drug, taken("9999059", vec![in_words])),
    ]
}

proptest! {
    #![proptest_config(Config { cases: 40, failure_persistence: None, ..Config::default() })]

    #[test]
    fn g02_what_arrives_later_contradicts_no_definite_answer(choices in prop::collection::vec(any::<u16>(), 64)) {
        let mut draw = Draw::new(&choices);
        for (what, order, mut parts) in requests() {
            draw.shuffle(&mut parts);
            arrives(&order, &parts, what);
        }
    }
}

#[test]
fn g01_what_could_not_be_read_is_never_believed_to_be_none() {
    let unread = [
        json!({"medicationCodeableConcept": {"text": "some medicine"}}),
        json!({"medicationCodeableConcept": {"coding": [{"system": "https://ehr.example.org/drugs", "code": "1"}]}}),
        json!({"medicationReference": {"reference": "Medication/nowhere"}}),
        json!({"medicationReference": {"identifier": {"value": "1"}}}),
        json!({"medicationReference": {"reference": "#absent"}}),
    ];
    for what in unread {
        let mut earlier = prescription("earlier", "0");
        earlier.as_object_mut().unwrap().shift_remove("medicationCodeableConcept");
        earlier.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
        let said = sign(&[medication("9999051")]).told(Says::ehr("MedicationRequest", &[earlier])).answer();
        assert_eq!(said.codes("pa-needed"), ["conditional"], "{what}: {}", said.text);
    }
    // Nothing at all was taken, and that is known.
    let said = sign(&[medication("9999051")]).told(Says::ehr("MedicationRequest", &[])).answer();
    assert_eq!(said.codes("pa-needed"), ["auth-needed"]);
}

#[test]
fn g01_whose_a_prescription_is_and_what_is_in_it_is_never_guessed() {
    let answer = |earlier: Value, beside: Option<Value>| {
        let mut ask = sign(&[medication("9999051")]).told(Says::ehr("MedicationRequest", &[earlier]));
        if let Some(beside) = beside {
            ask = ask.sending("medications", beside);
        }
        ask.answer().codes("pa-needed")
    };
    for subject in
        [json!({"display": "Alice"}), json!({"identifier": {"value": "1"}}), json!({"reference": "urn:uuid:0"})]
    {
        let mut earlier = prescription("earlier", "9999052");
        earlier["subject"] = subject.clone();
        assert_eq!(answer(earlier, None), ["conditional"], "{subject}");
    }
    let coded = |code: &str| json!({"itemCodeableConcept": {"coding": [{"system": RXNORM, "code": code}]}});
    let words = json!({"itemCodeableConcept": {"text": "some medicine"}});
    let reference = json!({"itemReference": {"reference": "Medication/nowhere"}});
    for (ingredients, expected) in [
        (json!([coded("9999059"), words]), "conditional"),
        (json!([reference, coded("9999059")]), "conditional"),
        (json!([coded("9999059"), coded("9999058")]), "auth-needed"),
        (json!([words, coded("9999052")]), "no-auth"),
    ] {
        let mut earlier = prescription("earlier", "0");
        earlier.as_object_mut().unwrap().shift_remove("medicationCodeableConcept");
        earlier["medicationReference"] = json!({"reference": "Medication/m"});
        let combined = json!({"resourceType": "Medication", "id": "m", "ingredient": ingredients});
        assert_eq!(answer(earlier, Some(combined)), [expected], "{ingredients}");
    }
}

#[test]
fn g01_an_amount_that_is_weighed_is_no_count() {
    let ordered = |quantity: Value| {
        let mut order = medication("9999061");
        order["dispenseRequest"] = json!({ "quantity": quantity });
        sign(&[order]).answer().codes("pa-needed")
    };
    let ucum = "http://unitsofmeasure.org";
    assert_eq!(ordered(json!({"value": 30, "system": ucum, "code": "kg"})), ["conditional"]);
    assert_ne!(ordered(json!({"value": 30, "system": ucum, "code": "{tablet}"})), ["conditional"]);
}

#[test]
fn g01_an_order_of_another_type_with_the_id_of_a_prescription_hides_nothing() {
    let mut order = service(RXNORM, "9999051");
    order["id"] = json!("one");
    let said = sign(&[order]).told(Says::ehr("MedicationRequest", &[prescription("one", "9999052")])).answer();
    assert_eq!(said.codes("pa-needed"), ["no-auth"]);
}

#[test]
fn g01_more_than_an_amount_is_not_that_amount() {
    let ordered = |quantity: Value| {
        let mut order = medication("9999061");
        order["dispenseRequest"] = json!({ "quantity": quantity });
        sign(&[order]).answer().codes("pa-needed")
    };
    let exact = ordered(json!({"value": 30, "unit": "tablet"}));
    assert_ne!(exact, ["conditional"]);
    assert_eq!(ordered(json!({"value": 30, "comparator": ">", "unit": "tablet"})), ["conditional"]);
}

#[test]
fn g01_of_two_places_of_which_one_was_not_sent_neither_is_believed() {
    let place = service(CPT, "99904");
    let both = Part::Member("locationReference", json!([{"reference": "Location/a"}, {"reference": "Location/b"}]));
    for place_of_a in ["21", "22"] {
        let said = with(&place, &[both.clone(), Part::Sent("locations", location("a", place_of_a))]).answer();
        assert_eq!(said.codes("covered"), ["conditional"], "{place_of_a}");
    }
}
