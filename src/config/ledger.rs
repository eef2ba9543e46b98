//! The settings of the ledger: where it is, what opens it, and what becomes of an answer that it cannot keep.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// Where answers are recorded, and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerSettings {
    /// The file of the SQLite ledger. With a `url`, it is there for the member directory alone.
    pub path: PathBuf,
    /// `postgres://user:password@host:port/database`, for a ledger that several servers share; none for the file.
    #[serde(default, deserialize_with = "hidden")]
    pub url: Option<Hidden>,
    /// The name under which this server writes to a database that it shares. Each name has a chain of its own.
    pub node: String,
    /// Milliseconds that a commit to the database may take: then it is taken to be away, and clients are told so at once.
    pub patience_millis: u64,
    /// What becomes of an answer that cannot be kept.
    pub on_failure: OnFailure,
    /// Keys that payloads are encrypted with, as `number:key` with 64 hexadecimal digits; the first one is used.
    #[serde(default, deserialize_with = "hidden")]
    pub keys: Option<Hidden>,
    /// A file with such keys, one to a line.
    pub keys_file: Option<PathBuf>,
}

impl LedgerSettings {
    /// How long a commit to the database may take.
    #[must_use]
    pub fn patience(&self) -> Duration {
        Duration::from_millis(self.patience_millis)
    }
}

/// What becomes of an answer that could not be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// It is not given: what is promised is kept, or it is not promised.
    #[default]
    Refuse,
    /// It is given all the same: clinicians are answered, and the operator stands for promises that nobody can look up.
    Answer,
}

/// A text with a secret in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// The text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text as it is, for the one who needs it.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.0
    }
}

/// Tells nothing.
impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(…)")
    }
}

fn hidden<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Hidden>, D::Error> {
    let wrong = |_| serde::de::Error::custom("ledger.url or ledger.keys is not a text");
    let text = String::deserialize(deserializer).map_err(wrong)?;
    Ok(Some(text).filter(|text| !text.is_empty()).map(Hidden))
}
