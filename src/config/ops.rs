//! The settings of the operations listener: where it is, and the tokens that let operators in.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};

use super::list;

/// A secret of fewer characters could be guessed, and nothing slows the guessing down.
const SHORTEST_SECRET: usize = 32;

/// Where operators are answered, and who they are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpsSettings {
    /// Where to listen; nowhere without.
    #[serde(deserialize_with = "address")]
    pub listen: Option<SocketAddr>,
    /// Who is let in.
    #[serde(default, deserialize_with = "tokens")]
    pub tokens: Vec<Token>,
}

/// An operator's name and secret, and what they let her do.
#[derive(Debug, Clone)]
pub struct Token {
    /// What the operator is called in logs and records.
    pub name: String,
    /// What lets the operator in.
    pub secret: Secret,
    /// What the operator may do. None implies another.
    pub roles: Vec<Role>,
}

/// What an operator may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Read what holds nothing of a patient: the page, the policies, the measures, and whether the ledger holds.
    Metrics,
    /// Read what was recorded of patients.
    Phi,
    /// Let old records go.
    Prune,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Metrics, Self::Phi, Self::Prune];

    /// What it is called in a token.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Phi => "phi",
            Self::Prune => "prune",
        }
    }
}

/// A secret that can be recognised and not told: only its hash is kept.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret([u8; 32]);

impl Secret {
    /// The secret that is written so.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Whether a text is the secret. All of the two hashes is looked at, however early they differ.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        let other = Self::of(text);
        self.0.iter().zip(other.0).fold(0, |differ, (one, other)| differ | (one ^ other)) == 0
    }
}

/// Tells nothing, not even the hash.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| D::Error::custom("ops.listen is not an address with a port"))
}

/// What is wrong is told by its place alone: where name and secret are exchanged, even the name is one.
fn tokens<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Token>, D::Error> {
    let (mut names, mut secrets) = (HashSet::new(), HashSet::new());
    let items = list(deserializer).map_err(|_| D::Error::custom("ops.tokens is not a list of name:secret:roles"))?;
    let read = |(at, item): (usize, &String)| {
        let wrong = |what| D::Error::custom(format!("ops.tokens[{at}] {what}"));
        let token = token(item).map_err(wrong)?;
        if !names.insert(token.name.clone()) {
            return Err(wrong("has a name that another has"));
        }
        if !secrets.insert(token.secret.clone()) {
            return Err(wrong("has a secret that another has"));
        }
        Ok(token)
    };
    items.iter().enumerate().map(read).collect()
}

/// `name:secret:roles`, the roles with `+` between; without them the token is for what holds nothing of a patient.
fn token(text: &str) -> Result<Token, &'static str> {
    let (name, rest) = text.split_once(':').ok_or("is not name:secret:roles")?;
    let (secret, roles) = rest.split_once(':').unwrap_or((rest, Role::Metrics.name()));
    let in_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || !name.bytes().all(in_name) {
        return Err("has a name that is not of a-z, 0-9 and -");
    }
    if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("has a secret that no header can hold: it is not of visible ASCII characters");
    }
    if secret.len() < SHORTEST_SECRET {
        return Err("has a secret of fewer than 32 characters");
    }
    let role = |text: &str| Role::ALL.into_iter().find(|role| role.name() == text);
    let roles: Option<Vec<Role>> = roles.split('+').map(role).collect();
    let roles =
        roles.ok_or("has after its second colon something else than roles: metrics, phi, prune, with + between")?;
    Ok(Token { name: name.to_owned(), secret: Secret::of(secret), roles })
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_is_recognised_and_not_told() {
        let secret = Secret::of("0123456789abcdef0123456789abcdef");
        assert!(secret.is("0123456789abcdef0123456789abcdef"));
        for other in ["", "0123456789abcdef0123456789abcdeF", "0123456789abcdef0123456789abcdef0"] {
            assert!(!secret.is(other), "{other}");
        }
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret(…) Secret(…)");
    }
}
