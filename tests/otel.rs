//! Spans that the program exports, received by a collector of the test. Needs the feature `otel`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
/// Spans are sent every five seconds, and when the process ends.
const EXPORT_WITHIN: Duration = Duration::from_secs(20);

/// A request to the collector.
struct Export {
    head: String,
    body: Vec<u8>,
}

impl Export {
    fn contains(&self, bytes: &[u8]) -> bool {
        self.body.windows(bytes.len()).any(|window| window == bytes)
    }
}

/// Its address, and what it receives.
fn collector() -> (String, Receiver<Export>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (send, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let send = send.clone();
            std::thread::spawn(move || {
                while let Some(export) = receive(stream.as_ref().unwrap()) {
                    let _test_has_ended = send.send(export);
                }
            });
        }
    });
    (address, received)
}

/// The next request of a connection, which is answered.
fn receive(stream: &TcpStream) -> Option<Export> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.to_lowercase().split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut stream = stream;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n").ok()?;
    Some(Export { head, body })
}

/// The program, and the address where it listens.
fn start(directory: &std::path::Path, collector: &str) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_actix-fauna-starter"))
        .current_dir(directory)
        .env_clear()
        .envs([("LISTEN", "127.0.0.1:0"), ("EMBEDDED_FAUNA_LISTEN", "127.0.0.1:0"), ("DEMO", "false")])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let site = lines.find(|line| line.contains("the site listens")).unwrap();
    std::thread::spawn(move || lines.for_each(drop));
    (child, site.split("address=").nth(1).unwrap().split(' ').next().unwrap().to_owned())
}

fn terminate(mut child: Child) {
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}

/// The status of the answer to `GET path`, asked as a part of [`TRACE`].
fn get(site: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(site.trim_start_matches("http://")).unwrap();
    let trace = format!("traceparent: 00-{TRACE}-{PARENT}-01");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n{trace}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex).unwrap()
}

#[test]
fn a_request_is_a_span_of_the_trace_it_came_with() {
    let directory = tempfile::tempdir().unwrap();
    let (collector, received) = collector();
    let (child, site) = start(directory.path(), &collector);
    assert_eq!(get(&site, "/api/comments?limit=1"), "200");
    assert_eq!(get(&site, "/api/comments/17/like"), "405");
    terminate(child);
    let mut spans = Export { head: String::new(), body: Vec::new() };
    while !spans.contains(b"GET /api/comments") {
        let export = received.recv_timeout(EXPORT_WITHIN).unwrap();
        assert!(export.head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{}", export.head);
        spans.body.extend(export.body);
    }
    for (what, value) in [
        ("the trace", bytes(TRACE)),
        ("the span of the client", bytes(PARENT)),
        ("the service", b"actix-fauna-starter".to_vec()),
        ("the route", b"/api/comments/{id}/like".to_vec()),
        ("the status", b"http.response.status_code".to_vec()),
    ] {
        assert!(spans.contains(&value), "{what} is missing");
    }
    for secret in ["/17/", "limit"] {
        assert!(!spans.contains(secret.as_bytes()), "{secret} was exported");
    }
}

#[test]
fn a_collector_that_is_not_there_stops_neither_requests_nor_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (child, site) = start(directory.path(), &format!("http://{}", silent.local_addr().unwrap()));
    for _ in 0..3000 {
        assert_eq!(get(&site, "/health"), "200");
    }
    // A process that has to be cut off at its deadline ends with a failure.
    terminate(child);
}
