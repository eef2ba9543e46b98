//! The keys that payloads are encrypted with: XChaCha20-Poly1305, where the operator sets a master key.
//!
//! Payloads are encrypted with data keys, which lie in the ledger, each wrapped by a master key, which does not. A new
//! master key wraps the data keys anew and leaves the payloads, and so the chain, as they are.

use std::collections::HashMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use chacha20poly1305::aead::{Aead, Generate, KeyInit, Payload};
use chacha20poly1305::{Key as Cipher, XChaCha20Poly1305, XNonce};

use super::LedgerError;
use super::key::{Key, Word, key, secret_key};

/// Bytes of a key.
const LENGTH: usize = 32;

/// Bytes of a nonce, which stands before what it was used for. So many that random ones never meet.
const NONCE: usize = 24;

/// The number of the data key that no payload is encrypted with: it hides what entries are found by.
pub(super) const HIDING: i64 = 1;

/// Why a text holds no master keys. It never quotes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A line is not `number:key`.
    #[error("line {0} is not a number, a colon and 64 hexadecimal digits")]
    Line(usize),
    /// Two keys have one number.
    #[error("line {0} has the number of a key before it")]
    Twice(usize),
}

/// The operator's keys. The first is used; the others are there for what was wrapped by them.
#[derive(Clone, Default)]
pub struct MasterKeys(Vec<(i64, [u8; LENGTH])>);

/// Tells the numbers.
impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(number, _)| number)).finish()
    }
}

impl MasterKeys {
    /// Reads keys, one to a line or with commas between, each as `number:key` with the key in 64 hexadecimal digits.
    /// Empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn read(text: &str) -> Result<Self, KeyError> {
        let mut keys: Vec<(i64, [u8; LENGTH])> = Vec::new();
        for (index, line) in text.split(['\n', ',']).enumerate() {
            let (line, place) = (line.trim(), index + 1);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (number, hex) = line.split_once(':').ok_or(KeyError::Line(place))?;
            let number: u32 = number.trim().parse().map_err(|_| KeyError::Line(place))?;
            let bytes = bytes_of(hex.trim()).ok_or(KeyError::Line(place))?;
            if keys.iter().any(|(other, _)| *other == i64::from(number)) {
                return Err(KeyError::Twice(place));
            }
            keys.push((number.into(), bytes));
        }
        Ok(Self(keys))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn bytes_of(hex: &str) -> Option<[u8; LENGTH]> {
    let digits: Vec<u8> =
        hex.chars().map(|it| it.to_digit(16).and_then(|it| it.try_into().ok())).collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| high << 4 | low).collect::<Vec<u8>>().try_into().ok()
}

/// A data key as it lies in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// Its number.
    pub(super) number: i64,
    /// The number of the master key that wraps it.
    pub(super) master: i64,
    /// The nonce and the wrapped key.
    pub(super) bytes: Vec<u8>,
}

/// The data keys of a ledger that is open.
pub struct Keyring {
    masters: MasterKeys,
    keys: RwLock<HashMap<i64, [u8; LENGTH]>>,
    /// The key that is written with; none where payloads are not encrypted.
    current: Option<i64>,
}

/// Tells whether there is a key.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("masters", &self.masters)
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

impl Keyring {
    /// The keyring to write with, and what of it must be stored first: a new key for what is written from now on, and
    /// the old ones that another than the first master key wraps.
    ///
    /// # Errors
    /// [`LedgerError::NoKey`] where a master key is missing or is not the one that wrapped.
    pub(super) fn to_write(masters: &MasterKeys, stored: &[Wrapped]) -> Result<(Self, Vec<Wrapped>), LedgerError> {
        let mut ring = Self::to_read(masters, stored)?;
        let Some((master, _)) = masters.0.first() else {
            // In the clear beside what is encrypted is what nobody can have meant.
            return if stored.is_empty() { Ok((ring, Vec::new())) } else { Err(LedgerError::NoKey) };
        };
        if ring.keys().len() < stored.len() {
            return Err(LedgerError::NoKey);
        }
        let fresh = i64::from_be_bytes(<[u8; 8]>::generate()) & i64::MAX;
        ring.current = Some(fresh.max(HIDING + 1));
        let mut keys = ring.keys();
        keys.entry(HIDING).or_insert_with(<[u8; LENGTH]>::generate);
        keys.extend(ring.current.map(|number| (number, <[u8; LENGTH]>::generate())));
        let old = |number: &i64| stored.iter().any(|key| key.number == *number && key.master == *master);
        let new = keys.iter().filter(|(number, _)| !old(number));
        let new = new.map(|(number, key)| wrap(masters, *number, key)).collect::<Result<_, _>>()?;
        *ring.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok((ring, new))
    }

    /// The keyring to read with: those keys that the master keys open.
    pub(super) fn to_read(masters: &MasterKeys, stored: &[Wrapped]) -> Result<Self, LedgerError> {
        let ring = Self { masters: masters.clone(), keys: RwLock::default(), current: None };
        ring.learn(stored)?;
        Ok(ring)
    }

    /// Takes in keys that other nodes have made since.
    pub(super) fn learn(&self, stored: &[Wrapped]) -> Result<(), LedgerError> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        for wrapped in stored {
            if let Some((_, master)) = self.masters.0.iter().find(|(number, _)| *number == wrapped.master) {
                let plain = open(master, &wrapped.number.to_be_bytes(), &wrapped.bytes)?;
                keys.insert(wrapped.number, plain.try_into().map_err(|_| LedgerError::NoKey)?);
            }
        }
        Ok(())
    }

    /// Whether a key is here.
    pub(super) fn has(&self, number: i64) -> bool {
        number == 0 || self.keys.read().unwrap_or_else(PoisonError::into_inner).contains_key(&number)
    }

    /// The key's number and the bytes encrypted, bound to what they belong to; 0 and the bytes as they are without a key.
    pub(super) fn seal(&self, bound: &[u8], plain: Vec<u8>) -> Result<(i64, Vec<u8>), LedgerError> {
        let Some(number) = self.current else { return Ok((0, plain)) };
        let key = self.get(number)?;
        Ok((number, seal(&key, bound, &plain)?))
    }

    /// What was sealed with the key of this number.
    pub(super) fn open(&self, number: i64, bound: &[u8], sealed: &[u8]) -> Result<Vec<u8>, LedgerError> {
        // A payload that is not what was sealed is damaged; that the key is the right one was seen when it was unwrapped.
        open(&self.get(number)?, bound, sealed).map_err(|_| LedgerError::Corrupt)
    }

    /// What an entry is stored to be found by. What would tell of a patient is hidden where there is a key.
    pub(super) fn key(&self, word: Word, value: &str) -> Key {
        match self.get(HIDING) {
            Ok(secret) if word == Word::Member => secret_key(word, value, &secret),
            _ => key(word, value),
        }
    }

    /// All that an entry may be found by: it may have been written before there was a key.
    pub(super) fn lookups(&self, word: Word, value: &str) -> Vec<Key> {
        let mut keys = vec![self.key(word, value), key(word, value)];
        keys.dedup();
        keys
    }

    fn get(&self, number: i64) -> Result<[u8; LENGTH], LedgerError> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).get(&number).copied().ok_or(LedgerError::NoKey)
    }

    fn keys(&self) -> HashMap<i64, [u8; LENGTH]> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn wrap(masters: &MasterKeys, number: i64, key: &[u8]) -> Result<Wrapped, LedgerError> {
    let (master, with) = masters.0.first().ok_or(LedgerError::NoKey)?;
    Ok(Wrapped { number, master: *master, bytes: seal(with, &number.to_be_bytes(), key)? })
}

fn seal(key: &[u8; LENGTH], aad: &[u8], msg: &[u8]) -> Result<Vec<u8>, LedgerError> {
    let nonce = XNonce::generate();
    let sealed = cipher(key).encrypt(&nonce, Payload { msg, aad }).map_err(|_| LedgerError::Unstorable)?;
    Ok([nonce.as_slice(), &sealed].concat())
}

fn open(key: &[u8; LENGTH], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, LedgerError> {
    let (nonce, msg) = sealed.split_first_chunk::<NONCE>().ok_or(LedgerError::Corrupt)?;
    cipher(key).decrypt(&XNonce::from(*nonce), Payload { msg, aad }).map_err(|_| LedgerError::NoKey)
}

fn cipher(key: &[u8; LENGTH]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Cipher::from(*key))
}

#[cfg(test)]
mod tests;
