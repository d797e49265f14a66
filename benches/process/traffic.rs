//! Requests per second of one kind of request, sent by users who each have a connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::accounts::{User, credentials};
use crate::load::Connection;

/// Users, each with a connection of their own.
const USERS: usize = 16;
const TURN: Duration = Duration::from_millis(500);
/// Interval in which requests that are due are sent.
const TICK: Duration = Duration::from_micros(250);

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Health,
    SessionInfo,
    ListAsVisitor,
    ListSignedIn,
    /// Alternates with [`Kind::Unlike`], and only the time of this one counts.
    Like,
    Unlike,
    Comment,
    Refresh,
}

impl Kind {
    pub const ALL: [Self; 8] = [
        Self::Health,
        Self::SessionInfo,
        Self::ListAsVisitor,
        Self::ListSignedIn,
        Self::Like,
        Self::Unlike,
        Self::Comment,
        Self::Refresh,
    ];

    pub fn label(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::SessionInfo => "sessioninfo",
            Self::ListAsVisitor => "comments, visitor",
            Self::ListSignedIn => "comments, signed in",
            Self::Like => "like",
            Self::Unlike => "unlike",
            Self::Comment => "comment",
            Self::Refresh => "refresh",
        }
    }
}

/// A server with users.
pub struct Traffic {
    address: SocketAddr,
    members: Vec<Member>,
}

struct Member {
    access: String,
    refresh: String,
    /// A comment that only this user likes.
    comment: String,
}

/// Requests of one connection that were answered, and the time they took.
#[derive(Default)]
struct Answered {
    count: u32,
    time: Duration,
}

impl Answered {
    fn note(&mut self, time: Duration) {
        self.count += 1;
        self.time += time;
    }

    /// Requests per second of a connection that sends nothing else.
    fn rate(self) -> f64 {
        f64::from(self.count) / self.time.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

impl Traffic {
    /// Signs users up, who post `comments` comments before anything is measured.
    pub async fn create(address: SocketAddr, comments: usize) -> Self {
        let users = join_all((0..USERS).map(|n| async move {
            User::enter(address, "/auth/signup", &credentials(&format!("process{n}@example.com"))).await
        }))
        .await;
        let mut posted = Vec::new();
        for n in 0..comments {
            posted.push(post(address, &users[n % USERS]).await);
        }
        let members = users.iter().enumerate().map(|(n, user)| Member {
            access: user.proof(),
            refresh: user.header("st-refresh-token").to_owned(),
            comment: posted[n % posted.len()].clone(),
        });
        Self { address, members: members.collect() }
    }

    /// Requests per second during one turn.
    pub async fn rate(&mut self, kind: Kind) -> f64 {
        let (address, until) = (self.address, Instant::now() + TURN);
        let runs = self.members.iter_mut().map(|member| member.repeat(address, kind, until));
        join_all(runs).await.into_iter().map(Answered::rate).sum()
    }

    /// Requests per second of a route that does nothing, sent the same headers.
    pub async fn bare_rate(&self, bare: SocketAddr) -> f64 {
        let until = Instant::now() + TURN;
        let runs = self.members.iter().map(|member| async move {
            let request = request(bare, "GET /", &member.access, "");
            let (mut connection, mut answered) = (Connection::open(bare).await, Answered::default());
            while Instant::now() < until {
                let asked = Instant::now();
                connection.send(&request).await;
                answered.note(asked.elapsed());
            }
            answered
        });
        join_all(runs).await.into_iter().map(Answered::rate).sum()
    }

    /// Latencies of requests that are sent at a fixed rate, whether the earlier ones are answered or not; sorted.
    pub async fn latencies(&self, kind: Kind, rate: f64, span: Duration) -> Vec<Duration> {
        let request = |member: &Member| member.request(self.address, kind);
        latencies(self.address, self.members.iter().map(request), rate, span).await
    }

    /// The same of a route that does nothing: what the load generator and the machine add.
    pub async fn bare_latencies(&self, bare: SocketAddr, rate: f64, span: Duration) -> Vec<Duration> {
        let request = |member: &Member| request(bare, "GET /", &member.access, "");
        latencies(bare, self.members.iter().map(request), rate, span).await
    }
}

async fn latencies(
    address: SocketAddr,
    requests: impl Iterator<Item = Vec<u8>>,
    rate: f64,
    span: Duration,
) -> Vec<Duration> {
    let each = Duration::from_secs_f64(f64::from(u32::try_from(USERS).unwrap()) / rate);
    let ticks = Ticks::start();
    let (ticks, began) = (&ticks, Instant::now());
    let runs = requests.zip(0_u32..).map(|(request, n)| async move {
        let mut connection = Connection::open(address).await;
        let mut waits = Vec::new();
        // A request that is due while the connection is busy is late, and its latency counts from when it was due.
        let mut due = began + each * n / u32::try_from(USERS).unwrap();
        while due < began + span {
            ticks.wait_until(due).await;
            connection.send(&request).await;
            waits.push(due.elapsed());
            due += each;
        }
        waits
    });
    let mut waits: Vec<Duration> = join_all(runs).await.into_iter().flatten().collect();
    waits.sort_unstable();
    waits
}

/// Wakes everybody who waits every [`TICK`]. The timer of the runtime has ticks of a millisecond, longer than most responses take.
struct Ticks {
    tick: Arc<Notify>,
    is_over: Arc<AtomicBool>,
}

impl Ticks {
    fn start() -> Self {
        let ticks = Self { tick: Arc::default(), is_over: Arc::default() };
        let (tick, is_over) = (Arc::clone(&ticks.tick), Arc::clone(&ticks.is_over));
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                std::thread::sleep(TICK);
                tick.notify_waiters();
            }
        });
        ticks
    }

    async fn wait_until(&self, due: Instant) {
        while Instant::now() < due {
            self.tick.notified().await;
        }
    }
}

impl Drop for Ticks {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

impl Member {
    /// Repeats a kind of request.
    async fn repeat(&mut self, address: SocketAddr, kind: Kind, until: Instant) -> Answered {
        let mut connection = Connection::open(address).await;
        let mut answered = Answered::default();
        // A comment can be liked again only after the like was taken back.
        let other = match kind {
            Kind::Like => Some(self.request(address, Kind::Unlike)),
            Kind::Unlike => Some(self.request(address, Kind::Like)),
            _ => None,
        };
        let mut request = self.request(address, kind);
        while Instant::now() < until {
            if let Some(other) = &other {
                connection.send(other).await;
            }
            let asked = Instant::now();
            let answer = connection.send(&request).await;
            answered.note(asked.elapsed());
            if kind == Kind::Refresh {
                self.refresh = header(answer, "st-refresh-token");
                self.access = format!("authorization: Bearer {}\r\n", header(answer, "st-access-token"));
                request = self.request(address, kind);
            }
        }
        answered
    }

    fn request(&self, address: SocketAddr, kind: Kind) -> Vec<u8> {
        let like = format!("/api/comments/{}/like", self.comment);
        let (line, proof, body) = match kind {
            Kind::Health => ("GET /health".to_owned(), "", ""),
            Kind::SessionInfo => ("GET /sessioninfo".to_owned(), self.access.as_str(), ""),
            Kind::ListAsVisitor => ("GET /api/comments".to_owned(), "", ""),
            Kind::ListSignedIn => ("GET /api/comments".to_owned(), self.access.as_str(), ""),
            Kind::Like => (format!("PUT {like}"), self.access.as_str(), ""),
            Kind::Unlike => (format!("DELETE {like}"), self.access.as_str(), ""),
            Kind::Comment => ("POST /api/comments".to_owned(), self.access.as_str(), r#"{"text":"Well said."}"#),
            Kind::Refresh => {
                let proof = format!("st-auth-mode: header\r\nauthorization: Bearer {}\r\n", self.refresh);
                return request(address, "POST /auth/session/refresh", &proof, "");
            }
        };
        request(address, &line, proof, body)
    }
}

fn request(address: SocketAddr, line: &str, headers: &str, body: &str) -> Vec<u8> {
    let content = if body.is_empty() { String::new() } else { "content-type: application/json\r\n".to_owned() };
    crate::load::Target::new(address, line, &format!("{headers}{content}"), body).request
}

/// Posts a comment; its id.
async fn post(address: SocketAddr, user: &User) -> String {
    let request = reqwest::Client::new().post(format!("http://{address}/api/comments"));
    let request = request.bearer_auth(user.header("st-access-token")).header("content-type", "application/json");
    let answer = request.body(json!({"text": "Well said."}).to_string()).send().await.unwrap();
    let comment: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    comment["id"].as_str().unwrap().to_owned()
}

/// A header of a response.
fn header(response: &[u8], name: &str) -> String {
    let text = String::from_utf8_lossy(response);
    let lines = text.split("\r\n").filter_map(|line| line.split_once(": "));
    let value = lines.into_iter().find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value));
    value.unwrap().to_owned()
}
