//! Refreshes of many clients at once, on the server that `DATABASE_TEST_URL` names.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use starter::clock::Clock;
use starter::database::Database;
use starter::seal::SealRing;
use starter::session::{NewSession, NoTokenProvider, RefreshAntiCsrf, Sessions, Settings, UserId};

const SPAN: Duration = Duration::from_secs(4);

/// Prints the refreshes per second of 1, 8 and 64 clients, each with a session of its own, and of 64 clients with one
/// session. Every refresh must succeed.
pub async fn measure(url: &str) {
    let database = Database::open(url).await.unwrap();
    let here = "http://localhost:3000";
    let settings = Settings::new(here, here, SealRing::new([("bench".to_owned(), [7; 32])]));
    let sessions = Sessions::open(settings, database, Clock::system(), Arc::new(NoTokenProvider)).await.unwrap();
    for clients in [1, 8, 64] {
        let tokens = join_all((0..clients).map(|_| issue(&sessions))).await;
        let rate = refreshes(&sessions, tokens).await;
        eprintln!("{clients:2} clients, a session each      {rate:.0} refreshes a second");
    }
    let token = issue(&sessions).await;
    let rate = refreshes(&sessions, vec![token; 64]).await;
    eprintln!("64 clients with one session    {rate:.0} refreshes a second");
}

async fn issue(sessions: &Sessions) -> String {
    let new = NewSession::of(UserId::parse("bench").unwrap());
    sessions.issue(new, false).await.unwrap().refresh.unwrap().token.expose_secret().to_owned()
}

/// Each client refreshes with the same token again and again, which is never replaced because its child is never used.
async fn refreshes(sessions: &Sessions, tokens: Vec<String>) -> f64 {
    let began = Instant::now();
    let clients = tokens.into_iter().map(|token| {
        let sessions = sessions.clone();
        tokio::spawn(async move {
            let mut count = 0_u32;
            while began.elapsed() < SPAN {
                sessions.refresh_with(&token, RefreshAntiCsrf::Unneeded).await.unwrap();
                count += 1;
            }
            count
        })
    });
    let counts = join_all(clients).await.into_iter().map(Result::unwrap);
    f64::from(counts.sum::<u32>()) / began.elapsed().as_secs_f64()
}
