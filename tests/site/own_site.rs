//! A site of one's own, as the example `one_domain` shows it, and sign-up fields that the configuration asks for.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use starter::app;

use crate::client::TestClient;
use crate::world::{PASSWORD, World, credentials};
use crate::{admin, mailbox, pages};

#[path = "../../examples/hooks.rs"]
mod hooks;
#[path = "../../examples/one_domain.rs"]
pub mod one_domain;
#[path = "../../examples/own_accounts.rs"]
mod own_accounts;
#[path = "../../examples/own_site.rs"]
mod own_site_example;

async fn sign_up(world: &World, fields: &[(&str, Value)]) -> Value {
    let fields: Vec<Value> = fields.iter().map(|(id, value)| json!({"id": id, "value": value})).collect();
    world.visitor().post("/auth/signup", &json!({"formFields": fields})).await.json()
}

#[actix_rt::test]
async fn the_example_admits_one_domain_and_asks_for_a_department() {
    let world = World::with_extensions(&[], one_domain::own()).await;
    let try_as = async |email: &str, department: &str| {
        let fields = [("email", json!(email)), ("password", json!(PASSWORD)), ("department", json!(department))];
        sign_up(&world, &fields).await
    };
    let stranger = try_as("ann@elsewhere.org", "dev").await;
    let expected = json!({"status": "FIELD_ERROR", "formFields": [
        {"id": "department", "error": "A department is three capital letters"},
        {"id": "email", "error": "Only addresses of example.com can sign up here"},
    ]});
    assert_eq!(stranger, expected);
    assert_eq!(try_as("Ann@Example.com", "DEV").await["status"], "OK");
    assert_eq!(world.visitor().get("/departments").await.json(), json!(["DEV", "OPS"]));
}

#[actix_rt::test]
async fn the_example_signs_in_and_queries_fauna_as_the_user_from_outside_the_crate() {
    let world = World::with_extensions(&[], own_site_example::extensions()).await;
    world.sign_up("ann@example.com").await;
    let ann = world.visitor();
    assert_eq!(ann.get("/me").await.status, 401);
    let wrong = json!({"email": "ann@example.com", "password": "not it 99"});
    assert_eq!(ann.post("/login", &wrong).await.status, 403);
    let right = json!({"email": "ann@example.com", "password": PASSWORD});
    assert_eq!(ann.post("/login", &right).await.status, 200);
    assert_eq!(ann.get("/me").await.json()["email"], "ann@example.com");
    assert_eq!(ann.sign_out().await.status, 200);
    assert_eq!(ann.get("/me").await.status, 401);
}

/// Every hook of the example, in the order in which a user meets them.
#[actix_rt::test]
async fn each_hook_of_the_example_is_called() {
    let (diary, settings) = (hooks::Diary::default(), [("SIGN_UP_FIELDS", "city?"), ("ADMIN_API_KEY", admin::KEY)]);
    let world = World::with_extensions(&settings, hooks::extensions(&diary)).await;
    let common = sign_up(&world, &account("ann@example.com", json!("Ulm"))).await;
    assert_eq!(common["status"], "OK");
    let fields = [("email", json!("bob@example.com")), ("password", json!("Password123"))];
    let refused = json!([{"id": "password", "error": "Choose a password that does not begin with \"password\""}]);
    assert_eq!(sign_up(&world, &fields).await["formFields"], refused);

    let ann = world.sign_in("ann@example.com").await;
    let id = ann.get("/api/user").await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(diary.lines(), [format!("{id} signed up from Ulm"), format!("{id} signed in")]);
    assert_eq!(ann.payload()["plan"], "free");
    // Answers of the site's own are not in the OpenAPI document.
    let stranger = TestClient::new(world.base()).get("/api/user").await;
    assert_eq!((stranger.status, &stranger.json()["help"]), (401, &json!("/auth")), "{}", stranger.text);

    let reset = json!({"formFields": [{"id": "email", "value": "ann@example.com"}]});
    assert_eq!(world.visitor().post("/auth/user/password/reset/token", &reset).await.json()["status"], "OK");
    let mailed = "mailed reset-password to ann@example.com".to_owned();
    let waits = Duration::from_secs(10);
    assert!(world.eventually(waits, async || diary.lines().contains(&mailed)).await, "{:?}", diary.lines());
    assert_eq!(world.visitor().get("/dev/mailbox").await.status, 404, "mail that is sent is not shown");

    let change = json!({"currentPassword": PASSWORD, "newPassword": "Password123"});
    let refused = ann.post("/api/user/password", &change).await;
    assert_eq!((refused.status, refused.text.contains("does not begin with")), (400, true), "{}", refused.text);
    let delete = json!({"currentPassword": PASSWORD}).to_string();
    let json_type = [("content-type", "application/json")];
    assert_eq!(ann.send(Method::DELETE, "/api/user", &json_type, Some(delete.into())).await.status, 200);
    assert!(diary.lines().contains(&format!("{id} was deleted")), "{:?}", diary.lines());
}

#[actix_rt::test]
async fn the_sign_up_hook_runs_when_a_mailed_link_makes_the_account() {
    let diary = hooks::Diary::default();
    let extensions = app::SiteExtensions { send_mail: None, ..hooks::extensions(&diary) };
    let settings = [("SIGN_UP_FIELDS", "city?"), ("HIDE_EXISTING_ACCOUNTS", "true")];
    let world = World::with_extensions(&settings, extensions).await;
    sign_up(&world, &account("ann@example.com", json!("Ulm"))).await;
    assert_eq!(diary.lines(), [""; 0]);
    let token = mailbox::token_to(&world, "ann@example.com").await;
    let form = json!({"token": token, "formFields": [{"id": "password", "value": PASSWORD}]});
    assert_eq!(world.visitor().post("/auth/signup/complete", &form).await.json()["status"], "OK");
    assert_eq!(diary.lines().len(), 1);
    assert!(diary.lines()[0].ends_with("signed up from Ulm"), "{:?}", diary.lines());
}

#[actix_rt::test]
async fn a_hook_that_fails_undoes_nothing_except_a_session_without_its_claims() {
    let failing = app::SiteExtensions {
        signed_up: Some(app::Hook::new(|_| async { Err("no".into()) })),
        signed_in: Some(app::Hook::new(|_| async { panic!("a defect of the hook") })),
        ..app::SiteExtensions::default()
    };
    let world = World::with_extensions(&[], failing).await;
    world.sign_up("ann@example.com").await;
    assert_eq!(world.sign_in("ann@example.com").await.get("/api/user").await.status, 200);

    let payload = app::Hook::new(|_| async { Err("the plans cannot be read".into()) });
    let failing = app::SiteExtensions { session_payload: Some(payload), ..app::SiteExtensions::default() };
    let world = World::with_extensions(&[], failing).await;
    let ann = world.visitor();
    let answer = ann.post("/auth/signup", &credentials("ann@example.com", PASSWORD)).await;
    assert_eq!((answer.status, answer.set_cookies().len()), (503, 0), "{}", answer.text);
    assert_eq!((answer.text.contains("plans"), world.count_tokens().await), (false, 0));
}

#[actix_rt::test]
async fn sign_up_sign_in_and_reset_can_be_routes_of_ones_own() {
    let world = World::with_extensions(&[], own_accounts::extensions()).await;
    let ann = world.visitor();
    let join = |invitation: &str| json!({"email": "Ann@Example.com", "password": PASSWORD, "invitation": invitation});
    assert_eq!(ann.post("/join", &join("guess")).await.status, 403);
    let joined = ann.post("/join", &join(own_accounts::INVITATION)).await;
    assert_eq!((joined.status, &ann.payload()["invited"]), (201, &json!(true)), "{}", joined.text);
    assert_eq!(ann.get("/api/user").await.json()["id"], joined.json()["user"]);
    assert_eq!(world.visitor().post("/join", &join(own_accounts::INVITATION)).await.status, 409);

    let enter = |password: &str| json!({"email": "ann@example.com", "password": password});
    let there = world.visitor();
    assert_eq!(there.post("/enter", &enter("not it 99")).await.status, 403);
    assert_eq!(there.post("/enter", &enter("")).await.json()["message"], "Field is not optional");
    let entered = there.post("/enter", &enter(PASSWORD)).await;
    assert_eq!((entered.status, &entered.json()["user"]), (200, &joined.json()["user"]), "{}", entered.text);
    assert_eq!(there.get("/api/user").await.status, 200);

    for email in ["ann@example.com", "nobody@example.com"] {
        let sent = world.visitor().post("/forgot", &json!({"email": email})).await;
        assert_eq!((sent.status, sent.json()), (202, json!({"sent": true})), "{email}");
    }
    let token = mailbox::token_to(&world, "ann@example.com").await;
    let choose = |password: &str| json!({"token": token, "password": password});
    assert_eq!(world.visitor().post("/choose-password", &choose("short")).await.status, 400);
    assert_eq!(world.visitor().post("/choose-password", &choose("another horse 2")).await.status, 204);
    assert_eq!(world.visitor().post("/choose-password", &choose("another horse 3")).await.status, 410);
    assert_eq!((ann.get("/api/user").await.status, there.get("/api/user").await.status), (401, 401));
    assert_eq!(world.visitor().post("/enter", &enter("another horse 2")).await.status, 200);
}

#[actix_rt::test]
async fn the_interface_may_be_below_the_path_of_the_others() {
    for base in ["/api/auth", "/api", "/apiary", "/v1/accounts"] {
        let world = World::with(&[("API_BASE_PATH", base)]).await;
        let ann = world.visitor();
        let answer = ann.post(&format!("{base}/signup"), &credentials("ann@example.com", PASSWORD)).await;
        assert_eq!(answer.json()["status"], "OK", "{base}: {}", answer.text);
        assert_eq!(ann.post(&format!("{base}/session/refresh"), &json!({})).await.status, 200, "{base}");
        assert_eq!(ann.get("/api/sessions").await.status, 200, "{base}");
        assert_eq!(ann.get("/api/comments").await.status, 200, "{base}");
        assert_eq!(ann.post(&format!("{base}/signout"), &json!({})).await.json(), json!({"status": "OK"}), "{base}");
        assert_eq!(ann.get("/api/nothing").await.status, 404, "{base}");
    }
}

#[actix_rt::test]
async fn fields_of_the_configuration_are_kept_in_the_users_document() {
    let settings = [("SIGN_UP_FIELDS", "name?,city"), ("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", "true")];
    let world = World::with(&settings).await;
    let account = |email: &str| vec![("email", json!(email)), ("password", json!(PASSWORD))];
    let missing = sign_up(&world, &account("ann@example.com")).await;
    assert_eq!(missing["formFields"], json!([{"id": "city", "error": "Field is not optional"}]));

    let ann = world.visitor();
    let fields =
        [account("ann@example.com"), vec![("name", json!(" Ann ")), ("city", json!({"delete": "x"}))]].concat();
    let fields: Vec<Value> = fields.iter().map(|(id, value)| json!({"id": id, "value": value})).collect();
    assert_eq!(ann.post("/auth/signup", &json!({"formFields": fields})).await.json()["status"], "OK");
    let (status, document) = world.fauna().ask(&ann.fauna_token(), &json!({"get": {"current_identity": null}})).await;
    assert_eq!((status, &document["resource"]["data"]["name"]), (200, &json!("Ann")), "{document}");
    assert_eq!(document["resource"]["data"]["profile"], json!({"city": {"delete": "x"}}));

    let many = [account("bob@example.com"), vec![("a", json!(1)), ("b", json!(2)), ("c", json!(3))]].concat();
    assert_eq!(sign_up(&world, &many).await, json!({"message": "Are you sending too many formFields?"}));
}

#[actix_rt::test]
async fn a_value_that_fauna_cannot_keep_is_refused_beside_its_field() {
    for hidden in ["false", "true"] {
        let world = World::with(&[("SIGN_UP_FIELDS", "city"), ("HIDE_EXISTING_ACCOUNTS", hidden)]).await;
        let largest = sign_up(&world, &account("ann@example.com", json!(i64::MAX))).await;
        assert!(matches!(largest["status"].as_str(), Some("OK" | "GENERAL_ERROR")), "{largest}");
        let deep: Value = serde_json::from_str(&format!("{}1{}", r#"{"a":"#.repeat(100), "}".repeat(100))).unwrap();
        for (city, error) in [
            (json!(9_223_372_036_854_775_808_u64), "This number is too large"),
            (json!([{"a": u64::MAX}]), "This number is too large"),
            (deep, "This has too many parts"),
        ] {
            let refused = sign_up(&world, &account("bob@example.com", city)).await;
            assert_eq!(refused["formFields"], json!([{"id": "city", "error": error}]), "{refused}");
        }
    }
}

fn account(email: &str, city: Value) -> Vec<(&str, Value)> {
    vec![("email", json!(email)), ("password", json!(PASSWORD)), ("city", city)]
}

#[actix_rt::test]
async fn our_own_page_asks_for_the_fields_of_the_configuration() {
    let settings = [("SIGN_UP_FIELDS", "name?,home-town"), ("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", "true")];
    let world = World::with(&settings).await;
    let ann = pages::browser(&world);
    let empty = ann.get("/auth?show=signup").await.text;
    for part in [">Home town</label>", "name=\"home-town\" required", ">Name <span", "name=\"name\" value"] {
        assert!(empty.contains(part), "{part} is missing in: {empty}");
    }
    assert!(!ann.get("/auth").await.text.contains("home-town"), "whoever signs in is asked for nothing else");

    let form = pages::credentials("ann@example.com", PASSWORD);
    let refused = ann.submit("/sign-up", &format!("{form}&name=%22Ann%22&home-town=")).await;
    assert_eq!((refused.status, refused.text.contains("Fill in this field.")), (422, true), "{}", refused.text);
    for part in ["aria-describedby=\"other-home-town-mistake\"", "value=\"&#34;Ann&#34;\"", "value=\"ann@example.com\""]
    {
        assert!(refused.text.contains(part), "{part} is missing in: {}", refused.text);
    }
    let answer = ann.submit("/sign-up", &format!("{form}&name=Ann&home-town=Ulm&stranger=1")).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let ann = world.sign_in("ann@example.com").await;
    let (_, document) = world.fauna().ask(&ann.fauna_token(), &json!({"get": {"current_identity": null}})).await;
    let data = &document["resource"]["data"];
    assert_eq!((&data["name"], &data["profile"]), (&json!("Ann"), &json!({"home-town": "Ulm"})), "{document}");
    let own = ann.get("/account").await.text;
    assert!(own.contains("<dt>Home town</dt><dd>Ulm</dd>"), "{own}");
}
