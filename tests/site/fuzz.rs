//! Damaged requests to every route of the site. `tests/fuzz/README.md` says how to run one case again.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::choices;
use crate::support::choices::{CaseSeed, Choices};
use crate::world::{PASSWORD, World, credentials};

/// Connections with a case each.
const AT_ONCE: usize = 32;
/// A connection that is open longer has been forgotten: a body that does not come is given up after 20 s.
const PATIENCE: Duration = Duration::from_secs(30);

const WORDS: [&[u8]; 20] = [
    b"\r\n",
    b"\r\n\r\n",
    b"\0",
    b"\xff",
    b"%00",
    b"%2e%2e%2f",
    b"..;/",
    b"//",
    b"?x=y",
    b"transfer-encoding: chunked\r\n",
    b"content-length: 0\r\n",
    b"expect: 100-continue\r\n",
    b"upgrade: websocket\r\nconnection: upgrade\r\n",
    b"cookie: sAccessToken=x; sAccessToken=y\r\n",
    b"origin: null\r\n",
    b"HTTP/1.0",
    b"-1",
    b"99999999999999999999",
    b"[[[[",
    b"\\ud800",
];

const VALUES: [&str; 12] =
    ["null", "0", "-1", "1e999", "[]", "{}", "\"\"", "\"\\u0000\"", "\"\u{202e}\"", "true", "[[[]]]", "\"x\""];

/// In place of an id that exists.
const IDS: [&str; 8] = ["0", "-1", "99999999999999999999", "9223372036854775808", "%31", "x", "1%2f2", "..%2f1"];

/// What requests are made of.
struct Corpus {
    /// Method and path pattern.
    targets: Vec<(Method, String)>,
    /// The id of a comment.
    id: String,
    /// Header lines with the tokens of a user, in cookies and in `Authorization`.
    signed_in: [String; 2],
    heads: Vec<String>,
    bodies: Vec<Value>,
    forms: Vec<String>,
}

impl Corpus {
    async fn of(world: &World) -> Self {
        let ann = world.sign_up("ann@example.com").await;
        let comment = ann.post("/api/comments", &json!({"text": "Hello"})).await.json();
        let id = comment["id"].as_str().unwrap().to_owned();
        // The stream of events ends after 25 s.
        let routes = world.routes().iter().filter(|route| !route.path.ends_with("/events"));
        Self {
            targets: routes.map(|route| (route.method.as_str().parse().unwrap(), route.path.clone())).collect(),
            signed_in: [
                format!("cookie: sAccessToken={}; sRefreshToken={}\r\n", ann.access_token(), ann.refresh_token()),
                format!("authorization: Bearer {}\r\n", ann.access_token()),
            ],
            heads: heads(&ann.refresh_token()),
            bodies: vec![
                credentials("ann@example.com", PASSWORD),
                credentials("bob@example.com", "correct horse 2"),
                json!({"formFields": [{"id": "email", "value": "ann@example.com"}]}),
                json!({"method": "token", "token": "x".repeat(43), "formFields": [{"id": "password", "value": PASSWORD}]}),
                json!({"text": "Hello"}),
                json!({"currentPassword": "not it 99", "newPassword": "correct horse 3"}),
                json!({"currentPassword": "not it 99", "email": "ann2@example.com"}),
                json!({"name": "Ann", "profile": {}}),
                json!({"commentId": id}),
                json!({"users": [{"email": "eve@example.com", "password": PASSWORD}]}),
            ],
            id,
            forms: ["email=ann%40example.com&password=x", "text=Hello", "current=a&new=b", ""]
                .map(str::to_owned)
                .to_vec(),
        }
    }

    /// One request, valid for HTTP if not always for its route.
    fn request(&self, choices: &mut Choices) -> Vec<u8> {
        let (method, pattern) = choices.of(&self.targets);
        let id = if choices.one_in(3) { *choices.of::<&str>(&IDS) } else { self.id.as_str() };
        let parts = pattern.split('/').map(|part| if part.starts_with('{') { id } else { part });
        let path = parts.collect::<Vec<_>>().join("/");
        let query = *choices.of(&["", "", "", "?limit=10", "?after=%5B1%5D", "?token=x&tenantId=public", "?x=%zz"]);
        let mut head = format!("{method} {path}{query} HTTP/1.1\r\nhost: localhost\r\n");
        if choices.one_in(2) {
            head += choices.of::<String>(&self.signed_in);
        }
        for _ in 0..choices.below(3) {
            head += choices.of::<String>(&self.heads);
        }
        let (kind, body) = self.body(choices);
        if *method == Method::GET && choices.below(8) > 0 {
            return format!("{head}\r\n").into_bytes();
        }
        if choices.one_in(4) {
            return format!(
                "{head}content-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
                body.len()
            )
            .into_bytes();
        }
        format!("{head}content-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    fn body(&self, choices: &mut Choices) -> (&'static str, String) {
        if choices.one_in(4) {
            return ("application/x-www-form-urlencoded", choices.of(&self.forms).clone());
        }
        let mut body = choices.of(&self.bodies).clone();
        if choices.one_in(2) {
            replace_a_part(&mut body, choices);
        }
        ("application/json", body.to_string())
    }
}

/// Header lines that decide something.
fn heads(refresh_token: &str) -> Vec<String> {
    vec![
        format!("authorization: Bearer {refresh_token}\r\n"),
        "st-auth-mode: header\r\n".to_owned(),
        "st-auth-mode: cookie\r\nrid: emailpassword\r\nfdi-version: 1.17,2.0\r\n".to_owned(),
        "origin: http://localhost:3000\r\nsec-fetch-site: same-origin\r\n".to_owned(),
        "accept: text/html\r\naccept-language: de\r\n".to_owned(),
        "if-none-match: \"x\"\r\nrange: bytes=0-\r\n".to_owned(),
        "x-forwarded-for: 1.2.3.4\r\nforwarded: for=x\r\n".to_owned(),
        "connection: close\r\n".to_owned(),
    ]
}

/// Puts another value in the place of one part of this JSON.
fn replace_a_part(value: &mut Value, choices: &mut Choices) {
    let inside = match value {
        Value::Array(elements) => elements.len(),
        Value::Object(fields) => fields.len(),
        _ => 0,
    };
    if inside == 0 || choices.one_in(4) {
        // 1e999 is no number for this reader.
        *value = serde_json::from_str(choices.of::<&str>(&VALUES)).unwrap_or(json!(f64::MAX));
        return;
    }
    let number = choices.below(inside);
    let part = match value {
        Value::Array(elements) => elements.get_mut(number),
        Value::Object(fields) => fields.values_mut().nth(number),
        _ => None,
    };
    replace_a_part(part.unwrap(), choices);
}

/// Sends bytes, and reads until the site closes the connection; nothing if it stays open.
async fn exchange(address: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    let all = async {
        // The site may have closed the connection before it has read everything.
        let _refused = stream.write_all(bytes).await;
        let _closed = stream.shutdown().await;
        let _reset = stream.read_to_end(&mut answer).await;
    };
    tokio::time::timeout(PATIENCE, all).await.ok()?;
    Some(answer)
}

/// One connection with a request or several, most of them damaged; the statuses of the answers.
async fn is_answered(address: &str, corpus: &Corpus, seed: u64) -> Vec<String> {
    let choices = &mut Choices::new(seed);
    let requests: Vec<Vec<u8>> = (0..=choices.below(3)).map(|_| corpus.request(choices)).collect();
    let mut bytes = requests.concat();
    if choices.below(3) > 0 {
        choices.damage(&mut bytes, 4, &WORDS);
    }
    let answer = exchange(address, &bytes).await;
    let _printed = CaseSeed(seed);
    let sent = String::from_utf8_lossy(&bytes);
    assert!(answer.is_some(), "the connection stays open after {sent:?}");
    let answer = answer.unwrap();
    let text = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || text.starts_with("HTTP/1."), "{text} to {sent:?}");
    let statuses = text.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ").or(line.strip_prefix("HTTP/1.0 ")));
    let statuses: Vec<String> = statuses.map(|status| status.chars().take(3).collect()).collect();
    assert!(statuses.iter().all(|status| status.starts_with(['1', '2', '3', '4'])), "{text} to {sent:?}");
    statuses
}

/// Starts a site and sends it these cases, several at a time: most wait for a deadline of the site.
async fn run(seeds: impl Iterator<Item = u64>) {
    let settings = [
        ("DEMO", "false"),
        ("INSECURE_NO_THROTTLE", "true"),
        ("ADMIN_API_KEY", crate::admin::KEY),
        ("WRITES_PER_USER_MINUTE", "1000000"),
    ];
    let world = World::with(&settings).await;
    let corpus = Corpus::of(&world).await;
    let address = world.base().trim_start_matches("http://").to_owned();
    let mut seen = BTreeMap::<String, usize>::new();
    let mut answers = stream::iter(seeds).map(|seed| is_answered(&address, &corpus, seed)).buffer_unordered(AT_ONCE);
    while let Some(statuses) = answers.next().await {
        for status in statuses {
            *seen.entry(status).or_default() += 1;
        }
    }
    // Some of what was sent was understood, else this tests nothing.
    let understood = ["200", "303", "400", "401", "404"];
    let is_one = seen.values().sum::<usize>() < 100;
    assert!(is_one || understood.iter().all(|status| seen.contains_key(*status)), "{seen:?}");
    assert_eq!(world.visitor().get("/ready").await.status, 200);
    world.sign_in("ann@example.com").await;
}

#[actix_rt::test]
async fn damaged_requests_are_answered_and_none_with_5xx() {
    run(choices::short(400)).await;
}

#[actix_rt::test]
#[ignore = "takes ten minutes"]
async fn ten_minutes_of_damaged_requests_are_answered_and_none_with_5xx() {
    run(choices::long()).await;
}
