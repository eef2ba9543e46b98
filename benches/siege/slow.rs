//! Sockets that are slow or say nothing, each opened again as soon as the server has closed it.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const HEAD: &str = "POST /cds-services/order-sign-crd HTTP/1.1\r\nHost: localhost\r\n";

/// What such a socket does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    DripsHead,
    DripsBody,
    SaysNothing,
}

/// What came of those that were closed: how many, and after how long at most.
type Ends = BTreeMap<(Kind, String), (usize, Duration)>;

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    open: AtomicUsize,
    ends: Mutex<Ends>,
}

/// A siege, until it ends.
pub struct Siege {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl Siege {
    /// Begins, with so many sockets on a thread of their own.
    pub fn of(address: SocketAddr, sockets: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let besieging = shared.clone();
        let thread = thread::spawn(move || {
            Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let mut all = JoinSet::new();
                for index in 0..sockets {
                    let kind = [Kind::DripsHead, Kind::DripsBody, Kind::SaysNothing][index % 3];
                    all.spawn(besiege(address, kind, besieging.clone()));
                    // Not all in one moment, so that they do not end in one either.
                    if index % 20 == 19 {
                        sleep(Duration::from_millis(10)).await;
                    }
                }
                while all.join_next().await.is_some() {}
            });
        });
        Self { shared, thread }
    }

    /// Sockets that are open now.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Ends it: what became of the sockets, in words.
    pub fn ends(self) -> Vec<String> {
        self.shared.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        let ends = self.shared.ends.lock().unwrap();
        let said = |((kind, end), (count, longest)): (&(Kind, String), &(usize, Duration))| {
            format!("{kind:?}: {count} ended by {end}, after {:.1} s at most", longest.as_secs_f64())
        };
        ends.iter().map(said).collect()
    }
}

async fn besiege(address: SocketAddr, kind: Kind, shared: Arc<Shared>) {
    while !shared.over.load(Ordering::Relaxed) {
        let Ok(Ok(stream)) = timeout(Duration::from_secs(20), TcpStream::connect(address)).await else {
            *shared.ends.lock().unwrap().entry((kind, "no connection".to_owned())).or_default() = (1, Duration::ZERO);
            sleep(Duration::from_secs(1)).await;
            continue;
        };
        let began = Instant::now();
        shared.open.fetch_add(1, Ordering::Relaxed);
        let end = until_closed(stream, kind, &shared.over).await;
        shared.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(end) = end {
            let mut ends = shared.ends.lock().unwrap();
            let (count, longest) = ends.entry((kind, end)).or_default();
            (*count, *longest) = (*count + 1, began.elapsed().max(*longest));
        }
    }
}

/// Drips a byte a second until the server closes it: how it did. None if the siege is over before.
async fn until_closed(mut stream: TcpStream, kind: Kind, over: &AtomicBool) -> Option<String> {
    let (begins, drips) = match kind {
        Kind::DripsHead => ("", HEAD.as_bytes()),
        Kind::DripsBody => ("Content-Type: application/json\r\nContent-Length: 10000\r\n\r\n", &b"{"[..]),
        Kind::SaysNothing => ("", &b""[..]),
    };
    if !begins.is_empty() && stream.write_all(format!("{HEAD}{begins}").as_bytes()).await.is_err() {
        return Some("reset".to_owned());
    }
    let (mut said, mut at) = (Vec::with_capacity(512), 0);
    while !over.load(Ordering::Relaxed) {
        match timeout(Duration::from_secs(1), stream.read_buf(&mut said)).await {
            Err(_) => {}
            Ok(Ok(1..)) => continue,
            Ok(Ok(0)) => return Some(status(&said)),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => return Some(status(&said)),
            Ok(Err(error)) => return Some(error.kind().to_string()),
        }
        if !drips.is_empty() && said.is_empty() {
            // The answer to what cannot be written is read the next time.
            _ = stream.write_all(&drips[at % drips.len()..=at % drips.len()]).await;
            at += 1;
        }
    }
    None
}

fn status(said: &[u8]) -> String {
    let status = String::from_utf8_lossy(said).split(' ').nth(1).map(str::to_owned);
    status.unwrap_or_else(|| "closing without a word".to_owned())
}
