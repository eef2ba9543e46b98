//! One token, looked at before its signature is: what it says it is, read strictly (FAULTS section 2).

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;

use super::Cause;
use crate::config::Limits;
use crate::request::json::{Json, View};

/// Bytes of a token. Real ones have one or two thousand.
const MOST_BYTES: usize = 8 * 1024;

/// Characters of a `jti`.
const MOST_JTI: usize = 256;

/// Nesting of header and claims, and values in them. Real ones have a dozen, in two levels.
const LIMITS: Limits = Limits::of_text(16, 1_000);

/// Members of a header that would bring a key, or say where one is, from the caller.
const KEYS_OF_ITS_OWN: [&str; 5] = ["jwk", "x5u", "x5c", "crit", "b64"];

/// A token whose signature is not looked at yet: nothing in it is to be believed.
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
pub(super) struct Claims {
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    pub(super) issued: u64,
    pub(super) expires: u64,
    pub(super) not_before: Option<u64>,
    pub(super) id: String,
    pub(super) tenant: Option<String>,
}

untold!(Token<'_>, Claims);

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
        if claims.contains('.') || decoded(signature)?.is_empty() {
            return Err(Cause::Form);
        }
        let head = decoded(head)?;
        let head = scanned(&head)?;
        let head = head.root();
        let named = text(head, "alg").ok_or(Cause::Algorithm)?;
        // Held against our own list by its exact name: `none` in whatever letters is not in it.
        let algorithm = algorithms.iter().find(|known| format!("{known:?}") == named).copied();
        let algorithm = algorithm.ok_or(Cause::Algorithm)?;
        if KEYS_OF_ITS_OWN.iter().any(|member| head.get(member).is_some()) {
            return Err(Cause::Header);
        }
        if head.get("typ").is_some_and(|kind| !kind.str().is_some_and(|kind| kind.eq_ignore_ascii_case("JWT"))) {
            return Err(Cause::Header);
        }
        let key_id = text(head, "kid").filter(|id| !id.is_empty()).ok_or(Cause::KeyId)?;
        let key_place = match head.get("jku") {
            None => None,
            Some(place) => Some(place.str().ok_or(Cause::KeyPlace)?.into_owned()),
        };
        let claims = Claims::read(scanned(&decoded(claims)?)?.root())?;
        Ok(Self { message, signature, algorithm, key_id, key_place, claims })
    }
}

impl Claims {
    fn read(claims: View<'_>) -> Result<Self, Cause> {
        let time = |name| claims.get(name).and_then(seconds).ok_or(Cause::Time);
        let audience = claims.get("aud").ok_or(Cause::Audience)?;
        let audiences = if audience.is_array() {
            audience.items().map(|one| one.str().map(Cow::into_owned)).collect::<Option<_>>()
        } else {
            audience.str().map(|one| vec![one.into_owned()])
        };
        let not_before = if claims.get("nbf").is_some() { Some(time("nbf")?) } else { None };
        let id = text(claims, "jti").filter(|id| !id.is_empty() && id.chars().count() <= MOST_JTI);
        let tenant = match claims.get("tenant") {
            None => None,
            Some(tenant) => Some(tenant.str().ok_or(Cause::Form)?.into_owned()),
        };
        Ok(Self {
            issuer: text(claims, "iss").ok_or(Cause::Issuer)?,
            audiences: audiences.ok_or(Cause::Audience)?,
            issued: time("iat")?,
            expires: time("exp")?,
            not_before,
            id: id.ok_or(Cause::Id)?,
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

fn decoded(part: &str) -> Result<Vec<u8>, Cause> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Cause::Form)
}

/// One object, no member of it twice: of two, whoever looks next might take the other.
fn scanned(text: &[u8]) -> Result<Json<'_>, Cause> {
    Json::scan(text, &LIMITS).map_err(|_| Cause::Form)
}

fn text(object: View<'_>, name: &str) -> Option<String> {
    object.get(name).and_then(View::str).map(Cow::into_owned)
}

/// Whole seconds, written as such: not `1e9`, `1.0`, `-0` or `"1"`.
fn seconds(number: View<'_>) -> Option<u64> {
    let digits = number.raw();
    if digits.bytes().all(|digit| digit.is_ascii_digit()) { digits.parse().ok() } else { None }
}
