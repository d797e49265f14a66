//! A load generator: one thread, many keep-alive connections, prepared requests. Beside it what every bench asks: a bare route
//! (`bare.rs`) and the site with people in it (`site.rs`).
//!
//! Server and generator have a core each where there are two. What counts is a ratio: candidate and baseline are asked in
//! turns of half a second, so that a machine whose speed drifts drifts for both.

pub mod bare;
pub mod site;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Connections kept busy at the same time.
const CONNECTIONS: usize = 32;
/// How long candidate and baseline are asked before it is the other's turn.
const TURN: Duration = Duration::from_millis(500);
/// How often each has its turn.
const TURNS: usize = 9;

/// A request to repeat.
#[derive(Clone)]
pub struct Target {
    /// Who is asked.
    pub address: SocketAddr,
    /// The request as bytes.
    pub request: Vec<u8>,
}

impl Target {
    /// `method` and path, these headers, each line ended by CR LF, and a body.
    pub fn new(address: SocketAddr, line: &str, headers: &str, body: &str) -> Self {
        let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let request = format!("{line} HTTP/1.1\r\nhost: {address}\r\n{headers}{length}\r\n{body}");
        Self { address, request: request.into_bytes() }
    }
}

/// Requests per second of `candidate` as a share of those of `baseline`: the median of [`TURNS`] pairs.
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

/// The middle one.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Requests answered per second during one turn.
async fn rate(target: &Target) -> f64 {
    let began = Instant::now();
    let connections = (0..CONNECTIONS).map(|_| ask_until(target.clone(), began + TURN));
    let answered: usize = futures_util::future::join_all(connections).await.into_iter().sum();
    f64::from(u32::try_from(answered).unwrap()) / began.elapsed().as_secs_f64()
}

/// Asks over one connection until it is time to stop; how many answers came.
async fn ask_until(target: Target, stop: Instant) -> usize {
    let mut connection = Connection::open(&target).await;
    let mut answered = 0;
    while Instant::now() < stop {
        connection.ask().await;
        answered += 1;
    }
    answered
}

/// A connection that stays open.
pub struct Connection<'a> {
    /// What is asked.
    target: &'a Target,
    /// Whom.
    stream: TcpStream,
    /// What came.
    buffer: Vec<u8>,
}

impl<'a> Connection<'a> {
    /// Connects.
    pub async fn open(target: &'a Target) -> Self {
        let stream = TcpStream::connect(target.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { target, stream, buffer: Vec::with_capacity(8192) }
    }

    /// Asks, and reads one 2xx answer with a `content-length`.
    pub async fn ask(&mut self) {
        self.stream.write_all(&self.target.request).await.unwrap();
        let (stream, buffer) = (&mut self.stream, &mut self.buffer);
        buffer.clear();
        loop {
            assert!(stream.read_buf(buffer).await.unwrap() > 0, "the server hung up");
            let Some(head) = find(buffer, b"\r\n\r\n") else { continue };
            assert!(buffer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(buffer));
            while buffer.len() < head + 4 + content_length(&buffer[..head]) {
                assert!(stream.read_buf(buffer).await.unwrap() > 0, "the server hung up");
            }
            return;
        }
    }
}

/// The length that the head announces.
fn content_length(head: &[u8]) -> usize {
    let name = b"content-length: ";
    let Some(at) = find(head, name) else { return 0 };
    head[at + name.len()..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'))
}

/// Where `needle` begins.
fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}
