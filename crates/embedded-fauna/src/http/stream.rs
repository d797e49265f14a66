//! A connection that puts two headers right which actix-web writes itself: FaunaDB sends no `date`, and says
//! `connection: keep-alive` over HTTP/1.1 too.
//!
//! Only the heads of HTTP/1.1 answers are touched; their bodies, and all of HTTP/2, pass as they are.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_rt::net::{ActixStream, Ready, TcpStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A header by which an answer to `HEAD` says that its body does not follow; it is not sent.
pub const BODILESS: &str = "x-embedded-bodiless";
/// How many bytes may wait to be sent before no more are taken.
const WAITING: usize = 64 << 10;
/// What ends a head.
const END: &[u8] = b"\r\n\r\n";

/// What is expected next of the bytes to be sent.
enum Expected {
    /// The rest of a head, of which this is there.
    Head(Vec<u8>),
    /// So many bytes of a body.
    Body(usize),
    /// Anything, to be left alone.
    Anything,
}

/// A connection.
pub struct Stream {
    /// The connection itself.
    inner: TcpStream,
    /// What is expected next.
    expected: Expected,
    /// What is ready to be sent.
    waiting: Vec<u8>,
}

impl Stream {
    /// Over a connection that speaks HTTP/1.1, or another protocol that is left alone.
    pub const fn new(inner: TcpStream, is_http1: bool) -> Self {
        let expected = if is_http1 { Expected::Head(Vec::new()) } else { Expected::Anything };
        Self { inner, expected, waiting: Vec::new() }
    }

    /// Takes bytes to be sent.
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match &mut self.expected {
                Expected::Anything => {
                    self.waiting.extend_from_slice(bytes);
                    return;
                }
                Expected::Body(left) => {
                    let (body, rest) = bytes.split_at(bytes.len().min(*left));
                    self.waiting.extend_from_slice(body);
                    *left -= body.len();
                    if *left == 0 {
                        self.expected = Expected::Head(Vec::new());
                    }
                    bytes = rest;
                }
                Expected::Head(head) => {
                    let before = head.len();
                    head.extend_from_slice(bytes);
                    let from = before.saturating_sub(END.len());
                    let found = head.windows(END.len()).skip(from).position(|window| window == END);
                    let Some(end) = found.map(|at| from + at + END.len()) else { return };
                    let (sent, length) = rewritten(head.get(..end).unwrap_or_default());
                    self.waiting.extend(sent);
                    self.expected = if length == 0 { Expected::Head(Vec::new()) } else { Expected::Body(length) };
                    bytes = bytes.get(end - before..).unwrap_or_default();
                }
            }
        }
    }

    /// Sends what waits.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            match Pin::new(&mut self.inner).poll_write(context, &self.waiting) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(sent)) => drop(self.waiting.drain(..sent)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// A head as it is sent, and how many bytes of body follow it.
fn rewritten(head: &[u8]) -> (Vec<u8>, usize) {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let status = lines.next().unwrap_or_default();
    let is_interim = status.split(' ').nth(1).is_some_and(|code| code.starts_with('1'));
    let mut length = 0;
    let mut has_connection = is_interim;
    let mut is_bodiless = is_interim;
    let mut sent = format!("{status}\r\n");
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name {
            "date" => continue,
            BODILESS => {
                is_bodiless = true;
                continue;
            }
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "connection" => has_connection = true,
            _ => {}
        }
        sent.push_str(line);
        sent.push_str("\r\n");
    }
    if !has_connection {
        sent.push_str("connection: keep-alive\r\n");
    }
    sent.push_str("\r\n");
    (sent.into_bytes(), if is_bodiless { 0 } else { length })
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, into)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.poll_send(context) {
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending if self.waiting.len() > WAITING => return Poll::Pending,
            Poll::Pending | Poll::Ready(Ok(())) => {}
        }
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.poll_send(context) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.inner).poll_flush(context),
            other => other,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.poll_send(context) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.inner).poll_shutdown(context),
            other => other,
        }
    }
}

impl ActixStream for Stream {
    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(&self.inner, context)
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(&self.inner, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_lose_the_date_and_gain_keep_alive() {
        let (sent, length) = rewritten(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ndate: now\r\n\r\n");
        assert_eq!(sent, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\n");
        assert_eq!(length, 2);
        let (sent, length) =
            rewritten(b"HTTP/1.1 405 No\r\nconnection: close\r\nx-embedded-bodiless: 1\r\ncontent-length: 9\r\n\r\n");
        assert_eq!(sent, b"HTTP/1.1 405 No\r\nconnection: close\r\ncontent-length: 9\r\n\r\n");
        assert_eq!(length, 0);
        assert_eq!(rewritten(b"HTTP/1.1 100 Continue\r\n\r\n"), (b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), 0));
    }
}
