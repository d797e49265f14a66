//! Starting against a Fauna that is not set up as it should be.

use serde_json::json;
use starter::app;
use starter::clock::Clock;

use crate::world::World;

/// A world, and the settings of a site on an empty database in its Fauna, with an admin key.
async fn empty_database() -> (World, String, String) {
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
async fn a_wrong_secret_is_refused_in_one_sentence() {
    let fauna = World::start().await;
    let (endpoint, _) = fauna.fauna_credentials();
    let mut config = World::start().await.config();
    config.fauna = starter::config::Fauna::Remote { endpoint, secret: "fnNotAKey".to_owned().into() };
    let refused = app::start(config, Clock::system()).await.err().unwrap().to_string();
    assert!(refused.starts_with("FAUNA_SECRET: ") && refused.lines().count() == 1, "{refused}");
    assert!(!refused.contains("fnNotAKey"), "{refused}");
}
