//! SECURITY.md keeps its word: the threats it lists are all there, and every test and file that it names exists.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::laws_support::{files_under, repository};

/// The lists of threats, each with how many there are of it.
const LISTS: [(&str, usize); 2] = [("API", 10), ("R", 17)];

/// What stands before a defence that is somebody else's.
const NOT_OURS: &str = "Not ours";

fn document() -> String {
    fs::read_to_string(repository("SECURITY.md")).unwrap()
}

/// The rows of a list: its id, threat, defence and tests.
fn rows(document: &str, list: &str) -> Vec<[String; 4]> {
    let cells = |line: &str| {
        let cells: Vec<String> = line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        cells.try_into().ok()
    };
    let is_of = |row: &[String; 4]| row[0].strip_prefix(list).is_some_and(|rest| rest.parse::<usize>().is_ok());
    document.lines().filter(|line| line.starts_with("| ")).filter_map(cells).filter(is_of).collect()
}

/// What stands between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The module of a file of `src`.
fn module(path: &str) -> String {
    let inside = path.strip_prefix("src/").unwrap().strip_suffix(".rs").unwrap();
    inside.strip_suffix("/mod").unwrap_or(inside).replace('/', "::")
}

/// The tests of a file, each with its module.
fn tests_of(path: &str, text: &str) -> Vec<String> {
    let (mut found, mut is_test, mut inner) = (Vec::new(), false, "");
    for line in text.lines().map(str::trim) {
        match line.strip_prefix("fn ").and_then(|rest| rest.split_once('(')) {
            Some((name, _)) if std::mem::take(&mut is_test) => found.push(format!("{}{inner}::{name}", module(path))),
            _ if line == "mod tests {" => inner = "::tests",
            _ => is_test |= line == "#[test]",
        }
    }
    found
}

/// The code of the server: path and text of each file.
fn sources() -> impl Iterator<Item = (String, String)> {
    let files = files_under(&repository("src")).into_iter();
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).map(|path| {
        let inside = path.strip_prefix(repository("")).unwrap().to_str().unwrap().replace('\\', "/");
        (inside, fs::read_to_string(&path).unwrap())
    })
}

/// All tests: those of this program as it lists them itself, and those of the modules.
fn tests() -> BTreeSet<String> {
    let listed = Command::new(std::env::current_exe().unwrap()).arg("--list").output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let here = listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned);
    here.chain(sources().flat_map(|(path, text)| tests_of(&path, &text))).collect()
}

#[test]
fn every_threat_of_each_list_has_one_row() {
    let document = document();
    for (list, count) in LISTS {
        let found: Vec<String> = rows(&document, list).into_iter().map(|[id, ..]| id).collect();
        let expected: Vec<String> = (1..=count).map(|number| format!("{list}{number}")).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn every_row_has_a_defence_and_a_test_unless_the_defence_is_somebody_else_s() {
    let document = document();
    for [id, threat, defence, tests] in LISTS.iter().flat_map(|(list, _)| rows(&document, list)) {
        assert!(!threat.is_empty() && !defence.is_empty(), "{id}");
        assert_eq!(quoted(&tests).next().is_none(), defence.starts_with(NOT_OURS), "{id}: {tests}");
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let (document, tests) = (document(), tests());
    let rows: Vec<_> = LISTS.iter().flat_map(|(list, _)| rows(&document, list)).collect();
    let named: Vec<&str> = rows.iter().flat_map(|[.., tests]| quoted(tests)).collect();
    assert!(named.len() > 40, "only {} tests are named", named.len());
    let missing: Vec<&&str> = named.iter().filter(|name| !tests.contains(**name)).collect();
    assert!(missing.is_empty(), "there is no {missing:#?}");
}

#[test]
fn every_file_that_is_linked_exists_and_every_target_that_is_fuzzed_is_told() {
    let document = document();
    let links: Vec<&str> = document.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    let files = links.iter().filter(|link| !link.contains("://"));
    let missing: Vec<&&str> = files.filter(|file| !repository(file.split('#').next().unwrap()).exists()).collect();
    assert!(links.len() > 10 && missing.is_empty(), "there is no {missing:?}");
    for target in files_under(&repository("fuzz/fuzz_targets")) {
        let name = target.file_stem().unwrap().to_str().unwrap();
        assert!(document.contains(&format!("| `{name}` |")), "{name} is not told of");
    }
}

#[test]
fn nothing_is_read_as_xml() {
    // On this rest the exceptions in deny.toml for what fhirbolt brings to read XML.
    let reader = fs::read_to_string(repository("fhir-resources/lib.rs")).unwrap();
    assert!(reader.contains("fhirbolt::json") && !reader.contains("fhirbolt::xml"));
    assert!(sources().all(|(_, text)| !text.contains("fhirbolt::")));
}

#[test]
fn tests_are_found_by_the_names_that_they_run_under() {
    let text = "fn no() {}\n#[test]\nfn plain() {}\nmod tests {\n    #[test]\n    fn inner() {}\n}\n";
    assert_eq!(tests_of("src/a/mod.rs", text), ["a::plain", "a::tests::inner"]);
    assert_eq!(tests_of("src/a/tests.rs", "#[test]\n#[allow(x)]\nfn t() {}"), ["a::tests::t"]);
    assert!(tests().contains("security::tests_are_found_by_the_names_that_they_run_under"));
    assert!(tests().contains("outbound::address::tests::an_address_beside_those_is_public"));
    let row = "| R1 | a | b | `c` |";
    assert_eq!(rows(row, "R"), [["R1", "a", "b", "`c`"].map(str::to_owned)]);
    assert!(rows(row, "API").is_empty());
}
