//! `REMEMBER_ME`: "keep me signed in" on the sign-in page.

use std::time::Duration;

use crate::client::{Response, TestClient};
use crate::pages::{browser, credentials, signed_up};
use crate::world::{PASSWORD, World};

const HOUR: Duration = Duration::from_hours(1);
const CHECKBOX: &str = "name=\"remember\"";

async fn sign_in(world: &World, more: &str) -> (TestClient, Response) {
    let visitor = browser(world);
    let form = format!("{}{more}", credentials("ann@example.com", PASSWORD));
    let answer = visitor.submit("/sign-in", &form).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    (visitor, answer)
}

/// Whether the session cookies of a response outlive the browser; both do or none does.
fn has_expiry(answer: &Response) -> bool {
    let cookies = answer.set_cookies();
    let set: Vec<bool> = cookies
        .iter()
        .filter(|cookie| cookie.starts_with("sAccessToken=e") || cookie.starts_with("sRefreshToken="))
        .map(|cookie| cookie.contains("Expires=") || cookie.contains("Max-Age="))
        .collect();
    assert!(set.len() == 2 && set[0] == set[1], "{cookies:?}");
    set[0]
}

/// Opens a page that needs a session, through a refresh where the access token has expired. None: it leads to the sign-in page.
async fn open_account(visitor: &TestClient) -> Option<Response> {
    let first = visitor.get("/account").await;
    let refreshed = visitor.get(first.header("location")).await;
    (visitor.get("/account").await.status == 200).then_some(refreshed)
}

#[actix_rt::test]
async fn who_does_not_choose_it_is_signed_out_with_the_browser_and_after_half_a_day() {
    let world = World::with(&[("REMEMBER_ME", "true")]).await;
    signed_up(&world, "ann@example.com").await;
    let visitor = browser(&world);
    for path in ["/auth", "/auth?show=signup"] {
        assert!(visitor.get(path).await.text.contains(CHECKBOX), "{path}");
    }
    let (ann, answer) = sign_in(&world, "").await;
    assert!(!has_expiry(&answer));
    world.advance(11 * HOUR).await;
    let refreshed = open_account(&ann).await.expect("used within the life");
    assert!(!has_expiry(&refreshed), "a refresh does not lengthen it beyond the browser");
    world.advance(13 * HOUR).await;
    assert!(open_account(&ann).await.is_none());
}

#[actix_rt::test]
async fn who_chooses_it_stays_signed_in() {
    let world = World::with(&[("REMEMBER_ME", "true")]).await;
    signed_up(&world, "ann@example.com").await;
    let (ann, answer) = sign_in(&world, "&remember=yes").await;
    assert!(has_expiry(&answer));
    world.advance(13 * HOUR).await;
    assert!(has_expiry(&open_account(&ann).await.unwrap()));
}

#[actix_rt::test]
async fn a_mistake_keeps_the_choice() {
    let world = World::with(&[("REMEMBER_ME", "true")]).await;
    let form = format!("{}&remember=yes", credentials("ann@example.com", PASSWORD));
    let page = browser(&world).submit("/sign-in", &form).await;
    assert_eq!((page.status, page.text.contains("value=\"yes\" checked")), (422, true), "{}", page.text);
}

#[actix_rt::test]
async fn without_the_setting_nobody_is_asked_and_sessions_live_as_set() {
    let world = World::start().await;
    signed_up(&world, "ann@example.com").await;
    assert!(!browser(&world).get("/auth").await.text.contains(CHECKBOX));
    let (ann, answer) = sign_in(&world, "").await;
    assert!(has_expiry(&answer));
    world.advance(13 * HOUR).await;
    assert!(open_account(&ann).await.is_some());
}
