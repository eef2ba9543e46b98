//! An order's bytes, and coverage information for them: the same bytes but for the extension, and still JSON. An even first
//! byte has an order made and sent in a request; an odd one takes the rest as an order, whatever it is.
#![no_main]

use covenant::decide::decide;
use covenant::render::{Decision, Frame, render};
use covenant::request::hook::Hook;
use covenant::request::json::Json;
use covenant::request::options::Options;
use covenant::request::version::Version;
use covenant::request::{Order, resource};
use covenant_fuzz::decide_laws::files::facts;
use covenant_fuzz::decide_laws::guide::broken;
use covenant_fuzz::decide_laws::model::Given;
use covenant_fuzz::laws_support::{Draw, MANNER, SET, TODAY, body, items, moment, returned, value_of};
use covenant_fuzz::order_bytes::written;
use covenant_fuzz::{choices, only_ours_is_new};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fn made(data: &[u8]) {
    let choices = choices(data);
    let mut draw = Draw::new(&choices);
    let sent = written::order(&mut draw);
    let body = body(&written::request(&mut draw, &sent), &SET, "fuzz");
    judge(&sent, &body, None);
}

fn given(seed: u8, sent: &str) {
    let Ok(json) = Json::scan(sent.as_bytes(), &MANNER.limits) else { return };
    let root = json.root();
    // As orders are when they come here: they have an id, and their extensions are a list.
    let is_list = root.get("extension").is_none_or(|list| list.is_array());
    if root.members().next().is_none() || !is_list {
        return;
    }
    let order = Order::new(resource(root), resource(root).value(), "");
    let numbers: Vec<u16> = (1..40).map(|number| u16::from(seed).wrapping_mul(number * 257)).collect();
    let version = [Version::V2_0, Version::V2_1, Version::V2_2][usize::from(seed) % 3];
    let facts = facts(&Given::any(&mut Draw::new(&numbers)), &SET);
    let decision = Decision { order: &order, plan: None, determinations: decide(&facts, &SET) };
    let frame = Frame {
        address: None,
        set: &SET,
        hook: Hook::OrderSign,
        version,
        options: &Options::default(),
        coverage: Some("Coverage/example-coverage").filter(|_| !seed.is_multiple_of(5)),
        record: None,
        patient: "1",
        encounter: None,
        user: "",
        forms: &[],
        unread: &[],
        today: TODAY,
        seed: moment("fuzz").seed,
    };
    let rendered = render(&[decision], &frame).unwrap();
    judge(root.raw(), std::str::from_utf8(&rendered.body).unwrap(), Some(version));
}

fn judge(sent: &str, body: &str, version: Option<Version>) {
    serde_json::from_str::<Value>(body).unwrap();
    match returned(body).as_slice() {
        [back] => {
            let new = only_ours_is_new(sent, back).unwrap_or_else(|| panic!("sent {sent}\nback {back}"));
            for (repetition, version) in new.iter().zip(version) {
                assert_eq!(broken(repetition, version), None, "{repetition:#}");
            }
        }
        // It says already what we would say.
        [] => assert!(value_of(sent, "extension").is_some_and(|list| !items(list).is_empty()), "{sent}"),
        _ => panic!("there is more than one order: {body}"),
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    match (first % 2, std::str::from_utf8(rest)) {
        (0, _) => made(rest),
        (_, Ok(text)) => given(first / 2, text),
        (_, Err(_)) => assert!(Json::scan(rest, &MANNER.limits).is_err()),
    }
});
