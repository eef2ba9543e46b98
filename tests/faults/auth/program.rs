//! The real program with clients: what it logs of whom it keeps out, what becomes of tokens when it starts again, and whose
//! FHIR server is asked for whom (FAULTS A22, E09, R07).

use std::thread;
use std::time::Duration;

use uuid::Uuid;

use super::{ISSUER, NAME, refused};
use crate::support::tokens::{BASE_URL, Draft, Signer, jwks, now};
use crate::support::{CANARY, FakeEhr, Place, Served, TestApp, assert_no_leak, held, order};

/// A place whose server lets in a client of this key.
pub(super) fn place(signer: &Signer) -> Place {
    let place = Place::with_settings(&format!("[auth]\nclients = \"clients.toml\"\nbase_url = \"{BASE_URL}\""));
    let keys = jwks([signer.jwk()]);
    place.write("clients.toml", format!("[[client]]\nname = \"{NAME}\"\nissuer = \"{ISSUER}\"\njwks = '{keys}'\n"));
    place
}

/// A token of this very second, once the server lets such in: those from before its start it does not.
fn current(server: &Served, signer: &Signer) -> String {
    for _ in 0..50 {
        let token = Draft::of(ISSUER, signer).claim("iat", now()).signed_by(signer);
        if server.sign_as_client(&token, order("47383")).status == 200 {
            return token;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("no token is let in")
}

#[test]
fn a22_a_token_is_not_good_again_after_a_start() {
    let signer = Signer::es384("key-1");
    let place = place(&signer);
    let server = place.serve();
    let token = current(&server, &signer);
    refused(server.sign_as_client(&token, order("47383")));
    drop(server);
    let server = place.serve();
    refused(server.sign_as_client(&token, order("47383")));
    // Nor is one that was not used, as nobody could know.
    let old = Draft::of(ISSUER, &signer).claim("iat", now() - 5).signed_by(&signer);
    refused(server.sign_as_client(&old, order("47383")));
    current(&server, &signer);
}

#[test]
fn the_cause_of_a_refusal_is_in_the_security_log_and_nothing_of_the_token_is_anywhere() {
    let signer = Signer::es384("key-1");
    let place = place(&signer);
    let server = place.serve_in(&[("COVENANT_LISTEN", "127.0.0.1:0"), ("RUST_LOG", "trace")]);
    let draft = || {
        Draft::of(ISSUER, &signer).claim("sub", "canary-subject").claim("jti", format!("{CANARY}-{}", Uuid::new_v4()))
    };
    let forger = Signer::es384("key-1");
    let mut sent = vec![draft().signed_by(&signer)];
    server.sign_as_client(&sent[0], order("47383")).decided();
    let again = sent[0].clone();
    let bad = [
        ("used", again),
        ("signature", draft().signed_by(&forger)),
        ("issuer", draft().claim("iss", "https://canary.example").signed_by(&signer)),
        ("key-place", draft().head("jku", "https://canary.example/jwks").signed_by(&signer)),
        ("key-id", draft().head("kid", "").signed_by(&signer)),
        ("key", draft().head("kid", "canary-key").signed_by(&signer)),
        ("algorithm", draft().head("alg", "canary").signed_by(&signer)),
        ("header", draft().head("crit", "canary").signed_by(&signer)),
        ("audience", draft().claim("aud", "https://canary.example").signed_by(&signer)),
        ("time", draft().claim("exp", "canary").signed_by(&signer)),
        ("id", draft().claim("jti", "canary".repeat(99)).signed_by(&signer)),
        ("form", "canary.canary.canary".to_owned()),
    ];
    let mut expected = Vec::new();
    for (cause, token) in bad {
        let reply = server.sign_as_client(&token, order("47383"));
        expected.push((cause, reply.request_id().to_string()));
        refused(reply);
        sent.push(token);
    }
    let (out, err) = server.kill();
    for (cause, id) in expected {
        let line = err.lines().find(|line| line.contains(&id) && line.contains("was not let in"));
        let line = line.unwrap_or_else(|| panic!("{cause} is not logged: {err}"));
        assert!(line.contains("security=true") && line.contains(&format!("why=\"{cause}\"")), "{cause}: {line}");
    }
    let log: String = err.lines().map(|line| line.split(" id=").next().unwrap()).collect();
    for part in sent.iter().flat_map(|token| token.split('.')).filter(|part| part.len() > 10) {
        assert!(!err.contains(part) && !out.contains(part), "{part} is told");
    }
    assert_no_leak(&log, "the log");
    assert!(!err.contains(CANARY) && !err.contains(ISSUER), "{err}");
}

#[test]
fn nothing_of_a_token_is_in_an_answer_or_an_entry() {
    let signer = Signer::es384("key-1");
    let keys = jwks([signer.jwk()]);
    let clients = format!("[[client]]\nname = \"{NAME}\"\nissuer = \"{ISSUER}\"\njwks = '{keys}'\n");
    let app = TestApp::guarded(&clients, |_| ());
    let token = Draft::of(ISSUER, &signer).claim("sub", "planted-subject").signed_by(&signer);
    let reply = app.sign_as_client(&token, order("47383")).decided();
    let entry = format!("{:?}", app.entry(&reply.assertions()[0]));
    let headers = format!("{:?}", reply.headers);
    for part in token.split('.').chain(["planted-subject", ISSUER]) {
        assert!(![reply.text(), &entry, &headers].iter().any(|text| text.contains(part)), "{part}");
    }
}

/// Two clients, each with a FHIR server of its own.
fn two(one: &Signer, other: &Signer, servers: [&str; 2]) -> String {
    let clients = [("one", one, servers[0]), ("other", other, servers[1])].map(|(name, signer, server)| {
        let keys = jwks([signer.jwk()]);
        format!(
            "[[client]]\nname = \"{name}\"\nissuer = \"https://{name}.example.org\"\njwks = '{keys}'\n\
             fhir_servers = [\"{server}\"]\ncrd_version = \"{}\"\n",
            if name == "one" { "2.2" } else { "2.0" }
        )
    });
    clients.concat()
}

#[test]
fn e09_a_client_s_own_fhir_servers_are_asked_for_it_and_another_s_are_not() {
    let (mine, theirs) = (FakeEhr::holding(held()).starts(), FakeEhr::holding(held()).starts());
    let (one, other) = (Signer::es384("key-1"), Signer::es384("key-2"));
    let place = Place::with_settings(&format!(
        "[auth]\nclients = \"clients.toml\"\nbase_url = \"{BASE_URL}\"\n[ehr]\nallow_private = true\n"
    ));
    place.write("clients.toml", two(&one, &other, [&mine.base(), &theirs.base()]));
    let server = place.serve();
    let token = || Draft::of("https://one.example.org", &one).signed_by(&one);
    let asks = |ehr| order("47383").without("/prefetch/coverage").of(ehr);
    let reply = server.sign_as_client(&token(), asks(&theirs)).decided();
    assert_eq!(reply.says("covered"), ["indeterminate"]);
    theirs.was_not_called();
    let look_alike = asks(&mine).with("/fhirServer", format!("{}.evil.example", mine.base()));
    assert_eq!(server.sign_as_client(&token(), look_alike).decided().says("covered"), ["indeterminate"]);
    mine.was_not_called();
    // What was sent is answered all the same.
    let complete = server.sign_as_client(&token(), order("47383").of(&theirs)).decided();
    assert_eq!(complete.says("covered"), ["not-covered"]);
    theirs.was_not_called();
    assert_eq!(server.sign_as_client(&token(), asks(&mine)).decided().says("covered"), ["not-covered"]);
    let with_slash = asks(&mine).with("/fhirServer", format!("{}/", mine.base()));
    assert_eq!(server.sign_as_client(&token(), with_slash).decided().says("covered"), ["not-covered"]);
    assert!(!mine.paths().is_empty());
    theirs.was_not_called();
    let (_, err) = server.kill();
    assert_eq!(err.matches("a FHIR server that is not registered was named").count(), 3, "{err}");
}

#[test]
fn e09_a_client_without_fhir_servers_has_none_asked_though_others_are_registered() {
    let ehr = FakeEhr::holding(held()).starts();
    let signer = Signer::es384("key-1");
    let keys = jwks([signer.jwk()]);
    let clients = format!("[[client]]\nname = \"{NAME}\"\nissuer = \"{ISSUER}\"\njwks = '{keys}'\n");
    let app = TestApp::guarded(&clients, |settings| settings.ehr.servers = vec![ehr.base()]);
    let token = Draft::of(ISSUER, &signer).signed_by(&signer);
    let reply = app.sign_as_client(&token, order("47383").without("/prefetch/coverage").of(&ehr)).decided();
    assert_eq!(reply.says("covered"), ["indeterminate"]);
    ehr.was_not_called();
}

#[test]
fn a_request_that_says_no_version_is_answered_in_its_client_s() {
    let (one, other) = (Signer::es384("key-1"), Signer::es384("key-2"));
    let servers = ["https://one.example.org/fhir", "https://other.example.org/fhir"];
    let app = TestApp::guarded(&two(&one, &other, servers), |_| ());
    let unsaid = || order("47383").without("/extension");
    for (name, signer, version) in [("one", &one, "2.2"), ("other", &other, "2.0")] {
        let token = Draft::of(&format!("https://{name}.example.org"), signer).signed_by(signer);
        let reply = app.sign_as_client(&token, unsaid()).decided();
        assert_eq!(app.entry(&reply.assertions()[0]).crd_version, version);
    }
    // What is said counts.
    let token = Draft::of("https://one.example.org", &one).signed_by(&one);
    let reply = app.sign_as_client(&token, order("47383").in_version("2.1")).decided();
    assert_eq!(app.entry(&reply.assertions()[0]).crd_version, "2.1");
}
