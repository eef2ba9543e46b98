//! The operators' page: who is shown it, and what it is made of.

use std::collections::HashSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use covenant::record::LedgerError;

use super::shown::Shown;
use super::{CLOSED, app, is_unknown, metric};
use crate::support::{Reply, SECRET, TestApp, TestLedger, order};

/// What `Authorization` says of a name and a secret.
fn basic(name: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{secret}")))
}

fn page_with(app: &TestApp, authorization: &str) -> Reply {
    app.ops().get_with("/", &[("Authorization", authorization)])
}

/// Must be the one refusal that a browser asks its user for name and secret by.
#[track_caller]
fn is_asked(reply: &Reply) {
    assert_eq!((reply.status, reply.text()), (401, r#"{"error":"An operator's token is needed."}"#));
    assert_eq!(reply.header("www-authenticate"), Some(r#"Basic realm="Covenant operations""#));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[test]
fn an_operator_is_shown_the_page_by_token_and_by_name_and_secret() {
    let app = app();
    let lower = basic("alice", SECRET).replacen("Basic", "basic", 1);
    let bob = basic("bob", "planted-secret-of-another-operator-0123");
    for authorization in [format!("Bearer {SECRET}"), basic("alice", SECRET), lower, bob] {
        let reply = page_with(&app, &authorization);
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(reply.text().contains("<h1>Operations</h1>"), "{}", reply.text());
        assert!(!reply.text().contains("planted-secret"), "{}", reply.text());
    }
}

#[test]
fn whoever_is_nobody_is_asked_for_name_and_secret_and_counted() {
    let app = app();
    is_asked(&app.ops().get("/"));
    let right = basic("alice", SECRET);
    for wrong in [
        basic("alice", "planted-secret-that-is-nobodys-0123456789"),
        // A name is of one secret.
        basic("bob", SECRET),
        basic("", SECRET),
        basic("alice", ""),
        format!("Basic {}", STANDARD.encode(SECRET)),
        format!("Basic alice:{SECRET}"),
        format!("Basic {}", STANDARD.encode([0xff, b':', 0xfe])),
        "Basic".to_owned(),
        right.replacen("Basic", "Bearer", 1),
        format!("Bearer {SECRET}0"),
    ] {
        is_asked(&page_with(&app, &wrong));
    }
    is_asked(&app.ops().get_with("/", &[("Authorization", &right), ("Authorization", &right)]));
    assert_eq!(metric(app.ops(), "covenant_operators_refused_total"), Some(12.0));
}

#[test]
fn what_a_browser_sends_for_other_sites_opens_nothing_but_the_page() {
    let app = app();
    app.sign(order("47383")).decided();
    let sent = basic("alice", SECRET);
    let looking =
        ["/ledger/entries", "/ledger/verify", "/ledger/metrics", "/ledger/export?from=2026-01-01", "/nothing"];
    for path in CLOSED.into_iter().chain(looking) {
        is_unknown(&app.ops().get_with(path, &[("Authorization", &sent)]));
    }
    for path in ["/", "/ledger/prune?before=2027-01-01&confirm=true"] {
        is_unknown(&app.ops().post_with(path, &[("Authorization", &sent)], "{}"));
    }
    assert_eq!(app.recorded(), 1, "somebody looked, or something went");
    let public = app.get_with("/", &[("Authorization", &sent)]);
    assert!(!String::from_utf8_lossy(&public.body).contains("In flight"), "it is on the public listener");
}

#[test]
fn nothing_runs_in_the_page_and_no_other_site_shows_or_reads_it() {
    let app = app();
    let reply = page_with(&app, &basic("alice", SECRET));
    let policy = reply.header("content-security-policy").unwrap();
    for part in ["default-src 'none'", "style-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
        assert!(policy.split("; ").any(|it| it == part), "{part} is not in {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script"), "{policy}");
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
    let lower = reply.text().to_lowercase();
    for never in ["<script", " style=", "<style", " onclick", " onload", "javascript:", "http-equiv", "//"] {
        let found = lower.matches(never).count();
        assert_eq!(found, 0, "{never} is in the page");
    }
}

#[test]
fn its_files_are_for_anybody_and_that_there_is_none_is_not() {
    let app = app();
    for (name, kind) in [("ops.css", "text/css; charset=utf-8"), ("mark.svg", "image/svg+xml")] {
        let reply = app.ops().get(&format!("/assets/{name}"));
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(kind)), "{name}");
    }
    is_unknown(&app.ops().get("/assets/other.css"));
    assert_eq!(app.ops().get_as_operator("/assets/other.css", SECRET).status, 404);
}

#[test]
fn the_page_with_all_its_files_loads_within_100_kb() {
    let app = app();
    (0..5).for_each(|_| _ = app.sign(order("47383")).decided());
    app.sign("{").refused(400, "structure");
    let page = Shown::of(&app);
    let files = page.attributes("link, img, script", &["href", "src"]);
    assert!(files.len() >= 3, "{files:?}");
    let files: HashSet<String> = files.into_iter().collect();
    let sizes = files.iter().map(|path| {
        let file = app.ops().get(path);
        assert_eq!(file.status, 200, "{path}");
        file.body.len()
    });
    let all = page.text.len() + sizes.sum::<usize>();
    // An hour that is full has a bar and more digits for each minute.
    assert!(all + 60 * 3 * 150 < 100_000, "{all}");
}

#[test]
fn the_page_can_be_read_by_whoever_does_not_see_it() {
    let app = app();
    app.sign(order("47383")).decided();
    app.sign("{").refused(400, "structure");
    for app in [&app, &super::app(), &TestApp::operated(TestLedger::failing(LedgerError::Full))] {
        let page = Shown::of(app);
        page.is_well_formed();
        for (landmark, count) in [("main", 1), ("nav[aria-label]", 1), ("body > header", 1), ("body > footer", 1)] {
            assert_eq!(page.all(landmark).len(), count, "{landmark}");
        }
        let levels: Vec<usize> = page.all("h1, h2, h3").iter().map(|it| it.0[1..].parse().unwrap()).collect();
        assert_eq!(levels[0], 1);
        assert!(levels.windows(2).all(|two| two[1] <= two[0] + 1 && two[1] > 1), "{levels:?}");
        let ids = page.attributes("[id]", &["id"]);
        let known: HashSet<&String> = ids.iter().collect();
        assert_eq!(known.len(), ids.len(), "two of one id: {ids:?}");
        let targets =
            page.attributes("a", &["href"]).into_iter().filter_map(|it| it.strip_prefix('#').map(str::to_owned));
        let labels = page.attributes("[aria-labelledby]", &["aria-labelledby"]);
        let labels = labels.iter().flat_map(|all| all.split(' ')).map(str::to_owned);
        for id in targets.chain(labels) {
            assert!(known.contains(&id), "there is no {id}");
        }
        assert_eq!(page.all("table").len(), page.all("table > caption").len(), "a table without a caption");
        assert_eq!(page.all("th").len(), page.all("th[scope]").len(), "a heading without a scope");
        let charts = page.all("svg[role=img][aria-labelledby] > title + desc").len();
        assert_eq!((charts, page.all("svg").len()), (3, 3 + page.all("td[aria-hidden] > svg").len()));
    }
}

#[test]
fn a_page_is_shown_while_the_ledger_does_not_say_whether_it_is_ready() {
    let app = TestApp::operated(TestLedger::silent(Duration::from_secs(6)));
    let page = Shown::of(&app);
    assert!(page.fact("State").contains("it does not say whether it is ready"), "{}", page.text);
}

/// What a colour gives off, from 0 to 1 (WCAG 2.2, relative luminance).
fn luminance(colour: [f64; 3]) -> f64 {
    let linear = |part: f64| if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) };
    let [red, green, blue] = colour.map(linear);
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn colour(hex: &str) -> [f64; 3] {
    let part = |at: usize| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
    [part(1), part(3), part(5)]
}

#[test]
fn what_is_drawn_can_be_told_from_its_ground_by_day_and_by_night() {
    let app = app();
    let [shared, own] = ["/assets/page.css", "/assets/ops.css"].map(|path| app.ops().get(path).text().to_owned());
    // By day it stands before the rules of the night.
    let variable = |css: &str, name: &str, theme: usize| {
        let all: Vec<&str> = css.split(&format!("{name}: ")).skip(1).map(|rest| &rest[..7]).collect();
        colour(all[theme])
    };
    let drawn: f64 =
        own.split("fill-opacity: ").nth(1).unwrap().split('}').next().unwrap().trim_end_matches("; ").parse().unwrap();
    for theme in [0, 1] {
        let ground = variable(&shared, "--surface", theme);
        for name in ["--bar", "--bar-refused", "--bar-slow"] {
            let bar = variable(&own, name, theme);
            let open = [0, 1, 2].map(|part| drawn * bar[part] + (1.0 - drawn) * ground[part]);
            for shade in [bar, open] {
                let (one, other) = (luminance(shade).max(luminance(ground)), luminance(shade).min(luminance(ground)));
                let contrast = (one + 0.05) / (other + 0.05);
                assert!(contrast >= 3.0, "{name}, theme {theme}: {contrast:.2}");
            }
        }
    }
}
