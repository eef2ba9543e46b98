//! What each hook is about: which orders an answer is due for, where they come from, and on what the answer is put.

use serde_json::{Value, json};

use crate::support::{CANARY, FakeEhr, Request, TestApp, held, order};

/// A request of an example file, for changes.
macro_rules! example {
    ($name:literal) => {
        Request::from_text(include_str!(concat!("../cds-hooks/examples/", $name, ".request.json")))
    };
}

/// The orders that an answer returns: `ServiceRequest/1`.
fn returned(reply: &crate::support::Reply) -> Vec<String> {
    let orders = reply.orders();
    let orders = orders.iter().map(|order| serde_json::from_str::<Value>(order).unwrap());
    let names =
        orders.map(|order| format!("{}/{}", order["resourceType"].as_str().unwrap(), order["id"].as_str().unwrap()));
    names.collect()
}

/// A prefetched ServiceRequest of a request.
fn held_order(request: &Request, id: &str) -> Value {
    let prefetch = request.at("/prefetch").as_object().unwrap().values();
    let entries = prefetch.flat_map(|value| value["entry"].as_array().cloned().unwrap_or_default());
    let resources = entries.map(|entry| entry["resource"].clone());
    let singles = request.at("/prefetch").as_object().unwrap().values().cloned();
    let mut all = resources.chain(singles);
    all.find(|it| it["resourceType"] == "ServiceRequest" && it["id"] == id).unwrap()
}

#[test]
fn hook_34_order_select_speaks_only_of_what_is_selected() {
    let app = TestApp::start();
    let request = example!("order-select-two-orders");
    let drafts = request.at("/context/draftOrders/entry").as_array().unwrap().clone();
    assert_eq!(drafts.len(), 2);
    let names = drafts.iter().map(|entry| &entry["resource"]);
    let names: Vec<String> =
        names.map(|it| format!("{}/{}", it["resourceType"].as_str().unwrap(), it["id"].as_str().unwrap())).collect();
    for name in &names {
        for written in [name.clone(), format!("https://ehr.example.org/fhir/{name}")] {
            let reply = app.invoke(request.clone().with("/context/selections", json!([written]))).decided();
            assert_eq!(returned(&reply), [name.as_str()]);
        }
    }
    let both = app.invoke(request.clone().with("/context/selections", json!(names))).decided();
    assert_eq!(returned(&both), names);
    let neither = request.with("/context/selections", json!(["ServiceRequest/canary"]));
    assert_eq!(app.invoke(neither).answered().json(), json!({"cards": [], "systemActions": []}));
}

#[test]
fn h05_each_hook_s_context_must_have_what_the_hook_requires() {
    let app = TestApp::start();
    let required = [
        (example!("order-select-service-request"), "selections", "selections"),
        (example!("order-select-service-request"), "userId", "userId"),
        (example!("order-dispatch-service-request"), "dispatchedOrders", "dispatchedOrders"),
        (example!("order-dispatch-service-request-crd20"), "order", "dispatchedOrders"),
        (example!("order-dispatch-service-request"), "performer", "performer"),
        (example!("appointment-book-appointment"), "appointments", "appointments"),
        (example!("appointment-book-appointment"), "patientId", "patientId"),
        (example!("encounter-start-encounter"), "encounterId", "encounterId"),
        (example!("encounter-discharge-encounter"), "patientId", "patientId"),
    ];
    for (request, member, place) in required {
        let place = format!("context.{place}");
        app.invoke(request.without(&format!("/context/{member}"))).refused(400, "required").at(&place);
    }
}

#[test]
fn h01_a_service_answers_no_other_hook_than_its_own() {
    let app = TestApp::start();
    for hook in ["order-select", "order-dispatch", "appointment-book", "encounter-start", "encounter-discharge"] {
        app.sign(order("47383").with("/hook", hook)).refused(400, "value").at("hook");
    }
}

#[test]
fn h12_more_dispatched_orders_than_a_request_may_have_are_refused() {
    let orders: Vec<String> = (0..51).map(|index| format!("ServiceRequest/{CANARY}-{index}")).collect();
    let request = example!("order-dispatch-service-request").with("/context/dispatchedOrders", json!(orders));
    TestApp::start().invoke(request).refused(422, "too-costly").at("context.dispatchedOrders");
}

#[test]
fn an_appointment_for_an_order_is_answered_on_the_order_and_for_the_day_it_is_booked() {
    let app = TestApp::start();
    let request = example!("appointment-book-appointment-with-order");
    let reply = app.invoke(request.clone()).decided();
    let [only] = returned(&reply).try_into().unwrap();
    assert!(only.starts_with("ServiceRequest/"), "{only}");
    // Neither the policy nor the coverage was in force then.
    let booked = "/context/appointments/entry/0/resource";
    let early = request.with(&format!("{booked}/start"), "2019-03-01T09:00:00-05:00");
    let early = early.with(&format!("{booked}/end"), "2019-03-01T10:00:00-05:00");
    assert_ne!(app.invoke(early).decided().says("reason"), reply.says("reason"));
}

#[test]
fn g08_an_appointment_for_an_order_that_nobody_can_find_is_answered_itself() {
    let request = example!("appointment-book-appointment-with-order");
    let nowhere = request.with("/context/appointments/entry/0/resource/basedOn/0/reference", "ServiceRequest/canary");
    let reply = TestApp::start().invoke(nowhere).decided();
    let [only] = returned(&reply).try_into().unwrap();
    assert!(only.starts_with("Appointment/"), "{only}");
    // What is ordered is not known: in CRD 2.2 that is `indeterminate`, in 2.0 `conditional`.
    let covered = reply.says("covered");
    assert!(["indeterminate", "conditional"].contains(&covered[0].as_str()), "{covered:?}");
}

#[test]
fn h13_a_dispatched_order_that_is_no_order_is_refused() {
    let app = TestApp::start();
    let request = example!("order-dispatch-service-request");
    let patient = format!("Patient/{}", request.at("/context/patientId").as_str().unwrap());
    for reference in [patient.as_str(), "Coverage/example-coverage", "Appointment/1", "urn:uuid:1", "#1"] {
        let dispatch = request.clone().with("/context/dispatchedOrders", json!([reference]));
        let reply = app.invoke(dispatch);
        assert!(matches!(reply.status, 400 | 422), "{reference}: {}", reply.text());
        assert_eq!(reply.json()["issue"][0]["expression"], json!(["context.dispatchedOrders[0]"]));
    }
}

#[test]
fn h09_an_encounter_or_a_dispatched_order_of_another_patient_is_refused() {
    let app = TestApp::start();
    let other = "Patient/canary-other";
    let encounter = example!("encounter-start-encounter").with("/prefetch/encounter/subject/reference", other);
    app.invoke(encounter).refused(422, "invariant").at("context.encounterId.subject");
    let mut request = example!("order-dispatch-service-request");
    let reference = request.at("/context/dispatchedOrders/0").as_str().unwrap().to_owned();
    let id = reference.rsplit_once('/').unwrap().1;
    let mut of_another = held_order(&request, id);
    of_another["subject"]["reference"] = json!(other);
    request = request.with("/prefetch/serviceRequests", of_another);
    app.invoke(request).refused(422, "invariant").at("context.dispatchedOrders[0].subject");
}

#[test]
fn an_encounter_that_begins_is_answered_on_the_encounter() {
    let app = TestApp::start();
    for request in [example!("encounter-start-encounter"), example!("encounter-discharge-encounter")] {
        let id = request.at("/context/encounterId").as_str().unwrap().to_owned();
        assert_eq!(returned(&app.invoke(request).decided()), [format!("Encounter/{id}")]);
    }
}

#[test]
fn hook_23_members_of_a_context_that_nobody_knows_are_ignored() {
    let request = example!("order-dispatch-two-orders").with("/context/canary", json!([{"a": null}]));
    assert_eq!(returned(&TestApp::start().invoke(request).decided()).len(), 2);
}

#[test]
fn found_2_what_order_select_asked_for_is_there_when_the_order_is_signed() {
    let ehr = FakeEhr::holding(held()).starts();
    let app = TestApp::beside(&ehr);
    let select = || {
        let request = order("47383").without("/prefetch/coverage").with("/hook", "order-select").of(&ehr);
        let id = request.at("/context/draftOrders/entry/0/resource/id").as_str().unwrap().to_owned();
        request.with("/context/selections", json!([format!("ServiceRequest/{id}")]))
    };
    let sign = || order("47383").without("/prefetch/coverage").of(&ehr);
    app.invoke(select()).decided();
    assert_eq!(ehr.paths(), ["Coverage"]);
    app.sign(sign()).decided();
    assert_eq!(ehr.paths(), ["Coverage"]);
    // Only signing takes what is kept: what is selected is looked at anew.
    app.invoke(select()).decided();
    assert_eq!(ehr.paths(), ["Coverage", "Coverage"]);
}
