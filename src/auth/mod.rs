//! Who is calling: the only maker of [`VerifiedClient`], without which no handler runs.
//!
//! Without authentication configured, whoever is on this machine is believed and nobody else is let in.

mod caller;
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
mod ticket;
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
pub use caller::Caller;
pub use certificate::Fingerprint;
pub use client::{Allowed, ClientsError, Registration, add, read as registrations};
pub use error::{AuthError, AuthSettingsError, Cause};
use keys::NoKey;
pub use known::Clients;
use known::Registered;
use rates::{Lane, Rates};
pub use replay::{Mark, Shared, Use};
use replay::{Memory, Unused};
use set::KeySet;
pub use standing::{ClientKeys, Standing};
pub use ticket::Ticket;
use token::{Times, Token};

/// When a token is refused, counted from its coming: the time that it takes tells nothing of why.
const REFUSED_AFTER: Duration = Duration::from_millis(10);

/// Proof that a caller is one we answer.
///
/// ```compile_fail,E0451
/// fn forged(caller: covenant::auth::Caller) -> covenant::auth::VerifiedClient {
///     covenant::auth::VerifiedClient { caller }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedClient {
    caller: Caller,
    fhir_servers: Option<Arc<[String]>>,
    version: Option<Version>,
}

impl VerifiedClient {
    /// The name that answers are recorded under.
    #[must_use]
    pub fn name(&self) -> &str {
        self.caller.client()
    }

    /// Whose data is what its calls leave for others.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The FHIR servers that may be asked for it; any that is registered at all, for whoever is on this machine.
    #[must_use]
    pub fn fhir_servers(&self) -> Option<&[String]> {
        self.fhir_servers.as_deref()
    }

    /// The tenant that it calls for, if its token says one.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.caller.tenant()
    }

    /// The CRD version that it speaks where a request does not say.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.version
    }
}

/// What a caller presents before it is recognised.
#[derive(Clone, Copy)]
pub struct Presented<'c> {
    /// Its Authorization header.
    pub authorization: Option<&'c str>,
    /// The path of the endpoint that it calls.
    pub path: &'c str,
    /// The address that it calls from. What it presents is not counted where that is not known.
    pub from: Option<IpAddr>,
    /// The certificate that its connection has shown.
    pub certificate: Option<&'c Fingerprint>,
}

untold!(Presented<'_>);

/// Who is let in, and how that is known.
#[derive(Debug)]
pub struct Doorman {
    file: PathBuf,
    allowed: Allowed,
    clients: RwLock<Arc<Clients>>,
    base_url: String,
    algorithms: Vec<Algorithm>,
    times: Times,
    /// When this process began, where tokens from before may have been used already.
    began: Option<Instant>,
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
                began: 0,
            },
            // Where a token may be used again it does not matter whether it was.
            began: settings.single_use_jti.then(Instant::now),
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
            self.began = None;
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

    /// Recognises a caller. The call is what its request is logged under.
    ///
    /// What lets nobody in is counted for the address, and for the client that it names if that is registered: tokens of a
    /// registered client are not barred for what others send from its address.
    ///
    /// # Errors
    /// [`AuthError`]; why is logged, and not told to the caller.
    pub async fn admit(&self, presented: Presented<'_>, call: &str) -> Result<Ticket<'_>, AuthError> {
        let (came, clients) = (Instant::now(), self.clients());
        let token = presented.authorization.ok_or(Cause::Form);
        let token = token.and_then(|authorization| Token::read(authorization, &self.algorithms));
        let named = token.as_ref().ok().and_then(|token| clients.find(&token.claims.issuer));
        let lane = presented.from.map(|from| Lane::of(from, named.map(|named| named.client.caller())));
        // Before anything is looked at that costs something.
        let admitted = match (lane.as_ref().map_or(Ok(()), |lane| self.rates.lane(lane)), token, named) {
            (Err(seconds), ..) => Err(AuthError::TooOften(seconds)),
            (Ok(()), Err(cause), _) => Err(AuthError::Token(cause)),
            (Ok(()), Ok(_), None) => Err(AuthError::Token(Cause::Issuer)),
            (Ok(()), Ok(token), Some(named)) => self.look(presented, token, &clients, named).await,
        };
        self.refused(admitted.as_ref().err(), lane.as_ref(), came, call).await;
        admitted
    }

    /// What follows from a refusal: it is logged, counted, and told no sooner than any other.
    async fn refused(&self, error: Option<&AuthError>, lane: Option<&Lane>, came: Instant, call: &str) {
        let Some(error) = error else { return };
        telemetry::not_admitted(call, error.word());
        if let AuthError::Token(cause) = error {
            // Who sends a token of a known key again is no stranger who guesses: it may have been told to come again.
            if let Some(lane) = lane.filter(|_| *cause != Cause::Used) {
                self.rates.failed(lane);
            }
            tokio::time::sleep(REFUSED_AFTER.saturating_sub(came.elapsed())).await;
        }
    }

    async fn look(
        &self,
        presented: Presented<'_>,
        token: Token<'_>,
        clients: &Clients,
        registered: &Registered,
    ) -> Result<Ticket<'_>, AuthError> {
        let refuse = |cause| Err(AuthError::Token(cause));
        let claims = &token.claims;
        // What costs nothing is looked at first: no call is made and no signature checked for a token that would fail.
        if !registered.may_call_over(presented.certificate) {
            return refuse(Cause::Certificate);
        }
        if token.key_place.as_deref().is_some_and(|place| !registered.keys.are_at(place)) {
            return refuse(Cause::KeyPlace);
        }
        // The address that we are known by is a setting: Host and the like are the caller's word (FAULTS T18).
        let is_ours = |audience: &String| audience.strip_prefix(&self.base_url) == Some(presented.path);
        if !claims.audiences.iter().any(is_ours) {
            return refuse(Cause::Audience);
        }
        if !claims.is_for_now(&self.times()) {
            return refuse(Cause::Time);
        }
        let unused = self.unused(&claims.issuer, &claims.id, claims.expires);
        if unused.as_ref().is_some_and(Unused::is_known_to_be_used) {
            return refuse(Cause::Used);
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
        let caller = registered.client.caller.in_tenant(claims.tenant.as_deref());
        self.rates.caller(&registered.counted(&caller)).map_err(AuthError::TooOften)?;
        // Fetching keys takes time.
        if !claims.is_for_now(&self.times()) {
            return refuse(Cause::Time);
        }
        Ok(Ticket::of(VerifiedClient { caller, ..registered.client.clone() }, unused))
    }

    /// A token that is not used up yet, as far as this server knows; none where it does not matter.
    fn unused(&self, issuer: &str, jti: &str, expires: u64) -> Option<Unused<'_>> {
        let until = expires.saturating_add(self.times.skew);
        self.used.as_ref().map(|memory| Unused::of(memory, issuer, jti, until))
    }

    /// What is asked of the times of a token at this moment. When the process began is told by how long it has run: the
    /// clock may have been set since.
    fn times(&self) -> Times {
        let began = self.began.and_then(|began| Timestamp::now().checked_sub(began.elapsed()).ok());
        Times { now: now(), began: began.map_or(0, seconds), ..self.times }
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
    seconds(Timestamp::now())
}

fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_second()).unwrap_or_default()
}

/// Lets in callers from this machine.
///
/// # Errors
/// The caller is somewhere else, or nobody knows where.
pub fn local(peer: Option<IpAddr>) -> Result<Ticket<'static>, AuthError> {
    let here = peer.filter(|peer| peer.to_canonical().is_loopback()).ok_or(AuthError::NotLocal);
    let client = || VerifiedClient { caller: Caller::of("local".into()), fhir_servers: None, version: None };
    here.map(|_| Ticket::of(client(), None))
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
