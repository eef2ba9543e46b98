//! Every setting, read once at start from `covenant.toml` and `COVENANT_*`, and every limit with its reason.

mod auth;
mod edge;
mod environment;
mod kinds;
mod ledger;
mod limits;
mod ops;
mod pages;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use config::{Config, ConfigError, File, FileFormat};
use serde::{Deserialize, Deserializer, Serialize};

pub use auth::AuthSettings;
pub use edge::{Networks, TlsSettings};
pub use ledger::{Hidden, LedgerSettings, OnFailure};
pub use limits::Limits;
pub use ops::{OpsSettings, Role, Secret, Token};
pub use pages::PagesSettings;

/// How strictly the payer of a Coverage is looked at (CRD hook-13, conf-12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum PayerCheck {
    /// A payer that says who it is must be ours; one that does not is answered.
    #[default]
    WhenKnown,
    /// A payer that does not say who it is, is refused.
    Strict,
}

/// How EHRs' FHIR servers are asked for what a request lacks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EhrSettings {
    /// Base URLs of the FHIR servers that are asked, each exactly as EHRs send it. A token goes nowhere else.
    #[serde(default, deserialize_with = "list")]
    pub servers: Vec<String>,
    /// Milliseconds after the request in which everything must be learnt. CRD gives five seconds for the whole answer;
    /// four are ours, and deciding, rendering and recording need less than the rest.
    pub deadline_millis: u64,
    /// Bytes of one reply, all pages of a search together: as many as a request may have.
    pub response_bytes: usize,
    /// Pages of one search. A patient's coverages and orders fit one; more is a search that was not understood.
    pub pages: usize,
    /// Questions to one server at once for one request: enough for every fact, too few to be a flood.
    pub concurrent: usize,
    /// Whether a server may be asked over plain http, where tokens can be read: for developing. Where others reach us it is
    /// not so unless it is said.
    pub allow_http: bool,
    /// Whether a server may be on a loopback, private or link-local address, where only we can reach it.
    pub allow_private: bool,
    /// Failures in a row after which a server is left alone: what waits for it holds memory and the clinician.
    pub break_after: u32,
    /// Seconds for which it is left alone. Then one question is tried.
    pub break_seconds: u64,
}

/// A list, or its items in one text with commas between, as in an environment variable.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        List(Vec<String>),
    }
    let items = match Written::deserialize(deserializer)? {
        Written::Text(text) => text.split(',').map(str::to_owned).collect(),
        Written::List(items) => items,
    };
    Ok(items.iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect())
}

/// All settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Seconds for which a server that is told to terminate answers on, while it says that it is not ready: as long as it takes
    /// those who send it calls to see that. 0 for none.
    pub drain_seconds: u64,
    /// A folder with the policy set; the embedded one without.
    pub policies: Option<PathBuf>,
    /// Seconds between looks at whether that folder has changed; none for never.
    pub policies_look_seconds: u64,
    /// IANA name of the payer's time zone: what "today" is.
    pub time_zone: String,
    /// How strictly the payer of a Coverage is looked at.
    pub payer_check: PayerCheck,
    /// Where answers are recorded.
    pub ledger: LedgerSettings,
    /// What one request may cost.
    pub limits: Limits,
    /// How EHRs' FHIR servers are asked.
    pub ehr: EhrSettings,
    /// Who is let in.
    pub auth: AuthSettings,
    /// How connections are encrypted.
    #[serde(default)]
    pub tls: TlsSettings,
    /// Origins whose pages may call from a browser, each as a browser writes it: `https://desk.example.org`.
    #[serde(default, deserialize_with = "list")]
    pub cors_origins: Vec<String>,
    /// What people are shown in a browser.
    pub pages: PagesSettings,
    /// Where operators are answered, and who they are.
    pub ops: OpsSettings,
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file or a variable does not hold what it should.
    #[error("{0}")]
    Unreadable(String),
    /// Listening where others can reach us, with nobody asked who they are.
    #[error(
        "listen = {0} can be reached from elsewhere, and no authentication is configured (auth.clients): only loopback is \
         possible"
    )]
    OpenToAll(IpAddr),
    /// Listening where others can reach us and read what is said.
    #[error(
        "listen = {0} can be reached from elsewhere, and there is no TLS: name tls.certificate and tls.key, or set \
         tls.proxies to the addresses of the proxies that speak TLS before it"
    )]
    Readable(IpAddr),
    /// Tokens would go over the network as they are.
    #[error("ops.listen = {0} can be reached from elsewhere, and there is no TLS yet: only loopback is possible")]
    OpenOperations(IpAddr),
    /// Not an origin.
    #[error("{0}: `{1}` is not an origin as a browser writes it, such as https://desk.example.org")]
    Origin(&'static str, String),
    /// Not of the setting's kind: its name, and what it may be.
    #[error("{0} must be {1}")]
    Kind(&'static str, String),
    /// Variables that begin like those of settings, and are none's.
    #[error(
        "no setting has the environment variable {0}; that of ledger.path is COVENANT_LEDGER_PATH, and so on. Take it away, \
         or correct its name"
    )]
    Variables(String),
    /// A variable that is not UTF-8.
    #[error("the environment variable {0} is not a text in UTF-8")]
    NoText(String),
}

/// Says where, and of the operators' settings never what is there: it could be a secret in the wrong place.
impl From<ConfigError> for SettingsError {
    fn from(error: ConfigError) -> Self {
        Self::Unreadable(match &error {
            // Below its first line a syntax error quotes the file.
            ConfigError::FileParse { uri, cause } => {
                let place = cause.to_string().lines().next().unwrap_or_default().to_owned();
                uri.iter().fold(place, |place, uri| format!("{place} in {uri}"))
            }
            ConfigError::Type { key: Some(key), .. } | ConfigError::At { key: Some(key), .. }
                if key.starts_with("ops") =>
            {
                let said = error.to_string();
                // What our own code says of the operators' settings, and a name that is not known, quotes no value.
                let quotes_nothing = said.starts_with("ops.") || said.starts_with("unknown field");
                if quotes_nothing { said } else { format!("{key} has a value of the wrong kind") }
            }
            _ => error.to_string(),
        })
    }
}

/// Each setting with its default, as it is written in `covenant.toml`.
/// The environment variable of `ledger.path` is `COVENANT_LEDGER_PATH`, and so on.
pub const DEFAULTS: [(&str, &str); 60] = [
    ("listen", "127.0.0.1:8633"),
    ("drain_seconds", "5"),
    ("policies", ""),
    ("policies_look_seconds", "5"),
    ("time_zone", "America/New_York"),
    ("payer_check", "when-known"),
    ("ledger.path", "covenant.ledger"),
    ("ledger.url", ""),
    ("ledger.node", "covenant"),
    ("ledger.patience_millis", "1000"),
    ("ledger.on_failure", "refuse"),
    ("ledger.keys", ""),
    ("ledger.keys_file", ""),
    ("limits.body_bytes", "2097152"),
    ("limits.body_seconds", "5"),
    ("limits.depth", "64"),
    ("limits.nodes", "100000"),
    ("limits.orders", "50"),
    ("limits.codes", "64"),
    ("limits.references", "512"),
    ("limits.questions", "32"),
    ("limits.reply_bytes", "8388608"),
    ("limits.determinations", "500"),
    ("limits.cpu_millis", "1000"),
    ("limits.large_body_bytes", "65536"),
    ("limits.in_flight", "512"),
    ("limits.bytes_in_flight", "67108864"),
    ("limits.client_share", "50"),
    ("limits.connections", "16384"),
    ("limits.connections_per_address", "256"),
    ("limits.client_per_minute", "6000"),
    ("limits.failures_per_minute", "60"),
    ("limits.live_tokens", "1000000"),
    ("ehr.servers", ""),
    ("ehr.deadline_millis", "2500"),
    ("ehr.response_bytes", "2097152"),
    ("ehr.pages", "5"),
    ("ehr.concurrent", "8"),
    ("ehr.allow_http", "true"),
    ("ehr.allow_private", "false"),
    ("ehr.break_after", "5"),
    ("ehr.break_seconds", "30"),
    ("auth.clients", ""),
    ("auth.look_seconds", "5"),
    ("auth.base_url", ""),
    ("auth.algorithms", "ES384,RS384"),
    ("auth.longest_seconds", "300"),
    ("auth.skew_seconds", "60"),
    ("auth.single_use_jti", "true"),
    ("auth.discovery_open", "true"),
    ("auth.allow_http", "false"),
    ("tls.certificate", ""),
    ("tls.key", ""),
    ("tls.client_roots", ""),
    ("tls.proxies", ""),
    ("cors_origins", ""),
    ("pages.desk", "true"),
    ("pages.desk_servers", ""),
    ("ops.listen", "127.0.0.1:8634"),
    ("ops.tokens", ""),
];

/// The environment variable of a setting.
#[must_use]
pub fn variable(key: &str) -> String {
    format!("COVENANT_{}", key.replace('.', "_").to_uppercase())
}

impl Settings {
    /// Reads `file`, or `covenant.toml` in the working directory if there is one; then the environment, which wins.
    ///
    /// # Errors
    /// [`SettingsError`]: a setting is unknown, unreadable or unsafe.
    pub fn read(file: Option<&Path>, environment: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let source = match file {
            Some(file) => File::from(file).format(FileFormat::Toml),
            None => File::new("covenant.toml", FileFormat::Toml).required(false),
        };
        let mut builder = Config::builder();
        for (key, default) in DEFAULTS {
            if !default.is_empty() {
                builder = builder.set_default(key, default)?;
            }
            builder = builder.set_override_option(key, environment(&variable(key)))?;
        }
        let mut builder = builder.add_source(source);
        if is_open(&builder.build_cloned()?) {
            builder = builder.set_default("ehr.allow_http", "false")?;
        }
        if builder.build_cloned()?.get_string("auth.clients").is_ok_and(|clients| !clients.is_empty()) {
            builder = builder.set_default("pages.desk", "false")?;
        }
        let config = builder.build()?;
        kinds::check(&config)?;
        let settings: Self = config.try_deserialize()?;
        let (address, tls) = (settings.listen.ip(), &settings.tls);
        if !address.is_loopback() {
            if settings.auth.clients.is_none() {
                return Err(SettingsError::OpenToAll(address));
            }
            if tls.certificate.is_none() && tls.proxies.is_empty() {
                return Err(SettingsError::Readable(address));
            }
        }
        if let Some(open) = settings.ops.listen.filter(|listen| !listen.ip().is_loopback()) {
            return Err(SettingsError::OpenOperations(open.ip()));
        }
        let origins = [("cors_origins", &settings.cors_origins), ("pages.desk_servers", &settings.pages.desk_servers)];
        for (key, origins) in origins {
            if let Some(wrong) = origins.iter().find(|origin| !is_origin(origin)) {
                return Err(SettingsError::Origin(key, wrong.clone()));
            }
        }
        Ok(settings)
    }
}

/// Whether others reach us, by themselves or by a proxy: then tokens do not go where they can be read, unless that is said.
fn is_open(config: &Config) -> bool {
    let listen = config.get_string("listen").ok().and_then(|listen| listen.parse::<SocketAddr>().ok());
    let proxies = config.get::<Networks>("tls.proxies").is_ok_and(|proxies| !proxies.is_empty());
    listen.is_some_and(|listen| !listen.ip().is_loopback()) || proxies
}

/// Whether a text is scheme, host and port as a browser writes them. Never a pattern, and never any.
fn is_origin(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        let is_one = url.host_str().is_some_and(|host| !host.contains('*'));
        matches!(url.scheme(), "http" | "https") && is_one && url.origin().ascii_serialization() == text
    })
}
