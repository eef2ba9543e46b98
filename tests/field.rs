//! Requests as clients write them, reduced to what matters, each with what must hold of its answer. They come in families: what
//! is wrong of one is wrong wherever the same thing is read.
//!
//! A case is `NAME.request.json` with `NAME.expected.json`. With `NAME.ehr.json` there is a FHIR server that gives a body for
//! each resource type, `{EHR}` in them being its base.

mod judge;

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use uuid::Uuid;

use crate::laws_support::repository;
use crate::support::{Behaviour, FakeEhr, Place, TestApp};

/// A test for each family, and the names of all their cases.
macro_rules! families {
    ($($family:ident: $($case:literal),+;)+) => {
        $(#[test]
        fn $family() {
            let wrong: Vec<String> = [$($case),+].into_iter().flat_map(judged).collect();
            assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
        })+

        const CASES: &[&str] = &[$($($case),+),+];
    };
}

families! {
    a_moments_that_a_library_cannot_hold:
        "coverage-end-9999-utc",
        "order-period-end-9999-offset",
        "fraction-of-ten-digits",
        "control-day-that-is-none",
        "coverage-end-9999-behind-utc",
        "bounds-9999";
    b_references_that_name_an_entry_by_its_full_url:
        "payor-by-fullurl-is-another",
        "two-organizations-of-one-id-another",
        "location-by-fullurl",
        "subject-by-fullurl",
        "encounter-by-fullurl",
        "control-references-of-other-bases";
    d_other_people_who_belong_to_the_coverage:
        "subscriber-is-another-patient-crd20",
        "policyholder-is-another-patient",
        "control-another-patient-prefetched";
    e_a_primitive_with_an_extension_and_no_value:
        "class-value-not-known",
        "intent-not-known",
        "timing-with-a-masked-moment",
        "control-status-with-nothing",
        "coverage-status-not-known";
    f_what_stands_beside_the_orders_in_their_bundle:
        "medication-beside-its-order",
        "location-beside-its-order",
        "encounter-beside-its-order";
    g_resource_types_that_fhir_r4_does_not_have:
        "type-of-stu3",
        "type-in-lower-case",
        "type-with-a-space";
    h_coverages_that_are_not_in_force_beside_the_one_that_is:
        "cancelled-coverage-beside",
        "control-two-active-coverages";
    i_identifiers_that_say_nothing_to_us:
        "payer-with-the-ehr-s-own-number",
        "control-payer-with-another-naic";
    j_one_code_under_two_systems:
        "cpt-code-under-hcpcs";
    k_what_was_not_sent_and_cannot_be_asked_for:
        "dispatch-nothing-to-look-in",
        "control-dispatch-looked-for-and-none",
        "dispatch-nothing-to-look-in-crd20";
    l_one_order_in_several_entries:
        "appointment-before-its-order",
        "two-appointments-for-one-order",
        "order-sign-appointment-before-its-order";
    m_selections_that_name_nothing:
        "selection-with-a-version";
    n_moments_and_days:
        "coverage-ended-in-utc",
        "control-coverage-ended-local";
    o_when_an_appointment_is_wanted:
        "appointment-wanted-after-the-coverage-crd20";
    p_ids_longer_than_the_standard_s:
        "draft-order-with-a-long-id",
        "selection-with-a-long-id",
        "encounter-with-a-long-id";
    q_prefetch_values_that_are_no_resources:
        "coverage-as-a-list";
    r_authorization_for_nobody_by_name:
        "access-for-nobody-by-name";
    s_what_a_search_says_of_itself:
        "self-link-with-the-system-of-a-token",
        "included-without-a-mode",
        "self-link-with-the-type-of-a-reference",
        "subscriber-included-by-the-ehr",
        "control-self-link-as-asked";
    t_pages_of_what_was_prefetched:
        "coverages-on-two-pages";
}

fn folder() -> std::path::PathBuf {
    repository("tests/field/cases")
}

fn text(name: &str, part: &str) -> Option<String> {
    fs::read_to_string(folder().join(format!("{name}.{part}.json"))).ok()
}

/// What is wrong of the answer to a case.
fn judged(name: &str) -> Vec<String> {
    let request = text(name, "request").unwrap_or_else(|| panic!("there is no request {name}"));
    let expected: Value = serde_json::from_str(&text(name, "expected").unwrap()).unwrap();
    let ehr = text(name, "ehr").map(|replies| {
        let replies: serde_json::Map<String, Value> = serde_json::from_str(&replies).unwrap();
        let ehr = FakeEhr::empty();
        replies.iter().fold(ehr, |ehr, (kind, body)| ehr.but(kind, Behaviour::SendsOfItself(body.to_string()))).starts()
    });
    let (app, request) = match &ehr {
        Some(ehr) => (TestApp::beside(ehr), request.replace("{EHR}", &ehr.base())),
        None => (TestApp::start(), request),
    };
    let mut request: Value = serde_json::from_str(&request).unwrap();
    request["hookInstance"] = Uuid::new_v4().to_string().into();
    let reply = app.invoke(request.to_string());
    let mut wrong = judge::wrong(&expected, &reply);
    if let Some(bundle) = expected["permute"].as_str() {
        let mut other = request.clone();
        other["hookInstance"] = Uuid::new_v4().to_string().into();
        other["context"][bundle]["entry"].as_array_mut().unwrap().reverse();
        if judge::told(&app.invoke(other.to_string())) != judge::told(&reply) {
            wrong.push("the order of the entries decides".to_owned());
        }
    }
    wrong.into_iter().map(|wrong| format!("{name}: {wrong}")).collect()
}

#[test]
fn a_member_s_coverage_that_ends_with_time_is_imported() {
    let members = folder().join("members-coverage-end-9999.ndjson");
    let place = Place::empty();
    let ran = place.run(&["members".as_ref(), "import".as_ref(), members.as_os_str()]).succeeded();
    assert!(ran.contains("1 patients, 1 coverages"), "{ran}");
}

#[test]
fn every_case_is_of_a_family() {
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let requests = files.filter_map(|file| file.strip_suffix(".request.json").map(str::to_owned));
    let named = CASES.iter().map(|name| (*name).to_owned());
    assert_eq!(requests.collect::<BTreeSet<_>>(), named.collect::<BTreeSet<_>>());
}
