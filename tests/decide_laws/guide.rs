//! The guide's invariants crd-ci-q1 to q9, read off the JSON that is sent, and the writing of that JSON.
//!
//! Written from the guide's sentences and expressions and not from the server: where a sentence and its expression
//! disagree, an answer has to satisfy what the HL7 validator makes of the expression (no result counts as a failure),
//! and the sentence too where both can be satisfied.

use covenant::decide::decide;
use covenant::decide::facts::Facts;
use covenant::policy::model::{FactName, PolicySet};
use covenant::render::{Decision, Frame, render};
use covenant::request::hook::Hook;
use covenant::request::json::Json;
use covenant::request::options::Options;
use covenant::request::version::Version;
use covenant::request::{Order, resource};
use serde_json::Value;

use crate::laws_support::{COVERAGE_INFORMATION, MANNER, TODAY, moment};

const ORDER: &str = r#"{"resourceType":"ServiceRequest","id":"1","code":{"text":"A service"}}"#;

/// The body of the answer to an order of which this is known.
pub fn written(facts: &Facts, set: &PolicySet, version: Version) -> String {
    let json = Json::scan(ORDER.as_bytes(), &MANNER.limits).unwrap();
    let resource = resource(json.root());
    let value = resource.value();
    let order = Order::new(resource, value, "");
    let plan = facts.codes_of(FactName::Plan).first().and_then(|plan| set.plan_name(plan)).map(str::to_owned);
    let decision = Decision { order: &order, plan, determinations: decide(facts, set) };
    let options = Options::default();
    let frame = Frame {
        set,
        hook: Hook::OrderSign,
        version,
        options: &options,
        coverage: Some("Coverage/1"),
        record: None,
        patient: "1",
        encounter: None,
        user: "",
        forms: &[],
        unread: &[],
        address: None,
        today: TODAY,
        seed: moment("laws").seed,
    };
    let rendered = render(&[decision], &frame).unwrap_or_else(|error| panic!("{error} of {facts:?}"));
    String::from_utf8(rendered.body).unwrap()
}

/// The repetitions of coverage information in the body of an answer about one order.
pub fn repetitions(body: &str) -> Vec<Value> {
    let body: Value = serde_json::from_str(body).unwrap();
    let found = body["systemActions"][0]["resource"]["extension"].as_array().cloned().unwrap_or_default();
    assert!(!found.is_empty() && found.iter().all(|it| it["url"] == COVERAGE_INFORMATION), "{body}");
    found
}

/// What an answer says, in no order.
pub fn sorted(body: &str) -> Vec<String> {
    let parts = repetitions(body).into_iter().flat_map(|it| it["extension"].as_array().cloned().unwrap());
    let mut parts: Vec<String> = parts.map(|part| part.to_string()).collect();
    parts.sort();
    parts
}

/// The first rule that a repetition breaks.
pub fn broken(repetition: &Value, version: Version) -> Option<&'static str> {
    let parts = repetition["extension"].as_array()?;
    let named = |url: &'static str| parts.iter().filter(move |part| part["url"] == url);
    let has = |url| named(url).next().is_some();
    let codes = |url| named(url).map(|part| part["valueCode"].as_str().unwrap_or_default()).collect::<Vec<_>>();
    let (covered, pa, doc) = (codes("covered"), codes("pa-needed"), codes("doc-needed"));
    let (purpose, info) = (codes("doc-purpose"), codes("info-needed"));
    let any = |code: &str| [&covered, &pa, &doc].iter().any(|codes| codes.contains(&code));
    let worded = named("reason").all(|it| it["valueCodeableConcept"]["text"].as_str().is_some_and(|it| !it.is_empty()));
    let first = version == Version::V2_0;
    let rules = [
        ("crd-ci-q1", (has("questionnaire") || has("response")) && (doc.is_empty() || doc.contains(&"no-doc"))),
        // 2.0: the expression asks for `pa-needed` always, 2.2: never beside `not-covered`.
        ("crd-ci-q2", if first { pa.is_empty() } else { covered.contains(&"not-covered") && !pa.is_empty() }),
        (
            "crd-ci-q3",
            if first { has("info-needed") && !any("conditional") } else { has("info-needed") != any("conditional") },
        ),
        // 2.2: as it is written, the expression never holds with `withpa`.
        ("crd-ci-q4", purpose.contains(&"withpa") && (!first || pa.contains(&"satisfied")) || purpose.contains(&"PA")),
        ("crd-ci-q5", pa.contains(&"satisfied") != has("satisfied-pa-id")),
        ("crd-ci-q6", info.contains(&"OTH") && !has("reason")),
        // No reason relies on its code alone, so that it need not be one of the guide's.
        ("crd-ci-q7", !worded),
        ("crd-ci-q8", !purpose.is_empty() && !has("reason")),
        ("crd-ci-q9", any("indeterminate") && !has("reason")),
        (
            "cardinality",
            covered.len() != 1
                || pa.len() > 1
                || ["coverage", "date", "coverage-assertion-id"].iter().any(|url| named(url).count() != 1)
                || (first && doc.len() > 1),
        ),
        (
            "covered codes",
            !within(&covered, &["not-covered", "covered", "conditional"], (!first).then_some("indeterminate")),
        ),
        (
            "pa-needed codes",
            !within(
                &pa,
                &["no-auth", "auth-needed", "satisfied", "performpa", "conditional"],
                (!first).then_some("indeterminate"),
            ),
        ),
        (
            "doc-needed codes",
            if first {
                !within(&doc, &["clinical", "admin", "both", "conditional"], None)
            } else {
                !within(&doc, &["clinical", "admin", "patient", "conditional", "indeterminate"], None)
            },
        ),
        ("doc-purpose codes", !within(&purpose, &["withpa", "withclaim", "withorder", "retain-doc", "OTH"], None)),
        (
            "info-needed codes",
            !within(
                &info,
                &["performer", "location", "timeframe", "contract-window", "OTH"],
                (!first).then_some("detail-code"),
            ),
        ),
    ];
    rules.into_iter().find(|(_, broken)| *broken).map(|(rule, _)| rule)
}

fn within(codes: &[&str], allowed: &[&str], new: Option<&str>) -> bool {
    codes.iter().all(|code| allowed.contains(code) || new == Some(*code))
}

#[test]
fn every_rule_of_the_guide_finds_what_breaks_it() {
    use Version::{V2_0, V2_2};
    let broken_by = |version: Version, said: &[(&str, &str)]| {
        let base = [("coverage", ""), ("date", ""), ("coverage-assertion-id", "")];
        let part = |(url, code): &(&str, &str)| match *url {
            "reason" => serde_json::json!({"url": url, "valueCodeableConcept": {"text": code}}),
            _ => serde_json::json!({"url": url, "valueCode": code}),
        };
        let parts: Vec<Value> = base.iter().chain(said).map(part).collect();
        broken(&serde_json::json!({"extension": parts}), version)
    };
    let (yes, no, why) = (("covered", "covered"), ("covered", "not-covered"), ("reason", "why"));
    let (free, satisfied) = (("pa-needed", "no-auth"), ("pa-needed", "satisfied"));
    assert_eq!(broken_by(V2_2, &[yes, free, why]), None);
    assert_eq!(broken_by(V2_0, &[no, free]), None);
    assert_eq!(broken_by(V2_2, &[yes, ("questionnaire", "q")]), Some("crd-ci-q1"));
    assert_eq!(broken_by(V2_2, &[no, free]), Some("crd-ci-q2"));
    assert_eq!(broken_by(V2_0, &[no]), Some("crd-ci-q2"));
    assert_eq!(broken_by(V2_2, &[("covered", "conditional"), why]), Some("crd-ci-q3"));
    assert_eq!(broken_by(V2_0, &[yes, free, ("info-needed", "location")]), Some("crd-ci-q3"));
    assert_eq!(broken_by(V2_2, &[yes, ("doc-purpose", "withpa"), why]), Some("crd-ci-q4"));
    assert_eq!(
        broken_by(V2_0, &[yes, satisfied, ("satisfied-pa-id", "1"), ("doc-purpose", "withpa")]),
        Some("crd-ci-q4")
    );
    assert_eq!(broken_by(V2_2, &[yes, satisfied]), Some("crd-ci-q5"));
    assert_eq!(broken_by(V2_2, &[("covered", "conditional"), ("info-needed", "OTH")]), Some("crd-ci-q6"));
    assert_eq!(broken_by(V2_2, &[yes, ("reason", "")]), Some("crd-ci-q7"));
    assert_eq!(broken_by(V2_2, &[yes, ("doc-purpose", "OTH")]), Some("crd-ci-q8"));
    assert_eq!(broken_by(V2_2, &[("covered", "indeterminate")]), Some("crd-ci-q9"));
    assert_eq!(broken_by(V2_2, &[]), Some("cardinality"));
    assert_eq!(broken_by(V2_0, &[("covered", "indeterminate"), free, why]), Some("covered codes"));
    assert_eq!(
        broken_by(V2_0, &[("covered", "conditional"), free, why, ("info-needed", "detail-code")]),
        Some("info-needed codes")
    );
}
