//! A caller that was recognised, until its call begins: only then is its token used up.

use std::time::Instant;

use super::replay::{Unused, Use};
use super::{AuthError, Caller, Cause, REFUSED_AFTER, VerifiedClient};
use crate::telemetry;

/// Leave to call once. A token is not used up by a call that was refused before anything was done for it, so that it can be
/// sent again (FAULTS A25).
#[must_use = "nobody is let in by it until it is used"]
#[derive(Debug)]
pub struct Ticket<'d> {
    client: VerifiedClient,
    token: Option<Unused<'d>>,
}

impl<'d> Ticket<'d> {
    pub(super) fn of(client: VerifiedClient, token: Option<Unused<'d>>) -> Self {
        Self { client, token }
    }

    /// Whose call it is, once it begins.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        self.client.caller()
    }

    /// Lets in its client, and uses its token up. The call is what the request is logged under.
    ///
    /// # Errors
    /// [`AuthError`]: the token was used meanwhile, or whether it was cannot be known now.
    pub async fn enter(self, call: &str) -> Result<VerifiedClient, AuthError> {
        let came = Instant::now();
        let used = match self.token {
            None => Use::First,
            Some(token) => token.take().await,
        };
        let error = match used {
            Use::First => return Ok(self.client),
            Use::Again => AuthError::Token(Cause::Used),
            Use::Full => AuthError::Full,
            Use::Away => AuthError::MemoryAway,
        };
        telemetry::not_admitted(call, error.word());
        if error == AuthError::Token(Cause::Used) {
            tokio::time::sleep(REFUSED_AFTER.saturating_sub(came.elapsed())).await;
        }
        Err(error)
    }
}
