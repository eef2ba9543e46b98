//! The keys of a client: by value, or fetched from where they are registered to be and kept as long as that allows.
//!
//! A key set is fetched from the registered URL alone, whatever a token says of it (FAULTS A06, A07, A10 to A13).

use std::fmt;
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use reqwest::Client;
use reqwest::header::{ACCEPT, CACHE_CONTROL};
use serde_json::Value;
use tokio::sync::Mutex;

/// How long a fetch may take, connection and all: a clinician waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of a key set, and keys in it. Real ones have a handful.
const MOST_BYTES: usize = 64 * 1024;
const MOST_KEYS: usize = 32;

/// How long keys are kept where nothing is said, and at most.
const KEPT: Duration = Duration::from_secs(300);
const KEPT_AT_MOST: Duration = Duration::from_secs(24 * 60 * 60);

/// A key set is fetched so often at most, whatever key is asked for.
const PAUSE: Duration = Duration::from_secs(60);

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
    /// There is none of this id, or several, or it is not for this.
    Unfit,
    /// The keys cannot be had now; the token may be good.
    Away,
}

/// Where the keys of one client come from.
pub(super) enum Keys {
    /// They stand in its registration.
    Here(Vec<Jwk>),
    /// They are fetched.
    There {
        /// From where.
        url: String,
        /// What was fetched.
        kept: Mutex<Kept>,
    },
}

/// Keys that were fetched.
#[derive(Default)]
pub(super) struct Kept {
    keys: Option<(Vec<Jwk>, Instant)>,
    tried: Option<Instant>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(keys) => write!(f, "Here({} keys)", keys.len()),
            Self::There { url, .. } => write!(f, "There({url})"),
        }
    }
}

impl Keys {
    /// Whether the header of a token may name this as the place of its keys.
    pub(super) fn are_at(&self, jku: &str) -> bool {
        matches!(self, Self::There { url, .. } if url == jku)
    }

    /// The key of an id, if it is for signatures of this kind.
    pub(super) async fn find(&self, http: &Client, id: &str, algorithm: Algorithm) -> Result<DecodingKey, NoKey> {
        match self {
            Self::Here(keys) => among(keys, id, algorithm).ok_or(NoKey::Unfit),
            Self::There { url, kept } => {
                // Who comes while it is fetched waits for the one fetch.
                let mut kept = kept.lock().await;
                let now = Instant::now();
                if let Some((keys, until)) = &kept.keys
                    && now < *until
                    && let Some(key) = among(keys, id, algorithm)
                {
                    return Ok(key);
                }
                if kept.tried.is_none_or(|tried| now.duration_since(tried) >= PAUSE) {
                    kept.tried = Some(now);
                    match fetch(http, url).await {
                        Ok((keys, lasting)) => kept.keys = Some((keys, now + lasting)),
                        Err(why) => tracing::warn!(why, fault = "client", "a client's keys cannot be fetched"),
                    }
                }
                match &kept.keys {
                    Some((keys, until)) if now < *until => among(keys, id, algorithm).ok_or(NoKey::Unfit),
                    _ => Err(NoKey::Away),
                }
            }
        }
    }
}

/// The one key of this id.
fn among(keys: &[Jwk], id: &str, algorithm: Algorithm) -> Option<DecodingKey> {
    let mut named = keys.iter().filter(|key| key.common.key_id.as_deref() == Some(id));
    let (Some(key), None) = (named.next(), named.next()) else { return None };
    let fits = match (&key.algorithm, algorithm.family()) {
        (AlgorithmParameters::RSA(_), AlgorithmFamily::Rsa) => true,
        (AlgorithmParameters::EllipticCurve(_), AlgorithmFamily::Ec) => true,
        _ => false,
    };
    let is_for = |said: &KeyAlgorithm| said.to_string() == format!("{algorithm:?}");
    let fits = fits
        && key.common.key_algorithm.as_ref().is_none_or(is_for)
        && key.common.public_key_use.as_ref().is_none_or(|it| *it == PublicKeyUse::Signature);
    if fits { DecodingKey::from_jwk(key).ok() } else { None }
}

/// The keys of a JWKS that can be read; none of one that has too many.
pub(super) fn of_set(text: &[u8]) -> Result<Vec<Jwk>, &'static str> {
    let set: Value = serde_json::from_slice(text).map_err(|_| "it is no JSON")?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or("it is no JWKS")?;
    if keys.len() > MOST_KEYS {
        return Err("it has too many keys");
    }
    Ok(keys.iter().filter_map(|key| serde_json::from_value(key.clone()).ok()).collect())
}

/// Fetches a key set, and how long it may be kept.
pub(super) async fn fetch(http: &Client, url: &str) -> Result<(Vec<Jwk>, Duration), &'static str> {
    let fetched = async {
        let mut response =
            http.get(url).header(ACCEPT, "application/json").send().await.map_err(|_| "no connection")?;
        if !response.status().is_success() {
            return Err("it is not there");
        }
        let lasting = lasting(response.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok()));
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| "the connection broke")? {
            text.extend_from_slice(&chunk);
            if text.len() > MOST_BYTES {
                return Err("it is too large");
            }
        }
        Ok((of_set(&text)?, lasting))
    };
    tokio::time::timeout(PATIENCE, fetched).await.unwrap_or(Err("it takes too long"))
}

/// How long `Cache-Control` lets keys be kept: until they may be fetched again at least.
fn lasting(said: Option<&str>) -> Duration {
    let Some(said) = said else { return KEPT };
    let said = said.to_ascii_lowercase();
    let mut directives = said.split(',').map(str::trim);
    if directives.clone().any(|directive| matches!(directive, "no-store" | "no-cache")) {
        return PAUSE;
    }
    let age = directives.find_map(|directive| directive.strip_prefix("max-age=")?.trim_matches('"').parse().ok());
    age.map_or(KEPT, Duration::from_secs).clamp(PAUSE, KEPT_AT_MOST)
}
