//! The keys of a client: by value, or fetched from where they are registered to be and kept as long as that allows.
//!
//! A key set is fetched from the registered URL alone, whatever a token says of it (FAULTS A06, A07, A10 to A13).

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::header::{ACCEPT, AGE, CACHE_CONTROL, HeaderMap};
use tokio::sync::Mutex;

use super::set::KeySet;
use super::standing::Standing;
use crate::telemetry;

pub(super) use reqwest::Client as Http;

/// How long a fetch may take, connection and all: a clinician waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of a key set. Real ones have one or two thousand.
const MOST_BYTES: usize = 64 * 1024;

/// How long keys are kept where nothing is said, and at most.
const KEPT: Duration = Duration::from_secs(300);
const KEPT_AT_MOST: Duration = Duration::from_secs(24 * 60 * 60);

/// Whoever asks within this of a fetch is served by it, even of what may not be kept: calls that come together.
const TOGETHER: Duration = Duration::from_secs(1);

/// While there are keys they are fetched again so often at most, for one that is not among them.
const PAUSE: Duration = Duration::from_secs(60);

/// While there are none they are fetched so often at most.
const AGAIN: Duration = Duration::from_secs(2);

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
    Here(KeySet),
    /// They are fetched.
    There(Arc<Place>),
}

/// Where keys are fetched, and those that were.
pub(super) struct Place {
    /// Whose they are.
    client: String,
    url: String,
    kept: RwLock<Kept>,
    /// Held while they are fetched. Nobody waits for it whose key is there.
    fetching: Mutex<()>,
}

#[derive(Default)]
struct Kept {
    keys: Option<(KeySet, Instant)>,
    /// When they were last fetched, or could not be.
    tried: Option<Instant>,
    /// When the keys that are there were fetched.
    fetched: Option<Instant>,
    /// Why the last fetch failed, if it did.
    failed: Option<&'static str>,
    /// When they were last fetched again though they might have been kept.
    again: Option<Instant>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(keys) => write!(f, "Here({} keys)", keys.len()),
            Self::There(place) => write!(f, "There({})", place.url),
        }
    }
}

impl Keys {
    /// The keys of a client that are fetched when they are needed.
    pub(super) fn there(client: String, url: String) -> Self {
        Self::There(Arc::new(Place { client, url, kept: RwLock::default(), fetching: Mutex::default() }))
    }

    /// How they stand now.
    pub(super) fn standing(&self) -> (usize, Standing) {
        let place = match self {
            Self::Here(keys) => return (keys.len(), Standing::Registered),
            Self::There(place) => place,
        };
        let kept = place.kept.read().unwrap_or_else(PoisonError::into_inner);
        let usable = kept.keys.as_ref().filter(|(_, until)| Instant::now() < *until).map_or(0, |(keys, _)| keys.len());
        let fetched = kept.fetched.map(|at| at.elapsed());
        (usable, Standing::Fetched { fetched, failed: kept.failed.zip(kept.tried.map(|at| at.elapsed())) })
    }

    /// Whether the header of a token may name this as the place of its keys.
    pub(super) fn are_at(&self, jku: &str) -> bool {
        matches!(self, Self::There(place) if place.url == jku)
    }

    /// The key of an id, if it is for signatures of this kind.
    pub(super) async fn find(&self, http: &Http, id: &str, algorithm: Algorithm) -> Result<DecodingKey, NoKey> {
        let place = match self {
            Self::Here(keys) => return keys.find(id, algorithm).cloned().ok_or(NoKey::Unfit),
            Self::There(place) => place,
        };
        let found = place.look(id, algorithm);
        let (may, before) = place.may_be_asked();
        if found.is_ok() || !may {
            return found;
        }
        // In a task of its own: a caller who hangs up does not take away the keys that others wait for.
        let asking = tokio::spawn(place.clone().ask(http.clone(), before));
        // A fetch that fails leaves what was there.
        _ = asking.await;
        place.look(id, algorithm)
    }
}

impl Place {
    /// The key among those that are kept.
    fn look(&self, id: &str, algorithm: Algorithm) -> Result<DecodingKey, NoKey> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        match &kept.keys {
            Some((keys, until)) if Instant::now() < *until => keys.find(id, algorithm).cloned().ok_or(NoKey::Unfit),
            _ => Err(NoKey::Away),
        }
    }

    /// Whether the keys may be fetched now, and when that was tried before.
    fn may_be_asked(&self) -> (bool, Option<Instant>) {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_over = |since: Option<Instant>, pause| since.is_none_or(|since| now.duration_since(since) >= pause);
        let may = match &kept.keys {
            Some((_, until)) if now < *until => is_over(kept.again, PAUSE),
            // They could be fetched, and may not be kept longer.
            Some((_, until)) if kept.tried.is_none_or(|tried| tried < *until) => true,
            _ => is_over(kept.tried, AGAIN),
        };
        (may, kept.tried)
    }

    async fn ask(self: Arc<Self>, http: Http, before: Option<Instant>) {
        let _one = self.fetching.lock().await;
        {
            let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
            // Whoever was first has fetched what all of us wait for.
            if kept.tried != before {
                return;
            }
            let now = Instant::now();
            if kept.keys.as_ref().is_some_and(|(_, until)| now < *until) {
                kept.again = Some(now);
            }
        }
        let fetched = fetch(&http, &self.url).await;
        let now = Instant::now();
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.tried = Some(now);
        match fetched {
            Ok((keys, lasting)) => {
                kept.keys = Some((keys, now + lasting));
                (kept.fetched, kept.failed) = (Some(now), None);
            }
            Err(why) => {
                kept.failed = Some(why);
                telemetry::keys_not_fetched(&self.client, why);
            }
        }
    }
}

/// Fetches a key set, and how long it may be kept.
pub(super) async fn fetch(http: &Http, url: &str) -> Result<(KeySet, Duration), &'static str> {
    let fetched = async {
        let mut response =
            http.get(url).header(ACCEPT, "application/json").send().await.map_err(|_| "there is no connection")?;
        if response.status().is_redirection() {
            return Err("it is elsewhere, and nobody is followed");
        }
        if !response.status().is_success() {
            return Err("it is not there");
        }
        let lasting = lasting(response.headers());
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| "the connection broke")? {
            text.extend_from_slice(&chunk);
            if text.len() > MOST_BYTES {
                return Err("it is too large");
            }
        }
        Ok((KeySet::read(&text)?, lasting))
    };
    tokio::time::timeout(PATIENCE, fetched).await.unwrap_or(Err("it takes too long"))
}

/// How long `Cache-Control` lets keys be kept, less what a cache on the way has kept them already.
fn lasting(headers: &HeaderMap) -> Duration {
    let said = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let said_of_caching: Vec<String> = said(CACHE_CONTROL).map(str::to_ascii_lowercase).collect();
    let directives = said_of_caching.iter().flat_map(|value| value.split(',')).map(str::trim);
    if directives.clone().any(|directive| matches!(directive, "no-store" | "no-cache")) {
        return TOGETHER;
    }
    let ages = directives.filter_map(|directive| directive.strip_prefix("max-age=")?.trim_matches('"').parse().ok());
    let kept = ages.min().map_or(KEPT, Duration::from_secs);
    let age = said(AGE).find_map(|age| age.trim().parse().ok()).map_or(Duration::ZERO, Duration::from_secs);
    kept.saturating_sub(age).clamp(TOGETHER, KEPT_AT_MOST)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a11_keys_are_kept_as_long_as_their_place_says_and_no_longer() {
        let of = |lines: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, value.parse().unwrap());
            }
            lasting(&headers).as_secs()
        };
        for (lines, seconds) in [
            (&[][..], 300),
            (&[("cache-control", "public, max-age=20")], 20),
            (&[("cache-control", "MAX-AGE=\"20\"")], 20),
            (&[("cache-control", "max-age=999999999")], 86_400),
            (&[("cache-control", "max-age=0")], 1),
            (&[("cache-control", "max-age=600, no-store")], 1),
            (&[("cache-control", "No-Cache")], 1),
            (&[("cache-control", "public"), ("cache-control", "max-age=7")], 7),
            (&[("cache-control", "max-age=300"), ("age", "200")], 100),
            (&[("cache-control", "max-age=300"), ("age", "400")], 1),
            (&[("cache-control", "max-age=-1")], 300),
        ] {
            assert_eq!(of(lines), seconds, "{lines:?}");
        }
    }
}
