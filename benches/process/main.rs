//! Requests per second of the binary as it is deployed: one process, embedded Fauna, one worker, JSON log in a file.
//!
//! `cargo bench --bench process` prints rates, beside those of a bare actix route, and memory. `-- --against BINARY` runs an
//! older build beside this one and prints ratios; both take turns, so that a machine whose speed drifts slows both.
//! `-- growth` measures the start and the list of users with 100 000 users and 1 000 000 sessions. `-- refresh` (a word of a
//! label) measures only that, and `-- --seconds 20 refresh` keeps it up, for a profiler.
#![expect(
    clippy::unwrap_used,
    clippy::missing_docs_in_private_items,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on has failed, and its figures are rough"
)]

#[path = "../load/site.rs"]
#[expect(dead_code, reason = "other benches start the site in their own process")]
mod accounts;
#[path = "../load/bare.rs"]
mod bare;
mod floor;
mod growth;
#[path = "../../crates/embedded-fauna/benches/fauna/load.rs"]
#[expect(dead_code, reason = "other benches compare with a bare route")]
mod load;
#[path = "../load/many_sessions.rs"]
mod many_sessions;
mod server;
mod traffic;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use load::median;
use server::Server;
use traffic::{Kind, Traffic};

const BINARY: &str = env!("CARGO_BIN_EXE_actix-fauna-starter");
/// Comments in the list that is read.
const COMMENTS: usize = 3;
/// Turns of each binary.
const TURNS: usize = 7;
/// Span of an open loop, at this share of the highest rate. Of several spans the median counts: a shared machine is slower than usual for
/// some hundred milliseconds now and then, and in those it does not keep up.
const SPAN: Duration = Duration::from_secs(1);
const SPANS: usize = 9;
const SHARE: f64 = 0.7;

struct Options {
    against: Option<String>,
    seconds: Option<u64>,
    only: Option<String>,
}

impl Options {
    fn read() -> Self {
        let mut options = Self { against: None, seconds: None, only: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--against" => options.against = arguments.next(),
                "--seconds" => options.seconds = arguments.next().map(|number| number.parse().unwrap()),
                "--bench" => {}
                _ => options.only = Some(argument),
            }
        }
        options
    }

    fn kinds(&self) -> impl Iterator<Item = Kind> {
        let wanted = |kind: &Kind| self.only.as_ref().is_none_or(|only| kind.label().contains(only.as_str()));
        Kind::ALL.into_iter().filter(wanted)
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let options = Options::read();
    runtime.block_on(async {
        if options.only.as_deref() == Some("growth") {
            return growth::measure(BINARY, directory.path()).await;
        }
        let server = Server::start(BINARY, &directory.path().join("this")).await;
        eprintln!("start with an empty data directory  {} ms", server.started_in.as_millis());
        tokio::time::sleep(Duration::from_secs(1)).await;
        eprintln!("memory when idle                    {} MB", server.memory());
        let mut ours = Traffic::create(server.address, COMMENTS).await;
        if let Some(seconds) = options.seconds {
            return keep_up(&options, &server, &mut ours, seconds).await;
        }
        match &options.against {
            Some(binary) => {
                let other = Server::start(binary, &directory.path().join("other")).await;
                compare(&options, &mut ours, &mut Traffic::create(other.address, COMMENTS).await).await;
            }
            None => measure(&options, &mut ours, floor::serve_bare()).await,
        }
        eprintln!("memory afterwards                   {} MB", server.memory());
    });
}

/// Sends the requests of the wanted kinds until the time is over.
async fn keep_up(options: &Options, server: &Server, traffic: &mut Traffic, seconds: u64) {
    eprintln!("process {}", server.process_id());
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        for kind in options.kinds() {
            let rate = traffic.rate(kind).await;
            eprintln!("{:<35} {rate:.0} a second", kind.label());
        }
    }
}

async fn compare(options: &Options, ours: &mut Traffic, theirs: &mut Traffic) {
    for kind in options.kinds() {
        let (mut rates, mut pairs) = (Vec::new(), Vec::new());
        ours.rate(kind).await;
        theirs.rate(kind).await;
        for _ in 0..TURNS {
            let (ours, theirs) = (ours.rate(kind).await, theirs.rate(kind).await);
            rates.push(ours);
            pairs.push(ours / theirs);
        }
        eprintln!("{:<35} {:.0} a second, {:.2} of the other", kind.label(), median(rates), median(pairs));
    }
}

async fn measure(options: &Options, traffic: &mut Traffic, bare: SocketAddr) {
    if options.only.is_none() {
        let asking = floor::serve_asking();
        let mut shares = Vec::new();
        for _ in 0..TURNS {
            shares.push(traffic.bare_rate(asking).await / traffic.bare_rate(bare).await);
        }
        eprintln!("a route that only asks another      {:.3} of a bare route", median(shares));
    }
    for kind in options.kinds() {
        traffic.rate(kind).await;
        traffic.bare_rate(bare).await;
        let (mut rates, mut shares) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            let (rate, bare) = (traffic.rate(kind).await, traffic.bare_rate(bare).await);
            rates.push(rate);
            shares.push(rate / bare);
        }
        let top = median(rates);
        eprint!("{:<35} {top:.0} a second, {:.3} of a bare route", kind.label(), median(shares));
        if matches!(kind, Kind::SessionInfo | Kind::ListSignedIn) {
            let (mut ours, mut bares) = (Vec::new(), Vec::new());
            for _ in 0..SPANS {
                ours.push(traffic.latencies(kind, top * SHARE, SPAN).await);
                bares.push(traffic.bare_latencies(bare, top * SHARE, SPAN).await);
            }
            let ([p50, p99], [bare_p50, bare_p99]) = (percentiles(&ours), percentiles(&bares));
            eprint!(
                "; at 70 % of that p50 {p50:.2} ms, p99 {p99:.2} ms, the bare route {bare_p50:.2} and {bare_p99:.2} ms"
            );
        }
        eprintln!();
    }
}

/// Half of the latencies, and 99 of 100, are at most so many milliseconds, in the median span.
fn percentiles(spans: &[Vec<Duration>]) -> [f64; 2] {
    let at = |sorted: &Vec<Duration>, percent: usize| sorted[(sorted.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    [50, 99].map(|percent| median(spans.iter().map(|span| at(span, percent)).collect()))
}
