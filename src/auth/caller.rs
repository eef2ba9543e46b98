//! Whose data something is that calls share: the key to everything that one call leaves for another.

use std::sync::Arc;

use sha2::{Digest, Sha256};

/// Whose data something is that calls share: a client's, in one tenant, read with one access token of the EHR.
///
/// Only this room makes one, of a client that it has verified; whoever has one can narrow it to a token. What is kept
/// under one key is found under no other, and no other type can be made into such a key.
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

/// By which access token of the EHR something was had.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Access {
    /// It does not depend on a token.
    Whichever,
    /// Without a token.
    None,
    /// By the token of this SHA-256: what is kept does not hold tokens.
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
