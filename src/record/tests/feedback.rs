//! Feedback: kept beside its card or not at all, and as hard to change as an entry.

use super::*;

fn told(card: &str, item: &str) -> Feedback {
    Feedback {
        at: "2026-03-02T08:00:00Z".parse().unwrap(),
        service: "order-sign-crd".into(),
        client: "https://ehr.example/fhir".into(),
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
    assert_eq!(*keep_feedback(&ledger, vec![accepted.clone()]).await.unwrap().get(), 1);
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
