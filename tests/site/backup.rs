//! `backup` while the site is in use, and `restore`.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use sqlx::Connection as _;
use starter::app;
use starter::config::{Config, Fauna};

use crate::client::TestClient;
use crate::world::World;

/// Users who work while backups are made.
const USERS: usize = 4;
const BACKUPS: usize = 5;
/// Whatever database the tests run on: this is about files.
const IN_FILES: &[(&str, &str)] = &[("DATABASE_URL", "")];

/// The settings of the world with another data directory.
fn with_data_in(world: &World, directory: &Path) -> Config {
    Config { data_dir: directory.to_owned(), ..world.config() }
}

/// Refreshes, signs out and in again until it is told to stop.
async fn work(world: &World, email: &str, is_over: &AtomicBool) {
    let mut user = world.sign_up(email).await;
    while !is_over.load(Ordering::SeqCst) {
        assert_eq!(user.refresh().await.status, 200);
        assert_eq!(user.get("/sessioninfo").await.status, 200);
        assert_eq!(user.sign_out().await.status, 200);
        user = world.sign_in(email).await;
    }
}

/// The ids of the tokens of sessions and how many sessions there are; a session without a confirmed token fails.
async fn tokens_of_sessions(directory: &Path) -> (Vec<String>, i64) {
    sqlx::any::install_default_drivers();
    let file = format!("sqlite://{}", directory.join("sessions.sqlite").display());
    let mut sql = sqlx::AnyConnection::connect(&file).await.unwrap();
    let ids = sqlx::query_scalar(
        "select t.id from session s join fauna_token t on t.session_handle = s.handle and t.lineage = s.current_lineage \
         where t.sealed_secret is not null",
    );
    let ids = ids.fetch_all(&mut sql).await.unwrap();
    let sessions = sqlx::query_scalar("select count(*) from session").fetch_one(&mut sql).await.unwrap();
    (ids, sessions)
}

/// Starts a Fauna on the file of a directory and counts which of these tokens it has.
async fn existing(directory: &Path, world: &World, ids: &[String]) -> usize {
    let settings = embedded_fauna::Settings::new(
        "127.0.0.1:0".parse().unwrap(),
        directory.join("fauna.sqlite"),
        world.admin_secret().to_owned().into(),
        std::sync::Arc::new(embedded_fauna::SystemClock),
    );
    let fauna = embedded_fauna::start(settings).await.unwrap();
    let mut count = 0;
    for id in ids {
        let query = json!({"exists": {"ref": {"tokens": null}, "id": id}}).to_string();
        let answer = fauna.query(&world.admin_secret().to_owned().into(), query).await.unwrap();
        count += usize::from(answer.contains("true"));
    }
    fauna.halt().await;
    count
}

#[actix_rt::test]
async fn no_session_of_a_backup_made_under_load_is_without_its_token() {
    let world = World::with(IN_FILES).await;
    let is_over = AtomicBool::new(false);
    let parent = tempfile::tempdir().unwrap();
    let backups = async {
        let mut sessions_seen = 0;
        for number in 0..BACKUPS {
            let (copy, restored) =
                (parent.path().join(format!("copy{number}")), parent.path().join(format!("restored{number}")));
            app::backup(&world.config(), &copy).await.unwrap();
            app::restore(&with_data_in(&world, &restored), &copy).await.unwrap();
            let (ids, sessions) = tokens_of_sessions(&restored).await;
            assert_eq!(i64::try_from(ids.len()).unwrap(), sessions, "each session has a confirmed token in SQL");
            assert_eq!(existing(&restored, &world, &ids).await, ids.len(), "and in Fauna");
            sessions_seen += sessions;
        }
        is_over.store(true, Ordering::SeqCst);
        sessions_seen
    };
    let emails: Vec<String> = (0..USERS).map(|n| format!("user{n}@example.com")).collect();
    let working = futures_util::future::join_all(emails.iter().map(|email| work(&world, email, &is_over)));
    let (sessions_seen, _) = tokio::join!(backups, working);
    assert!(sessions_seen > 0, "nobody was signed in while the backups were made");
}

#[actix_rt::test]
async fn a_restored_site_goes_on_where_the_backup_was_made() {
    let mut world = World::with(IN_FILES).await;
    let ann = world.sign_up("ann@example.com").await;
    let parent = tempfile::tempdir().unwrap();
    let (copy, restored) = (parent.path().join("copy"), parent.path().join("restored"));
    app::backup(&world.config(), &copy).await.unwrap();
    let late = world.sign_up("late@example.com").await;
    assert!(app::backup(&world.config(), &copy).await.is_err(), "the directory is in use");
    assert!(app::restore(&world.config(), &copy).await.unwrap_err().to_string().contains("is not empty"));
    #[cfg(unix)]
    for entry in std::fs::read_dir(&copy).unwrap() {
        use std::os::unix::fs::PermissionsExt as _;
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", entry.path().display());
    }
    app::restore(&with_data_in(&world, &restored), &copy).await.unwrap();
    world.stop().await;
    let site = app::start(with_data_in(&world, &restored), world.clock.clone()).await.unwrap();
    let base = format!("http://{}", site.address());
    let [ann, late]: [TestClient; 2] = [ann, late].map(|client| client.at(&base));
    let posted = ann.post("/api/comments", &json!({"text": "still here"})).await;
    assert_eq!(posted.status, 201, "{}", posted.text);
    assert_eq!(late.post("/api/comments", &json!({"text": "from the future"})).await.status, 401);
    site.stop().await;
    world.resume().await;
}

#[actix_rt::test]
async fn damaged_and_unfinished_backups_are_refused_and_leave_nothing_behind() {
    let world = World::with(IN_FILES).await;
    let parent = tempfile::tempdir().unwrap();
    let (copy, restored) = (parent.path().join("copy"), parent.path().join("restored"));
    app::backup(&world.config(), &copy).await.unwrap();
    let manifest = std::fs::read_to_string(copy.join("backup.json")).unwrap();
    let refusal = async || {
        let error = app::restore(&with_data_in(&world, &restored), &copy).await.unwrap_err().to_string();
        assert!(!restored.exists(), "{error}");
        error
    };
    std::fs::write(copy.join("backup.json"), manifest.replace("seal-key", "../seal-key")).unwrap();
    assert!(refusal().await.contains("names a file that no backup has"));
    std::fs::write(copy.join("backup.json"), manifest.replace("\"format\":2", "\"format\":3")).unwrap();
    assert!(refusal().await.contains("newer version"));
    std::fs::remove_file(copy.join("backup.json")).unwrap();
    assert!(refusal().await.contains("was not finished"));
    std::fs::write(copy.join("backup.json"), &manifest).unwrap();
    for name in ["fauna.sqlite", "sessions.sqlite", "seal-key"] {
        let content = std::fs::read(copy.join(name)).unwrap();
        std::fs::write(copy.join(name), "").unwrap();
        assert!(refusal().await.contains(&format!("{name} is not the file that was backed up")));
        std::fs::write(copy.join(name), content).unwrap();
    }
    // What a backup of the first format can be checked for.
    std::fs::write(copy.join("backup.json"), manifest.replace("\"format\":2", "\"format\":1")).unwrap();
    std::fs::write(copy.join("fauna.sqlite"), "not a database".repeat(1000)).unwrap();
    assert!(refusal().await.contains("fauna.sqlite is damaged"));
    std::fs::write(copy.join("backup.json"), &manifest).unwrap();
    std::fs::remove_file(copy.join("sessions.sqlite")).unwrap();
    assert!(refusal().await.contains("sessions.sqlite"));
}

#[actix_rt::test]
async fn a_backup_is_not_made_in_the_directory_it_is_of_nor_restored_where_nothing_would_read_it() {
    let world = World::with(IN_FILES).await;
    let parent = tempfile::tempdir().unwrap();
    let inside = world.config().data_dir.join("copies").join("today");
    let error = app::backup(&world.config(), &inside).await.unwrap_err().to_string();
    assert!(error.contains("is inside DATA_DIR") && !inside.parent().unwrap().exists(), "{error}");

    let [copy, restored] = ["copy", "restored"].map(|name| parent.path().join(name));
    app::backup(&world.config(), &copy).await.unwrap();
    let elsewhere = with_data_in(&world, &restored);
    let sql = Config { database_url: Some("postgres://app@localhost/app".to_owned().into()), ..elsewhere.clone() };
    let fauna = Fauna::Remote { endpoint: "http://localhost:8443".to_owned(), secret: "fn".to_owned().into() };
    for (config, name) in [(sql, "DATABASE_URL"), (Config { fauna, ..elsewhere }, "FAUNA_ENDPOINT")] {
        let error = app::restore(&config, &copy).await.unwrap_err().to_string();
        assert!(error.contains(name) && !restored.exists(), "{error}");
    }
}

#[actix_rt::test]
async fn a_file_of_another_backup_is_refused() {
    let world = World::with(IN_FILES).await;
    let parent = tempfile::tempdir().unwrap();
    let [one, other, restored] = ["one", "other", "restored"].map(|name| parent.path().join(name));
    app::backup(&world.config(), &one).await.unwrap();
    world.sign_up("later@example.com").await;
    app::backup(&world.config(), &other).await.unwrap();
    std::fs::copy(other.join("fauna.sqlite"), one.join("fauna.sqlite")).unwrap();
    let error = app::restore(&with_data_in(&world, &restored), &one).await.unwrap_err().to_string();
    assert!(error.contains("fauna.sqlite is not the file that was backed up"), "{error}");
    assert!(!restored.exists());
}

#[actix_rt::test]
async fn a_backup_that_cannot_be_written_leaves_nothing_behind() {
    let world = World::with(IN_FILES).await;
    let parent = tempfile::tempdir().unwrap();
    let copy = parent.path().join("copy");
    std::fs::remove_file(world.directory.path().join("seal-key")).unwrap();
    std::fs::create_dir(world.directory.path().join("seal-key")).unwrap();
    assert!(app::backup(&world.config(), &copy).await.is_err(), "a directory cannot be copied like a file");
    assert!(!copy.exists());
    let nowhere = with_data_in(&world, Path::new("/nonexistent"));
    assert!(app::backup(&nowhere, &copy).await.is_err());
    assert!(!copy.exists());
}
