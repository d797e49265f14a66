//! Random histories of users, devices and two processes in which everything that leaves a process may fail: each SQL statement and
//! commit, each query to Fauna before and after it took effect, each response to a client. After each history and a bounded quiet
//! time the invariants of [`checks`] hold. `README.md` here says how to replay a seed, and which safeguards the invariants need.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod acts;
mod checks;
mod fauna;
mod history;
mod model;
mod process;
mod script;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use tracing_subscriber::fmt::MakeWriter;

use crate::app::{SiteExtensions, fauna_backend, features};
use crate::clock::Clock;
use crate::config::Config;
use crate::database::Database;
use fauna::Proxy;
use history::History;

const ROOT_KEY: &str = "root-key-of-this-test";
/// Histories on the same data, one after the other; what one leaves behind, the next ones find.
const HISTORIES_PER_WORLD: u64 = 50;
/// Faults that must have happened in a hundred histories; else the test tests nothing.
const FAULTS: [&str; 13] = [
    "before SQL: Fail",
    "before SQL: Crash",
    "before SQL: Overtaken",
    "after SQL: Fail",
    "after SQL: Crash",
    "after SQL: Overtaken",
    "before a query: Fail",
    "before a query: Crash",
    "before a query: Overtaken",
    "after a query: Fail",
    "after a query: Crash",
    "after a query: Overtaken",
    "lost response",
];
/// Environment variable with the only seed to run.
const SEED: &str = "SIMULATION_SEED";
/// Environment variable that has the faults printed that happened, with their numbers.
const KINDS: &str = "SIMULATION_KINDS";
/// Environment variable with the number of histories of the long test.
const COUNT: &str = "SIMULATION_COUNT";

/// Everything that processes share and that survives crashes.
struct World {
    files: TempDir,
    url: String,
    clock: Clock,
    proxy: Proxy,
    app_key: String,
    /// For the checks; no faults.
    database: Database,
    log: LogBuffer,
    /// Steps and faults of the current history.
    story: Arc<Mutex<Vec<String>>>,
    _fauna: fauna_backend::FaunaBackend,
}

/// Everything that the processes have logged during a history.
#[derive(Clone, Default)]
pub struct LogBuffer(Arc<Mutex<Vec<u8>>>);

impl LogBuffer {
    fn take(&self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)))
            .into_owned()
    }
}

impl io::Write for LogBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogBuffer {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl World {
    async fn start(number: u64) -> Self {
        let files = TempDir::new().unwrap();
        let clock = Clock::system();
        let url = new_database(&files, number).await;
        let settings = |name: &str| match name {
            "DATA_DIR" => Some(files.path().display().to_string()),
            "EMBEDDED_FAUNA_ROOT_KEY" => Some(ROOT_KEY.to_owned()),
            "EMBEDDED_FAUNA_LISTEN" => Some("127.0.0.1:0".to_owned()),
            _ => None,
        };
        let config = Config::from_lookup(&settings).unwrap();
        let features = features::all(&config, &SiteExtensions::default());
        let fauna = fauna_backend::connect(&config, &clock, &features).await.unwrap();
        let app_key = std::fs::read_to_string(files.path().join("embedded-fauna-app-key")).unwrap();
        let proxy = Proxy::start(&fauna.endpoint);
        let database = Database::open(&url).await.unwrap();
        Self {
            files,
            url,
            clock,
            proxy,
            app_key,
            database,
            log: LogBuffer::default(),
            story: Arc::default(),
            _fauna: fauna,
        }
    }

    /// The settings of a process that reaches Fauna at this endpoint.
    fn config(&self, endpoint: &str) -> Config {
        let settings = |name: &str| match name {
            "DATA_DIR" => Some(self.files.path().display().to_string()),
            "DATABASE_URL" => Some(self.url.clone()),
            "FAUNA_ENDPOINT" => Some(endpoint.to_owned()),
            "FAUNA_SECRET" => Some(self.app_key.trim().to_owned()),
            "INSECURE_NO_THROTTLE" => Some("true".to_owned()),
            "PASSWORD_HASH_MEMORY_KIB" => Some("8".to_owned()),
            "WRITES_PER_USER_MINUTE" => Some("1000000".to_owned()),
            "DEMO" => Some("false".to_owned()),
            _ => None,
        };
        Config::from_lookup(&settings).unwrap()
    }

    /// Ends all sessions and lets everything expire, so that the next history begins without tokens.
    async fn clear(&self) {
        sqlx::query("delete from session").execute(self.database.write()).await.unwrap();
        sqlx::query("delete from fauna_token").execute(self.database.write()).await.unwrap();
        let all = json!({"paginate": {"documents": {"tokens": null}}, "size": 10_000});
        let delete = json!({"foreach": {"lambda": "ref", "expr": {"delete": {"var": "ref"}}}, "collection": all});
        let (status, body) = self.proxy.ask(ROOT_KEY, &delete).await;
        assert_eq!(status, 200, "{body}");
    }
}

/// The URL of a new database: SQLite, or on the server of `DATABASE_TEST_URL`.
async fn new_database(files: &TempDir, number: u64) -> String {
    let Ok(server) = std::env::var("DATABASE_TEST_URL") else {
        return format!("sqlite://{}", files.path().join("simulated.sqlite").display());
    };
    let name = format!("starter_simulation_{}_{number}", std::process::id());
    sqlx::any::install_default_drivers();
    let admin = sqlx::AnyPool::connect(&server).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("create database {name}"))).execute(&admin).await.unwrap();
    admin.close().await;
    let (before, _) = server.rsplit_once('/').unwrap();
    format!("{before}/{name}")
}

/// Runs the histories of these seeds, and panics at the first violation.
fn run(seeds: std::ops::Range<u64>) {
    let mut kinds = BTreeMap::<String, usize>::new();
    let worlds = seeds.clone().step_by(usize::try_from(HISTORIES_PER_WORLD).unwrap());
    for first in worlds {
        actix_rt::System::new().block_on(async {
            let world = World::start(first).await;
            let mut processes = Vec::new();
            for seed in first..(first + HISTORIES_PER_WORLD).min(seeds.end) {
                let mut history = History::begin(&world, seed, processes).await;
                let outcome = tokio::time::timeout(Duration::from_secs(120), history.run()).await;
                let violation = match outcome {
                    Ok(Ok(())) => None,
                    Ok(Err(violation)) => Some(violation),
                    Err(_elapsed) => Some("it does not end".to_owned()),
                };
                if let Some(violation) = violation {
                    panic!("{SEED}={seed}, history {}: {violation}\n{}", seed - seeds.start + 1, history.story());
                }
                count_kinds(&history.story(), &mut kinds);
                processes = std::mem::take(&mut history.processes);
                world.clear().await;
            }
            drop(processes);
            world.proxy.stop().await;
        });
    }
    if std::env::var_os(KINDS).is_some() {
        eprintln!("{kinds:#?}");
    }
    assert!(seeds.end - seeds.start < 100 || FAULTS.iter().all(|fault| kinds.contains_key(*fault)), "{kinds:#?}");
}

/// Counts the faults of a story, those that stop a process for each kind of step.
fn count_kinds(story: &str, kinds: &mut BTreeMap<String, usize>) {
    let mut act = "";
    for line in story.lines() {
        if !line.starts_with(' ') {
            act = line.split(' ').next().unwrap_or_default();
            continue;
        }
        let kind = kind_of(line);
        if kind.ends_with(": Crash") {
            *kinds.entry(format!("{act}, {kind}")).or_default() += 1;
        }
        *kinds.entry(kind).or_default() += 1;
    }
}

/// Without the status and text of a response.
fn kind_of(line: &str) -> String {
    let line = line.trim();
    let is_response = line.starts_with(|first: char| first.is_ascii_digit());
    if is_response && line.ends_with("(lost)") { "lost response".to_owned() } else { line.to_owned() }
}

fn seed_of_environment() -> Option<u64> {
    std::env::var(SEED).ok().map(|seed| seed.parse().unwrap())
}

#[test]
fn invariants_hold_after_250_histories_with_faults() {
    match seed_of_environment() {
        Some(seed) => run(seed..seed + 1),
        None => run(0..250),
    }
}

#[test]
fn invariants_hold_after_250_other_histories_with_faults() {
    run(1_000_000..1_000_250);
}

#[test]
#[ignore = "takes an hour; SIMULATION_COUNT sets the number of histories"]
fn invariants_hold_after_10_000_histories_with_faults() {
    let count = std::env::var(COUNT).map_or(10_000, |count| count.parse().unwrap());
    let first = seed_of_environment().unwrap_or(2_000_000);
    run(first..first + count);
}
