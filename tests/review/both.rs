//! What does not depend on the engine: each promise is a function that is run on both.

use std::io;

use covenant::policy::load;
use covenant::record::{Entry, Ledger, LedgerError, Look, Outcome, Search, SqliteLedger, wait};
use covenant::review::{About, Age, Format, NotAgain, Retention, ReviewError, Reviewer, Verified};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;
use uuid::Uuid;

use super::exported::read;
use crate::laws_support::{MANNER, repository};
use crate::metrics::entries::{entry, every, payer, refused, told};
use crate::support::{Place, TestLedger, order, postgres};

fn zone() -> TimeZone {
    TimeZone::get("America/New_York").unwrap()
}

fn all_time() -> (Timestamp, Timestamp) {
    ("2020-01-01T00:00:00Z".parse().unwrap(), Timestamp::now() + 1.hour())
}

/// An entry whose answer sets a service apart, with a number of the member.
fn denied() -> Entry {
    let entry = entry(&order("47383").text());
    Entry { members: vec!["canary-member".into()], policies: vec!["633".into()], id: Uuid::new_v4(), ..entry }
}

fn keeps(ledger: &dyn Ledger, entry: &Entry) {
    wait(ledger.append(entry.clone())).unwrap();
}

fn about() -> About {
    let day = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let period = covenant::metrics::Period::of(None, Some("2026-11-22".parse().unwrap()), day, &zone()).unwrap();
    About { period, zone: "America/New_York".into(), payer: payer() }
}

/// Every way of reading, by its name, and what came of it.
fn ways(ledger: &dyn Ledger, id: &str) -> Vec<(&'static str, Result<(), ReviewError>)> {
    let reviewer = Reviewer::new(ledger, "clerk");
    let (from, before) = all_time();
    let everything = Search { client: Some("ehr".into()), ..Search::default() };
    vec![
        ("explain", reviewer.explain(id).map(drop)),
        ("replay", reviewer.replay(id, &MANNER).map(drop)),
        ("show", reviewer.show(id).map(drop)),
        ("search", reviewer.search(&everything, 9).map(drop)),
        ("export", reviewer.export(from, before).map(drop)),
        ("metrics", reviewer.measures(about()).map(drop)),
    ]
}

pub fn keep_policies(ledger: &dyn Ledger) {
    for files in [fhir_resources::embedded(), load::folder(&repository("tests/policies")).unwrap()] {
        let hash = load::hash(&files);
        let files: Vec<_> = files.into_iter().map(|file| (file.path, file.bytes)).collect();
        ledger.keep_policy_set(&hash, &files).unwrap();
    }
}

fn l06_every_way_of_reading_an_entry_is_recorded_with_who_and_when(ledger: &dyn Ledger) {
    keep_policies(ledger);
    let entry = denied();
    keeps(ledger, &entry);
    let (began, assertion) = (Timestamp::now(), entry.assertions[0].clone());
    for (way, outcome) in ways(ledger, &assertion) {
        outcome.unwrap_or_else(|error| panic!("{way}: {error}"));
    }
    let looks = ledger.looks(entry.id).unwrap();
    let how: Vec<&str> = looks.iter().map(|look| look.how.as_str()).collect();
    // An export and the measures are of no entry by itself: of them the span is kept.
    assert_eq!(how, ["explain", "replay", "show", "search"]);
    for look in &looks {
        assert_eq!((look.who.as_str(), look.entries.as_slice()), ("clerk", [entry.id].as_slice()));
        assert!(look.at >= began && look.at <= Timestamp::now());
    }
    let asked: Vec<&str> = looks.iter().map(|look| look.asked.as_str()).collect();
    let by_assertion = format!("assertion {assertion}");
    assert_eq!(asked, [&by_assertion, &by_assertion, &by_assertion, "client ehr"]);
    // Six looks and an entry.
    let verdict = ledger.verify().unwrap();
    assert_eq!((verdict.chains[0].records, verdict.flaw()), (7, None));
}

fn l06_whoever_looks_sees_who_looked_before_and_not_the_look_of_now(ledger: &dyn Ledger) {
    let entry = denied();
    keeps(ledger, &entry);
    let shown = |who: &str| Reviewer::new(ledger, who).explain(&entry.cards[0]).unwrap();
    assert_eq!(shown("first").looks, []);
    let second = shown("second");
    let [look] = second.looks.as_slice() else { panic!("not one look: {:?}", second.looks) };
    assert_eq!((look.who.as_str(), look.how.as_str()), ("first", "explain"));
    assert_eq!(look.asked, format!("card {}", entry.cards[0]));
    assert!(second.text(&zone()).contains("first, explain: card "), "{}", second.text(&zone()));
}

fn l06_a_member_and_an_unknown_id_are_not_in_the_record_of_a_look(ledger: &dyn Ledger) {
    let entry = denied();
    keeps(ledger, &entry);
    let reviewer = Reviewer::new(ledger, "clerk");
    let search = Search { member: Some("canary-member".into()), ..Search::default() };
    let found = reviewer.search(&search, 9).unwrap();
    assert_eq!(found.len(), 1);
    assert!(!found[0].line().contains("canary") && !serde_json::to_string(&found).unwrap().contains("canary"));
    assert_eq!(ledger.looks(entry.id).unwrap()[0].asked, "a member");
    assert!(matches!(reviewer.explain("canary-member"), Err(ReviewError::Unknown)));
    // That somebody asked is kept all the same.
    assert_eq!(ledger.verify().unwrap().chains[0].records, 3);
}

fn an_entry_is_found_by_assertion_invocation_and_card(ledger: &dyn Ledger) {
    let entry = denied();
    keeps(ledger, &entry);
    let reviewer = Reviewer::new(ledger, "clerk");
    for id in [&entry.assertions[0], &entry.cards[0], &entry.id.to_string(), &format!(" {} ", entry.id)] {
        assert_eq!(reviewer.show(id).unwrap().id, entry.id, "{id}");
    }
}

fn an_explanation_says_in_words_what_was_answered_why_and_what_was_told(ledger: &dyn Ledger) {
    let entry = denied();
    keeps(ledger, &entry);
    wait(ledger.keep_feedback(vec![told(&entry, Outcome::Overridden)])).unwrap();
    let explained = Reviewer::new(ledger, "clerk").explain(&entry.assertions[0]).unwrap();
    let text = explained.text(&zone());
    for words in [
        "order-sign-crd answered ehr on 2026-11-22 09:00:00 EST",
        &format!("invocation {}, hook order-sign", entry.id),
        "CRD 2.2, policy set ",
        "CPT 47383: not covered\n",
        "because  CPT 47383 is investigational under BCBSMA medical policy 633, so it is not covered.",
        "rule     policy 633 version 2020-11, ",
        "Policy 633, Policy: “Cryosurgical ablation",
        "known    setting outpatient; plan commercial-ppo-indemnity; diagnosis ICD-10-CM C22.0; code CPT 47383\n",
        "Not covered: CPT 47383 is investigational",
        "2026-11-22 09:00:00 EST: it was set aside, with a comment that the whole entry has",
    ] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    let json = serde_json::to_value(&explained).unwrap();
    let answer = &json["orders"][0]["determinations"][0];
    assert_eq!((&answer["answer"], &answer["covered"]), (&"not covered".into(), &"not-covered".into()));
    assert_eq!(json["cards"][0]["feedback"][0]["outcome"], "overridden");
    assert!(!json["cards"].to_string().contains("canary"), "{json}");
}

fn a_refusal_is_explained_shown_and_not_replayed(ledger: &dyn Ledger) {
    let entry = refused(400, "value", "The request is for another hook than this service.");
    keeps(ledger, &entry);
    let (reviewer, id) = (Reviewer::new(ledger, "clerk"), entry.id.to_string());
    let text = reviewer.explain(&id).unwrap().text(&zone());
    assert!(text.contains("It was refused: The request is for another hook than this service. (hook)"), "{text}");
    let request = reviewer.show(&id).unwrap().request;
    assert!(request.get().starts_with("\"sha256:"), "{request}");
    let again = reviewer.replay(&id, &MANNER);
    assert!(matches!(again, Err(ReviewError::NotAgain(NotAgain::Refused))), "{again:?}");
}

fn what_is_shown_is_whole_and_byte_for_byte(ledger: &dyn Ledger) {
    let entry = denied();
    keeps(ledger, &entry);
    wait(ledger.keep_feedback(vec![told(&entry, Outcome::Accepted)])).unwrap();
    let shown = Reviewer::new(ledger, "clerk").show(&entry.assertions[0]).unwrap();
    assert_eq!(shown.request.get().as_bytes(), entry.request);
    assert_eq!(shown.response.get().as_bytes(), entry.response);
    let json = serde_json::to_value(&shown).unwrap();
    assert_eq!(json["members"], serde_json::json!(["canary-member"]));
    assert_eq!(json["feedback"][0]["item"]["overrideReason"]["userComment"], "canary");
    assert_eq!(json["determinations"][0]["assertion"], entry.assertions[0]);
}

fn a_replay_gives_the_same_bytes(ledger: &dyn Ledger) {
    replays(ledger, &every().into_iter().step_by(40).collect::<Vec<_>>());
}

/// What an answer is made again from is the same in both engines, so all are made again in one.
#[test]
fn replay_over_every_golden_pair_gives_the_same_bytes() {
    let (place, every) = (Place::empty(), every());
    let ledger = SqliteLedger::open(&place.path("test.ledger")).unwrap();
    assert!(every.len() > 100, "only {} are replayed", every.len());
    replays(&ledger, &every);
}

fn replays(ledger: &dyn Ledger, every: &[(String, Entry)]) {
    keep_policies(ledger);
    let reviewer = Reviewer::new(ledger, "clerk");
    let kept = every.iter().map(|(_, entry)| ledger.append(entry.clone()));
    wait(futures_util::future::try_join_all(kept)).unwrap();
    for (name, entry) in every {
        let replayed =
            reviewer.replay(&entry.id.to_string(), &MANNER).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(replayed.same && replayed.difference.is_none(), "{name}: {:?}", replayed.difference);
        assert!(replayed.body == entry.response, "{name}");
    }
}

fn a_replay_that_differs_shows_where(ledger: &dyn Ledger) {
    keep_policies(ledger);
    let entry = denied();
    let mut response: Value = serde_json::from_slice(&entry.response).unwrap();
    let now = response["cards"][0]["summary"].clone();
    response["cards"][0]["summary"] = "Covered".into();
    let other = Entry { response: response.to_string().into(), ..entry };
    keeps(ledger, &other);
    let replayed = Reviewer::new(ledger, "clerk").replay(&other.assertions[0], &MANNER).unwrap();
    let difference = replayed.difference.unwrap();
    assert!(!replayed.same);
    assert_eq!(difference.pointer.as_deref(), Some("/cards/0/summary"));
    assert_eq!((difference.recorded, difference.now), (Some("Covered".into()), Some(now)));
    let same = other.response.iter().zip(&replayed.body).take_while(|(one, other)| one == other).count();
    assert_eq!(difference.byte, same);
}

fn a_replay_without_its_policies_says_so(ledger: &dyn Ledger) {
    let entry = denied();
    keeps(ledger, &entry);
    let reviewer = Reviewer::new(ledger, "clerk");
    let replay = || reviewer.replay(&entry.assertions[0], &MANNER);
    assert!(matches!(replay(), Err(ReviewError::NotAgain(NotAgain::NoPolicies))));
    ledger.keep_policy_set(&entry.policy_set, &[("payer/x.json".to_owned(), b"{}".to_vec())]).unwrap();
    assert!(matches!(replay(), Err(ReviewError::NotAgain(NotAgain::OtherPolicies))));
}

fn an_export_has_every_entry_of_its_span_in_order(ledger: &dyn Ledger) {
    let start: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
    let mut ids = Vec::new();
    for minutes in 0..150 {
        let at = start + minutes.minutes();
        let entry = Entry { id: Uuid::new_v4(), at, ..refused(400, "value", "No.") };
        keeps(ledger, &entry);
        ids.push(entry.id.to_string());
    }
    let (mut out, mut times) = (Vec::new(), Vec::new());
    let export = Reviewer::new(ledger, "clerk").export(start + 10.minutes(), start + 140.minutes()).unwrap();
    let written = export.write(ledger, &mut out, &mut |at| times.push(at)).unwrap();
    let events: Vec<Value> = String::from_utf8(out).unwrap().lines().map(read).collect();
    let exported: Vec<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(exported, ids[10..140]);
    assert_eq!((written, times.len(), times.is_sorted()), (130, 130, true));
}

fn an_export_that_cannot_be_written_ends_there(ledger: &dyn Ledger) {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    keeps(ledger, &denied());
    let (from, before) = all_time();
    let export =
        Reviewer::new(ledger, "clerk").export(from, "2027-01-01T00:00:00Z".parse::<Timestamp>().unwrap().max(before));
    let outcome = export.unwrap().write(ledger, &mut Full, &mut |_| panic!("nothing was written"));
    assert!(matches!(outcome, Err(ReviewError::Io(error)) if error.kind() == io::ErrorKind::StorageFull));
}

fn l08_what_is_younger_than_six_years_goes_only_where_that_is_lawful(ledger: &dyn Ledger) {
    keep_policies(ledger);
    let now = Timestamp::now();
    let days_ago = |days: i64| now - (days * 24).hours();
    for days in [3000, 2300, 2100, 1] {
        keeps(ledger, &Entry { id: Uuid::new_v4(), at: days_ago(days), ..refused(400, "value", "No.") });
    }
    let reviewer = Reviewer::new(ledger, "officer");
    let six_years = Age::six_years().ago(now, &zone()).unwrap();
    for (before, retention) in [(days_ago(2000), Retention::SixYears), (now, Retention::SixYears)] {
        assert!(matches!(reviewer.prunable(before, retention, &zone()), Err(ReviewError::TooYoung)));
        assert!(matches!(reviewer.prune(before, retention, &zone(), &mut |_| ()), Err(ReviewError::TooYoung)));
    }
    assert_eq!(reviewer.prunable(six_years, Retention::SixYears, &zone()).unwrap(), 2);
    assert_eq!(reviewer.prune(six_years, Retention::SixYears, &zone(), &mut |_| ()).unwrap(), 2);
    assert_eq!(reviewer.prunable(days_ago(2000), Retention::Shorter, &zone()).unwrap(), 1);
    assert_eq!(reviewer.prune(days_ago(2000), Retention::Shorter, &zone(), &mut |_| ()).unwrap(), 1);
    let verified = Verified::of(ledger).unwrap();
    assert_eq!(verified.words(), "1 entry, the chain holds\n3 records were pruned before them, as is kept");
    let json = verified.json();
    assert_eq!((&json["holds"], &json["pruned"], &json["entries"]), (&true.into(), &3.into(), &1.into()));
    assert_eq!(json["chains"][0]["head"].as_str().unwrap().len(), 64);
}

fn the_measures_are_those_of_the_entries(ledger: &dyn Ledger) {
    keeps(ledger, &denied());
    let mut out = Vec::new();
    let measures = Reviewer::new(ledger, "clerk").measures(about()).unwrap();
    measures.write(ledger, Format::Json, &mut out).unwrap();
    let json: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((&json["to"], &json["total"]["invocations"]), (&"2026-11-22".into(), &1.into()));
}

#[test]
fn l06_nothing_is_shown_if_the_look_cannot_be_kept() {
    for error in [LedgerError::Full, LedgerError::Busy, LedgerError::Poisoned] {
        let ledger = TestLedger::without_looks(error);
        keep_policies(&ledger);
        let entry = denied();
        keeps(&ledger, &entry);
        for id in [&*entry.assertions[0], "nothing"] {
            for (way, outcome) in ways(&ledger, id) {
                assert!(matches!(outcome, Err(ReviewError::Ledger(why)) if why == error), "{way}: {outcome:?}");
            }
        }
        assert_eq!(ledger.looks(entry.id), Ok(Vec::<Look>::new()));
    }
}

/// A test of each promise on each engine.
macro_rules! on_both {
    ($($promise:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $promise() {
                let place = super::Place::empty();
                super::$promise(&super::SqliteLedger::open(&place.path("test.ledger")).unwrap());
            })*
        }
        mod postgresql {
            use covenant::record::{MasterKeys, PostgresLedger, Server};
            $(#[test] fn $promise() {
                let Some(database) = super::postgres::shared() else { return };
                let server = Server::at(&database.url(), "one");
                super::$promise(&PostgresLedger::open(&server, &MasterKeys::default()).unwrap());
            })*
        }
    };
}

on_both!(
    l06_every_way_of_reading_an_entry_is_recorded_with_who_and_when,
    l06_whoever_looks_sees_who_looked_before_and_not_the_look_of_now,
    l06_a_member_and_an_unknown_id_are_not_in_the_record_of_a_look,
    an_entry_is_found_by_assertion_invocation_and_card,
    an_explanation_says_in_words_what_was_answered_why_and_what_was_told,
    a_refusal_is_explained_shown_and_not_replayed,
    what_is_shown_is_whole_and_byte_for_byte,
    a_replay_gives_the_same_bytes,
    a_replay_that_differs_shows_where,
    a_replay_without_its_policies_says_so,
    an_export_has_every_entry_of_its_span_in_order,
    an_export_that_cannot_be_written_ends_there,
    l08_what_is_younger_than_six_years_goes_only_where_that_is_lawful,
    the_measures_are_those_of_the_entries,
);
