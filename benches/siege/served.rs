//! The server, as an operator runs it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::bare;
use crate::cores::{self, command_on};

/// A running server. It is killed in the end.
pub struct Served {
    pub address: SocketAddr,
    child: Child,
    _place: TempDir,
    /// What keeps its only place taken: the call that waits, and the EHR that it waits for.
    _taken: Option<(TcpStream, TcpStream, TcpListener)>,
}

/// A call that has to ask the EHR at an address.
fn asking(base: &str) -> Vec<u8> {
    let example = include_str!("../../cds-hooks/examples/order-sign-47383.request.json");
    let mut request: serde_json::Value = serde_json::from_str(example).unwrap();
    request["fhirServer"] = base.into();
    request["fhirAuthorization"] = serde_json::json!({
        "access_token": "token", "token_type": "Bearer", "expires_in": 3600, "scope": "user/*.read", "subject": "covenant"
    });
    request["prefetch"] = serde_json::json!({});
    let body = request.to_string();
    let head = "POST /cds-services/order-sign-crd HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
    format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

impl Served {
    /// Starts it on a free port, with a ledger of its own; on a core of its own, if it is to be.
    pub fn start(alone: bool) -> Self {
        let limits: Vec<_> = std::env::vars().filter(|(name, _)| name.starts_with("COVENANT_LIMITS_")).collect();
        Self::run(alone, env!("CARGO_BIN_EXE_covenant"), &[], &limits)
    }

    /// Starts one whose only place is taken: its call waits for an EHR that never replies.
    pub fn start_full(alone: bool) -> Self {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/fhir", silent.local_addr().unwrap());
        let settings = [
            ("COVENANT_LIMITS_IN_FLIGHT", "1"),
            ("COVENANT_EHR_SERVERS", &base),
            ("COVENANT_EHR_ALLOW_PRIVATE", "true"),
            ("COVENANT_EHR_DEADLINE_MILLIS", "3600000"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut server = Self::run(alone, env!("CARGO_BIN_EXE_covenant"), &[], &settings);
        let mut waits = TcpStream::connect(server.address).unwrap();
        waits.write_all(&asking(&base)).unwrap();
        // It has its place once the EHR is asked.
        let asked = silent.accept().unwrap().0;
        server._taken = Some((waits, asked, silent));
        server
    }

    /// Starts one that has none either, and is nothing but that.
    pub fn start_bare(alone: bool) -> Self {
        Self::run(alone, std::env::current_exe().unwrap().to_str().unwrap(), &[bare::NAME], &[])
    }

    /// All callers come from one address here.
    fn run(alone: bool, program: &str, arguments: &[&str], limits: &[(String, String)]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let log = File::create(place.path().join("log")).unwrap();
        let mut child = command_on(alone.then_some(cores::SERVER), program)
            .args(arguments)
            .current_dir(place.path())
            .env_clear()
            .envs(limits.iter().cloned())
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs([
                ("COVENANT_LISTEN", "127.0.0.1:0"),
                ("COVENANT_OPS_LISTEN", ""),
                ("COVENANT_LIMITS_CONNECTIONS_PER_ADDRESS", "0"),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| Some(line.split_once(" on http://")?.1.parse().unwrap()));
        thread::spawn(move || lines.for_each(drop));
        Self { address: address.expect("a server that starts"), child, _place: place, _taken: None }
    }

    /// How long it has had a core until now, over all its threads; none where the system does not tell.
    pub fn worked(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        let worked = threads.filter_map(|thread| {
            let told = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            told.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(worked.sum())
    }

    /// Megabytes of memory that it has now.
    pub fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// Megabytes of memory that it had at most.
    pub fn most_memory(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// 0 where the system does not tell.
    fn status(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or_default() / 1024
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
