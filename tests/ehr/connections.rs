//! Time, bytes, redirects, addresses, retries and the circuit breaker (FAULTS E02–E04, E08, E10, E11).

use std::net::TcpListener;
use std::time::{Duration, Instant};

use covenant::config::EhrSettings;
use covenant::gather::ehr::{Ehr, EhrError};
use covenant::gather::learned::{Failure, Query, Reply};

use super::asking::{Asking, PATIENT, failed, location, only, settings};
use crate::support::{Behaviour, FakeEhr, verified};

fn one() -> Query {
    Query::read("Location", "1")
}

fn found() -> Reply {
    Reply::Found(vec![location("1").to_string()])
}

/// A server that does this the first so many times, and then has location 1.
fn busy(status: u16, retry_after: Option<&'static str>, times: usize) -> FakeEhr {
    FakeEhr::holding([location("1")]).but("Location/1", Behaviour::IsBusy { status, retry_after, times })
}

#[tokio::test]
async fn e02_a_server_that_hangs_is_left_by_the_deadline() {
    let server = FakeEhr::holding([location("2")]).but("Location/1", Behaviour::Hangs).starts();
    let queries = [one(), Query::read("Location", "2")];
    let replies = Asking::of(&server).within_millis(300).ask_all(&queries).await;
    assert_eq!(replies, [failed(Failure::Late), Reply::Found(vec![location("2").to_string()])]);
    server.was_hung_up_on(1).await;
}

#[tokio::test]
async fn e02_no_more_questions_are_asked_at_once_than_may_be() {
    let ids = ["1", "2", "3", "4", "5", "6"];
    let hangs = |server: FakeEhr, id: &&str| server.but(&format!("Location/{id}"), Behaviour::Hangs);
    let server = ids.iter().fold(FakeEhr::empty(), hangs).starts();
    let asking = Asking::with(&server, |settings| settings.concurrent = 3).within_millis(300);
    let replies = asking.ask_all(&ids.map(|id| Query::read("Location", id))).await;
    assert_eq!(replies, [(); 6].map(|()| failed(Failure::Late)));
    assert_eq!(server.most_at_once(), 3);
    assert_eq!(server.requests().len(), 3, "what cannot be answered in time is not asked");
}

#[tokio::test]
async fn e03_a_body_that_drips_is_left_by_the_deadline() {
    let server = FakeEhr::empty().but("Location/1", Behaviour::Drips).starts();
    assert_eq!(Asking::of(&server).within_millis(300).ask(one()).await, failed(Failure::Late));
    server.was_hung_up_on(1).await;
}

#[tokio::test]
async fn e03_a_body_is_cut_at_its_limit_whatever_length_it_is_said_to_have() {
    for length in [None, Some(1_000_000_000)] {
        let server = FakeEhr::empty().but("Location/1", Behaviour::Floods { length }).starts();
        let started = Instant::now();
        assert_eq!(Asking::of(&server).ask(one()).await, failed(Failure::TooMuch));
        assert!(started.elapsed() < Duration::from_secs(5));
        server.was_hung_up_on(1).await;
        // The limit, and what the sockets hold.
        assert!(server.flooded() < 32 * 1024 * 1024, "{}", server.flooded());
    }
    let server = FakeEhr::holding([location("1")]).starts();
    let exactly = location("1").to_string().len();
    let asking = |bytes| Asking::with(&server, |settings| settings.response_bytes = bytes);
    assert_eq!(asking(exactly).ask(one()).await, found());
    assert_eq!(asking(exactly - 1).ask(one()).await, failed(Failure::TooMuch));
}

#[tokio::test]
async fn e04_a_busy_server_is_asked_once_more() {
    for (status, retry_after) in [(503, None), (429, None), (429, Some("0"))] {
        let server = busy(status, retry_after, 1).starts();
        assert_eq!(Asking::of(&server).ask(one()).await, found(), "{status} {retry_after:?}");
        assert_eq!(server.requests().len(), 2);
        let server = busy(status, retry_after, 2).starts();
        assert_eq!(Asking::of(&server).ask(one()).await, failed(Failure::Unreachable));
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn e04_a_busy_server_is_asked_when_it_says_if_there_is_time() {
    let server = busy(503, Some("1"), 1).starts();
    let started = Instant::now();
    assert_eq!(Asking::of(&server).ask(one()).await, found());
    assert!(started.elapsed() >= Duration::from_secs(1));
    for later in ["1", "60", "18446744073709551615", "Sun, 06 Nov 2044 08:49:37 GMT", "-1"] {
        let server = busy(429, Some(later), 1).starts();
        let started = Instant::now();
        assert_eq!(Asking::of(&server).within_millis(900).ask(one()).await, failed(Failure::Unreachable), "{later}");
        assert!(started.elapsed() < Duration::from_millis(800), "there is nothing to wait for");
        only(server.requests());
    }
}

#[tokio::test]
async fn e04_a_connection_that_fails_is_made_once_more() {
    let resets = |times| FakeEhr::holding([location("1")]).but("Location/1", Behaviour::Resets(times)).starts();
    assert_eq!(Asking::of(&resets(1)).ask(one()).await, found());
    assert_eq!(Asking::of(&resets(4)).ask(one()).await, failed(Failure::Unreachable));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let asking = Asking::at(&format!("http://{nobody}/fhir"), |_| ());
    assert_eq!(asking.ask(one()).await, failed(Failure::Unreachable));
}

#[tokio::test]
async fn e04_an_error_is_not_asked_for_again() {
    for status in [400, 405, 500, 502, 504] {
        let server = FakeEhr::empty().but("Location/1", Behaviour::Says(status)).starts();
        assert_eq!(Asking::of(&server).ask(one()).await, failed(Failure::Unreachable), "{status}");
        only(server.requests());
    }
}

#[tokio::test]
async fn e04_a_server_that_keeps_failing_is_left_alone_and_then_tried_with_one_question() {
    // Each question is asked twice.
    let server = busy(503, None, 4).starts();
    let asking = Asking::with(&server, |settings| (settings.break_after, settings.break_seconds) = (2, 1));
    for _ in 0..2 {
        assert_eq!(asking.ask(one()).await, failed(Failure::Unreachable));
    }
    let opened = Instant::now();
    assert_eq!(asking.ask_all(&[one(), one()]).await, [(); 2].map(|()| failed(Failure::Open)));
    assert_eq!(server.requests().len(), 4, "it is left alone");
    tokio::time::sleep(Duration::from_millis(1050).saturating_sub(opened.elapsed())).await;
    assert_eq!(asking.ask_all(&[one(), one()]).await, [found(), failed(Failure::Open)]);
    assert_eq!(asking.ask_all(&[one(), one()]).await, [found(), found()]);
}

#[tokio::test]
async fn e04_a_server_that_refuses_or_does_not_know_is_not_a_server_that_fails() {
    let server = FakeEhr::holding([location("1")])
        .but("Location/2", Behaviour::Says(403))
        .but("Location/3", Behaviour::Says(400))
        .but("Location/4", Behaviour::Sends("<html>".to_owned()))
        .starts();
    let asking = Asking::with(&server, |settings| settings.break_after = 1);
    for id in ["2", "3", "4", "5"] {
        asking.ask(Query::read("Location", id)).await;
        assert_eq!(asking.ask(one()).await, found(), "after {id}");
    }
}

#[tokio::test]
async fn e04_a_server_that_hangs_is_left_alone_if_it_had_a_fair_time() {
    for (deadline, after) in [(200, Failure::Open), (60_000, Failure::Late)] {
        let server = FakeEhr::empty().but("Location/1", Behaviour::Hangs).starts();
        let change = |settings: &mut EhrSettings| (settings.break_after, settings.deadline_millis) = (1, deadline);
        let asking = Asking::with(&server, change).within_millis(200);
        assert_eq!(asking.ask(one()).await, failed(Failure::Late));
        assert_eq!(asking.ask(one()).await, failed(after));
    }
}

#[tokio::test]
async fn e04_bases_of_an_origin_without_a_connection_are_left_alone_together_and_others_are_not() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (base, beside) = (format!("http://{nobody}/fhir"), format!("http://{nobody}/other"));
    let other = FakeEhr::holding([location("1")]).starts();
    let asking = Asking::at(&base, |settings| {
        settings.break_after = 1;
        settings.servers.extend([beside.clone(), other.base()]);
    });
    assert_eq!(asking.ask(one()).await, failed(Failure::Unreachable));
    let another = verified("another", None).await;
    let ways = [beside, base, other.base()].map(|base| asking.way_of(&another, &base, PATIENT).unwrap());
    for way in &ways[..2] {
        assert_eq!(asking.ask_on(way, &[one()]).await, [failed(Failure::Open)]);
    }
    assert_eq!(asking.ask_on(&ways[2], &[one()]).await, [found()]);
}

#[tokio::test]
async fn m02_a_server_that_fails_for_one_caller_is_left_alone_by_that_one_only() {
    for trouble in [Behaviour::Says(500), Behaviour::Resets(9)] {
        let server = FakeEhr::holding([location("1")]).but("Location/2", trouble).starts();
        let beside = server.base().replace("/fhir", "/other");
        let asking = Asking::with(&server, |settings| {
            settings.break_after = 1;
            settings.servers.push(beside.clone());
        });
        let (h1, h2, another) =
            (verified("ehr", Some("h1")).await, verified("ehr", Some("h2")).await, verified("another", None).await);
        let asks = async |caller, base: &str, query| {
            let way = asking.way_of(caller, base, PATIENT).unwrap();
            only(asking.ask_on(&way, &[query]).await)
        };
        assert_eq!(asks(&h1, &server.base(), Query::read("Location", "2")).await, failed(Failure::Unreachable));
        assert_eq!(asks(&h1, &server.base(), one()).await, failed(Failure::Open));
        for caller in [&h2, &another] {
            assert_eq!(asks(caller, &server.base(), one()).await, found());
        }
        // Nor is what else it reaches under this origin left alone: there is a connection.
        assert_ne!(asks(&h1, &beside, one()).await, failed(Failure::Open));
    }
}

#[tokio::test]
async fn m02_who_is_left_alone_is_known_again_by_another_token_and_after_registrations_changed() {
    let server = FakeEhr::empty().but("Location/1", Behaviour::Says(500)).starts();
    let asking = Asking::with(&server, |settings| settings.break_after = 1);
    assert_eq!(asking.ask(one()).await, failed(Failure::Unreachable));
    let asking = asking.with_token("another-token");
    asking.ehr.servers().change(&[server.base(), "https://ehr.example.org/fhir".to_owned()]).unwrap();
    assert_eq!(asking.ask(one()).await, failed(Failure::Open));
}

#[tokio::test]
async fn e08_a_redirect_is_not_followed() {
    let other = FakeEhr::holding([location("1")]).starts();
    for place in [format!("{}/Location/1", other.base()), "http://169.254.169.254/latest/meta-data".to_owned()] {
        let server = FakeEhr::empty().but("Location/1", Behaviour::Redirects(place)).starts();
        assert_eq!(Asking::of(&server).ask(one()).await, failed(Failure::TooMuch));
        only(server.requests());
    }
    other.was_not_called();
}

#[tokio::test]
async fn e09_a_server_that_may_not_be_asked_cannot_be_registered() {
    let refused = |server: &str, allow_http| {
        let mut settings = settings();
        (settings.servers, settings.allow_http) = (vec![server.to_owned()], allow_http);
        Ehr::new(&settings).unwrap_err()
    };
    for private in ["https://127.0.0.1/fhir", "https://0xa9fea9fe/", "http://10.1.2.3:8080", "https://[::1]/fhir"] {
        assert!(matches!(refused(private, true), EhrError::Private(url) if url == private), "{private}");
    }
    for none in ["ehr.example.org/fhir", "https://user:word@ehr.example.org/fhir", "ftp://ehr.example.org"] {
        assert!(matches!(refused(none, true), EhrError::NotABase(_)), "{none}");
    }
    let plain = refused("http://ehr.example.org/fhir", false);
    assert_eq!(
        plain.to_string(),
        "ehr.servers: `http://ehr.example.org/fhir` is plain http, and ehr.allow_http is false"
    );
}

#[tokio::test]
async fn e10_plain_http_is_not_asked_where_it_is_not_allowed() {
    let asking = Asking::at("https://ehr.example.org/fhir", |settings| settings.allow_http = false);
    assert_eq!(asking.way_to("http://ehr.example.org/fhir").err(), Some(Failure::NotRegistered));
    assert!(asking.way_to("https://ehr.example.org/fhir").is_ok());
}

#[tokio::test]
async fn e10_https_is_not_plain_http_in_disguise() {
    let server = FakeEhr::holding([location("1")]).starts();
    let asking = Asking::at(&server.base().replace("http://", "https://"), |_| ());
    assert_eq!(asking.ask(one()).await, failed(Failure::Unreachable));
    assert_eq!(server.paths().len(), 0, "the token is not sent without TLS");
}

#[tokio::test]
async fn e11_a_registered_name_that_leads_to_a_private_address_is_not_called() {
    let server = FakeEhr::holding([location("1")]).starts();
    let base = server.base().replace("127.0.0.1", "localhost");
    let asking = Asking::at(&base, |settings| settings.allow_private = false);
    for _ in 0..2 {
        assert_eq!(asking.ask(one()).await, failed(Failure::NotRegistered));
    }
    server.was_not_called();
    assert_eq!(Asking::at(&base, |_| ()).ask(one()).await, found());
}
