//! An Authorization header, as it comes or, after a first byte, made of a header, NUL and claims and signed with the right
//! key or with none: whom the doorman lets in is whom a second reading of the token would, and once.
//!
//! In made ones `NOW` stands for this second, and `SOON` for one in four minutes.
#![no_main]

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use covenant::auth::{Doorman, Presented};
use covenant::config::{Limits, Settings};
use covenant::request::json::Json;
use covenant_fuzz::support::tokens::{BASE_URL, Signer, encoded, jwks, now};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use tokio::runtime::{Builder, Runtime};

const ISSUER: &str = "https://ehr.example.org";
const PATH: &str = "/cds-services/order-sign-crd";

struct Door {
    signer: Signer,
    doorman: Doorman,
    began: i64,
    runtime: Runtime,
    /// Each `jti`, and until when it is remembered.
    used: Mutex<HashMap<String, i64>>,
}

static DOOR: LazyLock<Door> = LazyLock::new(|| {
    let signer = Signer::es384("key");
    let place = tempfile::tempdir().unwrap();
    let clients = place.path().join("clients.toml");
    let keys = Value::from(jwks([signer.jwk()]));
    let client = format!("[[client]]\nname = \"ehr\"\nissuer = \"{ISSUER}\"\njwks = {keys}\n");
    std::fs::write(&clients, client).unwrap();
    let set = |name: &str| match name {
        "COVENANT_AUTH_CLIENTS" => clients.to_str().map(str::to_owned),
        "COVENANT_AUTH_BASE_URL" => Some(BASE_URL.to_owned()),
        "COVENANT_LIMITS_CLIENT_PER_MINUTE" => Some("0".to_owned()),
        _ => None,
    };
    let settings = Settings::read(None, set).unwrap();
    let doorman = Doorman::of(&settings).unwrap().unwrap();
    // Refusals wait, on a clock that is wound on.
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    Door { signer, doorman, began: now(), runtime, used: Mutex::default() }
});

/// Whole seconds.
fn seconds(object: &Map<String, Value>, name: &str) -> Option<i64> {
    let digits = object.get(name).filter(|it| it.is_number())?.to_string();
    if digits.bytes().all(|it| it.is_ascii_digit()) { digits.parse().ok() } else { None }
}

fn object(text: &str) -> Option<Map<String, Value>> {
    // That no member stands twice is what `json` is about.
    Json::scan(text.as_bytes(), &Limits::of_text(16, 1_000)).ok()?;
    serde_json::from_str(text).ok()
}

/// The `jti` of a token that is good, and until when it could be used again.
fn good(header: &str, claims: &str) -> Option<(String, i64)> {
    let (header, claims) = (object(header)?, object(claims)?);
    let says = |object: &Map<String, Value>, name: &str, text: &str| object.get(name)?.as_str().map(|it| it == text);
    let typed = header.get("typ").is_none_or(|it| it.as_str().is_some_and(|it| it.eq_ignore_ascii_case("JWT")));
    let foreign = ["jwk", "x5u", "x5c", "crit", "b64", "jku"].iter().any(|name| header.contains_key(*name));
    let keyed = says(&header, "alg", "ES384")? && says(&header, "kid", "key")?;
    let ours = Value::from(format!("{BASE_URL}{PATH}"));
    let for_us = match claims.get("aud")? {
        Value::Array(all) => all.iter().all(Value::is_string) && all.contains(&ours),
        one => *one == ours,
    };
    let (issued, expires) = (seconds(&claims, "iat")?, seconds(&claims, "exp")?);
    let from = if claims.contains_key("nbf") { seconds(&claims, "nbf")? } else { issued };
    let (now, began) = (now(), DOOR.began);
    let timely = issued > began && issued <= now + 60 && from <= now + 60 && expires + 60 >= now;
    let short = expires > issued && expires - issued <= 360;
    let called = claims.get("tenant").is_none_or(Value::is_string);
    let id = claims.get("jti")?.as_str().filter(|id| !id.is_empty() && id.chars().count() <= 256)?;
    let all = typed && !foreign && keyed && for_us && timely && short && called && says(&claims, "iss", ISSUER)?;
    all.then(|| (id.to_owned(), expires + 60))
}

fn is_let_in(header: &str) -> bool {
    let presented = Presented { authorization: Some(header), path: PATH, from: None, certificate: None };
    DOOR.runtime.block_on(async {
        match DOOR.doorman.admit(presented, "fuzz").await {
            Ok(ticket) => ticket.enter("fuzz").await.is_ok(),
            Err(_) => false,
        }
    })
}

fn made(signed: bool, header: &str, claims: &str) {
    let signer = &DOOR.signer;
    let filled = |text: &str| text.replace("NOW", &now().to_string()).replace("SOON", &(now() + 240).to_string());
    let (header, claims) = (filled(header), filled(claims));
    // Signing costs more than all the rest.
    let before = good(&header, &claims);
    let token = match (&before, signed) {
        (Some(_), true) => signer.signs(&header, &claims),
        _ => format!("{}.{}.{}", encoded(&header), encoded(&claims), encoded([7; 96])),
    };
    let is_let_in = is_let_in(&format!("Bearer {token}"));
    // A second that ends meanwhile may be one that matters.
    let ends_now = |until: &i64| (until - now()).abs() <= 2;
    let mut used = DOOR.used.lock().unwrap();
    let is_close = before.iter().any(|(id, _)| used.get(id).is_some_and(ends_now));
    let is_sure = !is_close && before == good(&header, &claims) && now() > DOOR.began + 1;
    let expected = before.filter(|_| signed && token.len() <= 8 * 1024);
    let forgotten = expected.as_ref().is_some_and(|(id, _)| used.get(id).is_none_or(|until| *until < now()));
    used.extend(expected.filter(|_| is_let_in));
    assert!(!is_sure || is_let_in == forgotten, "{is_let_in}: {header} {claims}");
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let made_of = text.get(..1).zip(text.get(1..)).and_then(|(first, rest)| Some((first, rest.split_once('\0')?)));
    match made_of {
        Some((first, (header, claims))) => made(first == "1", header, claims),
        // Nobody but the signer can make a good one.
        None => assert!(!is_let_in(text)),
    }
});
