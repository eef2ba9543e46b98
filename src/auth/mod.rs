//! Who is calling: the only maker of [`VerifiedClient`], without which no handler runs.
//!
//! Without authentication configured, whoever is on this machine is believed and nobody else is let in.

mod client;
mod crypto;
mod keys;
mod replay;
mod token;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use reqwest::Client as Http;

use crate::config::AuthSettings;
use crate::outbound;
use crate::request::version::Version;
use crate::telemetry::{self, Fault};
pub use client::{ClientsError, Registration, read as registrations};
use keys::{Keys, NoKey};
use replay::{Use, Used};
use token::{Times, Token};

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

    /// The CRD version that it speaks where a request does not say.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.version
    }
}

/// Why a caller is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Not from this machine, and there is no authentication to ask for.
    #[error("the caller is not on this machine")]
    NotLocal,
    /// The token is none that lets in. Which of its faults it was is for the security log, and nobody else.
    #[error("the token does not let in")]
    Token(Cause),
    /// The client's keys cannot be had now; the token may be good (FAULTS A11).
    #[error("the client's keys cannot be had")]
    KeysAway,
    /// No more tokens can be remembered, so that none can be known to be new (FAULTS A21).
    #[error("too many tokens are live")]
    Full,
    /// The client may not call for this tenant (FAULTS A23).
    #[error("the client may not call for this tenant")]
    Tenant,
}

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// There is none, or it is not of three parts that can be read.
    Form,
    /// Its algorithm is not on the list.
    Algorithm,
    /// Its header brings a key, or says what we do not know.
    Header,
    /// Its key has no id.
    KeyId,
    /// It says that its keys are elsewhere than they are registered to be.
    KeyPlace,
    /// Nobody of this name is registered.
    Issuer,
    /// There is no one key of this id for such signatures.
    Key,
    /// The signature is not by the key.
    Signature,
    /// It is for another endpoint.
    Audience,
    /// It is not for now, or does not say so in whole seconds.
    Time,
    /// It has no id of its own, or one that is too long.
    Id,
    /// It was used before.
    Used,
}

impl Cause {
    /// Its word in the security log.
    fn word(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Algorithm => "algorithm",
            Self::Header => "header",
            Self::KeyId => "key-id",
            Self::KeyPlace => "key-place",
            Self::Issuer => "issuer",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Audience => "audience",
            Self::Time => "time",
            Self::Id => "id",
            Self::Used => "used",
        }
    }
}

impl AuthError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        if *self == Self::Full { Fault::Us } else { Fault::Client }
    }
}

/// Why nobody can be let in as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum AuthSettingsError {
    /// The registrations.
    #[error("{0}")]
    Clients(#[from] ClientsError),
    /// Tokens could not be held to anything.
    #[error("auth.base_url is not the http or https address that clients call")]
    BaseUrl,
    /// An algorithm that is not known, or none.
    #[error("auth.algorithms: known are ES384, RS384, ES256, RS256 and RS512")]
    Algorithms,
    /// HTTP cannot be had.
    #[error("{0}")]
    Outbound(#[from] outbound::OutboundError),
}

/// A registered client, ready to be recognised.
#[derive(Debug)]
struct Registered {
    client: VerifiedClient,
    tenants: Vec<String>,
    keys: Keys,
}

/// Who is let in, and how that is known.
#[derive(Debug)]
pub struct Doorman {
    clients: HashMap<String, Registered>,
    base_url: String,
    algorithms: Vec<Algorithm>,
    times: Times,
    used: Option<Used>,
    http: Http,
    /// Whether discovery is for anybody.
    pub discovery_open: bool,
}

impl Doorman {
    /// The doorman of the settings; none where no clients are registered, and then only this machine is let in.
    ///
    /// # Errors
    /// [`AuthSettingsError`]
    pub fn of(settings: &AuthSettings, allow_private: bool) -> Result<Option<Self>, AuthSettingsError> {
        let Some(file) = &settings.clients else { return Ok(None) };
        let registrations = client::read(file, settings.allow_http)?;
        Self::with(registrations, settings, allow_private).map(Some)
    }

    fn with(
        registrations: Vec<Registration>,
        settings: &AuthSettings,
        allow_private: bool,
    ) -> Result<Self, AuthSettingsError> {
        let base_url =
            settings.base_url.clone().filter(|url| url.starts_with("https://") || url.starts_with("http://"));
        let known = [Algorithm::ES384, Algorithm::RS384, Algorithm::ES256, Algorithm::RS256, Algorithm::RS512];
        let named = |name: &String| known.into_iter().find(|known| format!("{known:?}") == *name);
        let algorithms = settings.algorithms.iter().map(named).collect::<Option<Vec<_>>>();
        Ok(Self {
            clients: registrations.into_iter().map(registered).collect(),
            base_url: base_url.ok_or(AuthSettingsError::BaseUrl)?,
            algorithms: algorithms.filter(|all| !all.is_empty()).ok_or(AuthSettingsError::Algorithms)?,
            times: Times {
                now: 0,
                skew: settings.skew_seconds.into(),
                longest: settings.longest_seconds.into(),
                // Where a token may be used again it does not matter whether it was.
                began: if settings.single_use_jti { now() } else { 0 },
            },
            used: settings.single_use_jti.then(Used::default),
            http: outbound::client(allow_private, settings.allow_http)?,
            discovery_open: settings.discovery_open,
        })
    }

    /// How many clients are registered.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Lets in the caller that an Authorization header tells of, to the endpoint of a path.
    ///
    /// # Errors
    /// [`AuthError`]; why is logged, and not told to the caller.
    pub async fn admit(&self, authorization: Option<&str>, path: &str) -> Result<VerifiedClient, AuthError> {
        let admitted = self.look(authorization, path).await;
        if let Err(error) = &admitted {
            telemetry::not_admitted(match error {
                AuthError::Token(cause) => cause.word(),
                AuthError::KeysAway => "keys-away",
                AuthError::Full => "full",
                AuthError::Tenant => "tenant",
                AuthError::NotLocal => "not-local",
            });
        }
        admitted
    }

    async fn look(&self, authorization: Option<&str>, path: &str) -> Result<VerifiedClient, AuthError> {
        let token = Token::read(authorization.ok_or(AuthError::Token(Cause::Form))?, &self.algorithms);
        let token = token.map_err(AuthError::Token)?;
        let refuse = |cause| Err(AuthError::Token(cause));
        let claims = &token.claims;
        // What costs nothing is looked at first: no call is made and no signature checked for a token that would fail.
        let Some(registered) = self.clients.get(&claims.issuer) else { return refuse(Cause::Issuer) };
        if token.key_place.as_deref().is_some_and(|place| !registered.keys.are_at(place)) {
            return refuse(Cause::KeyPlace);
        }
        let endpoint = format!("{}{path}", self.base_url);
        if !claims.audiences.contains(&endpoint) {
            return refuse(Cause::Audience);
        }
        let times = Times { now: now(), ..self.times };
        if !claims.is_for_now(&times) {
            return refuse(Cause::Time);
        }
        let key =
            registered.keys.find(&self.http, &token.key_id, token.algorithm).await.map_err(|none| match none {
                NoKey::Unfit => AuthError::Token(Cause::Key),
                NoKey::Away => AuthError::KeysAway,
            })?;
        if !crypto::is_signed(token.message, token.signature, &key, token.algorithm) {
            return refuse(Cause::Signature);
        }
        if !registered.tenants.is_empty()
            && !claims.tenant.as_ref().is_some_and(|tenant| registered.tenants.contains(tenant))
        {
            return Err(AuthError::Tenant);
        }
        // Last, so that only whoever holds the key can use a token up.
        let until = claims.expires.saturating_add(times.skew);
        match self.used.as_ref().map(|used| used.take(&claims.issuer, &claims.id, until, times.now)) {
            None | Some(Use::First) => Ok(registered.client.clone()),
            Some(Use::Again) => refuse(Cause::Used),
            Some(Use::Full) => Err(AuthError::Full),
        }
    }
}

fn registered(registration: Registration) -> (String, Registered) {
    let client = VerifiedClient {
        name: registration.name.into(),
        fhir_servers: Some(registration.fhir_servers.into()),
        version: registration.crd_version.as_deref().and_then(Version::named),
    };
    let keys = match registration.jwks_url {
        Some(url) => Keys::There { url, kept: tokio::sync::Mutex::default() },
        None => Keys::Here(keys::of_set(registration.jwks.unwrap_or_default().as_bytes()).unwrap_or_default()),
    };
    (registration.issuer, Registered { client, tenants: registration.tenants, keys })
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
        .map(|_| VerifiedClient { name: "local".into(), fhir_servers: None, version: None })
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
