//! Makes a recorded answer again, under the policy set that made it, and says where it differs.

use fhir_resources::File;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::shown::raw;
use super::{NotAgain, ReviewError};
use crate::answer::{self, Manner, Moment};
use crate::gather::learned::Learned;
use crate::policy::load;
use crate::record::{Entry, Ledger};
use crate::request::hook;
use crate::request::version::Version;

/// An answer that was made again.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    /// The invocation.
    pub id: Uuid,
    /// The policies that answered, then and now.
    pub policy_set: String,
    /// Whether it is the same, byte for byte.
    pub same: bool,
    /// How long it is.
    pub bytes: usize,
    /// Where it differs from the recorded one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
    /// The answer that was made now.
    pub response: Box<RawValue>,
    /// The same, byte for byte.
    #[serde(skip)]
    pub body: Vec<u8>,
}

/// Where two answers differ first.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// How many bytes are the same before it.
    pub byte: usize,
    /// The JSON pointer of the first value that differs; none if all values are the same and only their writing differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// What was recorded there; none if nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Value>,
    /// What is there now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<Value>,
}

impl Difference {
    /// The first difference; none if all bytes are the same.
    #[must_use]
    pub fn of(recorded: &[u8], now: &[u8]) -> Option<Self> {
        if recorded == now {
            return None;
        }
        let byte = recorded.iter().zip(now).take_while(|(one, other)| one == other).count();
        let values = serde_json::from_slice::<Value>(recorded).ok().zip(serde_json::from_slice::<Value>(now).ok());
        let mut pointer = String::new();
        Some(match values.as_ref().and_then(|(recorded, now)| first(Some(recorded), Some(now), &mut pointer)) {
            Some((recorded, now)) => {
                Self { byte, pointer: Some(pointer), recorded: recorded.cloned(), now: now.cloned() }
            }
            None => Self { byte, pointer: None, recorded: None, now: None },
        })
    }
}

/// In words, and without a value.
impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pointer.as_deref() {
            Some("") => write!(f, "as a whole")?,
            Some(pointer) => write!(f, "at {pointer}")?,
            None => write!(f, "in how it is written")?,
        }
        write!(f, ", after {} bytes", self.byte)
    }
}

type Pair<'v> = (Option<&'v Value>, Option<&'v Value>);

/// The first two values that differ, and by what they are reached.
fn first<'v>(recorded: Option<&'v Value>, now: Option<&'v Value>, pointer: &mut String) -> Option<Pair<'v>> {
    let length = pointer.len();
    let mut inside = |name: &str, recorded, now| {
        pointer.push('/');
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        let found = first(recorded, now, pointer);
        if found.is_none() {
            pointer.truncate(length);
        }
        found
    };
    match (recorded, now) {
        (Some(Value::Object(recorded)), Some(Value::Object(now))) => {
            let names = recorded.keys().chain(now.keys().filter(|name| !recorded.contains_key(*name)));
            names.into_iter().find_map(|name| inside(name, recorded.get(name), now.get(name)))
        }
        (Some(Value::Array(recorded)), Some(Value::Array(now))) => (0..recorded.len().max(now.len()))
            .find_map(|index| inside(&index.to_string(), recorded.get(index), now.get(index))),
        (recorded, now) => (recorded != now).then_some((recorded, now)),
    }
}

/// Makes the answer of an entry again, in the manner that was kept with it. What an older version did not keep is as it is
/// `now`.
pub(super) fn again(ledger: &dyn Ledger, entry: &Entry, now: &Manner) -> Result<Replayed, ReviewError> {
    if entry.status != 200 {
        return Err(NotAgain::Refused.into());
    }
    let files = ledger.policy_set(&entry.policy_set)?.ok_or(NotAgain::NoPolicies)?;
    let files: Vec<File> = files.into_iter().map(|(path, bytes)| File { path, bytes }).collect();
    if load::hash(&files) != entry.policy_set {
        return Err(NotAgain::OtherPolicies.into());
    }
    let draft = load::load(&files).map_err(|problems| NotAgain::Policies(problems.len()))?;
    let service = hook::service(&entry.service).ok_or(NotAgain::Service)?;
    let version = Version::named(&entry.crd_version).ok_or(NotAgain::Version)?;
    let learned: Learned = serde_json::from_str(&entry.learned).map_err(|_| NotAgain::Learned)?;
    let manner = Manner::of_record(&entry.manner, now).ok_or(NotAgain::Manner)?;
    // Records from before the settings were kept have the version alone. That an EHR may be reached was decided then.
    let manner = Manner { default_version: version, allow_http: true, ..manner };
    let moment = Moment { at: entry.at, today: entry.today, seed: entry.seed };
    let answer = answer::at_once(&entry.request, service, &draft.set, &manner, &moment, learned);
    let body = answer.map_err(NotAgain::RefusedNow)?.body;
    let difference = Difference::of(&entry.response, &body);
    Ok(Replayed {
        id: entry.id,
        policy_set: entry.policy_set.clone(),
        same: difference.is_none(),
        bytes: body.len(),
        difference,
        response: raw(&body),
        body,
    })
}

untold!(Replayed, Difference);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Difference;

    #[test]
    fn the_first_value_that_differs_is_named_by_its_pointer() {
        let recorded = r#"{"cards":[{"summary":"A","x/y~z":1}],"more":2}"#;
        for (now, pointer, said) in [
            (
                r#"{"cards":[{"summary":"B","x/y~z":1}],"more":2}"#,
                Some("/cards/0/summary"),
                "at /cards/0/summary, after 22 bytes",
            ),
            (
                r#"{"cards":[{"summary":"A","x/y~z":3}],"more":2}"#,
                Some("/cards/0/x~1y~0z"),
                "at /cards/0/x~1y~0z, after 33 bytes",
            ),
            (r#"{"cards":[],"more":2}"#, Some("/cards/0"), "at /cards/0, after 10 bytes"),
            (r#"{"cards":[{"summary":"A","x/y~z":1}]}"#, Some("/more"), "at /more, after 36 bytes"),
            (r#"{"cards":[{"summary":"A","x/y~z":1}],"more":2,"new":3}"#, Some("/new"), "at /new, after 45 bytes"),
            (r#"{"cards":[{"summary":"A","x/y~z":1}], "more":2}"#, None, "in how it is written, after 37 bytes"),
            ("[]", Some(""), "as a whole, after 0 bytes"),
            ("", None, "in how it is written, after 0 bytes"),
        ] {
            let difference = Difference::of(recorded.as_bytes(), now.as_bytes()).unwrap();
            assert_eq!((difference.pointer.as_deref(), difference.to_string().as_str()), (pointer, said), "{now}");
        }
        assert_eq!(Difference::of(recorded.as_bytes(), recorded.as_bytes()), None);
    }
}
