//! Conditions are true, false or unknown; an unknown fact makes its condition unknown, never false.

use super::facts::{Fact, Facts};
use crate::policy::model::{Condition, FactName, Value};

/// The three truth values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// Holds.
    True,
    /// Does not hold.
    False,
    /// A fact is missing.
    Unknown,
}

impl From<Option<bool>> for Truth {
    fn from(known: Option<bool>) -> Self {
        match known {
            Some(true) => Self::True,
            Some(false) => Self::False,
            None => Self::Unknown,
        }
    }
}

/// Whether all the conditions hold, as far as the facts tell. One that is false settles it.
#[must_use]
pub fn all(conditions: &[Condition], facts: &Facts) -> Truth {
    conditions.iter().fold(Truth::True, |so_far, condition| {
        let this = match facts.get(condition.fact) {
            Fact::Known(value) => Truth::from(Some(condition.holds(value))),
            Fact::Partial(value, _) => Truth::from(condition.holds_whatever_else(value)),
            Fact::Absent | Fact::Unavailable(_) => Truth::Unknown,
        };
        match (so_far, this) {
            (Truth::False, _) | (_, Truth::False) => Truth::False,
            (Truth::Unknown, _) | (_, Truth::Unknown) => Truth::Unknown,
            (Truth::True, Truth::True) => Truth::True,
        }
    })
}

/// Whether all the conditions hold when every fact they name has a value.
pub fn all_known<'f>(conditions: &[Condition], value: impl Fn(FactName) -> &'f Value) -> bool {
    conditions.iter().all(|condition| condition.holds(value(condition.fact)))
}
