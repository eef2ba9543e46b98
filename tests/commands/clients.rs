//! `covenant client`: who is registered, whether their keys can be had, and how another is registered.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::support::tokens::{BASE_URL, Draft, Signer, encoded, jwks};
use crate::support::{KeyServer, Place, Serves, order};

const ISSUER: &str = "https://ehr.example.org";

fn place() -> Place {
    Place::with_settings(&format!(
        "[auth]\nclients = \"clients.toml\"\nbase_url = \"{BASE_URL}\"\nallow_http = true\n[ehr]\nallow_private = true\n"
    ))
}

#[test]
fn a_client_that_is_added_is_listed_checked_and_let_in() {
    let (place, signer) = (place(), Signer::es384("key-1"));
    let keys = KeyServer::of(jwks([signer.jwk()]));
    let url = keys.url();
    let add = [
        "client",
        "add",
        "North \"Clinic\"",
        "--issuer",
        ISSUER,
        "--jwks-url",
        &url,
        "--fhir-server",
        "https://ehr.example.org/fhir",
        "--fhir-server",
        "https://ehr.example.org/other",
        "--crd-version",
        "2.2",
    ];
    assert!(place.run(&add).succeeded().contains("is registered in clients.toml"));
    let file = place.path("clients.toml");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let listed = place.run(&["client", "list"]).succeeded();
    for word in ["North \"Clinic\"", ISSUER, &url, "ehr.example.org/fhir", "ehr.example.org/other", "any", "2.2"] {
        assert!(listed.contains(word), "{word}: {listed}");
    }
    let checked = place.run(&["client", "check"]).succeeded();
    assert!(checked.starts_with("North \"Clinic\": 1 key usable\n  its keys come over plain http"), "{checked}");
    let server = place.serve();
    server.sign_as_client(&Draft::of(ISSUER, &signer).signed_by(&signer), order("47383")).decided();
}

#[test]
fn a_client_is_bound_to_certificates_as_they_are_printed_and_that_is_said_of_it() {
    let place = Place::with_settings(
        "[auth]\nclients = \"clients.toml\"\n[tls]\ncertificate = \"a\"\nkey = \"b\"\nclient_roots = \"c\"\n",
    );
    place.write("keys.json", jwks([Signer::es384("key-1").jwk()]));
    let printed = [["AB"; 32].join(":"), "cd".repeat(32)];
    let add = |name: &str, certificate: &str| {
        place.run(&["client", "add", name, "--issuer", name, "--jwks", "keys.json", "--certificate", certificate])
    };
    add("one", &printed[0]).succeeded();
    add("two", &printed[1]).succeeded();
    add("three", "AB:CD").failed(2, &["client 3: certificates are not SHA-256"]);
    let listed = place.run(&["client", "list"]).succeeded();
    assert!(listed.contains(&"ab".repeat(32)) && listed.contains(&printed[1]), "{listed}");
    let checked = place.run(&["client", "check"]).succeeded();
    assert_eq!(checked.matches("over connections that show its certificate").count(), 2, "{checked}");
    place.write("covenant.toml", "[auth]\nclients = \"clients.toml\"\n");
    place.run(&["client", "check"]).failed(2, &["client 1: certificates cannot be held to"]);
}

#[test]
fn a_client_is_added_with_keys_of_its_own_beside_what_is_there_and_no_double_is() {
    let (place, signer) = (place(), Signer::es384("key-1"));
    let before = "# Ours.\n[[client]]\nname = \"one\"\nissuer = \"a\"\njwks_url = \"https://one.example/jwks\"";
    let file = place.write("clients.toml", before);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    place.write("keys.json", jwks([signer.jwk()]));
    let add = |name: &str, issuer: &str, more: &[&str]| {
        place.run(&[&["client", "add", name, "--issuer", issuer], more].concat())
    };
    add("two", ISSUER, &["--jwks", "keys.json", "--tenant", "north"]).succeeded();
    let after = fs::read_to_string(&file).unwrap();
    assert!(after.starts_with(before), "{after}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    let url = ["--jwks-url", "https://x.example/jwks"];
    add("one", "b", &url).failed(2, &["client 3: name"]);
    add("three", ISSUER, &url).failed(2, &["client 3: issuer"]);
    add("three", "c", &["--jwks-url", "ftp://x.example"]).failed(2, &["client 3: jwks_url"]);
    add("three", "c", &["--jwks-url", "https://x.example/jwks", "--crd-version", "7"]).failed(2, &["crd_version"]);
    add("three", "c", &[]).failed(2, &["--jwks-url"]);
    place.write("keys.json", "{}");
    add("three", "c", &["--jwks", "keys.json"]).failed(2, &["client 3: jwks is no JWKS"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), after, "what is refused changes nothing");
    assert!(!place.path("clients.toml.new").exists());
    place.write("clients.toml", "[[client]\n");
    add("three", "c", &url).failed(2, &["auth.clients"]);
}

#[test]
fn what_is_wrong_with_keys_is_said_of_each_client() {
    let (place, good) = (place(), Signer::es384("key-1"));
    let mut short = Signer::rs384("short").jwk();
    short["n"] = json!(encoded([0xb5; 128]));
    let mut beside = Signer::es384("beside").jwk();
    beside["x"] = json!(encoded([1; 48]));
    let mut secret = Signer::es384("secret").jwk();
    secret["d"] = json!("AA");
    let double = Signer::es384("double").jwk();
    let all = [good.jwk(), short.clone(), beside, secret, double.clone(), double, json!({"kty": "EC"})];
    let servers = [
        Serves::Keys(jwks(all)),
        Serves::Keys(jwks([short])),
        Serves::Html,
        Serves::Says(404),
        Serves::Nothing,
        Serves::Redirect("https://evil.example".to_owned()),
        Serves::Endlessly,
    ]
    .map(KeyServer::that);
    let names = ["mixed", "short", "html", "gone", "down", "moved", "large"];
    let clients = names.iter().zip(&servers).map(|(name, keys)| {
        format!("[[client]]\nname = \"{name}\"\nissuer = \"{name}\"\njwks_url = \"{}\"\n", keys.url())
    });
    place.write("clients.toml", clients.collect::<String>());
    let ran = place.run(&["client", "check"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("6 of 7 clients would not be let in"), "{}", ran.err);
    for line in [
        "mixed: 1 key usable\n  key 2 is too short",
        "  key 3 is not on its curve",
        "  key 4 is a secret",
        "  key 5 has another's kid\n  key 6 has another's kid\n  key 7 ",
        "short: 0 keys usable: none of its keys can be used\n  key 1 is too short",
        "html: its keys cannot be had: it is no JSON",
        "gone: its keys cannot be had: it is not there",
        "down: its keys cannot be had: there is no connection",
        "moved: its keys cannot be had: it is elsewhere",
        "large: its keys cannot be had: it is too large",
    ] {
        assert!(ran.out.contains(line), "{line}: {}", ran.out);
    }
}

#[test]
fn clients_are_looked_after_where_a_file_of_them_is_named() {
    for command in [&["client", "list"][..], &["client", "check"]] {
        Place::empty().run(command).failed(2, &["auth.clients"]);
        place().run(command).failed(2, &["clients.toml cannot be read"]);
    }
}
