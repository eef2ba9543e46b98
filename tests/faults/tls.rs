//! Connections are encrypted, with what certificate serves now (FAULTS T01, T02).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, StreamOwned};

use crate::support::tokens::{BASE_URL, Draft, Signer, bearer, jwks};
use crate::support::{Certified, Place, TestApp, order};

const PATIENCE: Duration = Duration::from_secs(30);

/// A server that speaks TLS, its certificate, and where that lies.
fn encrypted() -> (TestApp, Certified, Place) {
    let (certified, place) = (Certified::new("localhost"), Place::empty());
    let [certificate, key] = certified.writes(&place);
    let app = TestApp::with_settings(|settings| {
        settings.tls.certificate = Some(certificate);
        settings.tls.key = Some(key);
    });
    (app, certified, place)
}

/// Discovery over TLS as a client of this kind: how it was spoken, and what came back.
fn asks(app: &TestApp, config: ClientConfig) -> std::io::Result<(ClientConnection, String)> {
    let connection = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let stream = TcpStream::connect(app.address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut tls = StreamOwned::new(connection, stream);
    tls.write_all(b"GET /cds-services HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut said = String::new();
    tls.read_to_string(&mut said)?;
    Ok((tls.conn, said))
}

/// The certificate that serves now.
fn serving(app: &TestApp, trusted: &[&Certified]) -> Option<CertificateDer<'static>> {
    trusted.iter().find_map(|certified| {
        let (connection, _) = asks(app, certified.trusted(rustls::ALL_VERSIONS)).ok()?;
        connection.peer_certificates()?.first().cloned()
    })
}

#[test]
fn t01_plain_http_is_not_answered_and_not_redirected() {
    let (app, certified, _place) = encrypted();
    let mut stream = TcpStream::connect(app.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = "POST /cds-services/order-sign-crd HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}";
    stream.write_all(head.as_bytes()).unwrap();
    let mut said = Vec::new();
    // A reset is an end too.
    _ = stream.read_to_end(&mut said);
    // At most an alert of TLS.
    assert!(said.is_empty() || (said[0] == 21 && said.len() == 7), "{said:?}");
    app.by_tls(&certified).sign(order("47383")).decided();
}

#[test]
fn t02_tls_1_2_and_1_3_are_spoken_the_newer_if_there_is_a_choice_and_never_http_2() {
    let (app, certified, _place) = encrypted();
    for (offered, spoken) in [
        (&[&TLS12][..], ProtocolVersion::TLSv1_2),
        (&[&TLS13][..], ProtocolVersion::TLSv1_3),
        (&[&TLS12, &TLS13][..], ProtocolVersion::TLSv1_3),
    ] {
        let mut config = certified.trusted(offered);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let (connection, said) = asks(&app, config).unwrap();
        assert_eq!(connection.protocol_version(), Some(spoken));
        assert_eq!(connection.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
    }
}

/// A ClientHello of a version of TLS, without extensions, that offers ciphers of its time.
fn hello(minor: u8) -> Vec<u8> {
    let ciphers = [0xc0, 0x13, 0xc0, 0x14, 0xc0, 0x09, 0xc0, 0x0a, 0x00, 0x2f, 0x00, 0x35, 0xc0, 0x2f, 0xc0, 0x2b];
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    body.push(0);
    body.extend([0, u8::try_from(ciphers.len()).unwrap()]);
    body.extend(ciphers);
    body.extend([1, 0]);
    let length = u8::try_from(body.len()).unwrap();
    let mut hello = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    hello.extend(body);
    hello
}

#[test]
fn t02_tls_1_1_and_older_is_refused() {
    let (app, certified, _place) = encrypted();
    for minor in [0, 1, 2] {
        let mut stream = TcpStream::connect(app.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&hello(minor)).unwrap();
        let mut said = Vec::new();
        _ = stream.read_to_end(&mut said);
        // A fatal alert, and nothing of a handshake.
        assert!(said.is_empty() || (said[0] == 21 && said[5] == 2), "{said:?}");
    }
    app.by_tls(&certified).sign(order("47383")).decided();
}

#[test]
fn a_certificate_that_is_replaced_serves_without_a_start_and_a_broken_one_does_not() {
    let (app, first, place) = encrypted();
    assert_eq!(serving(&app, &[&first]), Some(first.der()));
    let second = Certified::new("localhost");
    second.writes(&place);
    let began = Instant::now();
    while serving(&app, &[&first, &second]) != Some(second.der()) {
        assert!(began.elapsed() < PATIENCE, "the first one goes on serving");
        thread::sleep(Duration::from_millis(5));
    }
    // One whose key is not there, no certificate, and nothing at all.
    let third = Certified::new("localhost");
    let [certificate, key] = third.writes(&Place::empty()).map(|path| path.file_name().unwrap().to_owned());
    let stays = |what: &str| {
        thread::sleep(Duration::from_millis(200));
        assert_eq!(serving(&app, &[&second, &third]), Some(second.der()), "{what}");
    };
    let good = std::fs::read(place.path(key.to_str().unwrap())).unwrap();
    third.writes(&place);
    place.write(key.to_str().unwrap(), &good);
    // Between the two writes it may have fitted.
    let now = serving(&app, &[&second, &third]);
    assert!(now == Some(second.der()) || now == Some(third.der()));
    if now == Some(second.der()) {
        stays("another's key");
    }
    let now = serving(&app, &[&second, &third]);
    place.write(certificate.to_str().unwrap(), "no certificate");
    thread::sleep(Duration::from_millis(200));
    assert_eq!(serving(&app, &[&second, &third]), now);
    std::fs::remove_file(place.path(certificate.to_str().unwrap())).unwrap();
    thread::sleep(Duration::from_millis(200));
    assert_eq!(serving(&app, &[&second, &third]), now);
    let fourth = Certified::new("localhost");
    fourth.writes(&place);
    let began = Instant::now();
    while serving(&app, &[&fourth]) != Some(fourth.der()) {
        assert!(began.elapsed() < PATIENCE, "it does not recover");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_cannot_be_served_by_tls_is_refused_at_start() {
    let settings = "[tls]\ncertificate = \"tls.crt\"\nkey = \"tls.key\"";
    let place = Place::with_settings(settings);
    place.run(&["serve"]).failed(2, &["tls.certificate", "PEM"]);
    Certified::new("localhost").writes(&place);
    let other = Place::empty();
    let [_, key] = Certified::new("localhost").writes(&other);
    place.write("tls.key", std::fs::read(key).unwrap());
    place.run(&["serve"]).failed(2, &["tls.key is not the key of tls.certificate"]);
    place.write("tls.key", "no key");
    place.run(&["serve"]).failed(2, &["tls.key", "PEM"]);
    for half in ["[tls]\ncertificate = \"tls.crt\"", "[tls]\nkey = \"tls.key\""] {
        let place = Place::with_settings(half);
        Certified::new("localhost").writes(&place);
        place.run(&["serve"]).failed(2, &["tls.certificate and tls.key go together"]);
    }
}

#[test]
fn an_order_is_signed_over_tls_with_a_token_where_others_can_reach_us() {
    let (signer, certified) = (Signer::es384("key-1"), Certified::new("localhost"));
    let place = Place::with_settings(&format!(
        "[auth]\nclients = \"clients.toml\"\nbase_url = \"{BASE_URL}\"\n\
         [tls]\ncertificate = \"tls.crt\"\nkey = \"tls.key\"\n"
    ));
    let keys = jwks([signer.jwk()]);
    place.write("clients.toml", format!("[[client]]\nname = \"one\"\nissuer = \"a\"\njwks = '{keys}'\n"));
    certified.writes(&place);
    let server = place.serve();
    let caller = server.by_tls(&certified);
    assert_eq!(caller.get("/cds-services").status, 200);
    caller.sign(order("47383")).refused(401, "login");
    let request = order("47383");
    let reply = caller.sign_as_client(&Draft::of("a", &signer).signed_by(&signer), &request).decided();
    reply.returns(&request.order_text());
    let told = serde_json::json!({"feedback": [
        {"card": reply.cards()[0], "outcome": "overridden", "outcomeTimestamp": "2026-11-22T10:00:00Z"}
    ]});
    let path = "/cds-services/order-sign-crd/feedback";
    let token = bearer(&Draft::of("a", &signer).to(path).signed_by(&signer));
    assert_eq!(caller.post_with(path, &[("Authorization", &token)], told.to_string()).status, 200);
    let (out, _) = server.kill();
    assert!(out.contains(" on https://") && out.contains("clients   1, by signed tokens"), "{out}");
}
