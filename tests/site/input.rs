//! Requests that no well-meant client sends, byte by byte where clients would put them right.

use reqwest::Method;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::admin::KEY;
use crate::world::World;

/// The status of the answer to a request with this line and no body.
async fn status(world: &World, line: &str) -> u16 {
    let mut stream = TcpStream::connect(world.base().trim_start_matches("http://")).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{line}: {answer}"))
}

/// S-I-01, S-I-08 in `docs/threats.md`.
#[actix_rt::test]
async fn nesting_ends_before_the_stack_does() {
    let world = World::start().await;
    let visitor = world.visitor();
    let json = [("content-type", "application/json")];
    let nested = |levels: usize| format!(r#"{{"formFields":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
    for (levels, expected) in [(100, 400), (127, 400), (30_000, 400), (40_000, 413)] {
        let answer = visitor.send(Method::POST, "/auth/signin", &json, Some(nested(levels).into())).await;
        assert_eq!(answer.status, expected, "{levels}: {}", answer.text);
    }
    assert_eq!(world.sign_up("ann@example.com").await.get("/health").await.status, 200);
}

/// S-I-12, S-I-13 in `docs/threats.md`.
#[actix_rt::test]
async fn numbers_in_queries_are_small_and_ascii() {
    let world = World::start().await;
    let visitor = world.visitor();
    for (limit, expected) in [
        ("1", 200),
        ("100", 200),
        ("0", 400),
        ("-1", 400),
        ("101", 400),
        ("9223372036854775808", 400),
        ("1e3", 400),
        ("", 400),
        ("%EF%BC%91", 400),
        ("%zz", 400),
        ("%ff", 400),
        ("1&limit=2", 400),
    ] {
        let answer = visitor.get(&format!("/api/comments?limit={limit}")).await;
        assert_eq!(answer.status, expected, "{limit}: {}", answer.text);
        assert!(expected == 200 || answer.text.contains("limit"), "the parameter is named: {}", answer.text);
    }
}

/// S-I-20, S-I-21 in `docs/threats.md`.
#[actix_rt::test]
async fn no_way_of_writing_a_path_leads_around_a_guard() {
    let world = World::with(&[("ADMIN_API_KEY", KEY)]).await;
    for id in ["1%2F2", "%00", "%0d%0a", "%2e%2e", "..", "%ff", "1;x=y", "1/", "%31", "1%20", "-1", "1%3Flike"] {
        let status = status(&world, &format!("DELETE /api/comments/{id}")).await;
        assert!(matches!(status, 400 | 401 | 404 | 405), "{id}: {status}");
    }
    for path in [
        "/api/admin/users",
        "/%61pi/admin/users",
        "/api/%61dmin/users",
        "/API/admin/users",
        "/api//admin/users",
        "//api/admin/users",
        "/api/./admin/users",
        "/api/comments/../admin/users",
        "/static/../api/admin/users",
        "/static/%2e%2e/api/admin/users",
        "/api/admin/users;x=y",
        "/api/admin/users/",
        "http://localhost/api/admin/users",
    ] {
        let status = status(&world, &format!("GET {path}")).await;
        assert!(matches!(status, 400 | 401 | 403 | 404), "{path}: {status}");
    }
}
