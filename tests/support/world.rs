//! A running server for one test: free port, files, a Fauna where it needs one, and a clock of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use starter::app;
use starter::clock::Clock;
use starter::config::Config;
use starter::database::{Connection, Database};
use starter::http::routes::Route;
use tempfile::TempDir;

use crate::support::client::TestClient;
use crate::support::contract::Contract;
use crate::support::database;
use crate::support::fauna::{FaunaNode, NodeDatabase};
use crate::support::template::Template;

/// The password of every user in these tests.
pub const PASSWORD: &str = "correct horse 1";

/// Tests hash hundreds of passwords, nearly all of them to get a user.
const CHEAP_HASHES: (&str, &str) = ("PASSWORD_HASH_MEMORY_KIB", "8");
/// The cost of hashes outside of tests, for those that look at a hash or at durations.
pub const DEFAULT_HASHES: (&str, &str) = ("PASSWORD_HASH_MEMORY_KIB", "19456");

/// The admin key of the embedded Fauna.
const ROOT_KEY: &str = "root-key-of-this-test";

/// A server with everything it stands on: the whole site, or in `tests/session` the session module alone.
pub struct World<S = Site> {
    /// The clock of the server and of its embedded Fauna.
    pub clock: Clock,
    /// The server's files; removed with the last world that uses them.
    pub directory: Arc<TempDir>,
    pub server: S,
}

/// A server that a world starts.
pub trait Server {
    /// The address as `http://127.0.0.1:PORT`, without a slash.
    fn base(&self) -> String;

    /// A client without a session.
    fn visitor(&self) -> TestClient;
}

impl<S: Server> World<S> {
    pub fn base(&self) -> String {
        self.server.base()
    }

    pub fn visitor(&self) -> TestClient {
        self.server.visitor()
    }

    /// Asks until the answer is `true`, for at most `span` of real time: for the work of background tasks.
    pub async fn eventually(&self, span: Duration, mut ask: impl AsyncFnMut() -> bool) -> bool {
        let deadline = std::time::Instant::now() + span;
        while std::time::Instant::now() < deadline {
            if ask().await {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        ask().await
    }
}

/// The whole site, as `cargo run` starts it.
pub struct Site {
    /// `None` while it is stopped.
    running: Option<app::Site>,
    /// The OpenAPI document that the site serves.
    contract: Option<Arc<Contract>>,
    settings: BTreeMap<String, String>,
    extensions: app::SiteExtensions,
    /// Its database on a FaunaDB node, where the tests run against one.
    real: Option<NodeDatabase>,
}

impl Site {
    fn running(&self) -> &app::Site {
        self.running.as_ref().unwrap()
    }
}

impl Server for Site {
    fn base(&self) -> String {
        format!("http://{}", self.running().address())
    }

    /// A browser that asks for its session in cookies.
    fn visitor(&self) -> TestClient {
        TestClient::new(self.base()).compare_with(self.contract.clone().unwrap())
    }
}

impl World {
    /// A site with default settings.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A site with these settings changed.
    pub async fn with(changed: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let is_set_up = changed.iter().all(|(name, _)| !of_stored_data(name))
            && std::env::var("DATABASE_TEST_SITES").is_err()
            && !NodeDatabase::is_configured();
        if is_set_up {
            let make = async |directory: &Path| {
                let settings = settings_in(directory);
                let config = Config::from_lookup(&|name| settings.get(name).cloned()).unwrap();
                app::start(config, Clock::system()).await.unwrap().stop().await;
            };
            Template::get(make).await.copy_to(directory.path());
        }
        Self::start_in(directory, changed, app::SiteExtensions::default()).await
    }

    /// A site of its own kind: with these extensions, and settings changed.
    pub async fn with_extensions(changed: &[(&str, &str)], extensions: app::SiteExtensions) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), changed, extensions).await
    }

    async fn start_in(directory: TempDir, changed: &[(&str, &str)], extensions: app::SiteExtensions) -> Self {
        let directory = Arc::new(directory);
        let mut settings = settings_in(directory.path());
        if std::env::var("DATABASE_TEST_SITES").is_ok() {
            settings.extend(database::on_server().await.map(|url| ("DATABASE_URL".to_owned(), url)));
        }
        let real = NodeDatabase::make(&extensions).await;
        settings.extend(real.iter().flat_map(NodeDatabase::settings));
        settings.extend(changed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let server = Site { running: None, contract: None, settings, extensions, real };
        let mut world = Self { clock: Clock::system(), directory, server };
        world.resume().await;
        world
    }

    /// Another process of this site: with the same files, SQL database and Fauna.
    pub async fn another_process(&self) -> Self {
        let (endpoint, secret) = self.fauna_credentials();
        let mut settings = self.server.settings.clone();
        settings.extend([("FAUNA_ENDPOINT".to_owned(), endpoint), ("FAUNA_SECRET".to_owned(), secret)]);
        let extensions = self.server.extensions.clone();
        let server = Site { running: None, contract: None, settings, extensions, real: None };
        let mut other = Self { clock: self.clock.clone(), directory: Arc::clone(&self.directory), server };
        other.resume().await;
        other
    }

    pub fn config(&self) -> Config {
        Config::from_lookup(&|name| self.server.settings.get(name).cloned()).unwrap()
    }

    /// Starts the stopped site again, on the files it left behind.
    pub async fn resume(&mut self) {
        let start = app::start_with(self.config(), self.clock.clone(), self.server.extensions.clone());
        let site = start.await.unwrap();
        self.server.contract = Some(Contract::of(site.api_document().json()));
        self.server.running = Some(site);
    }

    pub async fn stop(&mut self) {
        self.server.running.take().unwrap().stop().await;
    }

    /// Lets time pass for the site, and for everything in its Fauna that has a `ttl`.
    pub async fn advance(&self, span: Duration) {
        self.clock.advance(span);
        if let Some(real) = &self.server.real {
            real.age(span).await;
        }
    }

    /// Lets all documents in Fauna become this old. A FaunaDB node has a clock that cannot be moved, so there this waits.
    pub async fn ripen(&self, age: Duration) {
        self.clock.advance(age);
        if self.server.real.is_some() {
            tokio::time::sleep(age).await;
        }
    }

    /// All routes that the site has registered.
    pub fn routes(&self) -> &[Route] {
        self.server.running().routes().routes()
    }

    pub fn fauna(&self) -> FaunaNode {
        FaunaNode::at(self.server.running().fauna_endpoint())
    }

    /// Endpoint of this site's Fauna, and the application's key.
    pub fn fauna_credentials(&self) -> (String, String) {
        let endpoint = self.server.running().fauna_endpoint().to_owned();
        let secret = match self.server.settings.get("FAUNA_SECRET") {
            Some(secret) => secret.clone(),
            None => std::fs::read_to_string(self.directory.path().join("embedded-fauna-app-key")).unwrap(),
        };
        (endpoint, secret)
    }

    /// An admin key of this site's Fauna.
    pub fn admin_secret(&self) -> &str {
        self.server.real.as_ref().map_or(ROOT_KEY, NodeDatabase::admin_secret)
    }

    /// The number of session tokens in this site's Fauna.
    pub async fn count_tokens(&self) -> u64 {
        let (_, secret) = self.fauna_credentials();
        let query =
            json!({"count": {"paginate": {"match": {"index": "tokens_by_app"}, "terms": "backend"}, "size": 1000}});
        let (status, body) = self.fauna().ask(&secret, &query).await;
        assert_eq!(status, 200, "{body}");
        body["resource"]["data"][0].as_u64().unwrap()
    }

    /// The site's SQL database.
    pub async fn sql(&self) -> Connection {
        let file = || format!("sqlite://{}", self.directory.path().join("sessions.sqlite").display());
        let url = self.server.settings.get("DATABASE_URL").filter(|url| !url.is_empty()).cloned().unwrap_or_else(file);
        Database::open(&url).await.unwrap().write().acquire().await.unwrap()
    }

    /// A browser whose user has just signed up with this address.
    pub async fn sign_up(&self, email: &str) -> TestClient {
        self.enter("/auth/signup", email).await
    }

    /// Another browser whose user has just signed in.
    pub async fn sign_in(&self, email: &str) -> TestClient {
        self.enter("/auth/signin", email).await
    }

    async fn enter(&self, path: &str, email: &str) -> TestClient {
        let visitor = self.visitor();
        let answer = visitor.post(path, &credentials(email, PASSWORD)).await;
        assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("OK")), "{}", answer.text);
        visitor
    }
}

/// What all sites of these tests have in common.
fn settings_in(directory: &Path) -> BTreeMap<String, String> {
    let settings = [
        ("LISTEN", "127.0.0.1:0"),
        ("EMBEDDED_FAUNA_LISTEN", "127.0.0.1:0"),
        ("EMBEDDED_FAUNA_ROOT_KEY", ROOT_KEY),
        ("WORKERS", "1"),
        CHEAP_HASHES,
        ("DATA_DIR", directory.to_str().unwrap()),
    ];
    settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Whether a setting says where data is, or how it is stored.
fn of_stored_data(setting: &str) -> bool {
    let names = ["DATA_DIR", "DATABASE_URL", "SEAL_KEYS", "ACCESS_TOKEN_LIFETIME_S"];
    names.contains(&setting) || ["FAUNA_", "EMBEDDED_FAUNA_", "USERS_"].iter().any(|start| setting.starts_with(start))
}

/// The body of sign-up and sign-in.
pub fn credentials(email: &str, password: &str) -> serde_json::Value {
    json!({"formFields": [{"id": "email", "value": email}, {"id": "password", "value": password}]})
}
