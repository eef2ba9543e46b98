//! Puts our extensions into an order's own bytes: everything else stays byte for byte (CRD resp-37).

use serde_json::value::RawValue;

use crate::request::json::{self, Members};

/// An order with the extensions that `ours` says are ours replaced by `new`, a list of JSON texts without brackets.
///
/// Extensions of others stay where they are; ours go to the end. An order without any gets the member at its end.
pub(super) fn splice(order: &RawValue, ours: impl Fn(&RawValue) -> bool, new: &str) -> String {
    let text = order.get();
    let Some(existing) = Members::of(order).get("extension").filter(|raw| raw.get().starts_with('[')) else {
        let inside = text.strip_suffix('}').unwrap_or(text);
        return format!("{inside},\"extension\":[{new}]}}");
    };
    let mut list = String::with_capacity(existing.get().len() + new.len() + 2);
    for item in json::items(existing).into_iter().filter(|item| !ours(item)) {
        list.push_str(item.get());
        list.push(',');
    }
    list.push_str(new);
    let (before, after) = around(text, existing.get());
    format!("{before}[{list}]{after}")
}

/// What stands before and after a part of a text.
fn around<'t>(text: &'t str, part: &str) -> (&'t str, &'t str) {
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let (before, rest) = text.split_at_checked(start).unwrap_or((text, ""));
    (before, rest.get(part.len()..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::value::RawValue;

    use super::splice;

    fn spliced(order: &str) -> String {
        let raw: &RawValue = serde_json::from_str(order).unwrap();
        splice(raw, |item| item.get().contains("ours"), r#"{"url":"new"}"#)
    }

    #[test]
    fn r05_an_order_without_extensions_gets_the_member_at_its_end() {
        assert_eq!(spliced("{ \"a\" : 1.10 }"), "{ \"a\" : 1.10 ,\"extension\":[{\"url\":\"new\"}]}");
    }

    #[test]
    fn r05_foreign_extensions_stay_and_ours_are_replaced() {
        let order = r#"{"b":1.0E2, "extension" : [ {"url":"ours"}, {"url" : "foreign"} ], "_code":{}}"#;
        let expected = r#"{"b":1.0E2, "extension" : [{"url" : "foreign"},{"url":"new"}], "_code":{}}"#;
        assert_eq!(spliced(order), expected);
    }

    #[test]
    fn r05_a_name_written_with_escapes_is_the_same_name() {
        let order = r#"{"\u0065xtension":[{"url":"ours"}],"contained":[{"extension":[{"url":"ours"}]}]}"#;
        let expected = r#"{"\u0065xtension":[{"url":"new"}],"contained":[{"extension":[{"url":"ours"}]}]}"#;
        assert_eq!(spliced(order), expected);
    }
}
