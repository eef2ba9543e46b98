//! Words filled into the policy's texts: what was ordered, as text that cannot become markup.

use std::borrow::Cow;

use serde_json::Value;
use unicode_segmentation::UnicodeSegmentation;

use crate::decide::determination::Holds;
use crate::policy::check::{THE_PLAN, THE_SERVICE};
use crate::policy::template::{Slot, Template};
use crate::request::order;

/// The longest name of an order that is shown, in characters as people count them.
const LONGEST_NAME: usize = 120;

/// What is filled in for one order.
pub(super) struct Words {
    /// The billing codes that the sentence is about: `CPT 47383, CPT 47381`.
    pub(super) codes: String,
    /// The product line.
    pub(super) plan: Option<String>,
    /// What was ordered, plain.
    pub(super) order: String,
    /// The same for Markdown.
    pub(super) order_markdown: String,
}

impl Words {
    /// The words for an order, by what the EHR calls it and by its codes.
    pub(super) fn new(order: &Value, codes: String, plan: Option<String>) -> Self {
        let called = name(order).map(plain).filter(|name| !name.is_empty());
        let order = match (called, codes.is_empty()) {
            (Some(name), true) => name,
            (Some(name), false) => format!("{name} ({codes})"),
            (None, false) => codes.clone(),
            (None, true) => "The order".to_owned(),
        };
        let order_markdown = markdown(&order);
        Self { codes, plan, order, order_markdown }
    }

    /// Fills a text that is shown as it stands.
    pub(super) fn plain(&self, template: &Template, holds: &Holds<'_>) -> String {
        self.fill(template, holds, &self.order)
    }

    /// Fills a sentence, led by when it holds where it does not always: `If performed inpatient: …`
    pub(super) fn qualified(&self, template: &Template, holds: &Holds<'_>) -> String {
        let text = self.plain(template, holds);
        match condition(holds) {
            Some(condition) => format!("{condition}: {text}"),
            None => text,
        }
    }

    /// Fills a text that is Markdown.
    pub(super) fn markdown(&self, template: &Template, holds: &Holds<'_>) -> String {
        self.fill(template, holds, &self.order_markdown)
    }

    fn fill(&self, template: &Template, holds: &Holds<'_>, order: &str) -> String {
        // Where it is not sure that the policy speaks of the code, the sentence is not about the code.
        let sure = holds.is_of_code() && !self.codes.is_empty();
        let mut out = String::new();
        template.fill(&mut out, |slot| match slot {
            Slot::Code if sure => &self.codes,
            Slot::Code => THE_SERVICE,
            Slot::Plan => self.plan.as_deref().unwrap_or(THE_PLAN),
            Slot::Order => order,
        });
        out
    }
}

/// `If performed inpatient` , or nothing where it always holds.
pub(super) fn condition(holds: &Holds<'_>) -> Option<Cow<'static, str>> {
    match holds {
        Holds::Always => None,
        Holds::If { conditions, .. } if conditions.is_empty() => None,
        Holds::If { conditions, .. } => Some(Cow::Owned(format!("If {}", conditions.join(" and ")))),
        Holds::Otherwise => Some(Cow::Borrowed("Otherwise")),
    }
}

/// What the EHR calls an order: the text of its concept, else a display.
fn name(order: &Value) -> Option<&str> {
    // What kind of visit an Encounter is says nothing of what is done in it.
    if order::string(order, "resourceType") == Some("Encounter") {
        return None;
    }
    order::concepts(order).find_map(|concept| {
        let codings = concept.get("coding").and_then(Value::as_array).into_iter().flatten();
        let displays = codings.filter_map(|coding| coding.get("display").and_then(Value::as_str));
        concept.get("text").and_then(Value::as_str).or_else(|| displays.into_iter().next())
    })
}

/// Bytes of a character as people count them, at most, where it is shown: a family of five with skin tones has fewer. Whoever
/// piles marks upon marks is cut.
const CHARACTER_BYTES: usize = 48;

/// The beginning of a text, as much as may matter where so many characters of it are shown: all that is done with it costs no
/// more than that, however long the text.
fn beginning(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most.saturating_mul(CHARACTER_BYTES));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// One line without control, invisible or direction-changing characters (FAULTS R04), not too long.
pub(super) fn plain(text: &str) -> String {
    let hidden = |character: char| {
        character.is_control()
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
            || matches!(
                character,
                '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{2028}' | '\u{2029}' | '\u{e0000}'..='\u{e007f}'
            )
    };
    // What is hidden takes none of the room of what is shown, within reason.
    let shown: String = beginning(text, 2 * LONGEST_NAME)
        .chars()
        .map(|it| if it.is_whitespace() { ' ' } else { it })
        .filter(|it| !hidden(*it))
        .collect();
    cut(shown.trim(), LONGEST_NAME).into_owned()
}

/// At most so many characters as people count them, the last one an ellipsis where it was cut.
pub(super) fn cut(text: &str, most: usize) -> Cow<'_, str> {
    // No text of fewer bytes has more characters.
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let begins = beginning(text, most);
    if begins.len() == text.len() && text.graphemes(true).nth(most).is_none() {
        return Cow::Borrowed(text);
    }
    // Of a text that goes on the last character may not be whole.
    let whole = begins.graphemes(true).count() - usize::from(begins.len() < text.len());
    let kept: String = begins.graphemes(true).take(whole.min(most.saturating_sub(1))).collect();
    Cow::Owned(format!("{}…", kept.trim_end()))
}

/// Text that Markdown and HTML show as it stands (FAULTS R01): no markup, no links, not even of bare addresses.
fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let numbered = text.trim_start_matches(|first: char| first.is_ascii_digit());
    let list_mark = text.len() - numbered.len();
    for (at, character) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        let escaped = match character {
            '<' => "&lt;",
            '>' => "&gt;",
            '&' => "&amp;",
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '!' | '|' | '~' | '^' | '@' => "\\",
            '-' | '+' | '=' if at == 0 => "\\",
            '.' | ')' if at == list_mark && at > 0 => "\\",
            ':' if rest.starts_with("://") => "\\",
            '.' if text.get(..at).is_some_and(|before| before.to_ascii_lowercase().ends_with("www")) => "\\",
            _ => "",
        };
        out.push_str(escaped);
        if !escaped.starts_with('&') {
            out.push(character);
        }
    }
    out
}

untold!(Words);

#[cfg(test)]
mod tests {
    use super::{cut, markdown, plain};

    #[test]
    fn r01_names_are_shown_as_text() {
        let wrong = "<img src=x onerror=alert(1)> [x](javascript:alert(1)) `code` | # * https://evil.example";
        let shown = markdown(wrong);
        assert!(!shown.contains('<') && !shown.contains("x](") && !shown.contains("https:"), "{shown}");
        assert!(shown.contains("\\[x\\]") && shown.contains("\\`code\\`") && shown.contains("\\|"), "{shown}");
        assert_eq!(markdown("1. a"), "1\\. a");
        assert_eq!(markdown("- a: 1.5 - b www.x.y"), "\\- a: 1.5 - b www\\.x.y");
    }

    #[test]
    fn r03_a_cut_keeps_characters_whole() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        let family = "👩‍👩‍👧".repeat(200);
        assert_eq!(cut(&family, 139).matches("👩‍👩‍👧").count(), 138);
    }

    #[test]
    fn b01_a_text_of_megabytes_costs_no_more_than_what_is_shown_of_it() {
        let long = ["e".to_owned() + &"\u{301}".repeat(1_000_000), "x".repeat(4_000_000), "\u{200b}".repeat(1_000_000)];
        let began = std::time::Instant::now();
        // A text is looked at once for each determination.
        for _ in 0..100 {
            for text in &long {
                let (shown, cut) = (plain(text), cut(text, 139));
                assert!(shown.len() <= 120 * 48 && cut.len() <= 139 * 48 + 3 && cut.ends_with('…'), "{}", shown.len());
            }
        }
        // All of it a hundred times would take a minute.
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
        assert_eq!(cut(&long[1], 3), "xx…");
    }

    #[test]
    fn r04_hidden_and_direction_changing_characters_are_removed() {
        assert_eq!(plain("a\u{202e}b\u{200b}c\u{1b}[31md\r\ne\u{2066}"), "abc[31md  e");
    }
}
