//! Cards lead to the page of their policy, at the passage, where it is known under which address this server is reached.

use std::collections::BTreeMap;

use covenant::answer::at_once;
use covenant::gather::learned::Learned;
use covenant::policy::model::PolicySet;
use covenant::request::schema;
use serde_json::{Value, json};

use super::Page;
use crate::golden;
use crate::laws_support::{MANNER, SET, body, moment, service_of};
use crate::rule_change::set::Set;
use crate::support::{Place, RULES, Reply, order};

const BASE: &str = "https://crd.payer.example";
const LABEL: &str = "Policy 633 as this server applies it";

/// The answer of a server that is reached under an address.
fn reached(request: &str, set: &PolicySet, name: &str, address: &str) -> (String, String) {
    let source = Learned { address: Some(address.to_owned()), ..Learned::default() };
    let answer = at_once(request.as_bytes(), service_of(request), set, &MANNER, &moment(name), source).unwrap();
    (String::from_utf8(answer.body).unwrap(), answer.learned)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The links to our own page that an answer's cards have.
fn own(answer: &Value) -> Vec<String> {
    let cards = answer["cards"].as_array().unwrap().iter();
    let links = cards.flat_map(|card| card["links"].as_array().into_iter().flatten());
    let own = links.filter(|link| link["label"].as_str().unwrap().ends_with("as this server applies it"));
    own.map(|link| link["url"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_second_link_of_every_card_with_links_is_our_page_at_the_passage_and_nothing_else_differs() {
    let page = Page::of(&SET, "633", "2020-11");
    let mut found = BTreeMap::new();
    for golden::Example { name, request, answer } in golden::examples() {
        let (with, _) = reached(&request, &SET, &name, BASE);
        assert_eq!(schema::RESPONSE.check(&json(&with), ""), Ok(()), "{name}");
        let mut without = json(&with);
        for card in without["cards"].as_array_mut().unwrap() {
            let Some(links) = card.get_mut("links").and_then(Value::as_array_mut) else { continue };
            let own = links.remove(1);
            assert_eq!((&own["label"], &own["type"]), (&json!(LABEL), &json!("absolute")), "{name}");
            assert_eq!(own.as_object().unwrap().len(), 3, "{name}: {own}");
            let url = own["url"].as_str().unwrap();
            let (path, action) = url.split_once('#').unwrap();
            assert_eq!(path, format!("{BASE}/policies/633/2020-11"), "{name}");
            assert!(page.at(action).is_some(), "{name}: {action} has no place");
            *found.entry(action.to_owned()).or_insert(0) += 1;
        }
        assert_eq!(without, json(&answer), "{name}");
    }
    assert!(found["liver-cryoablation"] > 30, "{found:?}");
}

#[test]
fn an_address_is_written_so_that_it_leads_back_to_what_it_names() {
    let set = Set::new();
    set.change(RULES, |rules| {
        rules["version"] = json!("2020 11/ä?#%");
        rules["action"][0]["id"] = json!("liver \"cryo\"#ablation");
    });
    std::fs::remove_dir_all(set.path("policies/633/cases")).unwrap();
    let set = set.load();
    for (base, before) in [(BASE, ""), ("https://payer.example/crd/", "/crd"), ("http://[::1]:8633", "")] {
        let (answer, _) = reached(&order("47383").text(), &set, "address", base);
        let links = own(&json(&answer));
        let [link] = links.as_slice() else { panic!("{links:?}") };
        assert!(link.is_ascii() && !link.contains([' ', '"']), "{link}");
        let url = url::Url::parse(link).unwrap();
        assert_eq!(url.query(), None);
        let path = url.path().strip_prefix(before).unwrap();
        assert_eq!(path, "/policies/633/2020%2011%2F%C3%A4%3F%23%25");
        assert_eq!(url.fragment(), Some("liver%20%22cryo%22#ablation"));
        assert!(link.starts_with(base.trim_end_matches('/')), "{link}");
    }
    // The page's own list of places leads to the same.
    let page = Page::of(&set, "633", "2020 11/ä?#%");
    assert!(page.at("liver \"cryo\"#ablation").is_some());
    assert!(page.all("a[href='#liver%20%22cryo%22#ablation']").len() > 1);
}

#[test]
fn a_card_of_a_policy_that_is_not_published_leads_nowhere_of_ours() {
    let set = Set::new();
    set.change(RULES, |rules| _ = rules.as_object_mut().unwrap().remove("library"));
    let (answer, _) = reached(&order("47383").text(), &set.load(), "unpublished", BASE);
    assert_eq!(own(&json(&answer)), Vec::<String>::new());
    assert!(json(&answer)["cards"][0]["links"].as_array().unwrap().len() > 5);
}

#[test]
fn cards_that_offer_or_launch_something_have_no_link_beside_it() {
    use crate::policies::{ask, examples};
    let (mut led, mut offered) = (0, 0);
    for example in examples::examples() {
        let source = Learned { address: Some(BASE.to_owned()), ..Learned::default() };
        let request = example.request.as_bytes();
        let service = service_of(&example.request);
        let Ok(answer) = at_once(request, service, &ask::SET, &MANNER, &moment(&example.name), source) else {
            continue;
        };
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(schema::RESPONSE.check(&answer, ""), Ok(()), "{}", example.name);
        for card in answer["cards"].as_array().unwrap() {
            let links = card["links"].as_array().cloned().unwrap_or_default();
            let kinds: std::collections::BTreeSet<&str> =
                links.iter().map(|link| link["type"].as_str().unwrap()).collect();
            let is_offer = card.get("suggestions").is_some();
            assert!(kinds.len() <= 1 && (links.is_empty() || !is_offer), "{}: {card}", example.name);
            led += usize::from(kinds.contains("absolute"));
            offered += usize::from(is_offer || kinds.contains("smart"));
        }
    }
    assert!(led > 10 && offered > 10, "{led} led, {offered} offered");
}

#[test]
fn the_address_is_kept_with_what_was_learnt_and_older_entries_have_none() {
    let request = order("47383").text();
    let (answer, learned) = reached(&request, &SET, "kept", BASE);
    let kept: Learned = serde_json::from_str(&learned).unwrap();
    assert_eq!(kept.address.as_deref(), Some(BASE));
    let again = at_once(request.as_bytes(), service_of(&request), &SET, &MANNER, &moment("kept"), kept).unwrap();
    assert_eq!(String::from_utf8(again.body).unwrap(), answer);
    let old: Learned = serde_json::from_str("{}").unwrap();
    let before = at_once(request.as_bytes(), service_of(&request), &SET, &MANNER, &moment("kept"), old).unwrap();
    assert_eq!(String::from_utf8(before.body).unwrap(), body(&request, &SET, "kept"));
    assert_eq!(before.learned, "{}");
}

/// The one link to our own page that an answer has.
#[track_caller]
fn link(reply: &Reply) -> String {
    let links = own(&reply.json());
    let [link] = links.as_slice() else { panic!("{links:?}") };
    link.clone()
}

#[test]
fn without_registered_clients_the_link_leads_to_where_the_server_listens_and_replay_makes_it_again() {
    let place = Place::empty();
    let server = place.serve();
    let answer = server.sign(order("47383")).decided();
    let at = link(&answer);
    let (page, anchor) = at.split_once('#').unwrap();
    assert_eq!(page, format!("http://{}/policies/633/2020-11", server.address));
    let read = server.get(page.strip_prefix(&format!("http://{}", server.address)).unwrap());
    assert_eq!(read.status, 200);
    assert!(read.text().contains(&format!("id=\"{anchor}\"")), "{anchor} is not on the page");
    server.kill();
    // Under another address the same is said again, and another to who asks now.
    let elsewhere = [("COVENANT_AUTH_BASE_URL", BASE), ("COVENANT_LISTEN", "127.0.0.1:0")];
    let server = place.serve_in(&elsewhere);
    let other = server.sign(order("47383")).decided();
    assert_eq!(link(&other), format!("{BASE}/policies/633/2020-11#liver-cryoablation"));
    server.kill();
    for answer in [&answer, &other] {
        let again = place.run(&["replay", &answer.assertions()[0]]).succeeded();
        assert_eq!(again.trim_end(), answer.text());
    }
}
