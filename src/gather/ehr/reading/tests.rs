//! What is accepted of a server, and what is not.
#![allow(clippy::unwrap_used)]

use super::{page, resource};
use crate::gather::learned::Failure;
use crate::request::json::View;

fn read(body: &str) -> Result<String, Failure> {
    resource(body.as_bytes().to_vec(), "Coverage", "c", "p")
}

fn found(entries: &str) -> Result<String, Failure> {
    let body = format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":[{entries}]}}"#);
    page(body.into_bytes(), "Coverage", "p", |_| true).map(|page| page.text)
}

#[test]
fn e05_a_read_brings_what_was_asked_for_byte_for_byte() {
    let body = r#" {"id":"c", "resourceType":"Coverage","order":1.10,"beneficiary":{"reference":"Patient/p"}} "#;
    assert_eq!(read(body).unwrap(), body);
    for body in [
        "",
        "<html></html>",
        "[]",
        "{}",
        r#"{"resourceType":"Coverage"}"#,
        r#"{"resourceType":"Coverage","id":"d"}"#,
        r#"{"resourceType":"Coverage","id":"c""#,
        r#"{"resourceType":"Coverage","id":"c","id":"c"}"#,
        r#"{"resourceType":"Organization","id":"c"}"#,
        r#"{"resourceType":["Coverage"],"id":"c"}"#,
        r#"{"resourceType":"OperationOutcome","id":"c"}"#,
    ] {
        assert_eq!(read(body), Err(Failure::Unreadable), "{body}");
    }
    assert_eq!(resource(b"{\"id\":\"\xff\"}".to_vec(), "Coverage", "c", "p"), Err(Failure::Unreadable));
}

#[test]
fn e05_what_says_that_it_is_another_patients_is_not_taken() {
    for member in [
        r#""beneficiary":{"reference":"Patient/q"}"#,
        r#""subject":{"reference":"https://ehr.example.org/fhir/Patient/q"}"#,
        r#""patient":{"reference":"Patient/q/_history/1"}"#,
        r#""for":{"reference":"Patient/pp"}"#,
        r#""subject":[{"reference":"Patient/p"},{"reference":"Patient/q"}]"#,
        r#""patient":{"reference":"Patient\/q"}"#,
    ] {
        let body = format!(r#"{{"resourceType":"Coverage","id":"c",{member}}}"#);
        assert_eq!(read(&body), Err(Failure::OtherPatient), "{member}");
        assert_eq!(found(&format!(r#"{{"resource":{body}}}"#)), Err(Failure::OtherPatient), "{member}");
    }
    for member in [
        r#""beneficiary":{"reference":"Patient/p"}"#,
        r#""subject":{"reference":"https://ehr.example.org/fhir/Patient/p/_history/1"}"#,
        r#""subject":{"reference":"Group/q"}"#,
        r##""subject":{"reference":"#q"}"##,
        r#""subscriber":{"reference":"Patient/q"}"#,
        r#""subject":{"display":"Patient/q"}"#,
        r#""subject":"Patient/q""#,
    ] {
        assert!(read(&format!(r#"{{"resourceType":"Coverage","id":"c",{member}}}"#)).is_ok(), "{member}");
    }
    let patient = |id: &str| resource(br#"{"resourceType":"Patient","id":"q"}"#.to_vec(), "Patient", id, "p");
    assert_eq!((patient("q"), patient("p")), (Err(Failure::OtherPatient), Err(Failure::OtherPatient)));
}

#[test]
fn e05_a_page_is_a_searchset_of_what_was_searched_for() {
    for entries in [
        "",
        r#"{"resource":{"resourceType":"Coverage"}}"#,
        r#"{"resource":{"resourceType":"Coverage"},"search":{"mode":"match"}}"#,
        r#"{"resource":{"resourceType":"OperationOutcome"},"search":{"mode":"outcome"}}"#,
        r#"{"resource":{"resourceType":"Organization"},"search":{"mode":"include"}}"#,
        r#"{"resource":{"resourceType":"Organization"}}"#,
        r#"{"resource":{"resourceType":"Organization"},"search":{}}"#,
        r#"{"resource":{"resourceType":"OperationOutcome"}}"#,
    ] {
        assert!(found(entries).is_ok(), "{entries}");
    }
    for entries in [
        "1",
        "{}",
        r#"{"resource":[]}"#,
        r#"{"resource":{}}"#,
        r#"{"resource":{"resourceType":"Organization"},"search":{"mode":"match"}}"#,
        r#"{"resource":{"resourceType":"Coverage"},"search":{"mode":"outcome"}}"#,
        r#"{"resource":{"resourceType":"Coverage"},"search":{"mode":"other"}}"#,
    ] {
        assert_eq!(found(entries), Err(Failure::Unreadable), "{entries}");
    }
    for body in [
        r#"{"resourceType":"Coverage","id":"c"}"#,
        r#"{"resourceType":"Bundle"}"#,
        r#"{"resourceType":"Bundle","type":"collection"}"#,
        r#"{"resourceType":"Bundle","type":"searchset","entry":{}}"#,
    ] {
        let page = page(body.as_bytes().to_vec(), "Coverage", "p", |_| true);
        assert_eq!(page.map(|page| page.text), Err(Failure::Unreadable), "{body}");
    }
}

#[test]
fn e05_whom_the_insurance_is_through_may_be_included_and_what_is_found_is_about_the_patient() {
    let patient = r#"{"resourceType":"Patient","id":"q"}"#;
    let related = r#"{"resourceType":"RelatedPerson","id":"r","patient":{"reference":"Patient/q"}}"#;
    let coverage = r#"{"resourceType":"Coverage","id":"c","beneficiary":{"reference":"Patient/q"}}"#;
    for somebody in [patient, related] {
        for search in ["", r#","search":{"mode":"include"}"#] {
            assert!(found(&format!(r#"{{"resource":{somebody}{search}}}"#)).is_ok(), "{somebody}{search}");
        }
        let matched = format!(r#"{{"resource":{somebody},"search":{{"mode":"match"}}}}"#);
        assert_eq!(found(&matched), Err(Failure::OtherPatient), "{matched}");
    }
    for mode in ["match", "include"] {
        let entry = format!(r#"{{"resource":{coverage},"search":{{"mode":"{mode}"}}}}"#);
        assert_eq!(found(&entry), Err(Failure::OtherPatient), "{mode}");
    }
    let body = format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":[{{"resource":{patient}}}]}}"#);
    assert_eq!(page(body.into_bytes(), "Patient", "p", |_| true).map(|page| page.text), Err(Failure::OtherPatient));
}

#[test]
fn e06_only_what_passes_is_kept_of_a_page_that_does_not_say_what_it_is() {
    let wanted = |resource: View<'_>| resource.get("id").and_then(View::str).as_deref() == Some("1");
    let kept = |link: &str| {
        let one = r#"{"resource":{"resourceType":"Coverage","id":"1","order":1.10}}"#;
        let two = r#"{"resource":{"resourceType":"Coverage","id":"2"}}"#;
        let other = r#"{"resource":{"resourceType":"Organization","id":"3"},"search":{"mode":"include"}}"#;
        let body =
            format!(r#"{{"resourceType":"Bundle","type":"searchset","link":[{link}],"entry":[{one},{two},{other}]}}"#);
        (body.clone(), page(body.into_bytes(), "Coverage", "p", wanted).unwrap().text)
    };
    let (_, without) = kept("");
    let entries = r#"[{"resource":{"resourceType":"Coverage","id":"1","order":1.10}},{"resource":{"resourceType":"Organization","id":"3"},"search":{"mode":"include"}}]"#;
    assert_eq!(without, format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":{entries}}}"#));
    let (sent, with) = kept(r#"{"relation":"self","url":"x"}"#);
    assert_eq!(with, sent);
}
