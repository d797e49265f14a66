//! The demo: what its experiments show is true, and none of it is there in production.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use starter::clock::Clock;
use starter::http::routes::Route;

use crate::client::{Response, TestClient};
use crate::pages::browser;
use crate::world::{DEFAULT_HASHES, World};

/// A visitor who has pressed "Try it as a demo user".
async fn demo_user(world: &World) -> TestClient {
    let visitor = browser(world);
    let answer = visitor.submit("/demo/try", "").await;
    assert_eq!((answer.status, answer.header("location")), (303, "/"), "{}", answer.text);
    visitor
}

/// The evidence of an experiment whose promise was kept: statuses in order.
fn kept(answer: &Response) -> Vec<u16> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(!answer.text.contains("verdict wrong") && !answer.text.contains("not as expected"), "{}", answer.text);
    let outcomes = answer.text.split("<span class=\"chip plain\">").skip(1);
    outcomes.map(|rest| rest.split(' ').next().unwrap().parse().unwrap()).collect()
}

/// An event stream that the site has begun to send.
async fn open_stream(world: &World, visitor: &TestClient, last_id: &str) -> reqwest::Response {
    let request = crate::client::http().build().unwrap().get(format!("{}/api/session/events", world.base()));
    let cookie = format!("sAccessToken={}", visitor.cookie("sAccessToken").unwrap());
    let stream = request.header("cookie", cookie).header("last-event-id", last_id).send().await.unwrap();
    assert_eq!((stream.status().as_u16(), stream.headers()["x-accel-buffering"].to_str().unwrap()), (200, "no"));
    stream
}

/// The events of a stream until it ends.
async fn events(stream: reqwest::Response) -> Vec<Value> {
    let text = tokio::time::timeout(Duration::from_secs(40), stream.text()).await.unwrap().unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

/// The routes that a site in development has and this one has not.
fn missing_routes(development: &World, other: &World) -> Vec<Route> {
    let routes = development.routes().iter();
    routes.filter(|route| !other.routes().contains(route)).cloned().collect()
}

#[actix_rt::test]
async fn in_production_or_switched_off_there_is_no_demo() {
    let development = World::start().await;
    for settings in [
        &[
            ("APP_ENV", "production"),
            ("INSECURE_EMBEDDED_FAUNA_IN_PRODUCTION", "true"),
            ("INSECURE_GENERATED_SECRETS_IN_PRODUCTION", "true"),
            ("INSECURE_NO_MAIL_IN_PRODUCTION", "true"),
            DEFAULT_HASHES,
            ("DEMO", "true"),
        ][..],
        &[("DEMO", "false")],
    ] {
        let world = World::with(settings).await;
        let visitor = browser(&world);
        let missing = missing_routes(&development, &world);
        let of_demo = development.routes().iter().filter(|route| route.path.contains("/demo/"));
        assert!(of_demo.clone().count() >= 9);
        for route in of_demo {
            assert!(missing.contains(route), "{route} is mounted");
        }
        for route in missing {
            let form = [("content-type", "application/x-www-form-urlencoded")];
            let method = Method::from_bytes(route.method.as_str().as_bytes()).unwrap();
            let answer = visitor.send(method, &route.path, &form, Some(String::new().into())).await;
            assert_eq!(answer.status, 404, "{route}");
        }
        let page = visitor.get("/").await.text;
        assert!(!page.contains("/demo/") && !page.contains("demo-password"), "{page}");
    }
}

/// What `cargo run -- demo reset` does, in a directory of its own.
#[actix_rt::test]
async fn a_reset_deletes_everybody_and_makes_the_demo_accounts_again() {
    let mut world = World::with(&[("DATABASE_URL", "")]).await;
    world.sign_up("ann@example.com").await;
    let config = world.config();
    let running = starter::app::reset_demo(&config).await.unwrap_err().to_string();
    assert!(running.contains("the site is running"), "{running}");
    world.stop().await;
    starter::app::reset_demo(&config).await.unwrap();
    world.resume().await;
    let sign_in = async |email: &str, password: &str| {
        let form = crate::pages::credentials(email, password);
        browser(&world).submit("/sign-in", &form).await.status
    };
    assert_eq!(sign_in("ada@example.com", "demo-password-1").await, 303);
    assert_eq!(sign_in("ann@example.com", crate::world::PASSWORD).await, 422);
    let page = browser(&world).get("/").await.text;
    assert_eq!(page.matches("class=\"comment\"").count(), 4, "{page}");
    assert!(page.contains("2 likes"), "{page}");
}

#[actix_rt::test]
async fn a_second_device_is_signed_out_from_here_and_gets_no_query_through() {
    let world = World::start().await;
    let visitor = demo_user(&world).await;
    assert_eq!(kept(&visitor.submit("/demo/second-device", "").await)[..2], [200, 200]);
    assert_eq!(visitor.get("/account").await.text.matches("<strong>Scripted device").count(), 1);
    assert_eq!(kept(&visitor.submit("/demo/second-device/end", "").await), [200, 303, 401, 401]);
    assert!(!visitor.get("/account").await.text.contains("Scripted device"));
}

/// Pages that are shown in another tab, or again, offer buttons that have nothing to do.
#[actix_rt::test]
async fn a_button_with_nothing_to_do_says_so() {
    let world = World::start().await;
    let visitor = demo_user(&world).await;
    let says = async |path: &str, body: &str, sentence: &str| {
        let answer = visitor.submit(path, body).await;
        kept(&answer);
        assert!(answer.text.contains(sentence), "{path}: {}", answer.text);
    };
    let offers = async |button: &str, other: &str| {
        let page = visitor.get("/").await.text;
        assert!(
            page.contains(&format!(">{button}</button>")) && !page.contains(&format!(">{other}</button>")),
            "{page}"
        );
    };
    offers("Sign in", "Sign it out").await;
    says("/demo/second-device/end", "", "there is nothing to sign out").await;
    says("/demo/second-device", "", "Two sessions, two tokens").await;
    offers("Sign it out", "Sign in").await;
    says("/demo/second-device", "", "signed in already").await;
    assert_eq!(visitor.get("/account").await.text.matches("<strong>Scripted device").count(), 1);
    // Its access token has expired meanwhile, as ours.
    says("/auth/session/refresh/demo/expire", "", "you stay signed in").await;
    says("/demo/second-device/end", "", "The device is out at once").await;
    says("/demo/second-device/end", "", "there is nothing to sign out").await;
    offers("Stop", "Start").await;
    says("/demo/fauna", "running=true", "Fauna was running already").await;
    says("/demo/fauna", "running=false", "nobody is signed out").await;
    offers("Start", "Stop").await;
    says("/demo/fauna", "running=false", "which was closed already").await;
    says("/demo/fauna", "running=true", "Everything works again").await;
}

#[actix_rt::test]
async fn a_second_device_of_an_own_account_asks_for_the_password() {
    let world = World::start().await;
    let ann = crate::pages::signed_up(&world, "ann@example.com").await;
    let asks = ann.submit("/demo/second-device", "").await.text;
    assert!(asks.contains("name=\"password\"") && asks.contains("data-experiment") && !asks.contains("<ol>"), "{asks}");
    let form = format!("password={}", crate::world::PASSWORD.replace(' ', "+"));
    assert_eq!(kept(&ann.submit("/demo/second-device", &form).await)[..2], [200, 200]);
}

#[actix_rt::test]
async fn a_stolen_refresh_token_ends_the_session_for_both_sides() {
    let world = World::start().await;
    let visitor = demo_user(&world).await;
    let shown = visitor.submit("/auth/session/refresh/demo/theft", "").await;
    assert_eq!(kept(&shown), [200, 200, 401, 401, 401, 401]);
    assert!(shown.text.contains("The attacker's Fauna token") || shown.text.contains("The attacker&#39;s Fauna token"));
    assert!(!visitor.has_cookies(), "the browser was not told to forget its tokens");
    assert_eq!(visitor.get("/account").await.status, 303);
}

#[actix_rt::test]
async fn the_token_is_dead_after_sign_out_and_after_its_time() {
    let world = World::start().await;
    let visitor = demo_user(&world).await;
    let before = visitor.cookie("sAccessToken");
    let shown = visitor.submit("/auth/session/refresh/demo/expire", "").await;
    assert_eq!(kept(&shown), [200, 401, 401, 200, 200]);
    assert_ne!(visitor.cookie("sAccessToken"), before, "the browser was not given the new tokens");
    assert_eq!(visitor.get("/account").await.status, 200);
    assert_eq!(kept(&visitor.submit("/demo/sign-out", "").await), [200, 303, 401]);
    assert_eq!(visitor.get("/account").await.status, 303);
}

#[actix_rt::test]
async fn an_expiry_ends_no_session_where_requests_need_a_token_against_forgery() {
    let world = World::with(&[("ANTI_CSRF", "VIA_TOKEN")]).await;
    let visitor = demo_user(&world).await;
    let shown = visitor.submit("/auth/session/refresh/demo/expire", "").await;
    assert_eq!(kept(&shown), [200, 401, 401, 200, 200]);
    assert!(shown.set_cookies().iter().any(|cookie| cookie.starts_with("anti-csrf=")), "{:?}", shown.set_cookies());
    assert_eq!(visitor.get("/account").await.status, 200);
}

#[actix_rt::test]
async fn fauna_itself_refuses_what_the_roles_do_not_grant() {
    let world = World::start().await;
    let author = crate::pages::signed_up(&world, "ann@example.com").await;
    assert_eq!(author.submit("/comments", "text=Hello").await.status, 303);
    let visitor = demo_user(&world).await;
    let shown = visitor.submit("/demo/forbidden", "").await;
    assert_eq!(kept(&shown), [403, 400, 403, 403, 403, 403, 403]);
    assert!(shown.text.contains("not your comment") && shown.text.contains("permission denied"), "{}", shown.text);
}

#[actix_rt::test]
async fn while_fauna_is_stopped_sessions_go_on_and_texts_are_kept() {
    let world = World::start().await;
    let visitor = demo_user(&world).await;
    assert_eq!(kept(&visitor.submit("/demo/fauna", "running=false").await), [503, 200]);
    let page = visitor.get("/").await;
    assert_eq!((page.status, page.header("retry-after")), (503, "2"));
    assert!(page.text.contains("The database is not answering right now") && page.text.contains("Try to break it"));
    let posted = visitor.submit("/comments", "text=Not+lost").await;
    assert_eq!(posted.status, 503);
    assert!(
        posted.text.contains("Your text is kept") && posted.text.contains(">\nNot lost</textarea>"),
        "{}",
        posted.text
    );
    for path in [
        "/auth/session/refresh/demo/expire",
        "/auth/session/refresh/demo/theft",
        "/demo/second-device",
        "/demo/forbidden",
    ] {
        let answer = visitor.submit(path, "").await;
        let says = answer.text.contains("Fauna is stopped. Start it, then try this again.");
        assert!(says && !answer.text.contains("<ol>"), "{path}: {}", answer.text);
    }
    // Whoever signs out meanwhile is not locked out for good.
    let nobody = browser(&world);
    assert!(nobody.get("/").await.text.contains("action=\"/demo/fauna/start\""));
    let started = nobody.submit("/demo/fauna/start", "redirectToPath=%2Fauth").await;
    assert_eq!((started.status, started.header("location")), (303, "/auth"));
    assert_eq!(nobody.get("/").await.status, 200);
    assert_eq!(kept(&visitor.submit("/demo/fauna", "running=true").await), [200, 200]);
    assert_eq!(visitor.submit("/comments", "text=Not+lost").await.status, 303);
    assert!(visitor.get("/").await.text.contains("Not lost"));
}

/// The access token ends while Fauna is stopped, so the session cannot be renewed.
#[actix_rt::test]
async fn whoever_cannot_refresh_while_fauna_is_stopped_sees_public_pages_and_the_way_on() {
    let world = World::with(&[("APP_NAME", "Acme Notes")]).await;
    let visitor = demo_user(&world).await;
    visitor.submit("/demo/fauna", "running=false").await;
    world.advance(Duration::from_secs(3601)).await;
    let follow = async |path: &str| {
        let mut answer = visitor.get(path).await;
        let mut hops = 0;
        while answer.status == 303 {
            hops += 1;
            assert!(hops < 5, "{path} leads to {} again", answer.header("location"));
            answer = visitor.get(answer.header("location")).await;
        }
        answer
    };
    let home = follow("/").await;
    assert!(home.status == 503 && home.text.contains("You are still signed in"), "{}", home.text);
    assert!(home.text.contains("action=\"/demo/fauna/start\""), "{}", home.text);
    for path in ["/cookies", "/api/docs", "/auth"] {
        let page = follow(path).await;
        assert!(page.status == 200 && page.text.contains("You are still signed in"), "{path}: {}", page.text);
        let navigation = page.text.split("</nav>").next().unwrap().split("<nav").nth(1).unwrap();
        assert!(!navigation.contains("Sign in"), "{path}: {navigation}");
    }
    assert_eq!(follow("/auth?show=signup").await.status, 200);
    let account = follow("/account").await;
    assert!(account.status == 503 && account.text.contains("action=\"/demo/fauna/start\""), "{}", account.text);
    assert!(account.text.contains("Acme Notes") && !account.text.contains("Fauna starter"), "{}", account.text);
    assert_eq!(visitor.submit("/demo/fauna/start", "").await.status, 303);
    let home = follow("/").await;
    assert!(home.status == 200 && !home.text.contains("You are still signed in"), "{}", home.text);
    assert_eq!(follow("/account").await.status, 200);
}

#[actix_rt::test]
async fn the_time_that_the_demo_has_reached_goes_on_after_a_restart() {
    let mut world = World::start().await;
    world.advance(Duration::from_secs(7200)).await;
    demo_user(&world).await;
    world.stop().await;
    world.clock = Clock::system();
    world.resume().await;
    let ahead = Clock::system().now().until(world.clock.now());
    assert!((7100..7300).contains(&ahead.as_secs()), "{ahead:?}");
}

#[actix_rt::test]
async fn the_event_stream_tells_what_happened_to_the_own_sessions_only_and_ends_with_the_session() {
    let world = World::with(&[("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", "true")]).await;
    let other = demo_user(&world).await;
    assert_eq!(other.get("/").await.status, 200);
    let visitor = world.sign_up("ann@example.com").await;
    let secret = visitor.fauna_token();
    let elsewhere = world.sign_in("ann@example.com").await;
    let handle = visitor.payload()["sessionHandle"].as_str().unwrap().to_owned();
    let opened = open_stream(&world, &visitor, "").await;
    world.sign_up("ben@example.com").await.sign_out().await;
    elsewhere.delete(&format!("/api/sessions/{handle}")).await;
    let stream = events(opened).await;
    let kinds: Vec<&str> = stream.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"session-created") && kinds.contains(&"token-issued"), "{kinds:?}");
    let [.., ended, last] = &stream[..] else { panic!("{stream:?}") };
    assert_eq!(
        (ended["kind"].as_str(), ended["reason"].as_str()),
        (Some("session-ended"), Some("ended-from-another-device"))
    );
    assert_eq!(ended["text"], "Session ended: ended from another device");
    let fingerprint = starter::events::fingerprint(&secret);
    assert_eq!((last["kind"].as_str(), last["fingerprint"].as_str()), (Some("token-deleted"), Some(&*fingerprint)));
    let text = last["text"].as_str().unwrap();
    assert!(text.starts_with(&format!("Fauna token {fingerprint} deleted in Fauna, ")), "{text}");
    assert!(text.ends_with(" ms after the session ended"), "{text}");
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "session-created").count(),
        2,
        "events of somebody else: {stream:?}"
    );
    let text = Value::from(stream.clone()).to_string();
    assert!(!text.contains(&secret), "a secret is in the stream");

    let known = stream[1]["id"].to_string();
    let opened = open_stream(&world, &elsewhere, &known).await;
    elsewhere.sign_out().await;
    let rest = events(opened).await;
    assert!(rest.iter().all(|event| event["id"].as_u64() > stream[1]["id"].as_u64()), "{rest:?}");
    assert_eq!(visitor.get("/api/session/events").await.status, 401);
}

#[actix_rt::test]
async fn the_event_stream_does_not_wait_for_a_deletion_for_ever() {
    let world = World::start().await;
    let visitor = demo_user(&world).await;
    let opened = open_stream(&world, &visitor, "").await;
    assert_eq!(visitor.submit("/demo/fauna", "running=false").await.status, 200);
    assert_eq!(visitor.submit("/sign-out", "").await.status, 303);
    let stream = events(opened).await;
    assert_eq!(stream.last().unwrap()["kind"], "session-ended");
}

#[actix_rt::test]
async fn after_a_theft_the_event_stream_tells_that_both_tokens_are_deleted() {
    let world = World::start().await;
    let visitor = demo_user(&world).await;
    let opened = open_stream(&world, &visitor, "").await;
    kept(&visitor.submit("/auth/session/refresh/demo/theft", "").await);
    let stream = events(opened).await;
    let of_kind = |kind: &str| {
        let of_kind = stream.iter().filter(|event| event["kind"] == kind);
        of_kind
            .map(|event| event["fingerprint"].as_str().unwrap().to_owned())
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(of_kind("token-issued").len(), 2);
    assert_eq!(of_kind("token-deleted"), of_kind("token-issued"));
}

#[actix_rt::test]
async fn a_comment_that_was_sent_after_the_session_had_ended_is_kept_until_its_author_has_signed_in() {
    let world = World::start().await;
    let ann = crate::pages::signed_up(&world, "ann@example.com").await;
    let elsewhere = ann.with_copied_cookies();
    assert_eq!(ann.submit("/sign-out-everywhere", "").await.status, 303);
    let answer = elsewhere.submit("/comments", "text=Written+too+late").await;
    assert_eq!(answer.status, 303);
    let page = elsewhere.get(answer.header("location")).await.text;
    assert!(page.contains("What you wrote is kept"), "{page}");
    let then = page.split("name=\"redirectToPath\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let form = crate::pages::credentials("ann@example.com", crate::world::PASSWORD);
    let back = elsewhere.submit("/sign-in", &format!("{form}&redirectToPath={}", then.replace('?', "%3F"))).await;
    assert!(elsewhere.get(back.header("location")).await.text.contains(">\nWritten too late</textarea>"));
}
