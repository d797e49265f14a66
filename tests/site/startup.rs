//! Starting: against a Fauna that is not set up as it should be, and on a terminal.

use std::io::BufRead as _;
use std::io::BufReader;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use serde_json::json;
use starter::app;
use starter::clock::Clock;
use starter::config::{Environment, SealKey};

use crate::binary::{placed, program};
use crate::world::World;

/// A world, and the settings of a site on an empty database in its Fauna, with an admin key.
pub async fn empty_database() -> (World, String, String) {
    let fauna = World::start().await;
    let (endpoint, _) = fauna.fauna_credentials();
    let root = "root-key-of-this-test";
    let made = fauna.fauna().ask(root, &json!({"create_database": {"object": {"name": "empty"}}})).await;
    assert_eq!(made.0, 201, "{}", made.1);
    let key = json!({"create_key": {"object": {"database": {"database": "empty"}, "role": "admin"}}});
    let admin = fauna.fauna().ask(root, &key).await.1["resource"]["secret"].as_str().unwrap().to_owned();
    (fauna, endpoint, admin)
}

#[actix_rt::test]
async fn a_site_whose_schema_is_missing_says_so_until_it_is_installed() {
    let (_fauna, endpoint, admin) = empty_database().await;
    let site = World::with(&[("FAUNA_ENDPOINT", &endpoint), ("FAUNA_SECRET", &admin)]).await;
    let answer = site.visitor().get("/ready").await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(answer.json()["message"].as_str().unwrap().contains("schema apply"), "{}", answer.text);
    app::apply_schema(&site.config()).await.unwrap();
    assert_eq!(site.visitor().get("/ready").await.status, 200);
}

#[actix_rt::test]
async fn files_of_a_newer_version_are_refused_in_one_sentence() {
    for (file, change) in [
        (
            "sessions.sqlite",
            "update _sqlx_migrations set version = 99999999999999 where version = (select max(version) from _sqlx_migrations)",
        ),
        ("fauna.sqlite", "pragma user_version = 99"),
    ] {
        let mut world = World::start().await;
        let mut config = world.config();
        world.stop().await;
        // The files, also where the tests run on PostgreSQL or a FaunaDB node.
        config.database_url = None;
        if matches!(config.fauna, starter::config::Fauna::Remote { .. }) {
            let listen = ([127, 0, 0, 1], 0).into();
            config.fauna = starter::config::Fauna::Embedded { listen, root_key: None };
        }
        app::start(config.clone(), Clock::system()).await.unwrap().stop().await;
        sqlx::any::install_default_drivers();
        let database =
            sqlx::AnyPool::connect(&format!("sqlite://{}", config.data_dir.join(file).display())).await.unwrap();
        sqlx::query(change).execute(&database).await.unwrap();
        database.close().await;
        let refused = app::start(config, Clock::system()).await.err().unwrap().to_string();
        assert!(refused.contains(file) && refused.contains("was written by a newer version"), "{refused}");
        assert_eq!(refused.lines().count(), 1, "{refused}");
    }
}

#[actix_rt::test]
async fn a_wrong_secret_is_refused_in_one_sentence() {
    let fauna = World::start().await;
    let (endpoint, _) = fauna.fauna_credentials();
    let mut config = World::start().await.config();
    config.fauna = starter::config::Fauna::Remote { endpoint, secret: "fnNotAKey".to_owned().into() };
    let refused = app::start(config, Clock::system()).await.err().unwrap().to_string();
    assert!(refused.starts_with("FAUNA_SECRET: ") && refused.lines().count() == 1, "{refused}");
    assert!(!refused.contains("fnNotAKey"), "{refused}");
}

#[test]
fn schema_apply_without_a_node_says_what_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let output = program(directory.path()).args(["schema", "apply"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("FAUNA_ENDPOINT"));
}

#[actix_rt::test]
async fn a_schema_is_applied_with_an_admin_key_or_refused_in_one_sentence() {
    let fauna = World::start().await;
    let (endpoint, key) = fauna.fauna_credentials();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://{free}");
    let unreached = format!("FAUNA_ENDPOINT={nobody}: Fauna cannot be asked: connection refused");
    for (endpoint, secret, told) in [
        (&endpoint, key.as_str(), "FAUNA_SECRET: must be an admin key"),
        (&endpoint, "fnNotAKey", "FAUNA_SECRET: Fauna at "),
        (&nobody, "fnNotAKey", &unreached),
    ] {
        let mut config = fauna.config();
        config.fauna = starter::config::Fauna::Remote { endpoint: endpoint.clone(), secret: secret.to_owned().into() };
        let refused = app::apply_schema(&config).await.err().unwrap().to_string();
        assert!(refused.starts_with(told) && refused.lines().count() == 1, "{refused}");
        assert!(!refused.contains(secret), "{refused}");
    }
}

async fn key_names(world: &World) -> Vec<String> {
    let rows = sqlx::query("select kid from session_key order by kid").fetch_all(&mut world.sql().await).await;
    rows.unwrap().iter().map(|row| sqlx::Row::get(row, 0)).collect()
}

/// A wrong ring would sign everybody out, and what it writes could not be opened afterwards.
#[actix_rt::test]
async fn production_does_not_start_with_a_ring_that_opens_nothing() {
    let mut world = World::start().await;
    world.sign_up("ann@example.com").await;
    let before = key_names(&world).await;
    let config = world.config();
    let mut wrong = config.clone();
    wrong.seal_keys = vec![SealKey { id: "k9".to_owned(), bytes: [9; 32] }];
    let mut out = Vec::new();
    app::users(&wrong, &app::UsersCommand::Count, &mut out).await.unwrap();
    assert_eq!(String::from_utf8(out).unwrap().trim(), "1");
    assert_eq!(key_names(&world).await, before, "commands write no keys");
    world.stop().await;
    wrong.environment = Environment::Production;
    let refused = app::start(wrong, Clock::system()).await.err().unwrap().to_string();
    assert!(refused.starts_with("SEAL_KEYS: none of the stored keys (") && refused.lines().count() == 1, "{refused}");
    assert_eq!(key_names(&world).await, before);
    let right = starter::config::Config { environment: Environment::Production, ..config };
    app::start(right, Clock::system()).await.unwrap().stop().await;
}

#[test]
fn stored_keys_that_cannot_be_opened_are_warned_of_once() {
    let directory = tempfile::tempdir().unwrap();
    let log_with = |seal_keys: String| {
        let mut child = program(directory.path()).env("SEAL_KEYS", seal_keys).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let log: Vec<String> = lines.take_while(|line| !line.contains("the site listens")).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        log.into_iter().filter(|line| line.contains("SEAL_KEYS")).collect::<Vec<_>>()
    };
    let (first, second) = (format!("a:{}", "A".repeat(43)), format!("b:{}A", "B".repeat(42)));
    assert_eq!(log_with(first.clone()), Vec::<String>::new());
    for (keys, told) in [(second, "opens none of the stored keys"), (first, "does not open the stored keys")] {
        let log = log_with(keys);
        assert!(log.len() == 1 && log[0].contains(told) && log[0].contains("r-"), "{log:#?}");
    }
}

/// `script` of util-linux gives the program a terminal.
#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_the_first_start_prints_one_block_and_nothing_above_it() {
    let directory = tempfile::tempdir().unwrap();
    let binary = std::path::PathBuf::from(program(directory.path()).get_program());
    let mut command = placed(Command::new("script"), directory.path());
    command
        .args(["--quiet", "--return", "--command"])
        .arg(format!("exec {}", binary.display()))
        .arg("/dev/null")
        .env_remove("DEMO");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let printed = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut block = Vec::new();
    for line in printed {
        block.push(line.trim().to_owned());
        if line.trim().starts_with("Data ") {
            break;
        }
    }
    // On SIGTERM `script` ends the program, too.
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    child.wait().unwrap();
    let names: Vec<&str> =
        block.iter().filter(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["Site", "Demo", "Mailbox", "API", "Fauna", "Data"], "{block:#?}");
}
