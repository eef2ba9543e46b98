//! Recognises the coverage information that this payer put on an order before, so that it is replaced and not doubled.

use serde_json::Value;

use super::coverage_information::{URL, unnamed};
use crate::policy::model::Payer;

/// What makes coverage information ours.
pub(super) struct Ours<'a> {
    /// How the coverage that is answered for is called; nothing where nobody knows its name.
    pub(super) coverage: Option<&'a str>,
    /// Who answers.
    pub(super) payer: &'a Payer,
}

impl Ours<'_> {
    /// Whether an extension is coverage information of ours about this coverage.
    ///
    /// Where both name a coverage, the names decide. Where one does not, because the coverage could not be had, the extension
    /// has to say that it is of this payer: what another payer said is never replaced.
    pub(super) fn has(&self, extension: &Value) -> bool {
        if text(extension, "/url") != Some(URL) {
            return false;
        }
        let named = parts(extension, "coverage").find_map(|part| text(part, "/valueReference/reference"));
        match (self.coverage, named) {
            (Some(coverage), Some(named)) => is_same(coverage, named),
            (None, _) | (_, None) => self.is_of_payer(extension),
        }
    }

    /// Whether an extension says that it is of this payer: by how it calls a coverage without a name, or by whom it says to
    /// contact.
    fn is_of_payer(&self, extension: &Value) -> bool {
        let called = unnamed(self.payer);
        let is_called_so = |part| text(part, "/valueReference/display") == Some(called.as_str());
        if parts(extension, "coverage").any(is_called_so) {
            return true;
        }
        let points = parts(extension, "contact").flat_map(|part| {
            let detail = part.pointer("/valueContactDetail/telecom").and_then(Value::as_array);
            part.get("valueContactPoint").into_iter().chain(detail.into_iter().flatten())
        });
        let said: Vec<_> = points.map(|point| (text(point, "/system"), text(point, "/value"))).collect();
        let own = self.payer.contacts.iter().map(|(system, value)| (Some(&**system), Some(&**value)));
        !said.is_empty() && own.eq(said)
    }
}

/// The parts of an extension that have this name.
fn parts<'v>(extension: &'v Value, name: &'static str) -> impl Iterator<Item = &'v Value> {
    let all = extension.get("extension").and_then(Value::as_array).into_iter().flatten();
    all.filter(move |part| text(part, "/url") == Some(name))
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// Whether two references name one resource: each may be absolute or relative, and have a version.
fn is_same(one: &str, other: &str) -> bool {
    fn current(reference: &str) -> &str {
        reference.split_once("/_history/").map_or(reference, |(current, _)| current)
    }
    fn ends(long: &str, short: &str) -> bool {
        long.strip_suffix(short).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
    }
    let (one, other) = (current(one), current(other));
    ends(one, other) || ends(other, one)
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn one_coverage_is_named_in_many_ways() {
        let ways = ["Coverage/1", "https://ehr.example.org/fhir/Coverage/1", "Coverage/1/_history/3"];
        for one in ways {
            assert!(ways.iter().all(|other| is_same(one, other)), "{one}");
        }
        for other in ["Coverage/11", "Coverage/2", "XCoverage/1", "https://ehr.example.org/fhir/Coverage/12", ""] {
            assert!(!is_same("Coverage/1", other), "{other}");
        }
        assert!(!is_same("https://one.example.org/fhir/Coverage/1", "https://two.example.org/fhir/Coverage/1"));
    }
}
