//! Administration over HTTP with the API key.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Response, TestClient};
use crate::world::{DEFAULT_HASHES, World, credentials};

/// Settings of these worlds.
const SETTINGS: [(&str, &str); 2] = [("ADMIN_API_KEY", KEY), ("INSECURE_NO_THROTTLE", "true")];
pub const KEY: &str = "an-admin-key-of-this-test";
/// `testPass123`, as SuperTokens' core stores it.
pub const BCRYPT: &str = "$2a$10$GzEm3vKoAqnJCTWesRARCe/ovjt/07qjvcH9jbLUg44Fn77gMZkmm";
/// The same with argon2.
pub const ARGON2: &str = "$argon2id$v=19$m=16,t=2,p=1$VG1Oa1lMbzZLbzk5azQ2Qg$kjcNNtZ/b0t/8HgXUiQ76A";

pub async fn world() -> World {
    World::with(&SETTINGS).await
}

/// The same with password hashes as they are outside of tests.
pub async fn world_with_default_hashes() -> World {
    World::with(&[&SETTINGS[..], &[DEFAULT_HASHES]].concat()).await
}

/// Somebody who sends the key.
pub fn admin(world: &World) -> TestClient {
    let mut admin = world.visitor();
    admin.header("authorization", &format!("Bearer {KEY}"));
    admin
}

pub fn entry(email: &str, algorithm: &str, hash: &str) -> Value {
    let method = json!({"recipeId": "emailpassword", "tenantIds": ["public"], "email": email, "isVerified": true,
        "timeJoinedInMSSinceEpoch": 1_672_531_199_000_i64, "passwordHash": hash, "hashingAlgorithm": algorithm});
    json!({"loginMethods": [method]})
}

pub async fn import(world: &World, entries: &[Value]) -> Response {
    admin(world).post("/api/admin/users/import", &json!({"users": entries})).await
}

pub async fn count(world: &World) -> i64 {
    admin(world).get("/api/admin/users/count").await.json()["count"].as_i64().unwrap()
}

fn addresses(list: &Value) -> Vec<&str> {
    list["users"].as_array().unwrap().iter().map(|user| user["emails"][0].as_str().unwrap_or("none")).collect()
}

#[actix_rt::test]
async fn without_the_key_nothing_is_told() {
    let world = world().await;
    let ann = world.sign_up("ann@example.com").await;
    for path in ["/api/admin/users", "/api/admin/users/count", "/api/admin/users/export"] {
        for (name, value) in [("authorization", "Bearer wrong"), ("api-key", "wrong"), ("authorization", "")] {
            let answer = ann.send(Method::GET, path, &[(name, value)], None).await;
            assert_eq!(answer.status, 401, "{path}: {}", answer.text);
            assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
            let reason = if value.is_empty() { "error_description=\"missing: " } else { "error=\"invalid_token\"" };
            assert!(answer.header("www-authenticate").contains(reason), "{}", answer.header("www-authenticate"));
            let told = if value.is_empty() { "an API key is needed" } else { "this is not the API key" };
            assert!(answer.text.contains(told), "{path} with {value}: {}", answer.text);
        }
        let with_key = world.visitor().send(Method::GET, path, &[("api-key", KEY)], None).await;
        assert_eq!(with_key.status, 200, "{path}");
    }
    let closed = World::start().await;
    let answer = admin(&closed).get("/api/admin/users").await;
    let nowhere = admin(&closed).get("/api/admin/nowhere").await;
    assert_eq!((answer.status, &answer.json()["message"]), (404, &nowhere.json()["message"]));
}

/// What is wrong with the input is told to administrators only.
#[actix_rt::test]
async fn the_key_is_checked_before_the_input() {
    let world = world().await;
    let json = ("content-type", "application/json");
    for (method, path, headers, body) in [
        (Method::GET, "/api/admin/users?limit=many", &[][..], ""),
        (Method::GET, "/api/admin/users?limit=1&limit=2", &[], ""),
        (Method::GET, "/api/admin/users/by-email", &[], ""),
        (Method::GET, "/api/admin/users/by-email?email=a&email=b", &[], ""),
        (Method::POST, "/api/admin/users/import", &[json], "{"),
        (Method::POST, "/api/admin/users/import", &[], "{}"),
    ] {
        let body = (!body.is_empty()).then(|| body.to_owned());
        let ask = async |client: &TestClient| {
            client.send(method.clone(), path, headers, body.clone().map(Into::into)).await.status
        };
        assert_eq!(ask(&world.visitor()).await, 401, "{path}");
        assert!(matches!(ask(&admin(&world)).await, 400 | 415), "{path}");
    }
}

#[actix_rt::test]
async fn input_of_administrators_is_refused_by_name_and_position() {
    let world = world().await;
    let admin = admin(&world);
    for (query, told) in [
        ("limit=many", "limit: must be a number from 1 to 500"),
        ("limit=501", "limit: must be a number from 1 to 500"),
        ("timeJoinedOrder=UP", "timeJoinedOrder: must be ASC or DESC"),
        ("paginationToken=x", "paginationToken: must be the nextPaginationToken of a page"),
    ] {
        assert_eq!(admin.get(&format!("/api/admin/users?{query}")).await.json()["message"], told);
    }
    let entry = entry("ann@example.com", "bcrypt", BCRYPT);
    let import = async |kind: &str, body: &str| {
        let (path, body) = ("/api/admin/users/import", body.to_owned());
        admin.send(Method::POST, path, &[("content-type", kind)], Some(body.into())).await
    };
    for (kind, body, status, told) in [
        ("text/csv", json!({"users": [entry]}).to_string(), 415, "content type must be application/json"),
        ("application/json", String::new(), 400, "the body is empty, expected a JSON object"),
        (
            "application/json",
            "{\n \"users\": hunter2}".to_owned(),
            400,
            "the body is not valid JSON at line 2, column 11",
        ),
        (
            "application/json",
            json!({"users": [entry], "extra": 1}).to_string(),
            400,
            "unknown field \"extra\", expected users",
        ),
        ("application/json", json!({"users": {}}).to_string(), 400, "users: must be an array"),
        ("application/json", json!([entry]).to_string(), 400, "the body must be a JSON object"),
    ] {
        let answer = import(kind, &body).await;
        assert_eq!((answer.status, answer.json()["message"].as_str()), (status, Some(told)), "{body}");
    }
    let answer = import("application/json", &json!({"users": [entry, 5]}).to_string()).await;
    let expected = json!([{"index": 1, "errors": ["the entry must be an object"]}]);
    assert_eq!((answer.status, &answer.json()["users"]), (400, &expected));
    assert_eq!(count(&world).await, 0);
}

#[actix_rt::test]
async fn users_are_listed_by_age_in_pages() {
    let world = world().await;
    for name in ["a", "b", "c", "d", "e"] {
        world.sign_up(&format!("{name}@example.com")).await;
    }
    let admin = admin(&world);
    for (order, expected) in [
        ("", ["a@example.com", "b@example.com", "c@example.com", "d@example.com", "e@example.com"]),
        ("&timeJoinedOrder=ASC", ["a@example.com", "b@example.com", "c@example.com", "d@example.com", "e@example.com"]),
        (
            "&timeJoinedOrder=DESC",
            ["e@example.com", "d@example.com", "c@example.com", "b@example.com", "a@example.com"],
        ),
    ] {
        let (mut seen, mut path) = (Vec::new(), format!("/api/admin/users?limit=2{order}"));
        loop {
            let page = admin.get(&path).await.json();
            assert_eq!(page["status"], "OK", "{page}");
            seen.extend(addresses(&page).into_iter().map(str::to_owned));
            let Some(next) = page["nextPaginationToken"].as_str() else { break };
            path = format!("/api/admin/users?limit=2{order}&paginationToken={next}");
        }
        assert_eq!(seen, expected, "{order}");
    }
    for query in ["limit=0", "limit=501", "paginationToken=garbage", "timeJoinedOrder=UP"] {
        assert_eq!(admin.get(&format!("/api/admin/users?{query}")).await.status, 400, "{query}");
    }
    let lower = admin.get("/api/admin/users?timeJoinedOrder=desc").await;
    assert!(lower.status == 400 && lower.text.contains("timeJoinedOrder: must be ASC or DESC"), "{}", lower.text);
    let found = admin.get("/api/admin/users/by-email?email=%20C%40example.com").await.json();
    assert_eq!(addresses(&found), ["c@example.com"]);
    assert_eq!(addresses(&admin.get("/api/admin/users/by-email?email=nobody%40x.io").await.json()), Vec::<&str>::new());
    assert_eq!(count(&world).await, 5);
}

#[actix_rt::test]
async fn deleting_a_user_ends_sessions_and_tokens() {
    let world = World::with(&[("ADMIN_API_KEY", KEY), ("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", "true")]).await;
    let ann = world.sign_up("ann@example.com").await;
    let (token, id) = (ann.fauna_token(), ann.payload()["sub"].as_str().unwrap().to_owned());
    let path = format!("/api/admin/users/{id}");
    assert_eq!(admin(&world).delete(&path).await.json(), json!({"status": "OK"}));
    assert!(!world.fauna().accepts(&token).await);
    assert_eq!(ann.refresh().await.status, 401);
    assert_eq!((count(&world).await, world.count_tokens().await), (0, 0));
    for missing in [path.as_str(), "/api/admin/users/abc"] {
        assert_eq!(admin(&world).delete(missing).await.status, 404);
    }
    world.sign_up("ann@example.com").await;
}

#[actix_rt::test]
async fn people_from_elsewhere_sign_in_with_their_old_passwords() {
    let world = world().await;
    let entries = [entry("Bea@Example.com", "bcrypt", BCRYPT), entry("art@example.com", "ARGON2", ARGON2)];
    let answer = import(&world, &entries).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"status": "OK", "imported": 2})));
    for email in ["bea@example.com", "art@example.com"] {
        for _again_with_the_new_hash in 0..2 {
            let answer = world.visitor().post("/auth/signin", &credentials(email, "testPass123")).await.json();
            assert_eq!(
                (&answer["status"], &answer["user"]["timeJoined"]),
                (&json!("OK"), &json!(1_672_531_199_000_i64))
            );
            assert_eq!(answer["user"]["loginMethods"][0]["verified"], true);
        }
        let wrong = world.visitor().post("/auth/signin", &credentials(email, "testPass124")).await.json();
        assert_eq!(wrong["status"], "WRONG_CREDENTIALS_ERROR");
    }
    let export = admin(&world).get("/api/admin/users/export").await.text;
    assert!(!export.contains("$2a$") && !export.contains("m=16,"), "hashes were replaced at sign-in: {export}");
}

#[actix_rt::test]
async fn an_import_is_all_or_nothing_and_says_what_is_wrong() {
    let world = world().await;
    world.sign_up("ann@example.com").await;
    let good = entry("new@example.com", "bcrypt", BCRYPT);
    for bad in [
        entry("nope", "bcrypt", BCRYPT),
        entry("x@example.com", "firebase_scrypt", BCRYPT),
        entry("NEW@example.com", "bcrypt", BCRYPT),
        entry("Ann@Example.com", "bcrypt", BCRYPT),
    ] {
        let answer = import(&world, &[good.clone(), bad.clone()]).await;
        assert_eq!((answer.status, &answer.json()["users"][0]["index"]), (400, &json!(1)), "{bad}: {}", answer.text);
        assert_eq!(answer.json()["users"].as_array().unwrap().len(), 1, "{bad}");
    }
    assert_eq!(import(&world, &[]).await.status, 400);
    assert_eq!(count(&world).await, 1);
}

/// The document of somebody who signs in with the password of [`BCRYPT`], read with their own token.
async fn own_document(world: &World, email: &str) -> Value {
    let person = world.visitor();
    person.post("/auth/signin", &credentials(email, "testPass123")).await;
    let (status, answer) = world.fauna().ask(&person.fauna_token(), &json!({"get": {"current_identity": null}})).await;
    assert_eq!(status, 200, "{answer}");
    answer["resource"].clone()
}

#[actix_rt::test]
async fn what_an_import_says_of_people_is_kept_and_exported() {
    let settings = [("ADMIN_API_KEY", KEY), ("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", "true")];
    let (here, there) = (World::with(&settings).await, World::with(&settings).await);
    let mut ann = entry("ann@example.com", "bcrypt", &format!(" {BCRYPT} "));
    ann["externalUserId"] = json!("7e3b1c52-0a55-4a0e-9d2b-0c1c7d6f2f11");
    ann["userMetadata"] = json!({"name": "Ann", "plan": {"@ref": "pro", "seats": [3]}, "delete": "x"});
    ann["loginMethods"][0]["timeJoinedInMSSinceEpoch"] = Value::Null;
    assert_eq!(import(&here, &[ann.clone()]).await.json()["imported"], 1);
    let id = ann["externalUserId"].clone();
    let expected = json!({"externalUserId": id, "plan": {"@ref": "pro", "seats": [3]}, "delete": "x"});

    let user = own_document(&here, "ann@example.com").await;
    assert_eq!(user["data"]["name"], "Ann");
    assert_eq!(user["data"]["profile"]["plan"]["@obj"], expected["plan"], "{user}");
    let joined = &admin(&here).get("/api/admin/users").await.json()["users"][0]["timeJoined"];
    assert!(joined.as_i64().unwrap() > 1_700_000_000_000, "they joined now: {joined}");

    let line: Value = serde_json::from_str(&admin(&here).get("/api/admin/users/export").await.text).unwrap();
    let mut metadata = expected;
    metadata["name"] = json!("Ann");
    assert_eq!((&line["userMetadata"], &line["externalUserId"]), (&metadata, &user["ref"]["@ref"]["id"]));
    assert_eq!(import(&there, &[line]).await.json()["imported"], 1);
    let same = own_document(&there, "ann@example.com").await;
    assert_eq!((&same["data"]["profile"], &same["ref"]), (&user["data"]["profile"], &user["ref"]));

    let twins = ["x@example.com", "y@example.com"].map(|email| {
        let mut twin = entry(email, "bcrypt", BCRYPT);
        twin["externalUserId"] = id.clone();
        twin
    });
    let refused = import(&here, &twins).await;
    assert_eq!(refused.json()["users"][0]["errors"], json!(["another entry has the same externalUserId"]));
}

#[actix_rt::test]
async fn users_that_somebody_made_by_hand_are_listed_with_the_others() {
    let world = world().await;
    let (_ann, bob) = (world.sign_up("ann@example.com").await, world.sign_up("bob@example.com").await);
    let (_, key) = world.fauna_credentials();
    let secret = json!({"ref": {"collection": "user_secrets"}, "id": bob.payload()["sub"]});
    assert_eq!(world.fauna().ask(&key, &json!({"delete": secret})).await.0, 200);
    for (id, data) in [("4001", json!({"name": "Shell", "email": "shell@example.com"})), ("4002", json!({"a": 1}))] {
        let user = json!({"ref": {"collection": "users"}, "id": id});
        let create = json!({"create": user, "params": {"object": {"data": {"object": data}}}});
        assert_eq!(world.fauna().ask(&key, &create).await.0, 201);
    }
    for order in ["ASC", "DESC"] {
        let (mut seen, mut next) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/admin/users?limit=1&timeJoinedOrder={order}{next}");
            let page = admin(&world).get(&path).await;
            assert_eq!(page.status, 200, "{}", page.text);
            seen.extend(addresses(&page.json()).iter().map(|address| (*address).to_owned()));
            let Some(token) = page.json()["nextPaginationToken"].as_str().map(str::to_owned) else { break };
            next = format!("&paginationToken={token}");
        }
        seen.sort();
        assert_eq!(seen, ["ann@example.com", "bob@example.com", "none", "shell@example.com"], "{order}");
    }
    let export = admin(&world).get("/api/admin/users/export").await;
    assert_eq!((export.status, export.text.lines().count()), (200, 4), "{}", export.text);
    assert_eq!(admin(&world).delete("/api/admin/users/4001").await.status, 200);
}

#[actix_rt::test]
async fn a_user_has_one_id_however_many_zeros_are_put_before_it() {
    let world = world().await;
    let ann = world.sign_up("ann@example.com").await;
    let id = ann.payload()["sub"].as_str().unwrap().to_owned();
    let delete = async |id: &str| admin(&world).delete(&format!("/api/admin/users/{id}")).await;
    assert_eq!(delete(&format!("0{id}")).await.status, 404);
    assert_eq!(ann.get("/api/sessions").await.status, 200);
    assert_eq!(delete(&id).await.status, 200);
    assert_eq!(ann.get("/api/sessions").await.status, 401);
}

#[actix_rt::test]
async fn an_export_can_be_imported_elsewhere() {
    let (here, there) = (world().await, world().await);
    let people: Vec<Value> = (0..1200).map(|n| entry(&format!("user{n}@example.com"), "bcrypt", BCRYPT)).collect();
    assert_eq!(import(&here, &people).await.json()["imported"], 1200);
    let export = admin(&here).get("/api/admin/users/export").await.text;
    let lines: Vec<Value> = export.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1200);
    assert_eq!(import(&there, &lines).await.json()["imported"], 1200);
    assert_eq!(count(&there).await, 1200);
    assert_eq!(import(&there, &lines).await.status, 400, "a second time everybody is there already");
}
