//! The start banner: what it tells to try is answered by the server that tells it.

use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::{Value, json};

use crate::laws_support::repository;
use crate::support::{Certified, Environment, Place, PolicyFolder, Served};

const FREE: (&str, &str) = ("COVENANT_LISTEN", "127.0.0.1:0");

/// A place with the requests of the repository, as in a copy of it.
fn copy_of_the_repository() -> Place {
    let place = Place::empty();
    symlink(repository("cds-hooks"), place.path("cds-hooks")).unwrap();
    place
}

/// What a command prints that is run where the server was started. A refusal fails it.
#[track_caller]
fn answer_to(call: &str, place: &Place) -> Value {
    let call = call.replacen("curl ", "curl -sS --fail-with-body ", 1);
    let ran = Command::new("sh").args(["-c", &call]).current_dir(place.as_ref()).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{call}: {said}{}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_str(&said).unwrap()
}

/// Runs all that a server tells to try: so many calls, the first for discovery, the second with an order.
#[track_caller]
fn all_are_answered(server: &Served, place: &Place, calls: usize) {
    let tried = server.tried();
    assert_eq!(tried.len(), calls, "{tried:?}");
    for (call, member) in tried.iter().zip(["services", "systemActions"]) {
        let answer = answer_to(call, place);
        assert!(answer[member].as_array().is_some_and(|items| !items.is_empty()), "{call}: {answer}");
    }
}

#[track_caller]
fn is_answered(place: &Place, environment: Environment<'_>, calls: usize) {
    all_are_answered(&place.serve_in(environment), place, calls);
}

#[test]
fn what_the_banner_tells_to_try_is_answered_in_a_copy_of_the_repository() {
    is_answered(&copy_of_the_repository(), &[FREE], 2);
    is_answered(&copy_of_the_repository(), &[("COVENANT_LISTEN", "[::1]:0")], 2);
}

#[test]
fn where_there_is_no_file_to_send_none_is_told() {
    is_answered(&Place::empty(), &[FREE], 1);
}

#[test]
fn with_another_policy_set_the_banner_shows_a_request_that_this_set_answers_or_none() {
    let place = copy_of_the_repository();
    let folder = repository("tests/policies");
    is_answered(&place, &[FREE, ("COVENANT_POLICIES", folder.to_str().unwrap())], 2);
    // The example is of a member of another payer, as its number in the same system says.
    let other = PolicyFolder::copy().changing("payer/Organization-bcbsma.json", |payer| {
        payer["name"] = json!("Another payer");
        payer["alias"] = json!(["Another"]);
        payer["identifier"] = json!([{"system": "urn:oid:2.16.840.1.113883.6.300", "value": "99999"}]);
    });
    is_answered(&place, &[FREE, ("COVENANT_POLICIES", other.path().to_str().unwrap())], 1);
}

#[test]
fn with_limits_that_refuse_the_example_it_is_not_told() {
    is_answered(&copy_of_the_repository(), &[FREE, ("COVENANT_LIMITS_BODY_BYTES", "1000")], 1);
}

#[test]
fn with_tls_what_the_banner_tells_to_try_is_answered() {
    let place = copy_of_the_repository();
    let [certificate, key] = Certified::new("crd.payer.example").writes(&place);
    let tls =
        [("COVENANT_TLS_CERTIFICATE", certificate.to_str().unwrap()), ("COVENANT_TLS_KEY", key.to_str().unwrap())];
    is_answered(&place, &[FREE, tls[0], tls[1]], 2);
}

#[test]
fn with_clients_the_banner_tells_what_needs_no_token_at_the_address_that_they_call() {
    let place = copy_of_the_repository();
    let clients = place.write("clients.toml", "");
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let base = format!("http://{address}");
    let registered = [
        ("COVENANT_LISTEN", address.as_str()),
        ("COVENANT_AUTH_CLIENTS", clients.to_str().unwrap()),
        ("COVENANT_AUTH_BASE_URL", base.as_str()),
    ];
    is_answered(&place, &registered, 1);
    let closed = [&registered[..], &[("COVENANT_AUTH_DISCOVERY_OPEN", "false")]].concat();
    is_answered(&place, &closed, 0);
    // Where it listens on every address, it is reached by the one that is told to clients.
    let proxied = [
        ("COVENANT_LISTEN", "0.0.0.0:0"),
        ("COVENANT_TLS_PROXIES", "10.0.0.7"),
        ("COVENANT_AUTH_CLIENTS", clients.to_str().unwrap()),
        ("COVENANT_AUTH_BASE_URL", "https://crd.payer.example"),
    ];
    assert_eq!(place.serve_in(&proxied).tried(), ["curl https://crd.payer.example/cds-services"]);
}
