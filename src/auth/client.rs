//! The registered clients, as the operator's file has them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::request::version::Version;

/// One registration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// What its answers are recorded under.
    pub name: String,
    /// The `iss` of its tokens.
    pub issuer: String,
    /// Where its keys are.
    pub jwks_url: Option<String>,
    /// Its keys, as the text of a JWKS.
    pub jwks: Option<String>,
    /// Base URLs of FHIR servers that may be asked for it, each exactly as it sends it.
    #[serde(default)]
    pub fhir_servers: Vec<String>,
    /// The `tenant`s that it may call for; any, and none, where nothing is said.
    #[serde(default)]
    pub tenants: Vec<String>,
    /// The CRD version that is spoken where a request does not say.
    pub crd_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    client: Vec<Registration>,
}

/// Why the registrations cannot be used. It names the client and the member, and no value.
#[derive(Debug, thiserror::Error)]
pub enum ClientsError {
    /// The file cannot be read.
    #[error("auth.clients: {0} cannot be read: {1}")]
    File(PathBuf, std::io::ErrorKind),
    /// The file is not what it should be.
    #[error("auth.clients: {0}")]
    Form(String),
    /// A registration is not.
    #[error("auth.clients: client {0}: {1}")]
    Client(usize, &'static str),
}

/// Reads the file. An empty one lets nobody in.
///
/// # Errors
/// [`ClientsError`]
pub fn read(file: &Path, allow_http: bool) -> Result<Vec<Registration>, ClientsError> {
    let text = std::fs::read_to_string(file).map_err(|error| ClientsError::File(file.to_owned(), error.kind()))?;
    parse(&text, allow_http)
}

/// Reads registrations from the text of a file.
pub(super) fn parse(text: &str, allow_http: bool) -> Result<Vec<Registration>, ClientsError> {
    let written: Written = config::Config::builder()
        .add_source(config::File::from_str(text, config::FileFormat::Toml))
        .build()
        .and_then(config::Config::try_deserialize)
        // Below its first line a syntax error quotes the file.
        .map_err(|error| ClientsError::Form(error.to_string().lines().next().unwrap_or_default().to_owned()))?;
    let (mut names, mut issuers) = (HashSet::new(), HashSet::new());
    for (index, client) in written.client.iter().enumerate() {
        let wrong = |what| Err(ClientsError::Client(index + 1, what));
        if client.name.is_empty() || !names.insert(&client.name) {
            return wrong("name is empty, or that of a client before it");
        }
        if client.issuer.is_empty() || !issuers.insert(&client.issuer) {
            return wrong("issuer is empty, or that of a client before it");
        }
        match (&client.jwks_url, &client.jwks) {
            (Some(url), None) => {
                let url = Url::parse(url).ok().filter(|url| url.username().is_empty() && url.password().is_none());
                if !url.is_some_and(|url| url.scheme() == "https" || (allow_http && url.scheme() == "http")) {
                    return wrong("jwks_url is not an https URL");
                }
            }
            (None, Some(keys)) => {
                if !serde_json::from_str::<Value>(keys).is_ok_and(|keys| keys.get("keys").is_some_and(Value::is_array))
                {
                    return wrong("jwks is not a JWKS");
                }
            }
            _ => return wrong("one of jwks_url and jwks must be there"),
        }
        if client.crd_version.as_deref().is_some_and(|version| Version::named(version).is_none()) {
            return wrong("crd_version is not 2.0, 2.1 or 2.2");
        }
    }
    Ok(written.client)
}
