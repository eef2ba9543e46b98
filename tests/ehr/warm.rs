//! Replies are kept warm for one caller and one patient, if they may be, and failures never.

use covenant::auth::Caller;
use covenant::gather::ehr::Way;
use covenant::gather::learned::{Failure, Query, Reply};

use super::asking::{Asking, PATIENT, failed, local, location, only};
use crate::support::{Behaviour, FakeEhr, RunningEhr, verified};

fn way(asking: &Asking, server: &RunningEhr, caller: &Caller, patient: &str) -> Way {
    let mut way = asking.way_of(caller, &server.base(), patient).unwrap();
    (way.may_read_warm, way.may_fill_warm) = (true, true);
    way
}

/// How many calls a question leads to.
async fn calls(asking: &Asking, server: &RunningEhr, way: &Way, query: &Query) -> usize {
    let before = server.requests().len();
    asking.ask_on(way, std::slice::from_ref(query)).await;
    server.requests().len() - before
}

#[tokio::test]
async fn a_reply_is_kept_for_the_same_client_patient_and_question_only() {
    let server = FakeEhr::holding([location("1")]).starts();
    let asking = Asking::of(&server);
    let (one, two) = (Query::read("Location", "1"), Query::read("Location", "2"));
    let (ehr, another) = (verified("ehr", None).await, verified("another", None).await);
    let way = |caller, patient| way(&asking, &server, caller, patient);
    let first = way(&ehr, PATIENT);
    for query in [&one, &two] {
        assert_eq!(calls(&asking, &server, &first, query).await, 1);
        assert_eq!(calls(&asking, &server, &first, query).await, 0);
    }
    assert_eq!(
        asking.ask_on(&first, &[one.clone(), two]).await,
        [Reply::Found(vec![location("1").to_string()]), Reply::Nothing]
    );
    for other in [way(&another, PATIENT), way(&ehr, "p2")] {
        assert_eq!(calls(&asking, &server, &other, &one).await, 1);
    }
    let search = |value| Query::search("Location", &[("_id", value)]);
    assert_eq!(calls(&asking, &server, &first, &search("1")).await, 1);
    assert_eq!(calls(&asking, &server, &first, &search("2")).await, 1);
    assert_eq!(calls(&asking, &server, &first, &search("1")).await, 0);
}

#[tokio::test]
async fn m01_a_reply_is_kept_for_the_same_tenant_and_token_only() {
    let server = FakeEhr::holding([location("1")]).but("Location/2", Behaviour::Says(401)).starts();
    let (asking, one) = (Asking::of(&server), Query::read("Location", "1"));
    let tenants = [Some("h1"), Some("h2"), Some(""), None];
    for tenant in tenants {
        let caller = verified("ehr", tenant).await;
        let way = way(&asking, &server, &caller, PATIENT);
        assert_eq!(calls(&asking, &server, &way, &one).await, 1, "{tenant:?}");
        assert_eq!(calls(&asking, &server, &way, &one).await, 0, "{tenant:?}");
    }
    let h1 = verified("ehr", Some("h1")).await;
    let asking = asking.with_token("another-token");
    let other = way(&asking, &server, &h1, PATIENT);
    assert_eq!(calls(&asking, &server, &other, &one).await, 1);
    assert_eq!(calls(&asking, &server, &other, &one).await, 0);
    assert_eq!(only(asking.ask_on(&other, &[Query::read("Location", "2")]).await), failed(Failure::Refused));
}

#[tokio::test]
async fn nothing_is_kept_or_read_where_it_may_not_be() {
    let server = FakeEhr::holding([location("1")]).starts();
    let asking = Asking::of(&server);
    let one = Query::read("Location", "1");
    let may = |read, fill| {
        let mut way = way(&asking, &server, &local(), PATIENT);
        (way.may_read_warm, way.may_fill_warm) = (read, fill);
        way
    };
    for way in [may(true, false), may(true, true)] {
        assert_eq!(calls(&asking, &server, &way, &one).await, 1);
    }
    assert_eq!(calls(&asking, &server, &may(false, true), &one).await, 1);
    assert_eq!(calls(&asking, &server, &may(true, false), &one).await, 0);
    let fresh = asking.way_to(&server.base()).unwrap();
    assert_eq!(calls(&asking, &server, &fresh, &one).await, 1, "by default nothing is kept");
}

#[tokio::test]
async fn a_failure_is_not_kept_and_a_token_that_is_over_reads_nothing() {
    let server = FakeEhr::holding([location("2")]).but("Location/1", Behaviour::Says(403)).starts();
    let asking = Asking::of(&server);
    let first = way(&asking, &server, &local(), PATIENT);
    let (one, two) = (Query::read("Location", "1"), Query::read("Location", "2"));
    assert_eq!(calls(&asking, &server, &first, &one).await, 1);
    assert_eq!(calls(&asking, &server, &first, &one).await, 1);
    assert_eq!(calls(&asking, &server, &first, &two).await, 1);
    let asking = asking.with_token_for(0);
    let over = way(&asking, &server, &local(), PATIENT);
    assert!(matches!(asking.ask_on(&over, &[two]).await[0], Reply::Failed(_)));
}
