//! Reads an answer as an EHR does: its cards, and the coverage information on its order.

use serde::Serialize;
use serde_json::Value;

use crate::pages::markdown;

/// A card as it is shown.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Card {
    summary: String,
    indicator: String,
    source: String,
    topic: String,
    /// HTML, sanitised.
    detail: String,
    links: Vec<Link>,
    /// What its buttons say.
    suggestions: Vec<String>,
}

/// A link of a card.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Link {
    label: String,
    url: String,
}

/// A line of coverage information.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Entry {
    /// The name of the element: `pa-needed`.
    name: String,
    values: Vec<Said>,
}

/// A value of it, in words, and where it leads.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Said {
    words: String,
    url: Option<String>,
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// The cards of an answer.
pub(super) fn cards(answer: &Value) -> Vec<Card> {
    let link = |link: &Value| Link { label: text(link, "/label"), url: text(link, "/url") };
    let card = |card: &Value| Card {
        summary: text(card, "/summary"),
        indicator: text(card, "/indicator"),
        source: text(card, "/source/label"),
        topic: text(card, "/source/topic/display"),
        detail: markdown::html(&text(card, "/detail")),
        links: list(card, "/links").map(link).collect(),
        suggestions: list(card, "/suggestions").map(|it| text(it, "/label")).collect(),
    };
    list(answer, "/cards").map(card).collect()
}

/// The elements that are shown, in this order: what depends on who asks and when is left out.
const SHOWN: [&str; 9] = [
    "covered",
    "pa-needed",
    "doc-needed",
    "doc-purpose",
    "info-needed",
    "reason",
    "detail",
    "questionnaire",
    "expiry-date",
];

/// The coverage information of an answer's first order.
pub(super) fn information(answer: &Value) -> Vec<Entry> {
    let extension = answer.pointer("/systemActions/0/resource/extension/0");
    let parts = || extension.into_iter().flat_map(|extension| list(extension, "/extension"));
    let entry = |name: &str| {
        let named = parts().filter(|part| text(part, "/url") == name);
        let values: Vec<Said> = named.map(said).collect();
        (!values.is_empty()).then(|| Entry { name: name.to_owned(), values })
    };
    SHOWN.iter().filter_map(|name| entry(name)).collect()
}

/// What an element says. A detail that is an address leads there, under its name.
fn said(part: &Value) -> Said {
    if part.get("extension").is_none() {
        return Said { words: value(part), url: None };
    }
    let inner = |name: &str| list(part, "/extension").find(|part| text(part, "/url") == name);
    let code = inner("code").map(|code| {
        let concept = ["/valueCodeableConcept/coding/0/code", "/valueCodeableConcept/text"];
        concept.into_iter().map(|pointer| text(code, pointer)).find(|it| !it.is_empty()).unwrap_or_default()
    });
    let code = code.unwrap_or_default();
    let url = inner("value").map(|part| text(part, "/valueUrl")).filter(|url| url.starts_with("https://"));
    let words = match (&url, inner("value").map(value)) {
        (None, Some(value)) => format!("{code}: {value}"),
        _ => code,
    };
    let words = match inner("qualification").map(value) {
        Some(qualification) => format!("{words} ({qualification})"),
        None => words,
    };
    Said { words, url }
}

/// The value of an element, in words.
fn value(part: &Value) -> String {
    let members = part.as_object().into_iter().flatten();
    members.filter(|(name, _)| name.starts_with("value")).map(|(_, value)| plain(value)).collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(members) => {
            // A concept's words; else what there is of a period, a quantity or a reference.
            let words = members.get("text").and_then(Value::as_str).map(str::to_owned);
            let all = || members.values().map(plain).filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" – ");
            words.unwrap_or_else(all)
        }
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
