//! Why a caller is not let in, and why nobody can be.

use super::client::ClientsError;
use crate::outbound;
use crate::telemetry::Fault;

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
    /// Whether the token was used before at another server cannot be known now; it may be good (FAULTS A22).
    #[error("whether the token was used before cannot be known")]
    MemoryAway,
    /// The client may not call for this tenant (FAULTS A23).
    #[error("the client may not call for this tenant")]
    Tenant,
    /// The client calls too often, or too many tokens from its address have let nobody in; so many seconds later it may
    /// (FAULTS T16, A24).
    #[error("the caller calls too often")]
    TooOften(u64),
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
    /// The connection has not the certificate that its client is bound to.
    Certificate,
    /// It was used before.
    Used,
}

impl Cause {
    /// Its word in the security log.
    pub(super) fn word(self) -> &'static str {
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
            Self::Certificate => "certificate",
            Self::Used => "used",
        }
    }
}

impl AuthError {
    /// Its word in the security log.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Token(cause) => cause.word(),
            Self::KeysAway => "keys-away",
            Self::Full => "full",
            Self::MemoryAway => "memory-away",
            Self::Tenant => "tenant",
            Self::TooOften(_) => "too-often",
            Self::NotLocal => "not-local",
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        if matches!(self, Self::Full | Self::MemoryAway) { Fault::Us } else { Fault::Client }
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
