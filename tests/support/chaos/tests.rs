//! The proxy does what it says, before a server that says back what it hears.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio_postgres::NoTls;

use super::Chaos;
use crate::support::postgres;

/// How long anything that must happen may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long nothing must happen before a test believes that nothing will.
const SILENCE: Duration = Duration::from_millis(200);

/// A server that says back each line, and everything that it has heard.
fn echo() -> (SocketAddr, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(Mutex::new(String::new()));
    let hears = heard.clone();
    thread::spawn(move || {
        for mut stream in listener.incoming().map(Result::unwrap) {
            let hears = hears.clone();
            thread::spawn(move || {
                let mut piece = [0; 1024];
                while let Ok(read @ 1..) = stream.read(&mut piece) {
                    hears.lock().unwrap().push_str(str::from_utf8(&piece[..read]).unwrap());
                    // Who was cut does not hear it.
                    _ = stream.write_all(&piece[..read]);
                }
            });
        }
    });
    (address, heard)
}

/// Somebody who speaks through the proxy.
struct Client(TcpStream);

impl Client {
    fn of(chaos: &Chaos) -> Self {
        let stream = TcpStream::connect(chaos.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    fn says(&mut self, word: &str) {
        self.0.write_all(word.as_bytes()).unwrap();
    }

    #[track_caller]
    fn hears(&mut self, word: &str) {
        let mut heard = vec![0; word.len()];
        self.0.read_exact(&mut heard).unwrap();
        assert_eq!(String::from_utf8(heard).unwrap(), word);
    }

    #[track_caller]
    fn hears_nothing(&mut self) {
        self.0.set_read_timeout(Some(SILENCE)).unwrap();
        let error = self.0.read(&mut [0]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
    }

    /// The connection ends, and nothing more is heard before.
    #[track_caller]
    fn is_cut(&mut self) {
        match self.0.read(&mut [0]) {
            Ok(read) => assert_eq!(read, 0),
            // What was sent and not read makes the end a reset.
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
}

#[track_caller]
fn comes_to_have_heard(heard: &Mutex<String>, word: &str) {
    let started = Instant::now();
    while *heard.lock().unwrap() != word {
        assert!(started.elapsed() < PATIENCE, "it has heard {:?}", heard.lock().unwrap());
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn everything_is_passed_on_and_so_is_who_hangs_up() {
    let (server, heard) = echo();
    let chaos = Chaos::before(server);
    let long = "long ".repeat(100_000);
    let (mut one, mut other) = (Client::of(&chaos), Client::of(&chaos));
    thread::scope(|scope| {
        let mut says = one.0.try_clone().unwrap();
        let long = &long;
        scope.spawn(move || says.write_all(long.as_bytes()).unwrap());
        one.hears(long);
    });
    other.says("other");
    other.hears("other");
    one.0.shutdown(std::net::Shutdown::Write).unwrap();
    one.is_cut();
    other.says("still");
    other.hears("still");
    assert_eq!(*heard.lock().unwrap(), format!("{long}otherstill"));
}

#[test]
fn who_is_refused_is_cut_and_may_come_again_later() {
    let (server, heard) = echo();
    let chaos = Chaos::before(server);
    let mut open = Client::of(&chaos);
    open.says("one");
    open.hears("one");
    chaos.refuse();
    open.is_cut();
    Client::of(&chaos).is_cut();
    chaos.pass();
    let mut new = Client::of(&chaos);
    new.says("two");
    new.hears("two");
    assert_eq!(*heard.lock().unwrap(), "onetwo");
}

#[test]
fn an_open_connection_is_cut_however_short_the_refusal_was() {
    let (server, _) = echo();
    let chaos = Chaos::before(server);
    let mut open = Client::of(&chaos);
    open.says("one");
    open.hears("one");
    chaos.refuse();
    chaos.pass();
    open.is_cut();
}

#[test]
fn nothing_comes_through_a_hanging_proxy_until_it_passes_again() {
    let (server, heard) = echo();
    let chaos = Chaos::before(server);
    let mut open = Client::of(&chaos);
    open.says("one");
    open.hears("one");
    chaos.hang();
    let mut new = Client::of(&chaos);
    open.says("two");
    new.says("three");
    open.hears_nothing();
    new.hears_nothing();
    assert_eq!(*heard.lock().unwrap(), "one");
    chaos.pass();
    open.hears("two");
    new.hears("three");
}

#[test]
fn what_hangs_is_cut_by_a_refusal() {
    let (server, heard) = echo();
    let chaos = Chaos::before(server);
    chaos.hang();
    let mut open = Client::of(&chaos);
    open.says("one");
    open.hears_nothing();
    chaos.refuse();
    open.is_cut();
    assert_eq!(*heard.lock().unwrap(), "");
}

#[test]
fn a_reply_that_is_cut_is_to_what_the_server_has_heard() {
    let (server, heard) = echo();
    let chaos = Chaos::before(server);
    let (mut open, mut idle) = (Client::of(&chaos), Client::of(&chaos));
    idle.says("zero ");
    idle.hears("zero ");
    chaos.cut_replies(2);
    open.says("one ");
    open.is_cut();
    comes_to_have_heard(&heard, "zero one ");
    assert_eq!(chaos.cuts_to_come(), 1);
    let mut again = Client::of(&chaos);
    again.says("two ");
    again.is_cut();
    comes_to_have_heard(&heard, "zero one two ");
    assert_eq!(chaos.cuts_to_come(), 0);
    let mut last = Client::of(&chaos);
    last.says("three ");
    last.hears("three ");
    idle.says("four");
    idle.hears("four");
}

#[test]
fn what_passes_a_slow_proxy_is_late_either_way() {
    let (server, heard) = echo();
    let chaos = Chaos::before(server);
    let mut client = Client::of(&chaos);
    let delay = Duration::from_millis(300);
    chaos.slow(delay);
    let said = Instant::now();
    client.says("one");
    comes_to_have_heard(&heard, "one");
    assert!(said.elapsed() >= delay);
    client.hears("one");
    assert!(said.elapsed() >= delay * 2);
    chaos.pass();
    client.says("two");
    client.hears("two");
}

#[test]
fn who_asks_for_a_server_that_is_not_there_is_cut() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    Client::of(&Chaos::before(nobody)).is_cut();
}

#[test]
fn its_connections_end_with_it() {
    let (server, _) = echo();
    let chaos = Chaos::before(server);
    let mut client = Client::of(&chaos);
    client.says("one");
    client.hears("one");
    drop(chaos);
    client.is_cut();
}

#[tokio::test]
async fn a_commit_whose_reply_is_cut_is_done() {
    let Some(database) = postgres::shared() else { return };
    let chaos = Chaos::before(database.address());
    let (client, connection) = tokio_postgres::connect(&database.url_through(chaos.address()), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("CREATE TABLE kept (word text); BEGIN; INSERT INTO kept VALUES ('kept')").await.unwrap();
    assert_eq!(database.ask("SELECT count(*) FROM pg_tables WHERE tablename = 'kept'"), [[Some("0".to_owned())]]);
    chaos.cut_replies(1);
    let error = client.batch_execute("COMMIT").await.unwrap_err();
    assert!(error.code().is_none(), "the server's word came through: {error:?}");
    assert_eq!(database.ask("SELECT word FROM kept"), [[Some("kept".to_owned())]]);
}
