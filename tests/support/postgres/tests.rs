//! The server is one that a ledger can be tested on, and nothing of it outlives the tests.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use super::programs::{installed, place, skipped};
use super::{Cluster, Database, PATIENCE, asked, is_running, shared};

/// The processes of a server: itself, and its children.
fn processes(server: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let process: u32 = entry.unwrap().file_name().to_str()?.parse().ok()?;
        let state = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let parent: u32 = state.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
        (process == server || server == parent).then_some(process)
    });
    processes.collect()
}

/// A database with a table of which one row is committed.
fn with_a_row(cluster: &Cluster) -> Database {
    let database = cluster.database();
    asked(&database.url(), "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('kept')").unwrap();
    database
}

fn server_and_folder(cluster: &Cluster) -> (u32, PathBuf) {
    let keeper = cluster.keeper.lock().unwrap();
    (keeper.server.unwrap(), keeper.folder.clone())
}

fn some(word: &str) -> Vec<Vec<Option<String>>> {
    vec![vec![Some(word.to_owned())]]
}

/// A client in the middle of a statement which does not end by itself; joined once it has ended.
fn sleeping(database: &Database) -> thread::JoinHandle<bool> {
    let url = database.url();
    let client = thread::spawn(move || asked(&url, "INSERT INTO kept VALUES ('lost'); SELECT pg_sleep(600)").is_err());
    let started = Instant::now();
    while database
        .ask("SELECT 1 FROM pg_stat_activity WHERE usename = 'covenant' AND wait_event = 'PgSleep'")
        .is_empty()
    {
        assert!(started.elapsed() < PATIENCE, "it does not sleep");
        thread::sleep(Duration::from_millis(5));
    }
    client
}

#[test]
fn each_test_has_an_empty_database_of_its_own() {
    let (Some(one), Some(other)) = (shared(), shared()) else { return };
    assert_eq!(one.address(), other.address());
    assert_ne!(one.name(), other.name());
    asked(&one.url(), "CREATE TABLE only_here (word text)").unwrap();
    assert_eq!(one.ask("SELECT tableowner FROM pg_tables WHERE tablename = 'only_here'"), some("covenant"));
    assert_eq!(other.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), some("0"));
}

#[test]
fn whom_a_database_belongs_to_is_nobody_to_the_server_and_has_a_password() {
    let Some(database) = shared() else { return };
    let refused = asked(&database.url(), "CREATE ROLE other").unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "42501");
    let refused = asked(&database.url().replacen(&database.password, "guessed", 1), "SELECT 1").unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "28P01");
    let kept = database.ask("SELECT DISTINCT left(rolpassword, 13) FROM pg_authid WHERE rolcanlogin");
    assert_eq!(kept, some("SCRAM-SHA-256"));
}

#[test]
fn the_server_is_durable_and_on_loopback_only() {
    let Some(database) = shared() else { return };
    for (setting, value) in [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("max_connections", "200"),
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_directories", ""),
    ] {
        assert_eq!(database.ask(&format!("SHOW {setting}")), some(value), "{setting}");
    }
}

#[tokio::test]
async fn a_test_with_a_runtime_can_ask() {
    let Some(database) = shared() else { return };
    assert_eq!(database.ask("SELECT 1, NULL"), [[Some("1".to_owned()), None]]);
}

#[test]
fn a_server_that_was_stopped_serves_again_where_it_was() {
    let Some(cluster) = Cluster::own() else { return };
    let database = with_a_row(&cluster);
    let (server, _) = server_and_folder(&cluster);
    let client = sleeping(&database);
    cluster.stop_fast();
    assert!(client.join().unwrap(), "the client was not cut");
    assert!(!is_running(server));
    assert!(TcpStream::connect(cluster.address()).is_err());
    cluster.start_again();
    assert_ne!(server_and_folder(&cluster).0, server);
    assert_eq!(database.ask("SELECT word FROM kept"), some("kept"));
}

#[test]
fn a_server_that_was_killed_leaves_no_process_and_recovers_what_was_committed() {
    let Some(cluster) = Cluster::own() else { return };
    let database = with_a_row(&cluster);
    for _ in 0..3 {
        let client = sleeping(&database);
        let before = processes(server_and_folder(&cluster).0);
        assert!(before.len() > 5, "{before:?}");
        cluster.kill9();
        assert!(!before.into_iter().any(is_running));
        assert!(client.join().unwrap(), "the client was not cut");
        assert!(TcpStream::connect(cluster.address()).is_err());
        cluster.start_again();
        assert_eq!(database.ask("SELECT word FROM kept"), some("kept"));
    }
    assert_eq!(cluster.log().matches("automatic recovery in progress").count(), 3);
}

/// The number of the piece of shared memory that a server holds as its lock.
fn shared_memory(folder: &Path) -> String {
    let lock = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    lock.lines().nth(6).unwrap().split_whitespace().last().unwrap().to_owned()
}

#[test]
fn nothing_is_left_of_a_server_whose_test_is_over_even_if_it_was_stopped_or_killed() {
    for end in [|_: &Cluster| (), Cluster::stop_fast, Cluster::kill9] {
        let Some(cluster) = Cluster::own() else { return };
        let (server, folder) = server_and_folder(&cluster);
        let memory = shared_memory(&folder);
        let of_the_system = || fs::read_to_string("/proc/sysvipc/shm").unwrap();
        let is_there = |all: String| all.lines().any(|line| line.split_whitespace().nth(1) == Some(&memory));
        let processes = processes(server);
        assert!(is_there(of_the_system()) && processes.len() > 3 && folder.exists());
        end(&cluster);
        drop(cluster);
        assert!(!processes.into_iter().any(is_running));
        assert!(!is_there(of_the_system()), "shared memory is left");
        assert!(!folder.exists());
    }
}

/// Runs in a process of its own, since that is killed.
#[test]
#[ignore = "is started by nothing_outlives_a_test_process_that_is_killed"]
fn servers_in_a_process_of_their_own() {
    let (one, other) = (Cluster::own().unwrap(), shared().unwrap());
    let (server, folder) = server_and_folder(&one);
    println!("\nserver {server} {}", folder.display());
    // The server's file of its process lies in its data folder, below the one that must go.
    let data = other.ask("SHOW data_directory").remove(0).remove(0).unwrap();
    let lock = fs::read_to_string(Path::new(&data).join("postmaster.pid")).unwrap();
    println!("server {} {}", lock.lines().next().unwrap(), Path::new(&data).parent().unwrap().display());
    thread::sleep(PATIENCE);
    panic!("nobody has killed it");
}

#[test]
fn nothing_outlives_a_test_process_that_is_killed() {
    if installed().is_none() {
        return;
    }
    let name = "support::postgres::tests::servers_in_a_process_of_their_own";
    let mut itself = Command::new(env::current_exe().unwrap());
    itself.args([name, "--exact", "--ignored", "--nocapture"]).stdout(Stdio::piped());
    let mut child = itself.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let servers = lines.filter_map(|line| {
        let (server, folder) = line.strip_prefix("server ")?.split_once(' ')?;
        Some((server.parse().unwrap(), PathBuf::from(folder)))
    });
    let servers: Vec<(u32, PathBuf)> = servers.take(2).collect();
    assert_eq!(servers.len(), 2);
    let mut processes: Vec<u32> = servers.iter().flat_map(|(server, _)| processes(*server)).collect();
    // The session that asked for a folder may just have ended by itself.
    processes.retain(|process| is_running(*process));
    assert!(processes.len() > 6 && servers.iter().all(|(server, _)| processes.contains(server)));
    assert!(servers.iter().all(|(_, folder)| folder.exists()));
    child.kill().unwrap();
    child.wait().unwrap();
    let killed = Instant::now();
    while processes.iter().copied().any(is_running) || servers.iter().any(|(_, folder)| folder.exists()) {
        assert!(killed.elapsed() < Duration::from_secs(10), "a server is left");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_programs_are_those_of_the_path_or_else_of_the_newest_version() {
    let root = tempfile::tempdir().unwrap();
    let versions = root.path().join("versions");
    let install = |folder: &Path| {
        fs::create_dir_all(folder).unwrap();
        ["initdb", "postgres"].into_iter().for_each(|program| fs::write(folder.join(program), "").unwrap());
    };
    let (empty, in_path) = (root.path().join("empty"), root.path().join("path"));
    let path = env::join_paths([&empty, &in_path]).unwrap();
    assert_eq!(place(&path, &versions), None);
    for version in ["9.6", "15", "10"] {
        install(&versions.join(version).join("bin"));
    }
    fs::create_dir_all(versions.join("17/bin")).unwrap();
    assert_eq!(place(&path, &versions), Some(versions.join("15/bin")));
    install(&in_path);
    assert_eq!(place(&path, &versions), Some(in_path));
}

#[test]
fn a_test_without_programs_says_that_it_is_skipped() {
    assert_eq!(skipped(Some("its::name"), false), "skipped: its::name: no PostgreSQL is installed\n");
}

#[test]
#[should_panic(expected = "no PostgreSQL is installed, and TEST_REQUIRE_POSTGRES is set")]
fn a_test_without_programs_fails_where_they_are_required() {
    skipped(Some("its::name"), true);
}
