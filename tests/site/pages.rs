//! Pages without JavaScript: forms, redirects, and what is never written into a page.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;

use crate::access::ROUTES;
use crate::client::{Response, TestClient};
use crate::world::{PASSWORD, World};

const MINUTE: Duration = Duration::from_secs(60);

/// A browser that runs no script: nothing but cookies and forms.
pub fn browser(world: &World) -> TestClient {
    let mut visitor = world.visitor();
    visitor.headers.clear();
    visitor
}

/// Somebody who has signed up with the form.
pub async fn signed_up(world: &World, email: &str) -> TestClient {
    let visitor = browser(world);
    let answer = visitor.submit("/sign-up", &credentials(email, PASSWORD)).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/"), "{}", answer.text);
    visitor
}

/// The fields of sign-up and sign-in.
pub fn credentials(email: &str, password: &str) -> String {
    format!("email={}&password={}", email.replace('@', "%40"), password.replace(' ', "+"))
}

/// Follows redirects as a browser does: 303 with `GET`, 307 with the same form. Returns the paths on the way, too.
async fn follow(visitor: &TestClient, method: Method, path: &str, form: &str) -> (Response, Vec<String>) {
    let (mut method, mut path, mut way) = (method, path.to_owned(), Vec::new());
    for _ in 0..5 {
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        let answer = match method {
            Method::POST => visitor.send(Method::POST, &path, &kind, Some(form.to_owned().into())).await,
            _ => visitor.get(&path).await,
        };
        match answer.status {
            303 => method = Method::GET,
            307 => {}
            _ => return (answer, way),
        }
        answer.header("location").clone_into(&mut path);
        way.push(path.clone());
    }
    panic!("no end of redirects: {way:?}");
}

#[actix_rt::test]
async fn sign_up_write_like_and_sign_out_with_nothing_but_forms() {
    let world = World::with(&[("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", "true")]).await;
    let ann = signed_up(&world, "ann@example.com").await;
    assert_eq!(ann.submit("/comments", "text=Hello+%3Cb%3E").await.status, 303);
    let page = ann.get("/").await.text;
    assert!(page.contains("Hello &#60;b&#62;") && !page.contains("Hello <b>"), "{page}");
    let id = page.split("id=\"comment-").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let liked = ann.submit(&format!("/comments/{id}/like"), "").await;
    assert_eq!((liked.status, liked.header("location")), (303, format!("/#comment-{id}").as_str()));
    assert!(ann.get("/").await.text.contains("aria-pressed=\"true\""));
    assert_eq!(ann.submit(&format!("/comments/{id}/unlike"), "").await.status, 303);
    assert!(ann.get("/").await.text.contains("aria-pressed=\"false\""));
    assert_eq!(ann.submit(&format!("/comments/{id}/delete"), "").await.status, 303);
    assert!(!ann.get("/").await.text.contains("Hello"));

    let account = ann.get("/account").await;
    assert_eq!((account.status, account.text.contains("ann@example.com")), (200, true));
    let (fauna, token) = (world.fauna(), ann.fauna_token());
    assert!(fauna.accepts(&token).await);
    let signed_out = ann.submit("/sign-out", "").await.header("location").to_owned();
    assert!(signed_out.starts_with("/auth?done=signed-out&ended="), "{signed_out}");
    let told = ann.get(&signed_out).await.text;
    assert!(told.contains("You are signed out.") && told.contains("asked again with it just now: 401."), "{told}");
    assert!(!fauna.accepts(&token).await);
    assert_eq!(ann.get("/account").await.header("location"), "/auth?redirectToPath=%2Faccount");
}

/// Shown beside every field for a new password.
pub const PASSWORD_RULE: &str = "Use 8 to 99 characters, with at least one letter and one digit.";
/// The same after a mistake.
pub const MISTAKE: &str = "-mistake\">Use 8 to 99 characters, with at least one letter and one digit.";

#[actix_rt::test]
async fn what_was_typed_is_kept_but_never_a_password() {
    let world = World::start().await;
    signed_up(&world, "ann@example.com").await;
    for (path, email, password, said) in [
        ("/sign-up", "ann\"@", "secret-typed-1", "Enter an e-mail address like name@example.com."),
        ("/sign-up", "bob@example.com", "secret", MISTAKE),
        ("/sign-up", "ANN@example.com", "secret-typed-1", "This address already has an account. Sign in instead."),
        ("/sign-in", "ann@example.com", "secret-typed-1", "Wrong e-mail address or password."),
        ("/sign-in", "ann@example.com", "", "Enter your password."),
    ] {
        let form = format!("{}&redirectToPath=%2Faccount", credentials(email, password));
        let answer = browser(&world).submit(path, &form).await;
        assert_eq!((answer.status, answer.text.contains(said)), (422, true), "{path} {email}: {}", answer.text);
        assert!(answer.text.contains("<title>Error: "), "{}", answer.text);
        assert!(answer.text.contains(&format!("value=\"{}\"", email.replace('"', "&#34;"))), "{}", answer.text);
        assert!(answer.text.contains("name=\"redirectToPath\" value=\"/account\""));
        assert!(!answer.text.contains("secret"), "{}", answer.text);
        assert_eq!(answer.set_cookies(), Vec::<String>::new());
    }
    let ann = signed_up(&world, "ann2@example.com").await;
    for page in [browser(&world).get("/auth?show=signup").await, ann.get("/account/settings").await] {
        assert!(page.text.contains(PASSWORD_RULE), "the rule is said before a mistake is made: {}", page.text);
    }
    let lost = ann.get("/?after=nonsense").await;
    assert_eq!((lost.status, lost.text.contains("This page does not exist")), (404, true), "{}", lost.text);
    let headers = [("accept", "text/html"), ("content-type", "application/x-www-form-urlencoded")];
    let huge = ann.send(Method::POST, "/comments", &headers, Some(format!("text={}", "x".repeat(70_000)).into())).await;
    let said = huge.text.contains("<p>The request body is larger than 65536 bytes.</p>");
    assert_eq!((huge.status, said), (413, true), "{}", huge.text);
    let answer = ann.submit("/comments", &format!("text={}", "x".repeat(1001))).await;
    assert_eq!(
        (answer.status, answer.text.contains("Comments can have at most 1000 characters; this one has 1001.")),
        (422, true)
    );
    assert!(answer.text.contains(&"x".repeat(1001)), "what was typed is lost");
}

#[actix_rt::test]
async fn an_access_token_that_has_ended_is_renewed_on_the_way() {
    let world = World::start().await;
    let ann = signed_up(&world, "ann@example.com").await;
    world.clock.advance(20 * MINUTE);
    let (answer, way) = follow(&ann, Method::GET, "/account", "").await;
    assert_eq!((answer.status, answer.text.contains("ann@example.com")), (200, true));
    assert_eq!(way, ["/auth/session/refresh/continue?redirectToPath=%2Faccount", "/account"]);

    world.clock.advance(20 * MINUTE);
    let (answer, way) = follow(&ann, Method::POST, "/comments", "text=written+while+it+ended").await;
    assert_eq!((answer.status, answer.text.contains("written while it ended")), (200, true));
    assert_eq!(way, ["/auth/session/refresh/continue?redirectToPath=%2Fcomments", "/comments", "/"]);
}

#[actix_rt::test]
async fn a_session_that_is_over_leads_to_the_sign_in_page_and_not_in_circles() {
    let world = World::start().await;
    let ann = signed_up(&world, "ann@example.com").await;
    let elsewhere = ann.with_copied_cookies();
    assert_eq!(ann.submit("/sign-out-everywhere", "").await.status, 303);
    let (answer, way) = follow(&elsewhere, Method::GET, "/account", "").await;
    assert_eq!((answer.status, way), (200, vec!["/auth?redirectToPath=%2Faccount".to_owned()]));

    let bob = signed_up(&world, "bob@example.com").await;
    world.clock.advance(40 * 24 * 60 * MINUTE);
    let (answer, way) = follow(&bob, Method::GET, "/account", "").await;
    assert_eq!((answer.status, way.last().unwrap().as_str()), (200, "/auth?redirectToPath=%2Faccount"));
    assert_eq!(bob.cookie("sRefreshToken"), None);
    assert_eq!(bob.get("/").await.status, 200);
}

#[actix_rt::test]
async fn devices_are_signed_out_one_by_one_or_all_at_once() {
    let world = World::start().await;
    let here = signed_up(&world, "ann@example.com").await;
    let (one, two) = (world.sign_in("ann@example.com").await, world.sign_in("ann@example.com").await);
    let handle = one.payload()["sessionHandle"].as_str().unwrap().to_owned();
    assert!(here.get("/account").await.text.contains(&handle));
    assert_eq!(here.submit(&format!("/account/sessions/{handle}/end"), "").await.status, 303);
    assert_eq!((one.get("/sessioninfo").await.status, two.get("/sessioninfo").await.status), (401, 200));
    let stranger = signed_up(&world, "eve@example.com").await;
    let other = two.payload()["sessionHandle"].as_str().unwrap().to_owned();
    stranger.submit(&format!("/account/sessions/{other}/end"), "").await;
    assert_eq!(two.get("/sessioninfo").await.status, 200);
    assert_eq!(here.submit("/account/sessions/end-others", "").await.status, 303);
    assert_eq!((two.get("/sessioninfo").await.status, here.get("/account").await.status), (401, 200));
}

#[actix_rt::test]
async fn no_link_leads_to_another_site() {
    let world = World::start().await;
    let ann = signed_up(&world, "ann@example.com").await;
    for target in ["https://evil.example", "//evil.example", "/\\evil.example", "/%09/evil.example", "evil"] {
        let target = target.replace('\\', "%5C");
        let answer = ann.get(&format!("/auth?redirectToPath={target}")).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/"), "{target}");
        let answer = ann.get(&format!("/auth/session/refresh/continue?redirectToPath={target}")).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/"), "{target}");
    }
}

#[actix_rt::test]
async fn a_form_of_another_site_is_not_taken() {
    let world = World::start().await;
    signed_up(&world, "ann@example.com").await;
    let from_elsewhere = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ];
    let form = credentials("ann@example.com", PASSWORD);
    let answer = browser(&world).send(Method::POST, "/sign-in", &from_elsewhere, Some(form.into())).await;
    assert_eq!((answer.status, answer.set_cookies()), (403, Vec::new()));
}

#[actix_rt::test]
async fn pages_are_not_kept_and_files_are() {
    let world = World::start().await;
    let ann = signed_up(&world, "ann@example.com").await;
    for path in ["/", "/account", "/auth"] {
        assert_eq!(ann.get(path).await.header("cache-control"), "no-store", "{path}");
    }
    for file in [
        "site.css",
        "docs.css",
        "home.css",
        "theme.js",
        "site.js",
        "session.js",
        "home.js",
        "panel.js",
        "links.js",
        "passwords.css",
        "passwords.js",
        "fauna-query.js",
        "icon.svg",
    ] {
        let path = format!("/static/{file}");
        let first = ann.get(&path).await;
        assert_eq!((first.status, first.header("cache-control")), (200, "no-cache"), "{path}");
        let again = ann.send(Method::GET, &path, &[("if-none-match", first.header("etag"))], None).await;
        assert_eq!((again.status, again.text.as_str()), (304, ""), "{path}");
    }
}

/// The files of a page, with the modules that its scripts import.
async fn files_of(visitor: &TestClient, page: &str) -> BTreeMap<String, usize> {
    let named = |text: &str, before: &str| -> Vec<String> {
        text.split(before).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let mut wanted = named(page, "\"/static/");
    let mut files = BTreeMap::new();
    while let Some(file) = wanted.pop() {
        let answer = visitor.get(&format!("/static/{file}")).await;
        assert_eq!(answer.status, 200, "{file}");
        wanted.extend(named(&answer.text, " from \"./").into_iter().filter(|module| !files.contains_key(module)));
        files.insert(file, answer.text.len());
    }
    files
}

#[actix_rt::test]
async fn the_header_of_every_page_signs_out() {
    let world = World::start().await;
    let (nobody, ann) = (browser(&world), signed_up(&world, "ann@example.com").await);
    for path in ["/", "/account", "/account/settings", "/api/docs", "/cookies"] {
        for (visitor, is_signed_in) in [(&nobody, false), (&ann, true)] {
            let page = visitor.get(path).await.text;
            let header = page.split("</header>").next().unwrap();
            let offers = header.contains("<form method=\"post\" action=\"/sign-out\">");
            assert_eq!(offers, is_signed_in, "{path}: {header}");
        }
    }
}

/// Nothing is compressed here: these are bytes before any proxy.
#[actix_rt::test]
async fn pages_and_their_files_stay_small_and_come_from_this_site() {
    const HTML_BYTES_MAX: usize = 30_000;
    /// Style sheets and scripts of one page.
    const FILES_BYTES_MAX: usize = 40_000;
    /// The page itself included.
    const REQUESTS_MAX: usize = 8;
    let world = World::start().await;
    let ann = signed_up(&world, "ann@example.com").await;
    for text in ["short".to_owned(), "%26".repeat(1000), "%F0%9F%92%AC".repeat(1000)] {
        for _ in 0..5 {
            assert_eq!(ann.submit("/comments", &format!("text={text}")).await.status, 303);
        }
    }
    for _ in 0..12 {
        world.sign_in("ann@example.com").await;
    }
    let nobody = browser(&world);
    let pages = [
        "/",
        "/auth",
        "/auth?show=signup",
        "/auth/reset-password",
        "/auth/verify-email",
        "/cookies",
        "/api/docs",
        "/account",
        "/account/settings",
        "/dev/mailbox",
        "/no-such-page",
    ];
    for (visitor, path) in [&nobody, &ann].into_iter().flat_map(|visitor| pages.map(|path| (visitor, path))) {
        let page = visitor.send(Method::GET, path, &[("accept", "text/html")], None).await;
        assert!(page.text.len() <= HTML_BYTES_MAX, "{path} has {} bytes", page.text.len());
        for other in ["src=\"http", "src=\"//", "rel=\"stylesheet\" href=\"http", "<style", " style=", "<script>"] {
            assert!(!page.text.contains(other), "{path} has {other}");
        }
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        let files = files_of(&nobody, &page.text).await;
        let bytes: usize = files.iter().filter(|(name, _)| !name.contains(".svg")).map(|(_, bytes)| bytes).sum();
        if page.status != 303 {
            assert!(bytes > 0 && bytes <= FILES_BYTES_MAX, "{path}: {files:?} have {bytes} bytes together");
        }
        if visitor.cookie("sAccessToken").is_none() {
            assert!(files.len() < REQUESTS_MAX, "{path} asks for {files:?}");
        }
    }
}

#[actix_rt::test]
async fn forms_work_where_scripts_would_have_to_send_a_header() {
    for mode in ["VIA_TOKEN", "VIA_CUSTOM_HEADER"] {
        let world = World::with(&[("ANTI_CSRF", mode)]).await;
        let ann = signed_up(&world, "ann@example.com").await;
        assert_eq!(ann.submit("/comments", "text=Hello").await.status, 303, "{mode}");
        world.clock.advance(20 * MINUTE);
        let (answer, _) = follow(&ann, Method::POST, "/comments", "text=again").await;
        assert_eq!((answer.status, answer.text.contains("again")), (200, true), "{mode}");
    }
}

#[actix_rt::test]
async fn head_is_answered_wherever_get_is_and_without_a_body() {
    let world = World::start().await;
    let ann = signed_up(&world, "ann@example.com").await;
    // A stream has no end to wait for.
    let stream = "/api/session/events";
    let open = ROUTES.iter().filter(|(method, path, _)| *method == "GET" && *path != stream).map(|(_, path, _)| *path);
    let signed_in = ["/account/settings", "/account/session", "/sessioninfo", "/api/sessions", "/static/site.js"];
    for path in open.chain(signed_in) {
        let (get, head) = (ann.get(path).await, ann.send(Method::HEAD, path, &[], None).await);
        assert_eq!((head.status, head.text.as_str()), (get.status, ""), "{path}");
        for header in ["content-type", "location", "cache-control", "content-security-policy"] {
            assert_eq!(head.header(header), get.header(header), "{path}: {header}");
        }
    }
    let head = ann.send(Method::HEAD, stream, &[], None).await;
    assert_eq!(
        (head.status, head.header("content-type"), head.text.as_str()),
        (200, "text/event-stream; charset=utf-8", "")
    );
    let refused = ann.send(Method::POST, "/account", &[], None).await;
    assert_eq!((refused.status, refused.header("allow")), (405, "GET, HEAD"));
    assert_eq!(ann.send(Method::HEAD, "/sign-out", &[], None).await.status, 405);
    assert_eq!(ann.get("/account").await.status, 200, "HEAD did what POST does");
}

#[actix_rt::test]
async fn what_is_refused_on_the_way_to_a_page_is_told_on_a_page() {
    let world = World::start().await;
    let ann = signed_up(&world, "ann@example.com").await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    let wants_page = ("accept", "text/html,application/xhtml+xml;q=0.9");
    let elsewhere = ("origin", "https://evil.example");
    let huge = format!("text={}", "x".repeat(100_000));
    for (method, path, headers, body, status) in [
        (Method::POST, "/sign-in", &[form][..], "email=only", 400),
        (Method::POST, "/comments", &[form], "", 400),
        (Method::POST, "/account/password", &[form], "current=%ff", 400),
        (Method::POST, "/comments", &[form], huge.as_str(), 413),
        (Method::POST, "/sign-in", &[("content-type", "application/json")], "{}", 415),
        (Method::POST, "/sign-in", &[form, elsewhere, wants_page], "email=a&password=b", 403),
        (Method::GET, "/auth?show=signup&show=signin", &[wants_page], "", 400),
        (Method::DELETE, "/account", &[wants_page], "", 405),
        (Method::GET, "/no-such-page", &[wants_page], "", 404),
    ] {
        let answer = ann.send(method.clone(), path, headers, Some(body.to_owned().into())).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        assert!(answer.header("content-type").starts_with("text/html"), "{method} {path}: {}", answer.text);
        assert!(answer.text.contains("<h1>") && answer.text.contains("Back to"), "{method} {path}: {}", answer.text);
        assert_ne!(answer.header("content-security-policy"), "", "{method} {path}");
    }
    let program = ann.send(Method::GET, "/no-such-page", &[("accept", "application/json")], None).await;
    assert_eq!((program.status, program.json()["message"].is_string()), (404, true));
}

/// Cookies set at one name are not sent to the other, and mailed links name one of them.
#[actix_rt::test]
async fn a_browser_that_opens_the_address_is_led_to_the_name() {
    let world = World::start().await;
    let visitor = browser(&world);
    let visit = [("sec-fetch-mode", "navigate")];
    let port = world.base().rsplit(':').next().unwrap().to_owned();
    let led = visitor.send(Method::GET, "/auth?show=signup", &visit, None).await;
    assert_eq!(
        (led.status, led.header("location")),
        (303, format!("http://localhost:{port}/auth?show=signup").as_str())
    );
    let at_name = [visit[0], ("host", &format!("localhost:{port}"))];
    assert_eq!(visitor.send(Method::GET, "/auth", &at_name, None).await.status, 200);
    assert_eq!(visitor.get("/auth").await.status, 200);
}
