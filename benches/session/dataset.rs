//! A database with many sessions, some of which are used.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::ExposeSecret as _;
use sqlx::AssertSqlSafe;
use starter::clock::Clock;
use starter::database::Database;
use starter::events::RevokeReason;
use starter::seal::SealRing;
use starter::session::{NewSession, NoTokenProvider, RefreshAntiCsrf, Sessions, Settings, UserId};

use crate::many_sessions;

pub struct Dataset {
    pub database: Database,
    sessions: Sessions,
}

impl Dataset {
    /// A database with so many sessions of other users, spread over the key space.
    pub async fn create(directory: &Path, count: i64) -> Self {
        let url = format!("sqlite://{}", directory.join(format!("{count}.sqlite")).display());
        let database = Database::open(&url).await.unwrap();
        let here = "http://localhost:3000";
        let settings = Settings::new(here, here, SealRing::new([("bench".to_owned(), [7; 32])]));
        let sessions =
            Sessions::open(settings, database.clone(), Clock::system(), Arc::new(NoTokenProvider)).await.unwrap();
        let now = Clock::system().now().millis();
        sqlx::query(AssertSqlSafe(many_sessions::insert(count, now))).execute(database.write()).await.unwrap();
        sqlx::query("pragma wal_checkpoint(truncate)").execute(database.write()).await.unwrap();
        Self { database, sessions }
    }

    /// Refresh tokens of that many sessions.
    pub async fn refresh_tokens(&self, count: usize) -> Vec<String> {
        let mut tokens = Vec::with_capacity(count);
        for number in 0..count {
            let issued = self.sessions.issue(NewSession::of(user("member", number)), false).await.unwrap();
            tokens.push(issued.refresh.unwrap().token.expose_secret().to_owned());
        }
        self.refresh(&mut tokens).await;
        tokens
    }

    /// Refreshes each of them once. How long it took.
    pub async fn refresh(&self, tokens: &mut [String]) -> Duration {
        let began = Instant::now();
        for token in tokens {
            let refreshed = self.sessions.refresh_with(token, RefreshAntiCsrf::Unneeded).await.unwrap();
            refreshed.refresh.unwrap().token.expose_secret().clone_into(token);
        }
        began.elapsed()
    }

    /// Reads the sessions of as many users as [`Dataset::refresh_tokens`] was asked for. How long it took.
    pub async fn list(&self, count: usize) -> Duration {
        let began = Instant::now();
        for number in 0..count {
            assert!(!self.sessions.list(&user("member", number)).await.unwrap().is_empty());
        }
        began.elapsed()
    }

    /// Revokes all sessions of that many users, who have one each. How long it took.
    pub async fn revoke_all(&self, count: usize) -> Duration {
        for number in 0..count {
            self.sessions.issue(NewSession::of(user("leaving", number)), false).await.unwrap();
        }
        let began = Instant::now();
        for number in 0..count {
            let revoked = self.sessions.revoke_all(&user("leaving", number), RevokeReason::SignedOut).await.unwrap();
            assert_eq!(revoked.len(), 1);
        }
        began.elapsed()
    }

    /// Lets some of the others have expired, wherever they are in the tree.
    pub async fn expire(&self, count: i64) {
        let statement = format!(
            "update session set expires_at = 1 + abs(random()) % 1000000000 where handle in
             (select handle from session where user_id like 'user%' limit {count})"
        );
        sqlx::query(AssertSqlSafe(statement)).execute(self.database.write()).await.unwrap();
    }

    /// Sweeps until nothing is left. How long each batch kept others from writing.
    pub async fn sweep(&self) -> Vec<Duration> {
        let mut holds = Vec::new();
        loop {
            let began = Instant::now();
            let is_more = self.sessions.sweep().await.unwrap();
            holds.push(began.elapsed());
            if !is_more {
                return holds;
            }
        }
    }
}

fn user(kind: &str, number: usize) -> UserId {
    UserId::parse(&format!("{kind}{number}")).unwrap()
}
