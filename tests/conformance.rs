//! The conformance record: every statement that the guide makes of a server, and every obligation of a service in CDS
//! Hooks, with the tests that prove it. `cargo test conformance -- --nocapture` prints it.

mod cards;
mod coverage_information;
mod discovery;
mod exchange;
mod offers;
mod orders;
pub mod said;
mod table;

use std::collections::BTreeSet;

use table::{Statement, Status, counts, read, tests};

const LONGEST: usize = 120;

/// The ids of all server statements of CRD 2.2.1.
const IDS: &str = include_str!("conformance/ids.txt");

fn crd() -> Vec<Statement> {
    read(include_str!("conformance/crd.txt"))
}

fn hooks() -> Vec<Statement> {
    read(include_str!("conformance/hooks.txt"))
}

#[test]
fn every_statement_of_the_guide_is_in_the_table_once() {
    let expected: Vec<&str> = IDS.split_whitespace().collect();
    assert_eq!(expected.len(), 144);
    let statements = crd();
    let ids: Vec<&str> = statements.iter().map(|statement| &*statement.id).collect();
    assert_eq!(ids, expected, "in their order");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    let obligations = hooks();
    let ids: BTreeSet<&str> = obligations.iter().map(|statement| &*statement.id).collect();
    assert_eq!(ids.len(), obligations.len());
    assert!(ids.iter().all(|id| id.starts_with("hooks-")) && ids.len() >= 30, "{ids:?}");
}

#[test]
fn every_statement_is_proved_or_says_why_not() {
    let known = tests();
    for Statement { id, strength, words, status, note } in crd().into_iter().chain(hooks()) {
        let strengths = ["SHALL", "SHALL NOT", "SHOULD", "SHOULD NOT", "MAY"];
        assert!(strengths.contains(&&*strength), "{id}: {strength}");
        let texts = match &status {
            Status::Proved(tests) => {
                assert!(!tests.is_empty(), "{id} has no status");
                let missing: Vec<&String> = tests.iter().filter(|test| !known.contains(*test)).collect();
                assert!(missing.is_empty(), "{id}: there is no test {missing:?} that is run");
                assert_eq!(tests.iter().collect::<BTreeSet<_>>().len(), tests.len(), "{id} names a test twice");
                vec![&words]
            }
            Status::DoesNotApply(why) | Status::Open(why) => vec![&words, why],
        };
        for text in texts.into_iter().chain(&note) {
            let length = text.chars().count();
            assert!((8..=LONGEST).contains(&length), "{id}: {length} characters: {text}");
        }
    }
}

#[test]
fn the_table_is_printed() {
    let tables = [(crd(), "statements"), (hooks(), "obligations")];
    for (statements, _) in &tables {
        for statement in statements {
            println!("{}", statement.printed());
        }
    }
    println!();
    for (statements, called) in &tables {
        println!("{}", counts(statements, called));
    }
}

#[test]
fn what_is_wrong_with_a_table_is_found() {
    let table =
        read("# of nothing\na-1 | SHALL | It is so\n  = x::y\n  ~ mostly\na-2 | MAY | It may be\n  - not here\n");
    assert_eq!(table[0].status, Status::Proved(vec!["x::y".to_owned()]));
    assert_eq!(table[0].note.as_deref(), Some("mostly"));
    assert_eq!(counts(&table, "statements"), "2 statements: 1 proved, 1 do not apply, 0 open");
    let known = tests();
    for test in [
        "conformance::what_is_wrong_with_a_table_is_found",
        "request::json::tests::j05_numbers_are_kept_as_they_are_written",
    ] {
        assert!(known.contains(test), "{test} is not found");
    }
    assert!(!known.contains("faults::secrets::panics_in_a_process_of_its_own"), "it is ignored");
    assert!(std::panic::catch_unwind(|| read("a-1 | SHALL | It is so\n  = x\n  ? open\n")).is_err());
}
