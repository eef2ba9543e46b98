//! Orders that cannot be answered for, and orders that can though they look odd (FAULTS H06–H09, H12, H13, H17–H19).

use serde_json::{Value, json};

use crate::support::{CANARY, ORDER, TestApp, order};

const ENTRY: &str = "context.draftOrders.entry[0].resource";

#[test]
fn h06_draft_orders_that_are_no_bundle_are_refused() {
    let app = TestApp::start();
    let draft = |orders: Value| app.sign(order("47383").with("/context/draftOrders", orders));
    for wrong in [json!([]), json!(CANARY), json!(1), json!({"resourceType": "Patient", "id": CANARY})] {
        draft(wrong).refused(400, "structure");
    }
    draft(json!({})).refused(400, "required").at("context.draftOrders.resourceType");
    for entries in [json!({}), json!(CANARY), json!([CANARY]), json!([[]])] {
        draft(json!({"resourceType": "Bundle", "entry": entries})).refused(400, "structure");
    }
    let nothing_in_it = json!({"resourceType": "Bundle", "entry": [{"fullUrl": "https://canary.org/1"}]});
    draft(nothing_in_it).refused(400, "required").at("context.draftOrders.entry[0].resource");
}

#[test]
fn h06_a_bundle_without_a_type_is_answered_as_ehrs_send_it() {
    let app = TestApp::start();
    app.sign(order("47383").without("/context/draftOrders/type")).decided();
}

#[test]
fn h07_a_request_without_orders_of_ours_is_answered_with_nothing() {
    let app = TestApp::start();
    let observation = json!({"resource": {"resourceType": "Observation", "id": CANARY, "status": "final"}});
    for entries in [json!([]), json!([observation])] {
        let request = order("47383").with("/context/draftOrders/entry", entries);
        assert_eq!(app.sign(request).answered().text(), r#"{"cards":[],"systemActions":[]}"#);
    }
    let no_entries = order("47383").without("/context/draftOrders/entry").without("/prefetch");
    assert_eq!(app.sign(no_entries).answered().text(), r#"{"cards":[],"systemActions":[]}"#);
    assert_eq!(app.recorded(), 3);
}

#[test]
fn h08_an_order_without_an_id_is_refused() {
    let app = TestApp::start();
    app.sign(order("47383").not_ordering("id")).refused(422, "required").at(&format!("{ENTRY}.id"));
}

#[test]
fn h09_an_order_or_what_it_rests_on_for_another_patient_is_refused() {
    let app = TestApp::start();
    let place = format!("{ENTRY}.subject");
    for other in ["Patient/canary-other", "Patient/canary-patient-2", "Group/canary-patient", "#canary-patient"] {
        let request = order("47383").ordering("subject", json!({"reference": other}));
        app.sign(request).refused(422, "invariant").at(&place);
    }
    app.sign(order("47383").ordering("subject", json!({"display": CANARY}))).refused(422, "invariant").at(&place);
    // One of several is enough to answer none.
    let two =
        order("47383").times(2).with("/context/draftOrders/entry/1/resource/subject/reference", "Patient/canary-other");
    app.sign(two).refused(422, "invariant").at("context.draftOrders.entry[1].resource.subject");
    let other = json!({"reference": "Patient/canary-other"});
    let condition = json!({"resourceType": "Condition", "id": "canary-condition", "subject": other});
    let diagnosed = order("47383")
        .with("/prefetch/condition", condition)
        .ordering("reasonReference", json!([{"reference": "Condition/canary-condition"}]));
    app.sign(diagnosed).refused(422, "invariant").at("Condition.subject");
    let encounter = json!({
        "resourceType": "Encounter", "id": "canary-encounter", "status": "in-progress", "class": {"code": "IMP"}, "subject": other
    });
    let admitted = order("47383")
        .not_ordering("locationCode")
        .with("/context/encounterId", "canary-encounter")
        .with("/prefetch/encounter", encounter);
    app.sign(admitted).refused(422, "invariant").at("Encounter.subject");
    assert_eq!(app.recorded(), 0);
}

#[test]
fn h09_a_patient_is_the_same_however_the_reference_is_written() {
    let app = TestApp::start();
    for same in ["https://ehr.canary.org/fhir/Patient/canary-patient", "Patient/canary-patient/_history/3"] {
        app.sign(order("47383").ordering("subject", json!({"reference": same}))).decided();
    }
}

#[test]
fn h12_more_than_50_orders_are_refused() {
    let app = TestApp::start();
    let fifty = app.sign(order("47383").times(50)).decided();
    assert_eq!((fifty.orders().len(), fifty.assertions().len()), (50, 50));
    app.sign(order("47383").times(51)).refused(422, "too-costly").at("context.draftOrders.entry");
}

#[test]
fn h13_two_orders_with_one_id_are_refused() {
    let app = TestApp::start();
    let two = order("47383").times(2).with("/context/draftOrders/entry/1/resource/id", "canary-order-0");
    app.sign(two).refused(422, "duplicate").at("context.draftOrders.entry[1].resource.id");
}

#[test]
fn h17_an_order_in_words_or_of_an_unknown_code_system_is_asked_for_its_code() {
    let app = TestApp::start();
    let unknown = json!({"coding": [{"system": "https://canary.org/codes", "code": "47383"}], "text": "Cryoablation"});
    for code in [json!({"text": "Cryoablation of liver tumor"}), unknown] {
        let answered = app.sign(order("47383").ordering("code", code)).decided();
        assert_eq!(answered.says("covered"), ["conditional"]);
        assert_eq!(answered.says("info-needed"), ["detail-code"]);
        assert_eq!(answered.says("reason").len(), 1);
    }
    app.sign(order("47383").not_ordering("code")).decided();
}

#[test]
fn h18_a_code_that_no_policy_speaks_of_is_never_covered_or_free_by_silence() {
    let app = TestApp::start();
    for (version, code) in [("2.0", "99213"), ("2.1", "70551"), ("2.2", "47370")] {
        let answered = app.sign(order(code).in_version(version)).decided();
        assert_eq!(answered.says("covered"), ["conditional"]);
        assert_eq!(answered.says("info-needed"), ["OTH"]);
        assert!(!answered.says("pa-needed").contains(&"no-auth".to_owned()));
        assert_eq!(answered.says("reason").len(), 1);
    }
}

#[test]
fn h19_an_order_that_already_says_the_same_is_not_sent_back() {
    let app = TestApp::start();
    for version in ["2.0", "2.1", "2.2"] {
        let request = order("47383").in_version(version);
        let told: Value = serde_json::from_str(&app.sign(&request).decided().orders()[0]).unwrap();
        let again = app.sign(request.with(ORDER, told)).answered();
        assert_eq!(again.json()["systemActions"], json!([]), "{version}");
        assert!(!again.summaries().is_empty());
    }
    assert_eq!(app.recorded(), 6);
}

#[test]
fn h19_an_order_that_says_something_else_is_corrected() {
    let app = TestApp::start();
    let request = order("47383");
    let told = app.sign(&request).decided().orders().remove(0).replace("\"not-covered\"", "\"covered\"");
    let corrected = app.sign(request.with(ORDER, serde_json::from_str::<Value>(&told).unwrap())).decided();
    assert_eq!(corrected.says("covered"), ["not-covered"]);
}
