//! The keys of a client: which of them count, and what becomes of callers while they cannot be had (FAULTS A09 to A13, A21).

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{ISSUER, Known, refused, registration};
use crate::support::tokens::{Draft, Signer, bearer, encoded, jwks};
use crate::support::{KeyServer, Reply, Serves, TestApp, order};

/// The answer while keys cannot be had: the token may be good.
#[track_caller]
fn is_away(reply: Reply) {
    assert_eq!(reply.header("www-authenticate"), None);
    reply.refused(503, "transient").nowhere().with_header("retry-after", "2");
}

/// A client whose keys are served so.
fn whose_keys_are(serves: impl FnOnce(&Signer) -> Serves) -> Known {
    let signer = Signer::es384("key-1");
    let keys = KeyServer::that(serves(&signer));
    let app = TestApp::guarded(&registration(&keys, ""), |_| ());
    Known { signer, keys, app }
}

fn good(known: &Known) -> String {
    jwks([known.signer.jwk()])
}

#[test]
fn a09_a_token_that_names_no_key_is_refused_and_nobody_is_called() {
    let known = Known::new();
    known.is_refused_and_nobody_asked(&known.draft().without("kid"));
    for id in [json!(""), json!(null), json!(1), json!(["key-1"])] {
        known.is_refused_and_nobody_asked(&known.draft().head("kid", id));
    }
    known.still_answers();
}

#[test]
fn a09_a_key_whose_id_another_has_too_is_none() {
    let twice = |other: Value| {
        let (signer, third) = (Signer::es384("key-1"), Signer::es384("key-3"));
        let known = Known::serving(signer, []);
        known.keys.now(Serves::Keys(jwks([known.signer.jwk(), other, third.jwk()])));
        known.is_refused(&known.draft());
        // What else is there is as good as before.
        known.app.sign_as_client(&Draft::of(ISSUER, &third).signed_by(&third), order("47383")).decided();
    };
    twice(Signer::es384("key-1").jwk());
    twice(Signer::rs384("key-1").jwk());
    twice(json!({"kid": "key-1"}));
    twice(json!({"kid": "key-1", "kty": "OKP", "crv": "X448", "x": "AAAA"}));
    let signer = Signer::es384("key-1");
    let jwk = signer.jwk();
    let known = Known::serving(signer, [jwk.clone(), jwk]);
    known.is_refused(&known.draft());
}

#[test]
fn a10_an_unknown_key_is_looked_for_once_and_not_again_within_a_minute() {
    let known = Known::new();
    known.still_answers();
    assert_eq!(known.keys.calls(), 1);
    for _ in 0..5 {
        known.is_refused(&known.draft().head("kid", "key-2"));
    }
    assert_eq!(known.keys.calls(), 2);
    known.still_answers();
    assert_eq!(known.keys.calls(), 2);
}

#[test]
fn a10_a_key_that_was_added_is_found_at_once() {
    let known = Known::new();
    known.still_answers();
    let next = Signer::es384("key-2");
    known.keys.now(Serves::Keys(jwks([known.signer.jwk(), next.jwk()])));
    known.app.sign_as_client(&Draft::of(ISSUER, &next).signed_by(&next), order("47383")).decided();
    known.still_answers();
    assert_eq!(known.keys.calls(), 2);
}

#[test]
fn a10_nobody_waits_for_a_key_that_somebody_else_has_made_up() {
    let known = Known::new();
    known.still_answers();
    known.keys.now(Serves::Slowly(good(&known), Duration::from_millis(1500)));
    thread::scope(|scope| {
        let unknown = scope.spawn(|| known.sends(&known.draft().head("kid", "key-2")));
        while known.keys.calls() < 2 {
            thread::sleep(Duration::from_millis(5));
        }
        let began = Instant::now();
        known.still_answers();
        assert!(began.elapsed() < Duration::from_millis(1200), "{:?}", began.elapsed());
        refused(unknown.join().unwrap());
    });
}

#[test]
fn a11_a_key_server_that_is_down_is_not_the_token_s_fault() {
    let known = whose_keys_are(|_| Serves::Says(503));
    for _ in 0..3 {
        is_away(known.sends(&known.draft()));
    }
    assert_eq!(known.keys.calls(), 1, "it is left in peace for a moment");
    // Whoever would not be let in anyway is told so.
    known.is_refused(&known.draft().claim("aud", "https://other.example"));
    known.keys.now(Serves::Keys(good(&known)));
    thread::sleep(Duration::from_millis(2100));
    let draft = known.draft();
    known.sends(&draft).decided();
    known.is_refused(&draft);
}

#[test]
fn a11_a_token_that_could_not_be_looked_at_is_not_used_up() {
    let known = whose_keys_are(|_| Serves::Nothing);
    let draft = known.draft();
    is_away(known.sends(&draft));
    known.keys.now(Serves::Keys(good(&known)));
    thread::sleep(Duration::from_millis(2100));
    known.sends(&draft).decided();
}

#[test]
fn a11_keys_serve_while_their_place_is_down_and_no_longer_than_it_said() {
    let line = "Cache-Control: max-age=2".to_owned();
    let known = whose_keys_are(|signer| Serves::With(jwks([signer.jwk()]), line));
    known.still_answers();
    known.keys.now(Serves::Nothing);
    for _ in 0..3 {
        known.still_answers();
    }
    assert_eq!(known.keys.calls(), 1);
    thread::sleep(Duration::from_millis(2100));
    is_away(known.sends(&known.draft()));
    assert_eq!(known.keys.calls(), 2);
}

#[test]
fn a11_a_key_that_was_taken_away_is_none_once_its_set_may_not_be_kept_any_longer() {
    let line = "Cache-Control: no-store".to_owned();
    let known = whose_keys_are(|signer| Serves::With(jwks([signer.jwk()]), line.clone()));
    known.still_answers();
    known.keys.now(Serves::With(jwks([Signer::es384("key-2").jwk()]), line));
    thread::sleep(Duration::from_millis(1100));
    known.is_refused(&known.draft());
}

#[test]
fn a11_callers_at_once_wait_for_one_fetch_and_a_caller_who_hangs_up_takes_it_from_nobody() {
    let known = whose_keys_are(|signer| Serves::Slowly(jwks([signer.jwk()]), Duration::from_millis(500)));
    let body = order("47383").text();
    let head = [
        "Content-Type: application/json".to_owned(),
        format!("Content-Length: {}", body.len()),
        format!("Authorization: {}", bearer(&known.draft().signed_by(&known.signer))),
    ];
    let connection = known.app.connect().sends_head(&head.each_ref().map(String::as_str)).sends(&body);
    while known.keys.calls() < 1 {
        thread::sleep(Duration::from_millis(5));
    }
    drop(connection);
    thread::scope(|scope| {
        let sent = [(); 4].map(|()| scope.spawn(|| known.sends(&known.draft())));
        sent.into_iter().for_each(|reply| drop(reply.join().unwrap().decided()));
    });
    assert_eq!(known.keys.calls(), 1);
}

#[test]
fn a12_a_key_set_that_is_too_large_elsewhere_or_none_is_refused() {
    let elsewhere = Known::new();
    let many = jwks((0..33).map(|index| Signer::es384(&format!("key-{index}")).jwk()));
    let keys = format!("{{\"keys\":[{}{{}}]}}", "{},".repeat(9_999));
    for serves in [
        Serves::Endlessly,
        Serves::Html,
        Serves::Redirect(elsewhere.keys.url()),
        Serves::Redirect("http://169.254.169.254/latest/meta-data".to_owned()),
        Serves::Keys(many),
        Serves::Keys(keys),
        Serves::Keys(String::new()),
        Serves::Keys("{\"keys\":{}}".to_owned()),
        Serves::Keys("[]".to_owned()),
        Serves::Says(404),
        Serves::Says(204),
        Serves::Slowly(jwks([]), Duration::from_secs(4)),
    ] {
        let known = whose_keys_are(|_| serves);
        let began = Instant::now();
        is_away(known.sends(&known.draft()));
        assert!(began.elapsed() < Duration::from_millis(3500), "{:?}", began.elapsed());
    }
    assert_eq!(elsewhere.keys.calls(), 0, "a redirect was followed");
}

#[test]
fn a13_a_short_rsa_key_and_a_point_beside_its_curve_are_no_keys() {
    let rsa = Signer::rs384("key-1");
    let mut short = rsa.jwk();
    // 1024 bits.
    short["n"] = json!(encoded([0xb5; 128]));
    let known = Known::serving(rsa, [short]);
    known.is_refused(&known.draft());
    let ec = Signer::es384("key-1");
    for (name, value) in
        [("x", encoded([1; 48])), ("y", encoded([0; 48])), ("x", String::new()), ("x", encoded([1; 47]))]
    {
        let mut beside = ec.jwk();
        beside[name] = json!(value);
        let known = Known::serving(Signer::es384("key-1"), [beside]);
        known.app.sign_as_client(&Draft::of(ISSUER, &ec).signed_by(&ec), order("47383")).refused(401, "login");
    }
}

#[test]
fn a21_no_live_token_is_forgotten_for_another() {
    let signer = Signer::es384("key-1");
    let keys = KeyServer::of(jwks([signer.jwk()]));
    let app = TestApp::guarded(&registration(&keys, ""), |settings| settings.limits.live_tokens = 2);
    let tokens = [(); 3].map(|()| Draft::of(ISSUER, &signer).signed_by(&signer));
    let sends = |token: &str| app.sign_as_client(token, order("47383"));
    for token in &tokens[..2] {
        sends(token).decided();
    }
    sends(&tokens[2]).refused(503, "throttled").nowhere().with_header("retry-after", "2");
    for token in &tokens[..2] {
        refused(sends(token));
    }
}

#[test]
fn a_registration_that_could_let_in_anybody_else_is_refused_by_its_place() {
    use crate::support::Place;
    let settings = "[auth]\nclients = \"clients.toml\"\nbase_url = \"https://crd.payer.example\"";
    let (one, two) = ("name = \"one\"\nissuer = \"a\"", "name = \"two\"\nissuer = \"b\"");
    let key = jwks([Signer::es384("key-1").jwk()]);
    let url = |url: &str| format!("[[client]]\n{one}\njwks_url = \"{url}\"\n");
    for (clients, words) in [
        (url("http://ehr.example.org/jwks.json"), "client 1: jwks_url is not an https URL"),
        (url("https://user:word@ehr.example.org/jwks.json"), "client 1: jwks_url is not an https URL"),
        (url("file:///etc/passwd"), "client 1: jwks_url is not an https URL"),
        (url("https://169.254.169.254/jwks.json"), "client 1: jwks_url is a private address"),
        (url("https://0x7f000001/jwks.json"), "client 1: jwks_url is a private address"),
        (url("https://[::1]/jwks.json"), "client 1: jwks_url is a private address"),
        (format!("[[client]]\n{one}\n"), "client 1: one of jwks_url and jwks"),
        (format!("{}jwks = '{key}'\n", url("https://a.example")), "client 1: one of jwks_url and jwks"),
        (format!("[[client]]\n{one}\njwks = 'no'\n"), "client 1: jwks is no JWKS"),
        (format!("[[client]]\n{one}\njwks = '{{\"keys\":[]}}'\n"), "client 1: jwks is no JWKS"),
        (format!("{0}{0}", url("https://a.example")), "client 2: name is empty, or that of a client before it"),
        (
            url("https://a.example") + &url("https://a.example").replace("one", "two"),
            "client 2: issuer is empty, or that of a client before it",
        ),
        (format!("[[client]]\n{two}\njwks = '{key}'\ncrd_version = \"1.0\"\n"), "client 1: crd_version"),
        (format!("[[client]]\n{two}\njwks = '{key}'\ntenant = \"x\"\n"), "tenant"),
        ("[[client]".to_owned(), "auth.clients"),
    ] {
        let place = Place::with_settings(settings);
        place.write("clients.toml", &clients);
        place.run(&["serve"]).failed(2, &[words]);
    }
    Place::with_settings(settings).run(&["serve"]).failed(2, &["clients.toml cannot be read"]);
    let place = Place::with_settings("[auth]\nclients = \"clients.toml\"");
    place.write("clients.toml", "");
    place.run(&["serve"]).failed(2, &["auth.base_url"]);
    for (name, value) in [
        ("COVENANT_AUTH_BASE_URL", "crd.payer.example"),
        ("COVENANT_AUTH_BASE_URL", "https://crd.payer.example?x"),
        ("COVENANT_AUTH_ALGORITHMS", "ES384,HS256"),
        ("COVENANT_AUTH_ALGORITHMS", "none"),
        ("COVENANT_AUTH_ALGORITHMS", ","),
    ] {
        let place = Place::with_settings(settings);
        place.write("clients.toml", "");
        let word = name.trim_start_matches("COVENANT_AUTH_").to_lowercase();
        place.run_in(&[(name, value)], &["serve"]).failed(2, &[&format!("auth.{word}")]);
    }
}
