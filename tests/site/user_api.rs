//! `GET` and `PATCH /api/user`: what users see and change of their own profile.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Response, TestClient};
use crate::world::{PASSWORD, World};

const ROOT: &str = "root-key-of-this-test";
const FIELDS: (&str, &str) = ("SIGN_UP_FIELDS", "name?,city,age?");

async fn patch(client: &TestClient, change: &Value) -> Response {
    let json_type = [("content-type", "application/json")];
    client.send(Method::PATCH, "/api/user", &json_type, Some(change.to_string().into())).await
}

async fn document(world: &World, id: &str) -> Value {
    let query = json!({"select": ["data"], "from": {"get": {"ref": {"collection": "users"}, "id": id}}});
    let (status, body) = world.fauna().ask(ROOT, &query).await;
    assert_eq!(status, 200, "{body}");
    body["resource"].clone()
}

/// Signed up with a city and an age.
async fn ann(world: &World) -> TestClient {
    let ann = world.visitor();
    let fields = [("email", json!("ann@example.com")), ("password", json!(PASSWORD)), ("name", json!("Ann"))]
        .into_iter()
        .chain([("city", json!("Ulm")), ("age", json!({"years": 7, "months": 2}))])
        .map(|(id, value)| json!({"id": id, "value": value}))
        .collect::<Vec<_>>();
    let answer = ann.post("/auth/signup", &json!({"formFields": fields})).await;
    assert_eq!(answer.json()["status"], "OK", "{}", answer.text);
    ann
}

#[actix_rt::test]
async fn users_see_and_change_their_name_and_fields() {
    let world = World::with(&[FIELDS]).await;
    let ann = ann(&world).await;
    let mut own = ann.get("/api/user").await;
    assert_eq!((own.status, own.header("cache-control")), (200, "no-store"), "{}", own.text);
    let before = own.json();
    let age = json!({"years": 7, "months": 2});
    assert_eq!((&before["email"], &before["emailVerified"]), (&json!("ann@example.com"), &json!(false)));
    assert_eq!((&before["name"], &before["profile"]), (&json!("Ann"), &json!({"city": "Ulm", "age": age})));
    assert!(before["id"].is_string() && before["joinedAt"].is_i64(), "{before}");

    own = patch(&ann, &json!({"name": "  Ann Lee ", "profile": {"age": {"years": 8}}})).await;
    let expected = json!({"city": "Ulm", "age": {"years": 8}});
    assert_eq!((own.status, &own.json()["name"], &own.json()["profile"]), (200, &json!("Ann Lee"), &expected));
    assert_eq!(ann.get("/api/user").await.json(), own.json(), "an object replaces the former one, others stay");
    own = patch(&ann, &json!({"profile": {"age": null}})).await;
    assert_eq!(own.json()["profile"], json!({"city": "Ulm"}), "{}", own.text);
    assert_eq!(patch(&ann, &json!({})).await.json(), own.json());

    ann.post("/api/comments", &json!({"text": "hello"})).await;
    assert_eq!(ann.get("/api/comments").await.json()["comments"][0]["authorName"], "Ann Lee");
}

#[actix_rt::test]
async fn a_refused_change_names_its_field_and_changes_nothing() {
    let world = World::with(&[FIELDS]).await;
    let ann = ann(&world).await;
    let before = ann.get("/api/user").await.json();
    for (change, named) in [
        (json!({"name": "New", "nmae": "x"}), "unknown field \"nmae\", expected name or profile"),
        (json!({"name": "New", "profile": {"town": "x"}}), "profile: unknown field \"town\", expected city, age"),
        (json!({"name": "New", "email": "b@example.com"}), "email: cannot be changed here, use POST /api/user/email"),
        (json!({"profile": {"city": null}}), "profile.city: must not be empty"),
        (json!({"profile": {"city": "x".repeat(1001)}}), "profile.city: This is too long"),
        (json!({"name": "x".repeat(41)}), "name: This is too long"),
        (json!({"name": "Ann\u{202e}"}), "name: This must not contain invisible characters"),
    ] {
        let refused = patch(&ann, &change).await;
        assert_eq!((refused.status, refused.json()["message"].as_str()), (400, Some(named)), "{change}");
    }
    assert_eq!(ann.get("/api/user").await.json(), before);
}

/// The check of a field that a site of its own defines holds here as well.
#[actix_rt::test]
async fn the_checks_of_the_sign_up_form_hold_for_later_changes() {
    let own = crate::own_site::one_domain::own();
    let world = World::with_extensions(&[], own).await;
    let ann = world.visitor();
    let fields = json!({"formFields": [
        {"id": "email", "value": "ann@example.com"}, {"id": "password", "value": PASSWORD}, {"id": "department", "value": "DEV"},
    ]});
    assert_eq!(ann.post("/auth/signup", &fields).await.json()["status"], "OK");
    let refused = patch(&ann, &json!({"profile": {"department": "dev"}})).await;
    let expected = "profile.department: A department is three capital letters";
    assert_eq!((refused.status, refused.json()["message"].as_str()), (400, Some(expected)));
    assert_eq!(patch(&ann, &json!({"profile": {"department": "OPS"}})).await.json()["profile"]["department"], "OPS");
}

#[actix_rt::test]
async fn users_who_were_in_fauna_before_keep_every_other_field() {
    let world = World::with(&[FIELDS]).await;
    let plan = json!({"object": {"tier": "gold", "seats": 3}});
    let data = json!({"email": "Ada@Example.com", "plan": plan, "roles": ["editor", 7], "name": 7});
    let create = json!({"create": {"ref": {"collection": "users"}, "id": "1001"}, "params": {"object": {"data": {"object": data}}}});
    assert_eq!(world.fauna().ask(ROOT, &create).await.0, 201);
    let reset = json!({"formFields": [{"id": "email", "value": "ada@example.com"}]});
    world.visitor().post("/auth/user/password/reset/token", &reset).await;
    let token = crate::mailbox::token_to(&world, "ada@example.com").await;
    let set = json!({"method": "token", "token": token, "formFields": [{"id": "password", "value": PASSWORD}]});
    assert_eq!(world.visitor().post("/auth/user/password/reset", &set).await.json()["status"], "OK");
    let ada = world.sign_in("ada@example.com").await;

    let own = ada.get("/api/user").await.json();
    assert_eq!((&own["name"], &own["joinedAt"], &own["profile"]), (&Value::Null, &Value::Null, &json!({})), "{own}");
    let before = document(&world, "1001").await;
    let changed = patch(&ada, &json!({"name": "Ada", "profile": {"city": "Rome"}})).await;
    assert_eq!((changed.status, &changed.json()["name"]), (200, &json!("Ada")), "{}", changed.text);
    let mut expected = before;
    expected["name"] = json!("Ada");
    expected["profile"] = json!({"city": "Rome"});
    assert_eq!(document(&world, "1001").await, expected);
}

/// Least privilege: the user's own token reads the document and cannot write it.
#[actix_rt::test]
async fn a_users_own_token_cannot_write_the_document() {
    let world = World::with(&[FIELDS, ("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", "true")]).await;
    let ann = ann(&world).await;
    let write =
        json!({"update": {"current_identity": null}, "params": {"object": {"data": {"object": {"name": "x"}}}}});
    let (status, body) = world.fauna().ask(&ann.fauna_token(), &write).await;
    assert_eq!((status, &body["errors"][0]["code"]), (403, &json!("permission denied")), "{body}");
    assert_eq!(ann.sign_out().await.status, 200);
    assert_eq!((ann.get("/api/user").await.status, patch(&ann, &json!({"name": "x"})).await.status), (401, 401));
}

#[actix_rt::test]
async fn a_session_that_was_revoked_elsewhere_sees_and_changes_nothing() {
    let world = World::with(&[FIELDS]).await;
    let here = ann(&world).await;
    let there = world.sign_in("ann@example.com").await;
    assert_eq!(there.get("/api/user").await.status, 200);
    assert_eq!(here.post("/api/sessions/revoke-others", &json!({})).await.status, 200);
    assert_eq!((there.get("/api/user").await.status, patch(&there, &json!({"name": "x"})).await.status), (401, 401));
    // By another process, which this one learns from the database only.
    let handle = here.payload()["sessionHandle"].as_str().unwrap().to_owned();
    sqlx::query("delete from session where handle = $1").bind(handle).execute(&mut world.sql().await).await.unwrap();
    assert_eq!((here.get("/api/user").await.status, patch(&here, &json!({"name": "x"})).await.status), (401, 401));
}
