//! Good callers: an order is signed, and the answer read to its end.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant as Then, sleep_until};
use uuid::Uuid;

const INSTANCE: &str = "\"hookInstance\": \"";

/// How long who is told to come again is told to stay away.
const AGAIN: Duration = Duration::from_secs(1);

/// What callers do that were told to come again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// They come at once.
    ComeAtOnce,
    /// They stay away as long as they were told.
    StayAway,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ComeAtOnce => "come again at once",
            Self::StayAway => "stay away",
        })
    }
}

/// What callers have heard.
#[derive(Default)]
pub struct Heard {
    answers: Vec<Duration>,
    shed: Vec<Duration>,
    /// Of those that had been told before and came at once.
    shed_again: Vec<Duration>,
    others: usize,
    /// Calls that were due while every caller was waiting.
    unsaid: usize,
    /// Calls whose connection was gone before they were answered.
    broken: usize,
    took: Duration,
}

impl Heard {
    /// Answers a second.
    pub fn goodput(&self) -> f64 {
        self.answers.len() as f64 / self.took.as_secs_f64()
    }

    /// The slowest answer; none is zero.
    pub fn slowest(&self) -> Duration {
        self.answers.iter().max().copied().unwrap_or_default()
    }

    /// Calls that were told to come again.
    pub fn told(&self) -> usize {
        self.shed.len() + self.shed_again.len()
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} answers a second{}", self.goodput(), Spread(&self.answers))?;
        for (shed, who) in [(&self.shed, ""), (&self.shed_again, ", having come at once when they were told before,")] {
            if !shed.is_empty() {
                let rate = shed.len() as f64 / self.took.as_secs_f64();
                write!(f, "; {rate:.0} a second told{who} to come again{}", Spread(shed))?;
            }
        }
        write!(f, "; {} others, {} broken, {} not sent", self.others, self.broken, self.unsaid)
    }
}

struct Spread<'t>(&'t [Duration]);

impl fmt::Display for Spread<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut times = self.0.to_vec();
        times.sort_unstable();
        let at = |share: f64| {
            let index = (times.len() as f64 * share) as usize;
            times.get(index.min(times.len().saturating_sub(1))).map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        write!(f, " (p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms)", at(0.5), at(0.99), at(1.0))
    }
}

/// A call, ready to be sent but for the one thing that is different each time.
#[derive(Clone)]
struct Call {
    bytes: Vec<u8>,
    instance: usize,
}

impl Call {
    fn new() -> Self {
        let body = include_str!("../../cds-hooks/examples/order-sign-47383.request.json");
        let head = format!(
            "POST /cds-services/order-sign-crd HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let bytes = [head.as_bytes(), body.as_bytes()].concat();
        let instance = memmem::find(&bytes, INSTANCE.as_bytes()).unwrap() + INSTANCE.len();
        Self { bytes, instance }
    }

    /// The call of another moment: the same one again would be answered once.
    fn fresh(&mut self) -> &[u8] {
        let id = Uuid::new_v4().to_string();
        self.bytes[self.instance..self.instance + id.len()].copy_from_slice(id.as_bytes());
        &self.bytes
    }
}

/// Who calls, on a connection that is kept while the server keeps it.
struct Caller {
    address: SocketAddr,
    call: Call,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
    told: Option<Instant>,
}

impl Caller {
    fn new(address: SocketAddr, call: Call) -> Self {
        Self { address, call, stream: None, buffer: Vec::new(), told: None }
    }

    /// Calls once: the status.
    async fn calls(&mut self) -> io::Result<u16> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await?,
        };
        stream.set_nodelay(true)?;
        // Who is refused before all is sent is answered all the same.
        let sent = stream.write_all(self.call.fresh()).await;
        self.buffer.clear();
        let ends = loop {
            if stream.read_buf(&mut self.buffer).await? == 0 {
                sent?;
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(head) = memmem::find(&self.buffer, b"\r\n\r\n") {
                break head + 4;
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..ends]).to_ascii_lowercase();
        let length = head.split_once("content-length: ").unwrap().1.split("\r\n").next().unwrap();
        let length: usize = length.parse().unwrap();
        while self.buffer.len() < ends + length {
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        if !head.contains("connection: close") {
            self.stream = Some(stream);
        }
        Ok(head.split(' ').nth(1).unwrap().parse().unwrap())
    }

    async fn is_heard(&mut self, due: Instant, heard: &RefCell<Heard>) {
        let reused = self.stream.is_some();
        let again = self.told.take().is_some_and(|told| due.saturating_duration_since(told) < AGAIN);
        let mut status = self.calls().await;
        if status.is_err() && reused {
            // The server had closed it meanwhile, as it may.
            self.stream = None;
            status = self.calls().await;
        }
        let (took, mut heard) = (due.elapsed(), heard.borrow_mut());
        match status {
            Ok(200) => heard.answers.push(took),
            Ok(503) => {
                self.told = Some(Instant::now());
                if again { &mut heard.shed_again } else { &mut heard.shed }.push(took);
            }
            Ok(_) => heard.others += 1,
            Err(_) => heard.broken += 1,
        }
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Callers on connections that they keep.
pub struct Crowd {
    runtime: Runtime,
    free: Rc<RefCell<VecDeque<Caller>>>,
}

impl Crowd {
    /// So many who may call at once.
    pub fn of(address: SocketAddr, callers: usize) -> Self {
        let call = Call::new();
        let free = (0..callers).map(|_| Caller::new(address, call.clone())).collect();
        Self { runtime: runtime(), free: Rc::new(RefCell::new(free)) }
    }

    /// Each has one call after another.
    pub fn one_after_another(&self, time: Duration) -> Heard {
        let (heard, began) = (Rc::new(RefCell::new(Heard::default())), Instant::now());
        LocalSet::new().block_on(&self.runtime, async {
            let mut all = JoinSet::new();
            for mut caller in self.free.take() {
                let heard = heard.clone();
                all.spawn_local(async move {
                    while began.elapsed() < time {
                        caller.is_heard(Instant::now(), &heard).await;
                    }
                    caller
                });
            }
            *self.free.borrow_mut() = all.join_all().await.into();
        });
        finished(heard, began)
    }

    /// So many calls a second, whether those before are answered or not, as long as one of the callers is free: whoever has
    /// been so for the longest calls next. A time is from the moment at which a call was sent.
    pub fn at_rate(&self, rate: usize, told: Told, time: Duration) -> Heard {
        let (heard, began) = (Rc::new(RefCell::new(Heard::default())), Instant::now());
        LocalSet::new().block_on(&self.runtime, async {
            let (busy, mut said) = (Rc::new(Cell::new(0_usize)), 0_usize);
            while began.elapsed() < time {
                // All that are due by now.
                let due = (began.elapsed().as_secs_f64() * rate as f64) as usize;
                while said < due {
                    said += 1;
                    let Some(mut caller) = self.free.borrow_mut().pop_front() else {
                        heard.borrow_mut().unsaid += 1;
                        continue;
                    };
                    let (heard, free, busy) = (heard.clone(), self.free.clone(), busy.clone());
                    busy.set(busy.get() + 1);
                    let moment = Instant::now();
                    tokio::task::spawn_local(async move {
                        caller.is_heard(moment, &heard).await;
                        busy.set(busy.get() - 1);
                        if let (Told::StayAway, Some(told)) = (told, caller.told) {
                            sleep_until((told + AGAIN).into()).await;
                        }
                        free.borrow_mut().push_back(caller);
                    });
                }
                sleep_until(Then::now() + Duration::from_millis(1)).await;
            }
            let ended = Instant::now();
            heard.borrow_mut().took = began.elapsed();
            while busy.get() > 0 && ended.elapsed() < Duration::from_secs(10) {
                sleep_until(Then::now() + Duration::from_millis(10)).await;
            }
            heard.borrow_mut().broken += busy.get();
        });
        finished(heard, began)
    }
}

fn finished(heard: Rc<RefCell<Heard>>, began: Instant) -> Heard {
    let mut heard = heard.take();
    if heard.took.is_zero() {
        heard.took = began.elapsed();
    }
    heard
}
