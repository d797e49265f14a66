//! Secrets are replaced as docs/operations.md says, and nobody is signed out.

use std::path::Path;

use secrecy::ExposeSecret as _;
use serde_json::json;
use starter::app;
use starter::config::Config;

use crate::client::TestClient;
use crate::world::World;

/// A site with its files in `directory`, its users in the Fauna of another one, and these secrets.
async fn site(directory: &Path, endpoint: &str, fauna_secret: &str, seal_keys: &str) -> World {
    let settings = [
        ("DATA_DIR", directory.to_str().unwrap()),
        ("FAUNA_ENDPOINT", endpoint),
        ("FAUNA_SECRET", fauna_secret),
        ("SEAL_KEYS", seal_keys),
    ];
    World::with(&settings).await
}

/// The session and its Fauna token, which is stored sealed, can be used; and the session refreshed.
async fn assert_works(client: &TestClient, step: &str) {
    assert_eq!(client.get("/sessioninfo").await.status, 200, "{step}");
    assert_eq!(client.post("/api/comments", &json!({"text": "Hello"})).await.status, 201, "{step}");
    assert_eq!(client.refresh().await.status, 200, "{step}");
    assert_eq!(client.post("/api/comments", &json!({"text": "Hello"})).await.status, 201, "{step}");
}

#[actix_rt::test]
async fn the_key_of_fauna_and_those_that_seal_are_replaced_without_signing_anybody_out() {
    let fauna = World::start().await;
    let (endpoint, old_secret) = fauna.fauna_credentials();
    let directory = tempfile::tempdir().unwrap();
    let (old_key, new_key) = (format!("k1:{}", "A".repeat(43)), format!("k2:{}A", "B".repeat(42)));

    let mut before = site(directory.path(), &endpoint, &old_secret, &old_key).await;
    let ann = before.sign_up("ann@example.com").await;
    assert_works(&ann, "before").await;
    before.stop().await;

    let admin = [("FAUNA_ENDPOINT", endpoint.as_str()), ("FAUNA_SECRET", fauna.admin_secret())];
    let lookup = |name: &str| admin.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let new_secret = app::apply_schema(&Config::from_lookup(&lookup).unwrap()).await.unwrap();
    let new_secret = new_secret.expose_secret();
    assert_ne!(new_secret, &old_secret);

    let mut both = site(directory.path(), &endpoint, new_secret, &format!("{new_key},{old_key}")).await;
    let ann = ann.at(&both.base());
    assert_works(&ann, "with both keys").await;
    let delete = json!({"delete": {"select": ["ref"], "from": {"key_from_secret": old_secret}}});
    let (status, body) = fauna.fauna().ask(fauna.admin_secret(), &delete).await;
    assert_eq!(status, 200, "{body}");
    assert_works(&ann, "without the old key of Fauna").await;
    both.stop().await;

    let after = site(directory.path(), &endpoint, new_secret, &new_key).await;
    let ann = ann.at(&after.base());
    assert_works(&ann, "with the new keys alone").await;
}
