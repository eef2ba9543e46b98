//! `covenant client`: says who is registered, whether their keys can be had, and registers another.

use std::io::Write;
use std::path::Path;

use clap::Args;
use comfy_table::{Table, presets};
use covenant::auth::{self, Allowed, AuthSettingsError, Registration};
use covenant::config::Settings;

use super::CommandError;

/// What is registered of a client.
#[derive(Debug, Args)]
pub(super) struct New {
    /// What its answers are recorded under.
    name: String,
    /// The `iss` of its tokens.
    #[arg(long)]
    issuer: String,
    /// Where its keys are.
    #[arg(long, value_name = "URL", conflicts_with = "jwks", required_unless_present = "jwks")]
    jwks_url: Option<String>,
    /// A file with its keys, a JWKS.
    #[arg(long, value_name = "FILE")]
    jwks: Option<std::path::PathBuf>,
    /// A FHIR server that may be asked for it, exactly as it sends it; as many as there are.
    #[arg(long = "fhir-server", value_name = "URL")]
    fhir_servers: Vec<String>,
    /// A tenant that it may call for; as many as there are.
    #[arg(long = "tenant")]
    tenants: Vec<String>,
    /// The CRD version that is spoken where a request does not say.
    #[arg(long)]
    crd_version: Option<String>,
    /// A certificate that it is bound to, by its SHA-256 in hexadecimal, with or without colons; as many as there are.
    #[arg(long = "certificate", value_name = "SHA256")]
    certificates: Vec<String>,
}

fn file(settings: &Settings) -> Result<&Path, CommandError> {
    let none = || CommandError::Usage("auth.clients names no file of registrations");
    settings.auth.clients.as_deref().ok_or_else(none)
}

fn registered(settings: &Settings) -> Result<Vec<Registration>, CommandError> {
    let read = auth::registrations(file(settings)?, Allowed::by(settings));
    Ok(read.map_err(AuthSettingsError::from)?)
}

/// Prints the registrations.
pub(super) fn list(settings: &Settings) -> Result<(), CommandError> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "client",
        "issuer",
        "keys",
        "FHIR servers",
        "tenants",
        "version",
        "bound to",
    ]);
    for client in registered(settings)? {
        let or = |text: String, none: &str| if text.is_empty() { none.to_owned() } else { text };
        table.add_row([
            client.name,
            client.issuer,
            client.jwks_url.unwrap_or_else(|| "in the registration".to_owned()),
            or(client.fhir_servers.join("\n"), "none"),
            or(client.tenants.join("\n"), "any"),
            client.crd_version.unwrap_or_else(|| "2.0".to_owned()),
            or(client.certificates.join("\n"), "no certificate"),
        ]);
    }
    Ok(writeln!(std::io::stdout(), "{table}")?)
}

/// Looks at the keys of every client, fetching those that are elsewhere. Fails if one has none that can be used.
pub(super) fn check(settings: &Settings) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut out = std::io::stdout().lock();
    let (mut all, mut without) = (0, 0);
    for client in registered(settings)? {
        all += 1;
        let looked = auth::look_at_keys(&client, settings.ehr.allow_private).map_err(AuthSettingsError::from);
        match runtime.block_on(looked?) {
            Ok(keys) => {
                let fault = if keys.usable == 0 { ": none of its keys can be used" } else { "" };
                without += usize::from(keys.usable == 0);
                writeln!(out, "{}: {} usable{fault}", client.name, counted(keys.usable))?;
                for (key, flaw) in keys.flaws {
                    writeln!(out, "  key {key} {flaw}")?;
                }
            }
            Err(why) => {
                without += 1;
                writeln!(out, "{}: its keys cannot be had: {why}", client.name)?;
            }
        }
        if !client.certificates.is_empty() {
            writeln!(out, "  it is let in over connections that show its certificate, and over no other")?;
        }
        if client.jwks_url.is_some_and(|url| url.starts_with("http:")) {
            writeln!(out, "  its keys come over plain http, where whoever is on the way can put his own")?;
        }
    }
    match without {
        0 => Ok(()),
        _ => Err(CommandError::Other(format!("{without} of {all} clients would not be let in"))),
    }
}

fn counted(keys: usize) -> String {
    if keys == 1 { "1 key".to_owned() } else { format!("{keys} keys") }
}

/// Registers another.
pub(super) fn add(settings: &Settings, new: New) -> Result<(), CommandError> {
    let file = file(settings)?;
    let name = new.name.clone();
    let new = Registration {
        name: new.name,
        issuer: new.issuer,
        jwks_url: new.jwks_url,
        jwks: new.jwks.map(std::fs::read_to_string).transpose()?,
        fhir_servers: new.fhir_servers,
        tenants: new.tenants,
        crd_version: new.crd_version,
        // As openssl prints it.
        certificates: new.certificates.iter().map(|it| it.replace(':', "").to_ascii_lowercase()).collect(),
    };
    auth::add(file, &new, Allowed::by(settings)).map_err(AuthSettingsError::from)?;
    let file = file.display();
    Ok(writeln!(std::io::stdout(), "{name} is registered in {file}; a server that runs reads it within seconds")?)
}
