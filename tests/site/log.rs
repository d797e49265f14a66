//! The log is written to whatever standard output is: nobody who reads it badly can stop the site.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader};
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
