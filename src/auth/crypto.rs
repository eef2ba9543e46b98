//! Signatures are verified by ring, through the door that jsonwebtoken leaves for it. Nothing here signs.

use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use ring::agreement;
use ring::rand::SystemRandom;
use ring::signature as known;
use signature::Verifier;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(unsupported()),
    verifier_factory: |algorithm, key| Ok(Box::new(WithRing { algorithm: *algorithm, key: key.clone() })),
    key_utils: KeyUtils::new_unimplemented(),
};

static INSTALLED: Once = Once::new();

fn unsupported() -> Error {
    ErrorKind::InvalidAlgorithm.into()
}

/// Whether the signature of a token's first two parts is by this key.
pub(super) fn is_signed(message: &str, signature: &str, key: &DecodingKey, algorithm: Algorithm) -> bool {
    // A second one is told that the first is there.
    INSTALLED.call_once(|| _ = PROVIDER.install_default());
    jsonwebtoken::crypto::verify(signature, message.as_bytes(), key, algorithm).unwrap_or(false)
}

/// Whether these are the coordinates of a point of P-384, or of P-256: agreeing on a secret with it would be possible.
pub(super) fn is_on_curve(point: &[u8], of_384: bool) -> bool {
    let curve = if of_384 { &agreement::ECDH_P384 } else { &agreement::ECDH_P256 };
    let ours = agreement::EphemeralPrivateKey::generate(curve, &SystemRandom::new());
    let theirs = agreement::UnparsedPublicKey::new(curve, point);
    ours.is_ok_and(|ours| agreement::agree_ephemeral(ours, &theirs, |_| ()).is_ok())
}

struct WithRing {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl JwtVerifier for WithRing {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for WithRing {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let verified = match (self.algorithm, self.key.family(), self.key.kind()) {
            (Algorithm::ES384, AlgorithmFamily::Ec, DecodingKeyKind::SecretOrDer(point)) => {
                known::UnparsedPublicKey::new(&known::ECDSA_P384_SHA384_FIXED, point).verify(message, signature)
            }
            (Algorithm::ES256, AlgorithmFamily::Ec, DecodingKeyKind::SecretOrDer(point)) => {
                known::UnparsedPublicKey::new(&known::ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (algorithm, AlgorithmFamily::Rsa, DecodingKeyKind::RsaModulusExponent { n, e }) => {
                // Each of them wants 2048 bits at least (FAULTS A13).
                let parameters = match algorithm {
                    Algorithm::RS256 => &known::RSA_PKCS1_2048_8192_SHA256,
                    Algorithm::RS384 => &known::RSA_PKCS1_2048_8192_SHA384,
                    Algorithm::RS512 => &known::RSA_PKCS1_2048_8192_SHA512,
                    _ => return Err(signature::Error::new()),
                };
                known::RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            _ => return Err(signature::Error::new()),
        };
        verified.map_err(|_| signature::Error::new())
    }
}
