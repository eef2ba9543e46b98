//! Who is calling: the only maker of [`VerifiedClient`], without which no handler runs.
//!
//! Without authentication configured, whoever is on this machine is believed and nobody else is let in.

mod certificate;
mod client;
mod crypto;
mod error;
mod keys;
mod known;
mod rates;
mod replay;
mod set;
mod standing;
mod token;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use url::Url;

use crate::config::Settings;
use crate::outbound;
use crate::request::version::Version;
use crate::telemetry;
pub use certificate::Fingerprint;
pub use client::{Allowed, ClientsError, Registration, add, read as registrations};
pub use error::{AuthError, AuthSettingsError, Cause};
use keys::NoKey;
pub use known::Clients;
use rates::Rates;
use replay::Memory;
pub use replay::{Mark, Shared, Use};
use set::KeySet;
pub use standing::{ClientKeys, Standing};
use token::{Times, Token};

/// When a token is refused, counted from its coming: the time that it takes tells nothing of why.
const REFUSED_AFTER: Duration = Duration::from_millis(10);

/// Proof that a caller is one we answer.
///
/// ```compile_fail,E0451
/// let forged = covenant::auth::VerifiedClient { name: "anyone".into() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedClient {
    name: Arc<str>,
    fhir_servers: Option<Arc<[String]>>,
    version: Option<Version>,
    tenant: Option<Arc<str>>,
}

impl VerifiedClient {
    /// The name that answers are recorded under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The FHIR servers that may be asked for it; any that is registered at all, for whoever is on this machine.
    #[must_use]
    pub fn fhir_servers(&self) -> Option<&[String]> {
        self.fhir_servers.as_deref()
    }

    /// The tenant that it calls for, if its token says one.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// The CRD version that it speaks where a request does not say.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.version
    }
}

/// What is known of a caller before it is let in.
#[derive(Clone, Copy)]
pub struct Caller<'c> {
    /// Its Authorization header.
    pub authorization: Option<&'c str>,
    /// The path of the endpoint that it calls.
    pub path: &'c str,
    /// The address that it calls from.
    pub from: Option<IpAddr>,
    /// The certificate that its connection has shown.
    pub certificate: Option<&'c Fingerprint>,
}

untold!(Caller<'_>);

/// Who is let in, and how that is known.
#[derive(Debug)]
pub struct Doorman {
    file: PathBuf,
    allowed: Allowed,
    clients: RwLock<Arc<Clients>>,
    base_url: String,
    algorithms: Vec<Algorithm>,
    times: Times,
    used: Option<Memory>,
    rates: Rates,
    /// Whether discovery is for anybody.
    pub discovery_open: bool,
}

impl Doorman {
    /// The doorman of the settings; none where no clients are registered, and then only this machine is let in.
    ///
    /// # Errors
    /// [`AuthSettingsError`]
    pub fn of(settings: &Settings) -> Result<Option<Self>, AuthSettingsError> {
        let (allowed, limits, settings) = (Allowed::by(settings), &settings.limits, &settings.auth);
        let Some(file) = &settings.clients else { return Ok(None) };
        let clients = Clients::read(file, allowed, None)?;
        let known = [Algorithm::ES384, Algorithm::RS384, Algorithm::ES256, Algorithm::RS256, Algorithm::RS512];
        let named = |name: &String| known.into_iter().find(|known| format!("{known:?}") == *name);
        let algorithms = settings.algorithms.iter().map(named).collect::<Option<Vec<_>>>();
        let doorman = Self {
            file: file.clone(),
            allowed,
            clients: RwLock::new(Arc::new(clients)),
            base_url: settings.base_url.clone().filter(|url| is_base(url)).ok_or(AuthSettingsError::BaseUrl)?,
            algorithms: algorithms.filter(|all| !all.is_empty()).ok_or(AuthSettingsError::Algorithms)?,
            times: Times {
                now: 0,
                skew: settings.skew_seconds.into(),
                longest: settings.longest_seconds.into(),
                // Where a token may be used again it does not matter whether it was.
                began: if settings.single_use_jti { now() } else { 0 },
            },
            used: settings.single_use_jti.then(|| Memory::with_room_for(limits.live_tokens)),
            rates: Rates::new(limits),
            discovery_open: settings.discovery_open,
        };
        Ok(Some(doorman))
    }

    /// With what other servers share of the tokens that were used. A token from before our start may then be good: that it
    /// was used would be known.
    #[must_use]
    pub fn sharing(mut self, shared: Option<Arc<dyn Shared>>) -> Self {
        if let Some(shared) = shared {
            self.used = self.used.map(|used| used.shared(shared));
            self.times.began = 0;
        }
        self
    }

    /// The clients that are registered now.
    #[must_use]
    pub fn clients(&self) -> Arc<Clients> {
        self.clients.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the file of registrations again. Those of it serve once [`change`](Self::change) is given them.
    ///
    /// # Errors
    /// [`AuthSettingsError`]; those that serve go on.
    pub fn read_again(&self) -> Result<Clients, AuthSettingsError> {
        Clients::read(&self.file, self.allowed, Some(&self.clients()))
    }

    /// Lets in others from now on. What was used and how often each has called stays known.
    pub fn change(&self, clients: Clients) {
        *self.clients.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(clients);
    }

    /// Lets in a caller. The call is what its request is logged under.
    ///
    /// # Errors
    /// [`AuthError`]; why is logged, and not told to the caller.
    pub async fn admit(&self, caller: Caller<'_>, call: &str) -> Result<VerifiedClient, AuthError> {
        let (came, from) = (Instant::now(), caller.from);
        // Before anything is looked at that costs something.
        let admitted = match from.map(|from| self.rates.address(from)) {
            Some(Err(seconds)) => Err(AuthError::TooOften(seconds)),
            _ => self.look(caller).await,
        };
        if let Err(error) = &admitted {
            telemetry::not_admitted(call, error.word());
        }
        if let Err(AuthError::Token(_)) = &admitted {
            from.iter().for_each(|from| self.rates.failed(*from));
            tokio::time::sleep(REFUSED_AFTER.saturating_sub(came.elapsed())).await;
        }
        admitted
    }

    async fn look(&self, caller: Caller<'_>) -> Result<VerifiedClient, AuthError> {
        let Caller { authorization, path, certificate, .. } = caller;
        let token = Token::read(authorization.ok_or(AuthError::Token(Cause::Form))?, &self.algorithms);
        let token = token.map_err(AuthError::Token)?;
        let refuse = |cause| Err(AuthError::Token(cause));
        let claims = &token.claims;
        // What costs nothing is looked at first: no call is made and no signature checked for a token that would fail.
        let clients = self.clients();
        let Some(registered) = clients.find(&claims.issuer) else { return refuse(Cause::Issuer) };
        if !registered.may_call_over(certificate) {
            return refuse(Cause::Certificate);
        }
        if token.key_place.as_deref().is_some_and(|place| !registered.keys.are_at(place)) {
            return refuse(Cause::KeyPlace);
        }
        // The address that we are known by is a setting: Host and the like are the caller's word (FAULTS T18).
        let is_ours = |audience: &String| audience.strip_prefix(&self.base_url) == Some(path);
        if !claims.audiences.iter().any(is_ours) {
            return refuse(Cause::Audience);
        }
        if !claims.is_for_now(&Times { now: now(), ..self.times }) {
            return refuse(Cause::Time);
        }
        let key =
            registered.keys.find(&clients.http, &token.key_id, token.algorithm).await.map_err(|none| match none {
                NoKey::Unfit => AuthError::Token(Cause::Key),
                NoKey::Away => AuthError::KeysAway,
            })?;
        if !crypto::is_signed(token.message, token.signature, &key, token.algorithm) {
            return refuse(Cause::Signature);
        }
        if !registered.may_call_for(claims.tenant.as_ref()) {
            return Err(AuthError::Tenant);
        }
        self.rates.client(registered.client.name()).map_err(AuthError::TooOften)?;
        // Fetching keys takes time.
        let times = Times { now: now(), ..self.times };
        if !claims.is_for_now(&times) {
            return refuse(Cause::Time);
        }
        // Last, so that only whoever holds the key can use a token up, and by nothing but an answer.
        let until = claims.expires.saturating_add(times.skew);
        let used = match &self.used {
            None => Use::First,
            Some(used) => used.take(&claims.issuer, &claims.id, until, times.now).await,
        };
        match used {
            Use::First => {
                let tenant = claims.tenant.as_deref().map(Arc::from);
                Ok(VerifiedClient { tenant, ..registered.client.clone() })
            }
            Use::Again => refuse(Cause::Used),
            Use::Full => Err(AuthError::Full),
            Use::Away => Err(AuthError::MemoryAway),
        }
    }
}

/// What was found of a client's keys.
#[derive(Debug)]
pub struct Found {
    /// Keys that can verify.
    pub usable: usize,
    /// Keys that cannot, counted from one, and why.
    pub flaws: Vec<(usize, &'static str)>,
}

/// Looks at the keys of a client, as a server would; the error says why they cannot be had.
///
/// # Errors
/// Nothing can be reached from here.
pub fn look_at_keys(
    client: &Registration,
    allow_private: bool,
) -> Result<impl Future<Output = Result<Found, &'static str>>, outbound::OutboundError> {
    let http = outbound::client(allow_private, !is_of_https(client))?;
    Ok(async move {
        let keys = match &client.jwks_url {
            Some(url) => keys::fetch(&http, url).await?.0,
            None => KeySet::read(client.jwks.as_deref().unwrap_or_default().as_bytes())?,
        };
        Ok(Found { usable: keys.len(), flaws: keys.flaws().to_vec() })
    })
}

fn is_of_https(client: &Registration) -> bool {
    client.jwks_url.as_ref().is_some_and(|url| url.starts_with("https:"))
}

/// Whether a text is an address that the path of an endpoint can follow.
fn is_base(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && !text.contains(['?', '#'])
    })
}

fn now() -> u64 {
    u64::try_from(Timestamp::now().as_second()).unwrap_or_default()
}

/// Lets in callers from this machine.
///
/// # Errors
/// The caller is somewhere else, or nobody knows where.
pub fn local(peer: Option<IpAddr>) -> Result<VerifiedClient, AuthError> {
    peer.filter(|peer| peer.to_canonical().is_loopback())
        .map(|_| VerifiedClient { name: "local".into(), fhir_servers: None, version: None, tenant: None })
        .ok_or(AuthError::NotLocal)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::local;

    #[test]
    fn only_this_machine_is_let_in_without_authentication() {
        for here in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(local(Some(here.parse().unwrap())).is_ok(), "{here}");
        }
        for elsewhere in ["192.0.2.1", "10.0.0.1", "::ffff:192.0.2.1", "2001:db8::1", "0.0.0.0"] {
            assert!(local(Some(elsewhere.parse().unwrap())).is_err(), "{elsewhere}");
        }
        assert!(local(None).is_err());
    }
}
