//! What the targets share: the judges of the tests, which know nothing of how the server does it.

use laws_support::{COVERAGE_INFORMATION, items, member, parts};
use serde_json::Value;

#[path = "../../tests/laws_support.rs"]
pub mod laws_support;

pub mod decide_laws;
pub mod order_bytes;
pub mod support;

/// The choices that bytes make.
pub fn choices(data: &[u8]) -> Vec<u16> {
    data.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect()
}

/// The coverage information that is new on a returned order; none if anything else is not as it was sent, byte for byte.
pub fn only_ours_is_new(sent: &str, back: &str) -> Option<Vec<Value>> {
    let new = member(back, "extension")?;
    let after = items(&back[new.clone()]);
    let Some(old) = member(sent, "extension") else {
        let inside = sent.strip_suffix('}')?;
        return (back == format!("{inside},\"extension\":[{}]}}", after.join(","))).then(|| ours(&after))?;
    };
    if sent[..old.start] != back[..new.start] || sent[old.end..] != back[new.end..] {
        return None;
    }
    let mut rest = after.as_slice();
    for item in items(&sent[old]) {
        match rest {
            [first, others @ ..] if *first == item => rest = others,
            // Nothing but what we said before is taken out.
            _ => _ = ours(&[item])?,
        }
    }
    ours(rest)
}

/// Extensions as values, if all of them are coverage information and there is one.
fn ours(extensions: &[&str]) -> Option<Vec<Value>> {
    let values: Vec<Value> = extensions.iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    (!values.is_empty() && values.iter().all(|it| it["url"] == COVERAGE_INFORMATION)).then_some(values)
}

/// The name of a member, and its value as it is written.
pub fn named(part: &str) -> (String, &str) {
    let mut name = serde_json::Deserializer::from_str(part).into_iter::<String>();
    let written = name.next().unwrap().unwrap();
    (written, part[name.byte_offset()..].trim_start().strip_prefix(':').unwrap().trim_start())
}

/// Every object in a text, itself among them, as it is written.
pub fn objects<'t>(text: &'t str, found: &mut Vec<&'t str>) {
    let is_object = text.starts_with('{');
    if is_object {
        found.push(text);
    }
    if is_object || text.starts_with('[') {
        for range in parts(text) {
            let part = &text[range];
            objects(if is_object { named(part).1 } else { part }, found);
        }
    }
}
