//! What the operators' page and `/readyz` say while calls go wrong: the page is green only while all is known to be well.

use covenant::record::LedgerError;
use serde_json::json;

use super::app;
use super::shown::Shown;
use crate::support::{Behaviour, FakeEhr, RunningEhr, TestApp, TestLedger, held, operated, order};

const GREEN: &str = "Nothing needs to be looked at";

/// What is to be acted on, told under its heading.
fn grave(page: &Shown) -> Vec<String> {
    page.all("section[aria-labelledby=trouble] li").into_iter().map(|(_, text)| text).collect()
}

/// What is to be looked at, told under its heading.
fn lesser(page: &Shown) -> Vec<String> {
    page.all("section[aria-labelledby=lesser-trouble] li").into_iter().map(|(_, text)| text).collect()
}

#[track_caller]
fn is_ready(app: &TestApp) {
    let reply = app.ops().get("/readyz");
    assert_eq!((reply.status, reply.json()), (200, json!({"ready": true})));
}

#[test]
fn a_page_of_a_server_without_calls_says_that_nothing_is_known_and_is_not_green() {
    let page = Shown::of(&app());
    assert!(page.text.contains("No call has come in the last 5 minutes, so how calls are answered is not known"));
    assert!(!page.text.contains(GREEN), "{}", page.text);
    assert!(page.all(".said.covered").iter().all(|(_, text)| text == "✓ ready"), "{}", page.text);
}

#[test]
fn a_page_is_green_while_calls_are_answered() {
    let app = app();
    app.sign(order("47383")).decided();
    let page = Shown::of(&app);
    assert!(page.text.contains(GREEN), "{}", page.text);
    assert_eq!(page.troubles(), Vec::<String>::new());
}

#[test]
fn a_server_whose_callers_are_wrong_is_not_green_and_stays_ready() {
    let app = app();
    app.sign(order("47383")).decided();
    (0..20).for_each(|_| _ = app.sign("{").refused(400, "structure"));
    let page = Shown::of(&app);
    let told = "20 of 21 calls were refused for what the caller sent or who it is in the last 5 minutes.";
    assert_eq!((grave(&page), lesser(&page)), (vec![told.to_owned()], Vec::new()));
    assert!(!page.text.contains(GREEN), "{}", page.text);
    is_ready(&app);
}

#[test]
fn a_few_wrong_calls_of_many_are_nothing_to_look_at_and_more_are() {
    let app = app();
    (0..19).for_each(|_| _ = app.sign(order("47383")).decided());
    app.sign("{").refused(400, "structure");
    assert!(Shown::of(&app).text.contains(GREEN));
    (0..3).for_each(|_| _ = app.sign("{").refused(400, "structure"));
    let told = "4 of 23 calls were refused for what the caller sent or who it is in the last 5 minutes.";
    let page = Shown::of(&app);
    assert_eq!((grave(&page), lesser(&page)), (Vec::new(), vec![told.to_owned()]));
}

#[test]
fn a_server_that_fails_most_calls_by_its_own_fault_is_not_green_and_not_ready() {
    let app = TestApp::operated(TestLedger::panicking());
    for _ in 0..4 {
        app.sign(order("47383")).refused(500, "exception");
    }
    // A few may be chance.
    is_ready(&app);
    app.sign(order("47383")).refused(500, "exception");
    let reply = app.ops().get("/readyz");
    assert_eq!((reply.status, reply.json()), (503, json!({"ready": false, "notReady": ["answers"]})));
    assert_eq!(app.ops().get("/healthz").status, 200);
    let page = Shown::of(&app);
    assert_eq!(grave(&page), ["5 of 5 calls failed through a fault of this server in the last 5 minutes."]);
}

#[test]
fn a_server_without_places_is_not_green_and_stays_ready() {
    let app = TestApp::with(TestLedger::ordinary(), |settings| {
        operated(settings);
        settings.limits.bytes_in_flight = 1;
    });
    (0..10).for_each(|_| _ = app.sign(order("47383")).refused(503, "throttled"));
    assert_eq!(grave(&Shown::of(&app)), ["10 of 10 calls found no place in the last 5 minutes."]);
    is_ready(&app);
}

#[test]
fn records_that_are_not_kept_are_told_also_where_answers_are_given_without_them() {
    let app = TestApp::operated(TestLedger::failing(LedgerError::Full));
    app.sign("{").refused(400, "structure");
    let page = Shown::of(&app);
    assert!(lesser(&page).contains(&"1 records were not kept in the last 5 minutes.".to_owned()), "{}", page.text);
}

/// A server beside an EHR that is asked for what a request lacks.
fn beside(ehr: &RunningEhr) -> TestApp {
    TestApp::with(TestLedger::ordinary(), |settings| {
        operated(settings);
        settings.ehr.servers = vec![ehr.base()];
        settings.ehr.allow_private = true;
        settings.ehr.break_after = 2;
    })
}

#[test]
fn an_ehr_that_is_down_is_told_by_its_origin_and_the_page_is_not_green() {
    let ehr = FakeEhr::holding(held()).but("Coverage", Behaviour::Says(500)).starts();
    let app = beside(&ehr);
    let page = Shown::of(&app);
    assert_eq!(page.fact("Not asked now"), "none");
    for _ in 0..4 {
        app.sign(order("47383").of(&ehr).without("/prefetch/coverage"));
    }
    let page = Shown::of(&app);
    let origin = ehr.base().trim_end_matches("/fhir").to_owned();
    let left_alone = format!("The EHR at {origin} kept failing and is not asked now.");
    assert!(page.troubles().contains(&left_alone), "{:?}", page.troubles());
    assert!(page.fact("Not asked now").contains(&origin), "{}", page.fact("Not asked now"));
    let unanswered = page.troubles().iter().any(|it| it.contains("questions to EHRs were not answered"));
    assert!(unanswered, "{:?}", page.troubles());
    assert!(!page.text.contains(GREEN));
    // Another server would not reach it either.
    is_ready(&app);
    assert!(!app.ops().get("/metrics").text().contains(&origin), "an EHR is named to whoever asks");
}

#[test]
fn a_server_whose_answers_are_mostly_indeterminate_is_not_green() {
    let directory = TestApp::operated(TestLedger::ordinary());
    directory.sign(order("47383")).decided();
    assert!(Shown::of(&directory).text.contains(GREEN));
    // What a policy needs of an order whose coverage cannot be had is not to be said.
    let ehr = FakeEhr::holding(held()).but("Coverage", Behaviour::Says(500)).starts();
    let app = beside(&ehr);
    let replies: Vec<_> = (0..4).map(|_| app.sign(order("47383").of(&ehr).without("/prefetch/coverage"))).collect();
    let page = Shown::of(&app);
    let told = |words: &str| page.troubles().iter().any(|it| it.contains(words));
    let answered = replies.iter().filter(|reply| reply.status == 200).count();
    assert!(
        if answered > 0 { told("decisions were indeterminate") } else { told("calls were refused because of an EHR") },
        "{answered} of {:?}: {:?}",
        replies.iter().map(|reply| reply.status).collect::<Vec<_>>(),
        page.troubles()
    );
}
