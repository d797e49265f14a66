//! The command `doctor`: whatever is broken is named in a sentence of its own, and the command fails.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use starter::app;
use starter::clock::Clock;
use starter::config::Config;

use crate::binary::program;
use crate::support::mail::server_without_tls;
use crate::world::World;

/// Settings of which any text is right, or that another test of this file breaks.
const FREE: &[&str] = &[
    "DATA_DIR",
    "APP_NAME",
    "OLDER_COOKIE_DOMAIN",
    "EMBEDDED_FAUNA_ROOT_KEY",
    "USERS_EMAIL_FIELD",
    "ADMIN_API_KEY",
    "METRICS_TOKEN",
];

/// A value that each other setting refuses.
const BROKEN: &[(&str, &str)] = &[
    ("APP_ENV", "staging"),
    ("LISTEN", "here"),
    ("WORKERS", "0"),
    ("API_DOMAIN", "example.com"),
    ("WEBSITE_DOMAIN", "example.com"),
    ("ALLOWED_ORIGINS", "https://*.com"),
    ("API_GATEWAY_PATH", "/a b"),
    ("LOG", "info=debug=warn"),
    ("LOG_FORMAT", "xml"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
    ("TERMS_URL", "javascript:alert(1)"),
    ("PRIVACY_URL", "/privacy"),
    ("DATABASE_URL", "oracle://app:hunter2@db/app"),
    ("API_BASE_PATH", "/a/../b"),
    ("WEBSITE_BASE_PATH", "/api"),
    ("ACCESS_TOKEN_LIFETIME_S", "0"),
    ("REFRESH_TOKEN_LIFETIME_S", "900"),
    ("SESSION_LIFETIME_S", "899"),
    ("REMEMBER_ME", "perhaps"),
    ("SESSION_GRACE_S", "301"),
    ("SESSIONS_PER_USER", "0"),
    ("FAUNA_TOKENS_PER_SESSION", "1"),
    ("COOKIE_SAME_SITE", "SOME"),
    ("ANTI_CSRF", "SOME"),
    ("TOKEN_TRANSFER_METHOD", "pigeon"),
    ("EXPOSE_ACCESS_TOKEN_TO_FRONTEND", "1"),
    ("DYNAMIC_SIGNING_KEY", "1"),
    ("SIGNING_KEY_INTERVAL_S", "60"),
    ("FAUNA_ENDPOINT", "http://localhost:8443"),
    ("FAUNA_SECRET", "hunter2"),
    ("FAUNA_TIMEOUT_MS", "99"),
    ("FAUNA_CA_FILE", "/no/such/file"),
    ("FAUNA_RETRIES", "101"),
    ("FAUNA_CONTENTION_RETRIES", "-1"),
    ("COPY_FAUNA_ENDPOINT", "http://localhost:8443"),
    ("COPY_FAUNA_SECRET", "hunter2"),
    ("EMBEDDED_FAUNA_LISTEN", "8443"),
    ("USERS_COLLECTION", "a b"),
    ("SEAL_KEYS", "hunter2"),
    ("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", "1"),
    ("DEMO", "1"),
    ("EMAIL_VERIFICATION", "maybe"),
    ("SIGN_UP_FIELDS", "city,city"),
    ("HIDE_EXISTING_ACCOUNTS", "1"),
    ("DELETED_ACCOUNT_COMMENTS", "burn"),
    ("ADMIN_API_KEYS", "hunter2"),
    ("TRUSTED_PROXIES", "proxy"),
    ("WRITES_PER_USER_MINUTE", "0"),
    ("PASSWORD_HASH_MEMORY_KIB", "7"),
    ("METRICS_LISTEN", "9100"),
    ("SMTP_URL", "http://user:hunter2@host"),
    ("MAIL_FROM", "nobody"),
    ("MAIL_TEMPLATES", "/no/such/folder"),
    ("THEME", "pink"),
    ("STATIC_DIR", "/no/such/folder"),
    ("INSECURE_EMBEDDED_FAUNA_IN_PRODUCTION", "1"),
    ("INSECURE_GENERATED_SECRETS_IN_PRODUCTION", "1"),
    ("INSECURE_NO_MAIL_IN_PRODUCTION", "1"),
    ("INSECURE_NO_THROTTLE", "1"),
];

/// The report about these settings, as JSON.
async fn examine(settings: &[(&str, &str)]) -> Value {
    let settings: BTreeMap<&str, &str> = settings.iter().copied().collect();
    let config = Config::from_lookup(&|name| settings.get(name).map(|value| (*value).to_owned()));
    serde_json::to_value(app::doctor(config).await).unwrap()
}

/// The same for a site with free ports and its files in `directory`.
async fn examine_in(directory: &Path, changed: &[(&str, &str)]) -> Value {
    let mut settings = vec![
        ("LISTEN", "127.0.0.1:0"),
        ("EMBEDDED_FAUNA_LISTEN", "127.0.0.1:0"),
        ("DATA_DIR", directory.to_str().unwrap()),
    ];
    settings.extend(changed);
    examine(&settings).await
}

/// The sentences about one thing with one outcome.
fn sentences<'a>(report: &'a Value, outcome: &str, name: &str) -> Vec<&'a str> {
    let checks = report["checks"].as_array().unwrap().iter();
    let found = checks.filter(|check| check["outcome"] == outcome && check["name"] == name);
    found.map(|check| check["message"].as_str().unwrap()).collect()
}

#[actix_rt::test]
async fn every_setting_that_can_be_broken_has_a_sentence() {
    for (name, value) in BROKEN {
        let report = examine(&[(name, value)]).await;
        assert_eq!((&report["healthy"], report["checks"].as_array().unwrap().len()), (&json!(false), 1), "{report}");
        let told = match *name {
            "FAUNA_ENDPOINT" => "FAUNA_SECRET: must be set together".to_owned(),
            "FAUNA_SECRET" => "FAUNA_ENDPOINT: must be set together".to_owned(),
            "COPY_FAUNA_ENDPOINT" => "COPY_FAUNA_SECRET: must be set together".to_owned(),
            "COPY_FAUNA_SECRET" => "COPY_FAUNA_ENDPOINT: must be set together".to_owned(),
            name => format!("{name}: "),
        };
        let failed = sentences(&report, "failed", "settings");
        assert!(failed.iter().all(|sentence| sentence.starts_with(&told)), "{told}: {report}");
        assert!(!report.to_string().contains("hunter2"), "{report}");
    }
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".env.example")).unwrap();
    let named = text.lines().filter_map(|line| line.trim_start_matches('#').split_once('=')).map(|(name, _)| name);
    let is_name = |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let all: BTreeSet<&str> = named.filter(is_name).collect();
    let tried = BROKEN.iter().map(|(name, _)| *name).chain(FREE.iter().copied()).chain(["COOKIE_DOMAIN"]);
    let tried: BTreeSet<&str> = tried.collect();
    assert_eq!(all.difference(&tried).collect::<Vec<_>>(), Vec::<&&str>::new(), "settings that no test breaks");
    let cookies = examine(&[("COOKIE_DOMAIN", ".com"), ("API_DOMAIN", "https://example.com")]).await;
    assert!(sentences(&cookies, "failed", "settings")[0].starts_with("COOKIE_DOMAIN: "), "{cookies}");
}

type Settings<'a> = &'a [(&'a str, &'a str)];

/// The failed check `name` says so in a sentence that begins with `begins` and contains `contains`.
async fn assert_fails(settings: Settings<'_>, name: &str, begins: &str, contains: &str) {
    let directory = tempfile::tempdir().unwrap();
    let report = examine_in(directory.path(), settings).await;
    let failed = sentences(&report, "failed", name);
    assert_eq!(failed.iter().collect::<BTreeSet<_>>().len(), failed.len(), "told twice: {report:#}");
    let is_told = |sentence: &&str| sentence.starts_with(begins) && sentence.contains(contains);
    assert!(failed.iter().any(is_told), "{name} {begins}: {report:#}");
    assert!(report["healthy"] == false && !report.to_string().contains("hunter2"), "{report}");
}

#[actix_rt::test]
async fn what_the_machine_and_the_services_lack_is_named_with_its_setting() {
    let world = World::start().await;
    let (endpoint, key) = world.fauna_credentials();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (postgres, nobody) = (format!("postgres://app:hunter2@{free}/app"), format!("http://{free}"));
    let smtp = format!("smtp://user:hunter2@{free}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let file = file.path().to_str().unwrap();
    let empty = empty_database(&world).await;
    let admin = [("FAUNA_ENDPOINT", endpoint.as_str()), ("FAUNA_SECRET", world.admin_secret())];
    let held = format!("(process {})", std::process::id());
    let own = tempfile::tempdir().unwrap();
    std::fs::create_dir(own.path().join("templates")).unwrap();
    std::fs::write(own.path().join("templates/auth.html"), "{% if %}").unwrap();
    std::fs::write(own.path().join("sign-up.txt"), "Welcome").unwrap();
    let own = own.path().to_str().unwrap();
    let crossing = [("API_DOMAIN", "http://a.example"), ("COOKIE_SAME_SITE", "NONE")];
    let rows: [(Settings, &str, &str, &str); 18] = [
        (&[("LISTEN", &taken)], "ports", &format!("LISTEN={taken} "), &held),
        (&[("EMBEDDED_FAUNA_LISTEN", &taken)], "ports", &format!("EMBEDDED_FAUNA_LISTEN={taken} "), &held),
        (&[("EMBEDDED_FAUNA_LISTEN", &taken)], "fauna", &format!("EMBEDDED_FAUNA_LISTEN={taken}: "), "in use"),
        (&[("METRICS_LISTEN", &taken)], "ports", &format!("METRICS_LISTEN={taken} "), &held),
        (&[("LISTEN", "192.0.2.1:3000")], "ports", "LISTEN=192.0.2.1:3000: ", "assign"),
        (&[("DATA_DIR", file)], "files", &format!("DATA_DIR: {file}: "), "exists"),
        (&[("DATABASE_URL", &postgres)], "database", &format!("DATABASE_URL=postgres://…@{free}: "), "refused"),
        (&[("DATABASE_URL", "sqlite:///no/such/a")], "database", "DATABASE_URL=sqlite:///no/such/a: ", ""),
        (
            &[("FAUNA_ENDPOINT", &nobody), ("FAUNA_SECRET", "x")],
            "fauna",
            &format!("FAUNA_ENDPOINT={nobody}: Fauna cannot be asked: connection refused"),
            "",
        ),
        (&[("FAUNA_ENDPOINT", &endpoint), ("FAUNA_SECRET", "hunter2")], "fauna", "FAUNA_SECRET: ", "schema apply"),
        (&[("FAUNA_ENDPOINT", &endpoint), ("FAUNA_SECRET", &empty)], "schema", "the schema is not", "schema apply"),
        (&admin, "key", "FAUNA_SECRET: this key may change", "schema apply"),
        (&[("USERS_EMAIL_FIELD", "name")], "settings", "USERS_EMAIL_FIELD: must be ", "path"),
        (&[("SMTP_URL", &smtp)], "mail", &format!("SMTP_URL: {free}: no connection"), "refused"),
        (
            &[("SMTP_URL", "smtp://no-such-host.invalid")],
            "mail",
            "SMTP_URL: no-such-host.invalid: no connection",
            "lookup",
        ),
        (&[("STATIC_DIR", own)], "settings", "STATIC_DIR: templates/auth.html: ", "syntax"),
        (&[("MAIL_TEMPLATES", own)], "settings", "MAIL_TEMPLATES: sign-up.txt: ", "Subject"),
        (&crossing, "settings", "API_DOMAIN: must be https", "COOKIE_SAME_SITE"),
    ];
    // Boxed, because all of them together are too large for the stack of a test.
    let tried = rows.map(|(settings, name, begins, contains)| Box::pin(assert_fails(settings, name, begins, contains)));
    futures_util::future::join_all(tried).await;

    let remote = [("FAUNA_ENDPOINT", endpoint.as_str()), ("FAUNA_SECRET", key.as_str())];
    let directory = tempfile::tempdir().unwrap();
    let right = examine_in(directory.path(), &remote).await;
    assert_eq!(right["healthy"], true, "{right:#}");
    let longer = [&remote[..], &[("ACCESS_TOKEN_LIFETIME_S", "7200")]].concat();
    let other = examine_in(directory.path(), &longer).await;
    assert!(sentences(&other, "failed", "schema")[0].contains("schema apply"), "{other:#}");
    world.advance(Duration::from_secs(3600)).await;
    assert_fails(&remote, "clock", "this machine and Fauna differ by ", "NTP").await;
}

/// A start refuses what cannot be done, and so does `doctor`.
#[actix_rt::test]
async fn a_collector_is_refused_by_a_build_that_sends_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let report = examine_in(directory.path(), &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318")]).await;
    let failed = sentences(&report, "failed", "settings");
    assert_eq!(failed.is_empty(), cfg!(feature = "otel"), "{report:#}");
    assert!(failed.iter().all(|told| told.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT: this build ")), "{report:#}");
    assert_eq!(report["healthy"], cfg!(feature = "otel"), "{report:#}");
}

#[actix_rt::test]
async fn a_bad_directory_is_told_once() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let report = examine_in(file.path(), &[]).await;
    assert_eq!(sentences(&report, "failed", "files").len(), 1, "{report:#}");
}

/// Another site of this kind answers `/health` as well.
#[actix_rt::test]
async fn only_the_site_of_the_directory_may_hold_the_ports() {
    let world = World::start().await;
    let listen = world.base().trim_start_matches("http://").to_owned();
    let fauna = world.fauna_credentials().0.trim_start_matches("http://").to_owned();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let settings =
        [("LISTEN", listen.as_str()), ("EMBEDDED_FAUNA_LISTEN", fauna.as_str()), ("METRICS_LISTEN", taken.as_str())];
    let own = examine_in(&world.config().data_dir, &settings).await;
    let used = sentences(&own, "ok", "ports");
    assert!(used.contains(&format!("LISTEN={listen} is in use by the running site").as_str()), "{own:#}");
    let failed = sentences(&own, "failed", "ports");
    assert!(failed.len() == 1 && failed[0].starts_with("METRICS_LISTEN="), "another program has that port: {own:#}");

    let elsewhere = tempfile::tempdir().unwrap();
    let other = examine_in(elsewhere.path(), &settings).await;
    let failed = sentences(&other, "failed", "ports");
    assert!(failed.len() == 3 && failed[0].starts_with(&format!("LISTEN={listen} is in use by ")), "{other:#}");
    assert!(!failed[0].contains("the running site"), "{other:#}");
}

#[actix_rt::test]
async fn a_password_is_not_sent_to_a_mail_server_that_cannot_encrypt() {
    let (server, commands) = server_without_tls();
    assert_fails(&[("SMTP_URL", &format!("smtp://user:hunter2@{server}?tls=required"))], "mail", "SMTP_URL: ", "")
        .await;
    assert_eq!(commands.try_iter().collect::<Vec<_>>(), ["EHLO"]);
}

#[actix_rt::test]
async fn a_time_that_the_demo_has_moved_is_a_warning() {
    let mut world = World::start().await;
    world.advance(Duration::from_secs(3600)).await;
    world.sign_up("ann@example.com").await;
    let directory = world.config().data_dir;
    world.stop().await;
    let report = examine_in(&directory, &[]).await;
    let warned = sentences(&report, "warning", "clock");
    assert!(warned.iter().any(|told| told.contains(" s ahead") && told.contains("`demo reset`")), "{report:#}");
    assert_eq!(report["healthy"], true, "{report:#}");
    let without_demo = examine_in(&directory, &[("DEMO", "false")]).await;
    assert!(sentences(&without_demo, "failed", "clock")[0].contains("NTP"), "{without_demo:#}");
}

/// A server key of a new database without a schema, in the Fauna of a site.
async fn empty_database(world: &World) -> String {
    let ask = async |query: Value| {
        let (status, body) = world.fauna().ask(world.admin_secret(), &query).await;
        assert!(status < 300, "{body}");
        body["resource"]["secret"].as_str().unwrap_or_default().to_owned()
    };
    ask(json!({"create_database": {"object": {"name": "empty"}}})).await;
    ask(json!({"create_key": {"object": {"role": "server", "database": {"database": "empty"}}}})).await
}

#[actix_rt::test]
async fn a_database_that_was_sealed_or_migrated_by_others_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (format!("a:{}", "A".repeat(43)), format!("b:{}A", "B".repeat(42)));
    start_and_stop(directory.path(), &first).await;
    let right = examine_in(directory.path(), &[("SEAL_KEYS", &first)]).await;
    assert_eq!(right["healthy"], true, "{right:#}");
    let lost = examine_in(directory.path(), &[("SEAL_KEYS", &second)]).await;
    let told = sentences(&lost, "failed", "secrets");
    assert!(told[0].starts_with("SEAL_KEYS: ") && told[0].contains("behind the new one"), "{lost:#}");
    let again = examine_in(directory.path(), &[("SEAL_KEYS", &first)]).await;
    let opened = ["the stored signing keys can be opened"];
    assert_eq!(sentences(&again, "ok", "secrets"), opened, "a run with a wrong key leaves nothing: {again:#}");
    let both = format!("{second},{first}");
    let found = examine_in(directory.path(), &[("SEAL_KEYS", &both)]).await;
    assert_eq!(found["healthy"], true, "{found:#}");

    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(directory.path().join("fauna.sqlite"), open).unwrap();
    let readable = examine_in(directory.path(), &[("SEAL_KEYS", &both)]).await;
    assert!(sentences(&readable, "warning", "files")[0].starts_with("fauna.sqlite in DATA_DIR "), "{readable:#}");

    let url = format!("sqlite://{}", directory.path().join("sessions.sqlite").display());
    let database = starter::database::Database::open(&url).await.unwrap();
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
         values (999, 'later', true, x'00', 0)";
    sqlx::query(newer).execute(database.write()).await.unwrap();
    let later = examine_in(directory.path(), &[("SEAL_KEYS", &both)]).await;
    let told = sentences(&later, "failed", "database");
    assert!(told[0].starts_with("DATA_DIR: ") && told[0].contains("newer version"), "{later:#}");
}

/// Lets a site in development make its keys.
async fn start_and_stop(directory: &Path, seal_keys: &str) {
    let directory = directory.to_str().unwrap();
    let config = Config::from_lookup(&|name| match name {
        "LISTEN" | "EMBEDDED_FAUNA_LISTEN" => Some("127.0.0.1:0".to_owned()),
        "DATA_DIR" => Some(directory.to_owned()),
        "SEAL_KEYS" => Some(seal_keys.to_owned()),
        _ => None,
    });
    app::start(config.unwrap(), Clock::system()).await.unwrap().stop().await;
}

/// Such keys stay behind where a site in development was started with other `SEAL_KEYS`.
#[actix_rt::test]
async fn keys_that_cannot_be_opened_beside_others_that_can_are_a_warning_that_removes_them() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (format!("a:{}", "A".repeat(43)), format!("b:{}A", "B".repeat(42)));
    start_and_stop(directory.path(), &first).await;
    start_and_stop(directory.path(), &second).await;
    let report = examine_in(directory.path(), &[("SEAL_KEYS", &first)]).await;
    assert_eq!(report["healthy"], true, "{report:#}");
    let told = sentences(&report, "warning", "secrets")[0];
    assert!(told.starts_with("SEAL_KEYS: the stored keys r-2, d-") || told.contains(", r-2 cannot"), "{told}");
    let remove = told.split("remove them: ").nth(1).unwrap().to_owned();
    let url = format!("sqlite://{}", directory.path().join("sessions.sqlite").display());
    let database = starter::database::Database::open(&url).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(remove)).execute(database.write()).await.unwrap();
    let cleaned = examine_in(directory.path(), &[("SEAL_KEYS", &first)]).await;
    assert_eq!(sentences(&cleaned, "ok", "secrets").len(), 1, "{cleaned:#}");
}

#[test]
fn the_command_tells_people_and_programs_and_fails_where_a_check_fails() {
    let directory = tempfile::tempdir().unwrap();
    let run = |words: &[&str], settings: &[(&str, &str)]| {
        let output =
            program(directory.path()).arg("doctor").args(words).envs(settings.iter().copied()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = run(&[], &[]);
    assert_eq!(code, Some(0), "{text}");
    for name in ["settings", "ports", "files", "database", "fauna", "schema", "clock", "secrets", "session", "mail"] {
        assert!(text.lines().any(|line| line.starts_with(&format!("ok       {name}"))), "{name} is missing in: {text}");
    }
    let (code, text) = run(&["--json"], &[]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &report["healthy"]), (Some(0), &json!(true)));
    for check in report["checks"].as_array().unwrap() {
        let members: Vec<&str> = check.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["name", "outcome", "message"], "{check}");
    }
    for (words, shown) in [(&[][..], "FAILED   settings    LISTEN: must be"), (&["--json"], r#""outcome": "failed""#)] {
        let (code, text) = run(words, &[("LISTEN", "here")]);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(shown), "{text}");
    }
}
