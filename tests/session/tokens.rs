//! Invalid, duplicate and misplaced tokens.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};
use starter::session::{AntiCsrf, NewSession, TokenFormat, UserId, Version};

use crate::server::{SECOND, World, claims};
use crate::support::client::{Response, TestClient};

/// The token with one part changed.
fn with_part(token: &str, part: usize, change: impl FnOnce(&mut Value)) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let mut value: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&parts[part]).unwrap()).unwrap();
    change(&mut value);
    parts[part] = URL_SAFE_NO_PAD.encode(value.to_string());
    parts.join(".")
}

/// S-J-01, S-J-02, S-J-06, S-J-07 and S-J-08 in `docs/threats.md`.
#[tokio::test]
async fn a_tampered_access_token_asks_for_a_refresh_and_clears_nothing() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let good = ann.access_token();
    let (message, _) = good.rsplit_once('.').unwrap();
    let tampered = [
        format!("{}.", with_part(message, 0, |header| header["alg"] = json!("none"))),
        with_part(&good, 0, |header| header["alg"] = json!("HS256")),
        with_part(&good, 0, |header| header["kid"] = json!("../../dev/null")),
        with_part(&good, 0, |header| header["kid"] = json!("' or 1=1--")),
        with_part(&good, 0, |header| header["jku"] = json!("http://evil.example")),
        with_part(&good, 1, |claims| claims["sub"] = json!("eve")),
        with_part(&good, 1, |claims| claims["exp"] = json!(9_999_999_999_i64)),
        format!("{message}.{}", "A".repeat(86)),
    ];
    for token in tampered {
        let thief = ann.clone();
        thief.set_cookie("sAccessToken", &token);
        assert!(thief.get("/me").await.is_try_refresh(), "{token}");
        assert!(thief.get("/maybe").await.is_try_refresh(), "{token}");
        assert_eq!(thief.refresh_without_rid().await.status, 200, "the refresh token is still good");
    }
}

/// The request header `front-token` is ignored. S-J-14 in `docs/threats.md`.
#[tokio::test]
async fn a_forged_front_token_is_ignored() {
    let world = World::start().await;
    let mut ann = world.sign_in("ann").await;
    ann.header("front-token", "eyJ1aWQiOiJldmUifQ==").set_cookie("sFrontToken", "eyJ1aWQiOiJldmUifQ==");
    assert_eq!(ann.get("/me").await.text, "ann");
}

/// A foreign text is not treated as theft. S-R-16 and S-R-19 in `docs/threats.md`.
#[tokio::test]
async fn an_invalid_refresh_token_ends_no_session() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let good = ann.refresh_token();
    let (elsewhere, access) = (World::start().await.sign_in("ann").await, ann.access_token());
    let (first_cut, last_cut) = (good.get(1..).unwrap(), good.get(..good.len() - 1).unwrap());
    let flipped = good.replacen(|letter: char| letter.is_ascii_uppercase(), "z", 1);
    for token in [first_cut, last_cut, &flipped, &elsewhere.refresh_token(), &access, "x", &"A".repeat(5000)] {
        let other = ann.clone();
        other.set_cookie("sRefreshToken", token);
        let answer = other.refresh_without_rid().await;
        assert!(answer.is_unauthorised() && answer.clears_everything(), "{token}");
    }
    let other = ann.clone();
    other.set_cookie("sAccessToken", &good);
    assert!(other.get("/me").await.is_unauthorised());
    assert_eq!(world.count("select count(*) from session").await, 1);
    assert_eq!(ann.clone().refresh_without_rid().await.status, 200);
}

/// Issue supertokens-node#826: no 500, and the session is not lost. S-C-04 and S-C-05 in `docs/threats.md`.
#[tokio::test]
async fn duplicate_cookies_are_handled() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let bob = world.sign_in("bob").await;
    let twice = |visitor: &TestClient, name: &str, value: &str| {
        let visitor = visitor.clone();
        let own = visitor.cookie(name).unwrap();
        visitor.set_cookie(name, &format!("{own}; {name}={value}"));
        visitor
    };
    for value in [&*bob.access_token(), &ann.access_token(), "garbage"] {
        let tossed = twice(&ann, "sAccessToken", value);
        let answer = tossed.get("/me").await;
        if value == bob.access_token() {
            assert!(answer.is_try_refresh(), "whoever can set a cookie for the domain does not choose the user");
        } else {
            assert_eq!((answer.status, answer.text.as_str()), (200, "ann"), "{value}");
        }
        assert_eq!(tossed.refresh_without_rid().await.status, 200);
    }
    assert_eq!(twice(&ann, "sRefreshToken", "garbage").refresh_without_rid().await.status, 200);
    assert_eq!(twice(&ann, "sRefreshToken", &ann.refresh_token()).refresh_without_rid().await.status, 200);
    let answer = twice(&ann, "sRefreshToken", &bob.refresh_token()).refresh_without_rid().await;
    assert!(answer.is_unauthorised() && answer.clears_everything());
    assert_eq!(world.count("select count(*) from session").await, 2, "nothing was taken for theft");

    let newer = ann.clone();
    newer.refresh_without_rid().await;
    newer.get("/me").await;
    world.clock.advance(SECOND * 60);
    assert_eq!(twice(&newer, "sRefreshToken", &ann.refresh_token()).refresh_without_rid().await.status, 200);
    assert_eq!(twice(&ann, "sRefreshToken", &newer.refresh_token()).refresh_without_rid().await.status, 200);
}

#[tokio::test]
async fn duplicate_cookies_are_refused_if_configured() {
    let world = World::with(|options| options.settings.refuse_duplicate_cookies = true).await;
    let ann = world.sign_in("ann").await;
    let twice = format!("{}; sAccessToken=x", ann.access_token());
    ann.set_cookie("sAccessToken", &twice);
    let answer = ann.refresh_without_rid().await;
    assert_eq!(answer.status, 500);
    assert!(answer.text.contains("The request contains multiple session cookies."));
}

#[tokio::test]
async fn cookies_of_an_older_domain_are_removed() {
    let world = World::with(|options| {
        options.settings.cookie_domain = Some("example.com".to_owned());
        options.settings.older_cookie_domain = Some(String::new());
    })
    .await;
    let ann = world.sign_in("ann").await;
    let twice = format!("{}; sAccessToken=x", ann.access_token());
    ann.set_cookie("sAccessToken", &twice);
    let answer = ann.clone().refresh_without_rid().await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    let lines: Vec<_> = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line.contains("Expires=Thu, 01 Jan 1970") && !line.contains("Domain")));
}

/// After `COOKIE_DOMAIN` was introduced, browsers send the host-only cookies beside those of the domain.
#[tokio::test]
async fn a_cookie_domain_can_be_introduced_without_naming_the_older_one() {
    let before = World::start().await;
    let host = before.sign_in("ann").await;
    let world = before
        .sibling_with(|options| {
            options.settings.api_domain = "http://api.example.com".to_owned();
            options.settings.website_domain = "http://www.example.com".to_owned();
            options.settings.cookie_domain = Some(".example.com".to_owned());
        })
        .await;
    let beside = |domain: &TestClient| {
        let both = host.clone().at(&world.base());
        for name in ["sAccessToken", "sRefreshToken"] {
            both.set_cookie(name, &format!("{}; {name}={}", host.cookie(name).unwrap(), domain.cookie(name).unwrap()));
        }
        both
    };
    let removes_those_of_the_host = |answer: &Response| {
        let lines: Vec<_> = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
        let gone = |line: &&&str| line.contains("Expires=Thu, 01 Jan 1970") && !line.contains("Domain");
        lines.iter().filter(gone).count() == 2
    };
    let domain = host.clone().at(&world.base());
    assert_eq!(domain.refresh_without_rid().await.status, 200);
    for _ in 0..3 {
        assert_eq!(beside(&domain).get("/me").await.text, "ann");
        assert_eq!(beside(&domain).post_empty("/me").await.status, 200);
        world.clock.advance(SECOND * 1000);
        assert!(beside(&domain).get("/me").await.is_try_refresh(), "both have expired");
        let answer = beside(&domain).refresh_without_rid().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(removes_those_of_the_host(&answer));
        domain.refresh_without_rid().await;
    }
    let again = beside(&domain).header("st-auth-mode", "cookie").post_empty("/login/ann").await;
    assert!(again.status == 200 && removes_those_of_the_host(&again), "a new session is not mixed with the older one");
    let signed_out = beside(&domain).post_empty("/auth/signout").await;
    assert!(signed_out.status == 200 && removes_those_of_the_host(&signed_out));
}

/// S-C-07 in `docs/threats.md`, with similar cases.
#[tokio::test]
async fn a_broken_cookie_beside_ours_breaks_nothing() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let cookie =
        [b"bad=\xff\xfe; %73AccessToken=evil; sAccessToken=".as_slice(), ann.access_token().as_bytes()].concat();
    let request = reqwest::Client::new().get(format!("{}/me", world.base()));
    let response = request.header("cookie", reqwest::header::HeaderValue::from_bytes(&cookie).unwrap()).send().await;
    assert_eq!(response.unwrap().text().await.unwrap(), "ann");
}

/// The tables of supertokens-node's `auth-modes.test.js`. S-R-24 and S-R-25 in `docs/threats.md`.
#[tokio::test]
async fn a_header_has_precedence_over_a_cookie() {
    let world = World::start().await;
    let mut both = world.sign_in("ann").await;
    let bob = world.visitor();
    let tokens = bob.post_empty("/login/bob").await;
    let (access, refresh) =
        (tokens.find_header("st-access-token").unwrap(), tokens.find_header("st-refresh-token").unwrap());
    both.header("authorization", &format!("Bearer {access}"));
    assert_eq!(both.get("/me").await.text, "bob");
    both.header("authorization", "Bearer an-api-key-of-something-else");
    assert_eq!(both.get("/me").await.text, "ann");

    both.header("authorization", &format!("Bearer {refresh}"));
    let answer = both.refresh_without_rid().await;
    assert_eq!(answer.status, 200);
    assert!(answer.find_header("st-access-token").unwrap().starts_with("ey"));
    assert!(!both.has_cookies(), "the cookies are cleared");
}

#[tokio::test]
async fn a_token_in_a_disabled_transfer_counts_as_absent() {
    let world = World::with(|options| options.settings.transfer = Some(starter::session::Transfer::Header)).await;
    let mut ann = world.visitor();
    let answer = ann.header("st-auth-mode", "cookie").post_empty("/login/ann").await;
    assert!(!ann.has_cookies());
    let access = answer.find_header("st-access-token").unwrap();
    ann.set_cookie("sAccessToken", access);
    ann.set_cookie("sRefreshToken", answer.find_header("st-refresh-token").unwrap());
    assert!(ann.get("/me").await.is_unauthorised());
    assert!(ann.clone().refresh_without_rid().await.clears_everything());
    ann.header("authorization", &format!("Bearer {access}"));
    assert_eq!(ann.get("/me").await.text, "ann");
}

/// S-C-20 in `docs/threats.md`.
#[tokio::test]
async fn anti_csrf_by_token_is_checked() {
    let world = World::with(|options| options.settings.anti_csrf = Some(AntiCsrf::ViaToken)).await;
    let mut ann = world.visitor();
    let answer = ann.header("st-auth-mode", "cookie").post_empty("/login/ann").await;
    let token = answer.find_header("anti-csrf").unwrap().to_owned();
    assert_eq!(answer.find_header("access-control-expose-headers"), Some("front-token, anti-csrf"));
    assert_eq!(ann.get("/me").await.status, 200, "reading needs none");
    assert!(ann.post_empty("/me").await.is_try_refresh());
    assert!(ann.clone().header("anti-csrf", "other").post_empty("/me").await.is_try_refresh());
    assert_eq!(ann.clone().header("anti-csrf", &token).post_empty("/me").await.status, 200);

    let answer = ann.clone().refresh_without_rid().await;
    assert!(answer.is_unauthorised() && answer.clears_everything());
    let answer = ann.header("anti-csrf", &token).refresh_without_rid().await;
    assert_eq!(answer.status, 200);
    let next = answer.find_header("anti-csrf").unwrap().to_owned();
    assert_ne!(next, token);
    let answer = ann.clone().header("anti-csrf", &next).post_empty("/me").await;
    assert_eq!((answer.status, answer.find_header("anti-csrf")), (200, None), "promotion keeps the token");
    assert!(ann.post_empty("/me").await.is_try_refresh());
}

#[tokio::test]
async fn anti_csrf_by_header_is_checked() {
    let world = World::with(|options| options.settings.anti_csrf = Some(AntiCsrf::ViaCustomHeader)).await;
    let mut ann = world.sign_in("ann").await;
    assert!(ann.post_empty("/me").await.is_try_refresh());
    let answer = ann.clone().refresh_without_rid().await;
    assert!(answer.is_unauthorised() && answer.clears_everything());
    ann.header("rid", "anything");
    assert_eq!(ann.post_empty("/me").await.status, 200);
    assert_eq!(ann.refresh_without_rid().await.status, 200);
}

#[tokio::test]
async fn scripts_can_read_the_access_token_only_if_configured() {
    let world = World::with(|options| options.settings.expose_access_token = true).await;
    let mut ann = world.visitor();
    let answer = ann.header("st-auth-mode", "cookie").post_empty("/login/ann").await;
    assert_eq!(answer.find_header("st-access-token"), ann.cookie("sAccessToken").as_deref());
    assert_eq!(answer.find_header("st-refresh-token"), None);
}

#[tokio::test]
async fn an_old_frontend_is_served_with_its_cookie_and_token_version() {
    let world = World::start().await;
    let mut ann = world.visitor();
    let answer = ann.header("rid", "session").post_empty("/login/ann").await;
    assert_eq!(answer.find_header("access-control-expose-headers"), Some("front-token, id-refresh-token"));
    let (id, until) = answer.find_header("id-refresh-token").unwrap().split_once(';').unwrap();
    assert_eq!(ann.cookie("sIdRefreshToken").as_deref(), Some(id));
    assert!(until.parse::<i64>().unwrap() > world.clock.now().millis());
    assert_eq!(answer.front()["up"], json!({}));
    let id = id.to_owned();
    assert_eq!(claims_of_version_two(&ann)["userData"], json!({}));
    assert_eq!(expiry_of(&answer, "sAccessToken"), claims_of_version_two(&ann)["expiryTime"].as_i64().unwrap() / 1000);

    assert!(ann.get("/me").await.leaves_tokens_alone());
    let answer = ann.header("fdi-version", "1.8,1.9").refresh_without_rid().await;
    assert_eq!(answer.status, 200);
    assert!(claims_of_version_two(&ann).contains_key("parentRefreshTokenHash1"));
    assert_eq!(ann.get("/me").await.find_header("id-refresh-token"), None, "promotion brings an access token only");
    assert!(!claims_of_version_two(&ann).contains_key("parentRefreshTokenHash1"));
    assert_ne!(ann.cookie("sIdRefreshToken").as_deref(), Some(id.as_str()), "it changes with every refresh");
    let answer = ann.put_json("/payload", &json!({ "name": "Ann" })).await;
    assert_eq!(answer.front()["up"], json!({ "name": "Ann" }));

    let expired = ann.clone();
    expired.remove_cookie("sAccessToken");
    assert!(expired.get("/me").await.is_try_refresh());
    let foreign = ann.clone();
    foreign.set_cookie("sIdRefreshToken", "asdf");
    assert!(foreign.get("/me").await.is_try_refresh());

    let mut upgraded = ann.clone();
    upgraded.headers.clear();
    upgraded.header("st-auth-mode", "cookie").header("rid", "anti-csrf");
    assert_eq!(upgraded.refresh_without_rid().await.status, 200);
    assert_eq!(upgraded.cookie("sIdRefreshToken"), None);
    assert_eq!(upgraded.get("/me").await.status, 200);
    let said = claims(upgraded.access_token());
    assert_eq!((&said["name"], said.get("iss")), (&json!("Ann"), None), "nobody adds an issuer to it");
    upgraded.headers.clear();
    upgraded.header("rid", "session").header("fdi-version", "1.9");
    assert_eq!(upgraded.refresh_without_rid().await.front()["up"], json!({ "name": "Ann" }), "and back");
    assert_eq!(claims_of_version_two(&upgraded)["userData"], json!({ "name": "Ann" }));

    let mut ann = world.visitor();
    ann.header("rid", "session").post_empty("/login/ann").await;
    let answer = ann.post_empty("/auth/signout").await;
    assert_eq!(answer.find_header("id-refresh-token"), Some("remove"));
    assert!(!ann.has_cookies());
}

/// As in supertokens-node 8.6, "signout again": old frontends would take a 401 for a reason to refresh.
#[tokio::test]
async fn an_old_frontend_signs_out_without_a_session() {
    let world = World::start().await;
    let mut ann = world.visitor();
    ann.header("rid", "session").header("fdi-version", "1.8,1.9").post_empty("/login/ann").await;
    let late = ann.clone();
    late.refresh_without_rid().await;
    let expired = ann.clone();
    expired.remove_cookie("sAccessToken");
    assert!(expired.post_empty("/auth/signout").await.is_try_refresh(), "there may be a session yet");
    ann.post_empty("/auth/signout").await;
    let answer = ann.post_empty("/auth/signout").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"status":"OK"}"#));
    assert!(answer.leaves_tokens_alone());
    let answer = late.post_empty("/auth/signout").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"status":"OK"}"#));
    assert!(!late.has_cookies(), "the tokens of an ended session are cleared");
}

/// An access token of an old backend is verified according to its own header, replaced by one of the same version, and upgraded by
/// the first refresh.
#[tokio::test]
async fn an_access_token_claims_of_version_two_works_in_a_header() {
    let world = World::start().await;
    let user = UserId::parse("ann").unwrap();
    let payload = json!({ "asdf": 1 }).as_object().unwrap().clone();
    let new = NewSession { payload, ..NewSession::of(user) };
    let issued = world
        .server
        .sessions
        .issue_as(new, TokenFormat { with_anti_csrf: false, version: Version::Two })
        .await
        .unwrap();
    let mut app = world.visitor();
    app.header("authorization", &format!("Bearer {}", issued.access.expose_secret()));
    assert_eq!(app.get("/payload").await.json(), json!({ "asdf": 1 }));
    let answer = app.put_json("/payload", &json!({ "more": 2 })).await;
    assert_eq!(answer.front()["up"], json!({ "asdf": 1, "more": 2 }));
    let header = |token: &str| token.split_once('.').unwrap().0.to_owned();
    assert_eq!(header(answer.find_header("st-access-token").unwrap()), header(issued.access.expose_secret()));

    let sibling = world.sibling().await;
    let mut elsewhere = app.clone().at(&sibling.base());
    assert_eq!(elsewhere.get("/me").await.text, "ann", "without the name of a key all are tried");
    let (message, _) = issued.access.expose_secret().rsplit_once('.').unwrap();
    elsewhere.header("authorization", &format!("Bearer {message}.{}", STANDARD.encode([7; 64])));
    assert!(elsewhere.get("/me").await.is_try_refresh());

    app.header("authorization", &format!("Bearer {}", issued.refresh.unwrap().token.expose_secret()));
    let answer = app.header("st-auth-mode", "header").refresh_without_rid().await;
    let said = claims(answer.find_header("st-access-token").unwrap());
    assert_eq!((&said["asdf"], &said["more"], said.get("iss")), (&json!(1), &json!(2), None));
}

/// The claims of an access token of version 2.
pub fn claims_of_version_two(visitor: &TestClient) -> Map<String, Value> {
    let token = visitor.access_token();
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&STANDARD.decode(payload).unwrap()).unwrap()
}

/// The expiry of a cookie in a response, in seconds since 1970.
fn expiry_of(answer: &Response, name: &str) -> i64 {
    let lines = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
    let line = lines.into_iter().find(|line| line.starts_with(name)).unwrap();
    let date = line.split("; ").find_map(|part| part.strip_prefix("Expires=")).unwrap().replace("GMT", "+0000");
    time::OffsetDateTime::parse(&date, &time::format_description::well_known::Rfc2822).unwrap().unix_timestamp()
}
