//! The one way outward: an HTTP client that goes where it is sent and nowhere else.
//!
//! It follows no redirect and no proxy, repeats nothing, and connects to private addresses only where that is allowed.

mod address;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, ClientBuilder};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

pub use address::is_public;

/// A connection that is not there after this long will not be in time; there is time for a second.
const CONNECT: Duration = Duration::from_secs(1);

/// How long an idle connection is kept: servers close theirs after a minute or so.
const IDLE: Duration = Duration::from_secs(30);

/// Why nothing can be reached.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// No server could be trusted.
    #[error(
        "https is to be used, and this machine has no certificate authorities (SSL_CERT_FILE names a file of them)"
    )]
    NobodyToTrust,
    /// TLS cannot be had.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// HTTP cannot be had.
    #[error("HTTP: {0}")]
    Http(#[from] reqwest::Error),
}

/// A client. With `only_http` it may do without anybody to trust.
///
/// # Errors
/// [`OutboundError`]
pub fn client(allow_private: bool, only_http: bool) -> Result<Client, OutboundError> {
    Ok(builder(allow_private, only_http)?.build()?)
}

/// A client to be.
///
/// # Errors
/// [`OutboundError`]
pub fn builder(allow_private: bool, only_http: bool) -> Result<ClientBuilder, OutboundError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() && !only_http {
        return Err(OutboundError::NobodyToTrust);
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let tls = tls.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth();
    Ok(Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Arc::new(address::Resolver { allow_private }))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE))
}

/// Whether a call failed because its name led to where it may not.
#[must_use]
pub fn was_private(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = cause {
        if inner.is::<address::Private>() {
            return true;
        }
        cause = inner.source();
    }
    false
}
