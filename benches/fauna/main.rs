//! How fast the embedded Fauna is: as ratios against a bare actix route, or against what the disk can do.
//!
//! `cargo bench --bench fauna > /dev/null` tells a line a figure and judges nothing; behind each stands what issue and design ask for.
//! The load generator has a thread of its own; with one core every ratio against the bare route is flattered.
#![expect(
    clippy::unwrap_used,
    clippy::missing_docs_in_private_items,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on has failed, and its figures are rough"
)]

mod growth;
mod likes;
#[path = "../load/mod.rs"]
mod load;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use embedded_fauna;
use secrecy::SecretString;
use serde_json::{Value, json};
use starter::clock::Clock;

use load::site::{Person, credentials};
use load::{Target, bare, site};

/// The language that the endpoint is asked in.
const VERSION: &str = "x-faunadb-api-version: 4\r\n";
/// The secret of the endpoints that stand alone.
const ROOT: &str = "root";
/// How often a start is measured.
const STARTS: usize = 9;

fn main() {
    // Beside the build, not in the directory for temporary files, which may not be on a disk.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runtime = actix_rt::System::new();
    let (first, again) = runtime.block_on(endpoint_starts(directory.path()));
    eprintln!("start with an empty file                 {first:.0} ms, with a full one {again:.0} ms (at most 150)");
    let data = directory.path().join("data");
    let (took, site) = runtime.block_on(timed_site(&data));
    runtime.block_on(site.stop());
    let (again, site) = runtime.block_on(timed_site(&data));
    eprintln!("start of the site with all of its schema {took:.0} ms, with the schema there {again:.0} ms");
    let bare = runtime.block_on(async { bare::serve() });
    let grown = runtime.block_on(growth::start(directory.path()));
    let asked = Asked {
        bare,
        site: site.address(),
        fauna: site.fauna_endpoint().trim_start_matches("http://").parse().unwrap(),
        root: std::fs::read_to_string(data.join("embedded-fauna-root-key")).unwrap().trim().to_owned(),
    };
    let disk = directory.path().to_owned();
    let generator = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            measure(&asked, &disk).await;
            growth::measure(&grown).await;
        });
    });
    runtime.block_on(async {
        while !generator.is_finished() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        site.stop().await;
    });
    generator.join().unwrap();
}

/// Who is asked.
struct Asked {
    bare: SocketAddr,
    site: SocketAddr,
    fauna: SocketAddr,
    /// The root key of the site's endpoint.
    root: String,
}

/// The figures of the site's endpoint.
async fn measure(asked: &Asked, disk: &Path) {
    let person = Person::enter(asked.site, "/auth/signup", &credentials("bench@example.com")).await;
    let bare = Target::new(asked.bare, "GET /", &person.proof(), "");
    let headers = |secret: &str| format!("{VERSION}authorization: Bearer {secret}\r\n");
    let now = Target::new(asked.fauna, "POST /", &headers(&asked.root), r#"{"now":null}"#);
    eprintln!("`now` with the root key                  {:.2} of a bare route", load::ratio(&now, &bare).await);
    let own = r#"{"get":{"current_identity":null}}"#;
    let own = Target::new(asked.fauna, "POST /", &headers(&fauna_token(&person)), own);
    eprintln!(
        "own document as a user                   {:.2} of a bare route (at least 0.15)",
        load::ratio(&own, &bare).await
    );
    likes::measure(asked, &person, disk).await;
}

/// The token that the frontend is told, where that is switched on.
fn fauna_token(person: &Person) -> String {
    let front = person.header("front-token");
    let front = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, front).unwrap();
    let front: Value = serde_json::from_slice(&front).unwrap();
    front["up"]["faunadbToken"].as_str().unwrap().to_owned()
}

/// How many milliseconds an endpoint takes to start: with an empty file and with the same again.
async fn endpoint_starts(directory: &Path) -> (f64, f64) {
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for number in 0..STARTS {
        let file = directory.join(format!("start{number}.sqlite"));
        for times in [&mut first, &mut again] {
            let began = Instant::now();
            let running = start_endpoint(&file).await;
            times.push(began.elapsed().as_secs_f64() * 1000.0);
            running.stop().await;
        }
    }
    (load::median(first), load::median(again))
}

/// An endpoint that stands alone.
async fn start_endpoint(file: &Path) -> embedded_fauna::Running {
    let listen = "127.0.0.1:0".parse().unwrap();
    let root_key = SecretString::from(ROOT);
    let clock = std::sync::Arc::new(Clock::system());
    embedded_fauna::start(embedded_fauna::Settings::new(listen, file.to_owned(), root_key, clock)).await.unwrap()
}

/// The site, and how many milliseconds it took to start.
async fn timed_site(data: &Path) -> (f64, starter::app::Site) {
    let began = Instant::now();
    let site = site::start(data, |_| ()).await;
    (began.elapsed().as_secs_f64() * 1000.0, site)
}

/// The answer to a query.
async fn query(client: &reqwest::Client, address: SocketAddr, secret: &str, query: &Value) -> Value {
    let request = client.post(format!("http://{address}")).bearer_auth(secret).header("x-faunadb-api-version", "4");
    let response = request.body(query.to_string()).send().await.unwrap();
    let text = response.text().await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| json!({}));
    assert!(answer.get("resource").is_some(), "{query}: {text}");
    answer["resource"].clone()
}
