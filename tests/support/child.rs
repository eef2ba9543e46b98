//! The real program, run as an operator runs it.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::Certified;
use super::call::Caller;

/// How long anything that must happen may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

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
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ran {
        self.run_in(&[], arguments)
    }

    /// Runs a command to its end, where nothing but its settings file says who operates.
    pub fn run_with_its_operators<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ran {
        Self::ran(self.command(&[]).env_remove(NO_OPERATORS.0).args(arguments))
    }

    /// Runs a command to its end, in an environment.
    pub fn run_in<S: AsRef<OsStr>>(&self, environment: Environment<'_>, arguments: &[S]) -> Ran {
        Self::ran(self.command(environment).args(arguments))
    }

    fn ran(command: &mut Command) -> Ran {
        let mut running = Running::start(command);
        let address = running.address.recv_timeout(PATIENCE);
        if address != Err(RecvTimeoutError::Disconnected) {
            let (out, err) = running.kill();
            panic!("it does not end, and has said: {out}{err}");
        }
        let code = running.child.wait().unwrap().code();
        let (out, err) = running.kill();
        Ran { code, out, err }
    }

    /// Runs a command until `moment`, and kills it there as a power cut would; whether it was still running.
    pub fn run_until<S: AsRef<OsStr>>(&self, arguments: &[S], mut moment: impl FnMut() -> bool) -> bool {
        let mut running = Running::start(self.command(&[]).args(arguments));
        let started = Instant::now();
        while running.child.try_wait().unwrap().is_none() && !moment() {
            assert!(started.elapsed() < PATIENCE, "the moment does not come");
            thread::sleep(Duration::from_millis(1));
        }
        let running_still = running.child.try_wait().unwrap().is_none();
        running.kill();
        running_still
    }

    /// Starts the server on a free port.
    pub fn serve(&self) -> Served {
        self.serve_in(&[("COVENANT_LISTEN", "127.0.0.1:0")])
    }

    /// Starts the server in an environment.
    pub fn serve_in(&self, environment: Environment<'_>) -> Served {
        Self::served(self.command(environment).arg("serve"))
    }

    /// Starts the server in an environment, where a file that has reached the size that is allowed is an error to it and
    /// not its end.
    pub fn serve_that_survives_a_limit(&self, environment: Environment<'_>) -> Served {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" serve", env!("CARGO_BIN_EXE_covenant")]);
        Self::served(self.set(&mut command, environment))
    }

    fn served(command: &mut Command) -> Served {
        let mut running = Running::start(command);
        let address = running.address.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let (out, err) = running.kill();
            panic!("the server does not start: {out}{err}")
        });
        Served { caller: Caller::of(address), running }
    }

    fn command(&self, environment: Environment<'_>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_covenant"));
        self.set(&mut command, environment);
        command
    }

    fn set<'c>(&self, command: &'c mut Command, environment: Environment<'_>) -> &'c mut Command {
        command
            .current_dir(self.0.path())
            .env_clear()
            .envs([NO_OPERATORS])
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
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

/// Nothing listens for operators but where a test says so: the place is the same for all.
const NO_OPERATORS: (&str, &str) = ("COVENANT_OPS_LISTEN", "");

/// The server, running. It is killed when the test is over.
pub struct Served {
    caller: Caller,
    running: Running,
}

impl Served {
    /// Whoever calls its operations listener, which it must have.
    pub fn ops(&self) -> Caller {
        Caller::of(self.running.ops.recv_timeout(PATIENCE).expect("an operations listener"))
    }

    /// The commands that it has told to try, as they are typed.
    pub fn tried(&self) -> Vec<String> {
        // It listens before it answers, and says all before it listens.
        self.caller.connect();
        let next = || self.running.tried.recv_timeout(Duration::from_millis(500)).ok();
        std::iter::from_fn(next).collect()
    }

    /// The number of its process.
    pub fn process(&self) -> u32 {
        self.running.child.id()
    }

    /// Whoever calls it by TLS.
    pub fn by_tls(&self, certified: &Certified) -> Caller {
        Caller::by_tls(self.caller.address, certified)
    }

    /// Tells it to stop (`kill -TERM`).
    pub fn is_told_to_stop(&self) {
        let told = Command::new("kill").args(["-TERM", &self.process().to_string()]).status().unwrap();
        assert!(told.success());
    }

    /// Waits for its end: what it has said by then.
    pub fn ends(mut self) -> Ran {
        let started = Instant::now();
        while self.running.child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < PATIENCE, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
        let code = self.running.child.wait().unwrap().code();
        let (out, err) = self.running.kill();
        Ran { code, out, err }
    }

    /// Tells it to end (`kill -TERM`), and waits until it has; what it has said.
    pub fn end_by_signal(self) -> Ran {
        self.is_told_to_stop();
        self.ends()
    }

    /// Kills it as a power cut would (`kill -9`), and gives back what it wrote: standard output and standard error.
    pub fn kill(mut self) -> (String, String) {
        self.running.kill()
    }
}

impl Deref for Served {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

/// The program while it runs. What it writes is read at once, so that it never waits for us.
struct Running {
    child: Child,
    /// Where it says that it listens. Disconnected once its standard output has ended.
    address: Receiver<SocketAddr>,
    /// Where it says that it listens for operators.
    ops: Receiver<SocketAddr>,
    /// What it tells to try.
    tried: Receiver<String>,
    out: Option<JoinHandle<String>>,
    err: Option<JoinHandle<String>>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let ((tell, address), (tell_ops, ops)) = (mpsc::channel(), mpsc::channel());
        let (tell_call, tried) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        let out = thread::spawn(move || {
            let mut all = String::new();
            for line in out.lines() {
                let line = line.unwrap();
                if let Some((_, address)) = line.split_once(" on http://").or_else(|| line.split_once(" on https://")) {
                    tell.send(address.parse().unwrap()).unwrap();
                }
                if let Some((address, _)) = line.strip_prefix("  operators http://").and_then(|it| it.split_once(',')) {
                    tell_ops.send(address.parse().unwrap()).unwrap();
                }
                if let Some(call) = line.strip_prefix("  curl ") {
                    // Where nobody asks, nobody hears it.
                    _ = tell_call.send(format!("curl {call}"));
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
        Self { child, address, ops, tried, out: Some(out), err: Some(err) }
    }

    /// Kills it, if it has not ended by itself, and gives back what it wrote.
    fn kill(&mut self) -> (String, String) {
        // An error says that it has ended already.
        _ = self.child.kill();
        self.child.wait().unwrap();
        let said = |said: &mut Option<JoinHandle<String>>| said.take().map(|it| it.join().unwrap()).unwrap_or_default();
        (said(&mut self.out), said(&mut self.err))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
