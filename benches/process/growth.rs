//! What many users and sessions cost: the start, and a page of the list of users.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use starter::clock::Clock;

use crate::load::{Connection, Target, median};
use crate::many_sessions;
use crate::server::{ADMIN_KEY, Server};

const FEW: usize = 1_000;
const MANY: usize = 100_000;
const SESSIONS: i64 = 1_000_000;
/// Users that are imported with one request; the most that it takes.
const IMPORTED_AT_ONCE: usize = 10_000;
/// Starts, and turns of each list.
const TURNS: usize = 7;
const TURN: Duration = Duration::from_millis(500);
/// A hash of argon2id, the same for all users.
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$RdescudvJCsgt3ub+b5dWRWJTmaaJObGAGxOkGwOhjU";

/// Prints how long the process takes to start with many users and sessions, and what a page of many users costs beside one of few.
pub async fn measure(binary: &str, directory: &Path) {
    let few = Server::start(binary, &directory.join("few")).await;
    import(few.address, FEW).await;
    let data = directory.join("many");
    let many = Server::start(binary, &data).await;
    import(many.address, MANY).await;
    drop(many);
    add_sessions(&data).await;
    let mut starts = Vec::new();
    for _ in 0..TURNS {
        let server = Server::start(binary, &data).await;
        starts.push(server.started_in.as_secs_f64() * 1e3);
        // Killed while it writes, it would have to recover at the next start, which is another thing to measure.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    eprintln!("start with {MANY} users and {SESSIONS} sessions {:.0} ms", median(starts));
    let many = Server::start(binary, &data).await;
    let mut ratios = Vec::new();
    for _ in 0..TURNS {
        ratios.push(page_time(many.address).await / page_time(few.address).await);
    }
    eprintln!("page of the users among {MANY}    {:.2} of the cost among {FEW}", median(ratios));
}

async fn import(address: SocketAddr, count: usize) {
    let http = reqwest::Client::new();
    for first in (0..count).step_by(IMPORTED_AT_ONCE) {
        let users: Vec<Value> = (first..count.min(first + IMPORTED_AT_ONCE))
            .map(|n| {
                let email = format!("user{n}@example.com");
                let method = json!({"recipeId": "emailpassword", "email": email, "passwordHash": HASH, "hashingAlgorithm": "argon2"});
                json!({"loginMethods": [method]})
            })
            .collect();
        let request = http.post(format!("http://{address}/api/admin/users/import")).bearer_auth(ADMIN_KEY);
        let request = request.header("content-type", "application/json").body(json!({"users": users}).to_string());
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{status} {}", text.get(..300).unwrap_or(&text));
    }
}

/// Adds sessions with a Fauna token each, as far as SQL knows of them.
async fn add_sessions(data: &Path) {
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}", data.join("sessions.sqlite").display());
    let mut database = sqlx::AnyConnection::connect(&url).await.unwrap();
    let now = Clock::system().now().millis();
    let sessions = many_sessions::insert(SESSIONS, now);
    let tokens = format!(
        "insert into fauna_token (id, session_handle, user_id, lineage, sealed_secret, created_at, expires_at)
         select 'token' || rowid, handle, user_id, current_lineage, 'sealed', {now}, {now} + 3600000 from session"
    );
    for statement in [sessions, tokens, "pragma wal_checkpoint(truncate)".to_owned()] {
        database.execute(sqlx::query(AssertSqlSafe(statement))).await.unwrap();
    }
}

/// Mean time of the page with the newest users, in seconds.
async fn page_time(address: SocketAddr) -> f64 {
    let line = "GET /api/admin/users?limit=100&timeJoinedOrder=DESC";
    let request = Target::new(address, line, &format!("authorization: Bearer {ADMIN_KEY}\r\n"), "").request;
    let (mut connection, mut count, began) = (Connection::open(address).await, 0_u32, Instant::now());
    while began.elapsed() < TURN {
        connection.send(&request).await;
        count += 1;
    }
    began.elapsed().as_secs_f64() / f64::from(count)
}
