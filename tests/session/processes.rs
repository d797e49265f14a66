//! Two real processes on one database: this test binary, started twice more as a server.

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;

use crate::server::World;
use crate::support::client::TestClient;

/// Environment variable with the URL of the database that the other process serves.
const DATABASE: &str = "SESSION_TEST_PROCESS_DATABASE";

/// Another process of this binary, killed on drop.
struct Process {
    child: Child,
    base: String,
}

impl Process {
    fn start(url: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "processes::serve", "--ignored", "--nocapture"]).env(DATABASE, url);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let base = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("serving ").map(str::to_owned));
        Self { base: base.unwrap(), child }
    }

    fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
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

/// The server of another process, with a new signing key five times a second. Serves until its standard input is closed.
#[tokio::test]
#[ignore = "not a test: started by the test below, in processes of its own"]
async fn serve() {
    let Ok(url) = std::env::var(DATABASE) else { return };
    let world =
        World::on_database(url, |options| options.settings.signing_key_interval = Duration::from_millis(200)).await;
    writeln!(std::io::stdout(), "serving {}", world.base()).unwrap();
    tokio::task::spawn_blocking(|| std::io::stdin().lines().count()).await.unwrap();
}

/// All with one token, half of them at each process.
async fn refresh_64_times_at_once(visitor: &TestClient, processes: [&Process; 2]) {
    let refreshes = (0..64).map(|number: usize| {
        let visitor = visitor.clone().at(&processes[number % 2].base);
        async move { visitor.send_only(Method::POST, "/auth/session/refresh", None).await }
    });
    let answers = join_all(refreshes).await;
    let failures: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!(failures.is_empty(), "{failures:?}");
}

#[tokio::test]
async fn a_child_that_64_requests_at_two_processes_use_first_is_promoted_once() {
    let world = World::start().await;
    let (one, other) = (Process::start(&world.server.url), Process::start(&world.server.url));
    let mut ann = one.visitor(&world);
    assert_eq!(ann.header("st-auth-mode", "cookie").post_empty("/login/ann").await.status, 200);
    for _ in 0..5 {
        let (parent, _) = world.lineages().await;
        assert_eq!(ann.refresh_without_rid().await.status, 200);
        refresh_64_times_at_once(&ann, [&one, &other]).await;
        let (child, previous) = world.lineages().await;
        assert_eq!(previous.as_ref(), Some(&parent));
        assert_ne!(child, parent);
        assert_eq!(world.count("select count(*) from session").await, 1);
    }
}

#[tokio::test]
async fn two_processes_on_one_database_are_one_application() {
    let world = World::start().await;
    let (mut one, mut other) = (Process::start(&world.server.url), Process::start(&world.server.url));
    assert_ne!(one.base, other.base);
    let mut ann = one.visitor(&world);
    assert_eq!(ann.header("st-auth-mode", "cookie").post_empty("/login/ann").await.status, 200);

    refresh_64_times_at_once(&ann, [&one, &other]).await;
    let (first_lineage, previous) = world.lineages().await;
    assert_eq!(previous, None, "refreshing alone promotes no child");
    assert_eq!(ann.refresh_without_rid().await.status, 200);
    let there = ann.clone().at(&other.base);
    let answer = there.get("/me").await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers.contains_key("front-token"), "the other process promotes the child");
    let promoted = world.lineages().await;
    assert_eq!(promoted.1, Some(first_lineage));
    assert_eq!(ann.get("/me").await.status, 200);
    assert_eq!(world.lineages().await, promoted, "the first process sees the promotion and does not repeat it");

    let header = |visitor: &TestClient| visitor.access_token().split_once('.').unwrap().0.to_owned();
    let first = header(&there);
    for _ in 0..1000 {
        assert_eq!(ann.refresh_without_rid().await.status, 200);
        if header(&ann) != first {
            break;
        }
    }
    assert_ne!(header(&ann), first, "a new key signs");
    let there = ann.clone().at(&other.base);
    assert_eq!(there.get("/me").await.status, 200, "the other process verifies tokens of the new key");

    assert_eq!(ann.post_empty("/auth/signout").await.status, 200);
    assert!(there.clone().get("/now").await.is_unauthorised());
    assert!(there.refresh_without_rid().await.is_unauthorised());
    assert!(one.is_running() && other.is_running(), "both processes have served to the end");
    assert_ne!(one.child.id(), other.child.id());
}
