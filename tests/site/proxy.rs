//! Stands between the site and its Fauna, and can be told to be slow, deaf or gone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::world::World;

/// State of the connections through the proxy.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Line {
    /// Bytes pass in both directions.
    Up,
    /// Connections are closed at once.
    Down,
    /// Requests are swallowed, nothing comes back.
    Silent,
    /// Requests arrive; where an answer would come back, the connection ends.
    Lossy,
    /// A request that is longer than [`LARGE`] ends in its middle.
    CutsLarge,
    /// The answer to a request that is longer than [`LARGE`] is lost.
    LosesLarge,
    /// The answer to a request that sets a password's hash is lost.
    LosesHashes,
    /// A request that sets a password's hash goes unanswered, and arrives when the line is otherwise.
    LateHashes,
    /// An answer that names an address waits until the line is otherwise.
    HoldsAddresses,
    /// The answer to a request with [`SLOW`] in it waits until the line is otherwise.
    HoldsSlow,
}

/// Text in a request.
pub const SLOW: &str = "a slow one";

/// More bytes than the site asks for anything but an import.
const LARGE: usize = 100_000;

/// A line to a Fauna endpoint that can be cut.
pub struct Proxy {
    pub address: SocketAddr,
    line: Arc<AtomicU8>,
}

impl Proxy {
    /// A line to `http://host:port`.
    pub async fn to(endpoint: &str) -> Self {
        let target = endpoint.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let line = Arc::new(AtomicU8::new(0));
        let state = Arc::clone(&line);
        actix_rt::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                actix_rt::spawn(pass(stream, target.clone(), Arc::clone(&state)));
            }
        });
        Self { address, line }
    }

    /// From now on the line is like this.
    pub fn set(&self, line: Line) {
        self.line.store(u8::from(line), Ordering::SeqCst);
    }
}

/// A site with these settings whose line to Fauna can be cut; the Fauna is that of the first world.
pub async fn behind_a_line(settings: &[(&str, &str)]) -> (World, World, Proxy) {
    let fauna = World::start().await;
    let (endpoint, key) = fauna.fauna_credentials();
    let line = Proxy::to(&endpoint).await;
    let endpoint = format!("http://{}", line.address);
    let here = [("FAUNA_ENDPOINT", endpoint.as_str()), ("FAUNA_SECRET", &key)];
    let site = World::with(&[&here, settings].concat()).await;
    (fauna, site, line)
}

impl From<Line> for u8 {
    fn from(line: Line) -> Self {
        match line {
            Line::Up => 0,
            Line::Down => 1,
            Line::Silent => 2,
            Line::Lossy => 3,
            Line::CutsLarge => 4,
            Line::LosesLarge => 5,
            Line::HoldsAddresses => 6,
            Line::LosesHashes => 7,
            Line::LateHashes => 8,
            Line::HoldsSlow => 9,
        }
    }
}

/// Whether an answer has a field for one.
fn names_address(answer: &[u8]) -> bool {
    String::from_utf8_lossy(answer).contains("\"email\"")
}

/// Carries bytes both ways as long as the line is up.
async fn pass(mut near: TcpStream, target: String, line: Arc<AtomicU8>) {
    let Ok(mut far) = TcpStream::connect(&target).await else { return };
    let (mut up, mut down) = ([0_u8; 16384], [0_u8; 16384]);
    let (mut asked, mut sets_hash, mut is_slow) = (0, false, false);
    loop {
        let carried = tokio::select! {
            read = near.read(&mut up) => {
                let Ok(count @ 1..) = read else { return };
                let now = line.load(Ordering::SeqCst);
                asked += count;
                let text = String::from_utf8_lossy(&up[..count]);
                sets_hash |= text.contains("\"passwordHash\":");
                is_slow |= text.contains(SLOW);
                if now == u8::from(Line::Down) || now == u8::from(Line::CutsLarge) && asked > LARGE {
                    return;
                }
                if now == u8::from(Line::LateHashes) && sets_hash {
                    drop(near);
                    while line.load(Ordering::SeqCst) == now {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    let _sent = far.write_all(&up[..count]).await;
                    let _answered = far.read(&mut down).await;
                    return;
                }
                if now == u8::from(Line::Silent) { Ok(()) } else { far.write_all(&up[..count]).await }
            }
            read = far.read(&mut down) => {
                let Ok(count @ 1..) = read else { return };
                while line.load(Ordering::SeqCst) == u8::from(Line::HoldsAddresses) && names_address(&down[..count]) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                while line.load(Ordering::SeqCst) == u8::from(Line::HoldsSlow) && is_slow {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                let now = line.load(Ordering::SeqCst);
                let loses = now == u8::from(Line::Lossy)
                    || now == u8::from(Line::LosesLarge) && asked > LARGE
                    || now == u8::from(Line::LosesHashes) && sets_hash;
                if now == u8::from(Line::Down) || loses {
                    return;
                }
                (asked, sets_hash, is_slow) = (0, false, false);
                if now == u8::from(Line::Silent) { Ok(()) } else { near.write_all(&down[..count]).await }
            }
        };
        if carried.is_err() {
            return;
        }
    }
}
