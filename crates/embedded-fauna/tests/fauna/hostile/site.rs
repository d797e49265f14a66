//! An endpoint whose users have tokens, and queries of theirs that need much time or memory.

use serde_json::{Value, json};

use crate::endpoint::{Endpoint, Reply};

/// An endpoint with two users, each with a token.
pub struct Site {
    pub endpoint: Endpoint,
    pub server: String,
    /// The secrets of the tokens.
    pub tokens: [String; 2],
    /// The id of the first token.
    token_id: String,
}

impl Site {
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub async fn start_with(change: impl FnOnce(&mut embedded_fauna::Settings)) -> Self {
        let endpoint = Endpoint::start_with(change).await;
        let (admin, server) = endpoint.child("site").await;
        for name in ["users", "notes"] {
            endpoint.query(&admin, &json!({"create_collection": {"object": {"name": name}}})).await;
        }
        let all = json!({"object": {"read": true, "create": true, "history_read": true, "history_write": true}});
        let privileges = json!([
            {"object": {"resource": {"collection": "notes"}, "actions": all}},
            {"object": {"resource": {"collection": "users"}, "actions": all}},
        ]);
        let membership = json!({"object": {"resource": {"collection": "users"}}});
        let role = json!({"object": {"name": "user", "membership": membership, "privileges": privileges}});
        endpoint.query(&admin, &json!({"create_role": role})).await;
        let mut tokens = Vec::new();
        for id in [1, 2] {
            endpoint.query(&admin, &json!({"create": {"ref": {"collection": "users"}, "id": id}})).await;
            let instance = json!({"object": {"instance": {"ref": {"collection": "users"}, "id": id}}});
            tokens.push(endpoint.query(&server, &json!({"create": {"tokens": null}, "params": instance})).await);
        }
        let text = |token: &Value, at: &str| token.pointer(at).and_then(Value::as_str).unwrap().to_owned();
        let token_id = text(tokens.first().unwrap(), "/ref/@ref/id");
        let secrets: Vec<String> = tokens.iter().map(|token| text(token, "/secret")).collect();
        Self { endpoint, server, tokens: secrets.try_into().unwrap(), token_id }
    }

    /// Asks with a time limit in milliseconds.
    pub async fn ask_within(&self, secret: &str, query: &Value, millis: u32) -> Reply {
        let request = self.endpoint.client.post(&self.endpoint.url).bearer_auth(secret);
        let request = request.header("x-faunadb-api-version", "4").header("x-query-timeout", millis.to_string());
        Endpoint::send(request.body(query.to_string())).await
    }

    pub fn delete_token(&self) -> Value {
        json!({"delete": {"ref": {"tokens": null}, "id": self.token_id}})
    }
}

/// A text of two to the power of so many characters.
pub fn long(character: &str, power: u32) -> Value {
    let tens = power / 10;
    let rest = json!({"repeat": character, "number": 1_u32 << (power % 10)});
    (0..tens).fold(rest, |text, _| json!({"repeat": text, "number": 1024}))
}

/// Something that takes hours: loops inside loops around `body`. Each loop gives one small value, so that the time runs out long
/// before the budget for values does.
pub fn endless(body: &Value) -> Value {
    let numbers: Vec<usize> = (0..1000).collect();
    let each = |body: Value| json!({"reduce": {"lambda": ["_", "_"], "expr": body}, "initial": 1, "collection": {"var": "numbers"}});
    json!({"let": [{"numbers": numbers}], "in": each(each(each(each(each(body.clone())))))})
}

/// Status and description of the first failure of an answer.
pub fn refusal(reply: &Reply) -> (u16, String) {
    let description = reply.json().pointer("/errors/0/description").cloned().unwrap_or_default();
    (reply.status, description.as_str().unwrap_or_default().to_owned())
}
