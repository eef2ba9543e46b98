//! Feedback: kept beside its card or not at all, and as hard to change as an entry.

use super::*;

fn told(card: &str, item: &str) -> Feedback {
    Feedback {
        at: "2026-03-02T08:00:00Z".parse().unwrap(),
        service: "order-sign-crd".into(),
        client: "https://ehr.example/fhir".into(),
        tenant: "north".into(),
        card: card.into(),
        outcome: Outcome::Overridden,
        item: item.into(),
    }
}

/// A ledger with the entries `a1` to `a6`, and four items of feedback in three calls.
async fn four(place: &Place) -> SqliteLedger {
    let ledger = place.six().await;
    for items in [vec![told("card of a1", "1")], vec![told("card of a2", "2"), told("card of a1", "3")]] {
        ledger.keep_feedback(items).await.unwrap();
    }
    assert_eq!(ledger.keep_feedback(vec![told("card of a3", "4")]).await.unwrap().seq(), 10);
    ledger
}

#[tokio::test]
async fn feedback_comes_back_as_it_was_and_in_its_order() {
    let place = Place::new();
    drop(four(&place).await);
    let ledger = place.open();
    assert_eq!(ledger.feedback("card of a1").unwrap(), [told("card of a1", "1"), told("card of a1", "3")]);
    assert_eq!(ledger.feedback("card of a6").unwrap(), []);
    let accepted = Feedback { outcome: Outcome::Accepted, ..told("card of a6", "5") };
    ledger.keep_feedback(vec![accepted.clone()]).await.unwrap();
    assert_eq!(ledger.feedback("card of a6").unwrap(), [accepted]);
    let verdict = ledger.verify().unwrap();
    assert_eq!((verdict.entries, verdict.feedback, verdict.flaw()), (6, 5, None));
}

#[tokio::test]
async fn h22_a_call_that_names_a_card_of_nobody_s_is_refused_alone_and_whole() {
    let place = Place::new();
    let ledger = four(&place).await;
    let release = hold(&ledger);
    let another = |change: fn(&mut Feedback)| {
        let mut item = told("card of a1", "no");
        change(&mut item);
        ledger.keep_feedback(vec![told("card of a1", "no"), item])
    };
    let refused = [
        another(|item| item.card = "a1".into()),
        another(|item| item.client = "another".into()),
        another(|item| item.service = "order-select-crd".into()),
        another(|item| item.tenant = "another".into()),
    ];
    let kept = [ledger.append(entry(&["a7"])), ledger.keep_feedback(vec![told("card of a1", "yes")])];
    drop(release);
    for outcome in join_all(refused).await {
        assert_eq!(outcome.unwrap_err(), LedgerError::NoSuchCard);
    }
    let places: Vec<i64> = join_all(kept).await.into_iter().map(|kept| kept.unwrap().seq()).collect();
    assert_eq!(places, [11, 12]);
    let items: Vec<String> = ledger.feedback("card of a1").unwrap().into_iter().map(|item| item.item).collect();
    assert_eq!(items, ["1", "3", "yes"]);
    assert_eq!(flaw(&ledger), None);
}

#[tokio::test]
async fn h22_what_is_told_of_known_cards_is_kept_beside_what_is_told_of_others() {
    let place = Place::new();
    let ledger = place.six().await;
    let local = crate::auth::local(Some(std::net::Ipv4Addr::LOCALHOST.into())).unwrap().enter("a call").await.unwrap();
    ledger.append(Entry { client: "local".into(), tenant: String::new(), ..entry(&["b1", "b2"]) }).await.unwrap();
    let told = |card: &str, item: &str| {
        let Feedback { at, service, outcome, .. } = told(card, item);
        Told { at, service, card: card.into(), outcome, item: item.into() }
    };
    let items = [("card of b2", "1"), ("card of a1", "2"), ("card of b1", "3"), ("b1", "4"), ("card of b2", "5")];
    let items = items.map(|(card, item)| told(card, item));
    let heard = keep_feedback(&ledger, local.caller(), items.into()).await.unwrap().into_inner();
    assert_eq!(heard, Heard { kept: vec![0, 2, 4], unknown: vec![1, 3] });
    let texts = |card| ledger.feedback(card).unwrap().into_iter().map(|item| item.item).collect::<Vec<_>>();
    assert_eq!((texts("card of b1"), texts("card of b2")), (vec!["3".into()], vec!["1".into(), "5".into()]));
    assert_eq!(texts("card of a1"), [""; 0]);
    let heard = keep_feedback(&ledger, local.caller(), vec![told("card of b1", "6")]).await.unwrap().into_inner();
    assert_eq!(heard, Heard { kept: vec![0], unknown: Vec::new() });
    assert_eq!(flaw(&ledger), None);
}

#[tokio::test]
async fn l07_feedback_that_was_changed_removed_or_hidden_is_named() {
    for (sql, expected) in [
        ("UPDATE records SET head = replace(head, 'overridden', 'accepted') WHERE seq = 9", Flaw::Changed(9)),
        ("UPDATE records SET body = x'28b52ffd0000010000' WHERE seq = 9", Flaw::Changed(9)),
        ("DELETE FROM records WHERE seq = 7", Flaw::Missing(7)),
        ("DELETE FROM records WHERE seq = 9", Flaw::Missing(9)),
        ("DELETE FROM terms WHERE seq = 9", Flaw::Hidden(9)),
    ] {
        let place = Place::new();
        let ledger = four(&place).await;
        place.tamper(sql);
        assert_eq!(flaw(&ledger), Some(expected), "{sql}");
    }
}

#[tokio::test]
async fn l05_a_ledger_whose_feedback_is_damaged_at_the_end_is_not_opened() {
    let place = Place::new();
    drop(four(&place).await);
    place.tamper("UPDATE records SET head = '{}' WHERE seq = 10");
    assert_eq!(SqliteLedger::open(&place.path()).unwrap_err(), LedgerError::Corrupt);
    let archive = SqliteLedger::archive(&place.path(), &MasterKeys::default()).unwrap();
    assert_eq!(archive.feedback("card of a3"), Err(LedgerError::Corrupt));
}

#[test]
fn nothing_that_a_user_wrote_is_printed() {
    assert!(!format!("{:?}", told("c1", "patient Doe")).contains("Doe"));
}
