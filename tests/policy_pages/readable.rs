//! A page is safe and readable, whatever a policy says: nothing runs, headings are in order, every link leads somewhere.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use covenant::pages::assets;
use serde_json::json;

use super::{Page, inside, words};
use crate::laws_support::SET;
use crate::policies::ask;
use crate::rule_change::set::Set;
use crate::support::RULES;

const HOSTILE: &str = "<script>alert(1)</script><img src=x onerror=alert(1)>";

/// Every page of both sets, by what it is of.
fn pages() -> Vec<(String, Page)> {
    let mut pages = Vec::new();
    for set in [&*SET, &*ask::SET] {
        pages.push((format!("the list of {}", set.payer.name), Page::list(set)));
        for policy in set.policies.values().flatten() {
            pages.push((policy.number.to_string(), Page::of(set, &policy.number, &policy.version)));
        }
    }
    assert_eq!(pages.len(), 17);
    pages
}

#[test]
fn r01_a_hostile_policy_is_shown_as_text_and_nothing_of_it_runs() {
    let set = Set::new();
    // A set whose Markdown has HTML does not load; text that looks like it does.
    let markdown = HOSTILE.replace('<', "\\<");
    set.change(RULES, |rules| {
        rules["title"] = json!(HOSTILE);
        let scope = &mut rules["action"][0];
        scope["id"] = json!("\"><script>alert(1)</script>");
        scope["documentation"][0]["citation"] = json!(markdown);
        scope["title"] = json!(format!("{HOSTILE} {{{{code}}}}"));
        scope["description"] = json!(format!("{{{{order}}}} {markdown} ![x](https://x.example/x)"));
        scope["action"][0]["action"][0]["textEquivalent"] = json!(HOSTILE);
        scope["action"][1]["description"] = json!(format!("{markdown} \\<style>*{{}}\\</style>"));
    });
    set.change("policies/633/Library-633.json", |library| {
        for element in ["subtitle", "publisher"] {
            library[element] = json!(HOSTILE);
        }
        for element in ["description", "copyright"] {
            library[element] = json!(markdown);
        }
        library["content"][0]["title"] = json!(HOSTILE);
        library["content"][0]["data"] =
            json!(STANDARD.encode(format!("{markdown}\n\n\\<a href=\"javascript:alert(1)\" onclick=\"x\">x\\</a>")));
        library["relatedArtifact"][1]["label"] = json!(HOSTILE);
        library["relatedArtifact"][1]["url"] = json!("https://x.example/\"onmouseover=\"alert(1)");
        library["relatedArtifact"][14]["citation"] = json!(markdown);
    });
    set.change("policies/633/ValueSet-633-services.json", |codes| {
        codes["compose"]["include"][0]["concept"][0]["display"] = json!(HOSTILE);
    });
    set.change("payer/InsurancePlan-medicare-hmo-blue.json", |plan| plan["name"] = json!(HOSTILE));
    set.change("payer/Organization-bcbsma.json", |payer| payer["name"] = json!(HOSTILE));
    std::fs::remove_dir_all(set.path("policies/633/cases")).unwrap();
    let set = set.load();
    for page in [Page::of(&set, "633", "2020-11"), Page::list(&set)] {
        assert!(page.words().contains(HOSTILE), "{}", page.text);
        assert!(page.all("main script, main img, main style, main iframe, main object, body script").is_empty());
        for element in page.all("*") {
            for (name, value) in element.value().attrs() {
                assert!(!name.starts_with("on") && name != "style", "{name}=\"{value}\"");
                assert!(!value.trim().to_lowercase().starts_with("javascript:"), "{name}=\"{value}\"");
            }
        }
    }
}

#[test]
fn no_page_has_a_script_a_style_of_its_own_or_anything_from_elsewhere() {
    for (name, page) in pages() {
        assert!(page.all("script, style, [style], iframe, object, embed, base").is_empty(), "{name}");
        let loaded = page.all("link[href], img[src], source, video, audio");
        for element in loaded {
            let from = element.attr("href").or(element.attr("src")).unwrap();
            let asset = from.strip_prefix("/assets/").unwrap_or_else(|| panic!("{name} loads {from}"));
            assert!(assets::find(asset).is_some(), "{name} loads {from}, which is not there");
        }
    }
}

#[test]
fn headings_are_in_order_and_landmarks_tables_and_fields_have_their_names() {
    for (name, page) in pages() {
        let levels =
            page.all("h1, h2, h3, h4, h5, h6").into_iter().map(|it| it.value().name()[1..].parse::<u8>().unwrap());
        let levels: Vec<u8> = levels.collect();
        assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1, "{name}");
        assert_eq!(levels[0], 1, "{name}");
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{name}: {levels:?}");
        for selector in ["main#main", "header", "footer", "header nav[aria-label]"] {
            page.one(selector);
        }
        assert_eq!(page.one("header nav [aria-current=page]").attr("href"), Some("/policies"), "{name}");
        for table in page.all("main table") {
            // Those of a policy's text are Markdown, whose tables have neither.
            if table.ancestors().filter_map(scraper::ElementRef::wrap).any(|it| it.attr("class") == Some("text")) {
                continue;
            }
            assert_eq!(inside(table, "caption").len(), 1, "{name}");
            assert!(inside(table, "th").iter().all(|it| it.attr("scope").is_some()), "{name}");
        }
        for field in page.all("input") {
            page.one(&format!("label[for={}]", field.attr("id").unwrap()));
        }
        for section in page.all("section[aria-labelledby]") {
            let label = section.attr("aria-labelledby").unwrap();
            assert!(page.at(label).is_some_and(|it| !words(it).is_empty()), "{name}: {label}");
        }
        assert_eq!(page.one("html").attr("lang"), Some("en"));
        assert!(page.all("a").iter().all(|link| !words(*link).is_empty()), "{name}");
    }
}

#[test]
fn every_id_stands_once_and_every_link_within_a_page_leads_to_one() {
    for (name, page) in pages() {
        let ids: Vec<&str> = page.all("[id]").into_iter().map(|it| it.attr("id").unwrap()).collect();
        let once: BTreeSet<&&str> = ids.iter().collect();
        assert_eq!(once.len(), ids.len(), "{name}: {ids:?}");
        for link in page.all("a[href^='#']") {
            let target = link.attr("href").unwrap().strip_prefix('#').unwrap();
            assert!(ids.contains(&target), "{name}: nothing is at {target}");
        }
    }
}

#[test]
fn what_was_decided_is_an_icon_a_word_and_a_colour_everywhere() {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (name, page) in pages() {
        for chip in page.all(".said") {
            let icon = inside(chip, "[aria-hidden=true]");
            assert_eq!(icon.len(), 1, "{name}");
            let word = words(chip);
            assert!(word.len() > words(icon[0]).len() + 3, "{name}: {word}");
            let class = chip.attr("class").unwrap().strip_prefix("said ").unwrap().to_owned();
            // One colour has one word.
            assert_eq!(*seen.entry(class).or_insert_with(|| word.clone()), word, "{name}");
        }
    }
    let classes: Vec<&str> = seen.keys().map(String::as_str).collect();
    assert_eq!(classes, ["authorization", "conditional", "covered", "not-covered"]);
}

/// The contrast of two colours as WCAG counts it.
fn contrast(one: &str, other: &str) -> f64 {
    let light = |colour: &str| {
        let part = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    };
    let (one, other) = (light(one), light(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn text_stands_out_from_what_it_is_written_on_by_day_and_by_night() {
    assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 0.01 && contrast("#777777", "#ffffff") < 4.5);
    let style = assets::find("page.css").unwrap().body;
    let themes: Vec<BTreeMap<&str, &str>> = style
        .split(":root {")
        .skip(1)
        .map(|theme| {
            let lines = theme.split('}').next().unwrap().split(';');
            lines
                .filter_map(|line| line.trim().split_once(':'))
                .map(|(name, value)| (name.trim(), value.trim()))
                .collect()
        })
        .collect();
    assert_eq!(themes.len(), 2);
    for theme in &themes {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for text in ["--text", "--muted", "--link"] {
            pairs.extend(["--page", "--surface"].map(|page| (text.to_owned(), page.to_owned())));
        }
        for name in ["button", "not-covered", "conditional", "covered", "authorization", "unsure"] {
            pairs.push((format!("--{name}"), format!("--{name}-page")));
        }
        for (text, page) in pairs {
            let found = contrast(theme[&*text], theme[&*page]);
            assert!(found >= 4.5, "{text} on {page}: {found:.2}");
        }
    }
    // Colours have names there, and nowhere else a value.
    let own = assets::find("policy.css").unwrap().body;
    assert!(!own.contains('#') && !own.contains("rgb") && !own.contains("hsl"));
}

#[test]
fn a_page_is_printed_without_what_is_for_the_screen_only() {
    let style = format!("{}{}", assets::find("page.css").unwrap().body, assets::find("policy.css").unwrap().body);
    let print: String = style.split("@media print").skip(1).collect();
    for hidden in [".top nav", ".versions form"] {
        assert!(print.contains(hidden), "{hidden} is printed");
    }
}
