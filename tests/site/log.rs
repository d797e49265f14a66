//! The log is written to whatever standard output is: nobody who reads it badly can stop the site.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use crate::binary::program;
use crate::client::TestClient;

/// More lines than a pipe holds, and than the site's own queue does.
const REQUESTS: usize = 5_500;

/// The program with its standard output in a pipe, read until it listens.
#[expect(clippy::zombie_processes, reason = "callers pass it to `terminate`, which waits for it")]
fn start(directory: &std::path::Path) -> (Child, BufReader<ChildStdout>, String) {
    let mut child = program(directory).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    loop {
        let mut line = String::new();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the program ended");
        if line.contains("the site listens") {
            let site = format!("http://{}", line.split("http://").nth(1).unwrap().trim());
            return (child, lines, site);
        }
    }
}

fn terminate(mut child: Child) {
    let told = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    assert!(child.wait().unwrap().success());
}

#[actix_rt::test]
async fn a_log_that_nobody_reads_stops_no_request_and_says_later_what_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let (child, mut lines, site) = start(directory.path());
    let client = TestClient::new(site);
    for _ in 0..REQUESTS {
        assert_eq!(client.get("/health").await.status, 200);
    }
    let reader = std::thread::spawn(move || {
        let mut line = String::new();
        while lines.read_line(&mut line).unwrap() > 0 && !line.contains("log lines were dropped") {
            line.clear();
        }
        line
    });
    while !reader.is_finished() {
        assert_eq!(client.get("/health").await.status, 200);
        actix_rt::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(reader.join().unwrap().contains("log lines were dropped"));
    terminate(child);
}

#[actix_rt::test]
async fn a_full_or_closed_log_lets_the_program_stop() {
    for is_closed in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let (mut child, lines, site) = start(directory.path());
        let kept = (!is_closed).then_some(lines);
        if is_closed {
            drop(child.stderr.take());
        }
        let client = TestClient::new(site);
        for _ in 0..1_000 {
            assert_eq!(client.get("/health").await.status, 200);
        }
        terminate(child);
        drop(kept);
    }
}

/// The lines of the log up to the first that contains `mark`, as JSON.
fn lines_until(lines: &mut BufReader<ChildStdout>, mark: &str) -> Vec<serde_json::Value> {
    let mut read = Vec::new();
    loop {
        let mut line = String::new();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the program ended before {mark}");
        read.push(serde_json::from_str(&line).unwrap());
        if line.contains(mark) {
            return read;
        }
    }
}

#[actix_rt::test]
async fn the_line_of_a_request_names_its_trace_if_it_has_one() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let directory = tempfile::tempdir().unwrap();
    let mut command = program(directory.path());
    let mut child = command.env("LOG_FORMAT", "json").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let start = lines_until(&mut lines, "the site listens");
    let mut client = TestClient::new(start.last().unwrap()["address"].as_str().unwrap().to_owned());
    client.get("/health").await;
    client.header("traceparent", &format!("00-{TRACE}-00f067aa0ba902b7-01"));
    client.get("/api/comments").await;
    let written = lines_until(&mut lines, "\"/api/comments\"");
    let trace = |route: &str| written.iter().find(|line| line["route"] == route).unwrap()["trace_id"].clone();
    assert_eq!((trace("/health"), trace("/api/comments")), (serde_json::Value::Null, TRACE.into()));
    terminate(child);
}

#[actix_rt::test]
async fn an_administrative_request_is_logged_with_the_name_of_its_key_and_never_the_key() {
    let directory = tempfile::tempdir().unwrap();
    let keys = "deploy:an-old-secret-of-this-test,ops.2:a-new-secret-of-this-test";
    let mut child = program(directory.path())
        .envs([("ADMIN_API_KEYS", keys), ("ADMIN_API_KEY", "the-one-secret-of-this-test"), ("LOG_FORMAT", "json")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let start = lines_until(&mut lines, "the site listens");
    let site = start.last().unwrap()["address"].as_str().unwrap().to_owned();
    let client = |key: &str| {
        let mut client = TestClient::new(site.clone());
        client.header("authorization", &format!("Bearer {key}"));
        client
    };
    let ask = async |key: &str, path: &str| client(key).get(path).await.status;
    assert_eq!(ask("an-old-secret-of-this-test", "/api/admin/users/count").await, 200);
    assert_eq!(ask("a-new-secret-of-this-test", "/api/admin/users/by-email?email=ann%40example.com").await, 200);
    assert_eq!(ask("the-one-secret-of-this-test", "/api/admin/users").await, 200);
    assert_eq!(ask("a-wrong-secret-of-this-test", "/api/admin/users/export").await, 401);
    assert_eq!(client("a-wrong-secret-of-this-test").delete("/api/admin/users/bob%40example.com").await.status, 401);
    assert_eq!(TestClient::new(site.clone()).get("/nowhere-else").await.status, 404);
    let written = lines_until(&mut lines, "\"status\":404");
    assert_eq!(written.last().unwrap()["route"], "none", "as in the metrics");
    let text = |line: &serde_json::Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    let told: Vec<_> = written
        .iter()
        .filter(|line| line["target"] == "admin")
        .map(|line| (text(line, "message"), text(line, "key"), text(line, "path")))
        .collect();
    let asked = |key: &str, path: &str| ("administrative request".to_owned(), key.to_owned(), path.to_owned());
    assert_eq!(
        told,
        [
            asked("deploy", "/api/admin/users/count"),
            asked("ops.2", "/api/admin/users/by-email"),
            asked("ADMIN_API_KEY", "/api/admin/users"),
            ("a wrong API key was refused".to_owned(), String::new(), "/api/admin/users/export".to_owned()),
            ("a wrong API key was refused".to_owned(), String::new(), "/api/admin/users/{id}".to_owned()),
        ],
        "{written:#?}"
    );
    let all = serde_json::to_string(&[start, written]).unwrap();
    assert!(!all.contains("secret-of-this-test") && !all.contains("ann%40") && !all.contains("bob"), "{all}");
    terminate(child);
}

#[actix_rt::test]
async fn whoever_sends_no_http_writes_no_line() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = program(directory.path()).env("LOG_FORMAT", "json").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let start = lines_until(&mut lines, "the site listens");
    let site = start.last().unwrap()["address"].as_str().unwrap().to_owned();
    for malformed in ["no HTTP at all\r\n\r\n", "GET / HTTP/1.1\r\nno header\r\n\r\n", "\x16\x03\x01"] {
        let mut stream = TcpStream::connect(site.trim_start_matches("http://")).unwrap();
        stream.write_all(malformed.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let _closed = stream.read_to_end(&mut Vec::new());
    }
    assert_eq!(TestClient::new(site).get("/nowhere-else").await.status, 404);
    let written = lines_until(&mut lines, "\"status\":404");
    assert_eq!(written.len(), 1, "{written:#?}");
    terminate(child);
}
