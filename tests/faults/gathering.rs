//! What the prefetch lacks is asked of the EHR's FHIR server (FAULTS C01, C04, C06, C07, E01–E12, H13).

use std::time::{Duration, Instant};

use covenant::config::PayerCheck;
use serde_json::{Value, json};

use crate::support::{Behaviour, FakeEhr, Reply, Request, RunningEhr, TestApp, held, order};

/// The longest that any answer may take, whatever the EHR does.
const LONGEST: Duration = Duration::from_millis(4500);

fn coverage() -> Value {
    held().into_iter().find(|resource| resource["resourceType"] == "Coverage").unwrap()
}

fn patient() -> String {
    order("47383").at("/context/patientId").as_str().unwrap().to_owned()
}

/// The request without its prefetched Coverage.
pub(super) fn without_coverage() -> Request {
    order("47383").without("/prefetch/coverage")
}

/// The request of an order whose setting only a Location tells.
fn at_a_location() -> Request {
    let request = order("47383").not_ordering("locationCode");
    request.ordering("locationReference", json!([{"reference": "Location/canary-place"}]))
}

fn location() -> Value {
    json!({"resourceType": "Location", "id": "canary-place", "type": [{"coding": [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "ICU"}]}]})
}

/// It must be the degraded answer, in time: indeterminate, technical, on an order that is otherwise as it was sent.
#[track_caller]
pub(super) fn is_technical(reply: &Reply, began: Instant) {
    assert!(began.elapsed() < LONGEST, "{:?}", began.elapsed());
    assert_eq!(reply.says("covered"), ["indeterminate"], "{}", reply.text());
    assert_eq!(reply.says("pa-needed"), [""; 0]);
    assert_eq!(reply.says("info-needed"), [""; 0]);
    let reason = reply.coverage_information()[0]["extension"].as_array().unwrap().clone();
    let reason = reason.into_iter().find(|part| part["url"] == "reason").unwrap();
    assert_eq!(reason["valueCodeableConcept"]["coding"][0]["code"], "technical");
}

/// Asks for the Coverage of an EHR that behaves like this, and must get the degraded answer.
#[track_caller]
fn coverage_fails(behaviour: Behaviour) -> RunningEhr {
    let ehr = FakeEhr::holding(held()).but("Coverage", behaviour).starts();
    let began = Instant::now();
    let reply = TestApp::beside(&ehr).sign(without_coverage().of(&ehr)).decided();
    is_technical(&reply, began);
    reply.returns(&without_coverage().order_text());
    ehr
}

#[test]
fn what_the_prefetch_lacks_is_asked_for_and_the_answer_is_that_to_a_complete_request() {
    let ehr = FakeEhr::holding(held()).starts();
    let app = TestApp::beside(&ehr);
    let complete = app.sign(order("47383")).decided();
    let request = order("47383").with("/prefetch", json!({})).of(&ehr);
    let asked = app.sign(request).decided();
    for name in ["covered", "reason", "detail", "info-needed", "coverage"] {
        assert_eq!(asked.says(name), complete.says(name), "{name}");
    }
    assert_eq!(asked.card_texts(), complete.card_texts());
    let search = ehr.requests().into_iter().find(|asked| asked.path == "Coverage").unwrap();
    assert!(search.query.contains(&("patient".to_owned(), patient())), "{:?}", search.query);
    assert!(search.query.contains(&("status".to_owned(), "active".to_owned())), "{:?}", search.query);
}

#[test]
fn found_28_what_no_policy_looks_at_is_not_asked_for() {
    let ehr = FakeEhr::holding(held()).starts();
    let other = at_a_location().ordering("code", json!({"text": "Something else"}));
    TestApp::beside(&ehr).sign(other.of(&ehr)).decided();
    ehr.was_not_called();
}

#[test]
fn a_request_that_has_everything_asks_nobody() {
    let ehr = FakeEhr::holding(held()).starts();
    TestApp::beside(&ehr).sign(order("47383").of(&ehr)).decided();
    assert_eq!(ehr.paths(), [""; 0]);
}

#[test]
fn an_order_s_location_is_asked_for_and_tells_the_setting() {
    let ehr = FakeEhr::holding([location()]).starts();
    let reply = TestApp::beside(&ehr).sign(at_a_location().in_version("2.0").of(&ehr)).decided();
    assert_eq!(ehr.paths(), ["Location/canary-place"]);
    assert_eq!(reply.says("pa-needed"), ["auth-needed"]);
}

#[test]
fn c01_a_coverage_that_nobody_has_is_refused_after_it_was_asked_for() {
    let ehr = FakeEhr::empty().starts();
    let app = TestApp::beside(&ehr);
    for request in [without_coverage(), order("47383").with("/prefetch/coverage", Value::Null)] {
        app.sign(request.of(&ehr)).refused(400, "not-found").at("prefetch");
    }
    assert_eq!(ehr.paths(), ["Coverage", "Coverage"]);
}

#[test]
fn c02_two_coverages_of_the_ehr_are_refused() {
    let mut other = coverage();
    other["id"] = json!("canary-other-coverage");
    let ehr = FakeEhr::holding(held().into_iter().chain([other])).starts();
    TestApp::beside(&ehr).sign(without_coverage().of(&ehr)).refused(400, "multiple-matches").at("prefetch");
}

#[test]
fn c04_a_payer_that_cannot_be_fetched_is_a_technical_failure() {
    let payer = "Organization/canary-payer";
    let ehr = FakeEhr::holding(held()).but(payer, Behaviour::Says(500)).starts();
    let app = TestApp::beside(&ehr);
    let request = order("47383").covered("payor", json!([{"reference": payer}])).without("/prefetch/payer");
    let began = Instant::now();
    is_technical(&app.sign(request.of(&ehr)).decided(), began);
}

#[test]
fn c03_a_payer_that_is_fetched_is_looked_at_like_one_that_was_sent() {
    let request = order("47383");
    let mut payer = request.at("/prefetch/payer").clone();
    let name = format!("Organization/{}", payer["id"].as_str().unwrap());
    let request = || order("47383").without("/prefetch/payer");
    let ehr = FakeEhr::holding([payer.clone()]).starts();
    TestApp::beside(&ehr).sign(request().of(&ehr)).decided();
    assert_eq!(ehr.paths(), [name]);
    payer["identifier"][0]["value"] = json!("canary-another");
    let ehr = FakeEhr::holding([payer]).starts();
    TestApp::beside(&ehr).sign(request().of(&ehr)).refused(400, "not-supported").at("Coverage.payor");
}

#[test]
fn c06_a_coverage_that_could_not_be_asked_for_names_the_one_the_order_is_under() {
    let ehr = FakeEhr::empty().but("Coverage", Behaviour::Says(500)).starts();
    let app = TestApp::beside(&ehr);
    let under = json!([{"reference": "Coverage/canary-coverage"}]);
    let named = app.sign(without_coverage().ordering("insurance", under).of(&ehr)).decided();
    assert_eq!(named.says("coverage"), ["Coverage/canary-coverage"]);
    let unnamed = app.sign(without_coverage().of(&ehr)).decided();
    let part = unnamed.coverage_information()[0]["extension"][0].clone();
    assert_eq!(part["valueReference"]["type"], "Coverage");
    assert!(part["valueReference"]["display"].is_string() && part["valueReference"].get("reference").is_none());
}

#[test]
fn h19_signing_again_and_again_leaves_one_answer_of_ours_and_all_of_others() {
    let ehr = FakeEhr::empty().but("Coverage", Behaviour::Says(500)).starts();
    let app = TestApp::beside(&ehr);
    let url = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-coverage-information";
    let other = |coverage: Value| {
        json!({"url": url, "extension": [
            {"url": "coverage", "valueReference": coverage},
            {"url": "covered", "valueCode": "covered"},
            {"url": "contact", "valueContactPoint": {"system": "url", "value": "https://another.example.org"}},
            {"url": "coverage-assertion-id", "valueString": "canary-of-another-payer"}
        ]})
    };
    let others = [
        other(json!({"reference": "Coverage/canary-of-another"})),
        other(json!({"type": "Coverage", "display": "The patient's coverage with Another"})),
    ];
    let answered = || order("47383");
    let under = json!([{"reference": "https://ehr.example.org/fhir/Coverage/canary-coverage"}]);
    let technical = || without_coverage().ordering("insurance", under.clone());
    let unnamed = without_coverage;
    type Sent<'s> = &'s dyn Fn() -> Request;
    let rounds: [[Sent<'_>; 4]; 6] = [
        [&answered, &answered, &answered, &answered],
        [&technical, &technical, &technical, &technical],
        [&unnamed, &unnamed, &unnamed, &unnamed],
        [&answered, &technical, &unnamed, &answered],
        [&unnamed, &answered, &technical, &unnamed],
        [&technical, &unnamed, &answered, &technical],
    ];
    for (version, round) in ["2.0", "2.2"].into_iter().flat_map(|version| rounds.map(|round| (version, round))) {
        let mut carried = json!(others);
        for (turn, request) in round.into_iter().enumerate() {
            let said =
                app.sign(request().in_version(version).ordering("extension", carried.clone()).of(&ehr)).answered();
            if let Some(order) = said.orders().first() {
                carried = serde_json::from_str::<Value>(order).unwrap()["extension"].clone();
            }
            let list = carried.as_array().unwrap();
            assert_eq!(list[..2], others, "{version} {turn}");
            assert_eq!(list.len(), 3, "{version} {turn}: {carried}");
        }
    }
}

#[test]
fn c07_a_failure_in_the_prefetch_is_asked_for_once() {
    let outcome = json!({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]});
    let failed = || order("47383").with("/prefetch/coverage", outcome.clone());
    let ehr = FakeEhr::holding(held()).starts();
    TestApp::beside(&ehr).sign(failed().of(&ehr)).decided();
    assert_eq!(ehr.paths(), ["Coverage"]);
    let ehr = FakeEhr::empty().but("Coverage", Behaviour::Says(403)).starts();
    let began = Instant::now();
    is_technical(&TestApp::beside(&ehr).sign(failed().of(&ehr)).decided(), began);
    assert_eq!(ehr.paths(), ["Coverage"]);
}

#[test]
fn e01_an_ehr_that_refuses_the_token_makes_the_answer_technical() {
    for status in [401, 403] {
        assert_eq!(coverage_fails(Behaviour::Says(status)).paths(), ["Coverage"]);
    }
}

#[test]
fn e02_an_ehr_that_hangs_makes_the_answer_technical_in_time() {
    coverage_fails(Behaviour::Hangs);
}

#[test]
fn e03_an_ehr_that_drips_or_floods_is_cut_off() {
    coverage_fails(Behaviour::Drips);
    coverage_fails(Behaviour::Floods { length: Some(1_000_000_000) });
}

#[test]
fn e04_an_ehr_that_is_busy_is_asked_once_more() {
    let again = Behaviour::IsBusy { status: 503, retry_after: Some("0"), times: 1 };
    let ehr = FakeEhr::holding(held()).but("Coverage", again).starts();
    TestApp::beside(&ehr).sign(without_coverage().of(&ehr)).decided();
    assert_eq!(ehr.paths(), ["Coverage", "Coverage"]);
    coverage_fails(Behaviour::Says(500));
}

#[test]
fn e05_what_is_not_the_resource_that_was_asked_for_is_not_used() {
    coverage_fails(Behaviour::Sends("<html>canary</html>".to_owned()));
    coverage_fails(Behaviour::Sends("{\"resourceType\":".to_owned()));
    coverage_fails(Behaviour::sends(&coverage()));
    let mut another = coverage();
    another["beneficiary"]["reference"] = json!("Patient/canary-another");
    coverage_fails(Behaviour::sends(&json!({
        "resourceType": "Bundle", "type": "searchset", "entry": [{"resource": another}]
    })));
}

#[test]
fn e05_a_resource_that_breaks_fhir_is_not_used() {
    let mut broken = location();
    broken["type"] = json!("canary");
    let ehr = FakeEhr::holding([broken]).starts();
    let reply = TestApp::beside(&ehr).sign(at_a_location().in_version("2.0").of(&ehr)).decided();
    // The setting does not matter to whether it is a benefit, only to what must be done first.
    assert_eq!(reply.says("covered"), ["not-covered"]);
    assert_eq!(reply.says("pa-needed"), ["conditional"]);
}

#[test]
fn e06_an_ehr_that_ignores_what_it_is_asked_is_not_believed() {
    coverage_fails(Behaviour::Ignores("patient"));
}

#[test]
fn e07_a_next_page_elsewhere_is_not_followed() {
    let elsewhere = FakeEhr::holding(held()).starts();
    coverage_fails(Behaviour::HasMoreAt(format!("{}/Coverage?page=2", elsewhere.base())));
    elsewhere.was_not_called();
}

#[test]
fn e08_a_redirect_is_not_followed() {
    let elsewhere = FakeEhr::holding(held()).starts();
    coverage_fails(Behaviour::Redirects(format!("{}/Coverage", elsewhere.base())));
    elsewhere.was_not_called();
}

#[test]
fn e09_a_server_that_is_not_registered_gets_no_call_and_no_token() {
    let (ehr, other) = (FakeEhr::holding(held()).starts(), FakeEhr::holding(held()).starts());
    let app = TestApp::beside(&ehr);
    let complete = order("47383").of(&other);
    assert_eq!(app.sign(complete).decided().says("covered"), ["not-covered"]);
    let began = Instant::now();
    is_technical(&app.sign(without_coverage().of(&other)).decided(), began);
    let look_alike = without_coverage().of(&ehr).with("/fhirServer", format!("{}.evil.example", ehr.base()));
    is_technical(&app.sign(look_alike).decided(), began);
    ehr.was_not_called();
    other.was_not_called();
}

#[test]
fn e09_a_payer_that_only_a_server_that_is_never_asked_could_name_is_one_that_is_not_said() {
    let other = FakeEhr::holding(held()).starts();
    let request = order("47383").without("/prefetch/payer").of(&other);
    let app = TestApp::start();
    assert_eq!(app.sign(&request).decided().says("covered"), ["not-covered"]);
    let strict = TestApp::with_settings(|settings| settings.payer_check = PayerCheck::Strict);
    is_technical(&strict.sign(&request).decided(), Instant::now());
    other.was_not_called();
}

#[test]
fn e10_a_server_without_encryption_is_refused_where_it_must_be_encrypted() {
    let app = TestApp::with_settings(|settings| settings.ehr.allow_http = false);
    let open = order("47383").with("/fhirServer", "http://canary.example/fhir");
    app.sign(open).refused(400, "value").at("fhirServer");
    app.sign(order("47383").with("/fhirServer", "https://ehr.example.org/fhir")).decided();
    app.sign(order("47383").with("/fhirServer", "canary")).refused(400, "value").at("fhirServer");
}

#[test]
fn e11_a_registered_server_at_a_private_address_is_not_reached_unless_it_may_be() {
    let ehr = FakeEhr::holding(held()).starts();
    // A name, not an address: what it resolves to is looked at when it is called.
    let named = format!("http://localhost:{}/fhir", ehr.port());
    let app = TestApp::with_settings(|settings| settings.ehr.servers = vec![named.clone()]);
    let began = Instant::now();
    is_technical(&app.sign(without_coverage().of(&ehr).with("/fhirServer", named.clone())).decided(), began);
    ehr.was_not_called();
}

#[test]
fn e12_a_token_that_is_over_is_not_used() {
    let ehr = FakeEhr::holding(held()).starts();
    let began = Instant::now();
    let over = without_coverage().of(&ehr).with("/fhirAuthorization/expires_in", 1);
    is_technical(&TestApp::beside(&ehr).sign(over).decided(), began);
    ehr.was_not_called();
}

#[test]
fn r07_an_access_token_is_in_no_answer_and_in_no_entry() {
    let ehr = FakeEhr::holding(held()).starts();
    let request = without_coverage().of(&ehr);
    let token = request.at("/fhirAuthorization/access_token").as_str().unwrap().to_owned();
    let app = TestApp::beside(&ehr);
    let reply = app.sign(request).decided();
    assert!(!reply.text().contains(&token));
    let entry = app.entry(&reply.assertions()[0]);
    let kept = [&entry.request[..], &entry.response, entry.learned.as_bytes(), entry.determinations.as_bytes()];
    for part in kept {
        assert!(!std::str::from_utf8(part).unwrap().contains(&token));
    }
    // What was learnt with it is kept, so it was looked at where it could be.
    assert!(entry.learned.contains("Coverage") && !entry.request.is_empty());
    assert_eq!(ehr.requests()[0].header("authorization"), Some(format!("Bearer {token}").as_str()));
}

/// A dispatch of the usual order, which is not sent with it.
fn dispatch(version: &str) -> Request {
    let patient = patient();
    let request = order("47383").in_version(version).with("/hook", "order-dispatch");
    let order =
        format!("ServiceRequest/{}", order("47383").at("/context/draftOrders/entry/0/resource/id").as_str().unwrap());
    let context = match version {
        "2.0" => json!({"patientId": patient, "order": order, "performer": "Organization/canary-performer"}),
        _ => json!({"patientId": patient, "dispatchedOrders": [order], "performer": "Organization/canary-performer"}),
    };
    request.with("/context", context)
}

#[test]
fn a_dispatched_order_is_fetched_and_returned_as_the_ehr_gave_it() {
    let sent = order("47383").order_text();
    let path =
        format!("ServiceRequest/{}", order("47383").at("/context/draftOrders/entry/0/resource/id").as_str().unwrap());
    // White space and digits are the EHR's own.
    let sent = format!("{{ {}", &sent[1..]);
    let ehr = FakeEhr::holding(held()).but(&path, Behaviour::Sends(sent.clone())).starts();
    let app = TestApp::beside(&ehr);
    for version in ["2.0", "2.2"] {
        let reply = app.invoke(dispatch(version).of(&ehr)).decided();
        reply.returns(&sent);
        assert_eq!(reply.says("covered"), ["not-covered"]);
    }
}

#[test]
fn h13_a_dispatched_order_that_nobody_can_find_is_refused() {
    let ehr = FakeEhr::empty().starts();
    let app = TestApp::beside(&ehr);
    app.invoke(dispatch("2.2").of(&ehr)).refused(422, "not-found").at("context.dispatchedOrders[0]");
    // Nobody was asked, and nobody could be.
    app.invoke(dispatch("2.0")).refused(412, "incomplete").at("context.order");
}

#[test]
fn g08_that_an_order_could_not_be_had_is_told_by_a_card_and_others_are_answered() {
    let id = order("47383").at("/context/draftOrders/entry/0/resource/id").as_str().unwrap().to_owned();
    let failing = FakeEhr::holding(held()).but(&format!("ServiceRequest/{id}"), Behaviour::Says(500)).starts();
    let tells = |reply: &Reply, reference: &str| {
        let json = reply.json();
        let cards = json["cards"].as_array().unwrap();
        let card = cards.iter().find(|card| card["summary"].as_str().unwrap().contains("could not read an order"));
        let about = &card.unwrap()["extension"]["davinci-crd.associated-resource"][0]["reference"];
        assert_eq!(about, reference);
    };
    // It is the only one.
    let reply = TestApp::beside(&failing).invoke(dispatch("2.2").of(&failing)).answered();
    tells(&reply, &format!("ServiceRequest/{id}"));
    assert!(reply.orders().is_empty());
    // Another one is answered all the same.
    let sent: Value = serde_json::from_str(&order("47383").order_text()).unwrap();
    let ehr =
        FakeEhr::holding(held().into_iter().chain([sent])).but("ServiceRequest/gone", Behaviour::Says(500)).starts();
    let both = json!([format!("ServiceRequest/{id}"), "ServiceRequest/gone"]);
    for orders in [both.clone(), json!([both[1], both[0]])] {
        let request = dispatch("2.2").of(&ehr).with("/context/dispatchedOrders", orders);
        let reply = TestApp::beside(&ehr).invoke(request).answered();
        assert_eq!(reply.says("covered"), ["not-covered"]);
        tells(&reply, "ServiceRequest/gone");
    }
}
