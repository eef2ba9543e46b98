//! The closed list of what is logged: only `telemetry` logs, and only these fields, each with the reason why nobody's data is in it.

use crate::laws_support::{files_under, repository};

/// A field, and what can be in it.
pub const FIELDS: [(&str, &str); 23] = [
    ("calls", "a number"),
    ("client", "the name of a registration"),
    ("clients", "a number"),
    ("error", "one of our own sentences"),
    ("failure", "one of our own words"),
    ("fault", "client, ehr or us"),
    ("flaw", "a place in the chain"),
    ("id", "a number that we made"),
    ("issue", "a code of our own table"),
    ("items", "a number"),
    ("micros", "a number"),
    ("most", "a number of our own settings"),
    ("name", "the name of an operator's token"),
    ("orders", "a number"),
    ("origin", "of a FHIR server that is registered"),
    ("place", "a line of our own source"),
    ("problem", "of the operator's own files"),
    ("route", "a pattern of our own"),
    ("security", "true"),
    ("service", "the id of one of ours"),
    ("set", "the hash of a policy set"),
    ("status", "a number"),
    ("why", "one of our own words"),
];

/// Every field and every sentence that the macros of a source name.
fn named(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut fields, mut sentences) = (Vec::new(), Vec::new());
    for call in text.split("tracing::").skip(1) {
        let Some((kind, rest)) = call.split_once("!(") else { continue };
        if !["error", "warn", "info", "debug", "trace"].contains(&kind) {
            continue;
        }
        let mut argument = String::new();
        let (mut quoted, mut depth) = (false, 0);
        for letter in rest.chars() {
            match letter {
                '"' => quoted = !quoted,
                '(' if !quoted => depth += 1,
                ')' if !quoted && depth > 0 => depth -= 1,
                ',' | ')' if !quoted && depth == 0 => {
                    let said = argument.trim().to_owned();
                    match said.strip_prefix('"') {
                        Some(sentence) => sentences.push(sentence.trim_end_matches('"').to_owned()),
                        None => fields.push(said.split('=').next().unwrap().trim().trim_start_matches('%').to_owned()),
                    }
                    argument.clear();
                    if letter == ')' {
                        break;
                    }
                    continue;
                }
                _ => {}
            }
            argument.push(letter);
        }
    }
    fields.retain(|field| !field.is_empty());
    (fields, sentences)
}

fn telemetry() -> (Vec<String>, Vec<String>) {
    let files = files_under(&repository("src")).into_iter().filter(|path| path.to_str().unwrap().contains("telemetry"));
    let text: String = files.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    named(&text)
}

/// Every sentence that can be logged.
pub fn sentences() -> Vec<String> {
    telemetry().1
}

#[test]
fn r07_only_fields_of_the_closed_list_are_logged() {
    let (fields, sentences) = telemetry();
    assert!(fields.len() > 40 && sentences.len() > 25, "{} fields, {} sentences", fields.len(), sentences.len());
    let listed: Vec<&str> = FIELDS.iter().map(|(field, _)| *field).collect();
    for field in &fields {
        assert!(listed.contains(&field.as_str()), "{field} is logged, and not on the list");
    }
    for field in listed {
        assert!(fields.iter().any(|other| other == field), "{field} is on the list, and not logged");
    }
}

#[test]
fn a_field_that_is_not_listed_is_found() {
    let (fields, sentences) =
        named("tracing::warn!(id, %error, body = text(a, b), \"a, b\"); tracing::info!(\n    \"c\"\n);");
    assert_eq!(
        (fields, sentences),
        (vec!["id".into(), "error".into(), "body".into()], vec!["a, b".into(), "c".into()])
    );
}
