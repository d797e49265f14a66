//! Fauna itself, asked directly, with any secret: what a token may and may not do is Fauna's word, not the site's.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use secrecy::ExposeSecret as _;
use serde_json::Value;
use serde_json::json;
use starter::app;
use starter::config::Config;

use crate::visitor;

/// A Fauna endpoint.
pub struct Peer {
    endpoint: String,
    http: reqwest::Client,
}

impl Peer {
    /// The Fauna at this endpoint.
    pub fn at(endpoint: &str) -> Self {
        let http = if endpoint.starts_with("https:") { reqwest::Client::builder() } else { visitor::http() };
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

    /// Where `FAUNA_TEST_ENDPOINT` and `FAUNA_TEST_SECRET` name a real node: settings for a site in a database of its own
    /// there, with the schema applied.
    pub async fn child_database_of_a_real_node() -> Option<BTreeMap<String, String>> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let endpoint = std::env::var("FAUNA_TEST_ENDPOINT").ok()?;
        let secret = std::env::var("FAUNA_TEST_SECRET").unwrap();
        let peer = Self::at(&endpoint);
        let name = format!("site-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let made = peer.ask(&secret, &json!({"create_database": {"object": {"name": name}}})).await;
        assert_eq!(made.0, 201, "{}", made.1);
        let key = json!({"create_key": {"object": {"database": {"database": name}, "role": "admin"}}});
        let admin = peer.ask(&secret, &key).await.1["resource"]["secret"].as_str().unwrap().to_owned();
        let with = |secret: String| {
            BTreeMap::from([("FAUNA_ENDPOINT".to_owned(), endpoint.clone()), ("FAUNA_SECRET".to_owned(), secret)])
        };
        let as_admin = with(admin);
        let config = Config::from_lookup(&|name| as_admin.get(name).cloned()).unwrap();
        let secret = app::apply_schema(&config).await.unwrap();
        Some(with(secret.expose_secret().to_owned()))
    }
}
