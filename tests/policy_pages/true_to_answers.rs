//! What a page says is what is answered: its table, its cards, and the places that cards lead to.

use std::collections::BTreeMap;

use scraper::ElementRef;
use serde_json::{Value, json};

use super::{Page, inside, words};
use crate::golden;
use crate::laws_support::{COVERAGE_INFORMATION, SET, body, moment, try_answer};
use crate::policies::{ask, examples};
use crate::support::{Request, order};

/// Places of service by setting, as the orders of tests have them.
const SETTINGS: [(&str, Option<&str>); 3] =
    [("Inpatient", Some("21")), ("Outpatient", Some("22")), ("Setting not stated", None)];

fn asks(plan: &str, place: Option<&str>) -> Request {
    let coverage = "/prefetch/coverage/entry/0/resource";
    let request = order("47371").without(&format!("{coverage}/type")).not_ordering("reasonCode");
    let request = request.with(&format!("{coverage}/class/0/value"), plan).without(&format!("{coverage}/class/0/name"));
    match place {
        Some(code) => request.with("/context/draftOrders/entry/0/resource/locationCode/0/coding/0/code", code),
        None => request.not_ordering("locationCode"),
    }
}

fn answered(request: &Request) -> Value {
    serde_json::from_str(&body(&request.text(), &SET, "page")).unwrap()
}

/// The codes of a part of the coverage information of an answer.
fn part(answer: &Value, url: &str) -> Vec<String> {
    let extensions = answer["systemActions"][0]["resource"]["extension"].as_array().unwrap();
    let ours = extensions.iter().find(|it| it["url"] == COVERAGE_INFORMATION).unwrap();
    let parts = ours["extension"].as_array().unwrap().iter().filter(|part| part["url"] == url);
    let value = |part: &Value| {
        let text = part["valueCode"].as_str().or(part["valueConcept"]["text"].as_str());
        text.or(part["valueCodeableConcept"]["text"].as_str()).unwrap().to_owned()
    };
    parts.map(value).collect()
}

/// The rows of the table: product line, then the cells.
fn rows(page: &Page) -> BTreeMap<String, Vec<ElementRef<'_>>> {
    let rows = page.all("table.cases tbody tr").into_iter();
    rows.map(|row| (words(inside(row, "th")[0]), inside(row, "td"))).collect()
}

#[test]
fn every_cell_of_product_and_setting_says_what_is_answered_and_leads_to_the_card_that_is_shown() {
    let page = Page::of(&SET, "633", "2020-11");
    let rows = rows(&page);
    let columns: Vec<String> = page.all("table.cases thead th").into_iter().skip(1).map(words).collect();
    assert_eq!(columns, SETTINGS.map(|(name, _)| name));
    assert_eq!(rows.len(), 4);
    for plan in &SET.plans {
        for (column, (name, place)) in SETTINGS.iter().enumerate() {
            let request = asks(plan.known_as.iter().find(|name| name.contains('-')).unwrap(), *place);
            let cell = rows[&*plan.name][column];
            let first = answered(&request.clone().in_version("2.0"));
            // CRD 2.0 is told of authorization beside what is not covered.
            let (said, pa) = (words(cell), part(&first, "pa-needed"));
            assert_eq!(part(&first, "covered"), ["not-covered"], "{} {name}", plan.name);
            assert!(said.starts_with("✕ Not covered"), "{said}");
            assert_eq!(said.contains("Prior authorization is required."), pa == ["auth-needed"], "{said}");
            let depends = "Whether prior authorization is required depends on where it is performed.";
            assert_eq!(said.contains(depends), pa == ["conditional"], "{said}");
            let href = inside(cell, "a")[0].attr("href").unwrap();
            let answer = page.at(href.strip_prefix('#').unwrap()).unwrap();
            let second = answered(&request.in_version("2.2"));
            let cards = second["cards"].as_array().unwrap();
            let summaries: Vec<String> =
                cards.iter().map(|card| card["summary"].as_str().unwrap().to_owned()).collect();
            let shown: Vec<String> = inside(answer, ".card h4").into_iter().map(words).collect();
            assert_eq!(shown, summaries, "{} {name}", plan.name);
            assert_eq!(inside(answer, ".card")[0].attr("class"), Some("card warning"));
            let entries = |name: &str| -> Vec<String> {
                let named = inside(answer, ".information div").into_iter();
                let found = named.filter(|it| words(inside(*it, "dt")[0]) == name);
                found.flat_map(|it| inside(it, "dd")).map(words).collect()
            };
            for url in ["covered", "pa-needed", "info-needed", "reason"] {
                assert_eq!(entries(url), part(&second, url), "{url} of {} {name}", plan.name);
            }
            let links = inside(answer, ".card .links a").len();
            assert_eq!(links, cards[0]["links"].as_array().unwrap().len());
        }
    }
}

#[test]
fn cells_that_are_answered_alike_lead_to_one_answer() {
    let page = Page::of(&SET, "633", "2020-11");
    let titles: Vec<String> = page.all(".answer > summary h3").into_iter().map(words).collect();
    assert_eq!(
        titles,
        ["Inpatient, any product line", "Outpatient, any product line", "Setting not stated, any product line"]
    );
}

#[test]
fn a_rule_that_is_changed_changes_its_cell_and_no_other() {
    let set = crate::rule_change::set::Set::new();
    set.change(crate::support::RULES, |rules| {
        let case = &mut rules["action"][0]["action"][0]["action"][4];
        assert_eq!(case["id"], "outpatient-medicare-ppo-blue");
        case["extension"][0]["extension"] = json!([
            {"url": "covered", "valueCode": "covered"}, {"url": "pa-needed", "valueCode": "auth-needed"}
        ]);
    });
    std::fs::remove_dir_all(set.path("policies/633/cases")).unwrap();
    let page = Page::of(&set.load(), "633", "2020-11");
    let changed: Vec<(String, usize)> = rows(&page)
        .into_iter()
        .flat_map(|(plan, cells)| cells.into_iter().enumerate().map(move |(column, cell)| (plan.clone(), column, cell)))
        .filter(|(_, _, cell)| !words(*cell).starts_with("✕ Not covered"))
        .map(|(plan, column, _)| (plan, column))
        .collect();
    // Where the setting is not stated it depends on it.
    assert_eq!(changed, [("Medicare PPO Blue".to_owned(), 1), ("Medicare PPO Blue".to_owned(), 2)]);
    let said = |column: usize| words(rows(&page)["Medicare PPO Blue"][column]);
    assert!(said(1).starts_with("⚑ Covered with authorization"), "{}", said(1));
    assert!(said(2).starts_with("◐ It depends"), "{}", said(2));
}

/// Whatever the answer rests on, or shows, must have its place on the page of its policy.
fn has_places(page: &Page, explanations: &Value, name: &str) -> usize {
    let mut found = 0;
    for decided in explanations.as_array().unwrap().iter().flat_map(|it| it["determinations"].as_array().unwrap()) {
        let rules = decided["rules"].as_array().unwrap();
        let shown = decided["shown"].as_array().into_iter().flatten();
        let of_policy = rules.iter().filter(|rule| rule["policy"] != "default");
        for action in of_policy.clone().map(|rule| &rule["action"]).chain(shown) {
            let id = action.as_str().unwrap();
            assert!(page.at(id).is_some(), "{name}: {id} has no place");
            found += 1;
        }
        for passage in of_policy.flat_map(|rule| rule["passages"].as_array().into_iter().flatten()) {
            let (label, citation) = passage.as_str().unwrap().split_once(": ").unwrap();
            let quoted = page.all("figure.passage").into_iter().any(|figure| {
                let said = words(figure);
                said.contains(citation) && said.contains(label)
            });
            assert!(quoted, "{name}: {label} is not quoted");
        }
    }
    found
}

#[test]
fn every_passage_that_a_card_of_a_golden_pair_cites_has_its_place() {
    let page = Page::of(&SET, "633", "2020-11");
    let found: usize = golden::examples()
        .iter()
        .map(|example| {
            let answer = try_answer(&example.request, &SET, &example.name).unwrap();
            has_places(&page, &serde_json::from_str(&answer.explanations).unwrap(), &example.name)
        })
        .sum();
    assert!(found > 150, "only {found} places were looked for");
    let mut found = 0;
    for example in examples::examples() {
        let Ok(answer) = covenant::answer::at_once(
            example.request.as_bytes(),
            crate::laws_support::service_of(&example.request),
            &ask::SET,
            &crate::laws_support::MANNER,
            &moment(&example.name),
            example.says.clone(),
        ) else {
            continue;
        };
        // An answer under one policy has that policy's places.
        let [number] = answer.policies.as_slice() else { continue };
        let Some(policy) = ask::SET.policies.get(&**number).and_then(|versions| versions.first()) else { continue };
        let page = Page::of(&ask::SET, number, &policy.version);
        found += has_places(&page, &serde_json::from_str(&answer.explanations).unwrap(), &example.name);
    }
    assert!(found > 50, "only {found} places were looked for");
}

#[test]
fn a_policy_that_depends_is_not_shown_as_covered() {
    let page = Page::list(&ask::SET);
    let row = |number: &str| {
        let rows = page.all("tbody tr").into_iter();
        words(
            rows.into_iter()
                .find(|row| words(inside(*row, "th")[0]) == number)
                .map(|row| inside(row, "td")[1])
                .unwrap(),
        )
    };
    // It is covered, and who performs it decides whether authorization is needed.
    assert_eq!(row("EX-103"), "◐ It depends");
    assert_eq!(row("EX-102"), "✓ Covered");
    let own = Page::of(&ask::SET, "EX-103", "1");
    assert_eq!(words(inside(own.one(".means"), ".said")[0]), "◐ It depends");
    assert!(own.one(".means").text().collect::<String>().contains("prior authorization is required depends on"));
}
