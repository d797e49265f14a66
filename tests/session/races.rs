//! Concurrent requests to one process and to two. S-R-06, S-R-07, S-R-14 and S-R-15 in `docs/threats.md`.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use starter::session::Lineage;

use crate::server::{World, claims};
use crate::support::client::{Response, TestClient};

const REFRESH: &str = "/auth/session/refresh";

/// Sends the same refresh `times` times concurrently, half of them to the sibling.
async fn refresh_often(world: &World, sibling: &World, ann: &TestClient, times: usize) -> Vec<Response> {
    let elsewhere = sibling.visitor_like(ann);
    let requests = (0..times).map(|number| {
        let visitor = if number % 2 == 0 { ann } else { &elsewhere };
        visitor.send_only(Method::POST, REFRESH, None)
    });
    let answers = join_all(requests).await;
    assert_eq!(world.count("select count(*) from session").await, 1);
    answers
}

/// Lineage of the refresh token that was issued with the visitor's access token.
fn lineage(visitor: &TestClient) -> String {
    let hash1 = claims(visitor.access_token())["refreshTokenHash1"].as_str().unwrap().to_owned();
    Lineage::of_hash1(&hash1).as_str().to_owned()
}

/// A copy of the client with the tokens of this response.
fn take(answer: &Response, into: &TestClient) -> TestClient {
    let visitor = into.clone();
    for line in answer.headers.get_all("set-cookie") {
        let (name, value) = line.to_str().unwrap().split_once(';').unwrap().0.split_once('=').unwrap();
        visitor.set_cookie(name, value);
    }
    visitor
}

#[tokio::test]
async fn many_refreshes_of_one_token_give_one_lineage() {
    let world = World::start().await;
    let sibling = world.sibling().await;
    let ann = world.sign_in("ann").await;
    let answers = refresh_often(&world, &sibling, &ann, 64).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let children: Vec<_> = answers.iter().map(|answer| take(answer, &ann)).collect();
    let parent = |child: &TestClient| claims(child.access_token())["parentRefreshTokenHash1"].to_string();
    let parents: BTreeSet<_> = children.iter().map(parent).collect();
    assert_eq!(parents.len(), 1);
    assert_eq!(world.lineages().await, (lineage(&ann), None), "a refresh alone promotes no child");

    let uses = join_all(children.iter().map(|child| child.send_only(Method::GET, "/me", None))).await;
    assert!(uses.iter().all(|answer| answer.status == 200));
    let promoted: Vec<_> = uses.iter().filter(|answer| answer.headers.contains_key("front-token")).collect();
    assert_eq!(promoted.len(), 1, "exactly one use promotes its child");
    let current = Lineage::of_hash1(promoted[0].front()["up"]["refreshTokenHash1"].as_str().unwrap());
    assert_eq!(world.lineages().await, (current.as_str().to_owned(), Some(lineage(&ann))));
    let later = join_all(children.iter().map(|child| child.send_only(Method::POST, REFRESH, None))).await;
    assert!(later.iter().all(|answer| answer.status == 200), "within the grace period no refresh is treated as theft");
}

#[tokio::test]
async fn concurrent_refreshes_of_two_unused_children_promote_one_and_both_continue() {
    let world = World::start().await;
    let sibling = world.sibling().await;
    let ann = world.sign_in("ann").await;
    let mut children = Vec::new();
    for _ in 0..2 {
        children.push(take(&ann.send_only(Method::POST, REFRESH, None).await, &ann));
    }
    assert_eq!(world.lineages().await, (lineage(&ann), None), "neither child was used");
    let answers = tokio::join!(
        refresh_often(&world, &sibling, &children[0], 16),
        refresh_often(&world, &sibling, &children[1], 16)
    );
    let answers = [answers.0, answers.1].concat();
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");

    let (current, previous) = world.lineages().await;
    assert_eq!(previous, Some(lineage(&ann)), "their parent was effective before");
    assert!(children.iter().any(|child| lineage(child) == current), "one of the two children is effective");
    for answer in &answers {
        let parent = claims(take(answer, &ann).access_token())["parentRefreshTokenHash1"].as_str().unwrap().to_owned();
        let parent =
            parent.strip_prefix("2:").map_or_else(|| Lineage::of_hash1(&parent).as_str().to_owned(), str::to_owned);
        assert_eq!(parent, current, "every new token descends from the effective child");
    }
    for answer in [&answers[0], &answers[16]] {
        let visitor = take(answer, &ann);
        assert_eq!(visitor.get("/me").await.status, 200);
        assert_eq!(visitor.refresh_without_rid().await.status, 200);
    }
}

/// Whichever of the two is first, afterwards the session is gone and none of its tokens works.
#[tokio::test]
async fn a_refresh_never_brings_an_ended_session_back() {
    let world = World::start().await;
    for round in 0..40 {
        let ann = world.sign_in("ann").await;
        let mut leaver = ann.clone();
        let path = if round % 2 == 0 { "/auth/signout" } else { "/api/sessions/revoke-others" };
        let mut other = world.sign_in("ann").await;
        let leaving = async {
            let visitor = if round % 2 == 0 { &mut leaver } else { &mut other };
            visitor.post_empty(path).await
        };
        let (refreshed, left) = tokio::join!(ann.send_only(Method::POST, REFRESH, None), leaving);
        assert_eq!(left.status, 200);
        assert!(refreshed.status == 200 || refreshed.is_unauthorised());
        let after = take(&refreshed, &ann);
        assert_eq!(after.get("/now").await.status, 401);
        after.set_cookie("sRefreshToken", &ann.refresh_token());
        let answer = after.refresh_without_rid().await;
        assert!(answer.is_unauthorised(), "round {round}: {answer:?}");
        world.sql("delete from session").await;
    }
}

#[tokio::test]
async fn concurrent_writes_of_different_claims_are_all_stored() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let writes = (0..6).map(|number| {
        let body = format!("{{\"key{number}\":{number}}}");
        let ann = ann.clone();
        async move { ann.send_only(Method::PUT, "/payload", Some(body)).await }
    });
    assert!(join_all(writes).await.iter().all(|answer| answer.status == 200));
    ann.refresh_without_rid().await;
    assert_eq!(ann.get("/payload").await.json().as_object().unwrap().len(), 7);
}

#[tokio::test]
async fn the_oldest_session_ends_if_a_user_has_too_many() {
    let world = World::with(|options| options.settings.sessions_per_user = 3).await;
    let mut devices = Vec::new();
    for _ in 0..4 {
        devices.push(world.sign_in("ann").await);
        world.clock.advance(Duration::from_secs(1));
    }
    let bob = world.sign_in("bob").await;
    assert!(devices[0].clone().get("/now").await.is_unauthorised());
    assert!(devices[0].refresh_without_rid().await.is_unauthorised());
    for kept in devices[1..].iter().chain([&bob]) {
        assert_eq!(kept.get("/now").await.status, 200);
        assert_eq!(kept.refresh_without_rid().await.status, 200);
    }
}

#[tokio::test]
async fn sign_ins_at_once_leave_no_more_sessions_than_allowed() {
    let world = World::with(|options| options.settings.sessions_per_user = 5).await;
    let sibling = world.sibling_with(|options| options.settings.sessions_per_user = 5).await;
    let sign_in = |number: usize| if number.is_multiple_of(2) { world.sign_in("ann") } else { sibling.sign_in("ann") };
    let ends_with = join_all((0..24).map(sign_in)).await;
    assert_eq!(world.count("select count(*) from session").await, 5);
    let mut alive = 0;
    for device in &ends_with {
        alive += usize::from(device.refresh_without_rid().await.status == 200);
    }
    assert_eq!(alive, 5);
}

/// Theft is reported once, however many requests use the old token, and the other party loses the session, too. S-R-09 in
/// `docs/threats.md`.
#[tokio::test]
async fn theft_ends_the_session_once() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let thief = ann.clone();
    ann.refresh_without_rid().await;
    ann.get("/me").await;
    world.clock.advance(Duration::from_mins(1));
    let answers = join_all((0..8).map(|_| thief.send_only(Method::POST, REFRESH, None))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_theft()).count(), 1);
    assert!(answers.iter().all(|answer| answer.is_theft() || answer.is_unauthorised()));
    let sibling = world.sibling().await;
    assert!(sibling.visitor_like(&ann).get("/now").await.is_unauthorised());
    assert!(ann.refresh_without_rid().await.is_unauthorised());
}

/// Using a token of a revoked session is not theft. S-R-10 and S-R-12 in `docs/threats.md`.
#[tokio::test]
async fn a_session_ended_elsewhere_is_refused_at_the_next_check_of_the_database() {
    let world = World::start().await;
    let sibling = world.sibling().await;
    let here = world.sign_in("ann").await;
    let there = sibling.visitor_like(&here);
    assert_eq!(there.get("/me").await.status, 200);
    here.post_empty("/auth/signout").await;
    assert!(there.clone().get("/now").await.is_unauthorised());
    world.clock.advance(Duration::from_mins(16));
    assert!(there.get("/me").await.is_try_refresh());
    assert!(there.refresh_without_rid().await.is_unauthorised());
}
