//! What is promised of FHIR servers holds for a client that is let in by a token over TLS (FAULTS E07, E08, E10, E11).

use std::time::Instant;

use covenant::config::Settings;

use super::gathering::{is_technical, without_coverage};
use crate::support::tokens::{Draft, Signer, jwks};
use crate::support::{Behaviour, Certified, FakeEhr, Place, Reply, Request, TestApp, held, order};

const ISSUER: &str = "https://ehr.example.org";

/// A client whose FHIR server is this one, and the server that lets it in over TLS.
struct Guarded {
    app: TestApp,
    certified: Certified,
    signer: Signer,
    _place: Place,
}

impl Guarded {
    fn with(server: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let (place, certified, signer) = (Place::empty(), Certified::new("localhost"), Signer::es384("key-1"));
        let [certificate, key] = certified.writes(&place);
        let keys = jwks([signer.jwk()]);
        let clients = format!(
            "[[client]]\nname = \"one\"\nissuer = \"{ISSUER}\"\njwks = '{keys}'\nfhir_servers = [\"{server}\"]\n"
        );
        let app = TestApp::guarded(&clients, |settings| {
            settings.tls.certificate = Some(certificate);
            settings.tls.key = Some(key);
            settings.ehr.servers = vec![server.to_owned()];
            change(settings);
        });
        Self { app, certified, signer, _place: place }
    }

    fn sends(&self, request: Request) -> Reply {
        let token = Draft::of(ISSUER, &self.signer).signed_by(&self.signer);
        self.app.by_tls(&self.certified).sign_as_client(&token, request)
    }
}

/// Asks for the Coverage of a client's own server that behaves like this: the degraded answer, and the calls that were made.
fn coverage_fails(behaviour: Behaviour) -> Vec<String> {
    let ehr = FakeEhr::holding(held()).but("Coverage", behaviour).starts();
    let (guarded, began) = (Guarded::with(&ehr.base(), |_| ()), Instant::now());
    is_technical(&guarded.sends(without_coverage().of(&ehr)).decided(), began);
    ehr.paths()
}

#[test]
fn e07_a_next_page_elsewhere_and_pages_without_end_are_not_followed() {
    let elsewhere = FakeEhr::holding(held()).starts();
    let next = format!("{}/Coverage?page=2", elsewhere.base());
    assert_eq!(coverage_fails(Behaviour::HasMoreAt(next)), ["Coverage"]);
    elsewhere.was_not_called();
    assert_eq!(coverage_fails(Behaviour::HasMoreAt("Coverage?page=2".to_owned())), ["Coverage"; 5]);
}

#[test]
fn e08_a_redirect_is_not_followed_wherever_it_leads() {
    let elsewhere = FakeEhr::holding(held()).starts();
    for to in [format!("{}/Coverage", elsewhere.base()), "http://169.254.169.254/latest/meta-data".to_owned()] {
        assert_eq!(coverage_fails(Behaviour::Redirects(to)), ["Coverage"]);
    }
    elsewhere.was_not_called();
}

#[test]
fn e09_no_other_server_than_the_client_s_own_is_asked_however_it_is_written() {
    let (own, other) = (FakeEhr::holding(held()).starts(), FakeEhr::holding(held()).starts());
    let guarded = Guarded::with(&own.base(), |settings| settings.ehr.servers.push(other.base()));
    let as_user = own.base().replace("://", "://user@");
    let in_hex = own.base().replace("127.0.0.1", "0x7f000001");
    for named in [other.base(), as_user, in_hex, format!("{}.evil.example", own.base())] {
        let began = Instant::now();
        is_technical(&guarded.sends(without_coverage().of(&own).with("/fhirServer", named)).decided(), began);
    }
    own.was_not_called();
    other.was_not_called();
    assert_eq!(guarded.sends(without_coverage().of(&own)).decided().says("covered"), ["not-covered"]);
}

#[test]
fn e10_a_server_without_encryption_or_without_an_address_is_refused() {
    let guarded = Guarded::with("https://ehr.example.org/fhir", |settings| settings.ehr.allow_http = false);
    for named in ["http://ehr.example.org/fhir", "HTTP://ehr.example.org/fhir", "ftp://ehr.example.org", "canary"] {
        guarded.sends(order("47383").with("/fhirServer", named)).refused(400, "value").at("fhirServer");
    }
    guarded.sends(order("47383").with("/fhirServer", "https://ehr.example.org/fhir")).decided();
}

#[test]
fn e11_a_registered_name_that_leads_to_a_private_address_is_not_connected_to() {
    let ehr = FakeEhr::holding(held()).starts();
    let named = format!("http://localhost:{}/fhir", ehr.port());
    let asks = |allow_private| {
        let guarded = Guarded::with(&named, |settings| settings.ehr.allow_private = allow_private);
        guarded.sends(without_coverage().of(&ehr).with("/fhirServer", named.clone())).decided()
    };
    let began = Instant::now();
    is_technical(&asks(false), began);
    ehr.was_not_called();
    assert_eq!(asks(true).says("covered"), ["not-covered"]);
}
