//! What holds of every page: nothing keeps anybody from reading it, it is small, and it loads nothing from elsewhere.

use std::env;
use std::fs;
use std::io::{self, Write};

use serde_json::Value;

use crate::support::Place;
use crate::support::browser::{Browser, Scheme, open};

/// Where axe-core lies: set where its rules must be tried.
const AXE: &str = "TEST_AXE";

/// A page, in a state that is worth looking at.
struct Page {
    name: &'static str,
    whose: Whose,
    path: &'static str,
    then: fn(&Browser),
}

/// Who is shown it.
#[derive(Clone, Copy)]
enum Whose {
    Anybodys,
    Operators,
}

const SECRET: &str = "planted-secret-of-an-operator-0123456789";

const PAGES: [Page; 5] = [
    Page { name: "desk", whose: Whose::Anybodys, path: "/", then: |browser| _ = browser.waits_for("html[data-ready]") },
    Page {
        name: "desk-answered",
        whose: Whose::Anybodys,
        path: "/",
        then: |browser| {
            browser.waits_for("html[data-ready]").clicks("#entry > details > summary").clicks("#sign");
            browser.waits_for("#orders .annotation").waits_for_words("#cards", "INVESTIGATIONAL");
            // Everything that is folded is looked at as well.
            browser.runs("document.querySelectorAll('details').forEach((it) => { it.open = true; })");
            browser.waits_for_words("#trace", "liver-cryoablation");
        },
    },
    Page {
        name: "policies",
        whose: Whose::Anybodys,
        path: "/policies",
        then: |browser| _ = browser.waits_for("table"),
    },
    Page {
        name: "policy-633",
        whose: Whose::Anybodys,
        path: "/policies/633",
        then: |browser| {
            browser.waits_for("#liver-cryoablation");
            browser.runs("document.querySelectorAll('details').forEach((it) => { it.open = true; })");
        },
    },
    Page { name: "operators", whose: Whose::Operators, path: "/", then: |browser| _ = browser.waits_for("svg") },
];

/// Goes through all pages, on a screen that is so wide.
fn each(scheme: Scheme, width: u32, look: impl Fn(&Browser, &str)) {
    let Some(browser) = open(scheme, width) else { return };
    let place = Place::empty();
    let tokens = format!("alice:{SECRET}");
    let server = place.serve_in(&[
        ("COVENANT_LISTEN", "127.0.0.1:0"),
        ("COVENANT_OPS_LISTEN", "127.0.0.1:0"),
        ("COVENANT_OPS_TOKENS", &tokens),
    ]);
    let (public, operators) = (server.address.to_string(), format!("{tokens}@{}", server.ops().address));
    for page in &PAGES {
        let host = match page.whose {
            Whose::Anybodys => &public,
            Whose::Operators => &operators,
        };
        browser.goes_to(&format!("http://{host}{}", page.path));
        (page.then)(&browser);
        look(&browser, page.name);
    }
}

/// Every text that is seen, with the contrast that it has to what is behind it (WCAG 2.2, 1.4.3), where that is too low.
const CONTRAST: &str = r#"
const parse = (text) => text.match(/[\d.]+/g).map(Number);
const light = (colour) => {
  const [r, g, b] = colour.map((it) => { const c = it / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  for (let it = element; it; it = it.parentElement) {
    const [r, g, b, a = 1] = parse(getComputedStyle(it).backgroundColor);
    if (a > 0.99) return [r, g, b];
  }
  return [255, 255, 255];
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const low = [];
let looked = 0;
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || !element.checkVisibility() || element.closest(":disabled, noscript")) continue;
  looked += 1;
  const style = getComputedStyle(element);
  const text = element instanceof SVGElement ? style.fill : style.color;
  const [one, other] = [light(parse(text).slice(0, 3)), light(behind(element))].sort((a, b) => b - a);
  const contrast = (one + 0.05) / (other + 0.05);
  if (contrast < 4.5) low.push(`${contrast.toFixed(2)}: ${walker.currentNode.textContent.trim().slice(0, 60)}`);
}
return { looked, low };
"#;

#[test]
fn every_text_stands_out_from_what_is_behind_it_in_light_and_in_dark() {
    for scheme in [Scheme::Light, Scheme::Dark] {
        each(scheme, 1280, |browser, name| {
            let found = browser.runs(CONTRAST);
            assert_eq!(found["low"], Value::Array(Vec::new()), "{name}, {scheme:?}");
            assert!(found["looked"].as_u64().unwrap() > 10, "{name}: {found}");
            let ground = browser.runs("return getComputedStyle(document.body).backgroundColor");
            assert_eq!(ground == "rgb(255, 255, 255)", scheme == Scheme::Light, "{name}: {ground}");
            browser.pictures(&format!("{name}-{scheme:?}").to_lowercase());
        });
    }
}

#[test]
fn no_page_is_wider_than_a_phone_or_lost_on_a_wall() {
    for (width, kind) in [(390, "phone"), (2560, "wall")] {
        each(Scheme::Light, width, |browser, name| {
            let over =
                browser.runs("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
            assert_eq!(over, 0, "{name} on a {kind}");
            browser.pictures(&format!("{name}-{kind}"));
        });
    }
}

#[test]
fn a_page_with_all_it_loads_is_under_100_kb_and_all_from_here() {
    each(Scheme::Light, 1280, |browser, name| {
        let loaded = browser.runs(
            "const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
             const here = all.filter((it) => new URL(it.name).host === location.host);
             const ours = here.filter((it) => !it.name.includes('/cds-services/'));
             return { bytes: ours.reduce((sum, it) => sum + it.decodedBodySize, 0), foreign: all.length - here.length }",
        );
        assert_eq!(loaded["foreign"], 0, "{name}");
        let bytes = loaded["bytes"].as_u64().unwrap();
        assert!((5_000..100_000).contains(&bytes), "{name}: {bytes} bytes");
    });
}

#[test]
fn a_page_is_told_by_a_header_to_run_nothing_of_its_own_text() {
    each(Scheme::Light, 1280, |browser, name| {
        let ran = browser.runs(
            "const script = document.createElement('script'); script.textContent = 'window.ran = true';
             document.body.append(script);
             const styled = document.createElement('p'); styled.setAttribute('style', 'color: rgb(1, 2, 3)');
             document.body.append(styled);
             return [window.ran ?? false, getComputedStyle(styled).color]",
        );
        assert_eq!(ran[0], false, "{name}");
        assert_ne!(ran[1], "rgb(1, 2, 3)", "{name}");
    });
}

#[test]
fn axe_finds_nothing_on_any_page() {
    let Some(file) = env::var_os(AXE) else {
        let said =
            format!("skipped: browser::pages::axe_finds_nothing_on_any_page: {AXE} does not say where axe-core is\n");
        io::stderr().write_all(said.as_bytes()).unwrap();
        return;
    };
    let axe = fs::read_to_string(file).unwrap();
    for scheme in [Scheme::Light, Scheme::Dark] {
        each(scheme, 1280, |browser, name| {
            browser.runs(&axe);
            let found = browser.runs_until_told(
                "const tell = arguments[arguments.length - 1];
                 axe.run({ resultTypes: ['violations'] }).then((it) => tell({
                   passes: it.passes.length,
                   violations: it.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`),
                 }), (error) => tell({ error: String(error) }))",
            );
            assert_eq!(found["violations"], Value::Array(Vec::new()), "{name}, {scheme:?}: {found}");
            assert!(found["passes"].as_u64().unwrap() > 10, "{name}: {found}");
        });
    }
}
