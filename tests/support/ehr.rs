//! An EHR's FHIR server of one's own, on loopback, that can misbehave in every way that is known.

mod behaviour;
mod search;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

pub use behaviour::Behaviour;
use behaviour::Response;

/// How long anything that must happen may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is under the FHIR base; there is something beside it.
const BASE: &str = "/fhir";

/// A server that is not there yet: what it holds, and how it behaves where it does not behave.
#[derive(Default)]
pub struct FakeEhr {
    resources: Vec<Value>,
    behaviours: HashMap<String, Behaviour>,
    page: Option<usize>,
}

impl FakeEhr {
    /// One that holds these resources and serves them as it should.
    pub fn holding(resources: impl IntoIterator<Item = Value>) -> Self {
        Self { resources: resources.into_iter().collect(), ..Self::default() }
    }

    /// It does not hold anything.
    pub fn empty() -> Self {
        Self::default()
    }

    /// At a path below its base, `Location/1` or `Coverage`, it behaves otherwise.
    pub fn but(mut self, path: &str, behaviour: Behaviour) -> Self {
        self.behaviours.insert(path.to_owned(), behaviour);
        self
    }

    /// What it finds comes in pages of so many.
    pub fn in_pages_of(mut self, entries: usize) -> Self {
        self.page = Some(entries);
        self
    }

    /// Starts it. It ends with the test.
    pub fn starts(self) -> RunningEhr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            base: format!("http://{address}{BASE}"),
            ehr: self,
            requests: Mutex::default(),
            connections: Mutex::default(),
            busy: AtomicUsize::default(),
            most_busy: AtomicUsize::default(),
            hung_up_on: AtomicUsize::default(),
            sent: AtomicUsize::default(),
            over: AtomicBool::default(),
        });
        let serving = inner.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.over.load(Ordering::SeqCst) {
                    break;
                }
                serving.connections.lock().unwrap().push(stream.try_clone().unwrap());
                let serving = serving.clone();
                // A client that hangs up ends it.
                thread::spawn(move || _ = serving.connection(&stream));
            }
        });
        RunningEhr { address, inner }
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Below the base: `Location/1`. Whole, if it is not below it.
    pub path: String,
    /// Decoded.
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Asked {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// A server that is there.
pub struct RunningEhr {
    address: SocketAddr,
    inner: Arc<Inner>,
}

impl RunningEhr {
    /// Its FHIR base URL.
    pub fn base(&self) -> String {
        self.inner.base.clone()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Every request that has come.
    pub fn requests(&self) -> Vec<Asked> {
        self.inner.requests.lock().unwrap().clone()
    }

    /// The paths that were asked for, in their order.
    pub fn paths(&self) -> Vec<String> {
        self.requests().into_iter().map(|asked| asked.path).collect()
    }

    /// Nobody has called: there was not even a connection.
    #[track_caller]
    pub fn was_not_called(&self) {
        assert_eq!(self.inner.connections.lock().unwrap().len(), 0, "{:?}", self.requests());
    }

    /// The most requests it had before it at once.
    pub fn most_at_once(&self) -> usize {
        self.inner.most_busy.load(Ordering::SeqCst)
    }

    /// Waits until so many have hung up before they had their answer.
    pub async fn was_hung_up_on(&self, times: usize) {
        let started = Instant::now();
        while self.inner.hung_up_on.load(Ordering::SeqCst) < times {
            assert!(started.elapsed() < PATIENCE, "a connection stays open");
            // Connections are closed by whoever runs the client, which is this thread.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Bytes that it got rid of without an end.
    pub fn flooded(&self) -> usize {
        self.inner.sent.load(Ordering::SeqCst)
    }
}

impl Drop for RunningEhr {
    fn drop(&mut self) {
        self.inner.over.store(true, Ordering::SeqCst);
        // Wakes the one who waits for connections.
        _ = TcpStream::connect(self.address);
        for connection in self.inner.connections.lock().unwrap().iter() {
            _ = connection.shutdown(Shutdown::Both);
        }
    }
}

struct Inner {
    base: String,
    ehr: FakeEhr,
    requests: Mutex<Vec<Asked>>,
    connections: Mutex<Vec<TcpStream>>,
    busy: AtomicUsize,
    most_busy: AtomicUsize,
    hung_up_on: AtomicUsize,
    sent: AtomicUsize,
    over: AtomicBool,
}

impl Inner {
    fn connection(&self, stream: &TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut incoming = BufReader::new(stream);
        while let Some(asked) = self.read(&mut incoming)? {
            let before = {
                let mut requests = self.requests.lock().unwrap();
                let before = requests.iter().filter(|other| other.path == asked.path).count();
                requests.push(asked.clone());
                before
            };
            let busy = self.busy.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_busy.fetch_max(busy, Ordering::SeqCst);
            let done = self.answer(stream, &asked, before);
            self.busy.fetch_sub(1, Ordering::SeqCst);
            done?;
        }
        Ok(())
    }

    fn read(&self, incoming: &mut impl BufRead) -> std::io::Result<Option<Asked>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if incoming.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let target = lines[0].strip_prefix("GET ").expect("a GET").strip_suffix(" HTTP/1.1").unwrap();
        let url = url::Url::parse(&self.base).unwrap().join(target).unwrap();
        let headers = lines[1..].iter().map(|line| line.split_once(": ").unwrap());
        Ok(Some(Asked {
            path: url.path().strip_prefix(BASE).unwrap_or(url.path()).trim_start_matches('/').to_owned(),
            query: url.query_pairs().into_owned().collect(),
            headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect(),
        }))
    }

    fn answer(&self, mut stream: &TcpStream, asked: &Asked, before: usize) -> std::io::Result<()> {
        let behaviour = self.ehr.behaviours.get(&asked.path).unwrap_or(&Behaviour::Behaves);
        match behaviour.response(before, &self.base) {
            Some(Response::Whole(whole)) => stream.write_all(whole.as_bytes()),
            Some(Response::Never) => self.is_hung_up_on(stream),
            Some(Response::Drips) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{")?;
                loop {
                    thread::sleep(Duration::from_millis(20));
                    if stream.write_all(b" ").is_err() {
                        self.hung_up_on.fetch_add(1, Ordering::SeqCst);
                        return Ok(());
                    }
                }
            }
            Some(Response::Floods { length }) => {
                let length = length.map(|length| format!("Content-Length: {length}\r\n")).unwrap_or_default();
                stream
                    .write_all(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{length}\r\n{{\"x\":\"").as_bytes())?;
                let chunk = [b'x'; 16 * 1024];
                while stream.write_all(&chunk).is_ok() {
                    self.sent.fetch_add(chunk.len(), Ordering::SeqCst);
                }
                self.hung_up_on.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
            Some(Response::Resets) => stream.shutdown(Shutdown::Both),
            None => stream.write_all(search::respond(&self.ehr, &self.base, behaviour, asked).as_bytes()),
        }
    }

    fn is_hung_up_on(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        // What comes now is the end.
        _ = stream.read(&mut [0]);
        self.hung_up_on.fetch_add(1, Ordering::SeqCst);
        stream.shutdown(Shutdown::Both)
    }
}
