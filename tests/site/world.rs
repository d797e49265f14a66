//! A running site of one's own: free port, own directory, own Fauna, a clock that moves.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use sqlx::Connection as _;
use starter::app;
use starter::clock::Clock;
use starter::config::Config;
use starter::http::routes::Route;
use tempfile::TempDir;

use crate::peer::{Peer, RealDatabase};
use crate::visitor::Visitor;

/// What people in these tests use.
pub const PASSWORD: &str = "correct horse 1";

/// A site and the world around it.
pub struct World {
    /// Moves the time of the site and of its embedded Fauna.
    pub clock: Clock,
    /// Where the site keeps its files; gone with the world.
    pub directory: TempDir,
    /// The site; `None` while it is stopped.
    site: Option<app::Site>,
    /// What the site was configured with, besides the directory.
    settings: BTreeMap<String, String>,
    /// What it has of its own.
    own: app::SiteExtensions,
    /// Its Fauna, where that is a real node and not embedded.
    real: Option<RealDatabase>,
}

impl World {
    /// A site with default settings.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A site with these settings changed.
    pub async fn with(changed: &[(&str, &str)]) -> Self {
        Self::of_ones_own(changed, app::SiteExtensions::default()).await
    }

    /// The same with something that only it has.
    pub async fn of_ones_own(changed: &[(&str, &str)], own: app::SiteExtensions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = BTreeMap::from([
            ("LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("EMBEDDED_FAUNA_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("EMBEDDED_FAUNA_ROOT_KEY".to_owned(), "root-key-of-this-test".to_owned()),
            ("WORKERS".to_owned(), "1".to_owned()),
            ("DATA_DIR".to_owned(), directory.path().to_str().unwrap().to_owned()),
        ]);
        let real = RealDatabase::make().await;
        settings.extend(real.iter().flat_map(RealDatabase::settings));
        settings.extend(changed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut world = Self { clock: Clock::system(), directory, site: None, settings, own, real };
        world.resume().await;
        world
    }

    /// The configuration that the site runs with.
    pub fn config(&self) -> Config {
        Config::from_lookup(&|name| self.settings.get(name).cloned()).unwrap()
    }

    /// Starts the stopped site again, with what it left behind.
    pub async fn resume(&mut self) {
        self.site = Some(app::start_with(self.config(), self.clock.clone(), self.own.clone()).await.unwrap());
    }

    /// Stops the site.
    pub async fn stop(&mut self) {
        self.site.take().unwrap().stop().await;
    }

    /// Lets time pass for the site and for what ends by itself in its Fauna.
    pub async fn pass(&self, span: Duration) {
        self.clock.advance(span);
        if let Some(real) = &self.real {
            real.age(span).await;
        }
    }

    /// Lets everything in Fauna become so old. A real node counts by a clock that nobody can move.
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

    /// The Fauna of this site.
    pub fn fauna(&self) -> Peer {
        Peer::at(self.site.as_ref().unwrap().fauna_endpoint())
    }

    /// Endpoint and the application's key of this site's Fauna.
    pub fn fauna_credentials(&self) -> (String, String) {
        let endpoint = self.site.as_ref().unwrap().fauna_endpoint().to_owned();
        let secret = match self.settings.get("FAUNA_SECRET") {
            Some(secret) => secret.clone(),
            None => std::fs::read_to_string(self.directory.path().join("embedded-fauna-app-key")).unwrap(),
        };
        (endpoint, secret)
    }

    /// How many tokens there are in this site's Fauna, as the application's key counts them.
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

    /// Somebody without a session, in a browser that keeps cookies.
    pub fn visitor(&self) -> Visitor {
        Visitor::new(self.base())
    }

    /// Somebody who has just signed up with this address.
    pub async fn sign_up(&self, email: &str) -> Visitor {
        self.enter("/auth/signup", email).await
    }

    /// Somebody with an account, on another device.
    pub async fn sign_in(&self, email: &str) -> Visitor {
        self.enter("/auth/signin", email).await
    }

    async fn enter(&self, path: &str, email: &str) -> Visitor {
        let visitor = self.visitor();
        let answer = visitor.post(path, &credentials(email, PASSWORD)).await;
        assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("OK")), "{}", answer.text);
        visitor
    }

    /// Asks until `true`, for at most `span` of real time: for what a background task does.
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
