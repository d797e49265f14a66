//! Changes of settings during a session: the anti-CSRF mode, the version of access tokens, the keys, the cookie domain, the clock.

use std::time::Duration;

use serde_json::json;
use starter::session::{AntiCsrf, SessionHandle, Transfer};

use crate::by_handle::handle_of;
use crate::server::{SECOND, World, claims};
use crate::support::client::{Response, TestClient};
use crate::tokens::claims_of_version_two;

const WEEK: Duration = Duration::from_hours(7 * 24);

/// Signs in with a frontend of interface 1.8.
async fn sign_in_with_old_frontend(world: &World, user: &str) -> TestClient {
    let mut visitor = world.visitor();
    visitor.header("rid", "session").header("fdi-version", "1.8,1.9").post_empty(&format!("/login/{user}")).await;
    visitor
}

/// As in `RefreshSessionAPITest2_7` of SuperTokens' core: a process with the mode on takes over from one with it off, and back; the
/// next refresh issues the tokens that the mode needs, or none.
#[tokio::test]
async fn anti_csrf_by_token_can_be_switched_on_and_off() {
    let off = World::start().await;
    let on = off.sibling_with(|options| options.settings.anti_csrf = Some(AntiCsrf::ViaToken)).await;
    let mut ann = off.sign_in("ann").await;
    for round in 0..2 {
        ann = ann.at(&on.base());
        ann.headers.remove("anti-csrf");
        assert_eq!(ann.get("/me").await.status, 200, "reading needs none");
        assert!(ann.post_empty("/me").await.is_try_refresh(), "the token knows of none: round {round}");
        let answer = ann.refresh_without_rid().await;
        assert_eq!(answer.status, 200, "the refresh token, neither");
        let token = answer.find_header("anti-csrf").unwrap().to_owned();
        assert!(ann.post_empty("/me").await.is_try_refresh());
        assert_eq!(ann.clone().header("anti-csrf", &token).post_empty("/me").await.status, 200);
        assert!(ann.clone().header("anti-csrf", "wrong").refresh_without_rid().await.is_unauthorised());
        assert_eq!(ann.clone().header("anti-csrf", &token).refresh_without_rid().await.status, 200);

        ann = ann.at(&off.base());
        assert_eq!(ann.post_empty("/me").await.status, 200);
        let answer = ann.refresh_without_rid().await;
        assert_eq!((answer.status, answer.find_header("anti-csrf")), (200, None));
        assert_eq!(claims(ann.access_token())["antiCsrfToken"], json!(null));
    }
}

/// The anti-CSRF token of another session, and the right one in the URL, where a form could put it. S-C-20 in
/// `docs/threats.md`.
#[tokio::test]
async fn a_wrong_anti_csrf_token_is_refused() {
    let world = World::with(|options| options.settings.anti_csrf = Some(AntiCsrf::ViaToken)).await;
    let login = async |user: &str| {
        let mut visitor = world.visitor();
        let answer = visitor.header("st-auth-mode", "cookie").post_empty(&format!("/login/{user}")).await;
        (visitor, answer.find_header("anti-csrf").unwrap().to_owned())
    };
    let ((mut ann, own), (_, others)) = (login("ann").await, login("bob").await);
    assert!(ann.clone().header("anti-csrf", &others).post_empty("/me").await.is_try_refresh());
    assert!(ann.post_empty(&format!("/me?anti-csrf={own}")).await.is_try_refresh(), "the URL is not a header");
    for wrong in [others.as_str(), "", "x"] {
        let answer = ann.clone().header("anti-csrf", wrong).refresh_without_rid().await;
        assert!(answer.is_unauthorised() && answer.clears_everything(), "{wrong:?}");
    }
    let answer = ann.clone().post_empty(&format!("/auth/session/refresh?anti-csrf={own}")).await;
    assert_eq!(answer.status, 400, "a query parameter that nothing reads is refused before the token is read");
    assert_eq!(world.count("select count(*) from session").await, 2, "no theft was detected");
    assert_eq!(ann.header("anti-csrf", &own).refresh_without_rid().await.status, 200);
}

/// As in `SessionTest6` and `VersionTest` of SuperTokens' core: the frontend that refreshes determines the token version; the
/// session stays the same.
#[tokio::test]
async fn a_session_changes_from_one_token_version_to_the_other() {
    let world = World::start().await;
    let mut ann = sign_in_with_old_frontend(&world, "ann").await;
    let own = SessionHandle::parse(claims_of_version_two(&ann)["sessionHandle"].as_str().unwrap()).unwrap();
    ann.put_json("/payload", &json!({ "name": "Ann" })).await;
    let data = json!({ "kept": true }).as_object().unwrap().clone();
    for round in 0..2 {
        ann.headers.clear();
        ann.header("st-auth-mode", "cookie");
        assert_eq!(ann.refresh_without_rid().await.status, 200);
        assert_eq!(handle_of(&ann), own);
        assert_eq!(claims(ann.access_token())["name"], "Ann");
        assert_eq!(ann.get("/me").await.status, 200);
        let answer = ann.put_json("/payload", &json!({ "modern": round })).await;
        assert_eq!(answer.front()["up"]["modern"], round);
        assert!(world.server.sessions.update_data(&own, &data).await.unwrap());

        ann.headers.clear();
        ann.header("rid", "session").header("fdi-version", "1.8,1.9");
        assert_eq!(ann.refresh_without_rid().await.status, 200);
        assert_eq!(claims_of_version_two(&ann)["sessionHandle"], own.as_str());
        assert_eq!(claims_of_version_two(&ann)["userData"], json!({ "name": "Ann", "modern": round }));
        assert_eq!(ann.get("/now").await.status, 200);
        ann.put_json("/payload", &json!({ "old": round })).await;
        assert_eq!(claims_of_version_two(&ann)["userData"]["old"], round);
        ann.put_json("/payload", &json!({ "old": null })).await;
    }
    assert_eq!(world.server.sessions.info(&own).await.unwrap().unwrap().data, data);
    assert_eq!(world.count("select count(*) from session").await, 1);
}

/// As in `RefreshSessionAPITest2_21` of SuperTokens' core: an application's claim in version 2 may have the name of the session's
/// own claim in version 5.
#[tokio::test]
async fn an_old_payload_with_the_name_of_a_session_claim_is_not_upgraded() {
    let world = World::start().await;
    let mut ann = sign_in_with_old_frontend(&world, "ann").await;
    world.sql(r#"update session set payload = '{"sub":"eve"}'"#).await;
    assert_eq!(ann.refresh_without_rid().await.status, 200);
    assert_eq!(claims_of_version_two(&ann)["userData"], json!({ "sub": "eve" }));
    assert_eq!(ann.get("/me").await.text, "ann");
    ann.headers.clear();
    let answer = ann.header("st-auth-mode", "cookie").refresh_without_rid().await;
    assert_eq!((answer.status, answer.find_header("front-token")), (401, Some("remove")));
    assert_eq!(world.count("select count(*) from session").await, 1, "no theft");
}

/// As in `AccessTokenTest` and `SessionTest1` of SuperTokens' core: a token without `kid` is verified with every usable key.
#[tokio::test]
async fn tokens_without_a_kid_survive_a_change_of_keys() {
    let world = World::start().await;
    world.clock.advance(WEEK.saturating_sub(58 * SECOND));
    let ann = sign_in_with_old_frontend(&world, "ann").await;
    world.clock.advance(61 * SECOND);
    let bob = sign_in_with_old_frontend(&world, "bob").await;
    assert_eq!(world.count("select count(*) from session_key where kind = 'dynamic'").await, 2);
    let fresh = world.sibling().await;
    for visitor in [ann.clone(), bob.clone(), ann.clone().at(&fresh.base()), bob.clone().at(&fresh.base())] {
        assert_eq!(visitor.get("/me").await.status, 200);
    }
    assert_eq!(ann.refresh_without_rid().await.status, 200);

    let fixed = world.sibling_with(|options| options.settings.dynamic_signing_key = false).await;
    let there = bob.clone().at(&fixed.base());
    assert!(there.get("/me").await.is_try_refresh(), "its key is of the other kind");
    assert_eq!(there.refresh_without_rid().await.status, 200);
    assert_eq!(there.get("/me").await.status, 200);
    let back = there.at(&world.base());
    assert!(back.get("/me").await.is_try_refresh());
    assert_eq!(back.refresh_without_rid().await.status, 200);
    assert_eq!(back.get("/me").await.status, 200);
    assert!(claims_of_version_two(&back).contains_key("userData"));
    bob.post_empty("/auth/signout").await;
}

/// The clock is set back during sessions: nobody is signed out, and no theft is detected. S-R-27 in `docs/threats.md`.
#[tokio::test]
async fn a_clock_that_is_set_back_ends_no_session() {
    let world = World::start().await;
    world.clock.advance(Duration::from_hours(2));
    let ann = world.sign_in("ann").await;
    let other_tab = ann.clone();
    ann.refresh_without_rid().await;
    ann.get("/me").await;
    world.clock.move_back(4 * SECOND);
    assert_eq!(ann.get("/me").await.status, 200, "a little");
    world.clock.move_back(Duration::from_hours(3));
    let fresh = world.sibling().await;
    assert!(fresh.visitor_like(&ann).get("/me").await.is_try_refresh(), "a token of the future");
    assert_eq!(other_tab.refresh_without_rid().await.status, 200);
    assert_eq!(other_tab.get("/me").await.status, 200);
    assert_eq!(ann.refresh_without_rid().await.status, 200);
    assert_eq!(ann.get("/now").await.status, 200);
    assert_eq!(world.sign_in("bob").await.get("/me").await.status, 200, "the key of the future signs");
    assert!(!world.server.sessions.sweep().await.unwrap());
    assert_eq!(world.count("select count(*) from session").await, 2);
    assert_eq!(fresh.visitor_like(&ann).get("/me").await.status, 200);
}

/// The names and domains of cookies that a response removes.
fn removed(answer: &Response) -> Vec<String> {
    let lines = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
    let removed = lines.filter(|line| line.contains("Expires=Thu, 01 Jan 1970")).map(|line| {
        let domain = line.split("; ").find_map(|part| part.strip_prefix("Domain=")).unwrap_or("-");
        format!("{} {domain}", line.split_once('=').unwrap().0)
    });
    removed.collect()
}

/// `OLDER_COOKIE_DOMAIN` over https: names of host-only cookies have prefixes, those of cookies with a domain do not.
#[tokio::test]
async fn cookies_of_other_names_are_removed_at_the_next_refresh() {
    let world = World::with(|options| {
        options.settings.api_domain = "https://api.example.com".to_owned();
        options.settings.website_domain = "https://example.com".to_owned();
        options.settings.older_cookie_domain = Some("example.com".to_owned());
    })
    .await;
    let ann = world.sign_in("ann").await;
    assert!(ann.cookie("__Host-sAccessToken").is_some());
    assert!(removed(&ann.clone().refresh_without_rid().await).is_empty());
    ann.set_cookie("sAccessToken", "of the domain");
    assert_eq!(ann.get("/me").await.text, "ann", "nobody reads it");
    let answer = ann.refresh_without_rid().await;
    assert_eq!(answer.status, 200);
    assert_eq!(removed(&answer), ["sAccessToken example.com", "sRefreshToken example.com"]);

    let domain = |options: &mut crate::server::WorldOptions| {
        options.settings.api_domain = "https://api.example.com".to_owned();
        options.settings.website_domain = "https://example.com".to_owned();
        options.settings.cookie_domain = Some("https://.Example.com/".to_owned());
        options.settings.older_cookie_domain = Some(String::new());
    };
    let sibling = world.sibling_with(domain).await;
    let there = sibling.sign_in("ann").await;
    assert!(there.cookie("sAccessToken").is_some());
    there.set_cookie("__Host-sAccessToken", "of the host");
    let answer = there.refresh_without_rid().await;
    assert_eq!((answer.status, answer.front()["uid"].as_str()), (200, Some("ann")));
    let names = ["sAccessToken -", "sRefreshToken -", "__Host-sAccessToken -", "__Secure-sRefreshToken -"];
    assert_eq!(removed(&answer), names);
}

/// A client that changes from headers to cookies gets both header tokens cleared.
#[tokio::test]
async fn a_client_can_change_from_headers_to_cookies() {
    let world = World::start().await;
    for exposes in [false, true] {
        let world = world.sibling_with(|options| options.settings.expose_access_token = exposes).await;
        let mut ann = world.visitor();
        ann.header("st-auth-mode", "cookie").header("authorization", "Bearer something");
        let answer = ann.post_empty("/login/ann").await;
        assert_eq!((answer.status, answer.find_header("st-refresh-token")), (200, Some("")));
        assert_eq!(answer.find_header("st-access-token").map(str::is_empty), Some(!exposes));
        let cookie_only = world.sibling_with(|options| {
            options.settings.transfer = Some(Transfer::Cookie);
            options.settings.expose_access_token = exposes;
        });
        let answer = ann.at(&cookie_only.await.base()).refresh_without_rid().await;
        assert_eq!((answer.status, answer.find_header("st-refresh-token")), (200, Some("")));
        assert_eq!(answer.find_header("st-access-token").map(str::is_empty), Some(!exposes));
        assert_eq!(answer.front()["uid"], "ann", "but not the session");
    }
}

/// `TOKEN_TRANSFER_METHOD=header`: an old frontend gets no cookies either, and is served like a modern one.
#[tokio::test]
async fn header_transfer_gives_old_frontends_no_cookies() {
    let world = World::with(|options| options.settings.transfer = Some(Transfer::Header)).await;
    let mut ann = world.visitor();
    let answer = ann.header("rid", "session").header("fdi-version", "1.8,1.9").post_empty("/login/ann").await;
    assert_eq!(answer.status, 200);
    assert!(!answer.headers.contains_key("set-cookie") && !answer.headers.contains_key("id-refresh-token"));
    let access = answer.find_header("st-access-token").unwrap().to_owned();
    assert_eq!(claims(&access)["sub"], "ann");
    ann.header("authorization", &format!("Bearer {access}"));
    assert_eq!(ann.get("/me").await.text, "ann");
}
