//! A load generator: one thread, many keep-alive connections, prepared requests.
//!
//! The results are ratios. Candidate and baseline take turns of half a second, so that a machine whose speed drifts slows both.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Connections kept busy at the same time.
const CONNECTIONS: usize = 32;
const TURN: Duration = Duration::from_millis(500);
/// Turns of the candidate, and of the baseline.
const TURNS: usize = 9;

/// A request to repeat.
#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    /// The request as it goes over the wire.
    pub request: Vec<u8>,
}

impl Target {
    /// `line` is method and path; every line of `headers` ends with CR LF.
    pub fn new(address: SocketAddr, line: &str, headers: &str, body: &str) -> Self {
        let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let request = format!("{line} HTTP/1.1\r\nhost: {address}\r\n{headers}{length}\r\n{body}");
        Self { address, request: request.into_bytes() }
    }
}

/// Requests per second of `candidate` divided by those of `baseline`: the median of [`TURNS`] pairs.
pub async fn ratio(candidate: &Target, baseline: &Target) -> f64 {
    let mut ratios = Vec::with_capacity(TURNS);
    rate(baseline).await;
    rate(candidate).await;
    for _ in 0..TURNS {
        let bare = rate(baseline).await;
        ratios.push(rate(candidate).await / bare);
    }
    median(ratios)
}

pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Requests answered per second during one turn.
async fn rate(target: &Target) -> f64 {
    let began = Instant::now();
    let connections = (0..CONNECTIONS).map(|_| request_until(target.clone(), began + TURN));
    let answered: usize = futures_util::future::join_all(connections).await.into_iter().sum();
    f64::from(u32::try_from(answered).unwrap()) / began.elapsed().as_secs_f64()
}

/// Repeats the request over one connection; returns the number of responses.
async fn request_until(target: Target, stop: Instant) -> usize {
    let mut connection = Connection::open(target.address).await;
    let mut answered = 0;
    while Instant::now() < stop {
        connection.send(&target.request).await;
        answered += 1;
    }
    answered
}

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::with_capacity(8192) }
    }

    /// Sends a request and returns head and body of the response, which must have a 2xx status and a `content-length`.
    pub async fn send(&mut self, request: &[u8]) -> &[u8] {
        self.stream.write_all(request).await.unwrap();
        let (stream, buffer) = (&mut self.stream, &mut self.buffer);
        buffer.clear();
        loop {
            assert!(stream.read_buf(buffer).await.unwrap() > 0, "the server closed the connection");
            let Some(head) = find(buffer, b"\r\n\r\n") else { continue };
            assert!(buffer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(buffer));
            while buffer.len() < head + 4 + content_length(&buffer[..head]) {
                assert!(stream.read_buf(buffer).await.unwrap() > 0, "the server closed the connection");
            }
            return buffer;
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    let name = b"content-length: ";
    let Some(at) = find(head, name) else { return 0 };
    head[at + name.len()..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'))
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}
