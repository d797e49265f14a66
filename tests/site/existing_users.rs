//! Users whom another application put into the users collection before this one was installed, or beside it.

use serde_json::{Value, json};
use starter::app::SiteExtensions;
use starter::session::{Sessions, UserId};

use crate::admin::{ARGON2, KEY, admin, entry, import};
use crate::client::{Response, TestClient};
use crate::mailbox::token_to;
use crate::world::{PASSWORD, World, credentials};

/// The document of a user as another application would write it: in FQL, with the root key. `data` is an FQL object. False: a unique
/// index refuses it.
pub async fn put(world: &World, id: &str, data: Value) -> bool {
    let document = json!({"ref": {"collection": "users"}, "id": id});
    let query = json!({"create": document, "params": {"object": {"data": {"object": data}}}});
    let (status, body) = world.fauna().ask(world.admin_secret(), &query).await;
    assert!(status == 201 || body["errors"][0]["code"] == "instance not unique", "{body} {query}");
    status == 201
}

/// The data of a user's document.
async fn data(world: &World, id: &str) -> Value {
    let query = json!({"select": ["data"], "from": {"get": {"ref": {"collection": "users"}, "id": id}}});
    let (status, body) = world.fauna().ask(world.admin_secret(), &query).await;
    assert_eq!(status, 200, "{body}");
    body["resource"].clone()
}

/// Documents of every kind: complete, with fields unknown here, and with next to nothing.
async fn put_all(world: &World) {
    let plan = json!({"object": {"tier": "gold", "seats": 3}});
    assert!(put(world, "1001", json!({"email": "Ada@Example.com", "plan": plan, "roles": ["editor", 7]})).await);
    let bob = json!({"email": "bob@example.com", "name": "Bob", "joinedAt": {"time": "2020-02-03T00:00:00Z"}});
    assert!(put(world, "1002", bob).await);
    assert!(put(world, "1003", json!({"email": "cy@example.com", "joinedAt": "long ago", "name": 7})).await);
    assert!(put(world, "1004", json!({"nickname": "nobody"})).await);
}

/// A site with a route of its own that signs in whoever `?id=` names, as an application with its own sign-in would.
pub async fn world(settings: &[(&str, &str)]) -> World {
    let mut all = vec![("ADMIN_API_KEY", KEY)];
    all.extend(settings);
    let own = SiteExtensions {
        routes: |site| {
            site.add(
                starter::http::routes::Resource::at("/enter/{id}").post(starter::http::routes::Access::Public, enter),
            );
        },
        ..SiteExtensions::default()
    };
    World::with_extensions(&all, own).await
}

async fn enter(
    request: actix_web::HttpRequest,
    sessions: actix_web::web::Data<Sessions>,
    id: actix_web::web::Path<String>,
) -> Result<&'static str, starter::http::problem::Problem> {
    let user = UserId::parse(&id).ok_or(starter::http::problem::Problem::bad_request("no id"))?;
    sessions.create(&request, &user, serde_json::Map::new()).await?;
    Ok("welcome")
}

/// A client of the user with that id, signed in by the custom route.
pub async fn sign_in_by_id(world: &World, id: &str) -> TestClient {
    let client = world.visitor();
    let answer = client.post(&format!("/enter/{id}"), &json!({})).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "welcome"));
    client
}

async fn request_reset(world: &World, email: &str) {
    let body = json!({"formFields": [{"id": "email", "value": email}]});
    let answer = world.visitor().post("/auth/user/password/reset/token", &body).await;
    assert_eq!(answer.json()["status"], "OK", "{}", answer.text);
}

/// Sets a password by a mailed link, then signs in with it.
async fn reset_and_sign_in(world: &World, email: &str) -> TestClient {
    request_reset(world, email).await;
    let token = token_to(world, &email.to_lowercase()).await;
    let body = json!({"method": "token", "token": token, "formFields": [{"id": "password", "value": PASSWORD}]});
    let answer = world.visitor().post("/auth/user/password/reset", &body).await;
    assert_eq!(answer.json()["status"], "OK", "{}", answer.text);
    world.sign_in(email).await
}

fn status(answer: &Response) -> (u16, Value) {
    (answer.status, answer.json()["status"].clone())
}

#[actix_rt::test]
async fn a_session_can_be_created_for_any_document() {
    for verification in ["OFF", "OPTIONAL", "REQUIRED"] {
        let world = world(&[("EMAIL_VERIFICATION", verification)]).await;
        put_all(&world).await;
        for id in ["1001", "1002", "1003", "1004"] {
            let client = sign_in_by_id(&world, id).await;
            let info = client.get("/sessioninfo").await;
            // An account without an address has nothing to verify.
            let expected = if verification == "REQUIRED" && id != "1004" { 403 } else { 200 };
            assert_eq!(info.status, expected, "{verification} {id} {}", info.text);
            assert_eq!(client.get("/api/user/nothing").await.status, 404);
        }
        assert_eq!(world.count_tokens().await, 4, "each session has a Fauna token");
        let unknown = world.visitor().post("/enter/9999", &json!({})).await;
        assert_eq!((unknown.status, unknown.set_cookies().len()), (404, 0), "{}", unknown.text);
        assert!(unknown.text.contains("no user has this id"), "{}", unknown.text);
    }
}

#[actix_rt::test]
async fn a_reset_creates_the_password_and_loses_nothing() {
    let world = world(&[]).await;
    put_all(&world).await;
    let before = data(&world, "1001").await;
    let wrong = world.visitor().post("/auth/signin", &credentials("ada@example.com", PASSWORD)).await;
    assert_eq!(status(&wrong), (200, json!("WRONG_CREDENTIALS_ERROR")));
    for email in ["ADA@example.com", "bob@example.com", "cy@example.com"] {
        let client = reset_and_sign_in(&world, email).await;
        let info = client.get("/sessioninfo").await;
        assert_eq!(info.status, 200, "{}", info.text);
        assert_eq!(client.get("/account").await.status, 200, "{email}");
    }
    assert_eq!(data(&world, "1001").await, before);
}

#[actix_rt::test]
async fn a_sign_up_with_an_existing_address_is_refused_whatever_its_case() {
    let world = world(&[]).await;
    put_all(&world).await;
    for email in ["ada@example.com", "ADA@EXAMPLE.COM", "Bob@example.com"] {
        let answer = world.visitor().post("/auth/signup", &credentials(email, PASSWORD)).await;
        assert_eq!(status(&answer), (200, json!("FIELD_ERROR")), "{email} {}", answer.text);
        let exists = world.visitor().get(&format!("/auth/emailpassword/email/exists?email={email}")).await;
        assert_eq!(exists.json()["exists"], true, "{email}");
    }
}

#[actix_rt::test]
async fn an_address_is_verified_and_changed_without_a_password() {
    let world = world(&[]).await;
    put_all(&world).await;
    let before = data(&world, "1001").await;
    let ada = sign_in_by_id(&world, "1001").await;
    assert_eq!(status(&ada.post("/auth/user/email/verify/token", &json!({})).await), (200, json!("OK")));
    let token = token_to(&world, "ada@example.com").await;
    let verified = ada.post("/auth/user/email/verify", &json!({"method": "token", "token": token})).await;
    assert_eq!(status(&verified), (200, json!("OK")), "{}", verified.text);
    assert_eq!(ada.get("/auth/user/email/verify").await.json()["isVerified"], true);
    assert_eq!(data(&world, "1001").await, before, "the document is unchanged");

    let ada = reset_and_sign_in(&world, "ada@example.com").await;
    let change = json!({"currentPassword": PASSWORD, "email": "lovelace@example.com"});
    assert_eq!(ada.post("/api/user/email", &change).await.status, 200);
    let token = token_to(&world, "lovelace@example.com").await;
    assert_eq!(ada.post("/api/user/email/confirm", &json!({"token": token})).await.status, 200);
    let mut expected = before;
    expected["email"] = json!("lovelace@example.com");
    assert_eq!(data(&world, "1001").await, expected, "nothing but the address has changed");
    world.sign_in("lovelace@example.com").await;
}

#[actix_rt::test]
async fn lists_counts_and_exports_agree() {
    let world = world(&[]).await;
    put_all(&world).await;
    world.sign_up("dora@example.com").await;
    let admin = admin(&world);
    let mut ids = Vec::new();
    let mut after = String::new();
    loop {
        let page = admin.get(&format!("/api/admin/users?limit=1{after}")).await.json();
        ids.extend(page["users"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().to_owned()));
        let Some(token) = page["nextPaginationToken"].as_str() else { break };
        after = format!("&paginationToken={token}");
    }
    assert_eq!(ids.len(), 5, "{ids:?}");
    ids.sort();
    assert_eq!(ids[..4], ["1001", "1002", "1003", "1004"]);
    assert_eq!(admin.get("/api/admin/users/count").await.json()["count"], 5);
    let export = admin.get("/api/admin/users/export").await.text;
    assert_eq!(export.lines().count(), 5, "{export}");
    let found = admin.get("/api/admin/users/by-email?email=ADA@example.com").await.json();
    assert_eq!((&found["users"][0]["id"], &found["users"][0]["emails"]), (&json!("1001"), &json!(["ada@example.com"])));
    assert_eq!(admin.delete("/api/admin/users/1004").await.status, 200);
    assert_eq!(admin.get("/api/admin/users/count").await.json()["count"], 4);
}

#[actix_rt::test]
async fn comments_of_users_without_a_name_have_one() {
    let world = world(&[]).await;
    put_all(&world).await;
    for (id, name) in [("1001", "Unnamed user"), ("1002", "Bob"), ("1003", "Unnamed user"), ("1004", "Unnamed user")] {
        let client = sign_in_by_id(&world, id).await;
        let comment = client.post("/api/comments", &json!({"text": "hello"})).await;
        assert_eq!(comment.status, 201, "{id} {}", comment.text);
        assert_eq!(comment.json()["authorName"], name, "{}", comment.text);
        let like = client.put(&format!("/api/comments/{}/like", comment.json()["id"].as_str().unwrap())).await;
        assert_eq!(like.status, 200, "{}", like.text);
    }
}

#[actix_rt::test]
async fn an_account_without_password_is_deleted_by_an_administrator_and_with_one_by_its_user() {
    let world = world(&[]).await;
    put_all(&world).await;
    let ada = reset_and_sign_in(&world, "ada@example.com").await;
    let body = json!({"currentPassword": PASSWORD}).to_string();
    let headers = [("content-type", "application/json")];
    let gone = ada.send(reqwest::Method::DELETE, "/api/user", &headers, Some(body.into())).await;
    assert_eq!(gone.status, 200, "{}", gone.text);
    let bob = sign_in_by_id(&world, "1002").await;
    assert_eq!(admin(&world).delete("/api/admin/users/1002").await.status, 200);
    assert_eq!(bob.get("/api/sessions").await.status, 401);
    assert_eq!(world.count_tokens().await, 0);
}

#[actix_rt::test]
async fn an_import_adopts_the_document_of_its_id_and_address() {
    let world = world(&[]).await;
    put_all(&world).await;
    let before = data(&world, "1001").await;
    let with_id = |email: &str, id: &str| {
        let mut entry = entry(email, "argon2", ARGON2);
        entry["externalUserId"] = json!(id);
        entry
    };
    let other = import(&world, &[with_id("eve@example.com", "1001")]).await;
    assert_eq!(other.status, 400, "{}", other.text);
    assert_eq!(
        other.json()["users"][0]["errors"],
        json!(["the existing user with this externalUserId has another email"])
    );
    let new = entry("new@example.com", "argon2", ARGON2);
    let answer = import(&world, &[new, with_id("ada@example.com", "1001")]).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"status": "OK", "imported": 2, "adopted": [1]})));
    assert_eq!(data(&world, "1001").await, before);
    let ada = world.visitor().post("/auth/signin", &credentials("ada@example.com", "testPass123")).await;
    assert_eq!((&ada.json()["status"], &ada.json()["user"]["id"]), (&json!("OK"), &json!("1001")));
    let again = import(&world, &[with_id("ada@example.com", "1001")]).await;
    assert_eq!(again.status, 400, "it has a password now: {}", again.text);
    assert_eq!(admin(&world).get("/api/admin/users/count").await.json()["count"], 5);
}

#[actix_rt::test]
async fn the_address_may_be_in_another_field() {
    let world = world(&[("USERS_EMAIL_FIELD", "contact.mail")]).await;
    let contact = json!({"object": {"mail": "Ada@Example.com", "phone": "1"}});
    assert!(put(&world, "1001", json!({"email": "something else", "contact": contact})).await);
    let ada = reset_and_sign_in(&world, "ada@example.com").await;
    assert_eq!(ada.get("/account").await.status, 200);
    assert!(ada.get("/account").await.text.contains("Ada@Example.com"));
    let change = json!({"currentPassword": PASSWORD, "email": "lovelace@example.com"});
    assert_eq!(ada.post("/api/user/email", &change).await.status, 200);
    let token = token_to(&world, "lovelace@example.com").await;
    assert_eq!(ada.post("/api/user/email/confirm", &json!({"token": token})).await.status, 200);
    let expected = json!({"email": "something else", "contact": {"mail": "lovelace@example.com", "phone": "1"}});
    assert_eq!(data(&world, "1001").await, expected);
    world.sign_up("bob@example.com").await;
    let found = admin(&world).get("/api/admin/users/by-email?email=bob@example.com").await.json();
    let id = found["users"][0]["id"].as_str().unwrap();
    assert_eq!(data(&world, id).await["contact"], json!({"mail": "bob@example.com"}));
}
