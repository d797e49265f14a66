//! Bodies at the edge of what is read: the rows S-I of `docs/threats.md`.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::client::Response;
use crate::world::{PASSWORD, World, credentials};

/// Maximum size of a body that is read, in bytes.
const LIMIT: usize = 65_536;

/// Sends a request as it stands, and reads until the site hangs up.
pub async fn raw(world: &World, request: &str) -> String {
    let address = world.base().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

async fn sign_in(world: &World, body: impl Into<reqwest::Body>) -> Response {
    world.visitor().send(Method::POST, "/auth/signin", &[("content-type", "application/json")], Some(body.into())).await
}

/// Wrong credentials in so many bytes.
fn body_of(bytes: usize) -> String {
    let body = credentials("ann@example.com", "not it 99").to_string();
    format!("{body}{}", " ".repeat(bytes - body.len()))
}

/// S-I-04 in `docs/threats.md`.
#[actix_rt::test]
async fn what_is_no_text_is_400() {
    let world = World::start().await;
    let body = |address: &[u8]| {
        let rest = br#"@example.com"},{"id":"password","value":"x"}]}"#.as_slice();
        [br#"{"formFields":[{"id":"email","value":""#.as_slice(), address, rest].concat()
    };
    for (what, address) in [
        ("no UTF-8", b"\xff".as_slice()),
        ("cut off", b"\xc3"),
        ("overlong", b"\xc0\xaf"),
        ("a surrogate in bytes", b"\xed\xa0\x80"),
        ("beyond Unicode", b"\xf4\x90\x80\x80"),
        ("the first half of a pair", br"\ud800"),
        ("the second half", br"\udc00"),
        ("both, the wrong way round", br"\udc00\ud800"),
        ("a control character", b"\x00"),
    ] {
        let answer = sign_in(&world, body(address)).await;
        assert_eq!((answer.status, answer.json()["message"].is_string()), (400, true), "{what}: {}", answer.text);
    }
    assert_eq!(sign_in(&world, body("ü".as_bytes())).await.json()["status"], "WRONG_CREDENTIALS_ERROR");
    assert_eq!(sign_in(&world, body(br"\ud83d\ude00")).await.json()["status"], "WRONG_CREDENTIALS_ERROR", "a pair");
}

/// S-I-07 in `docs/threats.md`.
#[actix_rt::test]
async fn as_many_fields_as_fit_are_too_many() {
    let world = World::start().await;
    for path in ["/auth/signin", "/auth/signup"] {
        for (count, id, message) in [
            (2_800, None, "Are you sending too many formFields?"),
            (2_800, Some("a"), "formFields must not contain an id twice"),
        ] {
            let fields: Vec<_> =
                (0..count).map(|n| json!({"id": id.map_or(format!("{n:x}"), str::to_owned), "value": 1})).collect();
            let answer = world.visitor().post(path, &json!({"formFields": fields})).await;
            assert_eq!((answer.status, answer.json()), (400, json!({"message": message})), "{path}");
        }
        let fields: Vec<_> = (0..3_000).map(|n| json!({"id": format!("{n:04}"), "value": 1})).collect();
        assert_eq!(world.visitor().post(path, &json!({"formFields": fields})).await.status, 413, "{path}");
    }
}

/// S-I-08, S-P-30 in `docs/threats.md`.
#[actix_rt::test]
async fn a_body_ends_at_64_kib_and_nothing_is_hashed_beyond() {
    let world = World::start().await;
    let most = sign_in(&world, body_of(LIMIT)).await;
    assert_eq!((most.status, &most.json()["status"]), (200, &json!("WRONG_CREDENTIALS_ERROR")), "{}", most.text);
    let more = sign_in(&world, body_of(LIMIT + 1)).await;
    assert_eq!((more.status, more.json()["message"].is_string()), (413, true), "{}", more.text);
    for (bytes, status) in [(LIMIT, "200 "), (LIMIT + 1, "413 ")] {
        let head = "POST /auth/signin HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
        let body = body_of(bytes);
        let (first, second) = body.split_at(1_000);
        let chunks = format!("3e8\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", second.len());
        let answer = raw(&world, &format!("{head}{chunks}")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    let long = world.visitor().post("/auth/signin", &credentials("ann@example.com", &"x1".repeat(30_000))).await;
    assert_eq!(long.json()["status"], "WRONG_CREDENTIALS_ERROR", "what fits is a password like any other");
    let new = world.visitor().post("/auth/signup", &credentials("ann@example.com", &"x1".repeat(50))).await;
    assert_eq!(new.json()["status"], "FIELD_ERROR", "and nobody can have chosen it");
}

#[actix_rt::test]
async fn errors_have_one_shape_and_name_the_field_and_the_request() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    let kind = [("content-type", "application/json")];
    for (method, path, body, status, message) in [
        (Method::POST, "/api/comments", "{}", 400, "text: missing"),
        (Method::POST, "/api/comments", r#"{"txt":"hunter2"}"#, 400, "unknown field \"txt\", expected text"),
        (Method::POST, "/api/comments", r#"{"text":17}"#, 400, "text: must be a string"),
        (
            Method::POST,
            "/api/comments",
            "{\n \"text\": hunter2}",
            400,
            "the body is not valid JSON at line 2, column 10",
        ),
        (Method::GET, "/api/comments?limt=3", "", 400, "unknown query parameter \"limt\", expected limit or after"),
        (Method::PATCH, "/api/comments", "{}", 405, "method not allowed"),
        (Method::GET, "/api/nothing", "", 404, "there is nothing at this address"),
    ] {
        let answer = ann.send(method, path, &kind, Some(body.to_owned().into())).await;
        let json = answer.json();
        assert_eq!(
            (answer.status, json["message"].as_str()),
            (status, Some(message)),
            "{path} {body}: {}",
            answer.text
        );
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        assert_eq!((json["status"].as_u64(), &json["detail"]), (Some(u64::from(status)), &json["message"]), "{path}");
        assert_eq!(json["requestId"].as_str(), Some(answer.header("x-request-id")), "{path}");
        assert!(!answer.header("x-request-id").is_empty() && !answer.text.contains("hunter2"), "{}", answer.text);
    }
    let interface = ann.post("/auth/signin", &json!({"formFields": 1})).await;
    assert_eq!(interface.json(), json!({"message": "formFields must be an array"}));
    assert!(!interface.header("x-request-id").is_empty());
}

#[actix_rt::test]
async fn a_body_that_never_ends_does_not_keep_its_connection() {
    let world = World::start().await;
    let framings = ["transfer-encoding: chunked\r\n\r\n1\r\nx\r\n", "content-length: 9\r\n\r\nx"];
    let paths = ["/x", "/health", "/api/comments", "/static/site.css"];
    let requests = paths.iter().flat_map(|path| framings.map(|framing| (*path, framing)));
    let world = &world;
    let asking = requests.map(|(path, framing)| async move {
        let request = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\n{framing}");
        let answer = tokio::time::timeout(std::time::Duration::from_secs(10), raw(world, &request)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{path} {framing:?}: the connection stays open"));
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
    });
    join_all(asking).await;
    // A body that was read to its end keeps it.
    let body = credentials("ann@example.com", "not it 99").to_string();
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let first = format!("POST /auth/signin HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{chunks}");
    let both = format!("{first}GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert_eq!(raw(world, &both).await.matches("HTTP/1.1 200").count(), 2);
}

/// S-I-05 in `docs/threats.md`.
#[actix_rt::test]
async fn control_characters_are_in_no_new_password_and_no_address() {
    let world = World::start().await;
    for (email, password, field) in [
        ("ann@example.com", format!("{PASSWORD}\0"), "password"),
        ("ann@example.com", format!("{PASSWORD}\u{7f}"), "password"),
        ("a\0nn@example.com", PASSWORD.to_owned(), "email"),
    ] {
        let refused = world.visitor().post("/auth/signup", &credentials(email, &password)).await.json();
        assert_eq!((&refused["status"], &refused["formFields"][0]["id"]), (&json!("FIELD_ERROR"), &json!(field)));
    }
}
