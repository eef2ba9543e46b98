//! The keys of a JWKS: those that can verify, and why the others cannot.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use serde_json::Value;

use super::crypto;

/// Keys in a set. Real ones have a handful.
const MOST_KEYS: usize = 32;

/// Bits of an RSA modulus (FAULTS A13), and what ring reads at most.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
}

/// A key that can verify.
struct Key {
    id: String,
    kind: Kind,
    /// The one algorithm that it says it is for.
    algorithm: Option<String>,
    decoding: DecodingKey,
}

/// The keys of a client.
#[derive(Default)]
pub(super) struct KeySet {
    keys: Vec<Key>,
    flaws: Vec<(usize, &'static str)>,
}

impl KeySet {
    /// Reads a JWKS. A key that cannot be used is left out; a set with too many has none.
    pub(super) fn read(text: &[u8]) -> Result<Self, &'static str> {
        let set: Value = serde_json::from_slice(text).map_err(|_| "it is no JSON")?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or("it is no JWKS")?;
        if keys.len() > MOST_KEYS {
            return Err("it has too many keys");
        }
        let named = |id: &str| keys.iter().filter(|key| key.get("kid").and_then(Value::as_str) == Some(id)).count();
        let mut read = Self::default();
        for (index, key) in keys.iter().enumerate() {
            // Of two of one id it could not be told which is meant, be the other one usable or not (FAULTS A09).
            match Key::read(key).and_then(|key| if named(&key.id) == 1 { Ok(key) } else { Err("has another's kid") }) {
                Ok(key) => read.keys.push(key),
                Err(flaw) => read.flaws.push((index + 1, flaw)),
            }
        }
        Ok(read)
    }

    /// The one key of an id, if it is for signatures of this kind.
    pub(super) fn find(&self, id: &str, algorithm: Algorithm) -> Option<&DecodingKey> {
        self.keys.iter().find(|key| key.id == id && key.is_for(algorithm)).map(|key| &key.decoding)
    }

    /// How many keys can verify.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys that cannot, counted from one, and why.
    pub(super) fn flaws(&self) -> &[(usize, &'static str)] {
        &self.flaws
    }
}

impl Key {
    fn read(key: &Value) -> Result<Self, &'static str> {
        if ["d", "p", "q", "k"].iter().any(|secret| key.get(secret).is_some()) {
            return Err("is a secret, which nobody but its owner may have");
        }
        let read: Jwk = serde_json::from_value(key.clone()).map_err(|_| "cannot be read")?;
        let common = read.common.clone();
        let id = common.key_id.filter(|id| !id.is_empty()).ok_or("has no kid")?;
        let verifies = |all: &Vec<KeyOperations>| all.contains(&KeyOperations::Verify);
        if common.public_key_use.is_some_and(|it| it != PublicKeyUse::Signature)
            || !common.key_operations.as_ref().is_none_or(verifies)
        {
            return Err("is not for signatures");
        }
        let decoding = DecodingKey::from_jwk(&read).map_err(|_| "cannot be read")?;
        let kind = match (&read.algorithm, decoding.kind()) {
            (AlgorithmParameters::RSA(_), DecodingKeyKind::RsaModulusExponent { n, .. }) => {
                if !RSA_BITS.contains(&bits(n)) {
                    return Err("is too short, or longer than can be read");
                }
                Kind::Rsa
            }
            (AlgorithmParameters::EllipticCurve(it), DecodingKeyKind::SecretOrDer(point)) => {
                let kind = match it.curve {
                    EllipticCurve::P256 => Kind::P256,
                    EllipticCurve::P384 => Kind::P384,
                    _ => return Err("is of a curve that is not supported"),
                };
                if !crypto::is_on_curve(point, kind == Kind::P384) {
                    return Err("is not on its curve");
                }
                kind
            }
            _ => return Err("is of a kind that is not supported"),
        };
        Ok(Self { id, kind, algorithm: key.get("alg").and_then(Value::as_str).map(str::to_owned), decoding })
    }

    fn is_for(&self, algorithm: Algorithm) -> bool {
        let kind = match algorithm {
            Algorithm::ES256 => Kind::P256,
            Algorithm::ES384 => Kind::P384,
            Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => Kind::Rsa,
            _ => return false,
        };
        self.kind == kind && self.algorithm.as_ref().is_none_or(|said| *said == format!("{algorithm:?}"))
    }
}

fn bits(number: &[u8]) -> usize {
    let significant = number.iter().skip_while(|byte| **byte == 0);
    let leading = significant.clone().next().map_or(0, |first| first.leading_zeros() as usize);
    significant.count() * 8 - leading
}
