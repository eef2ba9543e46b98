//! Bodies that are not the JSON they should be (FAULTS J01–J08).

use serde_json::{Value, json};

use crate::support::{CANARY, ORDER, Request, TestApp, order};

/// A request whose order has a member written exactly so.
fn written(member: &str) -> String {
    let marked = order("47383").ordering("marked", Value::Null).text();
    assert_eq!(marked.matches("\"marked\":null").count(), 1);
    marked.replace("\"marked\":null", member)
}

#[test]
fn j01_a_body_that_is_not_one_object_of_json_in_utf_8_is_refused() {
    let app = TestApp::start();
    let good = order("47383").text();
    let utf_16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wrong: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b" \n".to_vec(),
        CANARY.into(),
        format!("\"{CANARY}\"").into(),
        format!("[{good}]").into(),
        good[..good.len() - 1].into(),
        good.replacen(':', "=", 1).into(),
        good.replacen(',', ",,", 1).into(),
        format!("{good}x").into(),
        format!("{good}{good}").into(),
        format!("{good}\0").into(),
        format!("/* {CANARY} */{good}").into(),
        format!("\u{feff}{good}").into(),
        [b"\xff\xfe".to_vec(), utf_16.clone()].concat(),
        utf_16,
        [&good.as_bytes()[..good.len() - 1], b",\"text\":\"\xc3\x28\"}"].concat(),
        good.replacen("Canary-Alice", "Canary-\\ud800", 1).into(),
        good.replacen("Canary-Alice", "Canary-\\udc00\\ud800", 1).into(),
        good.replacen("\"active\":true", "\"active\":NaN", 1).into(),
        good.replacen("\"active\":true", "\"active\":01", 1).into(),
    ];
    for body in wrong {
        assert_ne!(body, good.as_bytes());
        app.sign(body).refused(400, "structure").nowhere();
    }
    app.sign(format!("\r\n\t {good} \n")).decided();
    assert_eq!(app.recorded(), 1);
}

#[test]
fn j02_nesting_is_refused_when_it_is_deeper_than_64_and_costs_no_stack() {
    let app = TestApp::start();
    let nested = |depth: usize| written(&format!("\"canary\":{}0{}", "[".repeat(depth), "]".repeat(depth)));
    let around = ORDER.split('/').count();
    app.sign(nested(64 - around)).decided();
    app.sign(nested(64 - around + 1)).refused(400, "structure");
    app.sign(nested(900_000)).refused(400, "structure");
    app.sign(format!("{{\"canary\":{}", "[".repeat(2_000_000))).refused(400, "structure");
    app.sign(format!("{{\"canary\":{}", "{\"a\":".repeat(400_000))).refused(400, "structure");
}

#[test]
fn j03_duplicate_member_names_are_refused() {
    let app = TestApp::start();
    let good = order("47383").text();
    let (patient, other) = ("\"patientId\":\"canary-patient\"", "\"patientId\":\"canary-other\"");
    for wrong in [
        good.replacen(patient, &format!("{patient},{other}"), 1),
        good.replacen(patient, &format!("{other},{patient}"), 1),
        good.replacen(patient, &format!("{patient},\"patient\\u0049d\":\"canary-other\""), 1),
        good.replacen("{\"hook\"", "{\"hook\":\"order-sign\",\"hook\"", 1),
        written("\"canary\":{\"deep\":[{\"same\":1,\"same\":1}]}"),
        written("\"status\":\"active\""),
    ] {
        assert_ne!(wrong, good);
        app.sign(wrong).refused(400, "structure").nowhere();
    }
}

#[test]
fn j04_more_than_100_000_values_are_refused() {
    let app = TestApp::start();
    let zeros = |count: usize| written(&format!("\"canary\":[0{}]", ",0".repeat(count - 1)));
    app.sign(zeros(99_000)).decided();
    app.sign(zeros(100_000)).refused(400, "too-costly").nowhere();
    app.sign(zeros(1_000_000)).refused(400, "too-costly").nowhere();
}

#[test]
fn j05_numbers_that_nothing_reads_are_kept_as_text_and_returned_as_they_were_written() {
    let app = TestApp::start();
    let digits = "1234567890".repeat(7);
    for number in ["1e999999", "-1E-999999", "1.10", "0.000000", "-0", "1e999999999999999999999", &digits] {
        let body = written(&format!("\"canary\":{{\"dose\":[{number}, {number} ]}}"));
        let written_order = body.split_once("\"resource\":").unwrap().1.split_once("}}]}},\"prefetch\"").unwrap().0;
        assert!(written_order.contains(number));
        app.sign(body.as_str()).decided().returns(&format!("{written_order}}}"));
    }
}

#[test]
fn j05_numbers_that_are_looked_at_cost_no_more_than_others() {
    let app = TestApp::start();
    for number in ["1e999999999", "1e-999999999", &"9".repeat(1_000_000)] {
        let quantity = written(&format!("\"quantityQuantity\":{{\"value\":{number}}}"));
        app.sign(quantity).decided();
        let whole = order("47383").authorized().text();
        let token = whole.replacen("\"expires_in\":300", &format!("\"expires_in\":{number}"), 1);
        assert_ne!(token, whole);
        assert!([200, 400].contains(&app.sign(token).status), "expires_in {number}");
        let configured = order("47383").configured("max-cards", 7).text();
        app.sign(configured.replacen("\"max-cards\":7", &format!("\"max-cards\":{number}"), 1)).decided();
    }
}

#[test]
fn j06_control_characters_in_strings_are_refused_but_line_ends_and_tabs_are_not() {
    let app = TestApp::start();
    let named = |text: &str| order("47383").text().replacen("Canary-Alice", text, 1);
    for control in ["\\u0000", "\\u0001", "\\u0007", "\\b", "\\f", "\\u001b[31m", "\\u001f"] {
        app.sign(named(&format!("Canary{control}"))).refused(400, "value").nowhere();
        app.sign(written(&format!("\"canary{control}\":1"))).refused(400, "value").nowhere();
    }
    for raw in ["\0", "\u{7}", "\n", "\t"] {
        app.sign(named(&format!("Canary{raw}"))).refused(400, "structure").nowhere();
    }
    app.sign(named("Canary\\n\\r\\tAlice")).decided();
}

#[test]
fn j07_null_is_refused_where_something_must_be_and_means_none_in_prefetch() {
    let app = TestApp::start();
    let null = |pointer: &str| order("47383").with(pointer, Value::Null);
    for place in ["hook", "hookInstance", "context", "context.userId", "context.patientId", "context.draftOrders"] {
        let pointer = format!("/{}", place.replace('.', "/"));
        app.sign(null(&pointer)).refused(400, "required").at(place);
    }
    let token = order("47383").authorized().with("/fhirAuthorization/token_type", Value::Null);
    app.sign(token).refused(400, "required").at("fhirAuthorization.token_type");
    for member in ["status", "intent", "subject"] {
        let place = format!("context.draftOrders.entry[0].resource.{member}");
        app.sign(null(&format!("{ORDER}/{member}"))).refused(400, "required").at(&place);
    }
    let prefetched: Request = null("/prefetch/encounter").with("/prefetch/canary", json!(null));
    app.sign(prefetched).decided();
}

#[test]
fn j08_what_is_not_known_is_ignored_and_still_there_in_the_returned_order() {
    let app = TestApp::start();
    let foreign = json!({"url": "https://canary.org/unknown", "valueString": CANARY});
    let request = order("47383")
        .with("/unknown", CANARY)
        .with("/context/unknown", json!([CANARY]))
        .with("/prefetch/unknown", json!({"resourceType": "Basic", "id": CANARY, "unknown": 1.5}))
        .with("/extension/org.canary.unknown", json!({"of": [CANARY]}))
        .ordering("unknown", json!({"deep": [{"canary": 1.50}]}))
        .ordering("_status", json!({"extension": [foreign]}))
        .ordering("modifierExtension", json!([foreign]));
    app.sign(&request).decided().returns(&request.order_text());
    // Unknown extensions stand where they stood, ours after them.
    let request = request.ordering("extension", json!([foreign, foreign]));
    let returned = app.sign(&request).decided().orders().remove(0);
    let sent = request.order_text();
    let (until_ours, after) = sent.split_at(sent.rfind("]}").unwrap());
    assert!(returned.starts_with(&format!("{until_ours},")), "{returned}");
    assert!(returned.ends_with(after), "{returned}");
}
