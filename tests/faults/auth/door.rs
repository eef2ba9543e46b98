//! What is wrong with a token before its claims are looked at, and where its keys are said to be (FAULTS A01 to A08).

use ring::hmac;
use serde_json::json;

use super::{ISSUER, Known, refused};
use crate::support::tokens::{Draft, Signer, bearer, encoded, jwks};
use crate::support::{KeyServer, TestApp, order};

#[test]
fn a01_what_is_no_bearer_token_of_three_parts_is_refused() {
    let known = Known::new();
    let sends = |value: &str| known.app.sign_with_header("Authorization", value, order("47383"));
    refused(known.app.sign(order("47383")));
    let good = known.draft().signed_by(&known.signer);
    let [head, claims, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    for value in [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        good.clone(),
        format!("Basic {good}"),
        format!("Bearer{good}"),
        format!("Bearer  {good}"),
        format!("Bearer {good} {good}"),
        format!("Bearer {good},{good}"),
        format!("Bearer {head}.{claims}"),
        format!("Bearer {head}.{claims}."),
        format!("Bearer {head}..{signature}"),
        format!("Bearer .{claims}.{signature}"),
        format!("Bearer {good}.{signature}"),
        format!("Bearer {good}="),
        format!("Bearer {head}=.{claims}.{signature}"),
        format!("Bearer {head}.{}.{signature}", claims.replace(|it: char| it.is_ascii_digit(), "é")),
        format!("Bearer {}.{claims}.{signature}", encoded("[]")),
        format!("Bearer {}.{claims}.{signature}", encoded("{")),
        format!("Bearer {head}.{}.{signature}", encoded("\"claims\"")),
        "Bearer null".to_owned(),
    ] {
        refused(sends(&value));
    }
    let long = known.draft().claim("padding", "x".repeat(8 * 1024)).signed_by(&known.signer);
    refused(sends(&bearer(&long)));
    // Of two headers it could not be told which is meant.
    let body = order("47383").text();
    let lines = [
        "Content-Type: application/json".to_owned(),
        format!("Content-Length: {}", body.len()),
        format!("Authorization: {}", bearer(&good)),
        format!("Authorization: {}", bearer(&good)),
    ];
    let lines = lines.each_ref().map(String::as_str);
    refused(known.app.connect().sends_head(&lines).sends(&body).reply());
    assert_eq!(known.keys.calls(), 0);
    sends(&format!("bEARER {good}")).decided();
}

#[test]
fn a01_a_member_twice_in_header_or_claims_is_refused_whichever_would_be_right() {
    let known = Known::new();
    let Draft { header, claims } = known.draft();
    let (header, claims) = (header.to_string(), claims.to_string());
    let twice = |text: &str, member: &str| format!("{{{member},{}", &text[1..]);
    for (header, claims) in [
        (twice(&header, "\"alg\":\"none\""), claims.clone()),
        (twice(&header, "\"alg\":\"ES384\""), claims.clone()),
        (twice(&header, "\"\\u0061lg\":\"none\""), claims.clone()),
        (twice(&header, "\"kid\":\"key-1\""), claims.clone()),
        (header.clone(), twice(&claims, "\"iss\":\"https://evil.example\"")),
        (header.clone(), twice(&claims, "\"exp\":1")),
        (header.clone(), twice(&claims, "\"j\\u0074i\":\"other\"")),
        (header.clone(), format!("{claims} {{}}")),
        (header.clone(), format!("\u{feff}{claims}")),
    ] {
        let token = known.signer.signs(&header, &claims);
        refused(known.app.sign_as_client(&token, order("47383")));
    }
    assert_eq!(known.keys.calls(), 0);
    known.app.sign_as_client(&known.signer.signs(&header, &claims), order("47383")).decided();
}

#[test]
fn a02_a_token_without_signature_is_refused_in_whatever_letters_it_says_so() {
    let known = Known::new();
    for none in ["none", "None", "NONE", "nOnE", "", "none ", "ES384none"] {
        let draft = known.draft().head("alg", none);
        known.is_refused_and_nobody_asked(&draft);
        let message = format!("{}.{}", encoded(draft.header.to_string()), encoded(draft.claims.to_string()));
        for token in [format!("{message}."), message] {
            refused(known.app.sign_as_client(&token, order("47383")));
        }
    }
    for other in [json!(null), json!(["ES384"]), json!({"alg": "ES384"}), json!(384), json!(true)] {
        known.is_refused_and_nobody_asked(&known.draft().head("alg", other));
    }
    known.is_refused_and_nobody_asked(&known.draft().without("alg"));
    known.still_answers();
}

#[test]
fn a03_a_token_that_is_signed_with_the_public_key_as_a_secret_is_refused() {
    let known = Known::new();
    let jwk = known.signer.jwk();
    let secrets = [jwk.to_string(), jwks([jwk.clone()]), jwk["x"].as_str().unwrap().to_owned()];
    for (name, algorithm) in [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
    {
        let draft = known.draft().head("alg", name);
        let message = format!("{}.{}", encoded(draft.header.to_string()), encoded(draft.claims.to_string()));
        for secret in &secrets {
            let signature = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), message.as_bytes());
            refused(known.app.sign_as_client(&format!("{message}.{}", encoded(signature)), order("47383")));
        }
    }
    assert_eq!(known.keys.calls(), 0);
    // Nor is a key for secrets one that a client could register.
    let symmetric = json!({"kty": "oct", "kid": "key-1", "k": encoded("secret"), "alg": "ES384"});
    let served = Known::serving(Signer::es384("key-1"), [symmetric]);
    served.is_refused(&served.draft());
    known.still_answers();
}

#[test]
fn a04_an_algorithm_that_is_not_on_the_list_is_refused() {
    let known = Known::new();
    for other in ["ES256", "ES512", "RS256", "RS512", "PS384", "EdDSA", "es384", "Es384"] {
        known.is_refused_and_nobody_asked(&known.draft().head("alg", other));
    }
    // A good signature of another algorithm is none, unless that is on the list.
    let signer = Signer::es256("key-1");
    let keys = KeyServer::of(jwks([signer.jwk()]));
    let clients = super::registration(&keys, "");
    let token = |signer: &Signer| Draft::of(ISSUER, signer).signed_by(signer);
    refused(TestApp::guarded(&clients, |_| ()).sign_as_client(&token(&signer), order("47383")));
    let listed = TestApp::guarded(&clients, |settings| settings.auth.algorithms = vec!["ES256".to_owned()]);
    listed.sign_as_client(&token(&signer), order("47383")).decided();
    refused(listed.sign_as_client(&token(&known.signer), order("47383")));
    known.still_answers();
}

#[test]
fn a04_a_key_that_is_for_something_else_is_refused() {
    let changed = |name: &str, value: serde_json::Value| {
        let signer = Signer::es384("key-1");
        let mut jwk = signer.jwk();
        jwk[name] = value;
        Known::serving(signer, [jwk])
    };
    for (name, value) in [
        ("alg", json!("ES256")),
        ("alg", json!("RS384")),
        ("alg", json!("HS384")),
        ("use", json!("enc")),
        ("key_ops", json!(["sign"])),
        ("crv", json!("P-256")),
        ("crv", json!("P-521")),
        ("kty", json!("RSA")),
        ("kty", json!("OKP")),
        ("d", json!(encoded("secret"))),
    ] {
        let known = changed(name, value.clone());
        refused(known.sends(&known.draft()));
        assert_eq!(known.keys.calls(), 1, "{name} {value}");
    }
    for (name, value) in [("key_ops", json!(["verify"])), ("x5t", json!("abc"))] {
        changed(name, value).still_answers();
    }
    // A key of the other family.
    let (ec, rsa) = (Signer::es384("key-1"), Signer::rs384("key-1"));
    let jwk = rsa.jwk();
    let known = Known::serving(ec, [jwk]);
    known.is_refused(&known.draft());
    known.is_refused(&known.draft().head("alg", "RS384"));
    known.app.sign_as_client(&Draft::of(ISSUER, &rsa).signed_by(&rsa), order("47383")).decided();
}

#[test]
fn a05_an_issuer_that_is_not_registered_is_refused_and_nobody_is_called() {
    let known = Known::new();
    let evil = KeyServer::of(jwks([known.signer.jwk()]));
    for issuer in [
        "https://evil.example",
        "https://ehr.example.org/",
        "https://ehr.example.org.evil.example",
        "https://EHR.example.org",
        "http://ehr.example.org",
        " https://ehr.example.org",
        "",
    ] {
        known.is_refused_and_nobody_asked(&known.draft().claim("iss", issuer));
        known.is_refused_and_nobody_asked(&known.draft().claim("iss", issuer).head("jku", evil.url()));
    }
    for issuer in [json!(null), json!([ISSUER]), json!({}), json!(1)] {
        known.is_refused_and_nobody_asked(&known.draft().claim("iss", issuer));
    }
    known.is_refused_and_nobody_asked(&known.draft().without("iss"));
    assert_eq!(evil.calls(), 0);
    known.still_answers();
}

#[test]
fn a06_a_place_of_keys_that_differs_by_one_byte_is_refused_and_nobody_is_called() {
    let known = Known::new();
    let url = known.keys.url();
    for place in [
        format!("{url}/"),
        format!("{url}?"),
        format!("{url}#"),
        format!(" {url}"),
        url.replace("jwks", "jwkS"),
        url.replace("http:", "HTTP:"),
        url[..url.len() - 1].to_owned(),
        url.replace("/jwks", "//jwks"),
        url.replace("/jwks", "/./jwks"),
        url.replace("http:", "https:"),
        String::new(),
    ] {
        known.is_refused_and_nobody_asked(&known.draft().head("jku", place));
    }
    for place in [json!(null), json!([url]), json!({}), json!(1)] {
        known.is_refused_and_nobody_asked(&known.draft().head("jku", place));
    }
    known.still_answers();
}

#[test]
fn a07_a_place_of_keys_that_looks_like_the_registered_one_is_refused_and_nobody_is_called() {
    let known = Known::new();
    let evil = KeyServer::of(jwks([known.signer.jwk()]));
    let (own, other) = (known.keys.authority(), evil.authority());
    let port = own.rsplit_once(':').unwrap().1;
    for place in [
        evil.url(),
        format!("http://{own}@{other}/jwks.json"),
        format!("http://{own}.evil.example/jwks.json"),
        format!("http://{other}/jwks.json#{}", known.keys.url()),
        format!("http://{other}/jwks.json?{}", known.keys.url()),
        format!("http://127.0.0.1.:{port}/jwks.json"),
        format!("http://127.1:{port}/jwks.json"),
        format!("http://localhost:{port}/jwks.json"),
        format!("http://0x7f000001:{port}/jwks.json"),
        format!("http://{own}%2fjwks.json"),
        format!("http://{own}/%6awks.json"),
        format!("http://{own}\\@{other}/jwks.json"),
        format!("//{own}/jwks.json"),
    ] {
        known.is_refused_and_nobody_asked(&known.draft().head("jku", place));
    }
    assert_eq!(evil.calls(), 0);
    known.still_answers();
}

#[test]
fn a08_a_header_that_brings_a_key_or_wants_what_we_do_not_know_is_refused() {
    let known = Known::new();
    let evil = KeyServer::of(String::new());
    for (name, value) in [
        ("jwk", known.signer.jwk()),
        ("jwk", json!(null)),
        ("x5u", json!(evil.url())),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("typ", json!("at+jwt")),
        ("typ", json!(["JWT"])),
    ] {
        known.is_refused_and_nobody_asked(&known.draft().head(name, value));
    }
    assert_eq!(evil.calls(), 0);
    known.still_answers();
}
