//! A server of key sets of one's own, on loopback, that counts who calls and can fail in every way that is known.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How it answers.
#[derive(Clone)]
pub enum Serves {
    /// These keys.
    Keys(String),
    /// These keys, with a header line more.
    With(String, String),
    /// These keys, after so long.
    Slowly(String, Duration),
    /// A page for people.
    Html,
    /// More than anybody reads.
    Endlessly,
    /// Somewhere else.
    Redirect(String),
    /// An error.
    Says(u16),
    /// Not at all.
    Nothing,
}

/// A server that is there. It ends with the test.
pub struct KeyServer {
    address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    serves: Mutex<Serves>,
    calls: AtomicUsize,
    over: AtomicBool,
}

impl KeyServer {
    /// Starts it.
    pub fn that(serves: Serves) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let inner =
            Arc::new(Inner { serves: Mutex::new(serves), calls: AtomicUsize::default(), over: AtomicBool::default() });
        let serving = inner.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.over.load(Ordering::SeqCst) {
                    break;
                }
                serving.calls.fetch_add(1, Ordering::SeqCst);
                let serves = serving.serves.lock().unwrap().clone();
                // A client that hangs up ends it.
                thread::spawn(move || _ = answer(&stream, serves));
            }
        });
        Self { address, inner }
    }

    /// Starts one that serves keys as it should.
    pub fn of(keys: String) -> Self {
        Self::that(Serves::Keys(keys))
    }

    /// Where the keys are.
    pub fn url(&self) -> String {
        format!("http://{}/jwks.json", self.address)
    }

    /// Its host and port.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// From now on it answers otherwise.
    pub fn now(&self, serves: Serves) {
        *self.inner.serves.lock().unwrap() = serves;
    }

    /// How many connections were made to it.
    pub fn calls(&self) -> usize {
        self.inner.calls.load(Ordering::SeqCst)
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.inner.over.store(true, Ordering::SeqCst);
        _ = TcpStream::connect(self.address);
    }
}

fn answer(mut stream: &TcpStream, serves: Serves) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let mut says = |status: &str, more: &str, body: &str| {
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{more}\r\n");
        stream.write_all(format!("{head}{body}").as_bytes())
    };
    match serves {
        Serves::Keys(keys) => says("200 OK", "Content-Type: application/json\r\n", &keys),
        Serves::With(keys, line) => says("200 OK", &format!("{line}\r\n"), &keys),
        Serves::Slowly(keys, time) => {
            thread::sleep(time);
            says("200 OK", "", &keys)
        }
        Serves::Html => says("200 OK", "Content-Type: text/html\r\n", "<!DOCTYPE html><title>Sign in</title>"),
        Serves::Redirect(place) => says("302 Found", &format!("Location: {place}\r\n"), ""),
        Serves::Says(status) => says(&format!("{status} No"), "", ""),
        Serves::Endlessly => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"keys\":[],\"x\":\"")?;
            while stream.write_all(&[b'x'; 16 * 1024]).is_ok() {}
            Ok(())
        }
        Serves::Nothing => Ok(()),
    }
}
