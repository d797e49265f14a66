//! Pages of other sites: what they cannot do to somebody who is signed in here, and what they cannot read.

use reqwest::Method;
use serde_json::json;

use crate::access::ROUTES;
use crate::world::{World, credentials};

/// What a form of another site can be sent as, without asking first.
const KINDS: [&str; 3] = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"];

/// How a browser says where a request comes from that is not ours; old ones say less.
const ELSEWHERE: [&[(&str, &str)]; 4] = [
    &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
    &[("origin", "https://blog.example.com"), ("sec-fetch-site", "same-site")],
    &[("origin", "null")],
    &[("sec-fetch-site", "cross-site")],
];

/// S-C-10 … S-C-14, S-C-17 in `docs/threats.md`.
#[actix_rt::test]
async fn a_page_of_another_site_cannot_act_for_the_person() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    let unsafe_routes = ROUTES.iter().filter(|(method, _, status)| *method != "GET" && *status != 405);
    for (method, path, _) in unsafe_routes {
        for kind in KINDS {
            for from in ELSEWHERE {
                let headers: Vec<(&str, &str)> = from.iter().copied().chain([("content-type", kind)]).collect();
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                let answer = ann.send(method, path, &headers, Some(json!({"text": "x"}).to_string().into())).await;
                assert_eq!(answer.status, 403, "{path} {headers:?}: {}", answer.text);
                assert_eq!(answer.set_cookies(), Vec::<String>::new(), "{path} {headers:?}");
            }
        }
    }
    assert_eq!(ann.get("/sessioninfo").await.status, 200);
    assert_eq!(ann.get("/api/comments").await.json()["comments"], json!([]));
}

/// S-C-17, S-C-18 in `docs/threats.md`.
#[actix_rt::test]
async fn nor_do_anything_where_the_cookies_stayed_at_home() {
    let world = World::with(&[("TOKEN_TRANSFER_METHOD", "cookie")]).await;
    world.sign_up("ann@example.com").await;
    let visitor = world.visitor();
    let credentials = credentials("ann@example.com", crate::world::PASSWORD).to_string();
    for path in ["/auth/signin", "/auth/session/refresh", "/auth/session/refresh/continue", "/auth/signout"] {
        for kind in KINDS {
            let headers =
                [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("content-type", kind)];
            let answer = visitor.send(Method::POST, path, &headers, Some(credentials.clone().into())).await;
            assert_eq!((answer.status, answer.set_cookies().len()), (403, 0), "{path} {kind}: {}", answer.text);
        }
    }
}

/// S-C-19 in `docs/threats.md`.
#[actix_rt::test]
async fn a_link_from_elsewhere_shows_the_page_and_changes_nothing() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    // In development a page asked for at another name of this machine leads to the name that the cookies are for.
    let host = world.base().replace("http://127.0.0.1", "localhost");
    let headers = [
        ("host", host.as_str()),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("accept", "text/html"),
    ];
    let answer = ann.send(Method::GET, "/account", &headers, None).await;
    assert!(answer.status == 200 && answer.text.contains("ann@example.com"), "{}", answer.text);
    assert_eq!(answer.set_cookies(), Vec::<String>::new());

    // With SameSite=Strict the browser has cookies that it does not send.
    let answer = world.visitor().send(Method::GET, "/auth/session/refresh/continue", &headers, None).await;
    assert_eq!((answer.status, answer.set_cookies()), (303, Vec::new()), "{}", answer.text);
}

/// S-C-30, S-C-31 in `docs/threats.md`.
#[actix_rt::test]
async fn only_our_own_pages_may_read() {
    let world = World::with(&[("WEBSITE_DOMAIN", "https://www.example.com")]).await;
    let visitor = world.visitor();
    for (origin, expected) in [
        ("https://www.example.com", "https://www.example.com"),
        ("https://www.example.com.evil.example", ""),
        ("https://evil.example", ""),
        ("http://www.example.com", ""),
        ("https://www.example.com:444", ""),
        ("https://ann@www.example.com", ""),
        ("https://www.xn--exmple-cua.com", ""),
        ("null", ""),
    ] {
        let preflight = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,rid,fdi-version,st-auth-mode"),
        ];
        let asked = visitor.send(Method::OPTIONS, "/auth/signin", &preflight, None).await;
        let actual = visitor.send(Method::GET, "/api/comments", &preflight[..1], None).await;
        for answer in [asked, actual] {
            assert_eq!(answer.header("access-control-allow-origin"), expected, "{origin}: {}", answer.text);
            assert!(answer.status == 400 || answer.header("vary").contains("Origin"), "{origin}");
        }
    }
}

#[actix_rt::test]
async fn the_dev_mailbox_is_not_shown_under_a_foreign_host_name() {
    let world = World::start().await;
    let visitor = world.visitor();
    let port = world.base().rsplit(':').next().unwrap().to_owned();
    for (host, status) in [("rebound.evil.example", 403), ("localhost", 200), ("127.0.0.1", 200)] {
        let host = format!("{host}:{port}");
        let answer = visitor.send(Method::GET, "/dev/mailbox", &[("host", &host)], None).await;
        assert_eq!(answer.status, status, "{host}: {}", answer.text);
    }
    let rebound = [("host", "rebound.evil.example"), ("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(visitor.send(Method::POST, "/demo/try", &rebound, None).await.status, 403);
}
