//! Set-up errors: a schema that is missing or older than the program, an index of another definition, a key that is too weak.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};
use starter::app;
use starter::config::{Config, Fauna};

use crate::startup::empty_database;
use crate::world::World;

/// An empty database on the Fauna of a world, with the admin key of it.
struct Database {
    fauna: World,
    endpoint: String,
    admin: String,
}

impl Database {
    async fn empty() -> Self {
        let (fauna, endpoint, admin) = empty_database().await;
        Self { fauna, endpoint, admin }
    }

    async fn ask(&self, query: &Value) -> Value {
        let (status, body) = self.fauna.fauna().ask(&self.admin, query).await;
        assert!((200..300).contains(&status), "{query} {body}");
        body["resource"].clone()
    }

    /// A site that uses it with this key.
    async fn site(&self, secret: &str) -> World {
        World::with(&[("FAUNA_ENDPOINT", &self.endpoint), ("FAUNA_SECRET", secret)]).await
    }

    /// `schema apply`, with the admin key: the application's key, or the refusal.
    async fn apply(&self) -> Result<String, String> {
        let config = Config { fauna: self.remote(&self.admin), ..self.fauna.config() };
        let applied = app::apply_schema(&config).await.map_err(|error| error.to_string())?;
        Ok(applied.expose_secret().to_owned())
    }

    fn remote(&self, secret: &str) -> Fauna {
        Fauna::Remote { endpoint: self.endpoint.clone(), secret: secret.to_owned().into() }
    }

    /// Outcome and message of the check `schema` of `doctor`.
    async fn doctor(&self, site: &World) -> String {
        let config = Config { listen: ([127, 0, 0, 1], 0).into(), ..site.config() };
        let report = app::doctor(Ok(config)).await;
        let checks = report.checks.iter().filter(|check| check.name == "schema");
        let sentences: Vec<String> = checks.map(|check| format!("{:?} {}", check.outcome, check.message)).collect();
        sentences.concat()
    }

    /// Replaces the mark with which a program leaves its schema behind.
    async fn mark(&self, current: &str, earlier: &[&str]) {
        let value = json!({"object": {"current": current, "earlier": earlier}});
        let body = json!({"query": {"lambda": "_", "expr": value}});
        let function = json!({"function": "installed_schema"});
        self.ask(&json!({"update": function, "params": {"object": {"body": body}}})).await;
    }
}

/// Status and message of `/ready`, which remembers a success for a minute.
async fn ready(site: &World) -> (u16, String) {
    site.clock.advance(Duration::from_secs(61));
    let answer = site.visitor().get("/ready").await;
    (answer.status, answer.json()["message"].as_str().unwrap_or_default().to_owned())
}

#[actix_rt::test]
async fn a_schema_older_than_the_program_is_noticed_until_it_is_applied() {
    let database = Database::empty().await;
    let key = database.apply().await.unwrap();
    let installed = database.ask(&json!({"call": {"function": "installed_schema"}, "arguments": null})).await;
    database.mark("of-an-older-program", &["of-a-much-older-one"]).await;
    let site = database.site(&key).await;
    let (status, message) = ready(&site).await;
    assert_eq!(status, 503);
    assert!(message.contains("schema apply"), "{message}");
    let said = database.doctor(&site).await;
    assert!(said.starts_with("Failed the installed schema is older") && said.contains("schema apply"), "{said}");
    database.apply().await.unwrap();
    assert_eq!(ready(&site).await.0, 200, "without a restart");
    let now = database.ask(&json!({"call": {"function": "installed_schema"}, "arguments": null})).await;
    assert_eq!((&now["current"], &now["earlier"][0]), (&installed["current"], &json!("of-an-older-program")));
}

#[actix_rt::test]
async fn a_program_older_than_the_schema_goes_on_working() {
    let database = Database::empty().await;
    let key = database.apply().await.unwrap();
    let installed = database.ask(&json!({"call": {"function": "installed_schema"}, "arguments": null})).await;
    database.mark("of-a-newer-program", &["of-another", installed["current"].as_str().unwrap()]).await;
    let site = database.site(&key).await;
    assert_eq!(ready(&site).await.0, 200);
}

#[actix_rt::test]
async fn whatever_is_missing_of_the_schema_is_noticed_until_it_is_applied() {
    let database = Database::empty().await;
    let key = database.apply().await.unwrap();
    let site = database.site(&key).await;
    assert_eq!(ready(&site).await.0, 200);
    for missing in [
        json!({"index": "users_oldest"}),
        json!({"index": "tokens_by_app"}),
        json!({"index": "likes_by_comment_and_user"}),
        json!({"function": "forget_author"}),
        json!({"function": "installed_schema"}),
        json!({"collection": "account_links"}),
    ] {
        database.ask(&json!({"delete": missing})).await;
        let (status, message) = ready(&site).await;
        assert_eq!(status, 503, "{missing}");
        assert!(message.contains("schema apply"), "{missing} {message}");
        database.apply().await.unwrap();
        assert_eq!(ready(&site).await, (200, String::new()), "{missing}");
    }
}

#[actix_rt::test]
async fn an_index_of_another_definition_is_named_and_nothing_is_installed() {
    let database = Database::empty().await;
    database.ask(&json!({"create_collection": {"object": {"name": "users"}}})).await;
    let index = |terms: Value| {
        json!({"create_index": {"object": {"name": "users_by_email", "source": {"collection": "users"}, "terms": terms,
            "unique": true, "serialized": true}}})
    };
    let without_case = json!([{"object": {"field": ["data", "email"]}}]);
    database.ask(&index(without_case.clone())).await;
    let refused = database.apply().await.unwrap_err();
    assert!(refused.contains("users_by_email") && refused.contains("another definition"), "{refused}");
    assert_eq!(refused.lines().count(), 1, "{refused}");
    assert_eq!(database.ask(&json!({"exists": {"collection": "user_secrets"}})).await, false);

    database.ask(&json!({"delete": {"index": "users_by_email"}})).await;
    let key = database.apply().await.unwrap();
    let site = database.site(&key).await;
    assert_eq!(ready(&site).await.0, 200);
    database.ask(&json!({"delete": {"index": "users_by_email"}})).await;
    database.ask(&index(without_case)).await;
    assert_eq!(ready(&site).await.0, 503);
    let said = database.doctor(&site).await;
    assert!(said.contains("the index users_by_email has another definition"), "{said}");
}

#[actix_rt::test]
async fn the_embedded_fauna_is_held_to_the_same_indexes() {
    let mut world = World::start().await;
    if matches!(world.config().fauna, Fauna::Remote { .. }) {
        return;
    }
    let by_author = json!({"index": "comments_by_author"});
    assert_eq!(world.fauna().ask(world.admin_secret(), &json!({"delete": by_author})).await.0, 200);
    let other = json!({"create_index": {"object": {"name": "comments_by_author", "source": {"collection": "comments"},
        "terms": [{"object": {"field": ["data", "authorName"]}}]}}});
    assert_eq!(world.fauna().ask(world.admin_secret(), &other).await.0, 201);
    world.stop().await;
    let refused = app::start(world.config(), world.clock.clone()).await.err().unwrap().to_string();
    assert!(refused.contains("comments_by_author") && refused.lines().count() == 1, "{refused}");
}

/// An answer as a query: objects as literals.
fn quoted(answer: &Value) -> Value {
    match answer {
        Value::Object(members) if members.keys().any(|name| name.starts_with('@')) => answer.clone(),
        Value::Object(members) => {
            json!({"object": members.iter().map(|(name, value)| (name.clone(), quoted(value))).collect::<Map<_, _>>()})
        }
        Value::Array(items) => items.iter().map(quoted).collect(),
        other => other.clone(),
    }
}

#[actix_rt::test]
async fn a_key_that_lacks_one_privilege_is_noticed_and_the_privilege_named() {
    let database = Database::empty().await;
    database.apply().await.unwrap();
    let role = json!({"get": {"role": "backend"}});
    let privileges = database.ask(&role).await["privileges"].as_array().unwrap().clone();
    let weak = json!({"role": "weak"});
    database.ask(&json!({"create_role": {"object": {"name": "weak", "privileges": quoted(&json!(privileges))}}})).await;
    let key = database.ask(&json!({"create_key": {"object": {"role": weak}}})).await;
    let site = database.site(key["secret"].as_str().unwrap()).await;
    assert_eq!(ready(&site).await.0, 200);
    let (mut tried, mut unnoticed) = (0, Vec::new());
    for (place, privilege) in privileges.iter().enumerate() {
        let resource = privilege["resource"]["@ref"]["id"].as_str().unwrap();
        for action in privilege["actions"].as_object().unwrap().keys() {
            let mut fewer = privileges.clone();
            fewer[place]["actions"].as_object_mut().unwrap().remove(action);
            let params = json!({"object": {"privileges": quoted(&json!(fewer))}});
            database.ask(&json!({"update": weak, "params": params})).await;
            let (status, message) = ready(&site).await;
            if status != 503 {
                unnoticed.push(format!("{action} on {resource}"));
                continue;
            }
            // Without it, no index seems to exist.
            let is_named = message.contains("lacks a privilege") || resource == "indexes";
            assert!(is_named, "without {action} on {resource}: {message}");
            tried += 1;
        }
    }
    // Only called with DELETED_ACCOUNT_COMMENTS=delete.
    assert_eq!(unnoticed, ["call on remove_author"], "{tried} were noticed");
    assert!(tried > 20, "{tried}");
    // Back to all of them: ready without a restart.
    let params = json!({"object": {"privileges": quoted(&json!(privileges))}});
    database.ask(&json!({"update": weak, "params": params})).await;
    assert_eq!(ready(&site).await.0, 200);
}

#[actix_rt::test]
async fn doctor_names_the_privilege_that_a_key_lacks() {
    let database = Database::empty().await;
    database.apply().await.unwrap();
    let reader = database.ask(&json!({"create_key": {"object": {"role": "server-readonly"}}})).await;
    let site = database.site(reader["secret"].as_str().unwrap()).await;
    let said = database.doctor(&site).await;
    for told in [
        "Failed FAUNA_SECRET: the key lacks a privilege",
        "action: create",
        "resource: collection users",
        "schema apply",
    ] {
        assert!(said.contains(told), "{told} is missing in {said}");
    }
}
