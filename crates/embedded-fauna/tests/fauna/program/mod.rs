//! The binary: start, root key, lock, seed, import, backup, stop.
#![cfg(unix)]

mod durability;

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::endpoint::{Endpoint, http};

struct Program {
    child: Child,
    /// `None` until it is ready.
    stderr: Option<BufReader<ChildStderr>>,
    url: String,
    client: reqwest::Client,
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_embedded-fauna"));
    command.env_remove("EMBEDDED_FAUNA_ROOT_KEY").env("NO_COLOR", "1").args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl Program {
    /// Starts it on a free port and reads its log until it is ready.
    fn start(data: &Path, more: &[&str]) -> Self {
        let child = command(&["--listen", "127.0.0.1:0", "--data", text(data)]).args(more).spawn().unwrap();
        let mut program = Self { child, stderr: None, url: String::new(), client: http().build().unwrap() };
        let mut stderr = BufReader::new(program.child.stderr.take().unwrap());
        loop {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended");
            if line.contains("is ready") {
                let (_, rest) = line.split_once("address=").unwrap();
                program.url = format!("http://{}", rest.split_whitespace().next().unwrap());
                program.stderr = Some(stderr);
                return program;
            }
            assert!(!line.contains("ERROR"), "{line}");
        }
    }

    /// Sends SIGTERM; returns standard output and the rest of the log.
    fn stop(mut self) -> (String, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let (mut output, mut log) = (String::new(), String::new());
        self.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        self.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        assert!(self.child.wait().unwrap().success(), "{log}");
        (output, log)
    }

    async fn query(&self, secret: &str, query: &Value) -> Value {
        let request = self.client.post(&self.url).bearer_auth(secret).header("x-faunadb-api-version", "4");
        let reply = Endpoint::send(request.body(query.to_string())).await;
        assert!(reply.status < 300, "{query}: {}", reply.text);
        reply.json().get("resource").cloned().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn the_generated_root_key_is_printed_once_and_private() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("new");
    let program = Program::start(&data, &[]);
    let file = data.join("embedded-fauna-root-key");
    let key = std::fs::read_to_string(&file).unwrap();
    for private in [&file, &data.join("fauna.sqlite")] {
        assert_eq!(std::fs::metadata(private).unwrap().permissions().mode() & 0o777, 0o600, "{}", private.display());
    }
    actix_rt::System::new().block_on(async {
        assert_eq!(program.query(&key, &json!({"add": [1, 1]})).await, 2);
        let ping = reqwest::get(format!("{}/ping", program.url)).await.unwrap();
        assert_eq!(ping.status(), 200);
    });
    let (output, log) = program.stop();
    assert!(output.contains(&key) && !log.contains(&key), "{output} {log}");
    assert!(log.contains("SIGTERM") && log.contains("uptime_seconds="), "{log}");
    let (output, _) = Program::start(&data, &[]).stop();
    assert_eq!(output, "");
}

#[test]
fn a_given_root_key_is_used_and_not_stored() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("given");
    std::fs::write(&file, "a-given-key\n").unwrap();
    let data = directory.path().join("data");
    let program = Program::start(&data, &["--root-key-file", text(&file)]);
    actix_rt::System::new().block_on(async {
        assert_eq!(program.query("a-given-key", &json!({"add": [1, 1]})).await, 2);
    });
    assert_eq!(program.stop().0, "");
    assert!(!data.join("embedded-fauna-root-key").exists());
    std::fs::write(&file, "with:colon").unwrap();
    let refused = run(&["--data", text(&data), "--root-key-file", text(&file)]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("must not contain a colon"));
}

#[test]
fn a_data_directory_in_use_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let program = Program::start(directory.path(), &[]);
    let refused = run(&["--listen", "127.0.0.1:0", "--data", text(directory.path())]);
    let log = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(log.contains("is in use by process") && log.contains(&program.child.id().to_string()), "{log}");
}

#[test]
fn seeds_run_at_every_start_and_imports_can_be_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let (seed, import) = (directory.path().join("seed"), directory.path().join("import.jsonl"));
    let child =
        r#"{"if":{"exists":{"database":"shop"}},"then":null,"else":{"create_database":{"object":{"name":"shop"}}}}"#;
    std::fs::write(&seed, format!("# the database of the shop\n\n{child}\n")).unwrap();
    let user = |id: usize| {
        json!({"collection": "users", "id": id.to_string(), "data": {"n": id, "since": {"@ts": "2020-01-01T00:00:00Z"},
            "delete": {"collection": "users"}}})
    };
    let lines: Vec<String> = (1..=600).map(|id| user(id).to_string()).collect();
    std::fs::write(&import, lines.join("\n")).unwrap();
    let data = directory.path().join("data");
    Program::start(&data, &["--seed", text(&seed)]).stop();
    let more = ["--seed", text(&seed), "--import", text(&import), "--database", "shop"];
    std::fs::write(&seed, r#"{"if":{"exists":{"collection":"users"}},"then":null,"else":{"create_collection":{"object":{"name":"users"}}}}"#)
        .unwrap();
    for _ in 0..2 {
        let program = Program::start(&data, &more);
        let key = std::fs::read_to_string(data.join("embedded-fauna-root-key")).unwrap();
        actix_rt::System::new().block_on(async {
            let last = json!({"let": {"user": {"get": {"ref": {"collection": "users"}, "id": "600"}}}, "in": [
                {"select": ["data", "n"], "from": {"var": "user"}},
                {"is_timestamp": {"select": ["data", "since"], "from": {"var": "user"}}},
                {"is_object": {"select": ["data", "delete"], "from": {"var": "user"}}},
                {"count": {"documents": {"collection": "users"}}}]});
            assert_eq!(program.query(&format!("{key}:shop:admin"), &last).await, json!([600, true, true, 600]));
        });
        program.stop();
    }
    let refused = run(&["--listen", "127.0.0.1:0", "--data", text(&data), "--seed", text(&seed), "--database", "none"]);
    let log = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && log.contains("--database none: there is no such database"), "{log}");
    std::fs::write(&import, "{\"collection\":\"users\"}\n\nnonsense").unwrap();
    let refused = run(&["--listen", "127.0.0.1:0", "--data", text(&data), "--import", text(&import)]);
    let log = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && log.contains("import.jsonl line 3: not a JSON object"), "{log}");
}

#[test]
fn a_backup_of_a_running_endpoint_contains_every_committed_write() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let copied = directory.path().join("copied");
    let program = Program::start(&data, &[]);
    let key = std::fs::read_to_string(data.join("embedded-fauna-root-key")).unwrap();
    std::fs::create_dir(&copied).unwrap();
    let backup = copied.join("fauna.sqlite");
    actix_rt::System::new().block_on(async {
        program.query(&key, &json!({"create_collection": {"object": {"name": "users"}}})).await;
        for _ in 0..20 {
            program.query(&key, &json!({"create": {"collection": "users"}})).await;
        }
        let made = run(&["backup", "--data", text(&data), "--to", text(&backup)]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let again = run(&["backup", "--data", text(&data), "--to", text(&backup)]);
        assert!(!again.status.success(), "an existing file is not overwritten");
        assert_eq!(std::fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
        program.query(&key, &json!({"create": {"collection": "users"}})).await;
    });
    std::fs::copy(data.join("embedded-fauna-root-key"), copied.join("embedded-fauna-root-key")).unwrap();
    let restored = Program::start(&copied, &[]);
    actix_rt::System::new().block_on(async {
        let count = json!({"count": {"documents": {"collection": "users"}}});
        assert_eq!(restored.query(&key, &count).await, 20);
        assert_eq!(program.query(&key, &count).await, 21);
    });
}
