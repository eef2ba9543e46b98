//! The scan refuses what FAULTS J01–J06 say, accepts nothing that serde_json does not, and reads the same values.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::Value;

use super::{Json, JsonFault};
use crate::config::Limits;

const LIMITS: Limits = Limits::of_text(64, 100_000);

fn fault(text: impl AsRef<[u8]>) -> Option<JsonFault> {
    Json::scan(text.as_ref(), &LIMITS).err().map(|error| error.fault)
}

#[test]
fn j01_only_one_object_of_json_in_utf_8() {
    let wrong: [&[u8]; 20] = [
        b"",
        b"  ",
        b"{",
        b"{} {}",
        b"[]",
        b"\xef\xbb\xbf{}",
        b"{\0}\0",
        b"{\"a\":\"\xff\"}",
        br#"{"a":"\ud800"}"#,
        br#"{"a":"\ud800\u0041"}"#,
        br#"{"a":"\udc00"}"#,
        br#"{"a":"\x"}"#,
        br#"{"a":01}"#,
        br#"{"a":1.}"#,
        br#"{"a":-}"#,
        br#"{"a":1e}"#,
        br#"{"a":tru}"#,
        br#"{"a":1,}"#,
        br#"{"a" 1}"#,
        b"{\"a\":\"\n\"}",
    ];
    for text in wrong {
        assert_eq!(fault(text), Some(JsonFault::Syntax), "{:?}", String::from_utf8_lossy(text));
    }
    assert_eq!(fault(br#" {"a":[1.10,1.0E2,-0,0,12,1e999999,true,false,null,"\u00e9\ud83d\ude00"]} "#), None);
}

#[test]
fn j01_the_place_of_a_fault_is_told() {
    let error = Json::scan(b"{\n  \"a\": 1,\n  \"a\": 2}", &LIMITS).unwrap_err();
    assert_eq!((error.fault, error.line, error.column), (JsonFault::Duplicate, 3, 6));
}

#[test]
fn j02_nesting_is_bounded_without_using_the_stack() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert_eq!(fault(nested(64)), None);
    assert_eq!(fault(nested(65)), Some(JsonFault::Depth));
    assert_eq!(fault(nested(1_000_000)), Some(JsonFault::Depth));
}

#[test]
fn j03_a_name_stands_once_in_an_object_however_it_is_written() {
    assert_eq!(fault(r#"{"a":1,"a":2}"#), Some(JsonFault::Duplicate));
    assert_eq!(fault(r#"{"b":{"patientId":{"c":[1]},"x":[{}],"pati\u0065ntId":2}}"#), Some(JsonFault::Duplicate));
    assert_eq!(fault(r#"{"a":{"b":1},"b":{"b":1}}"#), None);
    let many = (0..40).map(|n| format!("\"k{n}\":{{\"k{n}\":0}}")).collect::<Vec<_>>().join(",");
    assert_eq!(fault(format!("{{{many}}}")), None);
    assert_eq!(fault(format!("{{{many},\"k3\":1}}")), Some(JsonFault::Duplicate));
    assert_eq!(fault(format!("{{{many},\"z\":1,\"\\u007a\":1}}")), Some(JsonFault::Duplicate));
}

#[test]
fn j04_the_number_of_values_is_bounded() {
    assert_eq!(fault(format!("{{\"a\":[0{}]}}", ",0".repeat(99_997))), None);
    assert_eq!(fault(format!("{{\"a\":[0{}]}}", ",0".repeat(99_998))), Some(JsonFault::Nodes));
}

#[test]
fn j05_numbers_are_kept_as_they_are_written() {
    let digits = "9".repeat(70);
    let text = format!("{{\"a\":{digits},\"b\":1.10,\"c\":1e999999}}");
    let json = Json::scan(text.as_bytes(), &LIMITS).unwrap();
    assert_eq!(json.root().value().to_string(), text.replace("1e999999", "1e+999999"));
    assert_eq!(json.root().get("c").unwrap().raw(), "1e999999");
}

#[test]
fn j06_control_characters_other_than_line_ends_and_tabs_are_refused() {
    for text in [r#"{"a":"\u0000"}"#, r#"{"a":"\b"}"#, r#"{"a":"\f"}"#, r#"{"a\u0007":1}"#, r#"{"a":"\u001F"}"#] {
        assert_eq!(fault(text), Some(JsonFault::Control), "{text}");
    }
    assert_eq!(fault(r#"{"a":"one\n\ttwo\r"}"#), None);
}

#[test]
fn members_are_found_by_their_names_and_values_by_their_places() {
    let json = Json::scan(br#"{ "a" : {"x":[1,{"y":"z"}]}, "\u0062" : "q\"" }"#, &LIMITS).unwrap();
    let root = json.root();
    assert_eq!(root.get("b").and_then(super::View::str).unwrap(), "q\"");
    let items: Vec<&str> = root.get("a").unwrap().get("x").unwrap().items().map(super::View::raw).collect();
    assert_eq!(items, ["1", r#"{"y":"z"}"#]);
    assert_eq!(root.get("a").unwrap().offset_in(root), 8);
    assert!(root.get("c").is_none() && root.get("a").unwrap().items().next().is_none());
}

/// JSON texts with space, escapes and odd numbers; some are then damaged.
fn texts() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?",
        r#"\"[a-zé {}\[\]:,]{0,8}\""#,
        r#"\"(\\\\[nrt"/\\\\bf]|\\\\u[0-9a-fA-F]{4}|a){0,4}\""#,
    ];
    let value = leaf.prop_recursive(4, 40, 5, |inner| {
        let name = r#"\"([a-d]|\\\\u006[1-4])\""#;
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[ {}]", items.join(", "))),
            prop::collection::vec((name, inner), 0..4).prop_map(|members| {
                let members: Vec<String> =
                    members.into_iter().map(|(name, value)| format!("{name} :{value}")).collect();
                format!("{{{} }}", members.join(",\n"))
            }),
        ]
    });
    (value, any::<prop::sample::Index>(), "[\\x00-\\x7f]?").prop_map(|(value, place, noise)| {
        let text = format!("{{\"root\":{value}}}");
        let place = place.index(text.len());
        match text.split_at_checked(place) {
            Some((before, after)) if place % 3 == 0 => format!("{before}{noise}{after}"),
            _ => text,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn j01_what_is_accepted_is_json_and_reads_the_same_as_with_serde_json(text in texts()) {
        let theirs = serde_json::from_str::<Value>(&text);
        match Json::scan(text.as_bytes(), &LIMITS) {
            Ok(json) => prop_assert_eq!(json.root().value(), theirs.unwrap()),
            Err(error) if error.fault == JsonFault::Syntax => {
                // An object under serde_json's private names is JSON to it only by its contents.
                prop_assert!(theirs.is_err() || !text.trim_start().starts_with('{'), "{}", text);
            }
            Err(error) => prop_assert!(matches!(error.fault, JsonFault::Duplicate | JsonFault::Control)),
        }
    }
}
