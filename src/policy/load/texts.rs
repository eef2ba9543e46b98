//! Looks through the JSON of a resource for what its reader would pass over: Markdown that could run or load something where
//! it is shown, and elements that could change what a rule means and are not evaluated.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pulldown_cmark::{Event, LinkType, Options, Parser, Tag};
use serde_json::{Map, Value};

use super::Problems;

/// Elements whose type is markdown, or whose text is shown as Markdown: an action's `description` is a card's detail.
const MARKDOWN: [&str; 6] = ["description", "purpose", "usage", "copyright", "citation", "valueMarkdown"];

/// Elements of any resource that may change the meaning of what they stand in.
const MODIFIERS: [&str; 2] = ["modifierExtension", "implicitRules"];

/// Elements of a type of resource that would narrow or widen a rule, and are not evaluated.
const UNREAD: [(&str, &[&str]); 2] = [
    ("PlanDefinition", &["condition", "dateFilter", "dynamicValue", "relatedAction", "transform"]),
    ("ConceptMap", &["dependsOn", "product", "unmapped"]),
];

/// Looks through a resource, and through what it contains.
pub(super) fn look(resource: &Value, problems: &mut Problems) {
    let kind = resource.get("resourceType").and_then(Value::as_str).unwrap_or_default();
    let unread = UNREAD.iter().find(|(of, _)| *of == kind).map_or(&[][..], |(_, names)| *names);
    Look { unread, problems }.value(resource, "", "");
}

struct Look<'a> {
    unread: &'static [&'static str],
    problems: &'a mut Problems,
}

impl Look<'_> {
    /// Nesting is bounded where the text was scanned.
    fn value(&mut self, value: &Value, name: &str, at: &str) {
        match value {
            Value::String(text) if MARKDOWN.contains(&name) => self.markdown(text, at),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(item, name, &format!("{at}[{index}]"));
                }
            }
            Value::Object(members) => self.members(members, name, at),
            _ => {}
        }
    }

    fn members(&mut self, members: &Map<String, Value>, within: &str, at: &str) {
        let dot = if at.is_empty() { "" } else { "." };
        for (name, value) in members {
            let at = format!("{at}{dot}{name}");
            let plain = name.trim_start_matches('_');
            if MODIFIERS.contains(&plain) {
                self.problems.add(at, "may change the meaning of what it stands in, and is not understood");
            } else if self.unread.contains(&plain) {
                self.problems.add(at, "may change what a rule means, and is not evaluated");
            } else if let (true, "text", Value::String(text)) = (within == "note", &**name, value) {
                self.markdown(text, &at);
            } else if name == "contained" {
                // Drafts of orders and forms: what they hold is no part of a rule.
                let mut of_contained = Look { unread: &[], problems: &mut *self.problems };
                of_contained.value(value, name, &at);
            } else {
                self.value(value, name, &at);
            }
        }
        if members.get("contentType").and_then(Value::as_str) == Some("text/markdown")
            && let Some(data) = members.get("data").and_then(Value::as_str)
        {
            // What is no base64 and no text is told where it is read.
            let data: String = data.split_whitespace().collect();
            if let Some(text) = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
                self.markdown(&text, &format!("{at}{dot}data"));
            }
        }
    }

    fn markdown(&mut self, text: &str, at: &str) {
        if let Some(what) = unsafe_markdown(text) {
            self.problems.add(at, what);
        }
    }
}

/// What is wrong with a Markdown text, read as the pages read it.
fn unsafe_markdown(text: &str) -> Option<&'static str> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    Parser::new_ext(text, options).find_map(|event| match event {
        Event::Html(_) | Event::InlineHtml(_) => {
            Some("has HTML in its Markdown; write it as Markdown, or the < as \\<")
        }
        Event::Start(Tag::Link { link_type: LinkType::Email, .. }) => None,
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) if !leads_out(&dest_url) => {
            Some("has a link in its Markdown that does not begin with https://, http:// or mailto:")
        }
        _ => None,
    })
}

/// Whether an address is one of the web or of mail. Anything else, as `javascript:`, may run where it is shown.
fn leads_out(address: &str) -> bool {
    let address = address.to_ascii_lowercase();
    ["https://", "http://", "mailto:"].iter().any(|scheme| address.starts_with(scheme))
}

#[cfg(test)]
mod tests {
    use super::unsafe_markdown;

    #[test]
    fn what_runs_or_is_html_is_found_however_it_is_written() {
        for hostile in [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "<!-- x -->",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](java&#115;cript:alert(1))",
            "[x](<javascript:alert(1)>)",
            "<javascript:alert(1)>",
            "[x][y]\n\n[y]: javascript:alert(1)",
            "| a |\n|---|\n| [x](data:text/html,x) |",
            "![x](vbscript:x)",
            "[x](//elsewhere.example)",
            "[x](#place)",
        ] {
            assert!(unsafe_markdown(hostile).is_some(), "{hostile}");
        }
    }

    #[test]
    fn what_a_policy_says_is_let_pass() {
        for good in [
            "Tumours <5 cm and >3, a<b, x & y",
            "**Bold** `<script>` and \\<script>",
            "[633](https://payer.example/633), <https://payer.example>, <a@payer.example>, [mail](mailto:a@payer.example)",
            "javascript: is a word",
            "| a | b |\n|---|---|\n| 1 | {{order}} |",
        ] {
            assert_eq!(unsafe_markdown(good), None, "{good}");
        }
    }
}
