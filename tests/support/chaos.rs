//! A network that can fail: a proxy before a server, which lets through, cuts, holds or delays what is said.

mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

/// A proxy on loopback. It passes everything on until it is told otherwise, and ends with the test.
///
/// What it is told holds at once, for open connections too, and until it is told something else.
pub struct Chaos {
    address: SocketAddr,
    told: Option<watch::Sender<Told>>,
    cuts: Arc<AtomicUsize>,
    losses: Arc<Mutex<Losses>>,
    proxy: Option<JoinHandle<()>>,
}

/// Words to which the reply is lost, and how often.
type Losses = Option<(&'static str, usize)>;

/// What it has been told.
#[derive(Clone, Copy, Default)]
struct Told {
    manner: Manner,
    /// How often all connections were cut. One that is older than the last time is cut, even if it comes to know of
    /// it only when connections are let through again.
    refusals: u64,
    /// How often all connections were forgotten. Nothing comes through one that is older than the last time.
    forgettings: u64,
}

/// What it does with what is said.
#[derive(Clone, Copy, Default, PartialEq)]
enum Manner {
    #[default]
    Pass,
    Refuse,
    Hang,
    Slow(Duration),
}

impl Chaos {
    /// Starts one before a server.
    pub fn before(server: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = watch::channel(Told::default());
        let cuts = Arc::new(AtomicUsize::default());
        let losses = Arc::new(Mutex::default());
        let line = Line {
            told,
            refusals: 0,
            forgettings: 0,
            cuts: cuts.clone(),
            losses: losses.clone(),
            lost: Arc::default(),
        };
        // A thread and a runtime of its own, so that it does as it is told whatever the test's do.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let proxy = thread::spawn(move || runtime.block_on(proxy(listener, server, line)));
        Self { address, told: Some(tell), cuts, losses, proxy: Some(proxy) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Passes everything on, also what it has held.
    pub fn pass(&self) {
        self.tell(Manner::Pass, 0);
    }

    /// Is like a server that was stopped: cuts the connections that are open, and each new one at once.
    pub fn refuse(&self) {
        self.tell(Manner::Refuse, 0);
    }

    /// Is like a network that loses everything: accepts connections, and nothing comes through either way, not even
    /// that somebody hangs up. As on a network, what was said comes through late if the connection lives to see it.
    pub fn hang(&self) {
        self.tell(Manner::Hang, 0);
    }

    /// Delays each piece of what is said, either way, by so long.
    pub fn slow(&self, delay: Duration) {
        self.tell(Manner::Slow(delay), 0);
    }

    /// The next so many times that the server replies, the connection is cut and the reply lost: what it was asked to do
    /// is done, and nobody hears of it. Otherwise everything is passed on.
    pub fn cut_replies(&self, times: usize) {
        self.tell(Manner::Pass, times);
    }

    /// The next so many times that a client says these words in one piece, the server hears them, and the connection is cut
    /// and the reply lost. Everything else is passed on.
    pub fn lose_replies_to(&self, words: &'static str, times: usize) {
        *self.losses.lock().unwrap() = Some((words, times));
        self.tell(Manner::Pass, 0);
    }

    /// How many replies are still to be lost.
    pub fn losses_to_come(&self) -> usize {
        self.losses.lock().unwrap().map_or(0, |(_, times)| times)
    }

    /// Is like a network that has forgotten the connections that are open: nothing ever comes through them again, and
    /// nobody is told. New ones are passed on.
    pub fn forget(&self) {
        self.told.as_ref().unwrap().send_modify(|told| {
            told.manner = Manner::Pass;
            told.forgettings += 1;
        });
    }

    /// How many replies are still to be cut.
    pub fn cuts_to_come(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }

    fn tell(&self, manner: Manner, cuts: usize) {
        self.cuts.store(cuts, Ordering::SeqCst);
        self.told.as_ref().unwrap().send_modify(|told| {
            told.manner = manner;
            told.refusals += u64::from(manner == Manner::Refuse);
        });
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        // The proxy ends when nobody can tell it anything.
        drop(self.told.take());
        _ = self.proxy.take().map(JoinHandle::join);
    }
}

/// Serves connections until its test is over; then they end with its runtime.
async fn proxy(listener: std::net::TcpListener, server: SocketAddr, mut line: Line) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (client, _) = accepted.unwrap();
                let told = *line.told.borrow();
                if told.manner != Manner::Refuse {
                    let (refusals, forgettings) = (told.refusals, told.forgettings);
                    let line = Line { refusals, forgettings, lost: Arc::default(), ..line.clone() };
                    // Whatever ends a connection, it is cut.
                    tokio::spawn(async move { _ = carry(client, server, line).await });
                }
            }
            over = line.told.changed() => if over.is_err() { break },
        }
    }
}

/// What a connection knows of what the proxy was told.
#[derive(Clone)]
struct Line {
    told: watch::Receiver<Told>,
    /// Of the time it began.
    refusals: u64,
    /// Of the time it began.
    forgettings: u64,
    cuts: Arc<AtomicUsize>,
    losses: Arc<Mutex<Losses>>,
    /// Whether the next reply is lost, since the words were said.
    lost: Arc<AtomicBool>,
}

impl Line {
    /// Waits until something can be passed on: an error if the connection is to be cut.
    async fn clear(&mut self) -> io::Result<()> {
        let (refusals, forgettings) = (self.refusals, self.forgettings);
        let told = self.told.wait_for(|told| {
            told.refusals != refusals || (told.manner != Manner::Hang && told.forgettings == forgettings)
        });
        let told = *told.await.map_err(io::Error::other)?;
        if told.refusals == refusals { Ok(()) } else { Err(io::ErrorKind::ConnectionAborted.into()) }
    }

    /// Waits until the connection is to be cut.
    async fn cut(&mut self) -> io::Result<()> {
        let refusals = self.refusals;
        _ = self.told.wait_for(|told| told.refusals != refusals).await;
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    fn delay(&self) -> Duration {
        if let Manner::Slow(delay) = self.told.borrow().manner { delay } else { Duration::ZERO }
    }

    /// Hears what the client says.
    fn hear(&self, piece: &[u8]) {
        if let Some((words, times @ 1..)) = &mut *self.losses.lock().unwrap()
            && piece.windows(words.len()).any(|window| window == words.as_bytes())
        {
            *times -= 1;
            self.lost.store(true, Ordering::SeqCst);
        }
    }

    /// Whether this reply is one of those to be cut.
    fn loses_a_reply(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
            || self.cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |cuts| cuts.checked_sub(1)).is_ok()
    }
}

/// Carries a connection to the server until both sides have hung up, or an error if it is to be cut.
async fn carry(mut client: TcpStream, server: SocketAddr, mut line: Line) -> io::Result<()> {
    line.clear().await?;
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (client_says, client_hears) = client.split();
    let (server_says, server_hears) = server.split();
    let (there, back) = (line.clone(), line.clone());
    let both = async {
        tokio::try_join!(
            pass_on(client_says, server_hears, there, Says::Client),
            pass_on(server_says, client_hears, back, Says::Server)
        )
    };
    tokio::select! {
        ended = both => ended.map(|_| ()),
        cut = line.cut() => cut,
    }
}

/// Who says what is passed on.
#[derive(PartialEq)]
enum Says {
    Client,
    Server,
}

/// Passes on what one side says, until it has said everything.
async fn pass_on(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut line: Line,
    who: Says,
) -> io::Result<()> {
    let mut piece = vec![0; 1 << 16];
    loop {
        let read = from.read(&mut piece).await?;
        sleep(line.delay()).await;
        line.clear().await?;
        if read == 0 {
            return to.shutdown().await;
        }
        if who == Says::Server && line.loses_a_reply() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if who == Says::Client {
            line.hear(&piece[..read]);
        }
        to.write_all(&piece[..read]).await?;
    }
}
