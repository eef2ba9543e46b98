//! Replies are kept warm for one client and one patient, if they may be, and failures never.

use covenant::gather::ehr::Way;
use covenant::gather::learned::{Query, Reply};

use super::asking::{Asking, PATIENT, location};
use crate::support::{Behaviour, FakeEhr, RunningEhr};

fn way(asking: &Asking, server: &RunningEhr, client: &str, patient: &str) -> Way {
    let mut way = asking.way_about(&server.base(), patient).unwrap();
    way.client = client.to_owned();
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
    let way = |client, patient| way(&asking, &server, client, patient);
    let first = way("ehr", PATIENT);
    for query in [&one, &two] {
        assert_eq!(calls(&asking, &server, &first, query).await, 1);
        assert_eq!(calls(&asking, &server, &first, query).await, 0);
    }
    assert_eq!(
        asking.ask_on(&first, &[one.clone(), two]).await,
        [Reply::Found(vec![location("1").to_string()]), Reply::Nothing]
    );
    for other in [way("another", PATIENT), way("ehr", "p2")] {
        assert_eq!(calls(&asking, &server, &other, &one).await, 1);
    }
    let search = |value| Query::search("Location", &[("_id", value)]);
    assert_eq!(calls(&asking, &server, &first, &search("1")).await, 1);
    assert_eq!(calls(&asking, &server, &first, &search("2")).await, 1);
    assert_eq!(calls(&asking, &server, &first, &search("1")).await, 0);
}

#[tokio::test]
async fn nothing_is_kept_or_read_where_it_may_not_be_or_for_nobody() {
    let server = FakeEhr::holding([location("1")]).starts();
    let asking = Asking::of(&server);
    let one = Query::read("Location", "1");
    let may = |read, fill, client| {
        let mut way = way(&asking, &server, client, PATIENT);
        (way.may_read_warm, way.may_fill_warm) = (read, fill);
        way
    };
    for way in [may(true, true, ""), may(true, true, ""), may(true, false, "ehr"), may(true, true, "ehr")] {
        assert_eq!(calls(&asking, &server, &way, &one).await, 1);
    }
    assert_eq!(calls(&asking, &server, &may(false, true, "ehr"), &one).await, 1);
    assert_eq!(calls(&asking, &server, &may(true, false, "ehr"), &one).await, 0);
    let fresh = asking.way_to(&server.base()).unwrap();
    assert_eq!(calls(&asking, &server, &fresh, &one).await, 1, "by default nothing is kept");
}

#[tokio::test]
async fn a_failure_is_not_kept_and_a_token_that_is_over_reads_nothing() {
    let server = FakeEhr::holding([location("2")]).but("Location/1", Behaviour::Says(403)).starts();
    let asking = Asking::of(&server);
    let first = way(&asking, &server, "ehr", PATIENT);
    let (one, two) = (Query::read("Location", "1"), Query::read("Location", "2"));
    assert_eq!(calls(&asking, &server, &first, &one).await, 1);
    assert_eq!(calls(&asking, &server, &first, &one).await, 1);
    assert_eq!(calls(&asking, &server, &first, &two).await, 1);
    let asking = asking.with_token_for(0);
    let over = way(&asking, &server, "ehr", PATIENT);
    assert!(matches!(asking.ask_on(&over, &[two]).await[0], Reply::Failed(_)));
}
