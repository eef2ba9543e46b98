//! A PostgreSQL server of one's own, on loopback, that a test can stop and kill.
//!
//! A test begins with `let Some(database) = postgres::shared() else { return };`.

mod programs;
mod tests;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tokio_postgres::{NoTls, SimpleQueryMessage};
use uuid::Uuid;

use programs::{Programs, installed};

/// How long anything that must happen may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The settings of the server. It writes as durably as one in use, since that is what is tested.
const SETTINGS: [&str; 7] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=200",
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    // In its folder, where nothing of a server that was killed is left over.
    "dynamic_shared_memory_type=mmap",
];

/// Whom the server belongs to.
const ADMINISTRATOR: &str = "postgres";

/// Whom the databases of the tests belong to; nobody to the rest of the server.
const OWNER: &str = "covenant";

/// An empty database of the test's own, in the server that all tests share.
///
/// None where no PostgreSQL is installed, after having said that the test is skipped; a panic where one must be.
pub fn shared() -> Option<Database> {
    // A static is never dropped. Its server ends with the process.
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    let programs = installed()?;
    Some(SHARED.get_or_init(|| Cluster::start(programs, &[])).database())
}

/// A server and all of its databases. It ends with the test, and leaves nothing.
pub struct Cluster {
    address: SocketAddr,
    /// The administrator's and the owner's.
    password: String,
    keeper: Mutex<Keeper>,
}

impl Cluster {
    /// A server that no other test uses, so that it can be stopped and killed; none as for [`shared`].
    pub fn own() -> Option<Self> {
        Self::own_with(&[])
    }

    /// One with other settings, each as `name=value`.
    pub fn own_with(settings: &[&str]) -> Option<Self> {
        installed().map(|programs| Self::start(programs, settings))
    }

    fn start(programs: Programs, settings: &[&str]) -> Self {
        let password = Uuid::new_v4().simple().to_string();
        let mut keeper = Keeper::start(&programs, settings);
        let created = keeper.told(&format!("create {password}"));
        assert_eq!(created, "0", "no cluster is created: {}", keeper.log());
        // Between our look at a port and the server's, another process may have taken it.
        let started = (0..10).find_map(|_| {
            let address = free_address();
            keeper.serve(address, &password).then_some(address)
        });
        let address = started.unwrap_or_else(|| panic!("the server does not start: {}", keeper.log()));
        let cluster = Self { address, password, keeper: Mutex::new(keeper) };
        cluster.administer(&format!("CREATE ROLE {OWNER} LOGIN PASSWORD '{}'", cluster.password));
        cluster
    }

    /// A new and empty database in it.
    pub fn database(&self) -> Database {
        let name = format!("test_{}", Uuid::new_v4().simple());
        self.administer(&format!("CREATE DATABASE {name} OWNER {OWNER}"));
        Database { address: self.address, password: self.password.clone(), name }
    }

    /// Where it listens, or will again.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it as an operator does who does not wait for its clients: transactions end undone, connections are closed.
    pub fn stop_fast(&self) {
        let mut keeper = self.keeper.lock().unwrap();
        assert_eq!(keeper.told("stop"), "0", "{}", keeper.log());
        keeper.server = None;
    }

    /// Kills it as a power cut would (`kill -9`): itself and each process that serves a client.
    pub fn kill9(&self) {
        let mut keeper = self.keeper.lock().unwrap();
        assert_eq!(keeper.told("kill"), "0", "{}", keeper.log());
        keeper.server = None;
    }

    /// Starts it where it was, after it was stopped or killed, and waits until it serves.
    pub fn start_again(&self) {
        let mut keeper = self.keeper.lock().unwrap();
        assert_eq!(keeper.server, None, "it has not been stopped");
        assert!(keeper.serve(self.address, &self.password), "the server does not start again: {}", keeper.log());
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.keeper.lock().unwrap().log()
    }

    fn administer(&self, sql: &str) {
        asked(&url(ADMINISTRATOR, &self.password, self.address, "postgres"), sql).unwrap();
    }
}

/// A database of a test's own.
pub struct Database {
    address: SocketAddr,
    password: String,
    name: String,
}

impl Database {
    /// Its URL for whom it belongs to, who may do everything in it and nothing outside.
    pub fn url(&self) -> String {
        self.url_through(self.address)
    }

    /// Its URL, by way of a proxy that listens there.
    pub fn url_through(&self, proxy: SocketAddr) -> String {
        url(OWNER, &self.password, proxy, &self.name)
    }

    /// Its URL for the server's administrator, who may do everything.
    pub fn administrators_url(&self) -> String {
        url(ADMINISTRATOR, &self.password, self.address, &self.name)
    }

    /// Where its server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Does what SQL says, as the administrator, past everything that is tested: the rows that come back, as text.
    #[track_caller]
    pub fn ask(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        asked(&self.administrators_url(), sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    /// Does what SQL says as whom it belongs to: why it could not be done, if it could not.
    pub fn try_as_owner(&self, sql: &str) -> Result<(), String> {
        let said = |error: tokio_postgres::Error| {
            error.as_db_error().map_or_else(|| error.to_string(), |said| said.message().to_owned())
        };
        asked(&self.url(), sql).map(|_| ()).map_err(said)
    }
}

fn url(user: &str, password: &str, address: SocketAddr, database: &str) -> String {
    format!("postgres://{user}:{password}@{address}/{database}")
}

/// An address on which nobody listens, with a port that the system gives to nobody who does not ask for it: while the
/// server is stopped, nobody else comes to have it.
fn free_address() -> SocketAddr {
    const FIRST: u16 = 20_000;
    const BEFORE_THE_SYSTEMS: u16 = 32_000;
    loop {
        let chance = Uuid::new_v4().as_u128() % u128::from(BEFORE_THE_SYSTEMS - FIRST);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST + u16::try_from(chance).unwrap()));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// Connects, asks, and hangs up.
fn asked(url: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, tokio_postgres::Error> {
    let ask = async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        let connection = tokio::spawn(connection);
        let messages = client.simple_query(sql).await?;
        drop(client);
        _ = connection.await;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|index| row.get(index).map(str::to_owned)).collect())
            }
            _ => None,
        });
        Ok(rows.collect())
    };
    // On a thread of its own, so that tests that have a runtime can ask too.
    let asks = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(ask);
    thread::scope(|scope| scope.spawn(asks).join().unwrap())
}

/// The process that starts and ends the server, and outlives us by as long as that takes.
struct Keeper {
    process: Child,
    /// Closed when we end, in whatever way.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    folder: PathBuf,
    /// The server's process, while there is one.
    server: Option<u32>,
}

impl Keeper {
    fn start(programs: &Programs, settings: &[&str]) -> Self {
        let folder = programs.folder();
        let mut command = programs.command("sh");
        command.args(["-c", include_str!("postgres/keeper.sh"), "keeper.sh"]).arg(&folder).arg(programs.place());
        command.args(SETTINGS.iter().chain(settings).flat_map(|setting| ["-c", setting]));
        // Not of our group, which is what a terminal or a runner of tests ends.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let orders = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, orders, answers, folder, server: None }
    }

    /// Gives an order, and waits for the answer.
    fn told(&mut self, order: &str) -> String {
        writeln!(self.orders.as_mut().unwrap(), "{order}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    /// Starts the server, and waits until it serves: whether it does, or has ended.
    fn serve(&mut self, address: SocketAddr, password: &str) -> bool {
        let server = self.told(&format!("start {}", address.port())).parse().unwrap();
        let url = url(ADMINISTRATOR, password, address, "postgres");
        let started = Instant::now();
        while is_running(server) {
            // Another server that took the port does not know the password.
            if asked(&url, "SELECT 1").is_ok() {
                self.server = Some(server);
                return true;
            }
            assert!(started.elapsed() < PATIENCE, "the server does not serve: {}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
        false
    }

    fn log(&self) -> String {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.orders.take());
        _ = self.process.wait();
    }
}

/// Whether a process runs: there is one of this number, and it has not ended.
fn is_running(process: u32) -> bool {
    let state = fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat"));
    state.is_ok_and(|state| !state.contains(") Z "))
}
