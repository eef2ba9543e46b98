//! No type that a caller's bytes or a patient's data go through is printed by `Debug` with what is in it.

use std::collections::BTreeSet;

use super::{Source, sources};

/// Rooms that see what callers send.
const ROOMS: [&str; 10] =
    ["answer", "auth", "decide", "gather", "http", "metrics", "record", "render", "request", "review"];

/// What can hold a text.
const TEXTS: [&str; 7] = ["String", "Value", "RawValue", "Bytes", "Cow", "str", "u8"];

/// Types with texts that are printed, since their texts are our own: of the policy set, of the operator's files, registrations and tables,
/// places in a request without its values, names of members that a schema has.
const OUR_OWN: [&str; 45] = [
    "About",
    "Candidate",
    "ClientKeys",
    "Clients",
    "ClientsError",
    "Coding",
    "ContactPoint",
    "Damage",
    "Determined",
    "Documentation",
    "Doorman",
    "EhrError",
    "Figures",
    "Fingerprint",
    "GatherError",
    "Glance",
    "Holds",
    "ImportError",
    "Issue",
    "Kind",
    "Links",
    "Misfit",
    "Node",
    "Operator",
    "Options",
    "PaNeeded",
    "Period",
    "Registered",
    "Registration",
    "RequestError",
    "ReviewError",
    "Row",
    "Rule",
    "Server",
    "Share",
    "Shown",
    "Source",
    "Tally",
    "Topic",
    "Trace",
    "Trouble",
    "Verdict",
    "VerifiedClient",
    "Walked",
    "Wrapped",
];

/// The types that derive `Debug` and have a text among their fields.
fn printed(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for part in source.text.split("#[derive(").skip(1) {
        let Some((traits, rest)) = part.split_once(")]") else { continue };
        if !traits.split(',').any(|one| one.trim() == "Debug") {
            continue;
        }
        let code: String = rest
            .lines()
            .filter(|line| !line.trim_start().starts_with("//") && !line.trim_start().starts_with("#["))
            .fold(String::new(), |code, line| code + line + "\n");
        // A declaration ends where its first line's indentation comes back, or with a semicolon.
        let end = code.find("\n}").into_iter().chain(code.find("\n    }")).chain(code.find(";\n")).min();
        let declaration = &code[..end.unwrap_or(code.len())];
        let words: Vec<&str> = declaration.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect();
        let name = words.iter().position(|word| ["struct", "enum"].contains(word)).map(|at| words[at + 1]);
        let has_text = words.windows(2).any(|pair| pair[0] != "static" && TEXTS.contains(&pair[1]));
        found.extend(name.filter(|_| has_text).map(str::to_owned));
    }
    found
}

#[test]
fn r07_what_a_caller_s_text_can_be_in_is_not_printed_by_debug() {
    let sources = sources();
    let ours = sources.iter().filter(|source| source.module.first().is_some_and(|room| ROOMS.contains(&room.as_str())));
    let printed: BTreeSet<String> = ours.flat_map(printed).collect();
    let listed: BTreeSet<String> = OUR_OWN.iter().map(|name| (*name).to_owned()).collect();
    let unlisted: Vec<&String> = printed.difference(&listed).collect();
    assert!(
        unlisted.is_empty(),
        "{unlisted:?} have texts and derive Debug: use untold!, or say that the texts are our own"
    );
    let gone: Vec<&String> = listed.difference(&printed).collect();
    assert!(gone.is_empty(), "{gone:?} are on the list, and do not derive Debug with a text");
}

#[test]
fn a_type_that_tells_is_found() {
    let of = |text: &str| printed(&Source::new("src/request/new.rs", &format!("//! A room.\n{text}")));
    assert_eq!(of("#[derive(Clone, Debug)]\npub struct A<'b> {\n    /// One.\n    a: Cow<'b, str>,\n}\n"), ["A"]);
    assert_eq!(of("#[derive(Debug)]\nenum B {\n    C(Vec<u8>),\n}\n"), ["B"]);
    assert_eq!(of("#[derive(Debug)]\nstruct D(String);\n"), ["D"]);
    assert!(of("#[derive(Clone)]\nstruct E(String);\nuntold!(E);\n").is_empty());
    assert!(
        of("#[derive(Debug)]\nstruct F {\n    one: &'static str,\n    two: usize,\n}\nstruct G(String);\n").is_empty()
    );
}
