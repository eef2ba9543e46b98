//! A connection on which every byte is ours, for what an HTTP client would not do.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::Reply;

/// How long anything that must happen may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A TCP connection to the server.
pub struct Connection(TcpStream);

impl Connection {
    /// Connects.
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    /// Sends bytes as they are.
    pub fn sends(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.write_all(bytes.as_ref()).unwrap();
        self
    }

    /// Sends the head of a call to order-sign with these lines, each without its end.
    pub fn sends_head(self, lines: &[&str]) -> Self {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        self.sends(format!("POST /cds-services/order-sign-crd HTTP/1.1\r\nHost: covenant.example\r\n{lines}\r\n"))
    }

    /// Sends a whole call to order-sign in one piece.
    pub fn sends_call(self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let head =
            "POST /cds-services/order-sign-crd HTTP/1.1\r\nHost: covenant.example\r\nContent-Type: application/json";
        let mut whole = format!("{head}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        whole.extend_from_slice(&body);
        self.sends(whole)
    }

    /// Sends one byte after another until something comes back, and then nothing more.
    pub fn drips_until_answered(mut self) -> Self {
        let started = Instant::now();
        self.0.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        loop {
            assert!(started.elapsed() < PATIENCE, "it was never answered");
            self.0.write_all(b" ").unwrap();
            // The wait for an answer is also the time between two bytes.
            match self.0.peek(&mut [0]) {
                Ok(_) => break,
                Err(error) => assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}"),
            }
        }
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
        self
    }

    /// Waits for a response for so many seconds: whether there is one.
    pub fn is_answered_within_seconds(&mut self, seconds: u64) -> bool {
        self.0.set_read_timeout(Some(Duration::from_secs(seconds))).unwrap();
        let answered = self.0.peek(&mut [0]).is_ok();
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
        answered
    }

    /// Reads one response, and leaves the connection as it is.
    pub fn reply(&mut self) -> Reply {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.0.read_exact(&mut byte).unwrap_or_else(|error| panic!("{error} after {head:?}"));
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let mut reply = Reply { status, headers, body: Vec::new() };
        let length = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
        reply.body.resize(length, 0);
        self.0.read_exact(&mut reply.body).unwrap();
        reply
    }

    /// Reads one response, after which the server must close the connection.
    pub fn last_reply(mut self) -> Reply {
        let reply = self.reply();
        assert!(self.ends_by_the_server(), "the connection stays open");
        reply
    }

    /// Waits for the end of the connection: true if it comes before anything else.
    pub fn ends_by_the_server(mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(read) => read == 0,
            // What was sent and not read makes the end a reset.
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }
}
