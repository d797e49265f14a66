//! No connection can hold the server: silent ones, slow ones, greedy ones.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::endpoint::{Endpoint, ROOT};

/// A bound for the server to answer, or to close a connection, by itself; only a hang exceeds it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection on which nothing is understood for us.
pub struct Raw(TcpStream);

impl Raw {
    pub async fn connect(endpoint: &Endpoint) -> Self {
        Self(TcpStream::connect(endpoint.url.trim_start_matches("http://")).await.unwrap())
    }

    pub async fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes()).await;
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Reads until some text has come.
    pub async fn until(&mut self, text: &str) {
        let mut bytes = Vec::new();
        while !String::from_utf8_lossy(&bytes).contains(text) {
            bytes.push(tokio::time::timeout(PATIENCE, self.0.read_u8()).await.unwrap().unwrap());
        }
    }

    /// Everything up to the end of the connection, which the server has to close.
    pub async fn rest(mut self) -> String {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await;
        assert!(read.is_ok(), "the connection stays open after {}", String::from_utf8_lossy(&bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The head of the next answer.
    async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tokio::time::timeout(PATIENCE, self.0.read_u8()).await.unwrap().unwrap());
        }
        String::from_utf8(head).unwrap()
    }
}

#[test]
fn the_secret_is_verified_before_a_large_body_is_read() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let mut raw = Raw::connect(&endpoint).await;
        raw.send("POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer wrong\r\ncontent-length: 8000000\r\n\r\n").await;
        let answer = raw.rest().await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    });
}

#[test]
fn an_unread_body_closes_the_connection() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let chunked = "host: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";
        for (path, status) in [("/x", "404"), ("/", "401"), ("/ping", "405")] {
            let mut raw = Raw::connect(&endpoint).await;
            raw.send(&format!("POST {path} HTTP/1.1\r\n{chunked}")).await;
            let answer = raw.rest().await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        }
    });
}

#[test]
fn a_read_body_keeps_the_connection() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let mut raw = Raw::connect(&endpoint).await;
        for path in ["/", "/x", "/"] {
            raw.send(&format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n1")).await;
            let head = raw.head().await;
            assert!(head.contains("connection: keep-alive\r\n"), "{head}");
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            raw.0.read_exact(&mut body).await.unwrap();
        }
    });
}

#[test]
fn a_slow_body_and_a_slow_head_end() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start_with(|settings| {
            settings.limits.idle = Duration::from_millis(300);
            settings.limits.request_body = Duration::from_millis(300);
        })
        .await;
        let body = format!("POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ROOT}\r\ncontent-length: 9\r\n\r\n1");
        let texts = ["", "PRI * HT", "POST / HTTP/1.1\r\nhost:", &body, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
        let ended = texts.map(|text| async {
            let mut raw = Raw::connect(&endpoint).await;
            raw.send(text).await;
            raw.rest().await
        });
        let answers = futures_util::future::join_all(ended).await;
        assert!(answers[3].starts_with("HTTP/1.1 503 "), "{}", answers[3]);
    });
}

#[test]
fn a_client_that_stops_inside_the_preface_of_http2_is_told_at_once() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let mut raw = Raw::connect(&endpoint).await;
        raw.send("PRI * HTTP/2.0\r\n").await;
        raw.0.shutdown().await.unwrap();
        let answer = raw.rest().await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    });
}

#[test]
fn silent_connections_do_not_keep_others_out() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start_with(|settings| settings.limits.connections = 4).await;
        let mut silent = Vec::new();
        for _ in 0..20 {
            silent.push(Raw::connect(&endpoint).await);
        }
        assert_eq!(endpoint.query(ROOT, &json!({"add": [1, 1]})).await, 2);
        let closed = silent.into_iter().take(10).map(Raw::rest);
        assert!(futures_util::future::join_all(closed).await.iter().all(String::is_empty));
    });
}

#[test]
fn an_http2_connection_has_at_most_a_hundred_streams() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let mut raw = Raw::connect(&endpoint).await;
        raw.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0").await;
        // RFC 9113, 4.1 and 6.5: nine bytes of header, then pairs of identifier and value.
        let mut header = [0; 9];
        raw.0.read_exact(&mut header).await.unwrap();
        assert_eq!(header[3], 4, "SETTINGS come first");
        let mut settings = vec![0; usize::from(header[2])];
        raw.0.read_exact(&mut settings).await.unwrap();
        let streams = settings.chunks(6).find(|setting| setting[..2] == [0, 3]).unwrap();
        assert_eq!(streams[2..], [0, 0, 0, 100]);
    });
}

#[test]
fn answers_that_nobody_reads_are_limited() {
    actix_rt::System::new().block_on(async {
        const LARGEST: usize = 9 << 20;
        let endpoint = Endpoint::start_with(|settings| settings.limits.answer_bytes = LARGEST).await;
        let text = json!({"repeat": {"repeat": "a", "number": 1024}, "number": 1024});
        let query = json!({"let": [{"a": text}], "in": vec![json!({"var": "a"}); 8]}).to_string();
        let request = format!(
            "POST / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ROOT}\r\nx-faunadb-api-version: 4\r\ncontent-length: {}\r\n\r\n{query}",
            query.len()
        );
        let mut unread = Vec::new();
        let mut refused = 0;
        for _ in 0..10 {
            let mut raw = Raw::connect(&endpoint).await;
            raw.send(&request).await;
            refused += usize::from(raw.head().await.starts_with("HTTP/1.1 429 "));
            unread.push(raw);
        }
        assert!(refused >= 3, "{refused} of 10 answers were refused");
        assert_eq!(endpoint.query(ROOT, &json!({"add": [1, 1]})).await, 2, "short answers need no budget");
        drop(unread);
    });
}

#[test]
fn browsers_are_offered_no_credentials() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start_with(|_| ()).await;
        for secret in [ROOT, "wrong"] {
            let request = endpoint.client.post(&endpoint.url).bearer_auth(secret).header("origin", "https://a.example");
            let reply = Endpoint::send(request.body("1")).await;
            assert_eq!(reply.headers.get("access-control-allow-origin").unwrap(), "https://a.example");
            assert_eq!(reply.headers.get("access-control-allow-credentials"), None);
            assert_eq!(reply.headers.get("www-authenticate"), None, "no browser asks for a password");
        }
        let request = endpoint.client.get(&endpoint.url).header("sec-fetch-mode", "navigate");
        assert_eq!(Endpoint::send(request).await.headers.get("www-authenticate"), None);
    });
}

#[test]
fn a_stop_does_not_wait_for_connections() {
    actix_rt::System::new().block_on(async {
        let stop = Duration::from_millis(200);
        let endpoint = Endpoint::start_with(|settings| settings.limits.stop = stop).await;
        let mut slow = Raw::connect(&endpoint).await;
        slow.send(&format!("POST / HTTP/1.1\r\nauthorization: Bearer {ROOT}\r\ncontent-length: 9\r\n\r\n1")).await;
        let silent = Raw::connect(&endpoint).await;
        assert!(tokio::time::timeout(PATIENCE, endpoint.running.stop()).await.is_ok());
        slow.rest().await;
        silent.rest().await;
    });
}
