//! Orders and requests as an EHR might write them: any order of members, any white space, any escapes, any digits.

use crate::laws_support::{COVERAGE_INFORMATION as OURS, Draw};

/// The status of the Coverage as [`request`] writes it, and as nothing else is written.
pub const ACTIVE: &str = r#""\u0061ctive""#;

const WHITE: [&str; 8] = ["", "", "", "", " ", "\n", "\t", "\r\n  "];
const NUMBERS: [&str; 9] = [
    "1",
    "1.10",
    "1.0E2",
    "-0",
    "0.00",
    "1e-7",
    "1E+400",
    "3.141592653589793238462643383279502884197",
    "9007199254740993123456789012345678901234",
];
enum Json {
    /// Written as it stands: a number, a literal or a string with its quotes.
    As(String),
    Text(&'static str),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}
use Json::{As, List, Object, Text};

impl Json {
    fn write(self, draw: &mut Draw<'_>, out: &mut String) {
        match self {
            As(text) => out.push_str(&text),
            Text(text) => quoted(text, draw, out),
            List(items) => between(items, ['[', ']'], draw, out, |item, draw, out| item.write(draw, out)),
            Object(mut members) => {
                draw.shuffle(&mut members);
                between(members, ['{', '}'], draw, out, |(name, value), draw, out| {
                    quoted(name, draw, out);
                    out.push_str(draw.of(&WHITE));
                    out.push(':');
                    out.push_str(draw.of(&WHITE));
                    value.write(draw, out);
                });
            }
        }
    }
}

fn between<T>(
    items: Vec<T>,
    [open, close]: [char; 2],
    draw: &mut Draw<'_>,
    out: &mut String,
    write: impl Fn(T, &mut Draw<'_>, &mut String),
) {
    out.push(open);
    for (index, item) in items.into_iter().enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        out.push_str(draw.of(&WHITE));
        write(item, draw, out);
        out.push_str(draw.of(&WHITE));
    }
    out.push(close);
}

/// A string, now and then with a character written as an escape.
fn quoted(text: &str, draw: &mut Draw<'_>, out: &mut String) {
    let escaped = draw.one_in(6).then(|| draw.below(text.len().max(1)));
    out.push('"');
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped == Some(at) && character.is_ascii() => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)))
            }
            '"' | '\\' => out.extend(['\\', character]),
            _ => out.push(character),
        }
    }
    out.push('"');
}

fn reference(to: &'static str) -> Json {
    Object(vec![("reference", Text(to))])
}

fn concept(system: &'static str, code: &'static str) -> Json {
    Object(vec![("coding", List(vec![Object(vec![("system", Text(system)), ("code", Text(code))])]))])
}

/// The text of an order for a service that policy 633 speaks of.
pub fn order(draw: &mut Draw<'_>) -> String {
    let mut members = vec![
        ("resourceType", Text("ServiceRequest")),
        ("id", Text("example-order")),
        ("status", Text("draft")),
        ("intent", Text("order")),
        ("subject", reference("Patient/example-patient")),
        ("code", code(draw)),
    ];
    let number = |draw: &mut Draw<'_>| As(draw.of(&NUMBERS).to_owned());
    if draw.one_in(2) {
        members.push(("quantityQuantity", Object(vec![("value", number(draw)), ("unit", Text("session"))])));
    }
    if draw.one_in(2) {
        members.push(("_status", Object(vec![("id", Text("s1"))])));
    }
    if draw.one_in(2) {
        members.push(("_code", Object(vec![("extension", List(vec![about(draw, "Coverage/example-coverage")]))])));
    }
    for name in ["vendorNumber", "Extension", "extension ", "", "\"}],", "Ünbekannt"] {
        if draw.one_in(4) {
            members.push((name, List(vec![number(draw), As("null".into()), Text("[{\\\"Leberläsion"), List(vec![])])));
        }
    }
    if draw.one_in(3) {
        let carried = List(vec![about(draw, "Coverage/example-coverage")]);
        let inner = vec![("resourceType", Text("ServiceRequest")), ("id", Text("inner")), ("extension", carried)];
        members.push(("contained", List(vec![Object(inner)])));
    }
    if draw.one_in(4) {
        members.push(("modifierExtension", List(vec![about(draw, "Coverage/example-coverage")])));
    }
    if draw.one_in(2) {
        let place = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set";
        members.push(("locationCode", List(vec![concept(place, ["22", "21"][draw.below(2)])])));
    }
    if draw.one_in(2) {
        let carried = (0..=draw.below(3)).map(|_| extension(draw)).collect();
        members.push(("extension", List(carried)));
    }
    let mut out = String::new();
    Object(members).write(draw, &mut out);
    out
}

/// What is ordered, now and then with a second code that may be billed.
fn code(draw: &mut Draw<'_>) -> Json {
    const CPT: &str = "http://www.ama-assn.org/go/cpt";
    let Object(mut members) = concept(CPT, "47383") else { unreachable!() };
    if draw.one_in(3) {
        let url = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-billing-options";
        let option = Object(vec![("url", Text(url)), ("valueCodeableConcept", concept(CPT, "47381"))]);
        members.push(("extension", List(vec![option])));
    }
    Object(members)
}

/// An extension that an order may carry when it comes: ours, ours about another Coverage, or another's.
fn extension(draw: &mut Draw<'_>) -> Json {
    match draw.below(8) {
        0 | 1 => {
            let value = As(draw.of(&NUMBERS).to_owned());
            Object(vec![("url", Text("https://ehr.example.org/score")), ("valueDecimal", value)])
        }
        2 => Object(vec![("url", Text(OURS)), ("valueString", Text("no parts"))]),
        3 => about(draw, "Coverage/other"),
        4 => about(draw, "Coverage/not-example-coverage"),
        5 => about(draw, "https://ehr.example.org/fhir/OldCoverage/example-coverage"),
        6 => about(draw, "https://ehr.example.org/fhir/Coverage/example-coverage"),
        _ => about(draw, "Coverage/example-coverage"),
    }
}

fn about(draw: &mut Draw<'_>, coverage: &'static str) -> Json {
    let part = |url, kind, value| Object(vec![("url", Text(url)), (kind, value)]);
    let parts = vec![
        part("coverage", "valueReference", reference(coverage)),
        part("covered", "valueCode", Text(["covered", "not-covered"][draw.below(2)])),
        part("date", "valueDate", Text("2026-11-01")),
        part("coverage-assertion-id", "valueString", Text("earlier")),
    ];
    Object(vec![("url", Text(OURS)), ("extension", List(parts))])
}

/// The text of a request with one order.
pub fn request(draw: &mut Draw<'_>, order: &str) -> String {
    let version = draw.of(&["2.0", "2.2"]);
    let white = draw.of(&WHITE);
    let payor = r#"[{"identifier":{"system":"urn:oid:2.16.840.1.113883.6.300","value":"53228"}}]"#;
    let beneficiary = r#"{"reference":"Patient/example-patient"}"#;
    let coverage = [
        r#"{"resourceType":"Coverage","id":"example-coverage","#,
        &format!(r#""status":{ACTIVE},"beneficiary":{beneficiary},"payor":{payor}}}"#),
    ]
    .concat();
    let orders = format!(r#"{{"resourceType":"Bundle","entry":[{{"resource":{white}{order}{white}}}]}}"#);
    let context =
        format!(r#"{{"userId":"Practitioner/1","patientId":"example-patient","draftOrders":{orders}{white}}}"#);
    let head = r#""hook":"order-sign","hookInstance":"facf0942-94a3-4295-8f48-14ecac708473""#;
    let extension = format!(r#"{{"davinci-crd.requestedVersion":"{version}"}}"#);
    let prefetch = format!(r#"{{"coverage":{coverage}}}"#);
    format!(r#"{white}{{{head},"context":{context},"prefetch":{prefetch},"extension":{extension}}}{white}"#)
}
