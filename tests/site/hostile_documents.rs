//! Documents of users with values of any type and size, as another application may have written them: lists, counts, exports and
//! what each user sees agree, and nothing but the document itself suffers.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use crate::admin::admin;
use crate::client::TestClient;
use crate::existing_users::{put, sign_in_by_id, world};
use crate::world::World;

/// Random documents in one world.
const DOCUMENTS: usize = 60;
/// Fields that have a meaning for the site, and one that has none.
const FIELDS: [&str; 5] = ["email", "name", "joinedAt", "profile", "other"];

/// A value as a query writes it.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        prop_oneof![Just(0.5), Just(-1e300), Just(3.0)].prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
        "[a-c]{1,3}@example\\.com".prop_map(Value::from),
        Just(json!(" x@example.com ")),
        Just(json!("\u{0}<script>\u{202e}")),
        Just(json!("x".repeat(3000))),
        Just(json!({"time": "2020-02-03T00:00:00Z"})),
        Just(json!({"time": "0001-01-01T00:00:00Z"})),
        Just(json!({"date": "2020-02-03"})),
        Just(json!({"@bytes": "AAEC"})),
        Just(json!({"ref": {"collection": "users"}, "id": "1"})),
        Just(json!({"collection": "users"})),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("@ts|@ref|name|data|delete", inner, 0..3)
                .prop_map(|fields| json!({"object": {"@obj": fields.into_iter().collect::<Map<_, _>>()}})),
        ]
    })
}

fn document() -> impl Strategy<Value = Value> {
    let field = prop::option::weighted(0.8, value());
    prop::collection::vec(field, FIELDS.len()).prop_map(|values| {
        let fields = FIELDS.iter().zip(values).filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
        Value::Object(fields.collect())
    })
}

/// The ids of all listed users, page by page.
async fn listed(world: &World, limit: usize, order: &str) -> Vec<Value> {
    let (mut users, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/admin/users?limit={limit}&timeJoinedOrder={order}{after}");
        let page = admin(world).get(&path).await;
        assert_eq!(page.status, 200, "{path} {}", page.text);
        users.extend(page.json()["users"].as_array().unwrap().clone());
        assert!(users.len() <= 1000, "the pages never end");
        let Some(token) = page.json()["nextPaginationToken"].as_str().map(str::to_owned) else { return users };
        after = format!("&paginationToken={token}");
    }
}

/// That every list names each of these users once, that count and export agree, and that an address finds the user listed with it.
async fn assert_agreement(world: &World, ids: &BTreeSet<String>) {
    let ids_of = |users: &[Value]| users.iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    for (limit, order) in [(1, "ASC"), (7, "DESC"), (500, "ASC"), (500, "DESC")] {
        let users = listed(world, limit, order).await;
        let mut seen = ids_of(&users);
        seen.sort();
        assert_eq!(seen.iter().collect::<Vec<_>>(), ids.iter().collect::<Vec<_>>(), "{limit} {order}");
        for user in users.iter().filter(|_| limit == 7) {
            let Some(email) = user["emails"][0].as_str() else { continue };
            let path = format!("/api/admin/users/by-email?email={}", email.replace('@', "%40"));
            let found = admin(world).get(&path).await.json();
            assert_eq!(ids_of(found["users"].as_array().unwrap()), [user["id"].as_str().unwrap()], "{email}");
        }
    }
    let count = admin(world).get("/api/admin/users/count").await.json()["count"].as_u64().unwrap();
    let export = admin(world).get("/api/admin/users/export").await;
    let exported: BTreeSet<String> = export
        .text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["externalUserId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((count, &exported), (u64::try_from(ids.len()).unwrap(), ids), "{}", export.text);
}

/// That the pages and routes of a user work whatever the document says.
async fn assert_usable(user: &TestClient, document: &Value) {
    for path in ["/account", "/account/settings", "/sessioninfo", "/api/user", "/api/sessions", "/"] {
        let answer = user.get(path).await;
        assert_eq!(answer.status, 200, "{path} {document} {}", answer.text);
    }
    let verify = user.post("/auth/user/email/verify/token", &json!({})).await;
    assert_eq!(verify.status, 200, "{document} {}", verify.text);
    let comment = user.post("/api/comments", &json!({"text": "hello"})).await;
    assert_eq!(comment.status, 201, "{document} {}", comment.text);
    let name = comment.json()["authorName"].as_str().unwrap().to_owned();
    assert!(name.chars().count() <= 200, "{document}");
    let change = json!({"name": "Renamed"}).to_string();
    let json_type = [("content-type", "application/json")];
    let renamed = user.send(reqwest::Method::PATCH, "/api/user", &json_type, Some(change.into())).await;
    assert_eq!((renamed.status, &renamed.json()["name"]), (200, &json!("Renamed")), "{document} {}", renamed.text);
}

#[actix_rt::test]
async fn documents_with_values_of_any_type_are_users_like_all_others() {
    let settings =
        [("EMAIL_VERIFICATION", "OPTIONAL"), ("SIGN_UP_FIELDS", "name?"), ("WRITES_PER_USER_MINUTE", "1000")];
    let world = world(&settings).await;
    let mut runner = TestRunner::deterministic();
    let mut ids = BTreeSet::new();
    let mut documents = Vec::new();
    for id in 2000..2000 + DOCUMENTS {
        let (id, document) = (id.to_string(), document().new_tree(&mut runner).unwrap().current());
        // Two documents with one address are refused by the index, also to another application.
        if put(&world, &id, document.clone()).await {
            ids.insert(id.clone());
            documents.push((id, document));
        }
    }
    assert!(ids.len() > DOCUMENTS / 2, "{}", ids.len());
    assert_agreement(&world, &ids).await;
    for (id, document) in &documents {
        assert_usable(&sign_in_by_id(&world, id).await, document).await;
    }
    assert_agreement(&world, &ids).await;
    for id in &ids {
        let deleted = admin(&world).delete(&format!("/api/admin/users/{id}")).await;
        assert_eq!(deleted.status, 200, "{id} {}", deleted.text);
    }
    assert_agreement(&world, &BTreeSet::new()).await;
}

#[actix_rt::test]
async fn large_fields_keep_nobody_from_working() {
    let world = world(&[("SIGN_UP_FIELDS", "name?")]).await;
    let large = "x".repeat(1 << 20);
    let mut ids = BTreeSet::new();
    for (id, data) in [
        ("3001", json!({"email": "a@example.com", "name": large})),
        ("3002", json!({"email": "b@example.com", "biography": large})),
        ("3003", json!({"email": "c@example.com", "profile": {"object": {"picture": large}}})),
        ("3004", json!({"email": "d@example.com", "profile": large})),
        ("3005", json!({"email": "e@example.com", "profile": {"object": {"picture": large, "more": [large]}}})),
        ("3006", json!({"email": "f@example.com", "profile": {"object": {"picture": large, "more": [large]}}})),
        ("3007", json!({"email": "g@example.com", "joinedAt": "y".repeat(20_000)})),
        ("3008", json!({"email": "h@example.com", "joinedAt": "y".repeat(20_001)})),
        ("3009", json!({"email": large})),
    ] {
        assert!(put(&world, id, data).await, "{id}");
        ids.insert(id.to_owned());
    }
    assert_agreement(&world, &ids).await;
    let other = world.sign_up("other@example.com").await;
    ids.insert(other.payload()["sub"].as_str().unwrap().to_owned());
    for id in ["3001", "3002", "3004", "3007"] {
        let user = sign_in_by_id(&world, id).await;
        for _ in 0..8 {
            assert_eq!(user.post("/api/comments", &json!({"text": "hello"})).await.status, 201, "{id}");
        }
        assert_usable(&user, &json!(id)).await;
    }
    assert_eq!(world.visitor().get("/api/comments").await.status, 200);
    assert_agreement(&world, &ids).await;
}
