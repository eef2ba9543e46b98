//! The server, as an operator runs it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::thread;

use tempfile::TempDir;

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
        let place = tempfile::tempdir().unwrap();
        let log = File::create(place.path().join("log")).unwrap();
        let limits = std::env::vars().filter(|(name, _)| name.starts_with("COVENANT_LIMITS_"));
        let mut child = command_on(alone.then_some(cores::SERVER), env!("CARGO_BIN_EXE_covenant"))
            .current_dir(place.path())
            .env_clear()
            .envs(limits)
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
