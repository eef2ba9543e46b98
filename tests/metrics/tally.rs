//! The guide's measures over many invocations (CRD 2.2.1, Suggested Metrics).

use std::collections::BTreeMap;

use covenant::metrics::{Figures, Tally};
use covenant::record::Entry;
use serde_json::Value;

use super::entries::{data, entry, every, refused};
use crate::conformance::said::{Pair, parts, repetitions};
use crate::golden::examples;
use crate::policies;
use crate::support::order;

/// The entries of some examples, each by its name.
fn named(names: &[&str]) -> Vec<Entry> {
    let mut all: BTreeMap<String, Entry> = every().into_iter().collect();
    names.iter().map(|name| all.remove(*name).unwrap_or_else(|| panic!("there is no example {name}"))).collect()
}

fn tally(entries: &[Entry]) -> Tally {
    let mut tally = Tally::default();
    entries.iter().for_each(|entry| tally.add(&data(entry), &entry.client));
    tally
}

/// Volume and total of a measure.
fn measure(figures: &Figures, name: &str) -> (u64, u64) {
    let shares = figures.shares();
    let share = shares.iter().find(|share| share.name == name).unwrap();
    (share.volume, share.of)
}

#[test]
fn metric_1_counts_the_orders_that_coverage_information_was_given_for() {
    // One order each but for two orders, of which both have it; two have none, and one request has no order.
    let total = tally(&named(&[
        "order-sign-47383",
        "order-sign-two-orders",
        "order-sign-already-answered",
        "order-sign-coverage-info-off",
        "order-sign-no-orders",
    ]))
    .total;
    assert_eq!(measure(&total, "results"), (3, 5));
    assert_eq!(total.shares()[0].permille(), Some(600));
}

#[test]
fn metric_2_counts_an_order_once_under_each_answer_that_it_has() {
    // Billing options: one order, not covered under one code and conditional under the other.
    let total = tally(&named(&[
        "order-sign-47383",
        "order-sign-billing-options",
        "ex-108-dependency",
        "ex-113-two-codes",
        "directory-fails",
        "directory-fails-crd20",
    ]))
    .total;
    assert_eq!(measure(&total, "covered"), (2, 7));
    assert_eq!(measure(&total, "not-covered"), (2, 7));
    assert_eq!(measure(&total, "conditional"), (3, 7));
    assert_eq!(measure(&total, "indeterminate"), (1, 7));
}

#[test]
fn metric_3_counts_what_needs_prior_authorization_and_has_a_form() {
    // The form of 113 is for no prior authorization; at order-select no form is asked for.
    let total = tally(&named(&[
        "ex-101-prior-authorization",
        "ex-101-prior-authorization-crd20",
        "ex-101-order-select",
        "ex-103-out-of-network",
        "ex-113-device",
        "order-sign-47383",
    ]))
    .total;
    assert_eq!(measure(&total, "pa-with-launch"), (2, 4));
}

#[test]
fn metric_4_counts_what_needs_documentation_and_has_a_form() {
    let total = tally(&named(&[
        "ex-101-prior-authorization",
        "ex-102-limits",
        "ex-102-limits-crd20",
        "ex-113-two-codes",
        "ex-113-two-codes-crd20",
        "ex-103-out-of-network",
    ]))
    .total;
    assert_eq!(measure(&total, "documents-with-launch"), (3, 5));
}

#[test]
fn metric_5_counts_what_has_its_prior_authorization() {
    let total = tally(&named(&[
        "ex-101-authorized",
        "ex-101-authorized-crd20",
        "ex-101-authorized-unsolicited-off",
        "order-sign-47383",
    ]))
    .total;
    assert_eq!(measure(&total, "satisfied"), (2, 4));
}

#[test]
fn metric_6_counts_answers_of_less_than_five_seconds_and_no_refusals() {
    let took = |micros| Entry { took_micros: micros, ..entry(&order("47383").text()) };
    let total = tally(&[
        took(3_000),
        took(4_999_999),
        took(5_000_000),
        took(5_000_001),
        refused(400, "required", "The request breaks the CDS Hooks specification."),
    ])
    .total;
    assert_eq!(measure(&total, "in-time"), (2, 4));
    assert_eq!((total.invocations, total.answered, total.refusals()), (5, 4, 1));
}

#[test]
fn latency_is_that_of_answers() {
    let entries: Vec<Entry> =
        (1..=100).map(|it| Entry { took_micros: it * 1000, ..entry(&order("47383").text()) }).collect();
    let mut tally = tally(&entries);
    tally.add(&data(&refused(400, "required", "No.")), "ehr");
    let latency = &tally.total.latency;
    let (p50, p99) = (latency.percentile(50).unwrap(), latency.percentile(99).unwrap());
    assert!((50_000..51_600).contains(&p50) && (99_000..=100_000).contains(&p99), "{p50} {p99}");
    assert_eq!(latency.max(), Some(100_000));
}

#[test]
fn refusals_are_counted_by_their_issue() {
    let (short, other) = (refused(400, "required", "No."), refused(422, "not-supported", "No."));
    let total = tally(&[short.clone(), short, other]).total;
    assert_eq!(total.refused, BTreeMap::from([("not-supported".to_owned(), 1), ("required".to_owned(), 2)]));
    // Nothing of nothing is no percentage.
    assert!(total.shares().iter().all(|share| (share.volume, share.of, share.permille()) == (0, 0, None)));
}

#[test]
fn metrics_8_and_9_every_measure_is_there_by_hook_client_and_policy() {
    let mut entries =
        named(&["order-sign-47383", "order-sign-two-orders", "order-select-two-orders", "ex-101-authorized"]);
    entries[3].client = "other".to_owned();
    entries.push(refused(400, "required", "No."));
    let tally = tally(&entries);
    let counts = |figures: &BTreeMap<String, Figures>| {
        let counts = figures.iter().map(|(name, it)| (name.clone(), it.invocations, it.refusals(), it.orders));
        counts.collect::<Vec<_>>()
    };
    let row = |name: &str, invocations, refusals, orders| (name.to_owned(), invocations, refusals, orders);
    assert_eq!(counts(&tally.hooks), [row("order-select", 1, 0, 1), row("order-sign", 4, 1, 4)]);
    assert_eq!(counts(&tally.clients), [row("ehr", 4, 1, 4), row("other", 1, 0, 1)]);
    // Of two orders the policy decides one; what no policy speaks of is decided by default.
    assert_eq!(counts(&tally.policies), [row("633", 3, 0, 3), row("EX-101", 1, 0, 1), row("default", 1, 0, 1)]);
    assert_eq!(measure(&tally.policies["633"], "not-covered"), (3, 3));
    assert_eq!(measure(&tally.policies["EX-101"], "satisfied"), (1, 1));
    assert_eq!(measure(&tally.hooks["order-select"], "not-covered"), (1, 1));
}

/// What the files of an example come to, counted without what is tested.
fn count(pair: &Pair, sent: &str, counts: &mut BTreeMap<(String, &'static str), u64>) {
    let mut add = |what, by| *counts.entry((pair.hook().to_owned(), what)).or_default() += by;
    add("orders", pair.in_scope().len() as u64);
    for order in pair.updated() {
        // What the order carried when it was sent is not what was answered.
        let carried = |it: &&Vec<Value>| {
            parts(it, "coverage-assertion-id").iter().any(|part| sent.contains(part["valueString"].as_str().unwrap()))
        };
        let ours: Vec<&Vec<Value>> = repetitions(order).into_iter().filter(|it| !carried(it)).collect();
        let says = |it: &[Value], url: &str, codes: &[&str]| {
            parts(it, url).iter().any(|part| codes.contains(&part["valueCode"].as_str().unwrap()))
        };
        let any = |is: &dyn Fn(&[Value]) -> bool| u64::from(ours.iter().any(|it| is(it)));
        let form = |it: &[Value]| !parts(it, "questionnaire").is_empty();
        let pa = |it: &[Value]| says(it, "pa-needed", &["auth-needed"]);
        let documents = |it: &[Value]| says(it, "doc-needed", &["clinical", "admin", "both"]);
        add("results", any(&|_| true));
        for code in ["covered", "not-covered", "conditional", "indeterminate"] {
            add(code, any(&|it| says(it, "covered", &[code])));
        }
        add("pa", any(&pa));
        add("pa-with-launch", any(&|it| pa(it) && form(it)));
        add("documents", any(&documents));
        add("documents-with-launch", any(&|it| documents(it) && form(it)));
        add("satisfied", any(&|it| says(it, "pa-needed", &["satisfied"])));
    }
}

#[test]
fn the_measures_over_all_examples_are_what_a_count_of_the_files_gives() {
    let ours = examples().into_iter().map(|it| (it.name, it.request, it.answer));
    let invented = policies::examples::examples().into_iter().map(|it| (it.name, it.request, it.said.text));
    let mut counts = BTreeMap::new();
    for (name, request, answer) in ours.chain(invented) {
        let json = |text: &str| serde_json::from_str(text).unwrap();
        let pair = Pair { name, request: json(&request), answer: json(&answer) };
        count(&pair, &request, &mut counts);
    }
    let entries: Vec<Entry> = every().into_iter().map(|(_, entry)| entry).collect();
    let tally = tally(&entries);
    assert_eq!(tally.hooks.len(), 6);
    for (hook, figures) in &tally.hooks {
        let counted = |what| counts.get(&(hook.clone(), what)).copied().unwrap_or_default();
        let found: Vec<(&str, u64, u64)> =
            figures.shares().iter().map(|share| (share.name, share.volume, share.of)).collect();
        let (orders, calls) =
            (counted("orders"), entries.iter().filter(|it| it.service == format!("{hook}-crd")).count());
        let calls = calls as u64;
        assert_eq!(
            found,
            [
                ("results", counted("results"), orders),
                ("covered", counted("covered"), orders),
                ("not-covered", counted("not-covered"), orders),
                ("conditional", counted("conditional"), orders),
                ("indeterminate", counted("indeterminate"), orders),
                ("pa-with-launch", counted("pa-with-launch"), counted("pa")),
                ("documents-with-launch", counted("documents-with-launch"), counted("documents")),
                ("satisfied", counted("satisfied"), orders),
                ("in-time", calls, calls),
            ],
            "{hook}"
        );
    }
    let total = |what| counts.iter().filter(|((_, it), _)| *it == what).map(|(_, count)| count).sum::<u64>();
    assert_eq!((total("results"), total("orders")), measure(&tally.total, "results"));
    assert!(
        ["covered", "indeterminate", "pa-with-launch", "documents-with-launch", "satisfied"]
            .iter()
            .all(|it| total(it) > 0)
    );
}
