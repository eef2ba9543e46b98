//! How a request's bytes are read: what FHIR and CDS Hooks allow passes, and nothing else is taken for something else.

use std::time::Instant;

use covenant::request;
use covenant::request::json::Json;
use serde_json::{Value, json};

use super::gathering::is_technical;
use crate::laws_support::{MANNER, service_of};
use crate::support::{Behaviour, CANARY, FakeEhr, ORDER, Request, TestApp, order};

const ENTRY: &str = "context.draftOrders.entry[0].resource";

/// What says why there is no value.
fn masked() -> Value {
    json!({"extension": [{
        "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"
    }]})
}

fn select() -> Request {
    Request::from_text(include_str!("../../cds-hooks/examples/order-select-service-request.request.json"))
}

#[test]
fn required_means_a_value_or_an_extension_that_says_why_there_is_none() {
    let app = TestApp::start();
    let class = "/prefetch/coverage/entry/0/resource/class/0";
    for said in [
        order("47383").not_ordering("status").ordering("_status", masked()),
        order("47383").not_ordering("intent").ordering("_intent", masked()),
        order("47383").without(&format!("{class}/value")).with(&format!("{class}/_value"), masked()),
        order("47383")
            .without("/prefetch/payer/name")
            .without("/prefetch/payer/identifier")
            .with("/prefetch/payer/_name", masked()),
    ] {
        app.sign(&said).decided();
        app.sign(said.in_version("2.0")).decided();
    }
    let url = json!({"extension": [{"url": "https://canary.org"}]});
    for silent in [
        json!({}),
        json!({"id": CANARY}),
        json!({"extension": []}),
        json!({"extension": [{}]}),
        json!({"extension": {"url": "https://canary.org"}}),
        json!([masked()]),
        json!(CANARY),
        Value::Null,
    ] {
        let request = order("47383").not_ordering("status").ordering("_status", silent);
        app.sign(request).refused(400, "required").at(&format!("{ENTRY}.status"));
    }
    // Only a primitive has a name for its extensions, an extension's URL is none, and CDS Hooks has no extensions of the kind.
    let subject = order("47383").not_ordering("subject").ordering("_subject", url.clone());
    app.sign(subject).refused(400, "required").at(&format!("{ENTRY}.subject"));
    let extension = order("47383").ordering("extension", json!([{"_url": url, "valueString": CANARY}]));
    app.sign(extension).refused(400, "required").at(&format!("{ENTRY}.extension[0].url"));
    app.sign(order("47383").without("/hook").with("/_hook", url)).refused(400, "required").at("hook");
}

#[test]
fn null_fills_a_place_in_a_list_of_primitives_if_an_extension_says_why() {
    let app = TestApp::start();
    let timed = |event: Value, beside: Value| {
        order("47383").ordering("occurrenceTiming", json!({"event": event, "_event": beside}))
    };
    app.sign(timed(json!([null, "2026-12-01"]), json!([masked(), null]))).decided();
    app.sign(timed(json!(["2026-12-01", null]), json!([null, masked()]))).decided();
    app.sign(order("47383").ordering("instantiatesUri", json!([null])).ordering("_instantiatesUri", json!([masked()])))
        .decided();
    for silent in [json!([null, masked()]), json!([{}]), json!([]), json!({}), masked(), Value::Null] {
        let place = format!("{ENTRY}.occurrenceTiming.event[0]");
        app.sign(timed(json!([null, "2026-12-01"]), silent)).refused(400, "required").at(&place);
    }
    let instantiates = order("47383").ordering("instantiatesUri", json!(["https://canary.org", null]));
    app.sign(instantiates).refused(400, "required").at(&format!("{ENTRY}.instantiatesUri[1]"));
    let reasons = order("47383").ordering("reasonCode", json!([null])).ordering("_reasonCode", json!([masked()]));
    app.sign(reasons).refused(400, "required").at(&format!("{ENTRY}.reasonCode[0]"));
}

#[test]
fn ids_of_up_to_255_characters_pass_and_come_back_as_they_are() {
    let app = TestApp::start();
    let long = |length: usize| format!("e{}", "Ab3.-xYz9".repeat(30).split_at(length - 1).0);
    let renamed = |request: Request, from: &str, length: usize| {
        assert!(request.text().contains(from), "{from}");
        Request::from_text(&request.text().replace(from, &long(length)))
    };
    let signed = app.sign(renamed(order("47383"), "canary-order", 255)).decided();
    let returned: Value = serde_json::from_str(&signed.orders()[0]).unwrap();
    assert_eq!(returned["id"], long(255).as_str());
    app.sign(renamed(order("47383"), "canary-order", 256)).refused(400, "value").at(&format!("{ENTRY}.id"));
    for id in ["canary-patient", "canary-coverage", "canary-payer"] {
        app.sign(renamed(order("47383"), id, 255)).decided();
    }
    app.sign(order("47383").with("/context/encounterId", long(255))).decided();
    app.sign(order("47383").with("/context/encounterId", long(256))).refused(400, "value").at("context.encounterId");
    let id = select().at(&format!("{ORDER}/id")).as_str().unwrap().to_owned();
    app.invoke(renamed(select(), &id, 255)).decided();
}

#[test]
fn a_selection_may_name_a_version() {
    let app = TestApp::start();
    let id = select().at(&format!("{ORDER}/id")).as_str().unwrap().to_owned();
    for written in [
        format!("ServiceRequest/{id}"),
        format!("ServiceRequest/{id}/_history/1"),
        format!("https://ehr.example.org/fhir/ServiceRequest/{id}/_history/canary.2"),
    ] {
        app.invoke(select().with("/context/selections", json!([written]))).decided();
    }
    for other in [format!("DeviceRequest/{id}"), format!("ServiceRequest/{id}0"), format!("ServiceRequest/0{id}")] {
        let reply = app.invoke(select().with("/context/selections", json!([other]))).answered();
        assert!(reply.orders().is_empty());
    }
}

#[test]
fn an_authorization_for_nobody_by_name_is_let_through() {
    let app = TestApp::start();
    app.sign(order("47383").authorized().with("/fhirAuthorization/subject", "")).decided();
    let number = order("47383").authorized().with("/fhirAuthorization/subject", 7);
    app.sign(number).refused(400, "value").at("fhirAuthorization.subject");
}

#[test]
fn a_resource_type_that_r4_does_not_have_is_refused_wherever_it_is_sent() {
    let app = TestApp::start();
    for none in ["ProcedureRequest", "serviceRequest", "ServiceRequest ", "DomainResource", "canary", ""] {
        let place = format!("{ENTRY}.resourceType");
        let request = order("47383").ordering("resourceType", none);
        app.sign(&request).refused(400, "value").at(&place);
        app.sign(request.in_version("2.0")).refused(422, "value").at(&place);

        let resource = json!({"resourceType": none, "id": CANARY});
        let prefetched = |key: &str, value: Value| order("47383").with(&format!("/prefetch/{key}"), value);
        app.sign(prefetched("encounter", resource.clone())).refused(400, "value").at("prefetch.encounter.resourceType");
        let bundle = json!({"resourceType": "Bundle", "type": "searchset", "entry": [
            {"resource": {"resourceType": "Basic"}}, {"resource": resource}
        ]});
        let place = "prefetch.locations.entry[1].resource.resourceType";
        app.sign(prefetched("locations", bundle.clone())).refused(400, "value").at(place);
        let keys = order("47383").at("/prefetch").as_object().unwrap().len();
        let place = format!("prefetch.children()[{keys}].entry[1].resource.resourceType");
        app.sign(prefetched(CANARY, bundle)).refused(400, "value").at(&place);

        let contained = order("47383").ordering("contained", json!([resource]));
        app.sign(contained).refused(400, "value").at(&format!("{ENTRY}.contained[0].resourceType"));
    }
    app.sign(order("47383").with("/prefetch/canary", json!({"resourceType": "Basic", "id": CANARY}))).decided();
}

#[test]
fn a_prefetched_value_that_is_no_resource_is_refused_and_never_taken_for_none() {
    let app = TestApp::start();
    let coverage = order("47383").at("/prefetch/coverage/entry/0/resource").clone();
    for key in ["coverage", "patient", "locations"] {
        for none in [json!([coverage]), json!([]), json!(CANARY), json!(1), json!(true)] {
            for version in ["2.0", "2.2"] {
                let request = order("47383").with(&format!("/prefetch/{key}"), none.clone()).in_version(version);
                app.sign(request).refused(400, "structure").at(&format!("prefetch.{key}"));
            }
        }
        for none in [json!({}), json!({"entry": [{"resource": coverage}]})] {
            let request = order("47383").with(&format!("/prefetch/{key}"), none);
            app.sign(request).refused(400, "required").at(&format!("prefetch.{key}.resourceType"));
        }
        for (entries, place) in [
            (json!({}), "entry"),
            (json!([CANARY]), "entry[0]"),
            (json!([{"resource": coverage}, {"resource": [coverage]}]), "entry[1].resource"),
        ] {
            let bundle = json!({"resourceType": "Bundle", "type": "searchset", "entry": entries});
            let request = order("47383").with(&format!("/prefetch/{key}"), bundle);
            app.sign(request).refused(400, "structure").at(&format!("prefetch.{key}.{place}"));
        }
    }
}

#[test]
fn a_prefetched_bundle_with_a_next_page_is_known_not_to_be_whole() {
    let unfinished = |request: Request| {
        let text = request.text();
        let json = Json::scan(text.as_bytes(), &MANNER.limits).unwrap();
        let read = request::read(&json, service_of(&text), MANNER.default_version, &MANNER.limits).unwrap();
        let unfinished = read.unfinished.iter().map(|page| (page.kind.clone(), page.next.clone()));
        unfinished.collect::<Vec<_>>()
    };
    let next = |url: Value| json!([{"relation": "self", "url": "s"}, {"relation": "next", "url": url}]);
    let whole = order("47383").with("/prefetch/coverage/link", json!([{"relation": "self", "url": "s"}]));
    assert_eq!(unfinished(whole), []);
    let coverage = |next: &str| ("Coverage".to_owned(), next.to_owned());
    assert_eq!(unfinished(order("47383").with("/prefetch/coverage/link", next(json!("n")))), [coverage("n")]);
    assert_eq!(unfinished(order("47383").with("/prefetch/coverage/link", next(json!(7)))), [coverage("")]);
    // Under a key of ours an empty page tells as much; under another the type of what it holds does.
    let empty = json!({"resourceType": "Bundle", "type": "searchset", "link": next(json!("n"))});
    assert_eq!(unfinished(order("47383").with("/prefetch/coverage", empty)), [coverage("n")]);
    let sent = order("47383").with("/prefetch/coverage/link", next(json!("n"))).at("/prefetch/coverage").clone();
    assert_eq!(unfinished(order("47383").with("/prefetch/canary", sent)), [coverage("n")]);
}

#[test]
fn a_prefetched_page_of_coverages_is_continued_or_the_coverage_is_not_known() {
    let paged = |request: Request, next: &str| {
        request.with("/prefetch/coverage/link", json!([{"relation": "next", "url": next}]))
    };
    let page =
        |entries: Value| Behaviour::sends(&json!({"resourceType": "Bundle", "type": "searchset", "entry": entries}));
    let mut second = order("47383").at("/prefetch/coverage/entry/0").clone();
    second["resource"]["id"] = json!("canary-second-coverage");

    let ehr = FakeEhr::empty().but("Coverage", page(json!([]))).starts();
    let reply = TestApp::beside(&ehr).sign(paged(order("47383").of(&ehr), "Coverage?page=2")).decided();
    assert_eq!(reply.says("covered"), ["not-covered"]);
    assert_eq!(ehr.paths(), ["Coverage"]);

    let ehr = FakeEhr::empty().but("Coverage", page(json!([second]))).starts();
    let request = paged(order("47383").of(&ehr), &format!("{}/Coverage?page=2", ehr.base()));
    TestApp::beside(&ehr).sign(request).refused(400, "multiple-matches").at("prefetch");

    let ehr = FakeEhr::empty().but("Coverage", Behaviour::Says(500)).starts();
    let app = TestApp::beside(&ehr);
    is_technical(&app.sign(paged(order("47383").of(&ehr), "Coverage?page=2")).decided(), Instant::now());

    let ehr = FakeEhr::empty().starts();
    let app = TestApp::beside(&ehr);
    for elsewhere in ["https://elsewhere.example/Coverage?page=2", "/admin", ""] {
        is_technical(&app.sign(paged(order("47383").of(&ehr), elsewhere)).decided(), Instant::now());
    }
    ehr.was_not_called();
    is_technical(&TestApp::start().sign(paged(order("47383"), "Coverage?page=2")).decided(), Instant::now());
}
