//! The promises that do not depend on the engine: each is a function that is run on both.

use std::ops::ControlFlow;
use std::path::Path;

use covenant::record::{
    Bounds, Entry, Feedback, Ledger, LedgerError, Look, MasterKeys, Outcome, PostgresLedger, Search, Server,
    SqliteLedger, prune, wait,
};
use jiff::{Timestamp, ToSpan};
use uuid::Uuid;

use crate::support::{Place, postgres};

const ONE: &str = "1:0101010101010101010101010101010101010101010101010101010101010101";

/// The policy set that has no files, which entries of these tests were answered under.
pub const NO_POLICIES: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A ledger that can be opened again and again.
pub trait Engine {
    /// Opens it.
    fn open(&self, masters: &MasterKeys) -> Result<Box<dyn Ledger>, LedgerError>;
}

struct File(Place);

impl Engine for File {
    fn open(&self, masters: &MasterKeys) -> Result<Box<dyn Ledger>, LedgerError> {
        let path: &Path = &self.0.path("test.ledger");
        Ok(Box::new(SqliteLedger::open_with(path, Bounds::default(), masters)?))
    }
}

struct Database(postgres::Database);

impl Engine for Database {
    fn open(&self, masters: &MasterKeys) -> Result<Box<dyn Ledger>, LedgerError> {
        Ok(Box::new(PostgresLedger::open(&Server::at(&self.0.url(), "one"), masters)?))
    }
}

/// An entry with these assertions; its cards are called after them.
pub fn entry(assertions: &[&str]) -> Entry {
    Entry {
        id: Uuid::new_v4(),
        at: "2026-03-01T23:59:59.123456789Z".parse().unwrap(),
        today: "2026-03-02".parse().unwrap(),
        seed: Uuid::new_v4(),
        service: "order-sign-crd".into(),
        hook_instance: "0d1f".into(),
        client: "https://ehr.example/fhir".into(),
        crd_version: "2.2".into(),
        policy_set: NO_POLICIES.into(),
        tenant: "north".into(),
        policies: vec!["633".into(), "default".into()],
        members: vec!["M-1".into()],
        assertions: assertions.iter().map(ToString::to_string).collect(),
        cards: assertions.iter().map(|id| format!("card of {id}")).collect(),
        determinations: r#"[{"covered":"not-covered"}]"#.into(),
        learned: "{}".into(),
        manner: r#"{"payer_check":"strict"}"#.into(),
        took_micros: 321,
        status: 200,
        request: br#"{"hook":"order-sign","context":{"patientId":"Doe"}}"#.to_vec().into(),
        response: format!(r#"{{"cards":[],"made":"{}"}}"#, Uuid::new_v4()).into(),
    }
}

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

fn plain(engine: &dyn Engine) -> Box<dyn Ledger> {
    engine.open(&MasterKeys::default()).unwrap()
}

fn holds(ledger: &dyn Ledger) {
    assert_eq!(ledger.verify().unwrap().flaw(), None);
}

fn an_entry_comes_back_as_it_was(engine: &dyn Engine) {
    let ledger = plain(engine);
    let first = entry(&["a1", "a2"]);
    wait(ledger.append(first.clone())).unwrap();
    assert_eq!(wait(ledger.append(entry(&[]))).unwrap().seq(), 2);
    for id in ["a1", "a2", "card of a1", &first.id.to_string()] {
        assert_eq!(ledger.entry(id).unwrap().as_ref(), Some(&first), "{id}");
    }
    assert_eq!(ledger.entry("a3").unwrap(), None);
    assert_eq!(ledger.ready(), Ok(()));
    drop(ledger);
    let ledger = plain(engine);
    assert_eq!(ledger.find("a1").unwrap(), Some(first));
    assert_eq!(wait(ledger.append(entry(&["a3"]))).unwrap().seq(), 3);
    holds(&*ledger);
}

fn a_duplicate_is_refused_alone(engine: &dyn Engine) {
    let ledger = plain(engine);
    let batch = [&["a1"][..], &["a2", "a1"], &["a2"], &["a3", "a3"], &["a3"], &[]];
    let batch = batch.map(|ids| ledger.append(entry(ids)));
    let outcomes = wait(async { Ok(futures_util::future::join_all(batch).await) }).unwrap();
    let refused: Vec<bool> = outcomes.iter().map(|outcome| *outcome == Err(LedgerError::Duplicate)).collect();
    assert_eq!(refused, [false, true, false, true, false, false]);
    assert_eq!(ledger.verify().unwrap().entries, 4);
    holds(&*ledger);
}

fn h22_feedback_is_kept_beside_its_card_or_not_at_all(engine: &dyn Engine) {
    let ledger = plain(engine);
    wait(ledger.append(entry(&["a1", "a2"]))).unwrap();
    wait(ledger.keep_feedback(vec![told("card of a1", "1"), told("card of a2", "2")])).unwrap();
    wait(ledger.keep_feedback(vec![told("card of a1", "3")])).unwrap();
    let another = Feedback { client: "another".into(), ..told("card of a1", "no") };
    let another_s = Feedback { tenant: "another".into(), ..told("card of a1", "no") };
    for call in [vec![told("card of a1", "no"), told("card of nothing", "no")], vec![another], vec![another_s]] {
        assert_eq!(wait(ledger.keep_feedback(call)).unwrap_err(), LedgerError::NoSuchCard);
    }
    assert_eq!(ledger.feedback("card of a1").unwrap(), [told("card of a1", "1"), told("card of a1", "3")]);
    let verdict = ledger.verify().unwrap();
    assert_eq!((verdict.entries, verdict.feedback, verdict.flaw()), (1, 3, None));
}

fn what_is_known_of_entries_finds_them_the_newest_first(engine: &dyn Engine) {
    let ledger = plain(engine);
    let start: Timestamp = "2026-01-31T23:00:00Z".parse().unwrap();
    for number in 0..130 {
        let mut entry = entry(&[&format!("a{number}")]);
        entry.at = start + number.minutes();
        entry.client = format!("client {}", number % 2);
        entry.members = vec![format!("M-{}", number % 10)];
        entry.hook_instance = format!("hook {number}");
        wait(ledger.append(entry)).unwrap();
    }
    let found = |search: Search, most| -> Vec<String> {
        ledger.search(&search, most).unwrap().into_iter().flat_map(|entry| entry.assertions).collect()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(found(Search { hook_instance: some("hook 7"), ..Search::default() }, 9), ["a7"]);
    assert_eq!(found(Search { assertion: some("a8"), ..Search::default() }, 9), ["a8"]);
    assert_eq!(found(Search { member: some("M-3"), ..Search::default() }, 2), ["a123", "a113"]);
    assert_eq!(
        found(Search { client: some("client 1"), policy: some("633"), ..Search::default() }, 3),
        ["a129", "a127", "a125"]
    );
    let member_of_other_client = Search { client: some("client 1"), member: some("M-2"), ..Search::default() };
    assert!(found(member_of_other_client, 9).is_empty());
    let (from, before) = (Some(start + 10.minutes()), Some(start + 12.minutes()));
    assert_eq!(found(Search { from, before, ..Search::default() }, 9), ["a11", "a10"]);
    assert_eq!(found(Search { policy: some("633"), ..Search::default() }, 500).len(), 130);
    assert_eq!(found(Search::default(), 500).len(), 130);
    assert!(found(Search { policy: some("634"), ..Search::default() }, 9).is_empty());
}

fn all_entries_of_a_span_come_in_order_with_their_feedback(engine: &dyn Engine) {
    let ledger = plain(engine);
    let start: Timestamp = "2026-01-31T23:00:00Z".parse().unwrap();
    for number in 0..300 {
        let entry = Entry { at: start + number.minutes(), ..entry(&[&format!("a{number}")]) };
        wait(ledger.append(entry)).unwrap();
    }
    wait(ledger.keep_feedback(vec![told("card of a20", "yes")])).unwrap();
    let mut seen = Vec::new();
    let mut items = Vec::new();
    ledger
        .each(start + 10.minutes(), start + 290.minutes(), &mut |entry, feedback| {
            seen.extend(entry.assertions);
            items.extend(feedback);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(seen, (10..290).map(|number| format!("a{number}")).collect::<Vec<_>>());
    assert_eq!(items, [told("card of a20", "yes")]);
}

fn l06_a_look_is_kept_with_who_and_at_what(engine: &dyn Engine) {
    let ledger = plain(engine);
    let shown = entry(&["a1"]);
    wait(ledger.append(shown.clone())).unwrap();
    let look = Look {
        at: "2026-03-03T08:00:00Z".parse().unwrap(),
        who: "clerk".into(),
        how: "explain".into(),
        entries: vec![shown.id],
        asked: "assertion a1".into(),
    };
    wait(ledger.look(look.clone())).unwrap();
    assert_eq!(ledger.looks(shown.id).unwrap(), [look]);
    assert_eq!(ledger.looks(Uuid::new_v4()).unwrap(), []);
    holds(&*ledger);
}

fn l08_what_is_too_old_goes_but_for_its_hash(engine: &dyn Engine) {
    let ledger = plain(engine);
    let old: Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
    let mut receipts = Vec::new();
    for number in 0..450 {
        let entry = Entry { at: old + number.minutes(), ..entry(&[&format!("old{number}")]) };
        receipts.push(wait(ledger.append(entry)).unwrap());
    }
    wait(ledger.append(entry(&["young"]))).unwrap();
    // Feedback that came lately, of an answer that goes.
    wait(ledger.keep_feedback(vec![told("card of old1", "late")])).unwrap();
    wait(ledger.append(Entry { at: old, ..entry(&["out of turn"]) })).unwrap();
    let before: Timestamp = "2021-01-01T00:00:00Z".parse().unwrap();
    let mut steps = 0;
    let removed = prune(&*ledger, "officer", Timestamp::now(), before, &mut |gone| steps += gone).unwrap();
    assert_eq!((removed, steps), (450, 450));
    assert_eq!(ledger.find("old0").unwrap(), None);
    assert!(
        ledger.search(&Search { hook_instance: Some("0d1f".into()), ..Search::default() }, 500).unwrap().len() == 2
    );
    assert!(ledger.find("young").unwrap().is_some() && ledger.find("out of turn").unwrap().is_some());
    let verdict = ledger.verify().unwrap();
    assert_eq!((verdict.entries, verdict.pruned, verdict.flaw()), (2, 450, None));
    assert_eq!(prune(&*ledger, "officer", Timestamp::now(), before, &mut |_| ()).unwrap(), 0);
    drop(ledger);
    let ledger = plain(engine);
    wait(ledger.append(entry(&["later"]))).unwrap();
    holds(&*ledger);
}

fn records_stay_in_order_though_the_clock_jumps_back(engine: &dyn Engine) {
    let ledger = plain(engine);
    let start: Timestamp = "2026-03-31T23:59:00Z".parse().unwrap();
    // Forward, into the next month, and back.
    let minutes = [0, 5, 90_000, -40, 3];
    for (number, minutes) in minutes.into_iter().enumerate() {
        let entry = Entry { at: start + minutes.minutes(), ..entry(&[&format!("a{number}")]) };
        assert_eq!(wait(ledger.append(entry)).unwrap().seq(), i64::try_from(number).unwrap() + 1);
    }
    holds(&*ledger);
    let found = ledger.search(&Search { client: Some("https://ehr.example/fhir".into()), ..Search::default() }, 9);
    let found: Vec<String> = found.unwrap().into_iter().flat_map(|entry| entry.assertions).collect();
    assert_eq!(found, ["a2", "a1", "a4", "a0", "a3"]);
    // None goes before its turn: the third is younger, and those after it wait for it.
    let before = start + 10.minutes();
    assert_eq!(prune(&*ledger, "officer", start + 90_001.minutes(), before, &mut |_| ()).unwrap(), 2);
    holds(&*ledger);
    assert!(ledger.find("a3").unwrap().is_some() && ledger.find("a1").unwrap().is_none());
}

fn payloads_are_encrypted_and_open_with_the_next_key_too(engine: &dyn Engine) {
    let one = MasterKeys::read(ONE).unwrap();
    let two = MasterKeys::read(&format!("2:{}\n{ONE}", "02".repeat(32))).unwrap();
    let last = MasterKeys::read(&format!("2:{}", "02".repeat(32))).unwrap();
    let first = entry(&["a1"]);
    wait(engine.open(&MasterKeys::default()).unwrap().append(entry(&["a0"]))).unwrap();
    wait(engine.open(&one).unwrap().append(first.clone())).unwrap();
    assert_eq!(engine.open(&MasterKeys::default()).err(), Some(LedgerError::NoKey));
    wait(engine.open(&two).unwrap().append(entry(&["a2"]))).unwrap();
    assert_eq!(engine.open(&one).err(), Some(LedgerError::NoKey));
    let ledger = engine.open(&last).unwrap();
    assert_eq!(ledger.find("a1").unwrap(), Some(first));
    assert!(ledger.find("a0").unwrap().is_some() && ledger.find("a2").unwrap().is_some());
    let of_member = Search { member: Some("M-1".into()), ..Search::default() };
    assert_eq!(ledger.search(&of_member, 9).unwrap().len(), 3);
    holds(&*ledger);
}

fn policy_sets_are_kept_once(engine: &dyn Engine) {
    let ledger = plain(engine);
    let files = vec![("b.json".to_owned(), b"{}".to_vec()), ("a.json".to_owned(), b"[]".to_vec())];
    ledger.keep_policy_set("h", &files).unwrap();
    ledger.keep_policy_set("h", &[]).unwrap();
    assert_eq!(ledger.policy_set("h").unwrap(), Some(files));
    assert_eq!(ledger.policy_set("other").unwrap(), None);
}

fn a_thousand_at_once_are_all_found_and_in_one_chain(engine: &dyn Engine) {
    let ledger = plain(engine);
    let entries: Vec<Entry> = (0..1000).map(|number| entry(&[&format!("a{number}")])).collect();
    let kept = entries.iter().map(|entry| ledger.append(entry.clone()));
    let receipts = wait(futures_util::future::try_join_all(kept)).unwrap();
    let mut places: Vec<i64> = receipts.into_iter().map(|receipt| receipt.seq()).collect();
    places.sort_unstable();
    assert_eq!(places, (1..=1000).collect::<Vec<i64>>());
    for entry in entries {
        assert_eq!(ledger.find(&entry.assertions[0]).unwrap(), Some(entry));
    }
    assert_eq!(ledger.verify().unwrap().entries, 1000);
    holds(&*ledger);
}

/// A test of each promise on each engine.
macro_rules! on_both {
    ($($promise:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $promise() { super::$promise(&super::File(super::Place::empty())); })*
        }
        mod postgresql {
            $(#[test] fn $promise() {
                let Some(database) = super::postgres::shared() else { return };
                super::$promise(&super::Database(database));
            })*
        }
    };
}

on_both!(
    an_entry_comes_back_as_it_was,
    a_duplicate_is_refused_alone,
    h22_feedback_is_kept_beside_its_card_or_not_at_all,
    what_is_known_of_entries_finds_them_the_newest_first,
    all_entries_of_a_span_come_in_order_with_their_feedback,
    l06_a_look_is_kept_with_who_and_at_what,
    l08_what_is_too_old_goes_but_for_its_hash,
    records_stay_in_order_though_the_clock_jumps_back,
    payloads_are_encrypted_and_open_with_the_next_key_too,
    policy_sets_are_kept_once,
    a_thousand_at_once_are_all_found_and_in_one_chain,
);
