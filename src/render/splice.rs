//! Puts our extensions into an order's own bytes: everything else stays byte for byte (CRD resp-37).

use crate::request::json::View;

/// An order with the extensions that `ours` says are ours replaced by `new`, a list of JSON texts without brackets.
///
/// Extensions of others stay where they are; ours go to the end. An order without any gets the member at its end.
pub(super) fn splice(order: View<'_>, ours: impl Fn(View<'_>) -> bool, new: &str) -> String {
    let text = order.raw();
    let Some(existing) = order.get("extension").filter(|existing| existing.is_array()) else {
        let inside = text.strip_suffix('}').unwrap_or(text);
        return [inside, ",\"extension\":[", new, "]}"].concat();
    };
    let start = existing.offset_in(order);
    let before = text.get(..start).unwrap_or_default();
    let after = text.get(start + existing.raw().len()..).unwrap_or_default();
    let mut spliced = String::with_capacity(text.len() + new.len() + 2);
    spliced.push_str(before);
    if existing.items().next().is_some() && !existing.items().any(&ours) {
        // Nothing is taken out, so the list keeps its white space too.
        spliced.push_str(existing.raw().strip_suffix(']').unwrap_or_default());
        spliced.push(',');
    } else {
        spliced.push('[');
        for item in existing.items().filter(|item| !ours(*item)) {
            spliced.push_str(item.raw());
            spliced.push(',');
        }
    }
    spliced.push_str(new);
    spliced.push(']');
    spliced.push_str(after);
    spliced
}

/// An object with members at its top as JSON texts: those that are there in their place, others at its end.
pub(super) fn with_members(object: View<'_>, members: &[(String, String)]) -> String {
    let text = object.raw();
    let mut places: Vec<(usize, usize, &str)> = Vec::new();
    let mut added = String::new();
    for (name, value) in members {
        match object.get(name) {
            Some(existing) => {
                let start = existing.offset_in(object);
                places.push((start, start + existing.raw().len(), value));
            }
            None => added.push_str(&format!(",\"{name}\":{value}")),
        }
    }
    places.sort_unstable();
    let (mut out, mut from) = (String::with_capacity(text.len() + added.len()), 0);
    for (start, end, value) in places {
        out.push_str(text.get(from..start).unwrap_or_default());
        out.push_str(value);
        from = end;
    }
    let rest = text.get(from..).unwrap_or_default();
    out.push_str(rest.strip_suffix('}').unwrap_or(rest));
    out.push_str(&added);
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{splice, with_members};
    use crate::config::Limits;
    use crate::request::json::Json;

    fn spliced(order: &str) -> String {
        let limits = Limits::of_text(9, 99);
        let json = Json::scan(order.as_bytes(), &limits).unwrap();
        splice(json.root(), |item| item.raw().contains("ours"), r#"{"url":"new"}"#)
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
    fn r05_changed_members_stand_where_they_stood() {
        let limits = Limits::of_text(9, 99);
        let json = Json::scan(br#"{"a":1, "b" : {"a":2}, "c":1.10}"#, &limits).unwrap();
        let members =
            [("c", "3"), ("d", "[4]"), ("a", "\"x\"")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(with_members(json.root(), &members), r#"{"a":"x", "b" : {"a":2}, "c":3,"d":[4]}"#);
    }

    #[test]
    fn r05_a_name_written_with_escapes_is_the_same_name() {
        let order = r#"{"\u0065xtension":[{"url":"ours"}],"contained":[{"extension":[{"url":"ours"}]}]}"#;
        let expected = r#"{"\u0065xtension":[{"url":"new"}],"contained":[{"extension":[{"url":"ours"}]}]}"#;
        assert_eq!(spliced(order), expected);
    }
}
