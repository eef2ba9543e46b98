//! What records are looked up by: hashes of a word and a value, all of one length.
//!
//! A key is 128 bits of a SHA-256, so that no two things that are looked for will ever share one. What would tell of a
//! patient is hashed together with a secret where payloads are encrypted: a hash of a number can be guessed.

use super::chain;

/// What an index holds instead of what is looked for.
pub type Key = [u8; 16];

/// Says what is hashed. A new encoding needs a new name.
const DOMAIN: &[u8] = b"covenant ledger key, version 1";

/// What a key is of. The first three are of one record each; many may share one of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// A record's own id.
    Record,
    /// A coverage-assertion-id.
    Assertion,
    /// A card's uuid.
    Card,
    /// `hookInstance`
    HookInstance,
    /// A client's name.
    Client,
    /// The number of a policy that decided.
    Policy,
    /// A number by which the payer knows the patient.
    Member,
    /// The card that feedback is of.
    Told,
    /// The record that somebody looked at.
    Looked,
}

impl Word {
    fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Assertion => "assertion",
            Self::Card => "card",
            Self::HookInstance => "hook instance",
            Self::Client => "client",
            Self::Policy => "policy",
            Self::Member => "member",
            Self::Told => "told",
            Self::Looked => "looked",
        }
    }
}

/// The key of a word and a value.
pub(super) fn key(word: Word, value: &str) -> Key {
    secret_key(word, value, &[])
}

/// The key of a word and a value that must not be guessed.
pub(super) fn secret_key(word: Word, value: &str, secret: &[u8]) -> Key {
    let hash = chain::digest(DOMAIN, &[secret, word.name().as_bytes(), value.trim().as_bytes()]);
    hash.first_chunk().copied().unwrap_or_default()
}

/// Keys one after another, as they are stored in a row.
pub(super) fn joined(keys: &[Key]) -> Vec<u8> {
    keys.concat()
}

/// The keys of a stored row.
pub(super) fn parted(stored: &[u8]) -> impl Iterator<Item = Key> {
    stored.as_chunks().0.iter().copied()
}
