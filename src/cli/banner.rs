//! What a server says when it starts: for whom it answers, with what, and how to try it as it is set up.

use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use covenant::answer::{self, Moment};
use covenant::config::Settings;
use covenant::gather::learned::Nobody;
use covenant::policy::check::Proof;
use covenant::policy::model::PolicySet;
use covenant::record::Imported;
use covenant::request::hook;

use super::{CommandError, manner};

/// A request that the embedded policies answer, where the server is started in a copy of its repository.
const EXAMPLE: &str = "cds-hooks/examples/order-sign-47383.request.json";

/// Requests that may lie beside the policies: as many as are tried before none is shown.
const MOST_EXAMPLES: usize = 10;

/// What is said of a server at its start.
pub(super) struct Banner<'a> {
    pub(super) settings: &'a Settings,
    pub(super) set: &'a PolicySet,
    pub(super) proof: Proof,
    /// The scheme, and the address that is bound.
    pub(super) listens: (&'static str, SocketAddr),
    /// Where operators are answered, and how many tokens they have.
    pub(super) operators: Option<(SocketAddr, usize)>,
    /// How many clients are registered, where any may be.
    pub(super) clients: Option<usize>,
    pub(super) members: Option<Imported>,
}

impl Banner<'_> {
    /// Writes it.
    pub(super) fn write(&self, out: &mut impl Write) -> Result<(), CommandError> {
        let (settings, proof) = (self.settings, self.proof);
        let (scheme, address) = self.listens;
        writeln!(out, "Covenant answers for {} on {scheme}://{address}", self.set.payer.name)?;
        let hash = self.set.hash.get(..12).unwrap_or_default();
        writeln!(out, "  policies  {} ({} cases hold), set {hash}", proof.policies, proof.cases)?;
        match &settings.ledger.url {
            Some(_) => writeln!(out, "  ledger    a PostgreSQL database, node {}", settings.ledger.node)?,
            None => writeln!(out, "  ledger    {}", settings.ledger.path.display())?,
        }
        match &self.members {
            Some(it) => writeln!(out, "  members   {}, imported {:.0}", it.patients, it.at)?,
            None => writeln!(out, "  members   none imported: coverages are taken as they are sent")?,
        }
        match self.operators {
            Some((address, tokens)) => writeln!(out, "  operators http://{address}, {tokens} tokens")?,
            None => writeln!(out, "  operators none: ops.listen is empty")?,
        }
        match self.clients {
            Some(clients) => writeln!(out, "  clients   {clients}, by signed tokens")?,
            None => writeln!(out, "  no authentication is configured, so only this machine is answered")?,
        }
        if settings.pages.desk {
            writeln!(out, "  order desk {}/", self.reached())?;
        }
        let calls = self.calls()?;
        if !calls.is_empty() {
            writeln!(out, "Try:")?;
        }
        for call in calls {
            writeln!(out, "  {call}")?;
        }
        Ok(())
    }

    /// The address that callers reach it by: the one that clients are told, or where nobody is registered one of this
    /// machine, as nobody else is answered.
    fn reached(&self) -> String {
        let (scheme, address) = self.listens;
        let here = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        let here = format!("{scheme}://{}", SocketAddr::new(here, address.port()));
        self.settings.auth.base_url.clone().filter(|_| self.clients.is_some()).unwrap_or(here)
    }

    /// Calls that are answered with these settings and policies, as they are typed.
    fn calls(&self) -> Result<Vec<String>, CommandError> {
        let mut calls = Vec::new();
        // The certificate is for the name that others call, which this machine is not called by.
        let curl = if self.clients.is_none() && self.listens.0 == "https" { "curl --insecure" } else { "curl" };
        let reached = self.reached();
        if self.clients.is_none() || self.settings.auth.discovery_open {
            calls.push(format!("{curl} {}", quoted(&format!("{reached}/cds-services"))));
        }
        // What a registered client signs with is not ours to show.
        if self.clients.is_none()
            && let Some((file, service)) = self.example()?
        {
            let (file, to) = (quoted(&format!("@{}", file.display())), format!("{reached}/cds-services/{service}"));
            calls.push(format!("{curl} -H 'Content-Type: application/json' -d {file} {}", quoted(&to)));
        }
        Ok(calls)
    }

    /// A file with a request that this set answers, and the service that it is for.
    fn example(&self) -> Result<Option<(PathBuf, &'static str)>, CommandError> {
        let manner = manner(self.settings)?;
        let moment = Moment::now(&manner.zone);
        let most = u64::try_from(manner.limits.body_bytes).unwrap_or(u64::MAX);
        let service = |file: &Path| {
            // What is no file is not opened: it could keep the start waiting.
            fs::metadata(file).ok().filter(|it| it.is_file() && it.len() <= most)?;
            let body = fs::read(file).ok()?;
            let service = hook::of_request(&body)?;
            let answered = answer::at_once(&body, service, self.set, &manner, &moment, Nobody).is_ok();
            answered.then_some(service.id)
        };
        let files = examples(self.settings.policies.as_deref());
        Ok(files.into_iter().find_map(|file| service(&file).map(|service| (file, service))))
    }
}

/// Files with requests that the policies may answer: those beside a policy folder, and the one of the repository.
fn examples(policies: Option<&Path>) -> Vec<PathBuf> {
    let folder = policies.and_then(|folder| fs::read_dir(folder.join("examples")).ok());
    let beside = folder.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let is_request = |path: &PathBuf| path.to_string_lossy().ends_with(".request.json");
    let mut files: Vec<PathBuf> = beside.filter(is_request).collect();
    files.sort();
    files.truncate(MOST_EXAMPLES);
    files.push(PathBuf::from(EXAMPLE));
    files
}

/// A word as a shell takes it: as it is, or between quotes where a shell would read something into it.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@%+=:,./-_".contains(&byte);
    if word.bytes().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}
