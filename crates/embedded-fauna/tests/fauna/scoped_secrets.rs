//! Credentials with a scope mean what FaunaDB's grammar says: random texts, compared with a model of that grammar.
//!
//! The model (`grammar`) is written down rule by rule: choices are ordered, and a choice that was made is not taken back. The
//! implementation cuts the text at its separators instead.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::endpoint::{Endpoint, ROOT};
use super::random::Random;

const SAMPLES: usize = 800;
/// The database of the keys; `sub` is its child, and so on. The deepest has no users.
const NAMES: &[&str] = &["scoped", "sub", "sub", "sub"];
/// Ids of the users of each database, the root first.
const USERS: &[&[i64]] = &[&[], &[101, 102], &[7], &[9], &[]];
/// Pieces that credentials are made of.
const PIECES: &[&str] = &[
    ":",
    ":",
    "/",
    ",",
    "=",
    "x",
    "admin",
    "server",
    "server-readonly",
    "client",
    "@role/",
    "@role/reader",
    "@doc/",
    "collections/users/",
    "classes/users/102",
    "@doc/users/101",
    "@doc/users",
    "@doc/users/",
    "@doc/tokens/1",
    "@doc/users/self",
    "/events",
    "101",
    "+101",
    "00101",
    "7",
    "sub",
    "sub/sub",
    ":sub:",
    ":sub/:",
    ":/:",
    ":sub:admin",
    ":admin",
    ":server",
    ":@doc/users/101",
    ":sub:@doc/users/7",
    ":@role/reader",
    ":@role/none",
];

/// A scope as the grammar reads it.
#[derive(Clone, Debug, PartialEq)]
enum Scope {
    BuiltIn(&'static str),
    Role(String),
    Document(String),
}

/// The grammar of `fauna.auth.AuthParser`, each rule taking the text and giving what it matched and the rest.
mod grammar {
    use super::Scope;

    type Match<'t, T> = Option<(T, &'t str)>;
    /// A database path and a scope.
    type Suffix<'t> = (Option<&'t str>, Scope);

    fn one_or_more_none_of<'t>(stop: &str, text: &'t str) -> Match<'t, &'t str> {
        let end = text.find(|character| stop.contains(character)).unwrap_or(text.len());
        (end > 0).then(|| text.split_at(end))
    }

    fn segment(text: &str) -> Match<'_, &str> {
        one_or_more_none_of(",()&=:", text)
    }

    fn built_in(text: &str) -> Match<'_, Scope> {
        let choices = ["admin", "server-readonly", "server", "client"];
        choices.iter().find_map(|name| Some((Scope::BuiltIn(name), text.strip_prefix(name)?)))
    }

    fn custom(text: &str) -> Match<'_, Scope> {
        let (name, rest) = segment(text.strip_prefix("@role/")?)?;
        Some((Scope::Role(name.to_owned()), rest))
    }

    fn legacy_ref(text: &str) -> Match<'_, Scope> {
        let text = text.strip_prefix("classes/").or_else(|| text.strip_prefix("collections/"))?;
        let (path, rest) = segment(text)?;
        Some((Scope::Document(path.to_owned()), rest))
    }

    fn doc_ref(text: &str) -> Match<'_, Scope> {
        let (path, rest) = segment(text.strip_prefix("@doc/")?)?;
        Some((Scope::Document(path.to_owned()), rest))
    }

    fn optional_database(text: &str) -> (Option<&str>, &str) {
        let database = segment(text).and_then(|(name, rest)| Some((Some(name), rest.strip_prefix(':')?)));
        database.unwrap_or((None, text))
    }

    fn auth_scope(text: &str) -> Match<'_, Suffix<'_>> {
        [built_in, custom, legacy_ref, doc_ref].iter().find_map(|what| {
            let (database, rest) = optional_database(text.strip_prefix(':')?);
            let (scope, rest) = what(rest)?;
            Some(((database, scope), rest))
        })
    }

    /// The secret, the database path and the scope; `None` where the text is no credential.
    pub fn root(text: &str) -> Option<(&str, Option<Suffix<'_>>)> {
        let (secret, rest) = one_or_more_none_of("/,()&=:", text)?;
        let (scope, rest) = match auth_scope(rest) {
            Some((scope, rest)) => (Some(scope), rest),
            None if rest.starts_with(':') => (None, ""),
            None => (None, rest),
        };
        rest.is_empty().then_some((secret, scope))
    }
}

/// The permissions of a secret without a scope.
#[derive(Clone, Debug)]
struct Owner {
    secret: String,
    /// Number of the database in [`USERS`].
    database: usize,
    role: &'static str,
}

/// An answer to [`query`]: the identity, the ids that can be read, and whether the child database can.
type Seen = (Option<i64>, Vec<i64>, bool);

fn query() -> Value {
    let user = |id: i64| json!({"exists": {"ref": {"collection": "users"}, "id": id}});
    let identity = json!({"if": {"has_current_identity": null}, "then": {"select": ["id"], "from": {"current_identity": null}},
        "else": null});
    json!([identity, [user(101), user(102), user(7), user(9)], {"exists": {"database": "sub"}}])
}

/// The result of [`query`] for a caller with a role.
fn seen(role: &str, identity: Option<i64>, database: usize) -> Seen {
    let readable = match (role, identity) {
        (_, Some(identity)) => vec![identity],
        ("client", _) => Vec::new(),
        _ => USERS[database].to_vec(),
    };
    (identity, readable, role == "admin" && !USERS[database].is_empty())
}

/// The status, and what is seen where it is 200.
fn expected(text: &str, owners: &[Owner]) -> (u16, Option<Seen>) {
    let refused = (401, None);
    let shown = |seen: Seen| (200, Some(seen));
    let Some((secret, scope)) = grammar::root(text) else { return refused };
    let Some(owner) = owners.iter().find(|owner| owner.secret == secret) else { return refused };
    if owner.role == "token" {
        return shown(seen("token", Some(101), owner.database));
    }
    let Some((path, scope)) = scope else { return shown(seen(owner.role, None, owner.database)) };
    let mut names: Vec<&str> = path.unwrap_or_default().split('/').collect();
    while names.last().is_some_and(|name| name.is_empty()) {
        names.pop();
    }
    let may = match (&scope, owner.role) {
        (_, "admin") => true,
        (Scope::Document(_), "server") => names.is_empty(),
        _ => false,
    };
    let mut database = owner.database;
    for name in names {
        if NAMES.get(database) != Some(&name) {
            return refused;
        }
        database += 1;
    }
    let has_schema = USERS.get(database).is_some_and(|users| !users.is_empty());
    match scope {
        _ if !may => refused,
        Scope::BuiltIn(role) => shown(seen(role, None, database)),
        Scope::Role(name) if name == "reader" && has_schema => shown(seen("role", None, database)),
        Scope::Role(_) => refused,
        Scope::Document(path) => {
            let id = path.strip_prefix("users/").filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()));
            let id = id.and_then(|id| id.parse().ok()).filter(|id| USERS.get(database).unwrap().contains(id));
            id.map_or(refused, |id| shown(seen("document", Some(id), database)))
        }
    }
}

/// A database with users and roles, and a child in it.
async fn fill(endpoint: &Endpoint, admin: &str, users: &[i64]) {
    endpoint.query(admin, &json!({"create_collection": {"object": {"name": "users"}}})).await;
    for id in users {
        endpoint.query(admin, &json!({"create": {"ref": {"collection": "users"}, "id": id}})).await;
    }
    let own = json!({"query": {"lambda": "ref", "expr": {"equals": [{"var": "ref"}, {"current_identity": null}]}}});
    for (name, read, has_members) in [("reader", json!(true), false), ("own", own, true)] {
        let users = json!({"collection": "users"});
        let privileges = json!([{"object": {"resource": users, "actions": {"object": {"read": read}}}}]);
        let mut role = json!({"name": name, "privileges": privileges});
        if has_members {
            role["membership"] = json!({"object": {"resource": users}});
        }
        endpoint.query(admin, &json!({"create_role": {"object": role}})).await;
    }
    endpoint.query(admin, &json!({"create_database": {"object": {"name": "sub"}}})).await;
}

/// The secrets of keys and of a token.
async fn owners(endpoint: &Endpoint) -> Vec<Owner> {
    let (admin, server) = endpoint.child("scoped").await;
    fill(endpoint, &admin, USERS[1]).await;
    fill(endpoint, &format!("{admin}:sub:admin"), USERS[2]).await;
    fill(endpoint, &format!("{admin}:sub/sub:admin"), USERS[3]).await;
    let secret = |made: Value| made["secret"].as_str().unwrap().to_owned();
    let mut owners = vec![Owner { secret: ROOT.to_owned(), database: 0, role: "admin" }];
    let instance = json!({"ref": {"collection": "users"}, "id": 101});
    let token = json!({"create": {"tokens": null}, "params": {"object": {"instance": instance}}});
    let token = secret(endpoint.query(&server, &token).await);
    for role in ["server-readonly", "client"] {
        let key = secret(endpoint.query(&admin, &json!({"create_key": {"object": {"role": role}}})).await);
        owners.push(Owner { secret: key, database: 1, role });
    }
    let role = json!({"create_key": {"object": {"role": {"role": "reader"}}}});
    owners.push(Owner { secret: secret(endpoint.query(&admin, &role).await), database: 1, role: "role" });
    for (secret, role) in [(token, "token"), (admin, "admin"), (server, "server"), ("fnAnothing".to_owned(), "no one")]
    {
        owners.push(Owner { secret, database: 1, role });
    }
    owners
}

/// The answer in the form of the model.
fn answered(body: &Value) -> Option<Seen> {
    let resource = body.get("resource")?.as_array()?;
    let readable = [101, 102, 7, 9].into_iter().zip(resource[1].as_array()?);
    let readable = readable.filter(|(_, exists)| **exists == json!(true)).map(|(id, _)| id).collect();
    let identity = resource[0].as_str().map(|id| id.parse().unwrap());
    Some((identity, readable, resource[2] == json!(true)))
}

/// A secret, most often of one that may have a scope, and some pieces.
fn credential(random: &mut Random, owners: &[Owner]) -> String {
    let owner = if random.below(3) == 0 { random.below(owners.len()) } else { owners.len() - 3 + random.below(2) };
    let mut text = owners[owner].secret.clone();
    for _ in 0..random.below(4) {
        let _infallible = write!(text, "{}", random.pick(PIECES));
    }
    text
}

#[test]
fn scoped_secrets_are_read_as_faunadb_reads_them() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let mut owners = owners(&endpoint).await;
        let unknown = owners.pop().unwrap();
        let mut random = Random::new(17);
        let (mut differing, mut outcomes) = (Vec::new(), [0; 3]);
        for sample in 0..SAMPLES {
            let mut text = credential(&mut random, &owners);
            if sample % 50 == 0 {
                text = text.replacen(&owners[owners.len() - 1].secret, &unknown.secret, 1);
            }
            let reply = endpoint.ask(&text, query().to_string()).await;
            let got = (reply.status, answered(&reply.json()));
            let wanted = expected(&text, &owners);
            outcomes[wanted.1.as_ref().map_or(0, |seen| 1 + usize::from(seen.0.is_some()))] += 1;
            if got != wanted {
                let named = owners.iter().fold(text, |text, owner| text.replace(&owner.secret, owner.role));
                differing.push(format!("{named}: want {wanted:?}, got {got:?}"));
            }
        }
        assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
        assert!(outcomes.iter().all(|count| *count >= 50), "refused, without and with an identity: {outcomes:?}");
    });
}
