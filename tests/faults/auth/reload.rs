//! Clients are registered, changed and taken away while the server runs; a file with a fault changes nothing.

use std::thread;
use std::time::{Duration, Instant};

use super::{ISSUER, registration};
use crate::support::tokens::{BASE_URL, Draft, Signer, jwks};
use crate::support::{FakeEhr, KeyServer, Place, Served, held, order};

const PATIENCE: Duration = Duration::from_secs(60);

const OTHER: &str = "https://other.example.org";

fn place() -> Place {
    Place::with_settings(&format!(
        "[auth]\nclients = \"clients.toml\"\nbase_url = \"{BASE_URL}\"\nallow_http = true\nlook_seconds = 1\n\
         [ehr]\nallow_private = true\n[limits]\nfailures_per_minute = 0\n"
    ))
}

fn serve(place: &Place) -> Served {
    place.serve_in(&[("COVENANT_LISTEN", "127.0.0.1:0"), ("COVENANT_OPS_LISTEN", "127.0.0.1:0")])
}

/// The registration of another client, by the keys themselves, with lines more.
fn another(signer: &Signer, more: &str) -> String {
    format!("[[client]]\nname = \"other\"\nissuer = \"{OTHER}\"\njwks = '{}'\n{more}\n", jwks([signer.jwk()]))
}

fn status(server: &Served, issuer: &str, signer: &Signer) -> u16 {
    server.sign_as_client(&Draft::of(issuer, signer).signed_by(signer), order("47383")).status
}

#[track_caller]
fn wait_for(what: &str, so: impl Fn() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_file_of_registrations_that_has_changed_serves_without_a_start_and_one_with_a_fault_does_not() {
    let (one, other) = (Signer::es384("key-1"), Signer::es384("key-2"));
    let keys = KeyServer::of(jwks([one.jwk()]));
    let (place, first) = (place(), registration(&keys, ""));
    place.write("clients.toml", &first);
    let server = serve(&place);
    let ops = server.ops();
    let failed = |said: &str| ops.get("/metrics").text().contains(&format!("covenant_clients_reload_failed {said}\n"));
    let used = Draft::of(ISSUER, &one).signed_by(&one);
    server.sign_as_client(&used, order("47383")).decided();
    assert_eq!(status(&server, OTHER, &other), 401);
    place.write("clients.toml", format!("{first}{}", another(&other, "")));
    wait_for("the other is not let in", || status(&server, OTHER, &other) == 200);
    assert_eq!(status(&server, ISSUER, &one), 200);
    // What was known before is known still.
    server.sign_as_client(&used, order("47383")).refused(401, "login");
    assert_eq!(keys.calls(), 1, "keys that were there were fetched again");
    assert!(failed("0"));
    let bad_server = another(&other, "fhir_servers = [\"ftp://ehr.example.org\"]");
    for fault in ["[[client]\n".to_owned(), "[[client]]\nname = \"third\"\n".to_owned(), format!("{first}{bad_server}")]
    {
        place.write("clients.toml", &fault);
        wait_for("the fault is not noticed", || failed("1"));
        assert_eq!([status(&server, ISSUER, &one), status(&server, OTHER, &other)], [200, 200], "{fault}");
        place.write("clients.toml", format!("{first}{}", another(&other, "")));
        wait_for("the fault is not over", || failed("0"));
    }
    place.write("clients.toml", another(&other, ""));
    wait_for("who is registered no more is let in", || status(&server, ISSUER, &one) == 401);
    assert_eq!(status(&server, OTHER, &other), 200);
    let (_, err) = server.kill();
    assert!(err.contains("other registrations of clients serve from now on clients=2"), "{err}");
    assert!(err.contains("those before go on serving") && err.contains("ftp://ehr.example.org"), "{err}");
}

#[test]
fn the_fhir_server_of_a_client_that_is_registered_while_the_server_runs_is_asked() {
    let (ehr, other) = (FakeEhr::holding(held()).starts(), Signer::es384("key-2"));
    let place = place();
    place.write("clients.toml", another(&other, ""));
    let server = serve(&place);
    let says = || {
        let body = order("47383").without("/prefetch/coverage").of(&ehr);
        let token = Draft::of(OTHER, &other).signed_by(&other);
        server.sign_as_client(&token, body).decided().says("covered")
    };
    assert_eq!(says(), ["indeterminate"]);
    ehr.was_not_called();
    place.write("clients.toml", another(&other, &format!("fhir_servers = [\"{}\"]", ehr.base())));
    wait_for("it is not asked", || says() == ["not-covered"]);
    place.write("clients.toml", another(&other, ""));
    wait_for("it is asked still", || says() == ["indeterminate"]);
}
