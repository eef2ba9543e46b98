//! The parameters of an operator's call: those that a route has, each once. What is wrong is told by name, never by value:
//! a value may be a member's number.

use std::str::FromStr;

use actix_web::HttpRequest;
use actix_web::web::Query;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::review::Edge;

/// A parameter that cannot be used: its name, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
}

/// The parameters of a call.
pub(super) struct Params(Vec<(&'static str, String)>);

impl Params {
    /// Reads those that a route has. Another one, one twice and one without a value are wrong: what was meant would be
    /// passed over.
    pub(super) fn of(request: &HttpRequest, known: &[&'static str]) -> Result<Self, Wrong> {
        let wrong = |name, what| Err(Wrong { name, what });
        let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::from_query(request.query_string()) else {
            return wrong("", "cannot be read");
        };
        let mut read: Vec<(&'static str, String)> = Vec::new();
        for (name, value) in pairs {
            let Some(name) = known.iter().copied().find(|known| *known == name) else {
                return wrong("", "is not known here");
            };
            if read.iter().any(|(other, _)| *other == name) {
                return wrong(name, "is given twice");
            }
            if value.trim().is_empty() {
                return wrong(name, "is empty");
            }
            read.push((name, value));
        }
        Ok(Self(read))
    }

    /// A parameter, if it is given.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    /// A parameter as text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// A parameter of a kind.
    pub(super) fn parsed<T: FromStr>(&self, name: &'static str, what: &'static str) -> Result<Option<T>, Wrong> {
        self.get(name).map(|value| value.parse().map_err(|_| Wrong { name, what })).transpose()
    }

    /// When a day begins, or a moment.
    pub(super) fn begins(&self, name: &'static str, zone: &TimeZone) -> Result<Option<Timestamp>, Wrong> {
        self.edge(name, |edge| edge.begins(zone))
    }

    /// When a day is over, or a moment.
    pub(super) fn ends(&self, name: &'static str, zone: &TimeZone) -> Result<Option<Timestamp>, Wrong> {
        self.edge(name, |edge| edge.ends(zone))
    }

    fn edge(&self, name: &'static str, at: impl FnOnce(Edge) -> Option<Timestamp>) -> Result<Option<Timestamp>, Wrong> {
        let what = "is neither a day (2026-11-24) nor a moment (2026-11-24T10:00:00-05:00)";
        let edge = self.parsed::<Edge>(name, what)?;
        edge.map(|edge| at(edge).ok_or(Wrong { name, what })).transpose()
    }

    /// Whether a parameter is `true`; not if it is not given.
    pub(super) fn is_true(&self, name: &'static str) -> Result<bool, Wrong> {
        Ok(self.parsed(name, "is neither true nor false")?.unwrap_or_default())
    }
}

untold!(Params);
