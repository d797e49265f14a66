//! The endpoint with the collections, functions and roles of an application in it, as `tests/fauna/recorded/app.jsonl` has them.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{ROOT, query};

/// Steps recorded from FaunaDB; those whose names begin with `schema: ` create the schema.
const RECORDED: &str = include_str!("../../tests/fauna/recorded/app.jsonl");

/// A database with the schema, its key and its users.
pub struct Dataset {
    pub address: SocketAddr,
    /// The secret of a server key.
    pub server: String,
}

impl Dataset {
    pub async fn create(address: SocketAddr) -> Self {
        let client = reqwest::Client::new();
        let schema = RECORDED.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        for step in schema.filter(|step| step["name"].as_str().unwrap().starts_with("schema: ")) {
            if step["query"].to_string().contains("create_key") {
                continue;
            }
            query(&client, address, ROOT, &step["query"]).await;
        }
        let key = query(&client, address, ROOT, &json!({"create_key": {"object": {"role": "server"}}})).await;
        Self { address, server: key["secret"].as_str().unwrap().to_owned() }
    }

    /// Creates a user and returns the secret of a token for it.
    pub async fn user(&self, client: &reqwest::Client, name: &str) -> String {
        let data = json!({"object": {"email": format!("{name}@example.com"), "name": name, "joinedAt": {"now": null}}});
        let user = json!({"create": {"collection": "users"}, "params": {"object": {"data": data}}});
        let instance = json!({"select": ["ref"], "from": user});
        let token = json!({"create": {"tokens": null}, "params": {"object": {"instance": instance}}});
        query(client, self.address, &self.server, &token).await["secret"].as_str().unwrap().to_owned()
    }

    /// Creates a comment as the user of a token and returns its id.
    pub async fn comment(&self, client: &reqwest::Client, token: &str) -> Value {
        let name = json!({"select": ["data", "name"], "from": {"get": {"current_identity": null}}});
        let data = json!({"object": {"author": {"current_identity": null}, "authorName": name, "text": "First!",
            "postedAt": {"now": null}, "likes": 0}});
        let comment = json!({"create": {"collection": "comments"}, "params": {"object": {"data": data}}});
        query(client, self.address, token, &json!({"select": ["ref", "id"], "from": comment})).await
    }
}
