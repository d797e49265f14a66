//! A site of one's own, as the example `one_domain` shows it, and sign-up fields that the configuration asks for.

use serde_json::{Value, json};

use crate::pages;
use crate::world::{PASSWORD, World, credentials};

#[path = "../../examples/one_domain.rs"]
pub mod one_domain;
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
