//! Clients that are bound to a certificate are let in over connections that show it, and others without any.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::tokens::{BASE_URL, Draft, Signer, jwks};
use crate::support::{Authority, Caller, Certified, Place, TestApp, order};

const PATIENCE: Duration = Duration::from_secs(30);

const SETTINGS: &str = "[tls]\ncertificate = \"tls.crt\"\nkey = \"tls.key\"\nclient_roots = \"clients.crt\"\n";

/// Settings by which clients are let in, with others.
fn settings(more: &str) -> String {
    format!("[auth]\nclients = \"clients.toml\"\nbase_url = \"{BASE_URL}\"\n{more}")
}

fn registration(name: &str, signer: &Signer, more: &str) -> String {
    format!("[[client]]\nname = \"{name}\"\nissuer = \"{name}\"\njwks = '{}'\n{more}\n", jwks([signer.jwk()]))
}

#[test]
fn a_client_that_is_bound_to_a_certificate_is_let_in_over_connections_that_show_it_and_over_no_other() {
    let (authority, served) = (Authority::new(), Certified::new("localhost"));
    let [first, next, others] = ["first", "next", "others"].map(|name| authority.issues(name));
    let (bound, free) = (Signer::es384("key-1"), Signer::es384("key-2"));
    let place = Place::with_settings(&settings(SETTINGS));
    let certificates = format!("certificates = [\"{}\", \"{}\"]", first.fingerprint(), next.fingerprint());
    place.write("clients.toml", registration("bound", &bound, &certificates) + &registration("free", &free, ""));
    served.writes(&place);
    authority.writes(&place);
    let server = place.serve();
    let sends = |shown: Option<&Certified>, name: &str, signer: &Signer| {
        let caller = Caller::by_tls_showing(server.address, &served, shown);
        caller.sign_as_client(&Draft::of(name, signer).signed_by(signer), order("47383"))
    };
    for own in [&first, &next] {
        sends(Some(own), "bound", &bound).decided();
    }
    for shown in [None, Some(&others)] {
        sends(shown, "bound", &bound).refused(401, "login").nowhere();
    }
    for shown in [None, Some(&others), Some(&first)] {
        sends(shown, "free", &free).decided();
    }
    // Another's certificate is no key: the token is looked at all the same.
    sends(Some(&first), "bound", &free).refused(401, "login");
    // One that nobody whom we believe has issued is no certificate, for whoever shows it.
    let stranger = Authority::new().issues("first");
    for shown in [&stranger, &Certified::new("first")] {
        assert!(Caller::by_tls_showing(server.address, &served, Some(shown)).try_sign(order("47383")).is_err());
    }
    let (_, err) = server.kill();
    assert_eq!(err.matches("why=\"certificate\"").count(), 2, "{err}");
}

#[test]
fn another_file_of_issuers_serves_without_a_start_and_a_broken_one_does_not() {
    let (place, served) = (Place::empty(), Certified::new("localhost"));
    let [before, after] = [Authority::new(), Authority::new()];
    let [certificate, key] = served.writes(&place);
    let roots = before.writes(&place);
    let app = TestApp::with_settings(|settings| {
        settings.tls.certificate = Some(certificate);
        settings.tls.key = Some(key);
        settings.tls.client_roots = Some(roots);
    });
    let [old, new] = [before.issues("one"), after.issues("one")];
    let is_believed =
        |shown: &Certified| Caller::by_tls_showing(app.address, &served, Some(shown)).try_sign(order("47383")).is_ok();
    assert!(is_believed(&old) && !is_believed(&new));
    after.writes(&place);
    let began = Instant::now();
    while !is_believed(&new) {
        assert!(began.elapsed() < PATIENCE, "those before go on");
        thread::sleep(Duration::from_millis(10));
    }
    assert!(!is_believed(&old));
    place.write("clients.crt", "no certificate");
    thread::sleep(Duration::from_millis(200));
    assert!(is_believed(&new) && !is_believed(&old));
}

#[test]
fn a_client_is_bound_to_nothing_that_cannot_be_looked_at() {
    let (signer, served) = (Signer::es384("key-1"), Certified::new("localhost"));
    let fingerprint = served.fingerprint();
    let bound = |text: &str| registration("bound", &signer, &format!("certificates = [\"{text}\"]"));
    let starts = |tls: &str, clients: &str, words: &[&str]| {
        let place = Place::with_settings(&settings(tls));
        place.write("clients.toml", clients);
        served.writes(&place);
        Authority::new().writes(&place);
        place.run(&["serve"]).failed(2, words);
    };
    let unseen = ["client 1: certificates cannot be held to", "tls.client_roots", "proxy"];
    starts("[tls]\nproxies = \"127.0.0.1\"\n", &bound(&fingerprint), &unseen);
    starts("[tls]\ncertificate = \"tls.crt\"\nkey = \"tls.key\"\n", &bound(&fingerprint), &unseen);
    starts("", &bound(&fingerprint), &unseen);
    let not_one = ["", "ab", &fingerprint.to_uppercase(), &format!("{fingerprint}0"), &"g".repeat(64)];
    for wrong in not_one {
        starts(SETTINGS, &bound(wrong), &["client 1: certificates are not SHA-256"]);
    }
    starts("[tls]\nclient_roots = \"clients.crt\"\n", "", &["tls.client_roots is of use only with tls.certificate"]);
    for wrong in ["clients.toml", "nowhere.crt", "tls.key"] {
        starts(&SETTINGS.replace("clients.crt", wrong), "", &["tls.client_roots cannot be read", "PEM"]);
    }
}
