//! Who is calling: the only maker of [`VerifiedClient`], without which no handler runs.
//!
//! Without authentication configured, whoever is on this machine is believed and nobody else is let in.

use std::net::IpAddr;

use crate::telemetry::Fault;

/// Proof that a caller is one we answer.
///
/// ```compile_fail,E0451
/// let forged = covenant::auth::VerifiedClient { name: "anyone".into() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedClient {
    name: String,
}

impl VerifiedClient {
    /// The name that answers are recorded under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Why a caller is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Not from this machine, and there is no authentication to ask for.
    #[error("the caller is not on this machine")]
    NotLocal,
}

impl AuthError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::Client
    }
}

/// Lets in callers from this machine.
///
/// # Errors
/// The caller is somewhere else, or nobody knows where.
pub fn local(peer: Option<IpAddr>) -> Result<VerifiedClient, AuthError> {
    peer.filter(|peer| peer.to_canonical().is_loopback())
        .map(|_| VerifiedClient { name: "local".to_owned() })
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
