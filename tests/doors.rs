//! Does what README.md says under "Add a handler" and "Add a collection", word for word, on a copy of the tree: builds it,
//! sees the new routes work, and sees the access test fail as long as a new route has no row.
//!
//! It builds the application a second time, so plain `cargo test` leaves it out:
//! `cargo test --test doors -- --ignored`
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, and this one says where it is"
)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use reqwest::Method;
use serde_json::{Value, json};

#[path = "support/mod.rs"]
mod support;

use support::client::TestClient;
use support::fauna::FaunaNode;
use support::world::{PASSWORD, credentials};

const ROOT_KEY: &str = "root-key-of-this-test";
/// The test file whose rows come last, so that the test for missing rows can be seen to fail.
const ACCESS: &str = "tests/site/access.rs";
/// Files and folders that are not copied.
const LEFT_OUT: &[&str] = &["target", "data", ".git", ".env", "node_modules", ".cache"];

/// A block of code with the paragraph above it.
struct Step {
    says: String,
    language: String,
    code: String,
}

#[actix_rt::test]
#[ignore = "builds a copy of the tree; .ci/run runs it"]
async fn what_the_readme_says_about_adding_things_works() {
    let tree = Path::new(env!("CARGO_TARGET_TMPDIR")).join("doors");
    copy_tree(&tree);
    let handler = steps("Add a handler");
    let collection = steps("Add a collection");
    for step in handler.iter().chain(&collection).filter(|step| !step.says.contains(ACCESS)) {
        follow(&tree, step);
    }
    let access = |path: &str| {
        let output = cargo(&tree, &["test", "--test", "site", "every_route_has_a_row"]);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success(), "the access test passes although {path} has no row");
        assert!(text.contains(&format!("{path} has no row in ROUTES")), "{text}");
    };
    access("GET /api/bookmarks");
    collection.iter().filter(|step| step.says.contains(ACCESS)).for_each(|step| follow(&tree, step));
    access("GET /api/comments/count");
    handler.iter().filter(|step| step.says.contains(ACCESS)).for_each(|step| follow(&tree, step));

    for arguments in [
        &["test", "--test", "site", "--", "access::", "openapi::", "users_count_their_own_comments"][..],
        &["test", "--test", "tidy"],
        &["build", "--bin", "actix-fauna-starter"],
    ] {
        let output = cargo(&tree, arguments);
        assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    bookmarks_belong_to_their_owner_and_go_with_them(&tree).await;
}

async fn bookmarks_belong_to_their_owner_and_go_with_them(tree: &Path) {
    let site = Site::start(tree);
    let (ann, ben) = (site.sign_up("ann@example.com").await, site.sign_up("ben@example.com").await);
    for (owner, text) in [(&ann, "one"), (&ann, "two"), (&ben, "three")] {
        let response = owner.post("/api/bookmarks", &json!({"text": text})).await;
        assert_eq!(response.status, 201, "{}", response.text);
    }
    let seen = ann.get("/api/bookmarks").await.json();
    assert_eq!(seen["bookmarks"].as_array().unwrap().len(), 2, "{seen}");
    assert_eq!(site.count("bookmarks").await, 3);

    let body = json!({"currentPassword": PASSWORD}).to_string();
    let deleted =
        ann.send(Method::DELETE, "/api/user", &[("content-type", "application/json")], Some(body.into())).await;
    assert_eq!(deleted.status, 200, "{}", deleted.text);
    assert_eq!(site.count("bookmarks").await, 1, "the bookmarks of the deleted user are still there");
}

/// The steps of a section of the README.
fn steps(title: &str) -> Vec<Step> {
    let readme = fs::read_to_string("README.md").unwrap();
    let section = readme.split("\n## ").find(|section| section.starts_with(title)).unwrap();
    let (mut steps, mut paragraph) = (Vec::new(), Vec::new());
    let mut lines = section.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let indent = line.len() - line.trim_start().len();
            let code = lines.by_ref().take_while(|line| line.trim() != "```");
            let code: Vec<&str> = code.map(|line| line.get(indent..).unwrap_or_default()).collect();
            let code = format!("{}\n", code.join("\n"));
            let says = std::mem::take(&mut paragraph).join(" ");
            steps.push(Step { says, language: language.to_owned(), code });
        } else if line.trim_start().starts_with(|c: char| c.is_ascii_digit()) {
            paragraph = vec![line.trim()];
        } else if !line.trim().is_empty() {
            paragraph.push(line.trim());
        }
    }
    assert!(!steps.is_empty(), "README.md has no steps under {title}");
    steps
}

/// Runs a block of shell, or inserts a block of code where the paragraph above it says.
fn follow(tree: &Path, step: &Step) {
    if step.language == "sh" {
        let status = Command::new("bash").args(["-euc", &step.code]).current_dir(tree).status().unwrap();
        assert!(status.success(), "{}", step.code);
        return;
    }
    let quoted: Vec<&str> = step.says.split('`').collect();
    let place = quoted.iter().position(|text| text.ends_with("In ")).unwrap_or_else(|| panic!("where? {}", step.says));
    let (file, relation, anchor) = (tree.join(quoted[place + 1]), quoted[place + 2], quoted.get(place + 3));
    let text = fs::read_to_string(&file).unwrap();
    let changed = if relation.starts_with(", at the end") {
        format!("{text}\n{}", step.code)
    } else {
        let anchor = anchor.unwrap();
        let found: Vec<&str> = text.lines().filter(|line| line.contains(anchor)).collect();
        let [line] = found[..] else { panic!("{} has {} lines with {anchor}", file.display(), found.len()) };
        let line = format!("{line}\n");
        match relation.trim_start_matches(", ").split(' ').next() {
            Some("before") => text.replacen(&line, &format!("{}{line}", step.code), 1),
            Some("after") => text.replacen(&line, &format!("{line}{}", step.code), 1),
            _ => panic!("before or after? {}", step.says),
        }
    };
    fs::write(&file, changed).unwrap();
}

/// Runs cargo in the copy; third-party crates are compiled already.
fn cargo(tree: &Path, arguments: &[&str]) -> Output {
    println!("cargo {}", arguments.join(" "));
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).current_dir(tree).env("CARGO_TARGET_DIR", target()).env("RUST_BACKTRACE", "0");
    command.output().unwrap()
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_path_buf()
}

/// Copies what has changed, so that a second run builds little.
fn copy_tree(to: &Path) {
    for (file, text) in files(Path::new(".")) {
        let copy = to.join(&file);
        let text = if file == Path::new("Cargo.toml") { another_version(&text) } else { text };
        if fs::read(&copy).ok().as_ref() != Some(&text) {
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::write(&copy, text).unwrap();
        }
    }
    for (file, _) in files(to) {
        let original = file.strip_prefix(to).unwrap();
        if !original.exists() {
            fs::remove_file(&file).unwrap();
            let _not_empty = fs::remove_dir(file.parent().unwrap());
        }
    }
}

/// Cargo tells crates in one target directory apart by name and version, not by where their sources are. With the same
/// version, a later `cargo` in the original tree would take what was built from the copy for its own.
fn another_version(manifest: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(manifest.to_vec()).unwrap();
    let version = concat!("\nversion = \"", env!("CARGO_PKG_VERSION"), "\"\n");
    assert_eq!(text.matches(version).count(), 1, "Cargo.toml sets the version once");
    text.replace(version, &format!("\nversion = \"9{}\"\n", env!("CARGO_PKG_VERSION"))).into_bytes()
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if LEFT_OUT.contains(&name) {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let text = fs::read(&path).unwrap();
            found.push((path.strip_prefix(".").unwrap_or(&path).to_path_buf(), text));
        }
    }
    found
}

/// The program that was built from the copy.
struct Site {
    process: Child,
    base: String,
    fauna: FaunaNode,
    _files: tempfile::TempDir,
}

impl Site {
    fn start(tree: &Path) -> Self {
        let files = tempfile::tempdir().unwrap();
        let mut command = Command::new(target().join("debug/actix-fauna-starter"));
        command
            .current_dir(files.path())
            .env_clear()
            .envs([("LISTEN", "127.0.0.1:0"), ("EMBEDDED_FAUNA_LISTEN", "127.0.0.1:0"), ("LOG_FORMAT", "json")])
            .env("EMBEDDED_FAUNA_ROOT_KEY", ROOT_KEY)
            .env("DATA_DIR", files.path())
            .stdout(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", tree.display()));
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (mut base, mut endpoint) = (None, None);
        while base.is_none() {
            let line = lines.next().unwrap_or_else(|| panic!("the program ended at its start")).unwrap();
            let line: Value = serde_json::from_str(&line).unwrap();
            match line["message"].as_str() {
                Some("the site listens") => base = line["address"].as_str().map(str::to_owned),
                Some("embedded Fauna listens") => endpoint = line["endpoint"].as_str().map(str::to_owned),
                _ => {}
            }
        }
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, base: base.unwrap(), fauna: FaunaNode::at(&endpoint.unwrap()), _files: files }
    }

    async fn sign_up(&self, email: &str) -> TestClient {
        let user = TestClient::new(self.base.clone());
        let response = user.post("/auth/signup", &credentials(email, PASSWORD)).await;
        assert_eq!(response.json()["status"], "OK", "{}", response.text);
        user
    }

    async fn count(&self, collection: &str) -> u64 {
        let all = json!({"paginate": {"documents": {"collection": collection}}, "size": 1000});
        let (status, body) = self.fauna.ask(ROOT_KEY, &json!({"count": all})).await;
        assert_eq!(status, 200, "{body}");
        body["resource"]["data"][0].as_u64().unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _already_gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}
