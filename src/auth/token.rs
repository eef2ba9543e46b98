//! One token, looked at before its signature is: what it says it is, read strictly (FAULTS section 2).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::Cause;

/// Bytes of a token. Real ones have one or two thousand.
const MOST_BYTES: usize = 8 * 1024;

/// Characters of a `jti`.
const MOST_JTI: usize = 256;

/// Members of a header that would bring a key, or say where one is, from the caller.
const KEYS_OF_ITS_OWN: [&str; 5] = ["jwk", "x5u", "x5c", "crit", "b64"];

/// A token whose signature is not looked at yet: nothing in it is to be believed.
#[derive(Debug)]
pub(super) struct Token<'t> {
    /// Header and claims, as they were signed.
    pub(super) message: &'t str,
    pub(super) signature: &'t str,
    pub(super) algorithm: Algorithm,
    pub(super) key_id: String,
    pub(super) key_place: Option<String>,
    pub(super) claims: Claims,
}

/// What a token says.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    pub(super) issued: u64,
    pub(super) expires: u64,
    pub(super) not_before: Option<u64>,
    pub(super) id: String,
    pub(super) tenant: Option<String>,
}

/// What is asked of the times of a token, all in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) now: u64,
    pub(super) skew: u64,
    pub(super) longest: u64,
    /// When this server began; tokens from before may have been used already.
    pub(super) began: u64,
}

impl<'t> Token<'t> {
    /// Reads the value of an Authorization header.
    pub(super) fn read(header: &'t str, algorithms: &[Algorithm]) -> Result<Self, Cause> {
        let (scheme, token) = header.split_once(' ').ok_or(Cause::Form)?;
        if !scheme.eq_ignore_ascii_case("bearer") || token.len() > MOST_BYTES {
            return Err(Cause::Form);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(Cause::Form)?;
        let (head, claims) = message.split_once('.').ok_or(Cause::Form)?;
        if claims.contains('.') || signature.is_empty() {
            return Err(Cause::Form);
        }
        let head = object(head)?;
        let named = text(&head, "alg").ok_or(Cause::Algorithm)?;
        // Held against our own list by its exact name: `none` in whatever letters is not in it.
        let algorithm = algorithms.iter().find(|known| format!("{known:?}") == named).copied();
        let algorithm = algorithm.ok_or(Cause::Algorithm)?;
        if KEYS_OF_ITS_OWN.iter().any(|member| head.contains_key(*member)) {
            return Err(Cause::Header);
        }
        if head.get("typ").is_some_and(|kind| !kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("JWT"))) {
            return Err(Cause::Header);
        }
        let key_id = text(&head, "kid").filter(|id| !id.is_empty()).ok_or(Cause::KeyId)?.to_owned();
        let key_place = match head.get("jku") {
            None => None,
            Some(place) => Some(place.as_str().ok_or(Cause::KeyPlace)?.to_owned()),
        };
        let claims = Claims::read(&object(claims)?)?;
        Ok(Self { message, signature, algorithm, key_id, key_place, claims })
    }
}

impl Claims {
    fn read(claims: &Map<String, Value>) -> Result<Self, Cause> {
        let time = |name| claims.get(name).and_then(Value::as_u64).ok_or(Cause::Time);
        let audiences = match claims.get("aud") {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(several)) => several
                .iter()
                .map(|one| one.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or(Cause::Audience)?,
            _ => return Err(Cause::Audience),
        };
        let not_before = if claims.contains_key("nbf") { Some(time("nbf")?) } else { None };
        let id = text(claims, "jti").filter(|id| !id.is_empty() && id.chars().count() <= MOST_JTI);
        let tenant = match claims.get("tenant") {
            None => None,
            Some(tenant) => Some(tenant.as_str().ok_or(Cause::Form)?.to_owned()),
        };
        Ok(Self {
            issuer: text(claims, "iss").ok_or(Cause::Issuer)?.to_owned(),
            audiences,
            issued: time("iat")?,
            expires: time("exp")?,
            not_before,
            id: id.ok_or(Cause::Id)?.to_owned(),
            tenant,
        })
    }

    /// Whether the token is for now.
    pub(super) fn is_for_now(&self, times: &Times) -> bool {
        let Times { now, skew, longest, began } = *times;
        let at_most = now.saturating_add(skew);
        self.expires.saturating_add(skew) >= now
            && self.expires > self.issued
            && self.expires - self.issued <= longest.saturating_add(skew)
            && self.issued <= at_most
            && self.not_before.is_none_or(|from| from <= at_most)
            && self.issued > began
    }
}

fn object(part: &str) -> Result<Map<String, Value>, Cause> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Cause::Form)?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Cause::Form),
    }
}

fn text<'m>(members: &'m Map<String, Value>, name: &str) -> Option<&'m str> {
    members.get(name).and_then(Value::as_str)
}
