//! Sessions with a shorter life than the settings give.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use starter::session::{NewSession, SessionLife, UserId};

use crate::server::{SECOND, World, claims};
use crate::support::client::TestClient;

const MINUTE: Duration = Duration::from_mins(1);

/// A client that holds the tokens of a session with this life in headers: the access token and the refresh token.
async fn begin(world: &World, life: SessionLife) -> (TestClient, String, String) {
    let new = NewSession { life, ..NewSession::of(UserId::parse("ann").unwrap()) };
    let tokens = world.server.sessions.issue(new, false).await.unwrap();
    let refresh = tokens.refresh.unwrap().token.expose_secret().to_owned();
    (world.visitor(), tokens.access.expose_secret().to_owned(), refresh)
}

/// Seconds from the issue of an access token to its expiry.
fn life_of(access: &str) -> i64 {
    let said = claims(access);
    said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap()
}

async fn refresh(app: &mut TestClient, token: &str) -> Option<(String, String)> {
    app.header("authorization", &format!("Bearer {token}"));
    let answer = app.refresh().await;
    let header = |name| answer.header(name).to_owned();
    (answer.status == 200).then(|| (header("st-access-token"), header("st-refresh-token")))
}

async fn is_signed_in(app: &mut TestClient, access: &str) -> bool {
    app.header("authorization", &format!("Bearer {access}"));
    app.get("/me").await.status == 200
}

#[tokio::test]
async fn a_shorter_life_survives_refreshes_and_no_access_token_outlives_it() {
    let world = World::start().await;
    let life = SessionLife { unused: Some(5 * MINUTE), total: Some(12 * MINUTE), ends_with_browser: false };
    let (mut app, access, token) = begin(&world, life).await;
    assert_eq!(life_of(&access), 300);
    world.clock.advance(4 * MINUTE);
    let (access, token) = refresh(&mut app, &token).await.unwrap();
    assert_eq!(life_of(&access), 300, "the same life after a refresh");
    assert!(is_signed_in(&mut app, &access).await);
    world.clock.advance(4 * MINUTE);
    let (access, token) = refresh(&mut app, &token).await.unwrap();
    assert!((239..=240).contains(&life_of(&access)), "no longer than the session: {}", life_of(&access));
    assert!(is_signed_in(&mut app, &access).await);
    world.clock.advance(4 * MINUTE + SECOND);
    assert!(!is_signed_in(&mut app, &access).await);
    assert!(refresh(&mut app, &token).await.is_none());
}

#[tokio::test]
async fn a_session_that_is_not_used_ends_after_its_own_life() {
    let world = World::start().await;
    let life = SessionLife { unused: Some(5 * MINUTE), ..SessionLife::default() };
    let (mut app, access, token) = begin(&world, life).await;
    world.clock.advance(5 * MINUTE + SECOND);
    assert!(!is_signed_in(&mut app, &access).await);
    assert!(refresh(&mut app, &token).await.is_none());
}

#[tokio::test]
async fn no_life_is_longer_than_the_settings_or_shorter_than_a_second() {
    let world = World::start().await;
    let forever = Some(Duration::from_hours(24 * 365 * 100));
    let (_, access, _) = begin(&world, SessionLife { unused: forever, total: forever, ends_with_browser: false }).await;
    assert_eq!(life_of(&access), 900);
    let longest = async |column: &str| {
        world.count(&format!("select max({column} - created_at) from session")).await / (24 * 3_600_000)
    };
    assert_eq!((longest("expires_at").await, longest("ends_at").await), (30, 100), "days, unused and in all");
    let none = Some(Duration::ZERO);
    begin(&world, SessionLife { unused: none, total: none, ends_with_browser: false }).await;
    assert_eq!(world.count("select min(expires_at - created_at) from session").await, 1000);
}
