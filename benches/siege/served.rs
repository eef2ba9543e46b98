//! The server, as an operator runs it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
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
}

impl Served {
    /// Starts it on a free port, with a ledger of its own; on a core of its own, if it is to be.
    pub fn start(alone: bool) -> Self {
        let limits: Vec<_> = std::env::vars().filter(|(name, _)| name.starts_with("COVENANT_LIMITS_")).collect();
        Self::run(alone, env!("CARGO_BIN_EXE_covenant"), &[], &limits)
    }

    /// Starts one that has no place for any call.
    pub fn start_full(alone: bool) -> Self {
        let limits = [("COVENANT_LIMITS_IN_FLIGHT".to_owned(), "0".to_owned())];
        Self::run(alone, env!("CARGO_BIN_EXE_covenant"), &[], &limits)
    }

    /// Starts one that has none either, and is nothing but that.
    pub fn start_bare(alone: bool) -> Self {
        Self::run(alone, std::env::current_exe().unwrap().to_str().unwrap(), &[bare::NAME], &[])
    }

    fn run(alone: bool, program: &str, arguments: &[&str], limits: &[(String, String)]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let log = File::create(place.path().join("log")).unwrap();
        let mut child = command_on(alone.then_some(cores::SERVER), program)
            .args(arguments)
            .current_dir(place.path())
            .env_clear()
            .envs(limits.iter().cloned())
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs([("COVENANT_LISTEN", "127.0.0.1:0"), ("COVENANT_OPS_LISTEN", "")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| Some(line.split_once(" on http://")?.1.parse().unwrap()));
        thread::spawn(move || lines.for_each(drop));
        Self { address: address.expect("a server that starts"), child, _place: place }
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
