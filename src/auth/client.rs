//! The registered clients, as the operator's file has them.

use std::collections::HashSet;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::{Host, Url};

use super::certificate::is_fingerprint;
use super::set::KeySet;
use crate::config::Settings;
use crate::outbound;
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
    /// The certificates that it is bound to, by SHA-256 in lower-case hexadecimal: it is let in over connections that show
    /// one of them, and over no other. It is bound to none where nothing is said.
    #[serde(default)]
    pub certificates: Vec<String>,
}

/// What registrations may say, by the settings of the server.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// Key sets over plain http.
    pub http: bool,
    /// Key sets at private addresses.
    pub private: bool,
    /// Certificates of clients: they are asked for.
    pub certificates: bool,
}

impl Allowed {
    /// What the settings allow.
    #[must_use]
    pub fn by(settings: &Settings) -> Self {
        Self {
            http: settings.auth.allow_http,
            private: settings.ehr.allow_private,
            certificates: settings.tls.client_roots.is_some(),
        }
    }
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
    /// The file cannot be written.
    #[error("auth.clients: {0} cannot be written: {1}")]
    Unwritten(PathBuf, std::io::ErrorKind),
    /// A registration is not.
    #[error("auth.clients: client {0}: {1}")]
    Client(usize, &'static str),
}

/// Reads the file. An empty one lets nobody in.
///
/// # Errors
/// [`ClientsError`]
pub fn read(file: &Path, allowed: Allowed) -> Result<Vec<Registration>, ClientsError> {
    let text = fs::read_to_string(file).map_err(|error| ClientsError::File(file.to_owned(), error.kind()))?;
    parse(&text, allowed)
}

/// Reads registrations from the text of a file.
fn parse(text: &str, allowed: Allowed) -> Result<Vec<Registration>, ClientsError> {
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
                let url = url.filter(|url| url.scheme() == "https" || (allowed.http && url.scheme() == "http"));
                let Some(url) = url else { return wrong("jwks_url is not an https URL") };
                // A name is looked at when it is resolved; an address is not resolved.
                if !allowed.private && !is_public(&url) {
                    return wrong("jwks_url is a private address, and ehr.allow_private is false");
                }
            }
            (None, Some(keys)) => {
                if !KeySet::read(keys.as_bytes()).is_ok_and(|keys| keys.len() > 0) {
                    return wrong("jwks is no JWKS with a key that can be used");
                }
            }
            _ => return wrong("one of jwks_url and jwks must be there"),
        }
        if client.crd_version.as_deref().is_some_and(|version| Version::named(version).is_none()) {
            return wrong("crd_version is not 2.0, 2.1 or 2.2");
        }
        if !client.certificates.iter().all(|text| is_fingerprint(text)) {
            return wrong("certificates are not SHA-256 in 64 lower-case hexadecimal digits");
        }
        if !client.certificates.is_empty() && !allowed.certificates {
            return wrong(
                "certificates cannot be held to: clients show theirs where this server speaks TLS itself and \
                 tls.client_roots names who issues them, and a proxy does not pass them on",
            );
        }
    }
    Ok(written.client)
}

fn is_public(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => outbound::is_public(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => outbound::is_public(IpAddr::V6(address)),
        _ => true,
    }
}

/// Adds a registration to the file, which is made if it is not there, readable by its owner only. What is in it stays as it
/// is; it is replaced whole or not at all.
///
/// # Errors
/// [`ClientsError`]: the file would not be what it should be.
pub fn add(file: &Path, new: &Registration, allowed: Allowed) -> Result<(), ClientsError> {
    let wrong = |error: std::io::Error| ClientsError::Unwritten(file.to_owned(), error.kind());
    let (mut text, mode) = match fs::read_to_string(file) {
        Ok(text) => (text, fs::metadata(file).map_err(wrong)?.permissions()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => (String::new(), Permissions::from_mode(0o600)),
        Err(error) => return Err(ClientsError::File(file.to_owned(), error.kind())),
    };
    if !text.is_empty() {
        parse(&text, allowed)?;
        text.push_str(if text.ends_with('\n') { "\n" } else { "\n\n" });
    }
    text.push_str(&written(new));
    parse(&text, allowed)?;
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    // Where there is one already, somebody else is at it.
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(wrong)?;
    let replaced =
        out.write_all(text.as_bytes()).and_then(|()| out.set_permissions(mode)).and_then(|()| out.sync_all());
    replaced.and_then(|()| fs::rename(&beside, file)).map_err(|error| {
        _ = fs::remove_file(&beside);
        wrong(error)
    })
}

/// A registration as it stands in the file. TOML reads a text as JSON writes it.
fn written(new: &Registration) -> String {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let list = |all: &[String]| format!("[{}]", all.iter().map(|one| text(one)).collect::<Vec<_>>().join(", "));
    let mut lines = vec![format!("[[client]]\nname = {}\nissuer = {}", text(&new.name), text(&new.issuer))];
    let named = [("jwks_url", &new.jwks_url), ("jwks", &new.jwks), ("crd_version", &new.crd_version)];
    lines.extend(named.iter().filter_map(|(name, it)| it.as_ref().map(|it| format!("{name} = {}", text(it)))));
    let lists = [("fhir_servers", &new.fhir_servers), ("tenants", &new.tenants), ("certificates", &new.certificates)];
    lines.extend(lists.iter().filter(|(_, all)| !all.is_empty()).map(|(name, all)| format!("{name} = {}", list(all))));
    lines.join("\n") + "\n"
}
