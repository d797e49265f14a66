//! Performance of the endpoint, as ratios against a bare actix route or against what the disk can do.
//!
//! `cargo bench --bench fauna` prints a line a figure and judges nothing; the limits in parentheses are those the project has
//! set itself. `-- start`, `reads`, `likes`, `isolation` or `growth` measures only that. The load generator has a thread of its own; where
//! there is only one core, every ratio against the bare route is flattered.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on has failed, and its figures are rough"
)]

mod dataset;
mod growth;
mod isolation;
mod likes;
mod load;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::Json;
use actix_web::{App, HttpServer, web};
use embedded_fauna::{Running, Settings, SystemClock};
use secrecy::SecretString;
use serde_json::{Value, json};

use dataset::Dataset;
use load::Target;

/// The root key of every endpoint here.
const ROOT: &str = "root";
/// Timings of a start.
const STARTS: usize = 9;

fn main() {
    // Beside the build: the directory for temporary files may not be on a disk.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runtime = actix_rt::System::new();
    if is_wanted("start") {
        let [empty, full] = runtime.block_on(start_times(directory.path()));
        eprintln!("start with an empty file                 {empty:.0} ms, with a full one {full:.0} ms (at most 150)");
    }
    let bare = runtime.block_on(async { serve_bare() });
    let running = ["application", "few", "many"].map(|name| runtime.block_on(start(&directory.path().join(name))));
    let [application, few, many] = running.each_ref().map(Running::address);
    let path = directory.path().to_owned();
    let generator = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            if ["reads", "likes", "isolation"].into_iter().any(is_wanted) {
                let dataset = Dataset::create(application).await;
                if is_wanted("reads") {
                    measure_reads(&dataset, bare).await;
                }
                if is_wanted("likes") {
                    likes::measure(&dataset, &path).await;
                }
                if is_wanted("isolation") {
                    isolation::measure(&dataset).await;
                }
            }
            if is_wanted("growth") {
                growth::measure(few, many).await;
            }
        });
    });
    runtime.block_on(async {
        while !generator.is_finished() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    generator.join().unwrap();
    drop(running);
}

/// Whether the command line names no measurement, or this one.
fn is_wanted(name: &str) -> bool {
    let mut named = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).peekable();
    named.peek().is_none() || named.any(|argument| argument == name)
}

/// Reads against a route that is sent the same headers and does nothing.
async fn measure_reads(dataset: &Dataset, bare: SocketAddr) {
    let token = dataset.user(&reqwest::Client::new(), "reader").await;
    let headers = |secret: &str| format!("x-faunadb-api-version: 4\r\nauthorization: Bearer {secret}\r\n");
    let baseline = Target::new(bare, "GET /", &headers(&token), "");
    let now = Target::new(dataset.address, "POST /", &headers(&dataset.server), r#"{"now":null}"#);
    eprintln!("`now` with a server key                  {:.2} of a bare route", load::ratio(&now, &baseline).await);
    let own = r#"{"get":{"current_identity":null}}"#;
    let own = Target::new(dataset.address, "POST /", &headers(&token), own);
    eprintln!(
        "own document as a user                   {:.2} of a bare route (at least 0.35)",
        load::ratio(&own, &baseline).await
    );
}

/// Median times, in milliseconds, until an endpoint serves: with an empty file, and with that file again.
async fn start_times(directory: &Path) -> [f64; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for number in 0..STARTS {
        let file = directory.join(format!("start{number}"));
        for times in &mut times {
            let began = Instant::now();
            let running = start(&file).await;
            times.push(began.elapsed().as_secs_f64() * 1000.0);
            running.stop().await;
        }
    }
    times.map(load::median)
}

async fn start(file: &Path) -> Running {
    let listen = "127.0.0.1:0".parse().unwrap();
    let settings = Settings::new(listen, file.to_owned(), SecretString::from(ROOT), Arc::new(SystemClock));
    embedded_fauna::start(settings).await.unwrap()
}

/// Serves a route that does nothing, with one worker.
fn serve_bare() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let route = || async { Json(json!({"status": "OK", "number": 42})) };
    let server = HttpServer::new(move || App::new().service(web::resource("/").get(route)));
    actix_rt::spawn(server.workers(1).listen(listener).unwrap().run());
    address
}

/// Runs a query that must succeed and returns its `resource`.
async fn query(client: &reqwest::Client, address: SocketAddr, secret: &str, query: &Value) -> Value {
    let request = client.post(format!("http://{address}")).bearer_auth(secret).header("x-faunadb-api-version", "4");
    let text = request.body(query.to_string()).send().await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    assert!(answer.get("resource").is_some(), "{query}: {text}");
    answer["resource"].clone()
}
