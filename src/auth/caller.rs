//! The key under which data is shared between calls.

use std::sync::Arc;

use sha2::{Digest, Sha256};

/// Identifies whose data a shared entry is: the client, its tenant and, where it matters, the EHR access token.
///
/// Only `auth` creates a `Caller`, from a verified client. [`with_access`](Self::with_access) narrows it to a token. Caches,
/// coalescing, circuit breakers, rate limits and feedback use it as their key, so one caller never sees another's entries.
///
/// ```compile_fail,E0451
/// let forged = covenant::auth::Caller { client: "anyone".into() };
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    client: Arc<str>,
    tenant: Option<Arc<str>>,
    access: Access,
}

/// The access token that an entry depends on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Access {
    /// The entry does not depend on a token.
    Whichever,
    /// The call had no token.
    None,
    /// The SHA-256 of the token; tokens themselves are not kept.
    Token([u8; 32]),
}

untold!(Caller);

impl Caller {
    /// A client, for all its tenants and tokens.
    pub(super) fn of(client: Arc<str>) -> Self {
        Self { client, tenant: None, access: Access::Whichever }
    }

    /// The same client in a tenant, or in none.
    pub(super) fn in_tenant(&self, tenant: Option<&str>) -> Self {
        Self { tenant: tenant.map(Arc::from), ..self.clone() }
    }

    /// The same caller with an access token of the EHR, or without one.
    #[must_use]
    pub fn with_access(&self, token: Option<&str>) -> Self {
        let access = token.map_or(Access::None, |token| Access::Token(Sha256::digest(token).into()));
        Self { access, ..self.clone() }
    }

    /// The name that answers are recorded under.
    #[must_use]
    pub fn client(&self) -> &str {
        &self.client
    }

    /// The tenant, if there is one.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// How many bytes its names take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.client.len() + self.tenant().map_or(0, str::len)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Caller;

    #[test]
    fn m01_clients_tenants_and_tokens_are_told_apart_and_so_is_their_absence() {
        let (one, other) = (Caller::of("one".into()), Caller::of("other".into()));
        let tenants = [None, Some(""), Some("h1"), Some("h2")];
        let tokens = [None, Some(""), Some("t1"), Some("t2")];
        let callers = [one, other].into_iter().flat_map(|client| tenants.map(|tenant| client.in_tenant(tenant)));
        let all: HashSet<Caller> = callers
            .flat_map(|caller| tokens.map(|token| caller.with_access(token)).into_iter().chain([caller]))
            .collect();
        assert_eq!(all.len(), 2 * 4 * 5);
        let again = Caller::of("one".into()).in_tenant(Some("h1")).with_access(Some("t2"));
        assert!(all.contains(&again) && all.contains(&again.with_access(Some("t1"))));
    }
}
