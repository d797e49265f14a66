//! Fauna asked directly, past the site, with any secret: what a token may do is decided by Fauna.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use starter::app;
use starter::app::SiteExtensions;
use starter::config::Config;

use crate::support::client;

pub struct FaunaNode {
    endpoint: String,
    http: reqwest::Client,
}

impl FaunaNode {
    /// The Fauna at this endpoint.
    pub fn at(endpoint: &str) -> Self {
        let http = if endpoint.starts_with("https:") { reqwest::Client::builder() } else { client::http() };
        Self { endpoint: endpoint.to_owned(), http: http.build().unwrap() }
    }

    /// Asks with `secret`; status and body.
    pub async fn ask(&self, secret: &str, query: &Value) -> (u16, Value) {
        let response = self
            .http
            .post(&self.endpoint)
            .bearer_auth(secret)
            .header("x-faunadb-api-version", "4")
            .body(query.to_string())
            .send()
            .await
            .unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }

    /// Whether Fauna still accepts this secret.
    pub async fn accepts(&self, secret: &str) -> bool {
        let (status, _) = self.ask(secret, &json!({"now": null})).await;
        assert!(matches!(status, 200 | 401), "unexpected status {status}");
        status == 200
    }

    /// Subtracts `span` from the `ttl` of every document, because the clock of a FaunaDB node cannot be moved.
    async fn shorten_lives(&self, admin: &str, documents: Value, span: Duration) {
        let life = json!({"select": "ttl", "from": {"get": {"var": "ref"}}});
        let shorter = json!({"time_subtract": life, "offset": span.as_secs(), "unit": "seconds"});
        let each = json!({"update": {"var": "ref"}, "params": {"object": {"ttl": shorter}}});
        let all = json!({"paginate": {"documents": documents}, "size": 1000});
        let (status, body) =
            self.ask(admin, &json!({"foreach": {"lambda": "ref", "expr": each}, "collection": all})).await;
        assert_eq!(status, 200, "{body}");
    }
}

/// A database on a FaunaDB node, for one test.
pub struct NodeDatabase {
    endpoint: String,
    /// An admin key of that database.
    admin: String,
    /// The key that `schema apply` printed.
    app: String,
}

impl NodeDatabase {
    /// Whether the tests run against a node.
    pub fn is_configured() -> bool {
        std::env::var("FAUNA_TEST_ENDPOINT").is_ok()
    }

    /// A new database with the schema applied, if `FAUNA_TEST_ENDPOINT` and `FAUNA_TEST_SECRET` name a node.
    pub async fn make(extensions: &SiteExtensions) -> Option<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let endpoint = std::env::var("FAUNA_TEST_ENDPOINT").ok()?;
        let secret = std::env::var("FAUNA_TEST_SECRET").unwrap();
        let peer = FaunaNode::at(&endpoint);
        let name = format!("site-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let made = peer.ask(&secret, &json!({"create_database": {"object": {"name": name}}})).await;
        assert_eq!(made.0, 201, "{}", made.1);
        let key = json!({"create_key": {"object": {"database": {"database": name}, "role": "admin"}}});
        let admin = peer.ask(&secret, &key).await.1["resource"]["secret"].as_str().unwrap().to_owned();
        let mut database = Self { endpoint, app: admin.clone(), admin };
        let settings = database.settings();
        let config = Config::from_lookup(&|name| settings.get(name).cloned()).unwrap();
        app::apply_schema_with(&config, extensions).await.unwrap().expose_secret().clone_into(&mut database.app);
        Some(database)
    }

    pub fn admin_secret(&self) -> &str {
        &self.admin
    }

    /// The settings of a site that uses it.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let settings = [("FAUNA_ENDPOINT", &self.endpoint), ("FAUNA_SECRET", &self.app)];
        settings.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }

    /// Lets `span` of the lives of links and tokens pass.
    pub async fn age(&self, span: Duration) {
        let peer = FaunaNode::at(&self.endpoint);
        for documents in [json!({"tokens": null}), json!({"collection": "account_links"})] {
            peer.shorten_lives(&self.admin, documents, span).await;
        }
    }
}
