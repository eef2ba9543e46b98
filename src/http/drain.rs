//! How a server stops: it is not ready first, serves on until nobody sends it calls any more, and then closes (FAULTS T21).

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::dev::Server;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until};

use super::App;
use crate::telemetry;

/// What a process is told by others.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl Signals {
    /// From now on they end the process by what is done about them alone.
    ///
    /// # Errors
    /// They cannot be heard.
    pub(super) fn heard() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// What the process is told next.
    async fn next(&mut self) -> Word {
        tokio::select! {
            _ = self.terminate.recv() => Word::Terminate,
            _ = self.interrupt.recv() => Word::AtOnce,
            _ = self.quit.recv() => Word::AtOnce,
        }
    }
}

/// What a process can be told.
enum Word {
    Terminate,
    AtOnce,
}

/// Why a server ends.
enum End {
    /// It was told to, and what was begun may end.
    Stopped,
    /// It was told to stop at once.
    AtOnce,
    /// Nothing can be answered any more.
    Fatal,
}

/// Drives a server until it has ended: whether because nothing could be answered any more, at which it looks so often. A
/// server that is told to terminate serves on for `drain`, unless it is told again.
///
/// # Errors
/// The server has failed.
pub(super) async fn until_stopped(
    server: Server,
    mut signals: Signals,
    app: &App,
    (look, drain): (Duration, Duration),
    fatal: impl Fn() -> bool,
) -> io::Result<bool> {
    let handle = server.handle();
    tokio::pin!(server);
    let mut closes: Option<Instant> = None;
    let end = loop {
        // While it is not told to stop, this moment does not come.
        let closing = async {
            match closes {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = &mut server => return ended.map(|()| false),
            () = closing => break End::Stopped,
            word = signals.next() => match word {
                Word::AtOnce => break End::AtOnce,
                Word::Terminate if closes.is_some() => break End::Stopped,
                Word::Terminate => {
                    app.stopping.store(true, Ordering::Relaxed);
                    telemetry::stopping();
                    closes = Instant::now().checked_add(drain);
                }
            },
            () = sleep(look) => if fatal() {
                break End::Fatal;
            },
        }
    };
    // The server has to be driven while it is told to stop.
    let stop = handle.stop(matches!(end, End::Stopped));
    let (ended, ()) = futures_util::future::join(&mut server, stop).await;
    ended.map(|()| matches!(end, End::Fatal))
}

impl App {
    /// Whether the server was told to terminate: it answers, and takes no connection for long.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
