//! Which URLs are the same base, and where questions and links lead.
#![allow(clippy::unwrap_used)]

use super::{Base, Unfit};
use crate::config::{EhrSettings, Settings};
use crate::gather::learned::Query;

fn settings() -> EhrSettings {
    Settings::read(None, |_| None).unwrap().ehr
}

fn base(text: &str) -> Base {
    Base::parse(text, &settings()).unwrap()
}

#[test]
fn e09_a_base_is_the_same_only_as_a_whole() {
    let registered = base("https://ehr.example.org/fhir");
    for same in [
        "https://ehr.example.org/fhir/",
        "https://EHR.example.org:443/fhir",
        "HTTPS://ehr.example.org/fhir",
        "https://ehr.example.org/other/../fhir",
    ] {
        assert_eq!(base(same), registered, "{same}");
    }
    for other in [
        "http://ehr.example.org/fhir",
        "https://ehr.example.org",
        "https://ehr.example.org/FHIR",
        "https://ehr.example.org/fhir//",
        "https://ehr.example.org/fhir/r4",
        "https://ehr.example.org/fhirs",
        "https://ehr.example.org/%66hir%2f",
        "https://ehr.example.org:8443/fhir",
        "https://ehr.example.org./fhir",
        "https://ehr.example.org.evil.com/fhir",
        "https://evil.com/ehr.example.org/fhir",
        "https://xehr.example.org/fhir",
        "https://ehr.example.org\\.evil.com/fhir",
    ] {
        assert_ne!(base(other), registered, "{other}");
    }
}

#[test]
fn e09_what_is_more_than_a_base_is_none() {
    for text in [
        "https://ehr.example.org@evil.com/fhir",
        "https://user:secret@ehr.example.org/fhir",
        "https://ehr.example.org/fhir?",
        "https://ehr.example.org/fhir?x=1",
        "https://ehr.example.org/fhir#",
        "ftp://ehr.example.org/fhir",
        "file:///etc/passwd",
        "//ehr.example.org/fhir",
        "ehr.example.org/fhir",
        "https://",
        "javascript:0",
        "",
    ] {
        assert_eq!(Base::parse(text, &settings()), Err(Unfit::NotABase), "{text}");
    }
}

#[test]
fn e09_a_private_address_is_none_however_it_is_written() {
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "127.1",
        "169.254.169.254",
        "10.0.0.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[fd00::1]",
        "[fe80::1]",
    ] {
        let text = format!("https://{host}/fhir");
        assert_eq!(Base::parse(&text, &settings()), Err(Unfit::Private), "{text}");
        assert!(Base::parse(&text, &EhrSettings { allow_private: true, ..settings() }).is_ok(), "{text}");
    }
    assert!(Base::parse("https://8.8.8.8/fhir", &settings()).is_ok());
}

#[test]
fn e10_plain_http_is_a_matter_of_settings() {
    let strict = EhrSettings { allow_http: false, ..settings() };
    assert_eq!(Base::parse("http://ehr.example.org/fhir", &strict), Err(Unfit::PlainHttp));
    assert!(Base::parse("http://ehr.example.org/fhir", &settings()).is_ok());
}

#[test]
fn a_question_is_asked_below_the_base_and_nowhere_else() {
    let base = base("https://ehr.example.org/fhir/r4/");
    let url = |query: &Query| base.url_of(query).map(String::from);
    assert_eq!(url(&Query::read("Location", "a-1.B_2")).unwrap(), "https://ehr.example.org/fhir/r4/Location/a-1.B_2");
    let search = Query::search("Coverage", &[("patient", "Patient/1"), ("code", "http://x|1&a=b,2 3#")]);
    let asked = "https://ehr.example.org/fhir/r4/Coverage?patient=Patient%2F1&code=http%3A%2F%2Fx%7C1%26a%3Db%2C2+3%23";
    assert_eq!(url(&search).unwrap(), asked);
    let long = "1".repeat(256);
    for id in ["", ".", "..", "1/2", "%2e%2e", "1?x", "1#x", "a b", "é", "1\r\nX: y", &long] {
        assert_eq!(url(&Query::read("Location", id)), None, "{id}");
    }
    for kind in ["", "..", "Location/1", "metadata?", "$export"] {
        assert_eq!(url(&Query::read(kind, "1")), None, "{kind}");
        assert_eq!(url(&Query::search(kind, &[])), None, "{kind}");
    }
    let root = super::Base::parse("https://ehr.example.org", &settings()).unwrap();
    assert_eq!(root.url_of(&Query::read("Location", "1")).unwrap().as_str(), "https://ehr.example.org/Location/1");
}

#[test]
fn e07_a_link_leads_on_only_on_the_same_server_below_the_base() {
    let base = base("https://ehr.example.org/fhir");
    let leads_on = |text: &str| base.link(text).is_some_and(|url| base.holds(&url));
    for text in [
        "https://ehr.example.org/fhir?page=2",
        "https://ehr.example.org/fhir/Coverage?page=2",
        "Coverage?page=2",
        "?page=2",
    ] {
        assert!(leads_on(text), "{text}");
    }
    for text in [
        "https://evil.com/fhir?page=2",
        "https://ehr.example.org:8443/fhir?page=2",
        "http://ehr.example.org/fhir?page=2",
        "https://ehr.example.org/admin",
        "https://ehr.example.org/fhir-admin",
        "https://ehr.example.org/fhir/../admin",
        "https://ehr.example.org/fhir/%2e%2e/admin",
        "https://user@ehr.example.org/fhir",
        "//evil.com/fhir",
        "/admin",
        "http://169.254.169.254/",
    ] {
        assert!(!leads_on(text), "{text}");
    }
}
