//! The program itself: started, killed and started again.

use std::io::BufRead as _;
use std::io::BufReader;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::client::TestClient;
use crate::fauna::FaunaNode;
use crate::world::{PASSWORD, credentials};

/// A process of the program, killed when dropped.
pub struct Process {
    pub child: Child,
    pub site: String,
    pub fauna: String,
}

impl Process {
    /// Starts the program with its files in `directory` and waits until it listens.
    pub fn start(directory: &Path) -> Self {
        Self::of(program(directory))
    }

    /// The same on a disk that takes no file larger than `blocks` of 512 bytes.
    pub fn start_on_a_full_disk(directory: &Path, blocks: u32) -> Self {
        let mut shell = Command::new("sh");
        let limit = format!("trap '' XFSZ; ulimit -S -f {blocks}; exec \"$0\"");
        shell.args(["-c", &limit]).arg(program(directory).get_program());
        Self::of(placed(shell, directory))
    }

    /// Starts a command and waits until the program listens.
    pub fn of(command: Command) -> Self {
        Self::listening(command, None)
    }

    /// The same for one whose Fauna is elsewhere.
    #[cfg(unix)]
    fn beside(command: Command, fauna: String) -> Self {
        Self::listening(command, Some(fauna))
    }

    fn listening(mut command: Command, fauna: Option<String>) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut find = |mark: &str| loop {
            let line = lines.next().unwrap_or_else(|| panic!("the program ended before: {mark}")).unwrap();
            if line.contains(mark) {
                break line.split("http://").nth(1).unwrap().trim().to_owned();
            }
        };
        let fauna = fauna.unwrap_or_else(|| format!("http://{}", find("embedded Fauna listens")));
        let site = find("the site listens");
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, site: format!("http://{site}"), fauna }
    }

    /// Tells it to stop, as `docker stop` does, and waits until it has.
    fn terminate(mut self) {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
        assert!(self.child.wait().unwrap().success());
    }

    /// Kills the process with SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The program, with free ports and nothing from our own environment.
pub fn program(directory: &Path) -> Command {
    placed(Command::new(env!("CARGO_BIN_EXE_actix-fauna-starter")), directory)
}

/// A command that keeps its files in `directory`.
pub fn placed(mut command: Command, directory: &Path) -> Command {
    command
        .current_dir(directory)
        .env_clear()
        .env("LISTEN", "127.0.0.1:0")
        .env("DEMO", "false")
        .env("EMBEDDED_FAUNA_LISTEN", "127.0.0.1:0")
        .env("DATA_DIR", directory)
        .env("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", "true");
    command
}

#[actix_rt::test]
async fn everything_survives_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    let before = Process::start(directory.path());
    let ann = TestClient::new(before.site.clone());
    let answer = ann.post("/auth/signup", &credentials("ann@example.com", PASSWORD)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let comment = ann.post("/api/comments", &json!({"text": "Hello"})).await;
    assert!(comment.status < 300, "{}", comment.text);
    let token = ann.fauna_token();
    before.kill();

    let after = Process::start(directory.path());
    let ann = ann.at(&after.site);
    assert!(ann.get("/api/comments").await.text.contains("Hello"));
    assert_eq!(ann.get("/sessioninfo").await.status, 200, "the access token is no longer accepted");
    assert!(FaunaNode::at(&after.fauna).accepts(&token).await, "the Fauna token is gone");
    assert_eq!(ann.refresh().await.status, 200, "the session is gone");
    let again =
        TestClient::new(after.site.clone()).post("/auth/signin", &credentials("ann@example.com", PASSWORD)).await;
    assert_eq!(again.json()["status"], "OK", "the account is gone");
    assert_eq!(ann.sign_out().await.status, 200);
    assert!(!FaunaNode::at(&after.fauna).accepts(&token).await, "the token of before outlived the session");
}

#[cfg(unix)]
#[actix_rt::test]
async fn whoever_stops_it_finds_closed_files_that_nobody_else_reads() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let ann = TestClient::new(process.site.clone());
    assert_eq!(ann.post("/auth/signup", &credentials("ann@example.com", PASSWORD)).await.status, 200);
    process.terminate();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{entry:?}");
        assert!(!entry.file_name().to_string_lossy().starts_with("fauna.sqlite-"), "{entry:?}");
    }
}

/// Container runtimes kill a process that is still there ten seconds after SIGTERM.
#[cfg(unix)]
#[actix_rt::test]
async fn a_stuck_body_does_not_keep_it_from_stopping_in_time() {
    use std::io::Write as _;
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(directory.path());
    let mut stuck = std::net::TcpStream::connect(process.site.trim_start_matches("http://")).unwrap();
    let head = "POST /auth/signin HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n";
    stuck.write_all(head.as_bytes()).unwrap();
    assert_eq!(TestClient::new(process.site.clone()).get("/health").await.status, 200);
    let told = Command::new("kill").args(["-TERM", &process.child.id().to_string()]).status().unwrap();
    assert!(told.success());
    for _ in 0..80 {
        if process.child.try_wait().unwrap().is_some() {
            return;
        }
        actix_rt::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("it still runs 8 s after SIGTERM");
}

#[cfg(unix)]
#[actix_rt::test]
async fn it_stops_without_a_word_where_fauna_and_mail_are_elsewhere() {
    let fauna = crate::world::World::start().await;
    let (endpoint, key) = fauna.fauna_credentials();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let said = directory.path().join("stderr");
    let mut command = program(directory.path());
    command.envs([("FAUNA_ENDPOINT", &endpoint), ("FAUNA_SECRET", &key)]);
    command.env("SMTP_URL", format!("smtp://{}", silent.local_addr().unwrap()));
    command.stderr(std::fs::File::create(&said).unwrap());
    let process = Process::beside(command, endpoint);
    let ann = TestClient::new(process.site.clone());
    assert_eq!(ann.post("/auth/signup", &credentials("ann@example.com", PASSWORD)).await.status, 200);
    let body = json!({"formFields": [{"id": "email", "value": "ann@example.com"}]});
    assert_eq!(ann.post("/auth/user/password/reset/token", &body).await.status, 200);
    process.terminate();
    assert_eq!(std::fs::read_to_string(said).unwrap(), "");
}

#[actix_rt::test]
async fn a_full_disk_is_503_and_nothing_is_half_written() {
    let directory = tempfile::tempdir().unwrap();
    Process::start(directory.path()).kill();
    let largest = ["fauna.sqlite", "fauna.sqlite-wal", "sessions.sqlite", "sessions.sqlite-wal"]
        .map(|name| std::fs::metadata(directory.path().join(name)).map_or(0, |file| file.len()))
        .into_iter()
        .max()
        .unwrap();
    let blocks = u32::try_from(largest / 512).unwrap() + 64;
    let full = Process::start_on_a_full_disk(directory.path(), blocks);
    let (mut done, mut refused) = (Vec::new(), Vec::new());
    for n in 0..60 {
        let email = format!("ann{n}@example.com");
        let visitor = TestClient::new(full.site.clone());
        let answer = visitor.post("/auth/signup", &credentials(&email, PASSWORD)).await;
        match answer.status {
            200 => done.push((email, visitor)),
            status => {
                assert_eq!((status, answer.header("retry-after")), (503, "2"), "{}", answer.text);
                assert_eq!(answer.set_cookies(), Vec::<String>::new());
                refused.push(email);
            }
        }
        if refused.len() == 3 {
            break;
        }
    }
    assert!(!done.is_empty() && refused.len() == 3, "{} signed up, {} were refused", done.len(), refused.len());
    assert_eq!(TestClient::new(full.site.clone()).get("/health").await.status, 200);
    full.kill();

    let roomy = Process::start(directory.path());
    for (email, visitor) in done {
        assert_eq!(visitor.at(&roomy.site).get("/sessioninfo").await.status, 200, "{email}");
    }
    for email in refused {
        let visitor = TestClient::new(roomy.site.clone());
        let status = |answer: crate::client::Response| answer.json()["status"].as_str().unwrap().to_owned();
        let again = status(visitor.post("/auth/signup", &credentials(&email, PASSWORD)).await);
        assert!(matches!(again.as_str(), "OK" | "FIELD_ERROR"), "{again}");
        assert_eq!(status(visitor.post("/auth/signin", &credentials(&email, PASSWORD)).await), "OK", "{email}");
    }
}

/// Standard error of a program that refuses to start.
fn refusal(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_port_that_is_taken_is_named_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (setting, words) in
        [("LISTEN", &[][..]), ("EMBEDDED_FAUNA_LISTEN", &[]), ("EMBEDDED_FAUNA_LISTEN", &["users", "count"])]
    {
        let directory = tempfile::tempdir().unwrap();
        let text = refusal(program(directory.path()).env(setting, &address).args(words));
        let told = format!("{setting}={address}: Address already in use");
        assert!(text.starts_with(&told) && text.contains("already running?"), "{words:?}: {text}");
    }
}

#[test]
fn a_data_directory_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    for words in [&[][..], &["users", "count"]] {
        for (data, cause) in [(file.as_path(), "File exists"), (Path::new("/proc"), "No such file")] {
            let text = refusal(program(directory.path()).env("DATA_DIR", data).args(words));
            let told = format!("DATA_DIR: {}: {cause}", data.display());
            assert!(text.starts_with(&told), "{words:?}: {text}");
        }
    }
}

#[test]
fn a_database_that_refuses_is_named_with_its_own_words_and_without_its_password() {
    let directory = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for words in [&[][..], &["users", "count"]] {
        let url = format!("postgres://app:hunter2@{free}/app");
        let text = refusal(program(directory.path()).env("DATABASE_URL", url).args(words));
        assert!(text.starts_with(&format!("DATABASE_URL=postgres://…@{free}: ")), "{text}");
        assert!(text.contains("Connection refused") && !text.contains("hunter2"), "{text}");
        let text = refusal(program(directory.path()).env("DATABASE_URL", "sqlite:///no/such/folder/a").args(words));
        assert!(text.starts_with("DATABASE_URL=sqlite:///no/such/folder/a: "), "{text}");
    }
}

#[test]
fn a_wrong_configuration_is_told_whole_and_nothing_starts() {
    let directory = tempfile::tempdir().unwrap();
    let wrong = [("LISTEN", "x"), ("SESSION_GRACE_S", "y"), ("LOG", "a=b=c"), ("MAIL_FROM", "nobody")];
    let text = refusal(program(directory.path()).envs(wrong));
    for (name, _) in wrong {
        assert!(text.contains(&format!("\n  {name}: must be ")), "{name} is missing in: {text}");
    }
}

#[test]
fn a_line_of_the_settings_file_that_cannot_be_read_is_told_by_its_number_alone() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(".env"), "LOG=warn\n\nADMIN_API_KEY=hunter2 swordfish\n").unwrap();
    for words in [&[][..], &["users", "count"]] {
        let text = refusal(program(directory.path()).args(words));
        assert!(text.contains(".env: line 3 ") && text.contains("quotes"), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("swordfish"), "{text}");
    }
}

#[actix_rt::test]
async fn a_dollar_sign_in_the_settings_file_is_part_of_the_value() {
    let directory = tempfile::tempdir().unwrap();
    let key = "aaaaaaaaaa$bbbbbbbbbbbbbbbbbbbb";
    let text = format!("ADMIN_API_KEY={key}\nSESSION_GRACE_S=20  # don't\n");
    std::fs::write(directory.path().join(".env"), text).unwrap();
    let process = Process::start(directory.path());
    for (key, status) in [(key, 200), ("aaaaaaaaaa", 401)] {
        let mut visitor = TestClient::new(process.site.clone());
        visitor.header("authorization", &format!("Bearer {key}"));
        assert_eq!(visitor.get("/api/admin/users/count").await.status, status, "{key}");
    }
}

#[test]
fn a_name_in_the_settings_file_that_is_no_setting_is_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(".env");
    std::fs::write(&file, "ADMIN_APIKEY=hunter2\nSIGN_UP_FIELDS=city?\nSOMETHING=else\n").unwrap();
    let output = program(directory.path())
        .env("NOT_FROM_THE_FILE", "x")
        .env("SMTP_ULR", "hunter2")
        .env("SESION_GRACE_S", "hunter2")
        .env("SESSION_MANAGER", "local/unix")
        .args(["users", "count"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && text.lines().count() == 4, "{text}");
    assert!(text.contains(".env: ADMIN_APIKEY is not a setting\n"), "{text}");
    assert!(text.contains(".env: SOMETHING is not a setting\n") && !text.contains("hunter2"), "{text}");
    assert!(text.contains("environment: SMTP_ULR is not a setting\n"), "{text}");
    assert!(text.contains("environment: SESION_GRACE_S is not a setting\n"), "{text}");
    std::fs::write(&file, "FAUNA_ENDPOINT=https://fauna.example.com\nFAUNA_SECRT=hunter2\n").unwrap();
    let text = refusal(&mut program(directory.path()));
    assert!(
        text.contains("FAUNA_SECRET: must be set together") && text.contains(".env: FAUNA_SECRT is not a setting"),
        "{text}"
    );
}

/// Browsers reject such cookies (ASVS 3.3.2).
#[test]
fn a_site_whose_cookies_browsers_would_drop_does_not_start() {
    for (name, value, told) in
        [("TOKEN_TRANSFER_METHOD", "cookie", "API_DOMAIN"), ("COOKIE_DOMAIN", "a b", "COOKIE_DOMAIN")]
    {
        let directory = tempfile::tempdir().unwrap();
        let mut program = program(directory.path());
        let output = program.env("WEBSITE_DOMAIN", "https://site.example").env(name, value).output().unwrap();
        assert!(!output.status.success());
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(&format!("{told}: must be")), "{text}");
    }
}

#[test]
fn production_does_not_start_with_what_is_only_safe_on_a_desk() {
    let directory = tempfile::tempdir().unwrap();
    let output = program(directory.path()).env("APP_ENV", "production").output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    for name in ["FAUNA_ENDPOINT", "SEAL_KEYS", "SMTP_URL"] {
        assert!(text.contains(name), "{name} is missing in: {text}");
    }
}

#[test]
fn what_production_should_know_is_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = program(directory.path());
    command.env("APP_ENV", "production").env("SMTP_URL", "smtp://localhost").env("ADMIN_API_KEY", "short");
    for name in ["INSECURE_EMBEDDED_FAUNA_IN_PRODUCTION", "INSECURE_GENERATED_SECRETS_IN_PRODUCTION"] {
        command.env(name, "true");
    }
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let log: Vec<String> = lines.take_while(|line| !line.contains("the site listens")).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    for name in ["DATABASE_URL", "API_DOMAIN", "WEBSITE_DOMAIN", "MAIL_FROM", "ADMIN_API_KEY"] {
        let warned = log.iter().any(|line| line.contains("WARN") && line.contains(name));
        assert!(warned, "{name} is missing in: {log:#?}");
    }
}

#[test]
fn generated_secrets_are_private_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    Process::start(directory.path()).kill();
    for name in ["embedded-fauna-root-key", "embedded-fauna-app-key"] {
        let mode = std::fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}
