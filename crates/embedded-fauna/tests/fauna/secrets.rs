//! Secrets have FaunaDB's format, are stored as hashes, and stop working with the request after they are revoked.

use std::fs;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::endpoint::Endpoint;

/// Requests per check: more than there are threads, so that every thread answers one.
const TIMES: usize = 12;

/// A database with one user and one role for users.
struct World {
    endpoint: Endpoint,
    /// A server key of the database.
    server: String,
    /// An admin key of the database.
    admin: String,
}

impl World {
    async fn start() -> Self {
        let endpoint = Endpoint::start().await;
        let (admin, server) = endpoint.child("secrets").await;
        let world = Self { endpoint, server, admin };
        world.admin(&json!({"create_collection": {"object": {"name": "users"}}})).await;
        let read = |read: Value| json!([{"object": {"resource": {"collection": "users"}, "actions": {"object": {"read": read}}}}]);
        let membership = json!({"object": {"resource": {"collection": "users"}}});
        world
            .admin(&json!({"create_role": {"object":
            {"name": "user", "membership": membership, "privileges": read(json!(true))}}}))
            .await;
        world.admin(&json!({"create": {"ref": {"collection": "users"}, "id": 1}})).await;
        world
    }

    async fn admin(&self, query: &Value) -> Value {
        self.endpoint.query(&self.admin, query).await
    }

    /// Creates a token of the user; returns its secret and its id.
    async fn token(&self) -> (String, String) {
        let create = json!({"create": {"tokens": null}, "params": {"object": {"instance": {"ref": {"collection": "users"}, "id": 1}}}});
        let token = self.endpoint.query(&self.server, &create).await;
        let text = |at: &str| token.pointer(at).and_then(Value::as_str).unwrap().to_owned();
        (text("/secret"), text("/ref/@ref/id"))
    }

    /// Distinct statuses of [`TIMES`] requests for the user's own document.
    async fn statuses(&self, secret: &str) -> Vec<u16> {
        let own = json!({"get": {"current_identity": null}}).to_string();
        let asked = (0..TIMES).map(|_| self.endpoint.ask(secret, own.clone()));
        let mut statuses: Vec<u16> = futures_util::future::join_all(asked).await.iter().map(|it| it.status).collect();
        statuses.dedup();
        statuses
    }
}

#[test]
fn secrets_have_faunadbs_format_and_only_their_hash_is_stored() {
    actix_rt::System::new().block_on(async {
        let world = World::start().await;
        let (token, id) = world.token().await;
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        let id: u64 = id.parse().unwrap();
        assert_eq!((bytes.len(), bytes.get(..2)), (38, Some(&[0x7e, 0x71][..])));
        assert_eq!(bytes.get(2..10), Some(&id.to_be_bytes()[..]), "it names its document");
        let key = URL_SAFE_NO_PAD.decode(&world.server).unwrap();
        assert_eq!((key.len(), key.get(..2)), (30, Some(&[0x7e, 0x70][..])));
        let random = [bytes.get(18..).unwrap(), key.get(10..).unwrap()];
        let texts = [token.as_bytes(), world.server.as_bytes(), world.admin.as_bytes()];
        for file in fs::read_dir(world.endpoint.directory()).unwrap() {
            let content = fs::read(file.unwrap().path()).unwrap();
            for secret in random.iter().chain(&texts) {
                assert!(!content.windows(secret.len()).any(|window| window == *secret), "a secret is in the file");
            }
        }
    });
}

#[test]
fn invalid_secrets_are_refused() {
    actix_rt::System::new().block_on(async {
        let world = World::start().await;
        let (token, _) = world.token().await;
        let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        for wrong in [URL_SAFE_NO_PAD.encode(bytes), String::new(), "fnE".to_owned(), "root ".to_owned() + &token] {
            assert_eq!(world.statuses(&wrong).await, [401], "{wrong}");
        }
    });
}

#[test]
fn a_revoked_token_is_refused_in_the_next_request() {
    actix_rt::System::new().block_on(async {
        let world = World::start().await;
        let in_a_minute = json!({"object": {"ttl": {"time_add": {"now": null}, "offset": 1, "unit": "minute"}}});
        for end in [
            json!({"delete": {"ref": {"tokens": null}, "id": "ID"}}),
            json!({"update": {"ref": {"tokens": null}, "id": "ID"}, "params": in_a_minute}),
            json!({"delete": {"ref": {"collection": "users"}, "id": 1}}),
        ] {
            let (secret, id) = world.token().await;
            assert_eq!(world.statuses(&secret).await, [200]);
            let end: Value = serde_json::from_str(&end.to_string().replace("ID", &id)).unwrap();
            world.admin(&end).await;
            if end.get("update").is_some() {
                assert_eq!(world.statuses(&secret).await, [200], "not yet");
                world.endpoint.clock.advance(Duration::from_secs(60));
            }
            assert_eq!(world.statuses(&secret).await, [401], "{end}");
        }
    });
}

#[test]
fn a_deleted_or_expired_key_is_refused_in_the_next_request() {
    actix_rt::System::new().block_on(async {
        let world = World::start().await;
        let now = |secret: String| {
            let world = &world;
            async move {
                let asked = (0..TIMES).map(|_| world.endpoint.ask(&secret, r#"{"now":null}"#.to_owned()));
                let answers = futures_util::future::join_all(asked).await;
                let mut statuses: Vec<u16> = answers.iter().map(|it| it.status).collect();
                statuses.dedup();
                statuses
            }
        };
        for is_deleted in [true, false] {
            let ttl = json!({"time_add": {"now": null}, "offset": 1, "unit": "minute"});
            let key = world.admin(&json!({"create_key": {"object": {"role": "server", "ttl": ttl}}})).await;
            let secret = key.get("secret").and_then(Value::as_str).unwrap().to_owned();
            assert_eq!(now(secret.clone()).await, [200]);
            if is_deleted {
                world
                    .admin(&json!({"delete": {"@ref": {"id": key.pointer("/ref/@ref/id"),
                    "collection": {"@ref": {"id": "keys"}}}}}))
                    .await;
            } else {
                world.endpoint.clock.advance(Duration::from_secs(61));
            }
            assert_eq!(now(secret).await, [401], "deleted: {is_deleted}");
        }
    });
}

#[test]
fn a_changed_role_applies_to_the_next_request() {
    actix_rt::System::new().block_on(async {
        let world = World::start().await;
        let (secret, _) = world.token().await;
        let own = json!({"query": {"lambda": "who", "expr": {"equals": [{"var": "who"}, {"current_identity": null}]}}});
        let nobody = json!({"query": {"lambda": "who", "expr": {"equals": [{"var": "who"}, 1]}}});
        for (read, status) in [(json!(true), 200), (json!(false), 403), (own, 200), (nobody, 403), (json!(true), 200)] {
            let privileges =
                json!([{"object": {"resource": {"collection": "users"}, "actions": {"object": {"read": read}}}}]);
            world.admin(&json!({"update": {"role": "user"}, "params": {"object": {"privileges": privileges}}})).await;
            assert_eq!(world.statuses(&secret).await, [status], "{privileges}");
        }
        world.admin(&json!({"update": {"role": "user"}, "params": {"object": {"membership": []}}})).await;
        assert_eq!(world.statuses(&secret).await, [403], "no longer a member");
        world.admin(&json!({"delete": {"role": "user"}})).await;
        assert_eq!(world.statuses(&secret).await, [403], "the role is gone");
    });
}

#[test]
fn a_changed_function_and_a_changed_name_apply_to_the_next_request() {
    actix_rt::System::new().block_on(async {
        let world = World::start().await;
        let body = |n: usize| json!({"query": {"lambda": "_", "expr": n}});
        world.admin(&json!({"create_function": {"object": {"name": "number", "body": body(0)}}})).await;
        for n in 1..5 {
            world.admin(&json!({"update": {"function": "number"}, "params": {"object": {"body": body(n)}}})).await;
            assert_eq!(world.admin(&json!({"call": {"function": "number"}})).await, n);
        }
        let shown = json!({"get": {"ref": {"collection": "USERS"}, "id": 1}}).to_string();
        for (old, new) in [("users", "members"), ("members", "users")] {
            world.admin(&json!({"update": {"collection": old}, "params": {"object": {"name": new}}})).await;
            for _ in 0..TIMES {
                let reply = world.endpoint.ask(&world.server, shown.replace("USERS", new)).await;
                assert_eq!(reply.json().pointer("/resource/ref/@ref/collection/@ref/id"), Some(&json!(new)));
                assert_eq!(world.endpoint.ask(&world.server, shown.replace("USERS", old)).await.status, 400);
            }
        }
    });
}
