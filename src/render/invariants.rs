//! The guide's invariants, looked at once more on what is about to be sent (FAULTS R06).
//!
//! The types of `decide` make them hold; this is the belt to those braces, written from the guide and not from them.

use super::coverage_information::Shape;
use super::extension::{Extension, Value};

/// The first invariant that a repetition of coverage-information breaks.
pub(super) fn broken(extension: &Extension<'_>, shape: Shape) -> Option<&'static str> {
    let parts = extension.parts();
    let has = |url: &str| parts.iter().any(|part| part.url == url);
    let codes = |url: &'static str| parts.iter().filter(move |part| part.url == url).filter_map(Extension::code);
    let decisions = || codes("covered").chain(codes("pa-needed")).chain(codes("doc-needed"));
    let conditional = decisions().any(|code| code == "conditional");
    let second = shape == Shape::Second;
    let not_covered = codes("covered").any(|code| code == "not-covered");
    let satisfied = codes("pa-needed").any(|code| code == "satisfied");
    let bare = parts.iter().any(|part| {
        matches!(&part.value, Value::Concept(concept) if part.url == "reason" && concept.coding.is_empty() && concept.text.is_none())
    });
    let rules = [
        ("crd-ci-q1", has("questionnaire") && !has("doc-needed")),
        ("crd-ci-q2", if second { not_covered && has("pa-needed") } else { !has("pa-needed") }),
        ("crd-ci-q3", if second { conditional != has("info-needed") } else { has("info-needed") && !conditional }),
        ("crd-ci-q4", (second || satisfied) && codes("doc-purpose").any(|code| code == "withpa")),
        ("crd-ci-q5", satisfied != has("satisfied-pa-id")),
        ("crd-ci-q6", codes("info-needed").any(|code| code == "OTH") && !has("reason")),
        ("crd-ci-q7", bare),
        ("crd-ci-q8", has("doc-purpose") && !has("reason")),
        ("crd-ci-q9", decisions().any(|code| code == "indeterminate") && (!second || !has("reason"))),
    ];
    rules.into_iter().find(|(_, broken)| *broken).map(|(rule, _)| rule)
}

#[cfg(test)]
mod tests {
    use super::super::coverage_information::Shape;
    use super::super::extension::{Concept, Extension, Value};
    use super::broken;

    fn of(parts: &[(&'static str, &'static str)], shape: Shape) -> Option<&'static str> {
        let part = |(url, code): &(&'static str, &'static str)| Extension {
            url,
            value: match *url {
                "reason" => {
                    Value::Concept(Concept { coding: Vec::new(), text: (!code.is_empty()).then(|| (*code).into()) })
                }
                _ => Value::Code(code),
            },
        };
        let extension = Extension { url: "", value: Value::Parts(parts.iter().map(part).collect()) };
        broken(&extension, shape)
    }

    #[test]
    fn r06_what_breaks_an_invariant_is_found() {
        use Shape::{First, Second};
        let covered = ("covered", "covered");
        assert_eq!(of(&[covered, ("questionnaire", "q")], Second), Some("crd-ci-q1"));
        assert_eq!(of(&[("covered", "not-covered"), ("pa-needed", "no-auth")], Second), Some("crd-ci-q2"));
        assert_eq!(of(&[("covered", "not-covered")], First), Some("crd-ci-q2"));
        assert_eq!(of(&[("covered", "conditional"), ("reason", "r")], Second), Some("crd-ci-q3"));
        assert_eq!(of(&[covered, ("info-needed", "location")], Second), Some("crd-ci-q3"));
        assert_eq!(
            of(&[covered, ("doc-needed", "clinical"), ("doc-purpose", "withpa"), ("reason", "r")], Second),
            Some("crd-ci-q4")
        );
        assert_eq!(of(&[covered, ("pa-needed", "satisfied")], Second), Some("crd-ci-q5"));
        assert_eq!(of(&[covered, ("pa-needed", "no-auth"), ("satisfied-pa-id", "1")], Second), Some("crd-ci-q5"));
        assert_eq!(of(&[("covered", "conditional"), ("info-needed", "OTH")], Second), Some("crd-ci-q6"));
        assert_eq!(of(&[covered, ("reason", "")], Second), Some("crd-ci-q7"));
        assert_eq!(of(&[covered, ("doc-needed", "admin"), ("doc-purpose", "withclaim")], Second), Some("crd-ci-q8"));
        assert_eq!(of(&[("covered", "indeterminate")], Second), Some("crd-ci-q9"));
        assert_eq!(
            of(&[("covered", "indeterminate"), ("pa-needed", "no-auth"), ("reason", "r")], First),
            Some("crd-ci-q9")
        );
        assert_eq!(of(&[("covered", "not-covered"), ("reason", "r")], Second), None);
    }
}
