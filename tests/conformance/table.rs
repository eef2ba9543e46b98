//! Reads the tables of statements: what a line says, and which tests there are that it can name.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::laws_support::{files_under, repository};

/// How a statement stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// By these tests.
    Proved(Vec<String>),
    /// And why.
    DoesNotApply(String),
    /// And why.
    Open(String),
}

/// A statement of a standard.
#[derive(Debug, Clone)]
pub struct Statement {
    pub id: String,
    /// `SHALL`, `SHOULD`, `MAY`, with or without `NOT`.
    pub strength: String,
    /// In our words.
    pub words: String,
    pub status: Status,
    /// What is to be known beside its status.
    pub note: Option<String>,
}

/// The statements of a table: a line `id | strength | words`, and below it, further in, `= test`, `- why it does not
/// apply`, `? why it is open`, `~ note`. What begins with `#` is a comment.
pub fn read(text: &str) -> Vec<Statement> {
    let mut found: Vec<Statement> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let Some(inside) = line.strip_prefix("  ") else {
            let [id, strength, words] = line.split(" | ").collect::<Vec<_>>().try_into().unwrap_or_else(|_| {
                panic!("`{line}` is no statement");
            });
            let (id, strength, words) = (id.to_owned(), strength.to_owned(), words.to_owned());
            found.push(Statement { id, strength, words, status: Status::Proved(Vec::new()), note: None });
            continue;
        };
        let statement = found.last_mut().expect("a statement");
        let (mark, rest) = inside.split_once(' ').unwrap_or_else(|| panic!("`{line}` says nothing"));
        let rest = rest.to_owned();
        match (mark, &mut statement.status) {
            ("=", Status::Proved(tests)) => tests.push(rest),
            ("-", Status::Proved(tests)) if tests.is_empty() => statement.status = Status::DoesNotApply(rest),
            ("?", Status::Proved(tests)) if tests.is_empty() => statement.status = Status::Open(rest),
            ("~", _) if statement.note.is_none() => statement.note = Some(rest),
            _ => panic!("`{line}` does not go with what {} is already", statement.id),
        }
    }
    found
}

impl Statement {
    /// The statement as a line or more of a printed table.
    pub fn printed(&self) -> String {
        let (mark, rest) = match &self.status {
            Status::Proved(tests) => ("proved", tests.join("\n                 ")),
            Status::DoesNotApply(why) => ("does not apply", why.clone()),
            Status::Open(why) => ("OPEN", why.clone()),
        };
        let note = self.note.as_ref().map(|note| format!("\n                 ({note})")).unwrap_or_default();
        format!("{} {}: {}\n  {mark:<14} {rest}{note}", self.id, self.strength, self.words)
    }
}

/// `144 statements: 130 proved, 12 do not apply, 2 open: sec-1, sec-2`
pub fn counts(statements: &[Statement], called: &str) -> String {
    let count = |of: fn(&Status) -> bool| statements.iter().filter(|statement| of(&statement.status)).count();
    let proved = count(|status| matches!(status, Status::Proved(_)));
    let not = count(|status| matches!(status, Status::DoesNotApply(_)));
    let open = statements.iter().filter(|statement| matches!(statement.status, Status::Open(_)));
    let open: Vec<&str> = open.map(|statement| &*statement.id).collect();
    let which = if open.is_empty() { String::new() } else { format!(": {}", open.join(", ")) };
    format!("{} {called}: {proved} proved, {not} do not apply, {} open{which}", statements.len(), open.len())
}

/// The names of all tests that are run, as cargo prints them: of this binary as it lists them itself, of the library as
/// its sources have them.
pub fn tests() -> BTreeSet<String> {
    let listed = |more: &[&str]| -> BTreeSet<String> {
        let mut itself = Command::new(std::env::current_exe().unwrap());
        let listed = itself.args(["--list", "--format", "terse"]).args(more).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
    };
    let mut found = &listed(&[]) - &listed(&["--ignored"]);
    assert!(found.len() > 150, "only {} tests were listed", found.len());
    let root = repository("src");
    for file in files_under(&root).into_iter().filter(|file| file.extension().is_some_and(|kind| kind == "rs")) {
        found.extend(in_source(file.strip_prefix(&root).unwrap(), &std::fs::read_to_string(&file).unwrap()));
    }
    found
}

/// The tests of a source file: `record::chain::tests::every_column_is_sealed`.
fn in_source(path: &Path, text: &str) -> Vec<String> {
    let path = path.to_str().unwrap().replace('\\', "/");
    let module = path.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::");
    let (mut inline, mut marked, mut found) = ("", false, Vec::new());
    for line in text.lines() {
        let trimmed = line.trim();
        inline = if line == "mod tests {" { "::tests" } else { inline };
        if trimmed.starts_with("#[") {
            let is_test = trimmed == "#[test]" || trimmed.starts_with("#[tokio::test");
            marked = (marked || is_test) && !trimmed.starts_with("#[ignore");
        } else if let Some((_, rest)) = trimmed.split_once("fn ").filter(|_| marked) {
            let name = rest.split('(').next().unwrap_or_default();
            found.push(format!("{module}{inline}::{name}"));
            marked = false;
        }
    }
    found
}
