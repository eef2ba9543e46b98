//! The certificate that the other end of a connection has shown, and proved to have the key of.

use sha2::{Digest, Sha256};

/// Characters of a fingerprint: SHA-256 in hexadecimal.
const LENGTH: usize = 64;

/// SHA-256 of a whole certificate in DER, in lower-case hexadecimal: what RFC 8705 binds a client by, as openssl prints it
/// but for the colons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// That of a certificate.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// As it is registered.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a text is written as one.
pub(super) fn is_fingerprint(text: &str) -> bool {
    text.len() == LENGTH && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}
