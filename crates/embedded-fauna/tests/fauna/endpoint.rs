//! An endpoint of a test's own, and how to ask it.

use std::sync::Arc;
use std::time::Duration;

use embedded_fauna::{Browsers, Running, Settings};
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::test_clock::TestClock;

/// The root key of every endpoint here.
pub const ROOT: &str = "root";

/// Time for which the client keeps a connection.
const KEPT: Duration = Duration::from_secs(30);

pub struct Endpoint {
    pub url: String,
    pub clock: TestClock,
    pub client: reqwest::Client,
    pub running: Running,
    directory: TempDir,
}

/// A client without root certificates: reading them takes longer than most tests.
pub fn http() -> reqwest::ClientBuilder {
    reqwest::Client::builder().tls_certs_only([])
}

pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Reply {
    /// The body as JSON, or as text where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&super::compare::shallow(&self.text))
            .unwrap_or_else(|_no_json| Value::String(self.text.clone()))
    }
}

impl Endpoint {
    /// Starts one with an empty file, whose headers are FaunaDB's.
    pub async fn start() -> Self {
        Self::start_with(|settings| settings.browsers = Browsers::AsFaunaDb).await
    }

    /// Starts one with an empty file and settings of its own.
    pub async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = TestClock::default();
        let file = directory.path().join("fauna.sqlite");
        let mut settings =
            Settings::new("127.0.0.1:0".parse().unwrap(), file, SecretString::from(ROOT), Arc::new(clock.clone()));
        // The client keeps connections for a shorter time: it must not send a request over one that is being closed.
        settings.limits.idle = 2 * KEPT;
        change(&mut settings);
        let running = embedded_fauna::start(settings).await.unwrap();
        let client = http().pool_idle_timeout(KEPT).timeout(Duration::from_secs(60)).build().unwrap();
        Self { url: format!("http://{}", running.address()), clock, client, running, directory }
    }

    /// Asks a query with a secret and expects it to succeed.
    pub async fn query(&self, secret: &str, query: &Value) -> Value {
        let reply = self.ask(secret, query.to_string()).await;
        assert!(reply.status < 300, "{query}: {} {}", reply.status, reply.text);
        reply.json().get("resource").cloned().unwrap()
    }

    /// Asks anything with a secret.
    pub async fn ask(&self, secret: &str, body: String) -> Reply {
        let request = self.client.post(&self.url).bearer_auth(secret).header("x-faunadb-api-version", "4").body(body);
        Self::send(request).await
    }

    pub async fn send(request: reqwest::RequestBuilder) -> Reply {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, text: String::from_utf8_lossy(&response.bytes().await.unwrap()).into_owned() }
    }

    /// A child database, and secrets of an admin and of a server key in it.
    pub async fn child(&self, name: &str) -> (String, String) {
        self.query(ROOT, &json!({"create_database": {"object": {"name": name}}})).await;
        let mut secrets = Vec::new();
        for role in ["admin", "server"] {
            let key = json!({"create_key": {"object": {"database": {"database": name}, "role": role}}});
            let made = self.query(ROOT, &key).await;
            secrets.push(made.get("secret").and_then(Value::as_str).unwrap().to_owned());
        }
        let server = secrets.pop().unwrap();
        (secrets.pop().unwrap(), server)
    }

    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// The file itself, behind the endpoint's back.
    pub fn file(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.directory.path().join("fauna.sqlite")).unwrap()
    }
}
