//! What cards offer under the invented set: each response type of the guide, in the shapes of both versions.

use serde_json::{Value, json};

use super::ask::{CPT, HCPCS, Said, Says, VERSIONS, coverage, device, medication, service, sign};

const TASK_CODES: &str = "http://hl7.org/fhir/uv/sdc/CodeSystem/temp";

#[test]
fn an_external_reference_leads_to_what_the_payer_publishes() {
    for version in VERSIONS {
        let card = sign(&[service(CPT, "99901")]).in_version(version).answer().card();
        let link = json!({"label": "Policy EX-101 (invented)", "url": "https://example-health-plan.example/policies/ex-101", "type": "absolute"});
        assert_eq!(card["links"], json!([link]));
        assert_eq!((card.get("suggestions"), card.get("selectionBehavior")), (None, None));
    }
}

#[test]
fn instructions_have_neither_links_nor_suggestions() {
    let mut order = service(CPT, "99903");
    order["performer"] = json!([{"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": "0000000005"}, "display": "Invented"}]);
    let card = sign(&[order]).answer().card();
    assert!(card["detail"].as_str().is_some_and(|detail| detail.contains("Invented service")), "{card}");
    assert_eq!((card.get("links"), card.get("suggestions")), (None, None));
}

#[test]
fn resp_53_another_order_takes_the_place_of_this_one() {
    for version in VERSIONS {
        let said = sign(&[service(CPT, "99909")]).in_version(version).answer();
        assert_eq!(said.card()["selectionBehavior"], "at-most-one");
        let actions = said.actions(0);
        let delete = json!({
            "type": "delete", "description": "Remove the order that it replaces", "resourceId": "ServiceRequest/order-99909"
        });
        assert_eq!(actions[0], delete);
        assert_eq!(actions[1]["type"], "create");
        let order = json!({
            "resourceType": "ServiceRequest", "status": "draft", "intent": "order",
            "code": {"coding": [{"system": CPT, "code": "99919"}], "text": "Simpler invented service"},
            "subject": {"reference": "Patient/1"}, "authoredOn": "2026-11-20", "requester": {"reference": "Practitioner/1"}
        });
        assert_eq!(actions[1]["resource"], order, "for the same patient, by the same person");
        assert_eq!(actions.len(), 2);
    }
}

#[test]
fn resp_53_an_order_is_changed_in_one_member_and_left_byte_for_byte_as_it_is() {
    let mut order = service(CPT, "99909");
    order["status"] = json!("active");
    let without = order.to_string();
    order["quantityQuantity"] = json!({"value": 12, "unit": "session"});
    order["note"] = json!([{"text": "A note that stays"}]);
    let (sent, with_six) = (order.to_string(), r#""quantityQuantity":{"value":6}"#);
    let changed = sent.replace(r#""quantityQuantity":{"value":12,"unit":"session"}"#, with_six);
    for version in VERSIONS {
        let said = sign(&[order.clone()]).in_version(version).answer();
        let action = format!(r#"[{{"type":"update","description":"Order six sessions","resource":{changed}}}]"#);
        assert!(said.text.contains(&action), "{}", said.text);
        let said = sign(&[serde_json::from_str(&without).unwrap()]).in_version(version).answer();
        let added = format!("{},{with_six}}}", without.strip_suffix('}').unwrap());
        assert!(said.text.contains(&format!(r#""resource":{added}}}]"#)), "{}", said.text);
    }
}

#[test]
fn an_order_of_another_type_than_the_draft_is_replaced_and_not_changed() {
    let said = sign(&[device(CPT, "99909")]).answer();
    let suggestions = said.card()["suggestions"].as_array().cloned().unwrap();
    let labels: Vec<&str> = suggestions.iter().map(|it| it["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["Order the simpler invented service"], "a device has no quantity to change");
    assert_eq!(said.actions(0)[0]["resourceId"], "DeviceRequest/order-99909");
}

#[test]
fn a_medicine_is_proposed_in_place_of_one_that_comes_later() {
    for version in VERSIONS {
        let says = Says::ehr("MedicationRequest", &[]);
        let said = sign(&[medication("9999051")]).in_version(version).told(says).answer();
        let create = &said.actions(0)[1]["resource"];
        assert_eq!(create["medicationCodeableConcept"]["coding"][0]["code"], "9999052");
        assert_eq!(create["subject"], json!({"reference": "Patient/1"}));
    }
}

#[test]
fn resp_57_further_orders_are_written_for_the_same_patient() {
    for version in VERSIONS {
        let said = sign(&[service(CPT, "99910")]).in_version(version).answer();
        assert_eq!(said.card()["selectionBehavior"], "any");
        let actions = said.actions(0);
        assert!(actions.iter().all(|action| action["type"] == "create"));
        let kinds: Vec<&str> = actions.iter().map(|it| it["resource"]["resourceType"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["ServiceRequest", "DeviceRequest"]);
        for action in &actions {
            let order = &action["resource"];
            assert_eq!((&order["status"], &order["intent"]), (&json!("draft"), &json!("order")));
            assert_eq!(order["subject"], json!({"reference": "Patient/1"}));
            assert_eq!(order["requester"], json!({"reference": "Practitioner/1"}));
            assert_eq!(order.get("id"), None, "the EHR gives the id");
        }
        assert_eq!(
            actions[1]["resource"]["codeCodeableConcept"]["coding"][0],
            json!({"system": HCPCS, "code": "E9920"})
        );
    }
}

#[test]
fn orders_beside_an_appointment_are_for_its_patient() {
    let appointment = json!({
        "resourceType": "Appointment", "id": "1", "status": "proposed",
        "serviceType": [{"coding": [{"system": CPT, "code": "99910"}]}],
        "participant": [{"actor": {"reference": "Patient/1"}, "status": "accepted"}]
    });
    for version in VERSIONS {
        let said = sign(&[]).booking(&appointment).in_version(version).answer();
        for action in said.actions(0) {
            let order = &action["resource"];
            assert_eq!(order["subject"], json!({"reference": "Patient/1"}));
            // An Appointment says neither: they are written now, by whoever books.
            assert_eq!(order["authoredOn"], "2026-11-22");
            assert_eq!(order["requester"], json!({"reference": "Practitioner/1"}));
        }
    }
}

#[test]
fn a_patient_who_books_orders_nothing() {
    let appointment = json!({
        "resourceType": "Appointment", "id": "1", "status": "proposed",
        "serviceType": [{"coding": [{"system": CPT, "code": "99910"}]}],
        "participant": [{"actor": {"reference": "Patient/1"}, "status": "accepted"}]
    });
    let said = sign(&[]).booking(&appointment).by("Patient/1").answer();
    assert_eq!(said.actions(0)[0]["resource"].get("requester"), None);
}

#[test]
fn resp_62_a_task_asks_for_a_form_in_the_shape_of_the_version() {
    for version in VERSIONS {
        let actions = sign(&[service(CPT, "99911")]).in_version(version).answer().actions(0);
        assert_eq!(actions.len(), 2);
        let form = &actions[0];
        assert_eq!((&form["type"], &form["resource"]["resourceType"]), (&json!("create"), &json!("Questionnaire")));
        let task = &actions[1]["resource"];
        assert_eq!(form["resource"]["id"], "wishes", "it can be referred to until the EHR gives it an id of its own");
        let code = |code: &str| json!({"coding": [{"system": TASK_CODES, "code": code}]});
        let expected = [
            ("resourceType", json!("Task")),
            ("basedOn", json!([{"reference": "ServiceRequest/order-99911"}])),
            ("status", json!("ready")),
            ("intent", json!("order")),
            ("code", code("complete-questionnaire")),
            ("for", json!({"reference": "Patient/1"})),
            ("authoredOn", json!("2026-11-22")),
            ("reasonCode", json!({"text": "The invented program begins with the patient's wishes."})),
        ];
        for (name, value) in expected {
            assert_eq!(task[name], value, "{name}");
        }
        let questionnaire = "https://example-health-plan.example/Questionnaire/wishes|1.0";
        let named = |mut concept: Value, text: &str| {
            concept["text"] = json!(text);
            concept
        };
        let asked = named(code("questionnaire"), "questionnaire");
        let mut input = vec![json!({"type": asked, "valueCanonical": questionnaire})];
        if version == "2.0" {
            let system = "http://hl7.org/fhir/us/davinci-crd/CodeSystem/temp";
            let then = json!({"coding": [{"system": system, "code": "after-completion-action"}]});
            let then = named(then, "after-completion-action");
            input.push(json!({"type": then, "valueCodeableConcept": {"text": "The form stays with the office."}}));
        }
        assert_eq!(task["input"], json!(input), "CRD {version}");
    }
}

#[test]
fn dev_19_a_form_is_created_only_where_the_ehr_has_none() {
    let wishes = |version: &str| {
        json!({
            "resourceType": "Questionnaire", "id": "7", "status": "active", "version": version,
            "url": "https://example-health-plan.example/Questionnaire/wishes"
        })
    };
    for version in VERSIONS {
        let ask = sign(&[service(CPT, "99911")]).in_version(version);
        let created = ask.answer().actions(0)[0].clone();
        let condition = "url=https://example-health-plan.example/Questionnaire/wishes&version=1.0";
        assert_eq!(created["extension"], json!({"davinci-crd.if-none-exist": condition}));
        let actions = ask.told(Says::ehr("Questionnaire", &[wishes("1.0")])).answer().actions(0);
        let kinds: Vec<&str> = actions.iter().map(|it| it["resource"]["resourceType"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["Task"], "the EHR has the form");
    }
}

#[test]
fn resp_72_an_app_is_launched_by_a_smart_link() {
    for version in VERSIONS {
        let card = sign(&[service(CPT, "99912")]).in_version(version).answer().card();
        let link = json!({
            "label": "Choose the kind (invented app)", "url": "https://example-health-plan.example/apps/choose/launch",
            "type": "smart", "appContext": "policy=EX-112"
        });
        assert_eq!(card["links"], json!([link]));
        assert_eq!(card.get("suggestions"), None);
    }
}

/// At the booking of an appointment, with what the payer's own record of the coverage says otherwise.
fn booked(version: &str, record: &[(&str, Value)]) -> (Value, Said) {
    let appointment = json!({
        "resourceType": "Appointment", "id": "1", "status": "proposed",
        "serviceType": [{"coding": [{"system": CPT, "code": "99999"}]}],
        "participant": [{"actor": {"reference": "Patient/1"}, "status": "accepted"}]
    });
    let (sent, mut own) = (coverage(), coverage());
    own["id"] = json!("the-payers-own");
    for (name, value) in record {
        own[*name] = value.clone();
    }
    let ask = sign(&[]).booking(&appointment).in_version(version).told(Says::member(own, Vec::new()));
    (sent, ask.answer())
}

#[test]
fn resp_66_a_coverage_record_is_put_right_where_it_differs_and_nowhere_else() {
    for version in VERSIONS {
        let (sent, said) =
            booked(version, &[("subscriberId", json!("EXAMPLE-9")), ("period", json!({"start": "2025-01-01"}))]);
        let actions = said.actions(0);
        assert_eq!((actions.len(), &actions[0]["type"]), (1, &json!("update")));
        let right = sent.to_string().replace("EXAMPLE-1", "EXAMPLE-9");
        let right = format!(r#"{},"period":{{"start":"2025-01-01"}}}}"#, right.strip_suffix('}').unwrap());
        assert!(said.text.contains(&format!(r#""resource":{right}}}"#)), "{}", said.text);
        assert_eq!(said.card()["extension"]["davinci-crd.associated-resource"][0]["reference"], "Coverage/1");
        assert!(booked(version, &[]).1.cards().is_empty(), "there is nothing to put right");
    }
}

#[test]
fn resp_70_a_coverage_record_is_not_put_right_while_orders_are_signed() {
    let mut own = coverage();
    own["subscriberId"] = json!("EXAMPLE-9");
    let said = sign(&[service(CPT, "99999")]).told(Says::member(own, Vec::new())).answer();
    assert!(said.cards().is_empty(), "{}", said.text);
}

#[test]
fn dev_14_a_card_that_is_not_wanted_is_not_sent() {
    for (code, topic) in [
        ("99901", "guideline"),
        ("99909", "therapy-alternatives-opt"),
        ("99910", "clinical-reminder"),
        ("99911", "clinical-reminder"),
        ("99912", "guideline"),
    ] {
        let ask = sign(&[service(CPT, code)]);
        assert_eq!(ask.answer().card()["source"]["topic"]["code"], topic);
        assert!(ask.configured(topic, false).answer().cards().is_empty(), "{code}");
    }
}
