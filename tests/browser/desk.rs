//! The order desk: what a clinician sees when she signs.

use std::fs;
use std::net::TcpListener;

use serde_json::{Value, json};

use super::other::{self, Does};
use crate::laws_support::repository;
use crate::support::browser::{Browser, Scheme, open};
use crate::support::{Place, Served};

/// The product lines of policy 633.
const PLANS: [&str; 4] =
    ["Commercial Managed Care (HMO and POS)", "Commercial PPO and Indemnity", "Medicare HMO Blue", "Medicare PPO Blue"];

const FREE: (&str, &str) = ("COVENANT_LISTEN", "127.0.0.1:0");

/// Opens the desk of a server, and waits until it can be used.
fn sits_down(browser: &Browser, server: &Served) {
    browser.goes_to(&format!("http://{}/", server.address));
    browser.waits_for("html[data-ready]");
}

/// Signs, and waits for what is said of the orders.
fn signs(browser: &Browser) {
    browser.clicks("#sign").waits_for("#orders .annotation");
}

/// A desk that may call another server, pointed at it.
fn elsewhere(browser: &Browser, does: Does) -> (Place, Served, String) {
    let other = format!("http://{}", other::server(does));
    let place = Place::empty();
    let server = place.serve_in(&[FREE, ("COVENANT_PAGES_DESK_SERVERS", &other)]);
    sits_down(browser, &server);
    browser.clicks("#entry > details > summary").chooses("server", &other);
    browser.clicks("#entry > details > summary");
    (place, server, other)
}

#[test]
fn every_product_in_every_setting_of_policy_633_is_not_covered_and_the_page_says_why() {
    let Some(browser) = open(Scheme::Light, 1280) else { return };
    let place = Place::empty();
    let server = place.serve();
    sits_down(&browser, &server);
    for plan in PLANS {
        for (place, expected) in [
            ("Not stated", "May apply – Precertification is required"),
            ("Inpatient hospital", "Precertification is required"),
            ("Outpatient hospital", ""),
        ] {
            for code in ["CPT 47371", "CPT 47381", "CPT 47383"] {
                browser.chooses("plan", plan).chooses("place", place).chooses("service", code);
                signs(&browser);
                let said = browser.text("#orders .annotation");
                assert!(said.contains("Not covered – BCBSMA"), "{plan}, {place}: {said}");
                let reason =
                    format!("{code} is investigational under BCBSMA medical policy 633, so it is not covered.");
                assert!(said.contains(&reason), "{plan}, {place}: {said}");
                assert!(said.contains(plan) && said.contains("checked "), "{plan}, {place}: {said}");
                let page = browser.text("#chart");
                assert!(page.contains(expected), "{plan}, {place}: {page}");
                assert!(!page.to_lowercase().contains("denied"), "{page}");
                let cards = browser.texts("#cards .card h3");
                assert!(cards[0].starts_with("Warning: Not covered: CPT"), "{cards:?}");
                let instructs = cards.iter().any(|card| card.contains("Precertification is required"));
                assert_eq!(instructs, place != "Outpatient hospital", "{plan}, {place}: {cards:?}");
            }
        }
    }
    browser.pictures("desk-not-covered");
}

#[test]
fn what_is_asked_and_answered_is_one_click_away_with_the_decision_step_by_step() {
    let Some(browser) = open(Scheme::Light, 1280) else { return };
    let place = Place::empty();
    let server = place.serve();
    sits_down(&browser, &server);
    browser.chooses("service", "CPT 47383").chooses("diagnosis", "ICD-10-CM C22.0").chooses("place", "Inpatient");
    signs(&browser);
    let shown = |id: &str| -> Value {
        let script = format!("return document.getElementById('{id}').textContent");
        serde_json::from_str(browser.runs(&script).as_str().unwrap()).unwrap()
    };
    let (request, response) = (shown("request"), shown("response"));
    assert_eq!(request["prefetch"]["patient"]["id"], request["context"]["patientId"]);
    assert_eq!(request["prefetch"]["coverage"]["entry"][0]["resource"]["resourceType"], "Coverage");
    assert_eq!(response["cards"][0]["indicator"], "warning");
    browser.clicks("#trace-folded > summary").waits_for_words("#trace", "liver-cryoablation");
    let trace = browser.text("#trace");
    for word in ["inpatient", "Policy 633, version 2020-11", "INVESTIGATIONAL", "hepatocellular"] {
        assert!(trace.contains(word), "{word} is not in {trace}");
    }
    assert!(browser.text("#timing").starts_with("Status 200 after "));
    assert!(trace.contains("As it is recorded of request "), "{trace}");
    // Asking why is no call of a hook: that somebody looked is recorded of it.
    let assertion = browser.runs(
        "return JSON.parse(document.getElementById('response').textContent).systemActions[0].resource.extension[0]
           .extension.find((it) => it.url === 'coverage-assertion-id').valueString",
    );
    let explained = place.run(&["explain", assertion.as_str().unwrap()]).succeeded();
    assert!(explained.contains("the order desk, for "), "{explained}");
    let listed = place.run(&["ledger", "search", "--policy", "633"]).succeeded();
    assert_eq!(listed.lines().filter(|line| line.contains("order-sign-crd")).count(), 1, "{listed}");
}

#[test]
fn the_policy_is_read_at_the_passage_that_the_card_rests_on() {
    let Some(browser) = open(Scheme::Light, 1280) else { return };
    let place = Place::empty();
    let server = place.serve();
    sits_down(&browser, &server);
    browser.chooses("service", "CPT 47383").chooses("place", "Inpatient");
    signs(&browser);
    let address = browser.runs("return document.querySelector('.actions a').href");
    let address = address.as_str().unwrap();
    assert!(address.starts_with(&format!("http://{}/policies/633/", server.address)), "{address}");
    browser.goes_to(address);
    assert_eq!(browser.address(), address);
    let anchor = address.split_once('#').unwrap().1;
    assert!(browser.text(&format!("#{anchor}")).contains("is INVESTIGATIONAL"), "{}", browser.text("main"));
    let top = browser.runs("return document.querySelector(location.hash).getBoundingClientRect().top");
    let (top, height) = (top.as_f64().unwrap(), browser.runs("return innerHeight").as_f64().unwrap());
    assert!((-1.0..height).contains(&top), "the passage is at {top} of {height}");
    browser.pictures("policy-633-passage");
}

#[test]
fn an_override_is_sent_with_its_reason_and_found_in_the_ledger() {
    let Some(browser) = open(Scheme::Light, 1280) else { return };
    let place = Place::empty();
    let server = place.serve();
    sits_down(&browser, &server);
    browser.chooses("service", "CPT 47381");
    signs(&browser);
    browser.clicks(".actions details:last-of-type > summary");
    browser.clicks(".anyway input[value=\"1\"]").types(".anyway textarea", "Discussed with the patient.");
    browser.clicks(".anyway button").waits_for_words(".anyway", "Signed, and the payer was told why.");
    browser.pictures("desk-signed-anyway");
    browser.clicks(".annotation > details:last-child > summary");
    let assertion = browser.text(".annotation dd code");
    let explained = place.run(&["explain", &assertion]).succeeded();
    assert!(explained.contains("it was set aside, reason exception-requested, with a comment"), "{explained}");
    let entry = place.run(&["ledger", "show", &assertion]).succeeded();
    assert!(entry.contains("Discussed with the patient."), "{entry}");
}

#[test]
fn an_order_is_signed_and_its_warning_set_aside_by_keys_alone() {
    let Some(browser) = open(Scheme::Light, 1280) else { return };
    let place = Place::empty();
    let server = place.serve();
    sits_down(&browser, &server);
    const ENTER: char = '\u{e007}';
    browser.tabs_to("select[name=service]").types("select[name=service]", "CPT 47383");
    browser.tabs_to("#sign").presses(ENTER).waits_for("#orders .annotation");
    browser.tabs_to(".actions details:last-of-type > summary").presses(ENTER);
    browser.tabs_to(".anyway input[type=radio]").presses(' ');
    browser.tabs_to(".anyway button").presses(ENTER);
    browser.waits_for_words(".anyway", "Signed, and the payer was told why.");
}

#[test]
fn a_payer_that_does_not_answer_never_keeps_an_order_from_being_signed() {
    let Some(browser) = open(Scheme::Light, 1280) else { return };
    let (_place, _server, _) = elsewhere(&browser, Does::Hangs);
    browser.clicks("#sign").waits_for_words("#state", "Asking the payer");
    browser.pictures("desk-waiting");
    browser.waits_for_words("#orders", "No answer in time.");
    assert!(browser.text("#state").contains("The orders are signed"), "{}", browser.text("#state"));
    browser.pictures("desk-timed-out");
}

#[test]
fn a_server_that_is_busy_says_so_and_the_order_is_signed() {
    let Some(browser) = open(Scheme::Light, 1280) else { return };
    let place = Place::empty();
    let server = place.serve_in(&[FREE, ("COVENANT_LIMITS_BYTES_IN_FLIGHT", "1")]);
    sits_down(&browser, &server);
    browser.clicks("#sign").waits_for_words("#orders", "No answer (503)");
    assert!(browser.text("#orders").contains("Too many requests are being answered. Please try again."));
    assert!(browser.text("#state").contains("The orders are signed"));
    browser.pictures("desk-503");
}

#[test]
fn several_orders_are_answered_each_in_its_row_and_an_earlier_answer_is_superseded() {
    let Some(browser) = open(Scheme::Light, 1280) else { return };
    let place = Place::empty();
    let server = place.serve();
    sits_down(&browser, &server);
    browser.chooses("patient", "Sample, Bruno").chooses("service", "CPT 47383").clicks("#add");
    browser.chooses("service", "CPT 99213");
    signs(&browser);
    let rows = browser.texts("#orders > li");
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows[0].contains("Not covered – BCBSMA"), "{rows:?}");
    assert!(rows[1].contains("Depends – BCBSMA"), "{rows:?}");
    browser.pictures("desk-several");
    browser.chooses("place", "Office");
    assert_eq!(browser.texts("#orders > li").len(), 0);
    assert!(browser.text("#state").contains("Sign to ask the payer again"), "{}", browser.text("#state"));
    browser.clicks("#earlier > summary").waits_for_words("#superseded", "Superseded");
    browser.pictures("desk-superseded");
}

#[test]
fn what_other_policies_decide_has_a_word_of_its_own() {
    let Some(browser) = open(Scheme::Light, 1280) else { return };
    let (place, policies) = (Place::empty(), repository("tests/policies"));
    let server = place.serve_in(&[FREE, ("COVENANT_POLICIES", policies.to_str().unwrap())]);
    sits_down(&browser, &server);
    browser.chooses("plan", "Example PPO");
    for (code, word) in
        [("CPT 99901", "Authorization needed"), ("CPT 99902", "Covered"), ("CPT 99903", "Authorization depends")]
    {
        browser.chooses("service", code);
        signs(&browser);
        let said = browser.text("#orders .annotation .headline");
        assert!(said.contains(word), "{code}: {said}");
        browser.pictures(&format!("desk-{}", word.to_lowercase().replace(' ', "-")));
    }
}

#[test]
fn what_another_server_answers_is_shown_in_the_same_words() {
    for (file, word) in
        [("ex-101-authorized", "Authorization satisfied"), ("directory-fails", "Could not be determined")]
    {
        let Some(browser) = open(Scheme::Light, 1280) else { return };
        let answer = fs::read_to_string(repository(&format!("tests/policies/examples/{file}.response.json"))).unwrap();
        let (_place, _server, _) = elsewhere(&browser, Does::Answers(answer.replace("example-order", "desk-order-1")));
        signs(&browser);
        let said = browser.text("#orders .annotation .headline");
        assert!(said.contains(word), "{said}");
        assert!(!browser.sees("#trace-folded"), "another server's decision is not known");
        browser.pictures(&format!("desk-{}", word.to_lowercase().replace(' ', "-")));
    }
}

#[test]
fn t17_a_desk_on_another_origin_is_answered_where_that_origin_is_allowed_and_nowhere_else() {
    let Some(browser) = open(Scheme::Light, 1280) else { return };
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (desk, open, closed) = (free(), free(), free());
    let (origin, others) = (format!("http://{desk}"), format!("http://{open},http://{closed}"));
    let places = [(); 3].map(|()| Place::empty());
    let server = places[0].serve_in(&[("COVENANT_LISTEN", &desk), ("COVENANT_PAGES_DESK_SERVERS", &others)]);
    let _open = places[1].serve_in(&[("COVENANT_LISTEN", &open), ("COVENANT_CORS_ORIGINS", &origin)]);
    let _closed = places[2].serve_in(&[("COVENANT_LISTEN", &closed)]);
    sits_down(&browser, &server);
    browser.clicks("#entry > details > summary");
    browser.chooses("server", &format!("http://{open}"));
    signs(&browser);
    assert!(browser.text("#orders").contains("Not covered"), "{}", browser.text("#chart"));
    assert!(browser.text("#timing").contains("request "), "the call's id can be read");
    browser.chooses("server", &format!("http://{closed}"));
    browser.clicks("#sign").waits_for_words("#orders", "No answer.");
}

#[test]
fn kinds_of_answer_that_are_not_wanted_are_not_given() {
    let Some(browser) = open(Scheme::Light, 1280) else { return };
    let place = Place::empty();
    let server = place.serve();
    sits_down(&browser, &server);
    browser.chooses("place", "Inpatient").clicks("#entry > details > summary").waits_for("#options input");
    browser.clicks("#options input[name=option-guideline]").clicks("#sign").waits_for("#cards .card");
    let cards = browser.texts("#cards .card h3");
    assert_eq!(cards.len(), 1, "{cards:?}");
    assert!(cards[0].contains("Precertification"), "{cards:?}");
    browser.clicks("#options input[name=option-coverage-info]").clicks("#sign");
    browser.waits_for_words("#orders", "No coverage information came back for this order.");
    browser.chooses("version", "2.0").clicks("#options input[name=option-coverage-info]").clicks("#sign");
    browser.waits_for("#orders .annotation");
    assert!(
        browser.runs("return document.getElementById('request').textContent").as_str().unwrap().contains("\"2.0\"")
    );
}

/// An answer about the desk's first order: its coverage information, and cards.
fn answer(parts: &Value, cards: &Value) -> String {
    let url = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-coverage-information";
    let order = json!({
        "resourceType": "ServiceRequest", "id": "desk-order-1", "extension": [{"url": url, "extension": parts}],
    });
    let update = json!({"type": "update", "description": "Coverage information", "resource": order});
    json!({"cards": cards, "systemActions": [update]}).to_string()
}

fn about_the_order(card: &Value) -> Value {
    let mut card = card.clone();
    let about = json!([{"reference": "ServiceRequest/desk-order-1"}]);
    card["extension"] = json!({"davinci-crd.associated-resource": about});
    card["source"] = json!({"label": "Elsewhere Health"});
    card
}

#[test]
fn signing_is_told_for_each_order() {
    let Some(browser) = open(Scheme::Light, 1280) else { return };
    let place = Place::empty();
    let server = place.serve();
    sits_down(&browser, &server);
    browser.chooses("service", "CPT 47383").clicks("#add").chooses("service", "CPT 99213");
    signs(&browser);
    assert_eq!(browser.texts("#orders .signing"), ["Not signed yet.", "Signed."]);
    let state = browser.text("#state");
    assert!(state.contains("1 of 2 orders is signed."), "{state}");
    assert!(!state.contains("The orders are signed"), "{state}");
    assert_eq!(browser.texts("#orders > li:last-child .anyway").len(), 0, "what is signed is not to be set aside");
    browser.clicks(".actions details:last-of-type > summary").clicks(".anyway input[value=\"0\"]");
    browser.clicks(".anyway button").waits_for_words(".anyway", "Signed, and the payer was told why.");
    assert_eq!(browser.texts("#orders .signing"), ["Signed.", "Signed."]);
    assert_eq!(browser.text("#state"), "The orders are signed.");
    browser.pictures("desk-signed-each");
}

#[test]
fn an_order_past_the_most_cards_can_be_set_aside_too() {
    let Some(browser) = open(Scheme::Light, 1280) else { return };
    let place = Place::empty();
    let server = place.serve();
    sits_down(&browser, &server);
    browser.chooses("service", "CPT 47383").clicks("#add").chooses("service", "CPT 47381");
    browser.clicks("#entry > details > summary").waits_for("#options input[name=option-max-cards]");
    browser.runs(
        "const most = document.querySelector('[name=option-max-cards]'); most.value = 1;
         most.dispatchEvent(new Event('change', { bubbles: true }))",
    );
    signs(&browser);
    assert_eq!(browser.texts("#cards .card").len(), 1, "{}", browser.text("#cards"));
    assert_eq!(browser.texts("#orders .signing"), ["Not signed yet.", "Not signed yet."]);
    for (order, told) in [(1, "Signed, and the payer was told why."), (2, "the payer showed no card of this order")] {
        let of = |css: &str| format!("#orders > li:nth-child({order}) {css}");
        browser.clicks(&of(".actions details:last-of-type > summary")).clicks(&of(".anyway input[value=\"0\"]"));
        browser.clicks(&of(".anyway button"));
        let words = told.trim_start_matches("the ");
        browser.waits_for_words(&of(".anyway"), words);
    }
    assert_eq!(browser.texts("#orders .signing"), ["Signed.", "Signed."]);
}

#[test]
fn another_patient_empties_the_basket_and_the_desk_says_so() {
    let Some(browser) = open(Scheme::Light, 1280) else { return };
    let place = Place::empty();
    let server = place.serve();
    sits_down(&browser, &server);
    browser.chooses("service", "CPT 47383").clicks("#add").clicks("#add");
    assert_eq!(browser.texts("#basket li").len(), 2);
    browser.chooses("patient", "Sample, Bruno");
    assert_eq!(browser.texts("#basket li").len(), 0);
    let note = browser.text("#basket-note");
    assert_eq!(note, "The 2 orders that were added are for another patient, so the list was emptied.");
    signs(&browser);
    assert_eq!(browser.texts("#orders > li").len(), 1);
    // Another plan is the same patient's.
    browser.clicks("#add").chooses("plan", "Medicare HMO Blue");
    assert_eq!((browser.texts("#basket li").len(), browser.text("#basket-note")), (1, String::new()));
}

#[test]
fn the_policy_that_is_read_is_a_policy_and_no_other_link_of_a_card() {
    let form = about_the_order(&json!({
        "uuid": "6e0e8c1c-7d6b-4d5a-9d51-6b8ad3a0a001", "summary": "Fill in a form", "indicator": "info",
        "links": [{"label": "The form", "url": "https://forms.example/launch", "type": "absolute"}],
    }));
    let covered = json!({"url": "covered", "valueCode": "covered"});
    let policy_link = json!({"url": "detail", "extension": [
        {"url": "code", "valueCodeableConcept": {"coding": [{"code": "policy-link"}]}},
        {"url": "value", "valueUrl": "https://elsewhere.example/policies/1"},
    ]});
    for (parts, leads) in
        [(json!([covered]), None), (json!([covered, policy_link]), Some("https://elsewhere.example/policies/1"))]
    {
        let Some(browser) = open(Scheme::Light, 1280) else { return };
        let (_place, _server, _) = elsewhere(&browser, Does::Answers(answer(&parts, &json!([form]))));
        signs(&browser);
        let links = browser.runs(
            "return [...document.querySelectorAll('.actions > p > a')].map((it) => `${it.textContent} ${it.href}`)",
        );
        let expected: Vec<String> = leads.iter().map(|url| format!("Read the policy {url}")).collect();
        assert_eq!(links, json!(expected));
        assert!(browser.text(".actions").contains("Related (1)"), "{}", browser.text(".actions"));
    }
}

#[test]
fn each_annotation_names_the_coverage_that_its_extension_names() {
    let Some(browser) = open(Scheme::Light, 1280) else { return };
    let parts = json!([
        {"url": "coverage", "valueReference": {"reference": "Coverage/of-another-plan"}},
        {"url": "covered", "valueCode": "covered"},
    ]);
    let (_place, _server, _) = elsewhere(&browser, Does::Answers(answer(&parts, &json!([]))));
    signs(&browser);
    let said = browser.text("#orders .annotation");
    assert!(said.contains("Coverage/of-another-plan"), "{said}");
    assert!(!said.contains(PLANS[0]), "{said}");
}

#[test]
fn an_answer_whose_authorization_stands_does_not_ask_for_what_its_request_must_show() {
    let Some(browser) = open(Scheme::Light, 1280) else { return };
    let file = repository("tests/policies/examples/ex-101-authorized.response.json");
    let recorded = fs::read_to_string(file).unwrap().replace("example-order", "desk-order-1");
    let mut response: Value = serde_json::from_str(&recorded).unwrap();
    let parts = response["systemActions"][0]["resource"]["extension"][0]["extension"].as_array_mut().unwrap();
    parts.push(json!({"url": "doc-needed", "valueCode": "clinical"}));
    parts.push(json!({"url": "doc-purpose", "valueCode": "withpa"}));
    parts.push(json!({"url": "questionnaire", "valueCanonical": "https://elsewhere.example/Questionnaire/1"}));
    let (_place, _server, _) = elsewhere(&browser, Does::Answers(response.to_string()));
    signs(&browser);
    let said = browser.text("#chart").split("What was said").next().unwrap().to_owned();
    assert!(said.contains("Authorization satisfied") && said.contains("Authorization PA-123 stands"), "{said}");
    for asked in ["must show", "questionnaire", "A form to fill in", "Clinical documents", "go with the request"] {
        assert!(!said.contains(asked), "{asked} is in {said}");
    }
    assert_eq!(browser.texts("#orders .signing"), ["Signed."]);
}

#[test]
fn a_refusal_a_malformed_answer_and_a_server_that_is_not_there_are_told_apart() {
    let outcome = json!({"resourceType": "OperationOutcome", "issue": [
        {"severity": "error", "code": "invariant", "details": {"text": "The coverage is another patient's."},
         "expression": ["Coverage.beneficiary"]},
        {"severity": "error", "code": "value", "diagnostics": "A second sentence."},
    ]});
    let said = [
        (
            Does::Says(422, outcome.to_string()),
            "The payer refused the request (422).",
            "The coverage is another patient's. (Coverage.beneficiary) A second sentence.",
        ),
        (Does::Says(400, "{}".to_owned()), "The payer refused the request (400).", "The server gave no reason."),
        (Does::Says(500, outcome.to_string()), "No answer (500).", "The coverage is another patient's."),
        (Does::Answers("<html>".to_owned()), "The answer cannot be read.", "is not a CDS Hooks response"),
        (Does::Answers("{\"cards\":5}".to_owned()), "The answer cannot be read.", "is not a CDS Hooks response"),
        (
            Does::Answers(
                json!({"cards": [], "systemActions": [{"type": "update", "resource": {"extension": 5}}]}).to_string(),
            ),
            "The answer cannot be read.",
            "is not a CDS Hooks response",
        ),
    ];
    for (does, headline, words) in said {
        let Some(browser) = open(Scheme::Light, 1280) else { return };
        let (_place, _server, _) = elsewhere(&browser, does);
        signs(&browser);
        let told = browser.text("#orders");
        assert!(told.contains(headline) && told.contains(words), "{headline}: {told}");
        assert!(!told.contains("cannot be reached"), "{told}");
        assert_eq!(browser.texts("#orders .signing"), ["Signed."]);
    }
    let Some(browser) = open(Scheme::Light, 1280) else { return };
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (place, other) = (Place::empty(), format!("http://{gone}"));
    let server = place.serve_in(&[FREE, ("COVENANT_PAGES_DESK_SERVERS", &other)]);
    sits_down(&browser, &server);
    browser.clicks("#entry > details > summary").chooses("server", &other);
    signs(&browser);
    let told = browser.text("#orders");
    assert!(told.contains("No answer.") && told.contains("The server cannot be reached"), "{told}");
}
