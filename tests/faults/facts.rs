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
use crate::support::{CANARY, FakeEhr, TestApp, held, order};

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
