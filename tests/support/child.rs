//! The real program, run as an operator runs it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tempfile::TempDir;

use super::call::Caller;

/// A working directory to run the program in.
pub struct Place(TempDir);

/// Environment variables and their values.
pub type Environment<'a> = &'a [(&'a str, &'a str)];

impl Place {
    /// An empty one.
    pub fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// One with a settings file.
    pub fn with_settings(text: &str) -> Self {
        let place = Self::empty();
        place.write("covenant.toml", text);
        place
    }

    /// Writes a file and says where.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs a command to its end.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Ran {
        self.run_in(&[], arguments)
    }

    /// Runs a command to its end, in an environment.
    pub fn run_in<S: AsRef<std::ffi::OsStr>>(&self, environment: Environment<'_>, arguments: &[S]) -> Ran {
        Ran::of(self.command(environment).args(arguments).output().unwrap())
    }

    /// Starts the server on a free port.
    pub fn serve(&self) -> Served {
        self.serve_in(&[("COVENANT_LISTEN", "127.0.0.1:0")])
    }

    /// Starts the server in an environment.
    pub fn serve_in(&self, environment: Environment<'_>) -> Served {
        let mut command = self.command(environment);
        let mut child = command.arg("serve").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, told) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        let out = thread::spawn(move || {
            let mut all = String::new();
            for line in out.lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once(" on http://") {
                    // Nobody listens to a second one.
                    _ = tell.send(address.parse().unwrap());
                }
                all.push_str(&line);
                all.push('\n');
            }
            all
        });
        let mut err = child.stderr.take().unwrap();
        let err = thread::spawn(move || {
            let mut all = String::new();
            err.read_to_string(&mut all).unwrap();
            all
        });
        let mut starting = Starting { child: Some(child), out: Some(out), err: Some(err) };
        let address: SocketAddr = told.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| {
            let (out, err) = starting.end();
            panic!("the server does not start: {out}{err}")
        });
        Served { caller: Caller::of(address), running: starting }
    }

    fn command(&self, environment: Environment<'_>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_covenant"));
        command.current_dir(self.0.path()).env_clear().envs(environment.iter().copied()).stdin(Stdio::null());
        command
    }
}

impl AsRef<Path> for Place {
    fn as_ref(&self) -> &Path {
        self.0.path()
    }
}

/// What a command that ended has said.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// It must have done what it was told; what it printed.
    #[track_caller]
    pub fn succeeded(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// It must have ended with this code, printed nothing, and said why: all these words.
    #[track_caller]
    pub fn failed(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.out, "");
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in {}", self.err);
        }
        self
    }
}

/// The server, running. It is killed when the test is over.
pub struct Served {
    caller: Caller,
    running: Starting,
}

impl Served {
    /// Kills it as a power cut would (`kill -9`), and gives back what it wrote: standard output and standard error.
    pub fn kill(mut self) -> (String, String) {
        self.running.end()
    }

    /// Waits for it to end by itself.
    pub fn has_ended(&mut self) -> bool {
        self.running.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }
}

impl Deref for Served {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

struct Starting {
    child: Option<Child>,
    out: Option<JoinHandle<String>>,
    err: Option<JoinHandle<String>>,
}

impl Starting {
    fn end(&mut self) -> (String, String) {
        if let Some(mut child) = self.child.take() {
            // It may have ended already.
            _ = child.kill();
            child.wait().unwrap();
        }
        let said = |said: &mut Option<JoinHandle<String>>| said.take().map(|it| it.join().unwrap()).unwrap_or_default();
        (said(&mut self.out), said(&mut self.err))
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        self.end();
    }
}
