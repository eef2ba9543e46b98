//! The line that calls come by: whether whoever called is still there. actix looks only when it has something to say.

use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::time::Duration;

use socket2::{SockRef, Socket};

/// How often it is looked. Whatever is answered sooner costs no look.
const LOOK: Duration = Duration::from_millis(250);

/// Another hold on a connection's socket, by which nothing is read; none where the process may open no more files.
#[derive(Debug)]
pub(super) struct Line(Option<Socket>);

impl Line {
    /// The line of a connection.
    pub(super) fn of(socket: &SockRef<'_>) -> Self {
        Self(socket.try_clone().ok())
    }

    /// Lasts until the other end has closed its side. Whoever does so before it is answered is taken to have gone.
    pub(super) async fn is_hung_up(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            if self.0.as_ref().is_some_and(is_closed) {
                return;
            }
        }
    }
}

/// Whether nothing more will come. What has come and is not read yet is left where it is.
fn is_closed(socket: &Socket) -> bool {
    match socket.peek(&mut [MaybeUninit::uninit()]) {
        Ok(bytes) => bytes == 0,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
    }
}
