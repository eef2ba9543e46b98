//! The figures on the operators' page: those of what was answered and refused just before, and nothing of a patient.

use std::thread;

use covenant::record::{LedgerError, Trouble};
use serde_json::json;

use super::shown::Shown;
use super::{app, until};
use crate::support::tokens::{Draft, Signer, jwks};
use crate::support::{CANARY, KeyServer, SECRET, Serves, TestApp, TestLedger, assert_no_leak, operated, order};

const PPO: &str = "Commercial PPO and Indemnity";

/// The sum of a column of the minutes.
fn hour(page: &Shown, column: usize) -> u64 {
    let rows = page.rows("Minute by minute");
    assert_eq!(rows.len(), 60);
    rows.iter().map(|row| row[column].parse::<u64>().unwrap()).sum()
}

#[test]
fn what_was_answered_and_refused_just_before_is_in_the_figures() {
    let app = app();
    app.sign(order("47383")).decided();
    app.sign(order("47383").times(2)).decided();
    app.sign(order("99499")).answered();
    app.sign("{").refused(400, "structure");
    app.tell("{").refused(400, "structure");
    app.sign_as("text/plain", order("47383")).refused(415, "not-supported");
    let page = Shown::of(&app);
    assert_eq!((page.fact("Answered in the hour"), page.fact("Refused in the hour")), ("3".into(), "3".into()));
    assert_eq!((hour(&page, 1), hour(&page, 2)), (3, 3));
    assert!(!page.all("figure.answered rect").is_empty() && !page.all("figure.slow rect").is_empty());
    let outcomes = page.rows("What was decided");
    let found = |policy: &str| outcomes.iter().find(|row| row[0] == policy).expect(policy);
    assert_eq!(found("633")[1..], [PPO, "0", "0", "3", "0", "3"]);
    assert_eq!((&*found("no policy speaks")[1], &*found("no policy speaks")[6]), (PPO, "1"));
    assert_eq!(outcomes.len(), 2, "{outcomes:?}");
    let refused = [["structure", "400", "the client’s", "2"], ["not-supported", "415", "the client’s", "1"]];
    assert_eq!(page.rows("Calls that were refused"), refused);
    // What is refused says nothing of how long an answer takes.
    for row in page.rows("From a hook") {
        assert_eq!(row[1], "3", "{row:?}");
        assert!(row[2..].iter().all(|time| time.ends_with('s')), "{row:?}");
    }
    assert_eq!(page.rows("Records"), [["this file", "4", "0"]]);
    assert!(page.fact("State").starts_with("✓ ready since 2"), "{}", page.fact("State"));
    let told = "3 of 6 calls were refused for what the caller sent or who it is in the last 5 minutes.";
    assert_eq!((page.troubles(), page.fact("Not kept")), (vec![told.to_owned()], "nothing since the start".to_owned()));
}

#[test]
fn product_lines_are_told_apart_and_one_that_is_not_known_is_none() {
    let app = app();
    app.sign(order("47383")).decided();
    let of_nobody = order("47383").without("/prefetch/coverage/entry/0/resource/class");
    app.sign(of_nobody.covered("type", json!({"text": CANARY}))).decided();
    let page = Shown::of(&app);
    let products: Vec<String> = page.rows("What was decided").into_iter().map(|row| row[1].clone()).collect();
    assert_eq!(products, [PPO, "not known"]);
}

#[test]
fn a_server_that_has_answered_nothing_says_so() {
    let page = Shown::of(&app());
    assert_eq!((page.fact("Answered in the hour"), page.fact("p95 of answers in the hour")), ("0".into(), "–".into()));
    for said in ["Nothing has been decided since the start.", "Nothing has been refused since the start."] {
        assert!(page.text.contains(said), "{said}");
    }
    assert_eq!((hour(&page, 1), hour(&page, 2), page.all("figure rect").len()), (0, 0, 0));
    assert!(page.text.contains("No clients are registered: only this machine is answered."));
}

#[test]
fn l01_a_ledger_that_is_away_is_told_before_all_else() {
    let away = LedgerError::Unavailable(Trouble::Connection);
    let app = TestApp::operated(TestLedger::failing(away));
    app.sign(order("47383")).refused(503, "no-store");
    let page = Shown::of(&app);
    let refused = "1 of 1 calls were refused because the ledger did not keep them in the last 5 minutes.";
    assert_eq!(page.troubles(), ["The ledger is not ready, so that hooks are not answered.", refused]);
    assert_eq!(page.fact("State"), format!("✕ not ready {away}"));
    assert_eq!((page.fact("Not kept"), page.fact("Ledger")), ("1 (unavailable)".to_owned(), "not ready".to_owned()));
    assert_eq!(page.rows("Calls that were refused"), [["no-store", "503", "ours", "1"]]);
    assert_eq!((page.rows("Records").len(), page.rows("What was decided").len()), (0, 0));
}

#[test]
fn a11_a_client_whose_keys_cannot_be_fetched_is_told_until_they_are() {
    let (signer, held) = (Signer::es384("key-1"), Signer::es384("key-2"));
    let keys = KeyServer::that(Serves::Says(500));
    let clients = format!(
        "[[client]]\nname = \"north\"\nissuer = \"https://north.example\"\njwks_url = \"{}\"\n\
         [[client]]\nname = \"south\"\nissuer = \"https://south.example\"\njwks = '{}'\n",
        keys.url(),
        jwks([held.jwk()])
    );
    let app = TestApp::guarded(&clients, operated);
    let sign = || app.sign_as_client(&Draft::of("https://north.example", &signer).signed_by(&signer), order("47383"));
    let south = ["south", "1", "registration", "–", "–"];
    let page = Shown::of(&app);
    assert_eq!(page.rows("Registered clients"), [["north", "0", "its URL", "never", "not needed yet"], south]);
    assert_eq!(page.troubles(), Vec::<String>::new());
    sign().refused(503, "transient");
    let page = Shown::of(&app);
    let rows = page.rows("Registered clients");
    assert_eq!(
        (&rows[0][..4], &rows[1][..]),
        (&["north", "0", "its URL", "never"].map(str::to_owned)[..], &south.map(str::to_owned)[..])
    );
    assert!(rows[0][4].starts_with("✕ failed ") && rows[0][4].ends_with(": it is not there"), "{rows:?}");
    let told = "The keys of north cannot be fetched.".to_owned();
    assert!(page.troubles().contains(&told), "{:?}", page.troubles());
    keys.now(Serves::Keys(jwks([signer.jwk()])));
    until("the keys are fetched", || sign().status == 200);
    let page = Shown::of(&app);
    let rows = page.rows("Registered clients");
    assert_eq!((&*rows[0][1], &*rows[0][4]), ("1", "succeeded"));
    assert!(rows[0][3].contains(" s ago, "), "{rows:?}");
    assert!(!page.troubles().contains(&told), "{:?}", page.troubles());
    // Who the clients are is told to operators alone.
    assert!(!app.ops().get("/metrics").text().contains("north"));
}

#[test]
fn a_server_that_is_full_says_so_while_it_is() {
    let (ledger, gate) = TestLedger::held();
    let app = TestApp::with(ledger, |settings| {
        operated(settings);
        settings.limits.in_flight = 1;
    });
    let caller = app.caller();
    let signing = thread::spawn(move || caller.sign(order("47383")).decided());
    gate.wait_for_one();
    let page = Shown::of(&app);
    assert_eq!((page.fact("In flight"), page.troubles().len()), ("1 of 1".to_owned(), 1));
    gate.open();
    signing.join().unwrap();
    until("nothing is in flight", || Shown::of(&app).fact("In flight") == "0 of 1");
    assert_eq!(Shown::of(&app).troubles(), Vec::<String>::new());
}

#[test]
fn the_policies_that_serve_are_told_with_what_was_proved_of_them() {
    let app = app();
    let said = app.ops().get_as_operator("/policies", SECRET).json();
    let page = Shown::of(&app);
    assert_eq!(page.fact("Set"), said["set"].as_str().unwrap());
    let proved = page.fact("Proved").replace(',', "");
    for number in ["policies", "combinations", "cases"].map(|name| said["proof"][name].to_string()) {
        assert!(proved.split(' ').any(|word| word == number), "{number} is not in {proved}");
    }
    assert_eq!(page.fact("Folder"), "no change has failed");
}

#[test]
fn r07_nothing_of_a_patient_is_on_the_page() {
    let app = app();
    let planted = || order("47383").authorized().with("/context/userId", "Practitioner/canary-user");
    app.sign(planted()).decided();
    app.sign(planted().with("/context/patientId", "canary-other"));
    app.sign(planted().with("/extension/davinci-crd.requestedVersion", CANARY));
    app.sign(planted().covered("class", json!([{"type": {"text": CANARY}, "value": CANARY, "name": CANARY}])));
    app.post_to(&format!("/cds-services/{CANARY}"), planted()).refused(404, "not-found");
    app.sign_with_header("X-Request-Id", CANARY, planted().ordering("code", json!({"text": CANARY})));
    let page = Shown::of(&app);
    assert_no_leak(&page.text, "the page");
    assert!(page.rows("Calls that were refused").len() > 1, "nothing was refused");
}
