//! The one pass over a body, held against serde_json: what it accepts, serde_json reads as the same value; what serde_json
//! reads, within the bounds and unambiguous, it accepts.
#![no_main]

use std::collections::HashSet;

use covenant::config::Limits;
use covenant::request::json::Json;
use covenant_fuzz::laws_support::parts;
use covenant_fuzz::named;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// The server's own bounds, and some that a small text reaches.
const BOUNDS: [(usize, usize); 2] = [(64, 100_000), (4, 30)];

/// What is in a text that serde_json reads.
#[derive(Default)]
struct Seen {
    depth: usize,
    values: usize,
    /// A name that stands twice, or a character that both databases do not keep alike.
    refused: bool,
    /// A name by which serde_json passes numbers to itself: it does not read back what it says.
    private: bool,
}

impl Seen {
    fn look(&mut self, text: &str, depth: usize) {
        self.values += 1;
        match text.as_bytes().first() {
            Some(b'{') => {
                self.depth = self.depth.max(depth + 1);
                let mut names = HashSet::new();
                for part in parts(text) {
                    let (name, value) = named(&text[part]);
                    self.text(&name);
                    self.private |= name.starts_with("$serde_json::private");
                    self.refused |= !names.insert(name);
                    self.look(value, depth + 1);
                }
            }
            Some(b'[') => {
                self.depth = self.depth.max(depth + 1);
                parts(text).into_iter().for_each(|part| self.look(&text[part], depth + 1));
            }
            Some(b'"') => self.text(&serde_json::from_str::<String>(text).unwrap()),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        self.refused |= text.chars().any(|it| it < ' ' && !matches!(it, '\t' | '\n' | '\r'));
    }
}

fuzz_target!(|data: &[u8]| {
    let read = serde_json::from_slice::<Value>(data).ok().filter(Value::is_object);
    let mut seen = Seen::default();
    if read.is_some() {
        seen.look(std::str::from_utf8(data).unwrap().trim(), 0);
    }
    if seen.private {
        return;
    }
    for (depth, values) in BOUNDS {
        let expected = read.as_ref().filter(|_| !seen.refused && seen.depth <= depth && seen.values <= values);
        let scanned = Json::scan(data, &Limits::of_text(depth, values)).map(|json| json.root().value().to_string());
        assert_eq!(scanned.as_ref().ok(), expected.map(Value::to_string).as_ref(), "{scanned:?}");
    }
});
