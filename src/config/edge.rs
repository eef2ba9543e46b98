//! The settings of the public edge: TLS, and browsers from elsewhere.

use std::path::PathBuf;

use serde::Deserialize;

/// TLS in the server itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// A PEM file with the certificate and those that lead to its root.
    pub certificate: Option<PathBuf>,
    /// A PEM file with its key.
    pub key: Option<PathBuf>,
    /// Whether somebody before us speaks TLS, and nobody else reaches us.
    pub behind_proxy: bool,
}
