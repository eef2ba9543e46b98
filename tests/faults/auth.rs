//! Who is let in: each way in which a token can be wrong, and the same refusal for all of them (FAULTS section 2).

mod claims;
mod door;
mod keys;
mod program;
mod reload;
mod shared;

use serde_json::Value;

use crate::support::tokens::{Draft, Signer, bearer, jwks};
use crate::support::{KeyServer, Reply, TestApp, order};

/// The client of a test.
const ISSUER: &str = "https://ehr.example.org";

/// What its answers are recorded under.
const NAME: &str = "ehr-of-the-test";

/// A client that is registered, and the server that lets it in.
struct Known {
    signer: Signer,
    keys: KeyServer,
    app: TestApp,
}

/// The registration of the client whose keys are at a place, with lines more.
fn registration(keys: &KeyServer, more: &str) -> String {
    format!("[[client]]\nname = \"{NAME}\"\nissuer = \"{ISSUER}\"\njwks_url = \"{}\"\n{more}\n", keys.url())
}

impl Known {
    /// One with a new key.
    fn new() -> Self {
        Self::with("")
    }

    /// One whose registration has lines more.
    fn with(more: &str) -> Self {
        let signer = Signer::es384("key-1");
        let keys = KeyServer::of(jwks([signer.jwk()]));
        let app = TestApp::guarded(&registration(&keys, more), |_| ());
        Self { signer, keys, app }
    }

    /// One that signs with this key, and whose server has other keys than those.
    fn serving(signer: Signer, keys: impl IntoIterator<Item = Value>) -> Self {
        let keys = KeyServer::of(jwks(keys));
        let app = TestApp::guarded(&registration(&keys, ""), |_| ());
        Self { signer, keys, app }
    }

    fn draft(&self) -> Draft {
        Draft::of(ISSUER, &self.signer)
    }

    fn sends(&self, draft: &Draft) -> Reply {
        self.app.sign_as_client(&draft.signed_by(&self.signer), order("47383"))
    }

    /// Sends a token, which must be refused.
    #[track_caller]
    fn is_refused(&self, draft: &Draft) {
        refused(self.sends(draft));
    }

    /// Sends a token that must be refused before any keys are fetched.
    #[track_caller]
    fn is_refused_and_nobody_asked(&self, draft: &Draft) {
        let before = self.keys.calls();
        self.is_refused(draft);
        assert_eq!(self.keys.calls(), before, "the keys were fetched");
    }

    /// A good token lets in, so that it was not something else that kept the others out.
    #[track_caller]
    fn still_answers(&self) {
        self.sends(&self.draft()).decided();
    }
}

/// The one refusal: the same status, headers and words for every cause, without a word of it.
#[track_caller]
fn refused(reply: Reply) {
    let varies = ["date", "x-request-id", "vary"];
    let headers: Vec<_> = reply.headers.iter().filter(|(name, _)| !varies.contains(&&**name)).cloned().collect();
    let expected = [
        ("www-authenticate", "Bearer error=\"invalid_token\""),
        ("content-type", "application/json; charset=utf-8"),
        ("cache-control", "no-store"),
        ("connection", "close"),
    ];
    for (name, value) in expected {
        assert_eq!(reply.header(name), Some(value), "{name}: {}", reply.text());
    }
    assert_eq!(headers.len(), expected.len() + 1, "{headers:?}");
    let id = reply.request_id().to_string();
    assert_eq!(
        reply.text().replace(&id, "ID"),
        "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"error\",\"code\":\"login\",\
         \"details\":{\"text\":\"The caller is not known here.\"},\"diagnostics\":\"request ID\"}]}"
    );
    reply.refused(401, "login").nowhere();
}

#[test]
fn a_valid_token_of_es384_or_rs384_is_answered_and_recorded_under_its_client_s_name() {
    for signer in [Signer::es384("key-1"), Signer::rs384("key-1")] {
        let jwk = signer.jwk();
        let known = Known::serving(signer, [jwk]);
        let jku = known.draft().head("jku", known.keys.url());
        for draft in [known.draft(), jku, known.draft().without("typ")] {
            let reply = known.sends(&draft).decided();
            let entry = known.app.entry(&reply.assertions()[0]);
            assert_eq!(entry.client, NAME);
        }
        assert_eq!(known.keys.calls(), 1, "keys are fetched once");
    }
}

#[test]
fn a_client_whose_keys_stand_in_its_registration_is_answered() {
    let signer = Signer::es384("key-1");
    let keys = jwks([signer.jwk()]);
    let clients = format!("[[client]]\nname = \"{NAME}\"\nissuer = \"{ISSUER}\"\njwks = '{keys}'\n");
    let app = TestApp::guarded(&clients, |_| ());
    app.sign_as_client(&Draft::of(ISSUER, &signer).signed_by(&signer), order("47383")).decided();
    // It has no place that a token could name.
    let named = Draft::of(ISSUER, &signer).head("jku", "https://ehr.example.org/jwks.json");
    refused(app.sign_as_client(&named.signed_by(&signer), order("47383")));
}

#[test]
fn feedback_takes_a_token_for_its_own_address_and_a_card_of_its_own_client() {
    let (one, other) = (Signer::es384("key-1"), Signer::es384("key-2"));
    let clients = [("one", &one), ("other", &other)].map(|(name, signer)| {
        let keys = jwks([signer.jwk()]);
        format!("[[client]]\nname = \"{name}\"\nissuer = \"https://{name}.example.org\"\njwks = '{keys}'\n")
    });
    let app = TestApp::guarded(&clients.concat(), |_| ());
    let draft = |name: &str, signer| Draft::of(&format!("https://{name}.example.org"), signer);
    let reply = app.sign_as_client(&draft("one", &one).signed_by(&one), order("47383")).decided();
    let card = &reply.cards()[0];
    let told = serde_json::json!({"feedback": [
        {"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-11-22T10:00:00Z"}
    ]});
    let path = "/cds-services/order-sign-crd/feedback";
    let tells = |token: String| app.post_with(path, &[("Authorization", &bearer(&token))], told.to_string());
    refused(app.post_with(path, &[], told.to_string()));
    refused(tells(draft("one", &one).signed_by(&one)));
    let of_another = tells(draft("other", &other).to(path).signed_by(&other));
    of_another.refused(404, "not-found");
    assert_eq!(app.told(card).len(), 0);
    assert_eq!(tells(draft("one", &one).to(path).signed_by(&one)).status, 200);
    assert_eq!(app.told(card)[0].client, "one");
}

#[test]
fn discovery_is_for_anybody_unless_it_is_said_to_take_a_token() {
    let signer = Signer::es384("key-1");
    let keys = KeyServer::of(jwks([signer.jwk()]));
    let clients = registration(&keys, "");
    assert_eq!(TestApp::guarded(&clients, |_| ()).get("/cds-services").status, 200);
    let app = TestApp::guarded(&clients, |settings| settings.auth.discovery_open = false);
    refused(app.get("/cds-services"));
    let token = |path| bearer(&Draft::of(ISSUER, &signer).to(path).signed_by(&signer));
    refused(app.get_with("/cds-services", &[("Authorization", &token("/cds-services/order-sign-crd"))]));
    assert_eq!(app.get_with("/cds-services", &[("Authorization", &token("/cds-services"))]).status, 200);
}

#[test]
fn a_request_that_two_clients_send_at_once_is_answered_to_each_and_recorded_for_each() {
    let (one, other) = (Signer::es384("key-1"), Signer::es384("key-2"));
    let clients = [("one", &one), ("other", &other)].map(|(name, signer)| {
        let keys = jwks([signer.jwk()]);
        format!("[[client]]\nname = \"{name}\"\nissuer = \"https://{name}.example.org\"\njwks = '{keys}'\n")
    });
    let app = TestApp::guarded(&clients.concat(), |_| ());
    let body = order("47383");
    for _ in 0..5 {
        let names = std::thread::scope(|scope| {
            let sent = [("one", &one), ("other", &other)].map(|(name, signer)| {
                let token = Draft::of(&format!("https://{name}.example.org"), signer).signed_by(signer);
                let (app, body) = (&app, &body);
                scope.spawn(move || app.sign_as_client(&token, body).decided())
            });
            let replies = sent.map(|reply| reply.join().unwrap());
            replies.map(|reply| app.entry(&reply.assertions()[0]).client)
        });
        assert_eq!(names, ["one", "other"]);
    }
}
