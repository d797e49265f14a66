//! The byte stream of a connection, as hyper reads and writes it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::activity::Activity;
use super::limits::{DRAINED, LINGER};
use super::slots::Slot;

/// A connection that notes its activity. If a part of a request was not read, it is read on for a moment after the end: closing a
/// socket with unread bytes resets it, and the client would lose the answer.
pub struct Connection {
    /// `None` only while it is dropped.
    stream: Option<TcpStream>,
    activity: Arc<Activity>,
    slot: Option<Slot>,
}

impl Connection {
    pub const fn new(stream: TcpStream, activity: Arc<Activity>, slot: Slot) -> Self {
        Self { stream: Some(stream), activity, slot: Some(slot) }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(context, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = self.stream()?.poll_write(context, bytes);
        match outcome {
            Poll::Pending => self.activity.blocked(),
            Poll::Ready(_) => self.activity.sent(),
        }
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = self.stream()?.poll_write_vectored(context, bytes);
        match outcome {
            Poll::Pending => self.activity.blocked(),
            Poll::Ready(_) => self.activity.sent(),
        }
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = self.stream()?.poll_flush(context);
        if outcome.is_ready() {
            self.activity.flushed();
        }
        outcome
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(context)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !self.activity.has_unread() {
            return;
        }
        let (Some(stream), Ok(runtime)) = (self.stream.take(), tokio::runtime::Handle::try_current()) else { return };
        let slot = self.slot.take();
        runtime.spawn(async move {
            let _no_matter = tokio::time::timeout(LINGER, linger(stream)).await;
            drop(slot);
        });
    }
}

/// Reads and forgets what the client sends until it closes, but not much of it.
async fn linger(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    let mut left = DRAINED;
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        let Some(rest) = left.checked_sub(length) else { return };
        left = rest;
    }
}
