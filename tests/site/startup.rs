//! Starting: against a Fauna that is not set up as it should be, and on a terminal.

use std::io::BufRead as _;
use std::io::BufReader;
use std::process::{Command, Stdio};

use serde_json::json;
use starter::app;
use starter::clock::Clock;

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
