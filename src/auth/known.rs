//! The clients that are let in now, and how each is recognised. Others take their place when the file has changed.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::client::{self, Allowed, Registration};
use super::keys::{Http, Keys};
use super::set::KeySet;
use super::{AuthSettingsError, Caller, ClientKeys, Fingerprint, VerifiedClient};
use crate::outbound;
use crate::request::version::Version;

/// A registered client, ready to be recognised.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) client: VerifiedClient,
    tenants: Vec<String>,
    certificates: Vec<String>,
    pub(super) keys: Arc<Keys>,
}

impl Registered {
    /// Whether it may call for this tenant.
    pub(super) fn may_call_for(&self, tenant: Option<&String>) -> bool {
        self.tenants.is_empty() || tenant.is_some_and(|tenant| self.tenants.contains(tenant))
    }

    /// Under whom a call is counted. A tenant counts for itself where the registration names it; one that the token alone
    /// names is the client's own word, by which nobody calls more often.
    pub(super) fn counted(&self, caller: &Caller) -> Caller {
        let tenant = caller.tenant().filter(|tenant| self.tenants.iter().any(|known| known == tenant));
        caller.in_tenant(tenant)
    }

    /// Whether it may call over a connection with this certificate, or with none.
    pub(super) fn may_call_over(&self, certificate: Option<&Fingerprint>) -> bool {
        let is_bound_to = |shown: &Fingerprint| self.certificates.iter().any(|bound| bound == shown.as_str());
        self.certificates.is_empty() || certificate.is_some_and(is_bound_to)
    }
}

/// All registered clients, by the issuer of their tokens, and how the keys of those are fetched that are elsewhere.
#[derive(Debug)]
pub struct Clients {
    by_issuer: HashMap<String, Arc<Registered>>,
    fhir_servers: Vec<String>,
    pub(super) http: Http,
}

impl Clients {
    /// Those of a file. One that was there before under the same name, with keys at the same place, keeps those that were
    /// fetched.
    pub(super) fn read(file: &Path, allowed: Allowed, before: Option<&Self>) -> Result<Self, AuthSettingsError> {
        let registrations = client::read(file, allowed)?;
        let http = outbound::client(allowed.private, !registrations.iter().any(super::is_of_https))?;
        let fhir_servers = registrations.iter().flat_map(|client| client.fhir_servers.clone()).collect();
        let by_issuer = registrations.into_iter().map(|client| registered(client, before)).collect();
        Ok(Self { by_issuer, fhir_servers, http })
    }

    /// How the keys of each stand, in no order.
    pub(super) fn keys(&self) -> impl Iterator<Item = ClientKeys> {
        self.by_issuer.values().map(|registered| {
            let (usable, standing) = registered.keys.standing();
            ClientKeys { client: registered.client.name().to_owned(), usable, standing }
        })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.by_issuer.len()
    }

    /// The FHIR servers that may be asked for any of them.
    #[must_use]
    pub fn fhir_servers(&self) -> &[String] {
        &self.fhir_servers
    }

    pub(super) fn find(&self, issuer: &str) -> Option<&Arc<Registered>> {
        self.by_issuer.get(issuer)
    }
}

fn registered(registration: Registration, before: Option<&Clients>) -> (String, Arc<Registered>) {
    let client = VerifiedClient {
        caller: Caller::of(registration.name.into()),
        fhir_servers: Some(registration.fhir_servers.into()),
        version: registration.crd_version.as_deref().and_then(Version::named),
    };
    let keys = match registration.jwks_url {
        Some(url) => {
            let before = before.and_then(|before| before.find(&registration.issuer));
            let same = before.filter(|before| before.client.name() == client.name() && before.keys.are_at(&url));
            let new = || Arc::new(Keys::there(client.name().to_owned(), url.clone()));
            same.map_or_else(new, |before| before.keys.clone())
        }
        None => {
            let keys = KeySet::read(registration.jwks.unwrap_or_default().as_bytes());
            Arc::new(Keys::Here(keys.unwrap_or_default()))
        }
    };
    let (tenants, certificates) = (registration.tenants, registration.certificates);
    (registration.issuer, Arc::new(Registered { client, tenants, certificates, keys }))
}
