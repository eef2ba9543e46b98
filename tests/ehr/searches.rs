//! Searches: what was asked for, all of it, and no more (FAULTS E06, E07).

use covenant::gather::learned::{Failure, Query, Reply};
use serde_json::{Value, json};

use super::asking::{Asking, PATIENT, failed, only};
use crate::support::{Behaviour, FakeEhr};

fn condition(id: &str, patient: &str, code: &str) -> Value {
    json!({"resourceType": "Condition", "id": id, "subject": {"reference": format!("Patient/{patient}")},
        "code": {"coding": [{"system": "http://x", "code": code}]}})
}

fn coverage(id: &str, patient: &str, status: &str) -> Value {
    json!({"resourceType": "Coverage", "id": id, "status": status,
        "beneficiary": {"reference": format!("Patient/{patient}")}})
}

fn conditions() -> FakeEhr {
    let of_patient =
        ["a", "b", "a", "c", "b"].iter().zip(1..).map(|(code, id)| condition(&id.to_string(), PATIENT, code));
    FakeEhr::holding(of_patient.chain([condition("9", "other", "a")]))
}

fn coverages() -> FakeEhr {
    FakeEhr::holding([
        coverage("1", PATIENT, "active"),
        coverage("2", PATIENT, "cancelled"),
        coverage("9", "other", "active"),
    ])
}

fn active() -> Query {
    Query::search("Coverage", &[("patient", PATIENT), ("status", "active")])
}

fn coded(codes: &str) -> Query {
    Query::search("Condition", &[("patient", PATIENT), ("code", codes)])
}

/// The ids of what was found, a list for each page.
#[track_caller]
fn ids(reply: &Reply) -> Vec<Vec<String>> {
    let Reply::Found(pages) = reply else { panic!("{reply:?}") };
    let ids = |page: &String| {
        let bundle: Value = serde_json::from_str(page).unwrap();
        let entries = bundle["entry"].as_array().unwrap().iter();
        entries.map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect()
    };
    pages.iter().map(ids).collect()
}

#[tokio::test]
async fn a_search_says_everything_that_is_asked_for() {
    let server = conditions().starts();
    let asking = Asking::of(&server);
    assert_eq!(ids(&asking.ask(coded("http://x|a,http://x|c")).await), [["1", "3", "4"]]);
    let asked = only(server.requests());
    assert_eq!(asked.path, "Condition");
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    assert_eq!(asked.query, [("patient", PATIENT), ("code", "http://x|a,http://x|c")].map(owned));
    assert_eq!(ids(&asking.ask(coded("http://x|z")).await), [Vec::<String>::new()]);
}

#[tokio::test]
async fn e06_a_search_that_was_not_done_as_asked_is_thrown_away() {
    for ignored in ["status", "patient"] {
        let patients = [coverage("1", PATIENT, "active"), coverage("2", PATIENT, "cancelled")];
        let server = FakeEhr::holding(patients).but("Coverage", Behaviour::Ignores(ignored)).starts();
        assert_eq!(Asking::of(&server).ask(active()).await, failed(Failure::Ignored), "{ignored}");
        only(server.requests());
    }
}

#[tokio::test]
async fn e06_a_list_that_was_ignored_is_asked_for_value_by_value_once() {
    let server = conditions().but("Condition", Behaviour::IgnoresListsOf("code")).starts();
    let reply = Asking::of(&server).ask(coded("http://x|a,http://x|c")).await;
    assert_eq!(ids(&reply), [vec!["1", "3"], vec!["4"]]);
    let codes = server.requests().into_iter().map(|asked| asked.query[1].1.clone());
    assert_eq!(codes.collect::<Vec<_>>(), ["http://x|a,http://x|c", "http://x|a", "http://x|c"]);

    let server = conditions().but("Condition", Behaviour::Ignores("code")).starts();
    assert_eq!(Asking::of(&server).ask(coded("http://x|a,http://x|c")).await, failed(Failure::Ignored));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn e06_without_a_self_link_what_can_be_looked_up_is_looked_up() {
    let server = coverages().but("Coverage", Behaviour::DoesNotSayWhatItSearched).starts();
    assert_eq!(ids(&Asking::of(&server).ask(active()).await), [["1"]]);
    let server = coverages().but("Coverage", Behaviour::IgnoresSilently("status")).starts();
    assert_eq!(ids(&Asking::of(&server).ask(active()).await), [["1"]]);
    let server = conditions().but("Condition", Behaviour::IgnoresSilently("code")).starts();
    assert_eq!(ids(&Asking::of(&server).ask(coded("http://x|b,z")).await), [["2", "5"]]);
    let server = coverages().but("Coverage", Behaviour::IgnoresSilently("patient")).starts();
    assert_eq!(Asking::of(&server).ask(active()).await, failed(Failure::OtherPatient));
}

#[tokio::test]
async fn e07_pages_are_followed_up_to_a_number() {
    let server = conditions().in_pages_of(2).starts();
    let all = || coded("http://x|a,http://x|b,http://x|c");
    assert_eq!(ids(&Asking::of(&server).ask(all()).await), [vec!["1", "2"], vec!["3", "4"], vec!["5"]]);
    let before = server.requests().len();
    let asking = Asking::with(&server, |settings| settings.pages = 2);
    assert_eq!(asking.ask(all()).await, failed(Failure::TooMuch));
    assert_eq!(server.requests().len() - before, 2);
}

#[tokio::test]
async fn e07_the_limit_of_bytes_is_for_all_pages_together() {
    let server = conditions().in_pages_of(1).starts();
    let asking = |bytes| Asking::with(&server, |settings| settings.response_bytes = bytes);
    let all = || coded("http://x|a,http://x|b,http://x|c");
    let Reply::Found(pages) = asking(1_000_000).ask(all()).await else { panic!() };
    let together: usize = pages.iter().map(String::len).sum();
    assert_eq!(asking(together).ask(all()).await, Reply::Found(pages));
    assert_eq!(asking(together - 1).ask(all()).await, failed(Failure::TooMuch));
}

#[tokio::test]
async fn e07_a_next_page_elsewhere_is_not_asked_for() {
    let other = coverages().starts();
    for place in [
        format!("{}/Coverage?patient={PATIENT}", other.base()),
        "http://169.254.169.254/latest".to_owned(),
        "/admin".to_owned(),
        "../admin".to_owned(),
        "//evil.example/fhir/Coverage".to_owned(),
    ] {
        let server = coverages().but("Coverage", Behaviour::HasMoreAt(place.clone())).starts();
        assert_eq!(Asking::of(&server).ask(active()).await, failed(Failure::TooMuch), "{place}");
        only(server.requests());
    }
    other.was_not_called();
}

#[tokio::test]
async fn e07_pages_that_never_end_are_left() {
    let server =
        coverages().but("Coverage", Behaviour::HasMoreAt("Coverage?patient=p1&status=active".to_owned())).starts();
    assert_eq!(Asking::of(&server).ask(active()).await, failed(Failure::TooMuch));
    assert_eq!(server.paths(), ["Coverage"; 5]);
}

#[tokio::test]
async fn e07_the_rest_of_a_search_that_a_request_began_is_read_from_the_ehr_s_own_server() {
    let server = conditions().in_pages_of(2).starts();
    let codes = "code=http%3A%2F%2Fx%7Ca%2Chttp%3A%2F%2Fx%7Cb%2Chttp%3A%2F%2Fx%7Cc";
    for next in [
        format!("{}/Condition?patient={PATIENT}&{codes}&_offset=2", server.base()),
        format!("Condition?patient={PATIENT}&{codes}&_offset=2"),
    ] {
        let rest = Asking::of(&server).ask(Query::page("Condition", &next)).await;
        assert_eq!(ids(&rest), [vec!["3", "4"], vec!["5"]], "{next}");
    }
    let asking = Asking::with(&server, |settings| settings.pages = 1);
    let next = format!("Condition?patient={PATIENT}&{codes}&_offset=2");
    assert_eq!(asking.ask(Query::page("Condition", &next)).await, failed(Failure::TooMuch));
}

#[tokio::test]
async fn e07_a_page_elsewhere_that_a_request_names_is_not_asked_for() {
    let (own, other) = (coverages().starts(), coverages().starts());
    for place in [
        format!("{}/Coverage?patient={PATIENT}", other.base()),
        format!("{}.evil.example/Coverage", own.base()),
        format!("http://canary@127.0.0.1:{}/fhir/Coverage", own.port()),
        "http://169.254.169.254/latest".to_owned(),
        "/admin".to_owned(),
        "../admin".to_owned(),
        "//evil.example/fhir/Coverage".to_owned(),
        format!("Coverage?{}", "a".repeat(2048)),
        String::new(),
    ] {
        let asked = Asking::of(&own).ask(Query::page("Coverage", &place)).await;
        assert_eq!(asked, failed(Failure::TooMuch), "{place}");
    }
    own.was_not_called();
    other.was_not_called();
    // What is there is held to the same rules as every page: it is a search's, of this type, about this patient.
    for (place, why) in [("Coverage?status=active", Failure::OtherPatient), ("Coverage/1", Failure::Unreadable)] {
        assert_eq!(Asking::of(&own).ask(Query::page("Coverage", place)).await, failed(why), "{place}");
    }
}
