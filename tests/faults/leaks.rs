//! What a server that is in use writes anywhere: no token, no key and nothing of a patient (FAULTS R07).

use std::fs;

use serde_json::{Value, json};

use super::secrets::planted;
use crate::layering::logged::{FIELDS, sentences};
use crate::support::postgres::{self, Database};
use crate::support::tokens::{BASE_URL, Draft, Signer, bearer, encoded, jwks};
use crate::support::{
    Behaviour, CANARY, Caller, Environment, FakeEhr, Place, Request, RunningEhr, SECRET, Served, held, order,
};

const LISTEN: (&str, &str) = ("COVENANT_LISTEN", "127.0.0.1:0");

/// A server with a client, an operator and an EHR, and all the tokens that were sent to it.
struct Besieged {
    server: Served,
    ops: Caller,
    signer: Signer,
    ehr: RunningEhr,
    /// What must be nowhere.
    secrets: Vec<String>,
    /// What it said that is for everybody.
    said: Vec<String>,
    /// The calls that were answered.
    answered: Vec<String>,
}

impl Besieged {
    fn in_place(place: &Place, environment: Environment<'_>) -> Self {
        let ehr = FakeEhr::holding(held())
            .but("Coverage", Behaviour::Sends(format!("<html>{CANARY}</html>")))
            .but("Encounter/canary-encounter", Behaviour::Redirects(format!("https://{CANARY}.example/{CANARY}")))
            .but("Location/canary-location", Behaviour::Says(500))
            .starts();
        let signer = Signer::es384("key-1");
        let keys = jwks([signer.jwk()]);
        place.write(
            "clients.toml",
            format!(
                "[[client]]\nname = \"North\"\nissuer = \"https://north.example\"\njwks = '{keys}'\n\
                 fhir_servers = [\"{}\"]\ntenants = [\"one\"]\n",
                ehr.base()
            ),
        );
        place.write(
            "covenant.toml",
            format!(
                "[auth]\nclients = \"clients.toml\"\nbase_url = \"{BASE_URL}\"\n[ehr]\nallow_private = true\n\
                 [limits]\nfailures_per_minute = 0\n"
            ),
        );
        let tokens = format!("alice:{SECRET}:metrics+phi");
        let operators = [("COVENANT_OPS_LISTEN", "127.0.0.1:0"), ("COVENANT_OPS_TOKENS", &*tokens), LISTEN];
        let server = place.serve_in(&[&operators, environment].concat());
        let secrets = vec!["canary-access-token".to_owned(), SECRET.to_owned()];
        let ops = server.ops();
        Self { server, ops, signer, ehr, secrets, said: Vec::new(), answered: Vec::new() }
    }

    fn draft(&self) -> Draft {
        Draft::of("https://north.example", &self.signer).claim("tenant", "one").claim("sub", CANARY)
    }

    /// A token, whose parts are secrets from now on.
    fn token(&mut self, draft: &Draft) -> String {
        let token = draft.signed_by(&self.signer);
        self.secrets.extend(token.split('.').skip(1).map(str::to_owned));
        self.secrets.extend(draft.claims["jti"].as_str().map(str::to_owned));
        token
    }

    fn sends(&mut self, draft: &Draft, body: impl Into<Vec<u8>>) -> (u16, String) {
        let token = self.token(draft);
        let reply = self.server.sign_as_client(&token, body);
        if reply.status == 200 {
            self.answered.push(reply.request_id().to_string());
        } else {
            self.said.push(format!("{:?} {}", reply.headers, reply.text()));
        }
        (reply.status, reply.text().to_owned())
    }

    /// Calls of a client, good and bad.
    fn is_called(&mut self) {
        let draft = self.draft();
        let asking = |request: Request, server: &str| request.authorized().with("/fhirServer", server);
        let (known, unknown) = (self.ehr.base(), format!("https://{CANARY}.example/fhir"));
        let (status, answer) = self.sends(&draft, planted());
        assert_eq!(status, 200, "{answer}");
        let without = |key: &str| order("47383").without(&format!("/prefetch/{key}"));
        assert_eq!(self.sends(&self.draft(), asking(without("coverage"), &known)).0, 200);
        assert_eq!(self.sends(&self.draft(), asking(without("coverage"), &unknown)).0, 200);
        let located = order("47383").ordering("locationReference", json!([{"reference": "Location/canary-location"}]));
        assert_eq!(self.sends(&self.draft(), asking(located, &known)).0, 200);
        let spoilt = planted().without("/context/patientId");
        assert_eq!(self.sends(&self.draft(), spoilt).0, 400);
        assert_eq!(self.sends(&self.draft(), format!("{{\"{CANARY}\": {CANARY}")).0, 400);
        let card = serde_json::from_str::<Value>(&answer).unwrap()["cards"][0]["uuid"].clone();
        let path = "/cds-services/order-sign-crd/feedback";
        for (card, status) in [(card, 200), (json!(CANARY), 400), (json!("facf0942-94a3-4295-8f48-14ecac708473"), 404)]
        {
            let told = json!({"feedback": [{
                "card": card, "outcome": "overridden", "outcomeTimestamp": "2026-11-22T10:00:00Z",
                "overrideReason": {"reason": {"code": CANARY}, "userComment": CANARY}
            }]});
            let draft = self.draft().to(path);
            let token = bearer(&self.token(&draft));
            let reply = self.server.post_with(path, &[("Authorization", &token)], told.to_string());
            assert_eq!(reply.status, status, "{}", reply.text());
            self.said.push(format!("{:?} {}", reply.headers, reply.text()));
        }
    }

    /// Callers who are not let in.
    fn is_called_by_others(&mut self) {
        let draft = self.draft();
        let other = Signer::es384(CANARY);
        let forged = draft.signed_by(&other);
        let own = encoded(json!({"alg": "none"}).to_string());
        let mut headers = vec![
            format!("Basic {CANARY}"),
            format!("Bearer {CANARY}"),
            format!("Bearer {own}.{}.", encoded(draft.claims.to_string())),
            format!("Bearer {}", CANARY.repeat(2000)),
            bearer(&forged),
        ];
        self.secrets.extend(forged.split('.').skip(1).map(str::to_owned));
        for draft in [
            draft.clone().claim("iss", format!("https://{CANARY}.example")),
            draft.clone().claim("tenant", CANARY),
            draft.clone().claim("aud", CANARY),
            draft.clone().claim("exp", CANARY),
            draft.clone().head("kid", CANARY),
            draft.clone().head("jku", format!("https://{CANARY}.example/{CANARY}")),
            draft.head("jwk", other.jwk()),
        ] {
            headers.push(bearer(&self.token(&draft)));
        }
        for header in headers {
            let reply = self.server.sign_with_header("Authorization", &header, planted());
            assert!([401, 403].contains(&reply.status), "{}", reply.status);
            self.said.push(format!("{:?} {}", reply.headers, reply.text()));
        }
    }

    /// What is hardly a request.
    fn is_called_badly(&mut self) {
        let host = format!("Host: {CANARY}.example\r\n");
        let length = "Content-Type: application/json\r\nContent-Length:";
        for head in [
            format!("{CANARY}\r\n\r\n"),
            format!("GET /{CANARY}?{CANARY}={CANARY} HTTP/1.1\r\n{host}\r\n"),
            format!("GET /cds-services/{CANARY} HTTP/9.9\r\n{host}\r\n"),
            format!("{CANARY} /cds-services/{CANARY} HTTP/1.1\r\n{host}\r\n"),
            format!("POST /cds-services/{CANARY}/feedback HTTP/1.1\r\n{host}Content-Length: 0\r\n\r\n"),
            format!("POST /cds-services/order-sign-crd HTTP/1.1\r\n{host}{length} {CANARY}\r\n\r\n"),
            format!(
                "POST /cds-services/order-sign-crd HTTP/1.1\r\n{host}{length} 5\r\nTransfer-Encoding: {CANARY}\r\n\r\n"
            ),
            format!(
                "POST /cds-services/order-sign-crd HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n{CANARY}\r\n"
            ),
            format!("POST /cds-services/order-sign-crd HTTP/1.1\r\n{host}{length} 5\r\n{CANARY} {CANARY}\r\n\r\n"),
            format!("GET http://{CANARY}.example/{CANARY} HTTP/1.1\r\n{host}\r\n"),
            format!("OPTIONS /cds-services HTTP/1.1\r\n{host}Origin: https://{CANARY}.example\r\n\r\n"),
            format!("GET /cds-services/\u{7f}{CANARY} HTTP/1.1\r\n{host}\r\n"),
        ] {
            let said = self.server.connect().sends(&head).last_words();
            // Nothing may be said at all.
            assert!(said.is_empty() || said.starts_with("HTTP/1.1 4") || said.starts_with("HTTP/1.1 204"), "{said}");
            self.said.push(said);
        }
        drop(self.server.connect().sends(format!("POST /{CANARY} HTTP/1.1\r\nAuthorization: Bearer {CANARY}")));
    }

    /// What operators are shown without a patient, and what is shown to everybody.
    fn is_looked_at(&mut self) {
        let ops = self.ops.clone();
        for path in ["/healthz", "/readyz", "/metrics", "/canary?canary=canary", "/ledger/entries/canary"] {
            let reply = ops.get(path);
            self.said.push(format!("{:?} {}", reply.headers, reply.text()));
        }
        let refused = ops.get_as_operator("/policies", "canary-secret-of-somebody-else-0123456789");
        assert_eq!(refused.status, 401);
        self.said.push(refused.text().to_owned());
        for path in ["/policies", "/ledger/metrics?format=csv", "/ledger/metrics?format=json", "/ledger/verify"] {
            let reply = ops.get_as_operator(path, SECRET);
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            self.said.push(format!("{:?} {}", reply.headers, reply.text()));
        }
    }

    /// Everything of an entry, as an operator sees it.
    fn entries(&self) -> String {
        let ops = &self.ops;
        let entries = self.answered.iter().map(|id| ops.get_as_operator(&format!("/ledger/entries/{id}"), SECRET));
        let texts: Vec<String> = entries.map(|reply| reply.text().to_owned()).collect();
        texts.concat()
    }

    fn holds_no_secret(&self, text: &str, what: &str) {
        for secret in &self.secrets {
            assert!(!text.contains(secret.as_str()), "{what} has {secret}");
        }
    }
}

/// Nothing of a patient, nor of what somebody calls himself.
#[track_caller]
fn tells_nothing(text: &str, what: &str) {
    let lower = text.to_lowercase();
    for word in [CANARY, "1957-03-14", "19570314"] {
        assert!(!lower.contains(word), "{what} has {word}: {text}");
    }
}

/// Each line must be a sentence of ours, with fields of the closed list.
fn has_only_what_is_listed(log: &str) {
    let sentences = sentences();
    for line in log.lines() {
        let sentence = sentences.iter().filter(|sentence| line.contains(sentence.as_str())).max_by_key(|it| it.len());
        let Some(sentence) = sentence else { panic!("no sentence of ours: {line}") };
        let (_, fields) = line.split_once(sentence.as_str()).unwrap();
        // What stands in quotes, or after the first word of a sentence, has no name.
        for field in fields.split(' ').filter_map(|word| word.split_once('=')) {
            let known = FIELDS.iter().any(|(name, _)| *name == field.0);
            assert!(known, "{} is not on the list: {line}", field.0);
        }
    }
    assert!(log.lines().count() > 25, "{log}");
}

/// Runs a server with all this, and gives back what it holds at rest.
fn besieged(place: &Place, environment: Environment<'_>) -> Besieged {
    let mut besieged = Besieged::in_place(place, environment);
    besieged.is_called();
    besieged.is_called_by_others();
    besieged.is_called_badly();
    besieged.is_looked_at();
    for said in &besieged.said {
        besieged.holds_no_secret(said, "what is said");
        tells_nothing(said, "what is said");
    }
    let entries = besieged.entries();
    assert!(entries.to_lowercase().contains("canary-patient"));
    besieged.holds_no_secret(&entries, "an entry");
    besieged
}

impl Besieged {
    /// Ends it. What it wrote must tell nothing; its secrets are given back.
    fn ends(self) -> Vec<String> {
        let Self { server, secrets, .. } = self;
        let (out, err) = server.kill();
        let log = super::secrets::without_numbers(&err);
        for text in [&out.replace("order-sign-47383.request.json", ""), &log] {
            tells_nothing(text, "the terminal");
            assert_eq!(secrets.iter().find(|secret| text.contains(secret.as_str())), None);
        }
        has_only_what_is_listed(&err);
        secrets
    }
}

#[test]
fn r07_a_server_in_use_says_and_keeps_no_token_and_says_nothing_of_a_patient() {
    let place = Place::empty();
    let secrets = besieged(&place, &[]).ends();
    let files = fs::read_dir(&place).unwrap().map(|file| file.unwrap().path());
    let ledger: Vec<_> = files.filter(|path| path.to_str().unwrap().contains(".ledger")).collect();
    assert!(ledger.len() > 1, "no WAL beside {ledger:?}");
    for path in ledger {
        assert_not_in(&fs::read(path).unwrap(), &secrets);
    }
}

#[test]
fn r07_a_server_in_use_keeps_no_token_in_a_database() {
    let Some(database) = postgres::shared() else { return };
    let place = Place::empty();
    let secrets = besieged(&place, &[("COVENANT_LEDGER_URL", &database.url())]).ends();
    assert_not_in(&rows(&database), &secrets);
}

/// Every row of every table.
fn rows(database: &Database) -> Vec<u8> {
    let tables = database.ask("SELECT relname FROM pg_class WHERE relname LIKE 'ledger%' AND relkind IN ('r', 'p')");
    let mut all = Vec::new();
    for table in tables.into_iter().flatten().flatten() {
        let rows = database.ask(&format!("SELECT t::text FROM {table} AS t"));
        all.extend(rows.into_iter().flatten().flatten().flat_map(String::into_bytes));
    }
    assert!(all.len() > 1000);
    all
}

fn assert_not_in(bytes: &[u8], secrets: &[String]) {
    for secret in secrets {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        for word in [secret.as_bytes(), hex.as_bytes()] {
            assert_eq!(memchr::memmem::find(bytes, word), None, "{secret} is kept");
        }
    }
}
