//! What a fact may rest on, and what may not be taken for it (FAULTS B01, G01–G07).

use std::sync::Mutex;

use covenant::answer::at_once;
use covenant::decide::facts::Standing;
use covenant::gather::learned::{MemberQuery, MemberReply, Query, Reply, Source};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::civil::{Date, date};
use serde_json::{Value, json};

use crate::laws_support::{MANNER, SET, moment, service_of};
use crate::support::{CANARY, FakeEhr, Request, TestApp, held, order};

const CPT: &str = "http://www.ama-assn.org/go/cpt";
const HCPCS: &str = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets";

fn coded(system: &str, codes: &[String]) -> Value {
    let codings: Vec<Value> = codes.iter().map(|code| json!({"system": system, "code": code})).collect();
    json!({ "coding": codings })
}

#[test]
fn b01_more_references_than_are_looked_up_are_refused() {
    let app = TestApp::start();
    let references = |count: usize| -> Value {
        (0..count).map(|number| json!({"reference": format!("Condition/canary-{number}")})).collect()
    };
    app.sign(order("47383").ordering("reasonReference", references(400))).decided();
    app.sign(order("47383").ordering("reasonReference", references(2_000))).refused(422, "too-costly");
}

#[test]
fn b01_more_codes_of_an_order_than_are_compared_are_refused_with_their_place() {
    let app = TestApp::start();
    let codes = |count: usize| coded(CPT, &(0..count).map(|number| format!("{}", 10_000 + number)).collect::<Vec<_>>());
    app.sign(order("47383").ordering("code", codes(60))).decided();
    let refused = app.sign(order("47383").ordering("code", codes(70))).refused(422, "too-costly");
    refused.at("context.draftOrders.entry[0].resource");
    // One code that stands there often is one code.
    let often: Vec<String> = std::iter::repeat_n("47383".to_owned(), 4_000).collect();
    let reply = app.sign(order("47383").ordering("code", coded(CPT, &often))).decided();
    assert_eq!(reply.says("covered"), ["not-covered"]);
}

#[test]
fn a_procedure_code_with_modifiers_is_that_code_and_the_modifiers_are_kept() {
    let app = TestApp::start();
    for (written, modifiers) in [("47383-26", &["26"][..]), ("47383:26", &["26"]), ("47383-LT-59", &["59", "LT"])] {
        let reply = app.sign(order("47383").ordering("code", coded(CPT, &[written.to_owned()]))).decided();
        assert_eq!(reply.says("covered"), ["not-covered"], "{written}");
        let entry = app.entry(&reply.assertions()[0]);
        for modifier in modifiers {
            assert!(entry.determinations.contains(&format!("modifier {modifier}")), "{written}");
        }
    }
    // What looks like modifiers and is none makes another code.
    let reply = app.sign(order("47383").ordering("code", coded(CPT, &["47383-2".to_owned()]))).decided();
    assert_ne!(reply.says("covered"), ["not-covered"]);
}

#[test]
fn a_code_under_cpt_and_hcpcs_has_one_answer() {
    let mut both = coded(CPT, &["47383".to_owned()]);
    let other = coded(HCPCS, &["47383".to_owned()])["coding"][0].clone();
    both["coding"].as_array_mut().unwrap().push(other);
    let reply = TestApp::start().sign(order("47383").ordering("code", both)).decided();
    assert_eq!(reply.says("covered"), ["not-covered"]);
}

#[test]
fn an_order_that_is_over_is_not_decided_as_one_that_is_to_be_performed() {
    let app = TestApp::start();
    for status in ["completed", "revoked", "entered-in-error"] {
        let reply = app.sign(order("47383").ordering("status", status)).decided();
        assert!(!reply.says("covered").contains(&"not-covered".to_owned()), "{status}: {}", reply.text());
    }
}

#[test]
fn g03_two_different_resources_of_one_type_and_id_are_refused_whatever_their_type() {
    let app = TestApp::start();
    for kind in ["Location", "Organization", "Practitioner", "Medication", "Condition"] {
        let one = json!({"resourceType": kind, "id": CANARY, "language": "en"});
        let other = json!({"resourceType": kind, "id": CANARY, "language": "de"});
        let subject =
            json!({"reference": format!("Patient/{}", order("47383").at("/context/patientId").as_str().unwrap())});
        let whole = |mut it: Value| {
            if kind == "Condition" {
                it["subject"] = subject.clone();
            }
            it
        };
        let (one, other) = (whole(one), whole(other));
        let twice = order("47383").with("/prefetch/canary-one", one.clone()).with("/prefetch/canary-two", other);
        app.sign(twice).refused(400, "multiple-matches");
        let same = order("47383").with("/prefetch/canary-one", one.clone()).with("/prefetch/canary-two", one);
        app.sign(same).decided();
    }
}

#[test]
fn g05_an_absolute_reference_to_a_patient_elsewhere_is_refused_where_the_ehr_is_registered() {
    let ehr = FakeEhr::holding(held()).starts();
    let patient = order("47383").at("/context/patientId").as_str().unwrap().to_owned();
    let elsewhere = json!({"reference": format!("https://elsewhere.example/fhir/Patient/{patient}")});
    let here = json!({"reference": format!("{}/Patient/{patient}", ehr.base())});
    let app = TestApp::beside(&ehr);
    app.sign(order("47383").of(&ehr).ordering("subject", elsewhere.clone())).refused(422, "invariant");
    app.sign(order("47383").of(&ehr).ordering("subject", here)).decided();
    // Of a server that nobody has registered it is not known which of its addresses are its own.
    TestApp::start().sign(order("47383").ordering("subject", elsewhere)).decided();
}

#[test]
fn g06_of_two_plan_years_the_one_of_the_service_day_is_the_coverage() {
    let app = TestApp::start();
    let this_year = order("47383").at("/prefetch/coverage/entry/0/resource").clone();
    let of_year = |year: &str, id: &str| {
        let mut coverage = this_year.clone();
        coverage["id"] = json!(id);
        coverage["period"] = json!({"start": format!("{year}-01-01"), "end": format!("{year}-12-31")});
        json!({ "resource": coverage })
    };
    let both = json!({"resourceType": "Bundle", "type": "searchset", "entry": [of_year("2026", "this"), of_year("2027", "next")]});
    for (day, id) in [("2026-12-01", "this"), ("2027-02-01", "next")] {
        let request = order("47383").with("/prefetch/coverage", both.clone()).ordering("occurrenceDateTime", day);
        let reply = app.sign(request).decided();
        assert_eq!(reply.says("covered"), ["not-covered"], "{day}");
        assert!(reply.text().contains(&format!("Coverage/{id}")), "{day}: {}", reply.text());
    }
}

/// A member directory that notes for which day it is asked.
#[derive(Default)]
struct Days(Mutex<Vec<Date>>);

impl Source for &Days {
    fn ask<'s>(&'s self, queries: &'s [Query]) -> BoxFuture<'s, Vec<Reply>> {
        std::future::ready(vec![Reply::Nothing; queries.len()]).boxed()
    }

    fn can_ask(&self) -> bool {
        false
    }

    fn member<'s>(&'s self, query: &'s MemberQuery) -> BoxFuture<'s, MemberReply> {
        self.0.lock().unwrap().extend(query.on);
        std::future::ready(Ok(Standing::CoverageUnknown)).boxed()
    }

    fn has_members(&self) -> bool {
        true
    }
}

#[test]
fn g06_the_member_directory_is_asked_for_the_service_day() {
    let request = order("47383").ordering("occurrenceDateTime", "2027-02-01").text();
    let days = Days::default();
    at_once(request.as_bytes(), service_of(&request), &SET, &MANNER, &moment("days"), &days).unwrap();
    assert_eq!(*days.0.lock().unwrap(), [date(2027, 2, 1)]);
}

#[test]
fn g06_of_coverages_that_are_all_over_one_says_so() {
    let cancelled = |id: &str| {
        let mut coverage = order("47383").at("/prefetch/coverage/entry/0/resource").clone();
        (coverage["id"], coverage["status"]) = (json!(id), json!("cancelled"));
        json!({ "resource": coverage })
    };
    let app = TestApp::start();
    for entries in [[cancelled("a"), cancelled("b")], [cancelled("b"), cancelled("a")]] {
        let both = json!({"resourceType": "Bundle", "type": "searchset", "entry": entries});
        let reply = app.sign(order("47383").in_version("2.2").with("/prefetch/coverage", both)).decided();
        assert!(reply.text().contains("no-active-coverage") && reply.text().contains("Coverage/a"), "{}", reply.text());
    }
}

#[test]
fn g05_whoever_the_insurance_is_through_is_not_the_patient_under_the_patient_s_key() {
    let parent = json!({"resourceType": "Patient", "id": "canary-parent"});
    let through = order("47383").covered("subscriber", json!({"reference": "Patient/canary-parent"}));
    let app = TestApp::start();
    app.sign(through.clone().with("/prefetch/canary-subscriber", parent.clone())).decided();
    app.sign(through.with("/prefetch/patient", parent)).refused(400, "invalid").at("Patient.id");
}

#[test]
fn a_first_page_of_nothing_with_another_to_come_is_not_taken_for_none() {
    let page = json!({"resourceType": "Bundle", "type": "searchset", "link": [
        {"relation": "next", "url": "https://ehr.example.org/fhir/Coverage?page=2"}
    ]});
    let request = order("47383").with("/prefetch/coverage", page);
    TestApp::start().sign(request).refused(412, "incomplete").at("prefetch");
}

#[test]
fn b01_orders_that_are_only_named_are_counted_before_anything_else_is_done() {
    let names: Vec<String> = (0..50_000).map(|number| format!("ServiceRequest/canary-{number}")).collect();
    let patient = order("47383").at("/context/patientId").clone();
    let context = json!({"patientId": patient, "dispatchedOrders": names, "performer": "Practitioner/canary"});
    let request = order("47383").in_version("2.2").with("/hook", "order-dispatch").with("/context", context);
    TestApp::start().invoke(request).refused(422, "too-costly").at("context.dispatchedOrders");
}

/// A request to book appointments for the order of the example, which is sent beside them.
fn booking(appointments: &[Value]) -> Request {
    let ordered: Value = serde_json::from_str(&order("47383").order_text()).unwrap();
    let entries: Vec<Value> = appointments.iter().chain([&ordered]).map(|it| json!({ "resource": it })).collect();
    let context = json!({
        "userId": "Practitioner/canary", "patientId": order("47383").at("/context/patientId").clone(),
        "appointments": {"resourceType": "Bundle", "type": "collection", "entry": entries}
    });
    order("47383").in_version("2.2").with("/hook", "appointment-book").with("/context", context)
}

fn appointment(id: &str, status: &str, day: &str, patient: &str) -> Value {
    let ordered: Value = serde_json::from_str(&order("47383").order_text()).unwrap();
    let based = json!({"reference": format!("ServiceRequest/{}", ordered["id"].as_str().unwrap())});
    json!({
        "resourceType": "Appointment", "id": id, "status": status, "start": format!("{day}T09:00:00-05:00"),
        "end": format!("{day}T10:00:00-05:00"), "basedOn": vec![based; 200],
        "participant": [{"actor": {"reference": format!("Patient/{patient}")}, "status": "accepted"}]
    })
}

#[test]
fn g07_an_appointment_is_for_the_patient_and_books_nothing_once_it_is_cancelled() {
    let app = TestApp::start();
    let patient = order("47383").at("/context/patientId").as_str().unwrap().to_owned();
    let booked = appointment("canary-booked", "booked", "2026-12-01", &patient);
    let reply = app.invoke(booking(std::slice::from_ref(&booked))).decided();
    assert_eq!((reply.says("covered"), reply.assertions().len()), (vec!["not-covered".to_owned()], 1));
    let other = appointment("canary-other", "booked", "2026-12-01", "canary-other");
    app.invoke(booking(&[other])).refused(422, "invariant");
    // The policy was not in force in 2019, and nothing takes place then.
    let cancelled = appointment("canary-cancelled", "cancelled", "2019-12-01", &patient);
    let both = app.invoke(booking(&[booked, cancelled])).decided();
    assert_eq!(both.says("covered")[0], "not-covered", "{}", both.text());
}
