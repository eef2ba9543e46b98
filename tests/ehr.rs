//! The outbound FHIR client against a server that misbehaves (FAULTS E01–E12). Real sockets, short deadlines.

mod asking;
mod connections;
mod searches;
mod warm;

use std::time::{Duration, Instant};

use covenant::gather::learned::{Failure, Query, Reply};
use covenant::request::Access;
use serde_json::json;

use crate::support::{Behaviour, FakeEhr, assert_no_leak};
use asking::{Asking, PATIENT, TOKEN, failed, location, only};

#[tokio::test]
async fn a_question_is_a_get_with_the_token_and_its_answer_the_bytes_that_were_sent() {
    let sent = r#"{ "id":"1", "resourceType":"Location", "position":{"longitude":-71.10} }"#;
    let server = FakeEhr::empty().but("Location/1", Behaviour::Sends(sent.to_owned())).starts();
    let reply = Asking::of(&server).ask(Query::read("Location", "1")).await;
    assert_eq!(reply, Reply::Found(vec![sent.to_owned()]));
    let asked = only(server.requests());
    assert_eq!(asked.path, "Location/1");
    assert_eq!(asked.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(asked.header("accept"), Some("application/fhir+json"));
    assert_eq!(asked.header("accept-encoding"), None);
}

#[tokio::test]
async fn replies_come_in_the_order_of_the_questions() {
    let server = FakeEhr::holding(["1", "2", "3"].map(location)).but("Location/2", Behaviour::Resets(1)).starts();
    let queries = ["3", "2", "9", "1"].map(|id| Query::read("Location", id));
    let replies = Asking::of(&server).ask_all(&queries).await;
    let found = |id: &str| Reply::Found(vec![location(id).to_string()]);
    assert_eq!(replies, [found("3"), found("2"), Reply::Nothing, found("1")]);
}

#[tokio::test]
async fn what_is_not_there_is_nothing_to_a_read_and_a_failure_to_a_search() {
    for status in [404, 410] {
        let says = Behaviour::Says(status);
        let server = FakeEhr::empty().but("Location/1", says.clone()).but("Coverage", says).starts();
        let asking = Asking::of(&server);
        assert_eq!(asking.ask(Query::read("Location", "1")).await, Reply::Nothing);
        assert_eq!(asking.ask(Query::search("Coverage", &[("patient", PATIENT)])).await, failed(Failure::Unreachable));
    }
}

#[tokio::test]
async fn an_id_that_would_lead_elsewhere_is_not_asked_for() {
    let server = FakeEhr::empty().starts();
    let asking = Asking::of(&server);
    for id in ["..", "1/../../admin", "1?_format=xml", "%2e%2e", ""] {
        assert_eq!(asking.ask(Query::read("Location", id)).await, failed(Failure::Unreadable), "{id}");
    }
    server.was_not_called();
}

#[tokio::test]
async fn e01_a_token_that_is_refused_is_not_tried_again() {
    for status in [401, 403] {
        let server = FakeEhr::empty().but("Location/1", Behaviour::Says(status)).starts();
        let reply = Asking::of(&server).ask(Query::read("Location", "1")).await;
        assert_eq!(reply, failed(Failure::Refused));
        only(server.requests());
    }
}

#[tokio::test]
async fn e05_what_is_not_the_resource_is_thrown_away() {
    for text in [
        "<html><body>Sign in</body></html>",
        "",
        "{\"resourceType\":\"Location\",\"id\":\"1\"",
        "{\"resourceType\":\"Location\",\"id\":\"1\",\"id\":\"1\"}",
        "{\"resourceType\":\"Location\",\"id\":\"2\"}",
        "{\"resourceType\":\"OperationOutcome\",\"id\":\"1\"}",
        "[{\"resourceType\":\"Location\",\"id\":\"1\"}]",
    ] {
        let server = FakeEhr::empty().but("Location/1", Behaviour::Sends(text.to_owned())).starts();
        let reply = Asking::of(&server).ask(Query::read("Location", "1")).await;
        assert_eq!(reply, failed(Failure::Unreadable), "{text}");
    }
}

#[tokio::test]
async fn e05_another_patients_data_is_thrown_away() {
    let other = json!({"resourceType": "Coverage", "id": "1", "beneficiary": {"reference": "Patient/other"}});
    let bundle = json!({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": other}]});
    let server = FakeEhr::empty()
        .but("Coverage/1", Behaviour::sends(&other))
        .but("Coverage", Behaviour::sends(&bundle))
        .but("Patient/p1", Behaviour::sends(&json!({"resourceType": "Patient", "id": "other"})))
        .starts();
    let queries = [
        Query::read("Coverage", "1"),
        Query::search("Coverage", &[("patient", PATIENT)]),
        Query::read("Patient", "p1"),
    ];
    let replies = Asking::of(&server).ask_all(&queries).await;
    assert_eq!(replies, [(); 3].map(|()| failed(Failure::OtherPatient)));
}

#[tokio::test]
async fn e09_only_exactly_the_registered_server_gets_the_token() {
    let server = FakeEhr::holding([location("1")]).starts();
    let asking = Asking::of(&server);
    let (base, port) = (server.base(), server.port());
    for other in [
        format!("{base}x"),
        format!("{base}/r4"),
        format!("{base}?"),
        format!("{base}#x"),
        format!("http://127.0.0.1:{port}"),
        format!("http://127.0.0.1:{port}/FHIR"),
        format!("http://127.0.0.1:{port}@evil.example/fhir"),
        format!("http://user@127.0.0.1:{port}/fhir"),
        format!("http://127.0.0.1.evil.example:{port}/fhir"),
        format!("http://127.0.0.2:{port}/fhir"),
        format!("http://localhost:{port}/fhir"),
        format!("http://[::ffff:127.0.0.1]:{port}/fhir"),
        format!("https://127.0.0.1:{port}/fhir"),
        "http://169.254.169.254/latest".to_owned(),
        "not a URL".to_owned(),
    ] {
        assert_eq!(asking.way_to(&other).err(), Some(Failure::NotRegistered), "{other}");
    }
    server.was_not_called();
    // It is the same server however its address is written.
    for same in [format!("{base}/"), format!("http://2130706433:{port}/fhir"), format!("http://0x7f.1:{port}/fhir")] {
        assert!(asking.way_to(&same).is_ok(), "{same}");
    }
}

#[tokio::test]
async fn e09_without_a_registered_server_none_is_asked() {
    let server = FakeEhr::empty().starts();
    let asking = Asking::with(&server, |settings| settings.servers.push("https://ehr.example.org/fhir".to_owned()));
    assert!(asking.way_to("https://ehr.example.org/fhir").is_ok());
    let asking = Asking::unregistered();
    assert_eq!(asking.way_to(&server.base()).err(), Some(Failure::NotRegistered));
    server.was_not_called();
}

#[tokio::test]
async fn e12_a_token_that_is_over_is_not_used() {
    let server = FakeEhr::holding([location("1")]).starts();
    for expires_in in [0, 1] {
        let asking = Asking::of(&server).with_token_for(expires_in);
        assert_eq!(asking.ask(Query::read("Location", "1")).await, failed(Failure::Expired));
    }
    server.was_not_called();
    let asking = Asking::of(&server).with_token_for(u64::MAX);
    assert!(matches!(asking.ask(Query::read("Location", "1")).await, Reply::Found(_)));
}

#[tokio::test]
async fn e12_a_token_that_runs_out_meanwhile_is_not_used_again() {
    let busy = Behaviour::IsBusy { status: 503, retry_after: Some("1"), times: 1 };
    let server = FakeEhr::holding([location("1")]).but("Location/1", busy).starts();
    let asking = Asking::of(&server).with_token_for(2);
    assert_eq!(asking.ask(Query::read("Location", "1")).await, failed(Failure::Expired));
    only(server.requests());
}

#[tokio::test]
async fn r07_nothing_of_a_question_an_answer_or_a_token_is_logged() {
    let other = json!({"resourceType": "Coverage", "id": "1957-03-14", "beneficiary": {"reference": "Patient/47383"}});
    let server = FakeEhr::empty()
        .but("Coverage/1957-03-14", Behaviour::sends(&other))
        .but("Coverage", Behaviour::Sends("<html>1957-03-14</html>".to_owned()))
        .but("Location/47383", Behaviour::Says(500))
        .starts();
    asking::keep_logs();
    let asking = Asking::with(&server, |settings| settings.break_after = 1);
    assert!(asking.way_to("https://1957-03-14.example/47383").is_err());
    for query in [
        Query::read("Coverage", "1957-03-14"),
        Query::search("Coverage", &[("patient", "47383")]),
        Query::read("Location", "47383"),
        Query::read("Location", "47383"),
    ] {
        assert!(matches!(asking.ask(query).await, Reply::Failed(_)));
    }
    // Ports and times are random digits.
    let log = asking::logged().replace(&server.port().to_string(), "");
    let said = log.lines().map(|line| line.split_once("Z ").unwrap().1.split("micros=").next().unwrap());
    let log = said.collect::<Vec<_>>().join("\n");
    for word in ["not registered", "other-patient", "unreadable", "unreachable", "left alone", "security=true"] {
        assert!(log.contains(word), "{word} is not in {log}");
    }
    assert_no_leak(&log, "a log");
    assert!(!log.contains(TOKEN) && !log.contains("/fhir"), "{log}");
}

#[test]
fn a_way_and_an_authorization_do_not_tell_the_token_or_the_patient() {
    let server = FakeEhr::empty().starts();
    let way = Asking::of(&server).way_to(&server.base()).unwrap();
    let authorization = Access { token: TOKEN.to_owned(), expires_in: 300 };
    let told = format!("{way:?} {authorization:?}");
    assert!(!told.contains(TOKEN) && !told.contains(PATIENT), "{told}");
}

#[tokio::test]
async fn a_token_that_no_header_can_hold_goes_nowhere() {
    let server = FakeEhr::empty().starts();
    for token in ["a\r\nX-Admin: 1", "a\0", "é", "two words", ""] {
        let authorization = Access { token: token.to_owned(), expires_in: 300 };
        let caller = asking::local();
        let way = Asking::of(&server).ehr.way(&server.base(), &authorization, PATIENT, &caller, Instant::now());
        assert_eq!(way.err(), Some(Failure::Refused), "{token:?}");
    }
    server.was_not_called();
}

#[test]
fn what_asks_can_be_sent_to_another_thread() {
    fn is_send(_: &impl Send) {}
    let server = FakeEhr::empty().starts();
    let asking = Asking::of(&server);
    is_send(&asking.ask_all(&[]));
    let received = Instant::now();
    assert_eq!(asking.ehr.deadline(received), received + Duration::from_millis(2500));
}
