//! The pages as a browser gets them.

use covenant::pages::assets;

use super::Page;
use crate::laws_support::SET;
use crate::support::{CANARY, Reply, TestApp, order};

const HTML: &str = "text/html; charset=utf-8";

/// Must be a page, with the headers that every page has.
#[track_caller]
fn page(reply: &Reply, status: u16) -> Page {
    assert_eq!((reply.status, reply.header("content-type")), (status, Some(HTML)), "{}", reply.text());
    let policy = reply.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("data:"), "{policy}");
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(reply.header("x-frame-options"), Some("DENY"));
    assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
    Page::read(reply.text().to_owned())
}

#[test]
fn the_list_a_policy_and_a_version_are_pages() {
    let app = TestApp::start();
    let list = page(&app.get("/policies"), 200);
    let href = list.one("tbody a").attr("href").unwrap();
    let today = page(&app.get(href), 200);
    let version = page(&app.get("/policies/633/2020-11"), 200);
    for read in [today, version] {
        assert!(read.at("liver-cryoablation").is_some() && read.at("inpatient").is_some());
    }
}

#[test]
fn a_day_chooses_the_version_and_one_before_the_first_says_so() {
    let app = TestApp::start();
    for on in ["?on=2026-01-31", "?on=", "", "?x=1&on=2020-11-01"] {
        assert!(page(&app.get(&format!("/policies/633{on}")), 200).at("inpatient").is_some(), "{on}");
    }
    let before = page(&app.get("/policies/633?on=2020-10-31"), 200);
    assert!(before.words().contains("No version of policy 633 is in force on 2020-10-31."), "{}", before.words());
    assert_eq!(before.one(".versions li a").attr("href"), Some("/policies/633/2020-11"));
    assert_eq!(before.one(".versions form").attr("action"), Some("/policies/633"));
    for wrong in ["2026-02-30", "yesterday", "2026-1-1", "2026-01-31T00:00", CANARY, "%3Cscript%3E"] {
        let reply = app.get(&format!("/policies/633?on={wrong}"));
        let read = page(&reply, 400);
        assert!(read.words().contains("That is not a day."), "{}", read.words());
        assert!(!reply.text().contains(wrong) && !reply.text().contains("<script"), "{wrong} is echoed");
    }
}

#[test]
fn what_is_not_there_is_a_page_that_says_so_and_echoes_nothing() {
    let app = TestApp::start();
    for path in ["/policies/canary", "/policies/633/canary", "/policies/canary/2020-11", "/policies/%3Ccanary%3E"] {
        let reply = app.get(path);
        let read = page(&reply, 404);
        assert!(read.words().contains("There is no such policy here, or no such version of it."));
        assert!(!reply.text().contains(CANARY), "{path} is echoed");
    }
    app.get("/policies/633/2020-11/more").refused(404, "not-found");
}

#[test]
fn another_method_is_refused_and_told_what_is_allowed() {
    let app = TestApp::start();
    for path in ["/policies", "/policies/633", "/policies/633/2020-11"] {
        let reply = app.post_to(path, "{}");
        assert_eq!(reply.header("allow"), Some("GET, HEAD"));
        reply.refused(405, "not-supported");
    }
}

#[test]
fn whoever_is_registered_anybody_may_read_what_is_published() {
    let clients = "[[client]]\nname = \"one\"\nissuer = \"a\"\njwks_url = \"https://one.example/jwks\"";
    let app = TestApp::guarded(clients, |_| ());
    app.sign(order("47383")).refused(401, "login");
    page(&app.get("/policies/633"), 200);
}

#[test]
fn a_page_and_all_that_it_loads_is_less_than_100_kilobytes() {
    let app = TestApp::start();
    let reply = app.get("/policies/633");
    let read = page(&reply, 200);
    let mut names: Vec<&str> =
        read.all("link[href], img[src]").into_iter().map(|it| it.attr("href").or(it.attr("src")).unwrap()).collect();
    names.sort_unstable();
    names.dedup();
    let loaded: usize = names.iter().map(|name| app.get(name).body.len()).sum();
    let all = reply.body.len() + loaded;
    println!("policy 633: {} bytes, and {loaded} that it loads", reply.body.len());
    assert!(all < 100_000, "{all} bytes");
    assert!(names.contains(&"/assets/policy.css") && assets::find("policy.css").is_some());
}

#[test]
fn a_set_that_is_changed_while_it_serves_changes_its_pages() {
    use covenant::pages::policies::{Found, Shelf};
    use covenant::policy::model::PolicySet;
    use jiff::civil::date;

    let (shelf, day) = (Shelf::default(), date(2026, 11, 22));
    let set = crate::rule_change::set::Set::new();
    set.change(crate::support::RULES, |rules| rules["action"][0]["documentation"][0]["citation"] = "Another.".into());
    let other = set.load();
    let text = |set: &PolicySet| match super::site(set).page(&shelf, "633", None, day).unwrap() {
        Found::Page(text) => text,
        Found::Nothing(text) => panic!("{text}"),
    };
    let first = text(&SET);
    assert!(text(&other).contains("<p>Another.</p>"));
    assert_eq!(text(&SET), first);
}
