//! A page is made of the resources of its set, and of nothing else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::date;
use serde_json::{Value, json};

use super::{Page, inside, words};
use crate::laws_support::{SET, TODAY};
use crate::policies::ask;
use crate::rule_change::set::Set;
use crate::support::RULES;

const LIBRARY: &str = "policies/633/Library-633.json";

fn library() -> Value {
    serde_json::from_str(include_str!("../../fhir-resources/policies/633/Library-633.json")).unwrap()
}

fn artifacts(kind: &str) -> Vec<Value> {
    let library = library();
    let all = library["relatedArtifact"].as_array().unwrap().iter();
    all.filter(|it| it["type"] == kind).cloned().collect()
}

#[test]
fn the_statement_stands_first_and_is_quoted_exactly() {
    let page = Page::of(&SET, "633", "2020-11");
    let statement = "Cryosurgical ablation of either primary or metastatic tumors in the liver is INVESTIGATIONAL.";
    let first = page.all("main blockquote")[0];
    assert_eq!(words(first), statement);
    assert_eq!(words(inside(page.at("liver-cryoablation").unwrap(), "figcaption")[0]), "Policy 633, Policy");
    let means = words(page.one(".means"));
    assert!(means.contains("The service is not covered, whatever the setting and the product line."), "{means}");
    // The policy's text quotes the same.
    let text = page.all(".text blockquote")[0];
    assert_eq!(words(text), statement);
}

#[test]
fn every_entry_of_the_history_is_there_in_its_order() {
    let page = Page::of(&SET, "633", "2020-11");
    let rows = page.all("table.history tbody tr").into_iter().map(|row| {
        let cells: Vec<String> = inside(row, "th, td").into_iter().map(words).collect();
        (cells[0].clone(), cells[1].clone())
    });
    let published: Vec<(String, String)> = artifacts("predecessor")
        .iter()
        .map(|it| (it["label"].as_str().unwrap().to_owned(), it["citation"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(published.len(), 22);
    assert_eq!(rows.collect::<Vec<_>>(), published);
}

#[test]
fn everything_that_the_policy_refers_to_is_there_with_its_link() {
    let page = Page::of(&SET, "633", "2020-11");
    let mut linked = 0;
    for kind in ["derived-from", "justification", "documentation"] {
        for artifact in artifacts(kind) {
            let label = artifact["label"].as_str().unwrap();
            let url = artifact["url"].as_str().or(artifact["document"]["url"].as_str());
            let item = page.all("main section > ul.links > li").into_iter().find(|it| words(*it).starts_with(label));
            let item = item.unwrap_or_else(|| panic!("{label} is not there"));
            let link = inside(item, "a").first().map(|link| link.attr("href").unwrap());
            assert_eq!(link, url, "{label}");
            linked += usize::from(url.is_some());
            let derived = artifact["extension"].is_array();
            assert_eq!(words(item).contains("does not print its own address"), derived, "{label}");
        }
    }
    assert_eq!(linked, 10);
}

#[test]
fn its_numbers_its_codes_and_where_it_comes_from_are_there() {
    let page = Page::of(&SET, "633", "2020-11");
    let said = page.words();
    for words in [
        "Policy Number 633",
        "BCBSA Reference Number 7.01.75",
        "NCD/LCD NA",
        "Last review 2020-11",
        "Publisher Blue Cross Blue Shield of Massachusetts",
        "CPT © American Medical Association.",
        "CPT 47371 Freezing of liver tumors through a laparoscope",
        "CPT 47383 Freezing of liver tumors through the skin",
        "in force since 2020-11-01",
        "policies/633/PlanDefinition-633.json",
        "policies/633/Library-633.json",
        &SET.hash,
    ] {
        assert!(said.contains(words), "{words} is not in {said}");
    }
    for section in library()["content"].as_array().unwrap() {
        let title = section["title"].as_str().unwrap();
        assert!(page.all(".text h3").into_iter().any(|heading| words(heading) == title), "{title} is no section");
    }
}

#[test]
fn a_change_of_a_resource_is_a_change_of_the_page() {
    let set = Set::new();
    set.change(RULES, |rules| {
        rules["action"][0]["documentation"][0]["citation"] = json!("An invented statement.");
        rules["action"][0]["action"][0]["action"][0]["textEquivalent"] = json!("performed on an invented ward");
        rules["title"] = json!("An invented title");
    });
    set.change(LIBRARY, |library| {
        library["subtitle"] = json!("An invented subtitle");
        library["identifier"][1]["value"] = json!("0.00.00");
        library["content"][3]["data"] = json!(STANDARD.encode("An *invented* section."));
        let artifacts = library["relatedArtifact"].as_array_mut().unwrap();
        artifacts.push(json!({"type": "predecessor", "label": "12/2020", "citation": "An invented entry."}));
        artifacts.push(json!({"type": "documentation", "label": "#000 Invented", "url": "https://payer.example/000"}));
    });
    set.change("policies/633/ValueSet-633-services.json", |codes| {
        codes["compose"]["include"][0]["concept"][0]["display"] = json!("An invented word for it");
    });
    set.change("terminology/CodeSystem-setting.json", |settings| {
        settings["concept"][0]["display"] = json!("On an invented ward");
    });
    set.change("payer/InsurancePlan-medicare-hmo-blue.json", |plan| plan["name"] = json!("Invented HMO"));
    let page = Page::of(&set.load(), "633", "2020-11");
    assert_eq!(words(page.all("main blockquote")[0]), "An invented statement.");
    assert_eq!(words(page.one("h1")), "An invented title");
    let columns: Vec<String> = page.all("table.cases thead th").into_iter().map(words).collect();
    assert_eq!(columns, ["Product line", "On an invented ward", "Outpatient", "Setting not stated"]);
    let said = page.words();
    for words in [
        "If performed on an invented ward",
        "An invented subtitle",
        "BCBSA Reference Number 0.00.00",
        "An invented section.",
        "12/2020 An invented entry.",
        "#000 Invented",
        "CPT 47371 An invented word for it",
        "Invented HMO",
    ] {
        assert!(said.contains(words), "{words} is not in {said}");
    }
}

#[test]
fn a_policy_without_a_library_has_a_page_all_the_same() {
    let set = Set::new();
    std::fs::remove_file(set.path(LIBRARY)).unwrap();
    set.change(RULES, |rules| {
        rules.as_object_mut().unwrap().remove("library");
        rules["action"][0]["documentation"][0].as_object_mut().unwrap().remove("resource");
    });
    let page = Page::of(&set.load(), "633", "2020-11");
    assert!(page.at("inpatient").is_some() && page.at("liver-cryoablation").is_some());
    assert!(page.all("table.history, .text").is_empty());
    assert!(!page.words().contains("Library"));
}

#[test]
fn p01_everything_that_is_wrong_with_a_library_is_told_at_once() {
    let set = Set::new();
    set.change(LIBRARY, |library| {
        library["content"][0]["data"] = json!("/w==");
        library["content"][1].as_object_mut().unwrap().remove("title");
        library["content"][2]["contentType"] = json!("text/html");
        library["relatedArtifact"][0].as_object_mut().unwrap().remove("label");
        library["relatedArtifact"][3]["type"] = json!("composed-of");
        library["relatedArtifact"][15].as_object_mut().unwrap().remove("citation");
    });
    set.change(RULES, |rules| rules["library"][0] = json!("https://covenant.example/fhir/Library/634"));
    let refused = set.refused();
    for place in [
        "content[0].data: is not text in UTF-8",
        "content[1].title: is missing",
        "content[2].contentType: must be text/markdown",
        "relatedArtifact[0].label: is missing",
        "relatedArtifact[3].type: must be",
        "relatedArtifact[15].citation: is missing",
        "library: names a Library that is not in the set",
    ] {
        assert!(refused.contains(place), "{place} is not in {refused}");
    }
}

#[test]
fn p01_a_document_that_is_not_https_is_refused_though_no_card_links_to_it() {
    let set = Set::new();
    set.change(LIBRARY, |library| library["relatedArtifact"][2]["document"]["url"] = json!("javascript:alert(1)"));
    let refused = set.refused();
    assert!(refused.contains("policy 633 version 2020-11: library: has a link that is not https"), "{refused}");
}

#[test]
fn a_version_is_found_by_the_day_that_it_is_in_force_on() {
    let set = Set::new();
    set.change(RULES, |rules| rules["effectivePeriod"]["end"] = json!("2026-12-31"));
    let mut next = set.read(RULES);
    next["version"] = json!("2027-01");
    next["effectivePeriod"] = json!({"start": "2027-01-01"});
    next["action"][0]["documentation"][0]["citation"] = json!("An invented statement of 2027.");
    set.write("policies/633/PlanDefinition-633-2027.json", &next);
    let set = set.load();
    let statement = |day| words(Page::on(&set, "633", day).all("main blockquote")[0]);
    assert!(statement(TODAY).starts_with("Cryosurgical ablation"));
    assert!(statement(date(2026, 12, 31)).starts_with("Cryosurgical ablation"));
    assert_eq!(statement(date(2027, 1, 1)), "An invented statement of 2027.");
    assert_eq!(words(Page::of(&set, "633", "2027-01").all("main blockquote")[0]), "An invented statement of 2027.");
    let before = Page::on(&set, "633", date(2020, 10, 31));
    let said = before.words();
    assert!(said.contains("No version of policy 633 is in force on 2020-10-31."), "{said}");
    let offered: Vec<&str> = before.all(".versions li a").into_iter().map(|link| link.attr("href").unwrap()).collect();
    assert_eq!(offered, ["/policies/633/2027-01", "/policies/633/2020-11"]);
}

#[test]
fn every_policy_is_in_the_list_with_what_it_decides() {
    for (set, count) in [(&*SET, 1), (&*ask::SET, 14)] {
        let page = Page::list(set);
        let rows = page.all("tbody tr");
        assert_eq!(rows.len(), count);
        for (row, (number, versions)) in rows.into_iter().zip(&set.policies) {
            let said = words(row);
            assert!(said.starts_with(&**number) && said.contains(&*versions[0].title), "{said}");
            assert_eq!(inside(row, ".said").len(), 1, "{said}");
            assert_eq!(inside(row, "a")[0].attr("href").unwrap(), format!("/policies/{number}"));
        }
    }
    assert!(Page::list(&SET).words().contains("✕ Not covered"));
}

#[test]
fn every_policy_of_the_invented_set_is_written_with_all_its_cases() {
    for policy in ask::SET.policies.values().flatten() {
        let page = Page::of(&ask::SET, &policy.number, &policy.version);
        let said = page.words();
        assert_eq!(words(page.one("h1")), *policy.title);
        for case in &policy.cases {
            let Some(when) = &case.action.when else { continue };
            let by_plan = policy.domains.keys().all(|name| *name == covenant::policy::model::FactName::Plan);
            assert!(by_plan || said.contains(&format!("If {when}")), "{when} is not in {said}");
        }
        assert!(!page.all("details.answer").is_empty(), "{}", policy.number);
        assert_eq!(page.all("table.cases a.cell").len(), page.all("table.cases td .said").len());
        assert!(page.all(".information dt").iter().any(|name| words(*name) == "covered"), "{}", policy.number);
    }
}

#[test]
fn a_version_that_is_not_in_force_today_says_so_at_its_top() {
    let set = Set::new();
    set.change(RULES, |rules| rules["effectivePeriod"] = json!({"start": "2020-11-01", "end": "2026-06-30"}));
    std::fs::remove_dir_all(set.path("policies/633/cases")).unwrap();
    let set = set.load();
    // Asked for by its version, and by a day on which it was in force.
    for page in [Page::of(&set, "633", "2020-11"), Page::on(&set, "633", date(2026, 1, 1))] {
        let notice = page.one("main .notice");
        let said = words(notice);
        let expected = format!("This version is not in force today, {TODAY}. No version of this policy is.");
        assert_eq!(said, expected);
        let before = page.text.split("class=\"notice\"").next().unwrap();
        assert!(!before.contains("<section") && !before.contains("blockquote"), "something stands before it");
    }
    let list = Page::list(&set);
    let row = words(list.one("tbody tr"));
    assert!(
        row.contains("No version is in force today none; the last is 2020-11, from 2020-11-01 to 2026-06-30"),
        "{row}"
    );
    assert!(Page::of(&SET, "633", "2020-11").all(".notice").is_empty());
}
