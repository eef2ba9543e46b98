//! The line that calls come by: whether whoever called is still there. actix looks only when it has something to say.

use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, Socket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How often it is looked. Whatever is answered sooner costs no look.
const LOOK: Duration = Duration::from_millis(250);

/// Another hold on a connection's socket, by which nothing is read. Each takes a file, so that there are as many as calls that
/// may be answered at once; of a connection beyond them it is not seen that it is closed.
#[derive(Debug)]
pub(super) struct Line(Option<(Socket, OwnedSemaphorePermit)>);

impl Line {
    /// The line of a connection, if there is one left.
    pub(super) fn of(socket: &SockRef<'_>, lines: &Arc<Semaphore>) -> Self {
        Self(lines.clone().try_acquire_owned().ok().and_then(|one| Some((socket.try_clone().ok()?, one))))
    }

    /// Lasts until the other end has closed its side. Whoever does so before it is answered is taken to have gone.
    pub(super) async fn is_hung_up(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            if self.0.as_ref().is_some_and(|(socket, _)| is_closed(socket)) {
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
