//! An order comes back as it was sent, byte for byte, with our coverage information in the place of any that we gave
//! before; and where nothing is new it does not come back at all (CRD resp-35, resp-37).

mod written;

use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::laws_support::{Draw, SET, body, is_about, items, member, returned, value_of};
use written::{ACTIVE, order, request};

const OURS: &str = "Coverage/example-coverage";

/// The items of an order's extension list, those about our Coverage apart from the others.
fn extensions(order: &str) -> (Vec<&str>, Vec<&str>) {
    let list = value_of(order, "extension").map(items).unwrap_or_default();
    list.into_iter().partition(|item| is_about(item, OURS))
}

/// The one order that an answer returns.
fn only_order(body: &str) -> &str {
    let orders = returned(body);
    assert_eq!(orders.len(), 1, "{body}");
    orders[0]
}

/// Holds a returned order against the one that was sent.
fn is_the_order_with_our_extension(sent: &str, back: &str) {
    let (ours_before, foreign) = extensions(sent);
    let (ours, foreign_after) = extensions(back);
    assert!(!ours.is_empty(), "no coverage information on {back}");
    assert!(ours.iter().all(|new| !ours_before.contains(new)), "what was there before is still there: {back}");
    assert_eq!(foreign_after, foreign, "extensions of others");
    let new = member(back, "extension").unwrap();
    let Some(old) = member(sent, "extension") else {
        let (inside, after) = sent.split_at(sent.len() - 1);
        assert_eq!(back, format!("{inside},\"extension\":[{}]{after}", ours.join(",")));
        return;
    };
    assert_eq!(back[..new.start], sent[..old.start], "what stands before the extensions");
    assert_eq!(back[new.end..], sent[old.end..], "what stands after the extensions");
}

fn config() -> Config {
    Config { cases: 2_000, max_global_rejects: 100_000, failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn resp_37_whatever_an_order_looks_like_only_our_extension_is_added(
        choices in prop::collection::vec(any::<u16>(), 0..160),
    ) {
        let mut draw = Draw::new(&choices);
        let sent = order(&mut draw);
        let request = request(&mut draw, &sent);
        let body = body(&request, &SET, "first");
        is_the_order_with_our_extension(&sent, only_order(&body));
    }

    #[test]
    fn resp_37_a_list_of_extensions_that_loses_none_keeps_its_white_space(
        choices in prop::collection::vec(any::<u16>(), 0..160),
    ) {
        let mut draw = Draw::new(&choices);
        let sent = order(&mut draw);
        let (ours_before, foreign) = extensions(&sent);
        prop_assume!(ours_before.is_empty() && !foreign.is_empty());
        let request = request(&mut draw, &sent);
        let body = body(&request, &SET, "first");
        let back = value_of(only_order(&body), "extension").unwrap();
        let list = value_of(&sent, "extension").unwrap().strip_suffix(']').unwrap();
        prop_assert!(back.starts_with(list), "sent {}\nback {}", list, back);
    }

    #[test]
    fn h19_an_order_that_already_carries_our_answer_is_not_returned(
        choices in prop::collection::vec(any::<u16>(), 0..160),
    ) {
        let mut draw = Draw::new(&choices);
        let sent = order(&mut draw);
        let request = request(&mut draw, &sent);
        let body = body(&request, &SET, "first");
        let back = only_order(&body);
        let again = self::body(&request.replacen(&sent, back, 1), &SET, "second");
        prop_assert_eq!(value_of(&again, "systemActions"), Some("[]"), "{}", back);
    }

    #[test]
    fn h19_what_is_no_longer_so_is_replaced_and_not_doubled(
        choices in prop::collection::vec(any::<u16>(), 0..160),
    ) {
        let mut draw = Draw::new(&choices);
        let sent = order(&mut draw);
        let request = request(&mut draw, &sent);
        let body = body(&request, &SET, "first");
        let back = only_order(&body);
        let (before, _) = extensions(back);
        let ended = request.replacen(&sent, back, 1).replacen(ACTIVE, "\"cancelled\"", 1);
        let again = self::body(&ended, &SET, "second");
        is_the_order_with_our_extension(back, only_order(&again));
        prop_assert_eq!(extensions(only_order(&again)).0.len(), before.len());
    }
}
