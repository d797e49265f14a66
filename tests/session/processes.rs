//! Two real processes on one database: this test binary, started twice more as a server.

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;

use crate::world::{TestClient, World};

/// Tells the binary to be a server on that database.
const DATABASE: &str = "SESSION_TEST_PROCESS_DATABASE";

/// Another process.
struct Process {
    child: Child,
    base: String,
}

impl Process {
    fn start(url: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "processes::serve", "--nocapture"]).env(DATABASE, url);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let base = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("serving ").map(str::to_owned));
        Self { base: base.unwrap(), child }
    }

    fn visitor(&self, world: &World) -> TestClient {
        world.visitor().at(&self.base)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Not a test but the other process; keys are replaced five times a second.
#[tokio::test]
async fn serve() {
    let Ok(url) = std::env::var(DATABASE) else { return };
    let world =
        World::on_database(url, |options| options.settings.signing_key_interval = Duration::from_millis(200)).await;
    writeln!(std::io::stdout(), "serving {}", world.base).unwrap();
    tokio::task::spawn_blocking(|| std::io::stdin().lines().count()).await.unwrap();
}

#[tokio::test]
async fn two_processes_on_one_database_are_one_application() {
    let world = World::start().await;
    let (one, other) = (Process::start(&world.url), Process::start(&world.url));
    let mut ann = one.visitor(&world);
    ann.header("st-auth-mode", "cookie").post("/login/ann").await;

    let refreshes = (0..64).map(|number| {
        let visitor = ann.clone().at(if number % 2 == 0 { &one.base } else { &other.base });
        async move { visitor.send_only(Method::POST, "/auth/session/refresh", None).await }
    });
    let answers = join_all(refreshes).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(world.count("select count(*) from session where previous_lineage is null").await, 1);
    ann.refresh().await;
    let mut there = ann.clone().at(&other.base);
    assert_eq!(there.get("/me").await.status, 200, "promoted by the other process");
    assert_eq!(ann.get("/me").await.status, 200);
    assert_eq!(world.count("select count(*) from session where previous_lineage is not null").await, 1);

    let header = |visitor: &TestClient| visitor.access_token().split_once('.').unwrap().0.to_owned();
    let first = header(&there);
    for _ in 0..1000 {
        ann.refresh().await;
        if header(&ann) != first {
            break;
        }
    }
    assert_ne!(header(&ann), first, "a new key signs");
    let mut there = ann.clone().at(&other.base);
    assert_eq!(there.get("/me").await.status, 200, "and the other process knows it");

    ann.post("/auth/signout").await;
    assert!(there.clone().get("/now").await.is_unauthorised());
    assert!(there.refresh().await.is_unauthorised());
}
