//! What is refused of the operations listener's settings, and that no secret is ever told.

use std::net::TcpListener;

use covenant::config::Settings;

use crate::support::{Place, SECRET};

/// Starts with these tokens must fail at this place, and not tell them.
#[track_caller]
fn refused(tokens: &[&str], words: &[&str]) {
    let listed = format!("[ops]\ntokens = {tokens:?}");
    let ran = Place::with_settings(&listed).run(&["serve"]).failed(2, words);
    assert!(!ran.err.contains("planted") && !ran.err.contains("alice"), "{}", ran.err);
    let written = tokens.join(",");
    let ran = Place::empty().run_in(&[("COVENANT_OPS_TOKENS", &written)], &["check"]).failed(2, words);
    assert!(!ran.err.contains("planted") && !ran.err.contains("alice"), "{}", ran.err);
}

#[test]
fn a_short_secret_is_refused_at_start_by_its_place_and_not_told() {
    let good = format!("bob:{SECRET}");
    refused(&["alice:planted-short"], &["ops.tokens[0]", "fewer than 32"]);
    refused(&[&good, "alice:planted-31-characters-are-short"], &["ops.tokens[1]", "fewer than 32"]);
    refused(&["alice:"], &["ops.tokens[0]", "fewer than 32"]);
}

#[test]
fn a_token_that_is_not_a_name_and_a_secret_is_refused_by_its_place_and_not_told() {
    let good = format!("bob:{SECRET}");
    refused(&[SECRET], &["ops.tokens[0]", "not name:secret"]);
    for name in ["", "Alice", "al ice", "alice_1", "älice"] {
        refused(&[&format!("{name}:{SECRET}")], &["ops.tokens[0]", "a-z, 0-9 and -"]);
    }
    // Name and secret exchanged.
    refused(&[&format!("{SECRET}:alice")], &["ops.tokens[0]", "fewer than 32"]);
    refused(&[&format!("alice:{SECRET} and more")], &["ops.tokens[0]", "visible ASCII"]);
    // A role that is misspelt, and a colon in a secret.
    for roles in ["", "metrics+", "metric", "metrics phi", "Metrics", "planted"] {
        refused(&[&good, &format!("alice:{SECRET}:{roles}")], &["ops.tokens[1]", "metrics, phi, prune"]);
    }
    refused(&[&good, &format!("bob:{SECRET}-2")], &["ops.tokens[1]", "a name that another has"]);
    refused(&[&good, &format!("alice:{SECRET}")], &["ops.tokens[1]", "a secret that another has"]);
}

#[test]
fn a_file_that_cannot_be_read_is_not_quoted() {
    for text in [
        format!("[ops]\ntokens = [\"alice:{SECRET}"),
        format!("[ops]\ntokens = alice:{SECRET}"),
        format!("[ops]\ntokens = [\"alice:{SECRET}\"]\ntokens = [\"alice:{SECRET}\"]"),
        format!("[ops]\ntokens = {{ alice = \"{SECRET}\" }}"),
        format!("[ops]\ntokens = [[\"alice:{SECRET}\"]]"),
        format!("[ops]\ntoken = [\"alice:{SECRET}\"]"),
        format!("[ops]\nlisten = \"alice:{SECRET}\""),
        format!("ops = \"alice:{SECRET}\""),
        format!("ops = [\"alice:{SECRET}\"]"),
        format!("listen = \"alice:{SECRET}\""),
    ] {
        let ran = Place::with_settings(&text).run_with_its_operators(&["serve"]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(["covenant.toml", "ops", "listen must be"].iter().any(|place| ran.err.contains(place)), "{}", ran.err);
        assert!(!ran.err.contains("planted") && !ran.err.contains("alice"), "{}", ran.err);
    }
}

#[test]
fn settings_do_not_show_a_secret() {
    let tokens = format!("alice:{SECRET}");
    let settings = Settings::read(None, |name| (name == "COVENANT_OPS_TOKENS").then(|| tokens.clone())).unwrap();
    for shown in [format!("{settings:?}"), format!("{settings:#?}")] {
        assert!(shown.contains("alice") && !shown.contains("planted"), "{shown}");
    }
}

#[test]
fn an_address_that_others_can_reach_is_refused_while_there_is_no_tls() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8634", "[2001:db8::1]:0"] {
        let ran = Place::empty().run_in(&[("COVENANT_OPS_LISTEN", address)], &["serve"]);
        ran.failed(2, &["ops.listen", "no TLS", "only loopback"]);
    }
}

#[test]
fn an_address_that_is_taken_is_named_by_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let environment = [("COVENANT_LISTEN", "127.0.0.1:0"), ("COVENANT_OPS_LISTEN", address.as_str())];
    Place::empty().run_in(&environment, &["serve"]).failed(1, &["ops.listen", &address]);
}

#[test]
fn without_an_address_nobody_listens_for_operators() {
    // The place must outlast the start, which goes on after the address is told.
    let place = Place::with_settings("[ops]\nlisten = \"\"");
    let server = place.serve();
    assert_eq!(server.get("/cds-services").status, 200);
    let (out, _) = server.kill();
    assert!(out.contains("operators none"), "{out}");
}
