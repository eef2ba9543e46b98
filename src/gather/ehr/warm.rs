//! Replies kept warm for a short while: one caller's, by one token, about one patient. Failures are not kept.
//!
//! An order is selected, then signed: the same questions twice within seconds.

use std::fmt;
use std::time::Duration;

use moka::sync::Cache;

use super::{Base, Way};
use crate::auth::Caller;
use crate::gather::learned::{Query, Reply};

/// Long enough from selecting an order to signing it, short enough that nothing has changed meanwhile.
const TIME: Duration = Duration::from_secs(120);

/// The most that is held.
const BYTES: u64 = 32 * 1024 * 1024;

/// What an entry costs beside its texts, about.
const OVERHEAD: usize = 256;

/// Whose reply it is, to what.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    caller: Caller,
    base: Base,
    patient: String,
    query: Query,
}

pub(super) struct Warm(Cache<Key, Reply>);

impl Warm {
    pub(super) fn new() -> Self {
        Self(Cache::builder().weigher(weight).max_capacity(BYTES).time_to_live(TIME).build())
    }

    pub(super) fn read(&self, way: &Way, query: &Query) -> Option<Reply> {
        if !way.may_read_warm {
            return None;
        }
        self.0.get(&key(way, query))
    }

    pub(super) fn fill(&self, way: &Way, query: &Query, reply: &Reply) {
        if way.may_fill_warm && !matches!(reply, Reply::Failed(_)) {
            self.0.insert(key(way, query), reply.clone());
        }
    }
}

fn key(way: &Way, query: &Query) -> Key {
    let (caller, patient) = (way.caller.clone(), way.patient.clone());
    Key { caller, base: way.server.base.clone(), patient, query: query.clone() }
}

fn weight(key: &Key, reply: &Reply) -> u32 {
    let asked = match &key.query {
        Query::Read { kind, id } => kind.len() + id.len(),
        Query::Page { kind, url } => kind.len() + url.len(),
        Query::Search { kind, parameters } => {
            kind.len() + parameters.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
        }
    };
    let said: usize = match reply {
        Reply::Found(texts) => texts.iter().map(String::len).sum(),
        Reply::Nothing | Reply::Failed(_) => 0,
    };
    let whose = key.caller.bytes() + key.patient.len() + key.base.as_str().len();
    u32::try_from(OVERHEAD + asked + said + whose).unwrap_or(u32::MAX)
}

/// Tells nothing of what is in it.
impl fmt::Debug for Warm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Warm")
    }
}

untold!(Key);
