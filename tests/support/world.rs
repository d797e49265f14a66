//! A running site for one test: free port, a directory, a Fauna and a clock of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use sqlx::Connection as _;
use starter::app;
use starter::clock::Clock;
use starter::config::Config;
use starter::http::routes::Route;
use tempfile::TempDir;

use crate::support::client::TestClient;
use crate::support::fauna::{FaunaNode, NodeDatabase};

/// The password of every user in these tests.
pub const PASSWORD: &str = "correct horse 1";

/// A site with everything it stands on.
pub struct World {
    /// The clock of the site and of its embedded Fauna.
    pub clock: Clock,
    /// `DATA_DIR`; removed with the world.
    pub directory: TempDir,
    /// The site; `None` while it is stopped.
    site: Option<app::Site>,
    settings: BTreeMap<String, String>,
    own: app::SiteExtensions,
    /// Its database on a FaunaDB node, where the tests run against one.
    real: Option<NodeDatabase>,
}

impl World {
    /// A site with default settings.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A site with these settings changed.
    pub async fn with(changed: &[(&str, &str)]) -> Self {
        Self::with_extensions(changed, app::SiteExtensions::default()).await
    }

    /// The same with extensions.
    pub async fn with_extensions(changed: &[(&str, &str)], own: app::SiteExtensions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = BTreeMap::from([
            ("LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("EMBEDDED_FAUNA_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("EMBEDDED_FAUNA_ROOT_KEY".to_owned(), "root-key-of-this-test".to_owned()),
            ("WORKERS".to_owned(), "1".to_owned()),
            ("DATA_DIR".to_owned(), directory.path().to_str().unwrap().to_owned()),
        ]);
        let real = NodeDatabase::make().await;
        settings.extend(real.iter().flat_map(NodeDatabase::settings));
        settings.extend(changed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut world = Self { clock: Clock::system(), directory, site: None, settings, own, real };
        world.resume().await;
        world
    }

    pub fn config(&self) -> Config {
        Config::from_lookup(&|name| self.settings.get(name).cloned()).unwrap()
    }

    /// Starts the stopped site again, on the files it left behind.
    pub async fn resume(&mut self) {
        self.site = Some(app::start_with(self.config(), self.clock.clone(), self.own.clone()).await.unwrap());
    }

    pub async fn stop(&mut self) {
        self.site.take().unwrap().stop().await;
    }

    /// Lets time pass for the site, and for everything in its Fauna that has a `ttl`.
    pub async fn pass(&self, span: Duration) {
        self.clock.advance(span);
        if let Some(real) = &self.real {
            real.age(span).await;
        }
    }

    /// Lets all documents in Fauna become this old. A FaunaDB node has a clock that cannot be moved, so there this waits.
    pub async fn ripen(&self, age: Duration) {
        self.clock.advance(age);
        if self.real.is_some() {
            tokio::time::sleep(age).await;
        }
    }

    /// `http://127.0.0.1:PORT` of the site.
    pub fn base(&self) -> String {
        format!("http://{}", self.site.as_ref().unwrap().address())
    }

    /// All routes that the site has registered.
    pub fn routes(&self) -> &[Route] {
        self.site.as_ref().unwrap().routes().routes()
    }

    pub fn fauna(&self) -> FaunaNode {
        FaunaNode::at(self.site.as_ref().unwrap().fauna_endpoint())
    }

    /// Endpoint of this site's Fauna, and the application's key.
    pub fn fauna_credentials(&self) -> (String, String) {
        let endpoint = self.site.as_ref().unwrap().fauna_endpoint().to_owned();
        let secret = match self.settings.get("FAUNA_SECRET") {
            Some(secret) => secret.clone(),
            None => std::fs::read_to_string(self.directory.path().join("embedded-fauna-app-key")).unwrap(),
        };
        (endpoint, secret)
    }

    /// How many tokens of sessions exist in this site's Fauna.
    pub async fn count_tokens(&self) -> u64 {
        let (_, secret) = self.fauna_credentials();
        let query =
            json!({"count": {"paginate": {"match": {"index": "tokens_by_app"}, "terms": "backend"}, "size": 1000}});
        let (status, body) = self.fauna().ask(&secret, &query).await;
        assert_eq!(status, 200, "{body}");
        body["resource"]["data"][0].as_u64().unwrap()
    }

    /// The site's SQL database.
    pub async fn sql(&self) -> sqlx::AnyConnection {
        sqlx::any::install_default_drivers();
        let file = self.directory.path().join("sessions.sqlite");
        sqlx::AnyConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap()
    }

    /// A browser without a session.
    pub fn visitor(&self) -> TestClient {
        TestClient::new(self.base())
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

/// The body of sign-up and sign-in.
pub fn credentials(email: &str, password: &str) -> serde_json::Value {
    json!({"formFields": [{"id": "email", "value": email}, {"id": "password", "value": password}]})
}
