//! What a refused query wanted to do, for the log: Fauna's answer only has a position in the query.

use std::fmt;

use serde_json::Value;

use crate::fql::Expr;

/// Functions of FQL that need a privilege.
const ACTIONS: &[&str] = &[
    "get",
    "paginate",
    "exists",
    "count",
    "documents",
    "events",
    "create",
    "insert",
    "update",
    "replace",
    "delete",
    "remove",
    "call",
    "login",
    "identify",
];
/// Members that name a part of the schema.
const RESOURCES: &[&str] = &["collection", "index", "function", "role", "call", "login"];

/// A privilege that a secret lacks. It names parts of the schema only, never a value of the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The role of the secret.
    pub role: &'static str,
    /// The function of FQL that was refused.
    pub action: String,
    /// Kind and name, such as `collection comments`.
    pub resource: String,
}

/// A query that was sent, and with what.
#[derive(Clone, Copy)]
pub struct Sent<'a> {
    pub role: &'static str,
    pub query: &'a Expr,
}

impl Denied {
    /// From the position that Fauna's answer names in the query.
    pub fn at(position: &[Value], sent: Sent<'_>) -> Self {
        let mut place = sent.query.wire();
        let mut action = "query";
        for step in position {
            let inner = match step {
                Value::String(name) => place.get(name.as_str()),
                step => step.as_u64().and_then(|index| place.get(usize::try_from(index).ok()?)),
            };
            let Some(inner) = inner else { break };
            action = ACTIONS.iter().find(|known| step.as_str() == Some(**known)).unwrap_or(&action);
            place = inner;
        }
        let action = ACTIONS.iter().find(|known| place.get(**known).is_some()).unwrap_or(&action);
        let resource = resource(place).or_else(|| resource(sent.query.wire())).unwrap_or_else(|| "unknown".to_owned());
        Self { role: sent.role, action: (*action).to_owned(), resource }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "role: {}, action: {}, resource: {}", self.role, self.action, self.resource)
    }
}

/// The first part of the schema that an expression names.
fn resource(expression: &Value) -> Option<String> {
    match expression {
        Value::Object(members) => {
            let named = |kind: &&&str| members.get(**kind).and_then(Value::as_str).is_some();
            if let Some(kind) = RESOURCES.iter().find(named) {
                let name = members.get(*kind).and_then(Value::as_str).unwrap_or_default();
                return Some(format!("{kind} {name}"));
            }
            // Literals hold what users have written.
            members.iter().filter(|(name, _)| *name != "object").find_map(|(_, inner)| resource(inner))
        }
        Value::Array(items) => items.iter().find_map(resource),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn action_and_resource_come_from_the_position_in_the_query() {
        let text = json!({"object": {"data": {"object": {"collection": "hunter2"}}}});
        let get = json!({"get": {"ref": {"collection": "users"}, "id": "102"}});
        for (position, query, action, resource) in [
            (json!([]), get.clone(), "get", "collection users"),
            (json!(["from"]), json!({"select": ["data"], "from": get}), "get", "collection users"),
            (
                json!(["create"]),
                json!({"create": {"collection": "posts"}, "params": text}),
                "create",
                "collection posts",
            ),
            (
                json!(["paginate"]),
                json!({"paginate": {"match": {"index": "by_author"}}}),
                "paginate",
                "index by_author",
            ),
            (
                json!(["in", "do", 1]),
                json!({"in": {"do": [null, {"call": {"function": "like"}}]}}),
                "call",
                "function like",
            ),
            (json!(["elsewhere", 7]), json!({"update": {"var": "x"}, "params": text}), "update", "unknown"),
        ] {
            let position = position.as_array().unwrap();
            let denied = Denied::at(position, Sent { role: "backend", query: &Expr::new(query.clone()) });
            assert_eq!((denied.action.as_str(), denied.resource.as_str()), (action, resource), "{query}");
        }
    }
}
