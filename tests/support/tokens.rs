//! Clients that sign: keys, most of them made when a test runs, the tokens that are signed with them, and key sets.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{self, EcdsaKeyPair, KeyPair, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use uuid::Uuid;

/// The address that the servers of tests are called under, as far as tokens go.
pub const BASE_URL: &str = "https://crd.payer.example";

/// A key to sign with, and its id.
pub struct Signer {
    pub id: String,
    key: Key,
}

enum Key {
    Ec(EcdsaKeyPair, &'static str, &'static str),
    Rsa(RsaKeyPair),
}

/// Seconds since 1970 began.
pub fn now() -> i64 {
    Timestamp::now().as_second()
}

/// Base64 as tokens have it.
pub fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    /// A new key for ES384.
    pub fn es384(id: &str) -> Self {
        Self::ec(id, &signature::ECDSA_P384_SHA384_FIXED_SIGNING, "P-384", "ES384")
    }

    /// A new key for ES256.
    pub fn es256(id: &str) -> Self {
        Self::ec(id, &signature::ECDSA_P256_SHA256_FIXED_SIGNING, "P-256", "ES256")
    }

    fn ec(
        id: &str,
        kind: &'static signature::EcdsaSigningAlgorithm,
        curve: &'static str,
        algorithm: &'static str,
    ) -> Self {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(kind, made.as_ref(), &random).unwrap();
        Self { id: id.to_owned(), key: Key::Ec(pair, curve, algorithm) }
    }

    /// The key for RS384 that everybody has: making one takes seconds.
    pub fn rs384(id: &str) -> Self {
        let text = include_str!("everybody-has-this-rsa-2048.pem");
        let key = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).unwrap();
        Self { id: id.to_owned(), key: Key::Rsa(RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap()) }
    }

    /// The name of its algorithm.
    pub fn algorithm(&self) -> &'static str {
        match &self.key {
            Key::Ec(_, _, algorithm) => algorithm,
            Key::Rsa(_) => "RS384",
        }
    }

    /// Its public half.
    pub fn jwk(&self) -> Value {
        match &self.key {
            Key::Ec(pair, curve, algorithm) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({
                    "kty": "EC", "crv": curve, "alg": algorithm, "use": "sig", "kid": self.id,
                    "x": encoded(x), "y": encoded(y)
                })
            }
            Key::Rsa(pair) => {
                let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({ "kty": "RSA", "use": "sig", "kid": self.id, "n": encoded(n), "e": encoded(e) })
            }
        }
    }

    /// Signs a header and claims as they are.
    pub fn signs(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", encoded(header), encoded(claims));
        let random = SystemRandom::new();
        let signature = match &self.key {
            Key::Ec(pair, ..) => pair.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
            Key::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA384, &random, message.as_bytes(), &mut signature).unwrap();
                signature
            }
        };
        format!("{message}.{}", encoded(signature))
    }
}

/// The text of a JWKS.
pub fn jwks(keys: impl IntoIterator<Item = Value>) -> String {
    json!({ "keys": keys.into_iter().collect::<Vec<_>>() }).to_string()
}

/// A token to be: the header and claims that let its issuer in at order-sign, until they are changed.
#[derive(Clone)]
pub struct Draft {
    pub header: Value,
    pub claims: Value,
}

impl Draft {
    /// A token of an issuer by this key. It is of the next second: those from before a server's start are refused.
    pub fn of(issuer: &str, signer: &Signer) -> Self {
        let issued = now() + 1;
        Self {
            header: json!({ "alg": signer.algorithm(), "typ": "JWT", "kid": signer.id }),
            claims: json!({
                "iss": issuer, "aud": format!("{BASE_URL}/cds-services/order-sign-crd"),
                "iat": issued, "exp": issued + 300, "jti": Uuid::new_v4().to_string()
            }),
        }
    }

    /// For the endpoint of another path.
    pub fn to(self, path: &str) -> Self {
        self.claim("aud", format!("{BASE_URL}{path}"))
    }

    /// With a member of the header.
    pub fn head(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }

    /// With a claim.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    /// Without a member of the header, or a claim.
    pub fn without(mut self, name: &str) -> Self {
        let had = [&mut self.header, &mut self.claims].map(|part| part.as_object_mut().unwrap().shift_remove(name));
        assert!(had.iter().any(Option::is_some), "there is no {name}");
        self
    }

    /// The token.
    pub fn signed_by(&self, signer: &Signer) -> String {
        signer.signs(&self.header.to_string(), &self.claims.to_string())
    }
}

/// What an Authorization header says of a token.
pub fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}
