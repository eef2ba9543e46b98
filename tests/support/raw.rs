//! A connection on which every byte is ours, for what an HTTP client would not do.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::Reply;

/// How long anything that must happen may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// What bytes go over.
trait Wire: Read + Write + Send {}

impl<W: Read + Write + Send> Wire for W {}

/// A connection to the server, by TCP or by TLS.
pub struct Connection {
    wire: Box<dyn Wire>,
    socket: TcpStream,
    /// What was read to see whether there is anything.
    ahead: Option<u8>,
}

impl Connection {
    /// Connects.
    pub fn to(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Self { wire: Box::new(socket.try_clone().unwrap()), socket, ahead: None }
    }

    /// Connects to a server that speaks TLS.
    pub fn by_tls(address: SocketAddr, config: Arc<ClientConfig>) -> Self {
        let plain = Self::to(address);
        let mut session = ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap();
        let mut socket = plain.socket.try_clone().unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut socket).unwrap();
        }
        Self { wire: Box::new(StreamOwned::new(session, socket)), ..plain }
    }

    /// Sends bytes as they are.
    pub fn sends(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.wire.write_all(bytes.as_ref()).unwrap();
        self.wire.flush().unwrap();
        self
    }

    /// The next byte; none at the end.
    fn next(&mut self) -> io::Result<Option<u8>> {
        if let Some(byte) = self.ahead.take() {
            return Ok(Some(byte));
        }
        let mut byte = [0];
        match self.wire.read(&mut byte) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(byte[0])),
            // What was sent and not read makes the end a reset; and few end TLS before they end TCP.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether anything comes within a time.
    fn hears_within(&mut self, time: Duration) -> bool {
        self.socket.set_read_timeout(Some(time)).unwrap();
        let heard = self.next();
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        match heard {
            Ok(byte) => {
                self.ahead = byte;
                byte.is_some()
            }
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
                false
            }
        }
    }

    /// Sends the head of a call to order-sign with these lines, each without its end.
    pub fn sends_head(self, lines: &[&str]) -> Self {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        self.sends(format!("POST /cds-services/order-sign-crd HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n"))
    }

    /// Sends a whole call to order-sign in one piece.
    pub fn sends_call(self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let head = "POST /cds-services/order-sign-crd HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
        let mut whole = format!("{head}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        whole.extend_from_slice(&body);
        self.sends(whole)
    }

    /// Sends one byte after another until something comes back, and then nothing more.
    pub fn drips_until_answered(mut self) -> Self {
        let started = Instant::now();
        // The wait for an answer is also the time between two bytes.
        while !self.hears_within(Duration::from_millis(100)) {
            assert!(started.elapsed() < PATIENCE, "it was never answered");
            self = self.sends(" ");
        }
        self
    }

    /// Waits for a response for so many seconds: whether there is one.
    pub fn is_answered_within_seconds(&mut self, seconds: u64) -> bool {
        self.hears_within(Duration::from_secs(seconds))
    }

    /// Reads one response, and leaves the connection as it is.
    pub fn reply(&mut self) -> Reply {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = self.next().unwrap_or_else(|error| panic!("{error} after {head:?}"));
            head.push(byte.unwrap_or_else(|| panic!("the end after {head:?}")));
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let mut reply = Reply { status, headers, body: Vec::new() };
        let length = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
        reply.body.resize(length, 0);
        self.wire.read_exact(&mut reply.body).unwrap();
        reply
    }

    /// Reads one response, after which the server must close the connection.
    pub fn last_reply(mut self) -> Reply {
        let reply = self.reply();
        assert!(self.ends_by_the_server(), "the connection stays open");
        reply
    }

    /// All that the server says before it closes the connection.
    pub fn last_words(mut self) -> String {
        let mut said = Vec::new();
        while let Some(byte) = self.next().unwrap() {
            said.push(byte);
        }
        String::from_utf8(said).unwrap()
    }

    /// Waits for the end of the connection: true if it comes before anything else.
    pub fn ends_by_the_server(mut self) -> bool {
        matches!(self.next(), Ok(None))
    }
}
