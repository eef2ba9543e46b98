//! Pages of known origins may call from a browser, and no others (FAULTS T17).

use crate::support::tokens::{Draft, Signer, bearer, jwks};
use crate::support::{Reply, TestApp, order};

const DESK: &str = "https://desk.example.org";
const SERVICE: &str = "/cds-services/order-sign-crd";
const FEEDBACK: &str = "/cds-services/order-sign-crd/feedback";

fn app(signer: &Signer) -> TestApp {
    let keys = jwks([signer.jwk()]);
    let clients = format!("[[client]]\nname = \"one\"\nissuer = \"a\"\njwks = '{keys}'\n");
    TestApp::guarded(&clients, |settings| {
        settings.cors_origins = vec![DESK.to_owned(), "http://localhost:3000".to_owned()];
    })
}

/// What a browser asks before it sends a token.
fn asks_first(app: &TestApp, path: &str, origin: &str) -> Reply {
    let lines = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization,content-type";
    let head = format!("OPTIONS {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\n{lines}\r\n\r\n");
    app.connect().sends(head).reply()
}

/// The origin whose pages may read a reply, which must say that it depends on that, and be told nothing else of origins.
#[track_caller]
fn readable_by(reply: &Reply) -> Option<String> {
    let said: Vec<&str> =
        reply.headers.iter().filter(|(name, _)| name == "vary").map(|(_, value)| value.as_str()).collect();
    assert_eq!(said, ["Origin"]);
    let told: Vec<_> = reply.headers.iter().filter(|(name, _)| name == "access-control-allow-origin").collect();
    assert!(told.len() <= 1, "{told:?}");
    assert_eq!(reply.header("access-control-allow-credentials"), None);
    if told.is_empty() {
        let others: Vec<_> = reply.headers.iter().filter(|(name, _)| name.starts_with("access-control")).collect();
        assert!(others.is_empty(), "{others:?}");
    }
    told.first().map(|(_, value)| value.clone())
}

#[test]
fn t17_a_page_of_a_known_origin_may_call_and_read_whatever_is_said() {
    let signer = Signer::es384("key-1");
    let app = app(&signer);
    for origin in [DESK, "http://localhost:3000"] {
        for path in ["/cds-services", SERVICE, FEEDBACK] {
            let reply = asks_first(&app, path, origin);
            assert_eq!(reply.status, 204);
            assert_eq!(readable_by(&reply).as_deref(), Some(origin));
            assert_eq!(reply.header("access-control-allow-methods"), Some("GET, POST"));
            assert_eq!(reply.header("access-control-allow-headers"), Some("authorization, content-type"));
        }
        let token = |path| bearer(&Draft::of("a", &signer).to(path).signed_by(&signer));
        let posts = |path, token: &str, body: String| {
            app.post_with(path, &[("Origin", origin), ("Authorization", token)], body)
        };
        let answered = posts(SERVICE, &token(SERVICE), order("47383").text());
        let card = answered.clone().decided().cards().remove(0);
        let told = format!(
            "{{\"feedback\":[{{\"card\":\"{card}\",\"outcome\":\"overridden\",\
             \"outcomeTimestamp\":\"2026-11-22T10:00:00Z\"}}]}}"
        );
        let replies = [
            (200, app.get_with("/cds-services", &[("Origin", origin)])),
            (200, answered),
            (200, posts(FEEDBACK, &token(FEEDBACK), told)),
            (401, posts(SERVICE, "Bearer none", order("47383").text())),
            (400, posts(SERVICE, &token(SERVICE), "{}".to_owned())),
            (404, posts("/cds-services/none", &token("/cds-services/none"), "{}".to_owned())),
            (404, app.get_with("/nowhere", &[("Origin", origin)])),
            (405, app.get_with(SERVICE, &[("Origin", origin)])),
        ];
        for (status, reply) in replies {
            assert_eq!(reply.status, status, "{}", reply.text());
            assert_eq!(readable_by(&reply).as_deref(), Some(origin), "{status}");
            assert_eq!(reply.header("access-control-expose-headers"), Some("x-request-id, retry-after"));
        }
    }
}

#[test]
fn t17_a_page_of_another_origin_is_told_of_none_however_much_it_looks_like_a_known_one() {
    let signer = Signer::es384("key-1");
    let app = app(&signer);
    for origin in [
        "https://canary.example",
        "https://desk.example.org.evil.com",
        "https://evil-desk.example.org",
        "https://desk.example.org:444",
        "https://desk.example.org:443",
        "http://desk.example.org",
        "https://desk.example.org/",
        "https://DESK.example.org",
        "https://desk.example.org@evil.com",
        "https://desk.example.org,https://evil.com",
        "https://desk.example.or",
        "https://example.org",
        "http://localhost:3001",
        "http://localhost",
        "null",
        "*",
        "",
    ] {
        for path in ["/cds-services", SERVICE, FEEDBACK] {
            let reply = asks_first(&app, path, origin);
            assert_eq!((reply.status, readable_by(&reply)), (204, None), "{origin}");
        }
        // It is not kept from calling, which no server could; it is kept from reading.
        let token = bearer(&Draft::of("a", &signer).signed_by(&signer));
        let lines = [("Origin", origin), ("Authorization", &token)];
        let answered = app.post_with(SERVICE, &lines, order("47383")).decided();
        assert_eq!(readable_by(&answered), None, "{origin}");
        let refused = app.post_with(SERVICE, &lines[..1], order("47383"));
        assert_eq!((refused.status, readable_by(&refused)), (401, None), "{origin}");
    }
    let twice =
        format!("GET /cds-services HTTP/1.1\r\nHost: localhost\r\nOrigin: {DESK}\r\nOrigin: https://evil.com\r\n\r\n");
    let reply = app.connect().sends(twice).reply();
    assert_eq!(readable_by(&reply), None);
}
