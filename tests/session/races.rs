//! Many at once, here and on another process (security.md 3.1: S-R-06, S-R-07, S-R-14, S-R-15).

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;

use crate::world::{Response, TestClient, World, claims};

const REFRESH: &str = "/auth/session/refresh";

/// Sends the same refresh many times at once, half of them to a sibling.
async fn refresh_often(world: &World, sibling: &World, ann: &TestClient, times: usize) -> Vec<Response> {
    let elsewhere = sibling.visitor_with(&ann.jar);
    let requests = (0..times).map(|number| {
        let visitor = if number % 2 == 0 { ann } else { &elsewhere };
        visitor.send_only(Method::POST, REFRESH, None)
    });
    let answers = join_all(requests).await;
    assert_eq!(world.count("select count(*) from session").await, 1);
    answers
}

/// The access and refresh token of an answer.
fn take(answer: &Response, into: &TestClient) -> TestClient {
    let mut visitor = into.clone();
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

    let uses = join_all(children.iter().map(|child| child.send_only(Method::GET, "/me", None))).await;
    assert!(uses.iter().all(|answer| answer.status == 200));
    let promoted: Vec<_> = uses.iter().filter(|answer| answer.headers.contains_key("front-token")).collect();
    assert_eq!(promoted.len(), 1, "one of them was first");
    let current: BTreeSet<_> =
        promoted.iter().map(|answer| answer.front()["up"]["refreshTokenHash1"].to_string()).collect();
    assert_eq!(current.len(), 1);
    let later = join_all(children.iter().map(|child| child.send_only(Method::POST, REFRESH, None))).await;
    assert!(later.iter().all(|answer| answer.status == 200), "within the grace period none of them is a thief");
}

#[tokio::test]
async fn two_unused_children_are_promoted_by_refreshing_and_both_go_on() {
    let world = World::start().await;
    let sibling = world.sibling().await;
    let ann = world.sign_in("ann").await;
    let child = take(&ann.send_only(Method::POST, REFRESH, None).await, &ann);
    let answers = refresh_often(&world, &sibling, &child, 16).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
}

/// Whoever wins, afterwards the session is gone and no token of it works.
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
            visitor.post(path).await
        };
        let (refreshed, left) = tokio::join!(ann.send_only(Method::POST, REFRESH, None), leaving);
        assert_eq!(left.status, 200);
        assert!(refreshed.status == 200 || refreshed.is_unauthorised());
        let mut after = take(&refreshed, &ann);
        assert_eq!(after.get("/now").await.status, 401);
        after.set_cookie("sRefreshToken", ann.refresh_token());
        let answer = after.refresh().await;
        assert!(answer.is_unauthorised(), "round {round}: {answer:?}");
        world.sql("delete from session").await;
    }
}

#[tokio::test]
async fn who_writes_different_claims_at_once_loses_none() {
    let world = World::start().await;
    let mut ann = world.sign_in("ann").await;
    let writes = (0..6).map(|number| {
        let body = format!("{{\"key{number}\":{number}}}");
        let ann = ann.clone();
        async move { ann.send_only(Method::PUT, "/payload", Some(body)).await }
    });
    assert!(join_all(writes).await.iter().all(|answer| answer.status == 200));
    ann.refresh().await;
    assert_eq!(ann.get("/payload").await.json().as_object().unwrap().len(), 7);
}

/// S-R-09, whichever of the two is the thief: it is found out once, however many come with the old token, and whoever was
/// faster loses the session, too.
#[tokio::test]
async fn theft_ends_the_session_once() {
    let world = World::start().await;
    let mut ann = world.sign_in("ann").await;
    let thief = ann.clone();
    ann.refresh().await;
    ann.get("/me").await;
    world.clock.advance(Duration::from_mins(1));
    let answers = join_all((0..8).map(|_| thief.send_only(Method::POST, REFRESH, None))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_theft()).count(), 1);
    assert!(answers.iter().all(|answer| answer.is_theft() || answer.is_unauthorised()));
    let sibling = world.sibling().await;
    assert!(sibling.visitor_with(&ann.jar).get("/now").await.is_unauthorised());
    assert!(ann.refresh().await.is_unauthorised());
}

/// S-R-10, S-R-12: no theft is seen in a token whose session was ended.
#[tokio::test]
async fn a_session_ended_elsewhere_is_refused_at_the_next_check_of_the_database() {
    let world = World::start().await;
    let sibling = world.sibling().await;
    let mut here = world.sign_in("ann").await;
    let mut there = sibling.visitor_with(&here.jar);
    assert_eq!(there.get("/me").await.status, 200);
    here.post("/auth/signout").await;
    assert!(there.clone().get("/now").await.is_unauthorised());
    world.clock.advance(Duration::from_mins(16));
    assert!(there.get("/me").await.is_try_refresh());
    assert!(there.refresh().await.is_unauthorised());
}
