//! What somebody typed into a form without JavaScript: posted once, and never lost.

use reqwest::Method;

use crate::client::{Response, TestClient};
use crate::pages::{credentials, signed_up};
use crate::world::{PASSWORD, World};

/// The key that the page of comments puts into its form.
async fn form_key(visitor: &TestClient) -> String {
    let page = visitor.get("/").await.text;
    page.split("name=\"key\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

async fn comments(visitor: &TestClient) -> usize {
    visitor.get("/").await.text.matches("class=\"comment\"").count()
}

/// The page that redirects lead to, as a browser follows them; 307 repeats the form.
async fn follow(visitor: &TestClient, path: &str, form: &str) -> Response {
    let mut answer = visitor.submit(path, form).await;
    for _ in 0..5 {
        let to = answer.header("location").to_owned();
        answer = match answer.status {
            303 => visitor.get(&to).await,
            307 => visitor.submit(&to, form).await,
            _ => return answer,
        };
    }
    panic!("no end of redirects: {}", answer.header("location"));
}

/// The path that a sign-in page leads back to.
fn way_back(sign_in_page: &str) -> String {
    let path = sign_in_page.split("name=\"redirectToPath\" value=\"").nth(1).unwrap();
    path.split('"').next().unwrap().replace('?', "%3F")
}

#[actix_rt::test]
async fn a_comment_whose_button_is_pressed_twice_is_posted_once() {
    let world = World::start().await;
    let ann = signed_up(&world, "ann@example.com").await;
    let form = format!("key={}&text=Hello", form_key(&ann).await);
    let both = tokio::join!(ann.submit("/comments", &form), ann.submit("/comments", &form));
    for answer in [both.0, both.1, ann.submit("/comments", &form).await] {
        assert_eq!((answer.status, answer.header("location")), (303, "/"), "{}", answer.text);
    }
    assert_eq!(comments(&ann).await, 1);
    // The same page again with another text, as after going back; and the same text from another page.
    assert_eq!(ann.submit("/comments", &form.replace("Hello", "Hello+again")).await.status, 303);
    assert_eq!(ann.submit("/comments", &format!("key={}&text=Hello", form_key(&ann).await)).await.status, 303);
    assert_eq!(comments(&ann).await, 3);
    let bob = signed_up(&world, "bob@example.com").await;
    assert_eq!(bob.submit("/comments", &form).await.status, 303);
    assert_eq!(comments(&ann).await, 4, "the key of somebody else's form was taken for one's own");
}

/// S-K-19 in `docs/threats.md`.
#[actix_rt::test]
async fn a_comment_that_reaches_two_processes_is_posted_once() {
    let world = World::start().await;
    let other = world.another_process().await;
    let ann = signed_up(&world, "ann@example.com").await;
    let there = ann.clone().at(&other.base());
    let form = format!("key={}&text=Hello", form_key(&ann).await);
    let both = tokio::join!(ann.submit("/comments", &form), there.submit("/comments", &form));
    for answer in [both.0, both.1, there.submit("/comments", &form).await] {
        assert_eq!((answer.status, answer.header("location")), (303, "/"), "{}", answer.text);
    }
    assert_eq!(comments(&there).await, 1);
}

#[actix_rt::test]
async fn a_comment_that_failed_can_be_posted_with_the_same_form() {
    let world = World::start().await;
    let ann = signed_up(&world, "ann@example.com").await;
    let key = form_key(&ann).await;
    let form = format!("key={key}&text=Hello");
    assert_eq!(ann.submit("/demo/fauna", "running=false").await.status, 200);
    let refused = ann.submit("/comments", &form).await;
    assert_eq!((refused.status, refused.text.contains(&format!("value=\"{key}\""))), (503, true), "{}", refused.text);
    for running in ["false", "true"] {
        assert_eq!(ann.submit("/demo/fauna", &format!("running={running}")).await.status, 200);
        let page = ann.get("/").await.text;
        assert!(page.contains(">\nHello</textarea>") && page.contains(&format!("value=\"{key}\"")), "{page}");
    }
    assert_eq!(ann.submit("/comments", &form).await.status, 303);
    assert_eq!(comments(&ann).await, 1);
    assert!(!ann.get("/").await.text.contains(">\nHello</textarea>"), "a posted text comes back");
}

#[actix_rt::test]
async fn a_comment_waits_until_its_author_has_confirmed_the_address() {
    let world = World::with(&[("EMAIL_VERIFICATION", "REQUIRED")]).await;
    let ann = signed_up(&world, "ann@example.com").await;
    let refused = follow(&ann, "/comments", "text=Not+lost").await;
    assert_eq!(refused.status, 200);
    assert!(refused.text.contains("confirm your e-mail address. Your comment is kept"), "{}", refused.text);
    assert!(ann.get("/").await.text.contains(">\nNot lost</textarea>"));
    let bob = signed_up(&world, "bob@example.com").await;
    for path in ["/", "/auth/verify-email"] {
        let page = bob.get(path).await.text;
        assert!(!page.contains("Not lost") && !page.contains("is kept"), "{path}: {page}");
    }

    ann.submit("/verify-email/send", "").await;
    let mails = ann.send(Method::GET, "/dev/mailbox", &[("accept", "application/json")], None).await.json();
    let link = mails["mails"][0]["link"].as_str().unwrap();
    let token = link.split("token=").nth(1).unwrap().split('&').next().unwrap();
    let confirmed = follow(&ann, "/verify-email", &format!("token={token}")).await.text;
    assert!(confirmed.contains("Your comment is kept and can be posted now."), "{confirmed}");
    assert!(ann.get("/").await.text.contains(">\nNot lost</textarea>"));
    assert_eq!(ann.submit("/comments", "text=Not+lost").await.status, 303);
    assert!(!ann.get("/").await.text.contains("Not lost</textarea>"), "a posted text comes back");
}

#[actix_rt::test]
async fn a_comment_survives_a_browser_that_has_lost_its_refresh_token() {
    let world = World::start().await;
    let ann = signed_up(&world, "ann@example.com").await;
    world.clock.advance(std::time::Duration::from_secs(20 * 60));
    ann.remove_cookie("sRefreshToken");
    let page = follow(&ann, "/comments", "text=Not+lost").await;
    assert_eq!((page.status, page.text.contains("What you wrote is kept")), (200, true), "{}", page.text);
    let form = format!("{}&redirectToPath={}", credentials("ann@example.com", PASSWORD), way_back(&page.text));
    assert!(follow(&ann, "/sign-in", &form).await.text.contains(">\nNot lost</textarea>"));
}

/// The page that somebody sees who has posted "Not lost" after their session had ended.
async fn posted_too_late(world: &World, visitor: &TestClient) -> Response {
    world.clock.advance(std::time::Duration::from_secs(20 * 60));
    visitor.remove_cookie("sRefreshToken");
    let page = follow(visitor, "/comments", "text=Not+lost").await;
    assert!(page.text.contains("What you wrote is kept"), "{}", page.text);
    page
}

#[actix_rt::test]
async fn a_kept_comment_waits_on_every_visit_until_its_author_discards_it() {
    let world = World::start().await;
    let ann = signed_up(&world, "ann@example.com").await;
    let then = way_back(&posted_too_late(&world, &ann).await.text);
    let form = format!("{}&redirectToPath={then}", credentials("ann@example.com", PASSWORD));
    assert_eq!(ann.submit("/sign-in", &form).await.status, 303);
    for path in [then.replace("%3F", "?").as_str(), "/"] {
        let page = ann.get(path).await.text;
        assert!(page.contains(">\nNot lost</textarea>"), "{path}: {page}");
        assert!(page.contains("formaction=\"/drafts/discard\""), "{path}: {page}");
    }
    let bob = signed_up(&world, "bob@example.com").await;
    assert_eq!(bob.submit("/drafts/discard", "text=x").await.status, 303);
    assert!(ann.get("/").await.text.contains(">\nNot lost</textarea>"), "discarded by somebody else");
    let discarded = ann.submit("/drafts/discard", "key=k&text=Not+lost").await;
    assert_eq!((discarded.status, discarded.header("location")), (303, "/"));
    assert!(!ann.get("/").await.text.contains("Not lost"));
}

#[actix_rt::test]
async fn a_kept_comment_can_be_discarded_without_signing_in() {
    let world = World::start().await;
    let ann = signed_up(&world, "ann@example.com").await;
    let page = posted_too_late(&world, &ann).await.text;
    let key = page.split("name=\"draft\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let then = way_back(&page);
    let form = format!("email=ann%40example.com&password=wrong-horse-1&redirectToPath={then}");
    let refused = ann.submit("/sign-in", &form).await;
    assert!(refused.text.contains(&format!("name=\"draft\" value=\"{key}\"")), "{}", refused.text);
    assert_eq!(ann.submit("/drafts/discard", &format!("draft={key}")).await.header("location"), "/");
    let sign_in = ann.get(&format!("/auth?redirectToPath={then}")).await.text;
    assert!(!sign_in.contains("What you wrote is kept"), "{sign_in}");
    let form = format!("{}&redirectToPath={then}", credentials("ann@example.com", PASSWORD));
    assert!(!follow(&ann, "/sign-in", &form).await.text.contains("Not lost"));
}

/// Every form with something to lose but a password, also where the access token has to be renewed on the way.
#[actix_rt::test]
async fn while_sql_is_down_the_page_of_the_failure_keeps_what_was_typed() {
    let world = World::with(&[("SIGN_UP_FIELDS", "city?")]).await;
    let ann = signed_up(&world, "ann@example.com").await;
    let rename = async |from: &str, to: &str| {
        let statement = format!("alter table {from} rename to {to}");
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut world.sql().await).await.unwrap();
    };
    for is_expired in [false, true] {
        if is_expired {
            world.clock.advance(std::time::Duration::from_secs(20 * 60));
        }
        rename("session", "session_elsewhere").await;
        for (path, form, kept) in [
            ("/comments", "key=k&text=Not+%3Cb%3E+lost", &[">\nNot &#60;b&#62; lost</textarea>", "value=\"k\""][..]),
            ("/account/profile", "name=Ann+Lee&city=Ulm", &[">\nAnn Lee</textarea>", ">\nUlm</textarea>"]),
            (
                "/account/email",
                "current=secret-horse-9&email=new%40example.com",
                &[">\nnew@example.com</textarea>", "name=\"current\" type=\"password\""],
            ),
        ] {
            let page = follow(&ann, path, form).await;
            assert_eq!((page.status, page.header("retry-after")), (503, "2"), "{path}: {}", page.text);
            assert!(page.text.contains("What you typed is kept here."), "{path}: {}", page.text);
            assert!(page.text.contains(&format!("method=\"post\" action=\"{path}\"")), "{path}: {}", page.text);
            assert!(kept.iter().all(|kept| page.text.contains(kept)), "{path}: {}", page.text);
            assert!(!page.text.contains("secret-horse-9"), "a password is shown");
        }
        rename("session_elsewhere", "session").await;
    }
    assert!(
        follow(&ann, "/comments", "text=Not+lost").await.text.contains("<p class=\"text\" dir=\"auto\">Not lost</p>")
    );
}

/// The most that a browser lets somebody type comes back, in the script with the longest encoding.
#[actix_rt::test]
async fn a_text_that_is_much_too_long_comes_back() {
    let world = World::start().await;
    let ann = signed_up(&world, "ann@example.com").await;
    let page = ann.get("/").await.text;
    let most: usize = page.split("maxlength=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
    let form = format!("key={}&text={}", form_key(&ann).await, "%E2%82%AC".repeat(most));
    let answer = ann.submit("/comments", &form).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    assert!(answer.text.contains(&format!(">\n{}</textarea>", "€".repeat(most))));
}

#[actix_rt::test]
async fn who_writes_too_much_keeps_the_text() {
    let world = World::with(&[("WRITES_PER_USER_MINUTE", "1")]).await;
    let ann = signed_up(&world, "ann@example.com").await;
    let mut answer = ann.submit("/comments", "text=Not+lost").await;
    for _ in 0..2 {
        answer = ann.submit("/comments", "text=Not+lost").await;
    }
    assert_eq!((answer.status, answer.text.contains(">\nNot lost</textarea>")), (429, true), "{}", answer.text);
}
