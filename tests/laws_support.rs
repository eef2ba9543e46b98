//! What the tests of answers share: a moment that does not pass, the default policies, and JSON as it is written.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use covenant::answer::{Answer, Manner, Moment, Refusal, at_once};
use covenant::config::{Limits, PayerCheck};
use covenant::gather::learned::Nobody;
use covenant::policy;
use covenant::policy::model::PolicySet;
use covenant::request::hook::{SERVICES, Service};
use covenant::request::version::Version;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

pub const COVERAGE_INFORMATION: &str =
    "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-coverage-information";

/// The day on which all of these tests take place.
pub const TODAY: Date = date(2026, 11, 22);

pub static MANNER: LazyLock<Manner> = LazyLock::new(|| Manner {
    limits: Limits {
        body_bytes: 1 << 21,
        body_seconds: 5,
        depth: 64,
        nodes: 100_000,
        orders: 50,
        in_flight: 1,
        ..Limits::of_text(64, 100_000)
    },
    payer_check: PayerCheck::WhenKnown,
    allow_http: true,
    default_version: Version::V2_0,
    zone: TimeZone::get("America/New_York").unwrap(),
});

/// The default policy set, proved.
pub static SET: LazyLock<PolicySet> = LazyLock::new(|| policy::open(None).unwrap().set);

/// The service that a request is for, by its hook.
pub fn service_of(request: &str) -> &'static Service {
    let hook = value_of(request, "hook").and_then(|hook| serde_json::from_str::<String>(hook).ok());
    SERVICES.iter().find(|service| Some(service.hook.name()) == hook.as_deref()).unwrap()
}

/// The moment, with ids made from a name.
pub fn moment(name: &str) -> Moment {
    let digest = Sha256::digest(name.as_bytes());
    let seed: Uuid = Builder::from_random_bytes(*digest.first_chunk().unwrap()).into_uuid();
    Moment { at: "2026-11-22T14:00:00Z".parse().unwrap(), today: TODAY, seed }
}

pub fn try_answer(request: &str, set: &PolicySet, name: &str) -> Result<Answer, Refusal> {
    at_once(request.as_bytes(), service_of(request), set, &MANNER, &moment(name), Nobody)
}

/// The body of the answer to a request that must be answered.
pub fn body(request: &str, set: &PolicySet, name: &str) -> String {
    let answer = try_answer(request, set, name).unwrap_or_else(|refusal| panic!("{name} is refused: {refusal:?}"));
    String::from_utf8(answer.body).unwrap()
}

/// A path in the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every file under a folder, sorted.
pub fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_under(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The parts of a JSON array or object between its commas, each without the white space around it.
///
/// It shares nothing with the server's reader, so that neither hides a fault of the other.
pub fn parts(text: &str) -> Vec<Range<usize>> {
    let (mut depth, mut quoted, mut escaped, mut start) = (0, false, false, 0);
    let mut found = Vec::new();
    for (at, byte) in text.bytes().enumerate() {
        let after_escape = std::mem::take(&mut escaped);
        match byte {
            b'\\' if quoted && !after_escape => escaped = true,
            b'"' if !after_escape => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => {
                depth += 1;
                start = if depth == 1 { at + 1 } else { start };
            }
            b',' if depth == 1 => {
                found.push(start..at);
                start = at + 1;
            }
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    found.push(start..at);
                }
            }
            _ => {}
        }
    }
    let white = |byte: &u8| byte.is_ascii_whitespace();
    let trim = |range: Range<usize>| {
        let bytes = &text.as_bytes()[range.clone()];
        let before = bytes.iter().take_while(|byte| white(byte)).count();
        let after = bytes[before..].iter().rev().take_while(|byte| white(byte)).count();
        range.start + before..range.end - after
    };
    found.into_iter().map(trim).filter(|range| !range.is_empty()).collect()
}

/// The values of an object's members, as they are written.
pub fn members(object: &str) -> Vec<&str> {
    let values = parts(object).into_iter().map(|part| {
        let text = &object[part];
        let mut key = serde_json::Deserializer::from_str(text).into_iter::<String>();
        key.next().unwrap().unwrap();
        text[key.byte_offset()..].trim_start().strip_prefix(':').unwrap().trim_start()
    });
    values.collect()
}

/// Where the value of a member stands in the text of an object, however the name is written.
pub fn member(object: &str, name: &str) -> Option<Range<usize>> {
    for part in parts(object) {
        let text = &object[part.clone()];
        let mut key = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let written = key.next().unwrap().unwrap();
        let after = &text[key.byte_offset()..];
        let value = after.trim_start().strip_prefix(':').unwrap().trim_start();
        if written == name {
            return Some(part.end - value.len()..part.end);
        }
    }
    None
}

/// The text of a member's value.
pub fn value_of<'t>(object: &'t str, name: &str) -> Option<&'t str> {
    member(object, name).map(|range| &object[range])
}

/// The texts of an array's items.
pub fn items(array: &str) -> Vec<&str> {
    parts(array).into_iter().map(|range| &array[range]).collect()
}

/// The orders that an answer returns, each as it is written.
pub fn returned(body: &str) -> Vec<&str> {
    let actions = value_of(body, "systemActions").map(items).unwrap_or_default();
    actions.into_iter().map(|action| value_of(action, "resource").unwrap()).collect()
}

/// Whether the text of an extension is coverage information about a Coverage.
pub fn is_about(extension: &str, coverage: &str) -> bool {
    let value: serde_json::Value = serde_json::from_str(extension).unwrap();
    let parts = value["extension"].as_array().cloned().unwrap_or_default();
    let about = parts.iter().find(|part| part["url"] == "coverage");
    let reference = about.and_then(|part| part["valueReference"]["reference"].as_str()).unwrap_or_default();
    value["url"] == COVERAGE_INFORMATION && (reference == coverage || reference.ends_with(&format!("/{coverage}")))
}

/// Choices made one after the other from a list; when it ends, each is the first. So a shorter list is a simpler case.
pub struct Draw<'c>(std::slice::Iter<'c, u16>);

impl<'c> Draw<'c> {
    pub fn new(choices: &'c [u16]) -> Self {
        Self(choices.iter())
    }

    pub fn below(&mut self, count: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or_default()) % count
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }

    pub fn of(&mut self, texts: &[&'static str]) -> &'static str {
        texts[self.below(texts.len())]
    }

    /// Some of the numbers below `count`, never none.
    pub fn some_of(&mut self, count: usize) -> Vec<usize> {
        let chosen = self.below((1 << count) - 1) + 1;
        (0..count).filter(|bit| chosen & (1 << bit) != 0).collect()
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, last - self.below(last + 1));
        }
    }
}

#[test]
fn the_parts_of_a_text_are_found_whatever_is_in_its_strings() {
    let text = r#"{ "a\"," : [1 , {"b":"]}"}] ,"\u0063":"\\" }"#;
    assert_eq!(value_of(text, "a\","), Some(r#"[1 , {"b":"]}"}]"#));
    assert_eq!(value_of(text, "c"), Some(r#""\\""#));
    assert_eq!(value_of(text, "b"), None);
    assert_eq!(items(r#"[1 , {"b":"]}"}]"#), ["1", r#"{"b":"]}"}"#]);
    assert!(items("[ ]").is_empty());
}
