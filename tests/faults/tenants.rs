//! What one tenant or client leaves for its next call is nobody else's (FAULTS M01). What of that needs no server is tried in
//! [`ehr::warm`](crate::ehr) and [`ehr::connections`](crate::ehr).

use covenant::config::Settings;
use serde_json::json;

use crate::support::tokens::{Draft, Signer, bearer, jwks};
use crate::support::{FakeEhr, Reply, Request, RunningEhr, TestApp, TestLedger, held, order};

/// A client with tenants, and a server that lets it in.
struct Client {
    signer: Signer,
    app: TestApp,
}

impl Client {
    /// One whose registration has lines more.
    fn with(ledger: TestLedger, more: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let signer = Signer::es384("key-1");
        let keys = jwks([signer.jwk()]);
        let clients =
            format!("[[client]]\nname = \"one\"\nissuer = \"https://one.example\"\njwks = '{keys}'\n{more}\n");
        Self { app: TestApp::guarded_with(ledger, &clients, change), signer }
    }

    /// One that may ask a FHIR server.
    fn beside(ehr: &RunningEhr) -> Self {
        let base = ehr.base();
        let more = format!("fhir_servers = [\"{base}\"]");
        Self::with(TestLedger::ordinary(), &more, |settings| {
            settings.ehr.servers = vec![base];
            settings.ehr.allow_http = true;
        })
    }

    fn token(&self, tenant: &str, path: &str) -> String {
        let draft = Draft::of("https://one.example", &self.signer).to(path).claim("tenant", tenant);
        bearer(&draft.signed_by(&self.signer))
    }

    fn sends(&self, tenant: &str, request: impl Into<Vec<u8>>) -> Reply {
        let body = request.into();
        let hook = serde_json::from_slice::<serde_json::Value>(&body).unwrap()["hook"].as_str().unwrap().to_owned();
        let path = format!("/cds-services/{hook}-crd");
        self.app.post_with(&path, &[("Authorization", &self.token(tenant, &path))], body)
    }

    fn tells(&self, tenant: &str, card: &str) -> Reply {
        let path = "/cds-services/order-sign-crd/feedback";
        let at = "2026-11-24T10:00:00Z";
        let told = json!({"feedback": [{"card": card, "outcome": "overridden", "outcomeTimestamp": at}]});
        self.app.post_with(path, &[("Authorization", &self.token(tenant, path))], told.to_string())
    }
}

fn sign(ehr: &RunningEhr, token: &str) -> Request {
    order("47383").without("/prefetch/coverage").of(ehr).with("/fhirAuthorization/access_token", token)
}

fn select(ehr: &RunningEhr, token: &str) -> Request {
    let request = sign(ehr, token).with("/hook", "order-select");
    let id = request.at("/context/draftOrders/entry/0/resource/id").as_str().unwrap().to_owned();
    request.with("/context/selections", json!([format!("ServiceRequest/{id}")]))
}

#[test]
fn m01_what_is_kept_warm_is_read_by_the_same_tenant_and_token_alone() {
    let ehr = FakeEhr::holding(held()).starts();
    let client = Client::beside(&ehr);
    client.sends("h1", select(&ehr, "token-1")).decided();
    assert_eq!(ehr.requests().len(), 1);
    client.sends("h1", sign(&ehr, "token-1")).decided();
    assert_eq!(ehr.requests().len(), 1, "it is not asked again");
    client.sends("h2", sign(&ehr, "token-1")).decided();
    assert_eq!(ehr.requests().len(), 2, "another tenant's");
    client.sends("h1", sign(&ehr, "token-2")).decided();
    assert_eq!(ehr.requests().len(), 3, "by another token");
}

#[test]
fn m01_tenants_that_send_the_same_bytes_at_once_are_each_answered() {
    let (ledger, gate) = TestLedger::held();
    let client = Client::with(ledger, "", |_| ());
    let body = order("47383").text();
    std::thread::scope(|scope| {
        let sent = ["h1", "h2"].map(|tenant| (tenant, scope.spawn(|| client.sends(tenant, body.as_str()))));
        gate.wait_for_one();
        gate.wait_for_one();
        gate.open();
        for (tenant, reply) in sent {
            let reply = reply.join().unwrap().decided();
            assert_eq!(client.app.entry(&reply.assertions()[0]).tenant, tenant);
        }
    });
    assert_eq!(client.app.recorded(), 2);
}

#[test]
fn m01_a_tenant_tells_of_its_own_cards_alone() {
    let client = Client::with(TestLedger::ordinary(), "", |_| ());
    let card = client.sends("h1", order("47383")).decided().cards().remove(0);
    client.tells("h2", &card).refused(404, "not-found");
    assert_eq!(client.app.told(&card), []);
    assert_eq!(client.tells("h1", &card).status, 200);
    let kept = client.app.told(&card);
    assert_eq!(kept.iter().map(|item| (&*item.client, &*item.tenant)).collect::<Vec<_>>(), [("one", "h1")]);
}

#[test]
fn m01_a_registered_tenant_that_floods_keeps_no_other_out() {
    let client = Client::with(TestLedger::ordinary(), "tenants = [\"h1\", \"h2\"]", |settings| {
        settings.limits.client_per_minute = 2
    });
    for _ in 0..2 {
        client.sends("h1", order("47383")).decided();
    }
    client.sends("h1", order("47383")).refused(429, "throttled");
    client.sends("h2", order("47383")).decided();
}

#[test]
fn m01_nobody_calls_more_often_by_naming_tenants_that_are_not_registered() {
    let client = Client::with(TestLedger::ordinary(), "", |settings| settings.limits.client_per_minute = 2);
    for tenant in ["h1", "h2"] {
        client.sends(tenant, order("47383")).decided();
    }
    client.sends("h3", order("47383")).refused(429, "throttled");
}
