//! Where in a resource a reader stopped, as a FHIR path.

/// What is being looked into.
enum Inside {
    /// An object, at this member.
    Object(String),
    /// An array, at this item.
    Array(usize),
}

/// The path (`.name[0].family`, or nothing) of what stands at a line and a column, both from 1, of a JSON text.
///
/// It quotes names of members only; a reader that stopped at a value of the wrong type knew them all.
pub(super) fn place_at(text: &str, line: usize, column: usize) -> String {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let end = before.saturating_add(column).saturating_sub(1);
    let mut inside: Vec<Inside> = Vec::new();
    let mut bytes = text.bytes().enumerate().take_while(|(at, _)| *at < end);
    // Whether a string would be the name of a member.
    let mut names = false;
    while let Some((start, byte)) = bytes.next() {
        match byte {
            b'"' => {
                let mut escaped = false;
                let closing = bytes.find(|(_, byte)| {
                    let closes = *byte == b'"' && !escaped;
                    escaped = *byte == b'\\' && !escaped;
                    closes
                });
                // One that breaks off there is the name of a member that is there twice.
                let closing = closing.map_or(end, |(closing, _)| closing);
                if let (true, Some(Inside::Object(name))) = (names, inside.last_mut()) {
                    *name = text.get(start + 1..closing).unwrap_or_default().to_owned();
                }
            }
            b'{' => inside.push(Inside::Object(String::new())),
            b'[' => inside.push(Inside::Array(0)),
            b'}' | b']' => _ = inside.pop(),
            b',' => {
                if let Some(Inside::Array(index)) = inside.last_mut() {
                    *index += 1;
                }
            }
            _ => continue,
        }
        names = matches!(byte, b'{' | b',') && matches!(inside.last(), Some(Inside::Object(_)));
    }
    let steps = inside.iter().map(|inside| match inside {
        Inside::Object(name) if name.is_empty() => String::new(),
        Inside::Object(name) => format!(".{name}"),
        Inside::Array(index) => format!("[{index}]"),
    });
    steps.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, dead_code)]
    use super::place_at;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Inner {
        value: Option<String>,
    }

    #[derive(Debug, Deserialize)]
    struct Outer {
        #[serde(default)]
        list: Vec<Inner>,
        id: Option<String>,
    }

    #[test]
    fn a_value_of_the_wrong_type_is_placed() {
        for (text, place) in [
            (r#"{"id":7}"#, ".id"),
            (r#"{"other":{"a":["x,\"y"]},"id":{"a":1}}"#, ".id"),
            (r#"{"list":[{"value":"a"},{"value":"b\\"},{"value":[]}]}"#, ".list[2].value"),
            ("{\n \"list\": [\n  {\"value\": true}\n ]\n}", ".list[0].value"),
            (r#"{"list":{"id":"x"}}"#, ".list"),
            (r#"{"list":["x"]}"#, ".list[0]"),
            (r#"{"id":"a","list":[],"id":"b"}"#, ".id"),
        ] {
            let error = serde_json::from_str::<Outer>(text).map(|outer| (outer.list, outer.id)).unwrap_err();
            assert_eq!(place_at(text, error.line(), error.column()), place, "{error}");
        }
    }
}
