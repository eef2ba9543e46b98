//! Whom a token is for, when, how often and for which tenant (FAULTS A14 to A20, A23).

use std::thread;

use serde_json::json;

use super::{ISSUER, Known, refused, registration};
use crate::support::tokens::{BASE_URL, Draft, Signer, bearer, jwks, now};
use crate::support::{KeyServer, TestApp, order};

#[test]
fn a14_a_token_is_for_exactly_the_endpoint_that_is_called() {
    let known = Known::new();
    let own = format!("{BASE_URL}/cds-services/order-sign-crd");
    for audience in [
        json!(format!("{BASE_URL}/cds-services")),
        json!(format!("{BASE_URL}/cds-services/order-select-crd")),
        json!(format!("{own}/feedback")),
        json!(format!("{own}/")),
        json!(format!("{own}?")),
        json!(format!("{own}#")),
        json!(format!(" {own}")),
        json!(own.replace("https", "http")),
        json!(own.replace("https", "HTTPS")),
        json!(own.replace("payer", "PAYER")),
        json!(own.replace("/cds-services", ":443/cds-services")),
        json!(own.replace("/cds-services", "//cds-services")),
        json!(own.replace("order-sign", "order%2Dsign")),
        json!(format!("http://{}/cds-services/order-sign-crd", known.app.address)),
        json!("https://crd.payer.example.evil.example/cds-services/order-sign-crd"),
        json!("/cds-services/order-sign-crd"),
        json!(BASE_URL),
        json!(""),
        json!([]),
        json!([""]),
        json!([[own]]),
        json!([own, 1]),
        json!({"aud": own}),
        json!(null),
        json!(1),
    ] {
        known.is_refused_and_nobody_asked(&known.draft().claim("aud", audience));
    }
    known.is_refused_and_nobody_asked(&known.draft().without("aud"));
    for audience in [json!(own), json!([own]), json!(["https://other.example", own])] {
        known.sends(&known.draft().claim("aud", audience)).decided();
    }
}

#[test]
fn t18_what_a_caller_says_of_host_and_proxies_changes_nothing_of_whom_a_token_is_for() {
    let known = Known::new();
    let token = known.draft().claim("aud", "https://evil.example/cds-services/order-sign-crd").signed_by(&known.signer);
    let body = order("47383").text();
    let lines = [
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: https",
        "Forwarded: host=evil.example;proto=https",
        "X-Original-URL: https://evil.example/cds-services/order-sign-crd",
        "Content-Type: application/json",
        &format!("Content-Length: {}", body.len()),
        &format!("Authorization: {}", bearer(&token)),
    ];
    for target in ["/cds-services/order-sign-crd", "https://evil.example/cds-services/order-sign-crd"] {
        let head = format!("POST {target} HTTP/1.1\r\nHost: evil.example\r\n{}\r\n\r\n", lines.join("\r\n"));
        refused(known.app.connect().sends(head).sends(&body).reply());
    }
    known.still_answers();
}

#[test]
fn a15_a_token_that_is_over_for_more_than_a_minute_is_refused() {
    let known = Known::new();
    // A server that has run for long knows no tokens from before it began.
    let old = TestApp::guarded(&registration(&known.keys, ""), |settings| settings.auth.single_use_jti = false);
    let over = |seconds: i64| {
        let over = now() - seconds;
        let draft = known.draft().claim("iat", over - 100).claim("exp", over);
        old.sign_as_client(&draft.signed_by(&known.signer), order("47383"))
    };
    for seconds in [61, 62, 3600, 100_000] {
        refused(over(seconds));
    }
    for seconds in [50, 1, 0] {
        over(seconds).decided();
    }
}

#[test]
fn a16_a_time_that_is_missing_or_not_written_in_whole_seconds_is_refused() {
    let known = Known::new();
    for claim in ["exp", "iat"] {
        known.is_refused_and_nobody_asked(&known.draft().without(claim));
    }
    let Draft { header, claims } = known.draft().claim("nbf", 7);
    let (header, claims) = (header.to_string(), claims.to_string());
    for claim in ["exp", "iat", "nbf"] {
        let at = claims.find(&format!("\"{claim}\":")).unwrap() + claim.len() + 3;
        let end = at + claims[at..].find([',', '}']).unwrap();
        let good = &claims[at..end];
        for bad in [
            &format!("\"{good}\""),
            &format!("{good}.0"),
            &format!("{good}.5"),
            &format!("{good}e0"),
            &format!("-{good}"),
            "-0",
            "0e0",
            "1e3",
            "1E+9",
            "100000000000000000000",
            "1e20",
            "1e999999",
            "18446744073709551616",
            "null",
            "true",
            "[]",
            "{}",
            // As arbitrary precision is written inside of serde_json.
            &format!("{{\"$serde_json::private::Number\":\"{good}\"}}"),
        ] {
            let token = known.signer.signs(&header, &format!("{}{bad}{}", &claims[..at], &claims[end..]));
            refused(known.app.sign_as_client(&token, order("47383")));
        }
    }
    assert_eq!(known.keys.calls(), 0);
    known.app.sign_as_client(&known.signer.signs(&header, &claims), order("47383")).decided();
}

#[test]
fn a17_a_token_that_is_good_for_longer_than_five_minutes_and_a_minute_of_skew_is_refused() {
    let known = Known::new();
    let lasting = |seconds: i64| {
        let issued = now() + 1;
        known.draft().claim("iat", issued).claim("exp", issued + seconds)
    };
    for seconds in [361, 3600, 110_000_000] {
        known.is_refused_and_nobody_asked(&lasting(seconds));
    }
    for seconds in [0, -1] {
        known.is_refused_and_nobody_asked(&lasting(seconds));
    }
    known.is_refused_and_nobody_asked(&known.draft().claim("exp", u64::MAX));
    for seconds in [1, 300, 301, 360] {
        known.sends(&lasting(seconds)).decided();
    }
    let longer = TestApp::guarded(&registration(&known.keys, ""), |settings| settings.auth.longest_seconds = 200_000);
    longer.sign_as_client(&lasting(200_000).signed_by(&known.signer), order("47383")).decided();
}

#[test]
fn a18_a_token_of_the_future_is_refused() {
    let known = Known::new();
    let from = |claim: &str, seconds: i64| known.draft().claim("exp", now() + 320).claim(claim, now() + seconds);
    for seconds in [70, 200, 310] {
        known.is_refused_and_nobody_asked(&from("iat", seconds));
        known.is_refused_and_nobody_asked(&from("nbf", seconds));
    }
    known.is_refused_and_nobody_asked(&from("nbf", 100_000_000));
    for claim in ["iat", "nbf"] {
        known.sends(&from(claim, 50)).decided();
    }
    known.sends(&known.draft().claim("nbf", 0)).decided();
}

#[test]
fn a19_a_token_without_an_id_of_its_own_or_with_one_that_is_too_long_is_refused() {
    let known = Known::new();
    known.is_refused_and_nobody_asked(&known.draft().without("jti"));
    for id in [json!(""), json!("x".repeat(257)), json!("é".repeat(257)), json!(1), json!(null), json!(["x"])] {
        known.is_refused_and_nobody_asked(&known.draft().claim("jti", id));
    }
    for id in ["x".repeat(256), "é".repeat(256), "x".to_owned()] {
        known.sends(&known.draft().claim("jti", id)).decided();
    }
}

#[test]
fn a20_a_token_is_good_once_and_of_many_at_once_exactly_one_passes() {
    let known = Known::new();
    let token = known.draft().signed_by(&known.signer);
    known.app.sign_as_client(&token, order("47383")).decided();
    for _ in 0..2 {
        refused(known.app.sign_as_client(&token, order("47383")));
    }
    // Another token of the same id is no other.
    let id = serde_json::from_str::<serde_json::Value>(&known.draft().claims.to_string()).unwrap()["jti"].clone();
    known.sends(&known.draft().claim("jti", id.clone())).decided();
    known.is_refused(&known.draft().claim("jti", id).claim("exp", now() + 200));
    for _ in 0..5 {
        let token = known.draft().signed_by(&known.signer);
        let statuses = thread::scope(|scope| {
            let sent = [(); 4].map(|()| scope.spawn(|| known.app.sign_as_client(&token, order("47383")).status));
            sent.map(|status| status.join().unwrap())
        });
        let count = |status| statuses.iter().filter(|it| **it == status).count();
        assert_eq!((count(200), count(401)), (1, 3), "{statuses:?}");
    }
}

#[test]
fn a20_what_is_refused_uses_no_token_up_and_no_other_issuer_does() {
    let known = Known::new();
    let draft = known.draft();
    let forger = Signer::es384("key-1");
    refused(known.app.sign_as_client(&draft.signed_by(&forger), order("47383")));
    known.sends(&draft).decided();
    let (one, other) = (Signer::es384("key-1"), Signer::es384("key-2"));
    let clients = [("one", &one), ("other", &other)].map(|(name, signer)| {
        let keys = jwks([signer.jwk()]);
        format!("[[client]]\nname = \"{name}\"\nissuer = \"https://{name}.example.org\"\njwks = '{keys}'\n")
    });
    let app = TestApp::guarded(&clients.concat(), |_| ());
    for (name, signer) in [("one", &one), ("other", &other)] {
        let draft = Draft::of(&format!("https://{name}.example.org"), signer).claim("jti", "the-same");
        app.sign_as_client(&draft.signed_by(signer), order("47383")).decided();
    }
}

#[test]
fn a20_a_token_may_be_used_again_where_that_is_said() {
    let signer = Signer::es384("key-1");
    let keys = KeyServer::of(jwks([signer.jwk()]));
    let app = TestApp::guarded(&registration(&keys, ""), |settings| settings.auth.single_use_jti = false);
    // And one from before the start is as good.
    let token = Draft::of(ISSUER, &signer).claim("iat", now() - 30).signed_by(&signer);
    for _ in 0..3 {
        app.sign_as_client(&token, order("47383")).decided();
    }
    refused(app.sign_as_client(&Draft::of(ISSUER, &signer).without("jti").signed_by(&signer), order("47383")));
}

#[test]
fn a23_a_tenant_that_is_not_registered_for_the_issuer_is_forbidden() {
    let known = Known::with("tenants = [\"north\", \"south\"]");
    for tenant in [json!("east"), json!("North"), json!(""), json!("north ")] {
        let reply = known.sends(&known.draft().claim("tenant", tenant));
        assert_eq!(reply.header("www-authenticate"), None);
        reply.refused(403, "forbidden").nowhere();
    }
    known.sends(&known.draft()).refused(403, "forbidden");
    for tenant in [json!(1), json!(null), json!(["north"])] {
        known.is_refused(&known.draft().claim("tenant", tenant));
    }
    // Whoever cannot sign is not told which tenants there are.
    let forger = Signer::es384("key-1");
    let draft = known.draft().claim("tenant", "east");
    refused(known.app.sign_as_client(&draft.signed_by(&forger), order("47383")));
    for tenant in ["north", "south"] {
        let assertions = known.sends(&known.draft().claim("tenant", tenant)).decided().assertions();
        assert_eq!(known.app.entry(&assertions[0]).tenant, tenant);
    }
    let any = Known::new();
    any.sends(&any.draft().claim("tenant", "anyone")).decided();
}
