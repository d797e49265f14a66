//! Stands between the site and its Fauna, and can be told to be slow, deaf or gone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::net::TcpStream;

/// What happens to connections.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Line {
    /// Everything passes.
    Up,
    /// Connections are closed at once.
    Down,
    /// Requests are swallowed, nothing comes back.
    Silent,
    /// Requests arrive, their answers are lost.
    Lossy,
}

/// A line to a Fauna endpoint that can be cut.
pub struct Proxy {
    pub address: SocketAddr,
    line: Arc<AtomicU8>,
    /// Connections that were made through it.
    pub connections: Arc<AtomicU32>,
}

impl Proxy {
    /// A line to `http://host:port`.
    pub async fn to(endpoint: &str) -> Self {
        let target = endpoint.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let line = Arc::new(AtomicU8::new(0));
        let connections = Arc::new(AtomicU32::new(0));
        let (state, counter) = (Arc::clone(&line), Arc::clone(&connections));
        actix_rt::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                actix_rt::spawn(pass(stream, target.clone(), Arc::clone(&state)));
            }
        });
        Self { address, line, connections }
    }

    /// From now on the line is like this.
    pub fn set(&self, line: Line) {
        self.line.store(u8::from(line), Ordering::SeqCst);
    }
}

impl From<Line> for u8 {
    fn from(line: Line) -> Self {
        match line {
            Line::Up => 0,
            Line::Down => 1,
            Line::Silent => 2,
            Line::Lossy => 3,
        }
    }
}

/// Carries bytes both ways as long as the line is up.
async fn pass(mut near: TcpStream, target: String, line: Arc<AtomicU8>) {
    let Ok(mut far) = TcpStream::connect(&target).await else { return };
    let (mut up, mut down) = ([0_u8; 16384], [0_u8; 16384]);
    loop {
        tokio::select! {
            read = near.read(&mut up) => {
                let Ok(count @ 1..) = read else { return };
                match line.load(Ordering::SeqCst) {
                    1 => return,
                    2 => continue,
                    _ => if far.write_all(&up[..count]).await.is_err() { return },
                }
            }
            read = far.read(&mut down) => {
                let Ok(count @ 1..) = read else { return };
                match line.load(Ordering::SeqCst) {
                    0 => if near.write_all(&down[..count]).await.is_err() { return },
                    1 => return,
                    _ => {}
                }
            }
        }
    }
}
