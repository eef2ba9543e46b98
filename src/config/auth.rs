//! The settings of authentication: who is let in, under which address, and how tokens must be made.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use super::list;

/// Who is let in. Without a file of clients only this machine is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthSettings {
    /// The file with the registrations of clients.
    pub clients: Option<PathBuf>,
    /// Seconds between looks at whether that file has changed; none for never.
    pub look_seconds: u64,
    /// The address that clients call us under, such as `https://crd.payer.example`: a token is for it and the path.
    #[serde(default, deserialize_with = "base")]
    pub base_url: Option<String>,
    /// Signatures that are accepted: of ES384, RS384, ES256, RS256 and RS512.
    #[serde(deserialize_with = "list")]
    pub algorithms: Vec<String>,
    /// Seconds from `iat` to `exp` at most. SMART says five minutes; a conformance tool may need more.
    pub longest_seconds: u32,
    /// Seconds that clocks may differ.
    pub skew_seconds: u32,
    /// Whether a token is for one call. Conformance tools use one again.
    pub single_use_jti: bool,
    /// Whether discovery needs no token.
    pub discovery_open: bool,
    /// Whether key sets may be fetched over plain http: for developing.
    pub allow_http: bool,
}

/// Without the slash that many write at its end.
fn base<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(Some(text.trim_end_matches('/').to_owned()).filter(|text| !text.is_empty()))
}
