//! What is said, when facts are partial and names are hostile (FAULTS P06, R01–R05).

use serde_json::json;
use unicode_segmentation::UnicodeSegmentation;

use crate::support::{CANARY, PolicyFolder, Request, TestApp, order};

/// An order that the EHR calls so.
fn called(name: &str) -> Request {
    order("47383").with("/context/draftOrders/entry/0/resource/code/text", name)
}

#[test]
fn p06_a_service_date_that_may_be_before_the_policy_is_asked_for() {
    let app = TestApp::start();
    let long_covered = || order("47383").covered("period", json!({"start": "2015-01-01"}));
    let on = |date: &str| app.sign(long_covered().ordering("occurrenceDateTime", date)).decided();
    let unsure = on("2020");
    assert_eq!(unsure.says("covered"), ["conditional"]);
    assert!(unsure.says("info-needed").contains(&"timeframe".to_owned()), "{:?}", unsure.says("info-needed"));
    assert!(!unsure.says("reason").is_empty());
    // A part of a date that lies on one side is as good as a whole one.
    assert_eq!(on("2020-10").says("info-needed"), ["OTH"]);
    for after in ["2020-11", "2021", "2020-11-01", "2024-02-29"] {
        assert_eq!(on(after).says("covered"), ["not-covered"], "{after}");
    }
    let period = json!({"start": "2020-10-31", "end": "2020-11-01"});
    let across = app.sign(long_covered().ordering("occurrencePeriod", period)).decided();
    assert_eq!(across.says("covered"), ["conditional"]);
    assert_eq!(across.says("info-needed"), ["timeframe"]);
}

/// A date that does not exist makes an answer conditional, or no answer at all.
fn is_not_guessed(app: &TestApp, request: Request, place: &str) {
    let reply = app.sign(&request);
    if reply.status == 200 {
        assert_eq!(reply.decided().says("covered"), ["conditional"], "{place} of {}", request.text());
    } else {
        reply.refused(400, "value").at(place);
    }
}

#[test]
fn p06_a_service_date_that_does_not_exist_is_never_taken_for_another() {
    let app = TestApp::start();
    for date in ["2026-02-29", "2026-04-31", "2026-13", "2026-00-10", "2026-11-22T25:00:00Z"] {
        let place = "context.draftOrders.entry[0].resource.occurrenceDateTime";
        is_not_guessed(&app, order("47383").ordering("occurrenceDateTime", date), place);
    }
}

#[test]
fn p06_an_end_of_coverage_that_does_not_exist_is_not_taken_for_no_end() {
    let app = TestApp::start();
    let ended = json!({"start": "2020-01-01", "end": "2025-02-29"});
    is_not_guessed(&app, order("47383").covered("period", ended), "Coverage.period.end");
}

#[test]
fn p06_a_coverage_that_ends_today_is_in_force_today() {
    let app = TestApp::with_settings(|settings| settings.time_zone = "America/New_York".to_owned());
    let today = app.sign(order("47383")).decided().says("date").remove(0);
    let ends_today = order("47383").covered("period", json!({"start": "2025-01-01", "end": today}));
    let answered = app.sign(ends_today).decided();
    assert!(!answered.text().contains("no-active-coverage"), "{}", answered.text());
}

#[test]
fn r01_markup_in_a_name_is_shown_as_text() {
    let app = TestApp::start();
    for (name, shown) in [
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;"),
        ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
        ("[x](javascript:alert(1))", r"\[x\](javascript:alert(1))"),
        ("![x](https://evil.canary.org)", r"\!\[x\](https\://evil.canary.org)"),
        ("<https://evil.canary.org>", r"&lt;https\://evil.canary.org&gt;"),
        ("see www.evil.canary.org", r"see www\.evil.canary.org"),
        ("mail me@canary.org", r"mail me\@canary.org"),
        ("`code` | ~~gone~~", r"\`code\` \| \~\~gone\~\~"),
        ("**bold** __too__", r"\*\*bold\*\* \_\_too\_\_"),
        ("# Heading", r"\# Heading"),
        ("1. First", r"1\. First"),
        ("- First", r"\- First"),
        (r"\[x]", r"\\\[x\]"),
    ] {
        let answered = app.sign(called(name)).decided();
        let texts = answered.card_texts();
        let shown = format!("{shown} (CPT 47383)");
        assert!(texts.iter().any(|text| text.contains(&shown)), "{name} in {texts:?}");
        assert!(texts.iter().all(|text| !text.replace(&shown, "").contains(name)), "{name} in {texts:?}");
        let links = answered.links();
        assert!(!links.is_empty());
        assert!(links.iter().all(|link| link.starts_with("https://") && !link.contains(CANARY)), "{links:?}");
    }
}

#[test]
fn r01_markup_in_codes_and_displays_is_shown_as_text() {
    let app = TestApp::start();
    let coding = json!([{"system": "http://www.ama-assn.org/go/cpt", "code": "47383", "display": "<b>[x](y)</b>"}]);
    let answered = app.sign(order("47383").ordering("code", json!({"coding": coding}))).decided();
    assert!(answered.card_texts().iter().any(|text| text.contains(r"&lt;b&gt;\[x\](y)&lt;/b&gt; (CPT 47383)")));
    assert!(answered.card_texts().iter().all(|text| !text.contains("<b>")));
    let strange = app.sign(order("<b>47383</b>")).decided();
    assert!(strange.card_texts().iter().all(|text| !text.contains("<b>")));
}

#[test]
fn r02_a_place_to_fill_inside_a_name_is_printed_as_it_stands() {
    let app = TestApp::start();
    let answered = app.sign(called("{{code}} {{plan}} {{order}}")).decided();
    let texts = answered.card_texts();
    let shown = texts.iter().filter(|text| text.contains(r"\{\{code\}\} \{\{plan\}\} \{\{order\}\} (CPT 47383)"));
    assert!(shown.count() > 0, "{texts:?}");
}

#[test]
fn r03_a_summary_that_grows_too_long_is_cut_at_139_characters() {
    // As long as `check` lets it be: 139 with one code. An order that may be billed under three has a longer one.
    let title = format!("{} {{{{code}}}}", "👩‍👩‍👧".repeat(107));
    let policies = PolicyFolder::copy()
        .changing_rules(|rules| rules["action"][0]["action"][0]["action"][0]["title"] = json!(title));
    let app = TestApp::with_policies(policies.proved());
    let cpt = |code: &str| json!([{"system": "http://www.ama-assn.org/go/cpt", "code": code}]);
    let option = |code: &str| {
        json!({
            "url": "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-billing-options",
            "valueCodeableConcept": {"coding": cpt(code)}
        })
    };
    let code = json!({"extension": [option("47371"), option("47381"), option("47383")], "text": "Cryoablation"});
    let answered = app.sign(order("47383").ordering("code", code).not_ordering("locationCode")).decided();
    let lengths: Vec<usize> = answered.summaries().iter().map(|it| it.graphemes(true).count()).collect();
    assert_eq!(lengths.iter().max(), Some(&139), "{:?}", answered.summaries());
    let longest = answered.summaries().into_iter().find(|it| it.starts_with("May apply – 👩‍👩‍👧")).unwrap();
    assert!(longest.ends_with('…') && longest.matches("👩‍👩‍👧").count() == 107, "{longest}");
}

#[test]
fn r03_a_name_that_is_too_long_is_cut_on_a_whole_character() {
    let app = TestApp::start();
    let answered = app.sign(called(&"o\u{308}".repeat(10_000))).decided();
    let shown = format!("{}… (CPT 47383)", "o\u{308}".repeat(119));
    let texts = answered.card_texts();
    assert!(texts.iter().any(|text| text.starts_with(&shown)), "{texts:?}");
}

#[test]
fn r04_characters_that_hide_or_turn_text_are_removed_from_what_is_shown_and_stay_in_the_order() {
    let app = TestApp::start();
    let hidden =
        ['\u{202e}', '\u{2066}', '\u{2069}', '\u{200b}', '\u{200f}', '\u{feff}', '\u{9b}', '\u{ad}', '\u{e0041}'];
    let name: String = hidden.iter().map(|it| format!("a{it}")).collect();
    let request = called(&name);
    let answered = app.sign(&request).decided();
    let texts = [answered.card_texts(), answered.says("reason"), answered.says("detail")].concat();
    assert!(texts.iter().any(|text| text.contains("aaaaaaaaa (CPT 47383)")), "{texts:?}");
    for text in texts {
        assert!(!text.contains(hidden), "{text:?}");
    }
    answered.returns(&request.order_text());
}

#[test]
fn r05_an_order_of_odd_json_comes_back_byte_for_byte() {
    let app = TestApp::start();
    let whole = order("47383").ordering("marked", json!(null)).text();
    let odd = r#" "quantityQuantity" : { "value" : 1.10 , "unit":"\u006dL" } ,"_x":[ ],"0":-0.0e-00 "#;
    let body = whole.replacen("\"marked\":null", odd, 1);
    let sent = order("47383").order_text();
    let sent = format!("{},{odd}}}", sent.strip_suffix('}').unwrap());
    assert!(body.contains(&sent), "{body}");
    app.sign(body).decided().returns(&sent);
}
