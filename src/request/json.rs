//! Strict, bounded JSON: one pass that refuses what parsers disagree on, then borrowed views of the same bytes.
//!
//! After [`scan`] every later reading of the text is known to be shallow enough, small enough and unambiguous, and keeps
//! the bytes of what it does not need to understand.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::config::Limits;

/// Why a text is not JSON that we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonFault {
    /// Not one JSON object in UTF-8.
    Syntax,
    /// Nested too deep.
    Depth,
    /// Two members of one object have the same name.
    Duplicate,
    /// Too many values.
    Nodes,
    /// A control character other than tab, line feed and carriage return.
    Control,
}

/// Where and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonError {
    /// Why.
    pub fault: JsonFault,
    /// Line, from 1; 0 when unknown.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

/// serde_json's own names for numbers and raw values: in a body they would be read as what they are not.
const RESERVED: &str = "$serde_json::private::";

/// Checks a whole body, and that it is one object.
///
/// # Errors
/// The first [`JsonFault`], and where.
pub fn scan<'b>(body: &'b [u8], limits: &Limits) -> Result<&'b str, JsonError> {
    let whole = |fault| JsonError { fault, line: 0, column: 0 };
    let text = std::str::from_utf8(body).map_err(|_| whole(JsonFault::Syntax))?;
    if !text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
        return Err(whole(JsonFault::Syntax));
    }
    let state = State { nodes_left: Cell::new(limits.nodes), fault: Cell::new(JsonFault::Syntax) };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let scanned = Scan { state: &state, depth_left: limits.depth }.deserialize(&mut deserializer);
    match scanned.and_then(|()| deserializer.end()) {
        Ok(()) => Ok(text),
        Err(error) => Err(JsonError { fault: state.fault.get(), line: error.line(), column: error.column() }),
    }
}

struct State {
    nodes_left: Cell<usize>,
    fault: Cell<JsonFault>,
}

#[derive(Clone, Copy)]
struct Scan<'s> {
    state: &'s State,
    depth_left: usize,
}

impl Scan<'_> {
    fn stop<E: serde::de::Error>(&self, fault: JsonFault) -> E {
        self.state.fault.set(fault);
        E::custom("refused")
    }

    fn node<E: serde::de::Error>(&self) -> Result<(), E> {
        let left = self.state.nodes_left.get().checked_sub(1).ok_or_else(|| self.stop(JsonFault::Nodes))?;
        self.state.nodes_left.set(left);
        Ok(())
    }

    fn text<E: serde::de::Error>(&self, text: &str) -> Result<(), E> {
        if text.bytes().any(|byte| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) {
            return Err(self.stop(JsonFault::Control));
        }
        Ok(())
    }

    fn deeper<E: serde::de::Error>(&self) -> Result<Self, E> {
        let depth_left = self.depth_left.checked_sub(1).ok_or_else(|| self.stop(JsonFault::Depth))?;
        Ok(Self { state: self.state, depth_left })
    }
}

impl<'de> DeserializeSeed<'de> for Scan<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.node()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scan<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.text(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        // Objects of FHIR are small: looking through a list beats hashing. Large ones are sorted at the end.
        let mut names: Vec<Cow<'de, str>> = Vec::new();
        while let Some(Name(name)) = members.next_key::<Name<'de>>()? {
            if name.starts_with(RESERVED) {
                // A number comes as an object of one such member whose value is an owned string: JSON text never does.
                return members.next_value_seed(Number(self));
            }
            self.text(&name)?;
            if names.len() < 16 && names.contains(&name) {
                return Err(self.stop(JsonFault::Duplicate));
            }
            names.push(name);
            members.next_value_seed(inner)?;
        }
        if names.len() >= 16 {
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            if names.len() < count {
                return Err(self.stop(JsonFault::Duplicate));
            }
        }
        Ok(())
    }
}

/// The text of a number, which `arbitrary_precision` hands over as an owned string.
struct Number<'s>(Scan<'s>);

impl<'de> DeserializeSeed<'de> for Number<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Number<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a number")
    }

    fn visit_string<E: serde::de::Error>(self, _: String) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        Err(self.0.stop(JsonFault::Syntax))
    }
}

/// A member's name, borrowed where it has no escapes.
struct Name<'b>(Cow<'b, str>);

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

/// The members of an object, each value as it stands in the text.
#[derive(Debug, Default)]
pub struct Members<'b>(Vec<(Cow<'b, str>, &'b RawValue)>);

impl<'b> Members<'b> {
    /// The members of an object; none if it is none.
    #[must_use]
    pub fn of(object: &'b RawValue) -> Self {
        serde_json::from_str(object.get()).unwrap_or_default()
    }

    /// A member by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'b RawValue> {
        self.0.iter().find(|(member, _)| member == name).map(|(_, value)| *value)
    }

    /// All members in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'b RawValue)> {
        self.0.iter().map(|(name, value)| (&**name, *value))
    }

    /// The whole object as a value, except that what `shallow` says is an empty object or array in it.
    #[must_use]
    pub fn value(&self, shallow: impl Fn(&str) -> bool) -> Value {
        let member =
            |(name, raw): (&str, &RawValue)| (name.to_owned(), if shallow(name) { outline(raw) } else { value(raw) });
        Value::Object(self.iter().map(member).collect())
    }
}

impl<'de: 'b, 'b> serde::Deserialize<'de> for Members<'b> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

impl<'b> IntoIterator for Members<'b> {
    type Item = (Cow<'b, str>, &'b RawValue);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The type and id of a resource; empty where there are none, or none that are strings.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Head<'b> {
    /// `resourceType`
    #[serde(borrow, default, rename = "resourceType")]
    pub kind: Cow<'b, str>,
    /// `id`
    #[serde(borrow, default)]
    pub id: Cow<'b, str>,
}

/// The items of an array, each as it stands in the text; none if it is none.
#[must_use]
pub fn items(array: &RawValue) -> Vec<&RawValue> {
    serde_json::from_str(array.get()).unwrap_or_default()
}

/// A text as a value. It was scanned, so it parses.
#[must_use]
pub fn value(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

/// An object without its members, an array without its items, anything else as it is.
#[must_use]
pub fn outline(raw: &RawValue) -> Value {
    match raw.get().as_bytes().first() {
        Some(b'{') => Value::Object(serde_json::Map::new()),
        Some(b'[') => Value::Array(Vec::new()),
        _ => value(raw),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{JsonFault, scan};
    use crate::config::Limits;

    const LIMITS: Limits =
        Limits { body_bytes: 1 << 21, body_seconds: 5, depth: 64, nodes: 100_000, orders: 50, in_flight: 1 };

    fn fault(text: impl AsRef<[u8]>) -> Option<JsonFault> {
        scan(text.as_ref(), &LIMITS).err().map(|error| error.fault)
    }

    #[test]
    fn j01_only_one_object_of_json_in_utf_8() {
        let wrong: [&[u8]; 9] = [
            b"",
            b"  ",
            b"{",
            b"{} {}",
            b"[]",
            b"\xef\xbb\xbf{}",
            b"{\0}\0",
            b"{\"a\":\"\xff\"}",
            br#"{"a":"\ud800"}"#,
        ];
        for text in wrong {
            assert_eq!(fault(text), Some(JsonFault::Syntax), "{text:?}");
        }
        assert_eq!(fault(br#" {"a":[1.10,1.0E2,-0,1e999999,true,null,"\u00e9\ud83d\ude00"]} "#), None);
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
        assert_eq!(fault(r#"{"b":{"patientId":1,"pati\u0065ntId":2}}"#), Some(JsonFault::Duplicate));
        let many = (0..40).map(|n| format!("\"k{n}\":0")).collect::<Vec<_>>().join(",");
        assert_eq!(fault(format!("{{{many}}}")), None);
        assert_eq!(fault(format!("{{{many},\"k3\":1}}")), Some(JsonFault::Duplicate));
    }

    #[test]
    fn j04_the_number_of_values_is_bounded() {
        assert_eq!(fault(format!("{{\"a\":[0{}]}}", ",0".repeat(99_997))), None);
        assert_eq!(fault(format!("{{\"a\":[0{}]}}", ",0".repeat(99_998))), Some(JsonFault::Nodes));
    }

    #[test]
    fn j06_control_characters_other_than_line_ends_and_tabs_are_refused() {
        assert_eq!(fault(r#"{"a":"\u0000"}"#), Some(JsonFault::Control));
        assert_eq!(fault(r#"{"a\u0007":1}"#), Some(JsonFault::Control));
        assert_eq!(fault(r#"{"a":"one\n\ttwo\r"}"#), None);
    }

    #[test]
    fn j01_a_member_that_only_looks_like_a_number_is_refused() {
        assert_eq!(fault(r#"{"a":{"$serde_json::private::Number":"1"}}"#), Some(JsonFault::Syntax));
        assert_eq!(fault(r#"{"a":{"\u0024serde_json::private::Number":"\u0031"}}"#), Some(JsonFault::Syntax));
        assert_eq!(fault(r#"{"a":{"$serde_json::private::RawValue":"1"}}"#), Some(JsonFault::Syntax));
        assert_eq!(fault(r#"{"a":{"$serde_json::private::Number":1}}"#), Some(JsonFault::Syntax));
    }
}
