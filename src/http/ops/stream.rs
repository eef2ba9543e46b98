//! A reply that is written on a thread that may wait, chunk by chunk as fast as it is read.

use std::io::{self, Write};

use actix_web::web::Bytes;
use futures_util::Stream;
use futures_util::stream;
use tokio::sync::mpsc;

/// Bytes of a chunk.
const CHUNK: usize = 64 * 1024;

/// Chunks that wait for a slow reader.
const WAITING: usize = 4;

/// Where the reply is written to. It must be told that it is whole: one that is dropped before is broken off, so that
/// whoever reads sees it.
pub(super) struct Pipe {
    to: mpsc::Sender<Option<Bytes>>,
    chunk: Vec<u8>,
}

/// A pipe, and what comes out of it.
pub(super) fn pipe() -> (Pipe, impl Stream<Item = io::Result<Bytes>>) {
    let (to, from) = mpsc::channel(WAITING);
    let chunks = stream::unfold(Some(from), |from| async move {
        let mut from: mpsc::Receiver<Option<Bytes>> = from?;
        match from.recv().await {
            Some(Some(chunk)) => Some((Ok(chunk), Some(from))),
            Some(None) => None,
            None => Some((Err(io::ErrorKind::UnexpectedEof.into()), None)),
        }
    });
    (Pipe { to, chunk: Vec::new() }, chunks)
}

impl Pipe {
    /// It is whole.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.flush()?;
        self.send(None)
    }

    /// Waits until there is room. Nobody reads any more: it is no use to go on.
    fn send(&self, what: Option<Bytes>) -> io::Result<()> {
        self.to.blocking_send(what).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let chunk = std::mem::take(&mut self.chunk);
        if chunk.is_empty() { Ok(()) } else { self.send(Some(chunk.into())) }
    }
}
