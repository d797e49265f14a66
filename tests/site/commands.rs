//! The commands that look after users, run as the program that somebody types them to.

use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};

use crate::admin::{ARGON2, KEY, entry};
use crate::binary::{Process, program};
use crate::client::TestClient;
use crate::imports::many;
use crate::world::{PASSWORD, credentials};

fn users(directory: &Path, words: &[&str]) -> Output {
    program(directory).arg("users").args(words).output().unwrap()
}

/// Standard output of a command that succeeds.
fn said(directory: &Path, words: &[&str]) -> String {
    let output = users(directory, words);
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{words:?}: {out} {err}");
    out
}

/// What a command that fails has to say: on standard output, and on standard error.
fn failed(directory: &Path, words: &[&str]) -> (String, String) {
    let output = users(directory, words);
    assert!(!output.status.success(), "{words:?}");
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn emails(lines: &str) -> Vec<String> {
    let email = |line: &str| {
        let json: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        json["emails"][0].as_str().unwrap().to_owned()
    };
    lines.lines().map(email).collect()
}

#[test]
fn users_are_imported_listed_counted_found_exported_and_deleted() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let people: Vec<Value> = (0..3)
        .map(|n| {
            let mut person = entry(&format!("user{n}@example.com"), "argon2", ARGON2);
            person["loginMethods"][0]["timeJoinedInMSSinceEpoch"] = json!(1_672_531_199_000_i64 + n);
            person
        })
        .collect();
    let file = here.path().join("people.json");
    let path = file.to_str().unwrap();
    std::fs::write(&file, format!("{:#}", json!({"users": people}))).unwrap();

    assert_eq!(said(here.path(), &["import", path]), "3 users imported\n");
    assert_eq!(said(here.path(), &["count"]), "3\n");
    let newest = ["user2@example.com", "user1@example.com", "user0@example.com"];
    assert_eq!(emails(&said(here.path(), &["list"])), newest);
    assert_eq!(emails(&said(here.path(), &["list", "newest"])), newest);
    let oldest: Vec<&str> = newest.into_iter().rev().collect();
    assert_eq!(emails(&said(here.path(), &["list", "oldest"])), oldest);

    let found = said(here.path(), &["find", " USER1@example.com"]);
    assert_eq!(emails(&found), ["user1@example.com"]);
    assert!(failed(here.path(), &["find", "nobody@example.com"]).1.contains("no such user"));

    let exported = there.path().join("people.jsonl");
    std::fs::write(&exported, said(here.path(), &["export"])).unwrap();
    assert_eq!(said(there.path(), &["import", exported.to_str().unwrap()]), "3 users imported\n");
    assert_eq!(emails(&said(there.path(), &["list", "oldest"])), oldest);

    let id = serde_json::from_str::<Value>(&found).unwrap()["id"].as_str().unwrap().to_owned();
    assert!(said(here.path(), &["delete", &id]).contains(&format!("user {id} is deleted")));
    assert!(failed(here.path(), &["delete", &id]).1.contains("no such user"));
    assert_eq!(said(here.path(), &["count"]), "2\n");
}

#[test]
fn an_import_that_is_not_right_names_every_bad_entry_and_imports_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("people.jsonl");
    let good = entry("ann@example.com", "argon2", ARGON2);
    let lines =
        [good.to_string(), "{\"cut\": ".to_owned(), entry("nope", "argon2", ARGON2).to_string(), good.to_string()];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let (out, err) = failed(directory.path(), &["import", file.to_str().unwrap()]);
    let expected = [
        "entry 1: this is not JSON",
        "entry 2: email is required for an emailpassword recipe and must be an address",
        "entry 3: another entry has the same email",
        "3 entries have problems (the first entry is 0); nothing was imported",
    ];
    assert_eq!((out.as_str(), err.lines().collect::<Vec<_>>()), ("", expected.to_vec()));
    assert_eq!(said(directory.path(), &["count"]), "0\n");
}

#[test]
fn a_file_that_cannot_be_imported_is_named_and_nothing_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let file = |name: &str, bytes: &[u8]| std::fs::write(directory.path().join(name), bytes).unwrap();
    std::fs::create_dir(directory.path().join("folder")).unwrap();
    file("latin.json", b"{\"users\": [\"J\xf6rg\"]}");
    for (name, why) in [("no-such-file", "No such file"), ("folder", "directory"), ("latin.json", "UTF-8, at byte 13")]
    {
        let output = program(directory.path()).env("DATA_DIR", &data).args(["users", "import", name]).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.starts_with(&format!("{name}: ")) && text.contains(why), "{text}");
    }
    assert!(!data.exists());
}

#[test]
fn a_document_that_is_no_json_is_told_once_and_a_mark_of_its_encoding_is_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("people.json");
    let people = format!("{:#}", json!({"users": [entry("ann@example.com", "argon2", ARGON2)]}));
    std::fs::write(&path, people.replace("true,", "true")).unwrap();
    let (out, err) = failed(directory.path(), &["import", "people.json"]);
    assert!(err.starts_with("people.json: this is not JSON: ") && err.contains("at line 12 column "), "{err}");
    assert_eq!((out.as_str(), err.lines().count()), ("", 1), "{err}");
    std::fs::write(&path, format!("\u{feff}{people}")).unwrap();
    assert_eq!(said(directory.path(), &["import", "people.json"]), "1 users imported\n");
}

#[test]
fn an_import_says_what_can_be_done_about_what_is_not_here() {
    let directory = tempfile::tempdir().unwrap();
    let mut person = entry("ann@example.com", "argon2", ARGON2);
    person["userRoles"] = json!([{"role": "admin", "tenantIds": ["public"]}]);
    person["totpDevices"] = json!([{"secretKey": "x"}]);
    person["loginMethods"][0]["tenantIds"] = json!(["t1"]);
    std::fs::write(directory.path().join("people.jsonl"), person.to_string()).unwrap();
    let (_, err) = failed(directory.path(), &["import", "people.jsonl"]);
    for told in [
        "Role admin does not exist. Roles are not supported here: leave userRoles out.",
        "MFA must be enabled to import totp devices. Second factors are not supported here: leave totpDevices out.",
        "to a different tenant. Tenants are not supported here: leave tenantIds out",
        "\n1 entry has problems",
    ] {
        assert!(err.contains(told), "{told} is missing in: {err}");
    }
}

#[test]
fn commands_log_nothing_but_warnings_unless_told_to() {
    let directory = tempfile::tempdir().unwrap();
    let log = |setting: &[(&str, &str)]| {
        let output = program(directory.path()).envs(setting.iter().copied()).args(["users", "count"]).output().unwrap();
        assert_eq!(output.stdout, b"0\n");
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(log(&[]), "");
    assert!(log(&[("LOG", "info")]).contains("embedded Fauna listens"));
}

#[test]
fn what_can_be_typed_is_told_and_nothing_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let typed = |words: &[&str]| {
        let output = program(directory.path()).env("DATA_DIR", &data).args(words).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let all = ["list", "count", "find EMAIL", "delete ID", "import FILE", "export"];
    for (words, mentioned) in [
        (&["--help"][..], &[&all[..], &["schema apply", "--version"]].concat()[..]),
        (&["help"], &all),
        (&["users", "--help"], &["list", "count", "find", "delete", "import", "export"]),
        (&["users", "list", "--help"], &["newest", "oldest"]),
        (&["schema", "-h"], &["schema apply"]),
        (&["--version"], &[concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"))]),
    ] {
        let (code, out, err) = typed(words);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{words:?}");
        for word in mentioned {
            assert!(out.contains(word), "{words:?}: {word} is missing in: {out}");
        }
    }
    for (words, usage) in [
        (&["users"][..], "users <COMMAND>"),
        (&["users", "frob"], "users <COMMAND>"),
        (&["users", "list", "best"], "newest or oldest"),
        (&["users", "find"], "users find <EMAIL>"),
        (&["users", "count", "twice"], "users count"),
        (&["schema"], "schema <COMMAND>"),
        (&["schema", "frob"], "schema <COMMAND>"),
        (&["frobnicate"], "unrecognized subcommand 'frobnicate'"),
    ] {
        let (code, out, err) = typed(words);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{words:?}");
        assert!(err.contains(usage), "{words:?}: {err}");
    }
    assert!(!data.exists());
}

#[actix_rt::test]
async fn a_site_that_runs_is_asked_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let with_port = || {
        let mut command = program(directory.path());
        command.env("EMBEDDED_FAUNA_LISTEN", port.to_string());
        command
    };
    let site = Process::of(with_port());
    let ann = TestClient::new(site.site.clone());
    assert_eq!(ann.post("/auth/signup", &credentials("ann@example.com", PASSWORD)).await.status, 200);
    let id = ann.get("/sessioninfo").await.json()["userId"].as_str().unwrap().to_owned();
    let told =
        |words: &[&str]| String::from_utf8(with_port().arg("users").args(words).output().unwrap().stdout).unwrap();
    assert_eq!(told(&["count"]), "1\n");
    assert!(told(&["delete", &id]).contains("is deleted"));
    assert_eq!(told(&["count"]), "0\n");
    assert_eq!(ann.refresh().await.status, 401, "the session of a deleted account goes on");
}

#[actix_rt::test]
async fn an_import_that_is_killed_leaves_nobody_or_everybody() {
    const PEOPLE: usize = 2000;
    let directory = tempfile::tempdir().unwrap();
    let body = json!({"users": many(PEOPLE)});
    for delay_ms in [400, 1200, 2500] {
        let mut command = program(directory.path());
        command.env("ADMIN_API_KEY", KEY);
        let site = Process::of(command);
        let request = reqwest::Client::new()
            .post(format!("{}/api/admin/users/import", site.site))
            .bearer_auth(KEY)
            .header("content-type", "application/json")
            .body(body.to_string());
        let importing = actix_rt::spawn(async move { request.send().await.map(|answer| answer.status().as_u16()) });
        actix_rt::time::sleep(Duration::from_millis(delay_ms)).await;
        site.kill();
        let answered = importing.await.unwrap();
        let there = said(directory.path(), &["count"]);
        assert!(["0\n", "2000\n"].contains(&there.as_str()), "after {delay_ms} ms a part was left: {there}");
        if there != "0\n" {
            return;
        }
        assert!(answered.is_err(), "{answered:?} was answered, and nobody is there");
    }
}
