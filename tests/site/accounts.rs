//! Signing up and in, as SuperTokens' frontends do it (the rows G of the transcripts of its backend SDK).

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::client::Response;
use crate::world::{PASSWORD, World, credentials};

async fn sign_up(world: &World, body: Value) -> Response {
    world.visitor().post("/auth/signup", &body).await
}

fn fields(pairs: &[(&str, Value)]) -> Value {
    let fields: Vec<Value> = pairs.iter().map(|(id, value)| json!({"id": id, "value": value})).collect();
    json!({"formFields": fields})
}

/// `[id, error]` of each refused field.
fn refused(answer: &Response) -> Vec<(String, String)> {
    assert_eq!((answer.status, answer.set_cookies().len()), (200, 0), "{}", answer.text);
    let json = answer.json();
    assert_eq!(json["status"], "FIELD_ERROR", "{json}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    json["formFields"].as_array().unwrap().iter().map(|field| (text(&field["id"]), text(&field["error"]))).collect()
}

#[actix_rt::test]
async fn whoever_signs_up_is_signed_in_and_known_by_a_normalised_address() {
    let world = World::start().await;
    let ada = world.visitor();
    let answer = ada.post("/auth/signup", &credentials(" Ada@Example.com ", "abcd1234")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let user = &answer.json()["user"];
    let id = user["id"].as_str().unwrap();
    let joined = user["timeJoined"].as_i64().unwrap();
    let login = json!({"recipeId": "emailpassword", "recipeUserId": id, "tenantIds": ["public"], "email": "ada@example.com",
        "timeJoined": joined, "verified": false});
    let expected = json!({"id": id, "isPrimaryUser": false, "tenantIds": ["public"], "emails": ["ada@example.com"],
        "phoneNumbers": [], "thirdParty": [], "webauthn": {"credentialIds": []}, "loginMethods": [login],
        "timeJoined": joined});
    assert_eq!(answer.json(), json!({"status": "OK", "user": expected}));
    assert_eq!(answer.set_cookies().len(), 2);
    assert_eq!(ada.payload()["sub"], id);
    assert_eq!(ada.get("/sessioninfo").await.json()["userId"], id);

    let again = sign_up(&world, credentials("ADA@EXAMPLE.COM", "other1234")).await;
    let taken = "This email already exists. Please sign in instead.";
    assert_eq!(refused(&again), [("email".to_owned(), taken.to_owned())]);
    let back = world.visitor().post("/auth/signin", &credentials("aDa@example.com", "abcd1234")).await;
    assert_eq!(back.json()["user"], *user);
}

#[actix_rt::test]
async fn fifty_sign_ups_with_one_address_make_one_user() {
    let world = World::start().await;
    let attempts = (0..50).map(|n| {
        let email: String = "ada@example.com"
            .chars()
            .enumerate()
            .map(|(at, c)| if n >> (at % 6) & 1 == 1 { c.to_ascii_uppercase() } else { c })
            .collect();
        sign_up(&world, credentials(&email, PASSWORD))
    });
    let answers = join_all(attempts.collect::<Vec<_>>()).await;
    let made = answers.iter().filter(|answer| answer.json()["status"] == "OK").count();
    let taken = answers.iter().filter(|answer| answer.json()["status"] == "FIELD_ERROR").count();
    assert_eq!((made, taken), (1, 49), "{:?}", answers.iter().map(|answer| &answer.text).collect::<Vec<_>>());
    assert_eq!(world.count_tokens().await, 1);
}

#[actix_rt::test]
async fn every_field_that_cannot_be_taken_is_named() {
    let world = World::start().await;
    let short = "Password must contain at least 8 characters, including a number";
    for (email, password, expected) in [
        ("nope", "short", vec![("password", short), ("email", "Email is invalid")]),
        ("", "", vec![("password", "Field is not optional"), ("email", "Field is not optional")]),
        ("a@x.io", "abcdefgh", vec![("password", "Password must contain at least one number")]),
        ("a@x.io", "12345678", vec![("password", "Password must contain at least one alphabet")]),
        ("a@bücher.de", "abcdefg1", vec![("email", "Email is invalid")]),
    ] {
        let answer = sign_up(&world, credentials(email, password)).await;
        let expected: Vec<_> = expected.into_iter().map(|(id, error)| (id.to_owned(), error.to_owned())).collect();
        assert_eq!(refused(&answer), expected, "{email} {password}");
    }
    let only_address = sign_up(&world, fields(&[("email", json!("a@x.io"))])).await;
    assert_eq!(refused(&only_address), [("password".to_owned(), "Field is not optional".to_owned())]);
}

#[actix_rt::test]
async fn what_no_frontend_sends_is_answered_400() {
    let world = World::start().await;
    let invalid = "API input error: Please make sure to pass a valid JSON input in the request body";
    let ok = json!({"id": "email", "value": "a@x.io"});
    for (body, message) in [
        ("{bad".to_owned(), invalid),
        ("email=a%40x.io&password=abcdefg1".to_owned(), invalid),
        (String::new(), "Missing input param: formFields"),
        ("{}".to_owned(), "Missing input param: formFields"),
        (json!({"formFields": {}}).to_string(), "formFields must be an array"),
        (json!({"formFields": ["a"]}).to_string(), "All elements of formFields must be an object"),
        (
            json!({"formFields": [{"id": "email"}]}).to_string(),
            "All elements of formFields must contain an 'id' and 'value' field",
        ),
        (
            json!({"formFields": [ok, {"id": "password", "value": 12_345_678}]}).to_string(),
            "password value must be a string",
        ),
        (
            json!({"formFields": [ok, {"id": "password", "value": "abcdefg1"}, {"id": "x", "value": ""}]}).to_string(),
            "Are you sending too many formFields?",
        ),
        (json!({"formFields": [ok, ok]}).to_string(), "formFields must not contain an id twice"),
    ] {
        for path in ["/auth/signup", "/auth/signin"] {
            let sent = Some(body.clone().into());
            let answer = world.visitor().send(reqwest::Method::POST, path, &[], sent).await;
            assert_eq!((answer.status, answer.json()), (400, json!({"message": message})), "{path} {body}");
        }
    }
}

#[actix_rt::test]
async fn wrong_credentials_do_not_say_what_is_wrong() {
    let world = World::start().await;
    world.sign_up("ada@example.com").await;
    let wrong = world.visitor().post("/auth/signin", &credentials("ada@example.com", "wrong1234")).await;
    let unknown = world.visitor().post("/auth/signin", &credentials("eve@example.com", PASSWORD)).await;
    assert_eq!((wrong.status, wrong.text.as_str()), (200, r#"{"status":"WRONG_CREDENTIALS_ERROR"}"#));
    assert_eq!((unknown.status, &unknown.text), (wrong.status, &wrong.text));
    assert_eq!(unknown.set_cookies(), Vec::<String>::new());

    let empty = world.visitor().post("/auth/signin", &credentials("", "")).await;
    assert_eq!(refused(&empty).iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["password", "email"]);
    let malformed = world.visitor().post("/auth/signin", &credentials("nope", "x")).await;
    assert_eq!(refused(&malformed), [("email".to_owned(), "Email is invalid".to_owned())]);
}

#[actix_rt::test]
async fn paths_have_a_tenant_and_a_last_slash_but_one_case_and_one_method() {
    let world = World::start().await;
    world.sign_up("ada@example.com").await;
    let body = credentials("ada@example.com", PASSWORD);
    for (path, expected) in [
        ("/auth/signin", 200),
        ("/auth/signin/", 200),
        ("/auth/public/signin", 200),
        ("/auth/public/signin/", 200),
        ("/auth/SignIn", 404),
        ("/auth/nobody/signin", 404),
    ] {
        assert_eq!(world.visitor().post(path, &body).await.status, expected, "{path}");
    }
    assert_eq!(world.visitor().get("/auth/signup").await.status, 405);
}

#[actix_rt::test]
async fn the_look_of_a_user_follows_the_version_of_the_frontend() {
    let world = World::start().await;
    world.sign_up("ada@example.com").await;
    for (version, is_new) in [
        ("4.1", true),
        ("2.0,3.1,99.0", true),
        ("1.18", true),
        ("1.8", false),
        ("1.17", false),
        ("2.0", false),
        ("junk", false),
    ] {
        let mut visitor = world.visitor();
        visitor.header("fdi-version", version);
        let user = visitor.post("/auth/signin", &credentials("ada@example.com", PASSWORD)).await.json()["user"].take();
        assert_eq!(user.get("emails").is_some(), is_new, "{version}: {user}");
        assert_eq!(user.get("email").is_some(), !is_new, "{version}: {user}");
    }
}

#[actix_rt::test]
async fn a_wish_to_link_accounts_needs_a_session_and_is_refused() {
    let world = World::start().await;
    let ada = world.sign_up("ada@example.com").await;
    let mut body = credentials("eve@example.com", PASSWORD);
    body["shouldTryLinkingWithSessionUser"] = json!(true);
    for (path, status) in [("/auth/signup", "SIGN_UP_NOT_ALLOWED"), ("/auth/signin", "SIGN_IN_NOT_ALLOWED")] {
        let nobody = world.visitor().post(path, &body).await;
        assert_eq!((nobody.status, nobody.json()), (401, json!({"message": "unauthorised"})));
        let somebody = ada.post(path, &body).await;
        assert_eq!((somebody.status, &somebody.json()["status"]), (200, &json!(status)));
    }
    body["shouldTryLinkingWithSessionUser"] = json!("nonsense");
    assert_eq!(ada.post("/auth/signup", &body).await.json()["status"], "OK");
}

#[actix_rt::test]
async fn an_expired_session_does_not_keep_anybody_from_signing_in() {
    let world = World::start().await;
    let ada = world.sign_up("ada@example.com").await;
    world.clock.advance(std::time::Duration::from_hours(1));
    let answer = ada.post("/auth/signin", &credentials("ada@example.com", PASSWORD)).await;
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("OK")));
    assert_eq!(ada.get("/sessioninfo").await.status, 200);
}

#[actix_rt::test]
async fn whether_an_address_is_taken_can_be_asked() {
    let world = World::start().await;
    world.sign_up("ada@example.com").await;
    let visitor = world.visitor();
    for path in
        ["/auth/emailpassword/email/exists", "/auth/signup/email/exists", "/auth/public/emailpassword/email/exists"]
    {
        for (query, expected) in [
            ("?email=ADA%40example.com%20", json!({"status": "OK", "exists": true})),
            ("?email=eve%40example.com", json!({"status": "OK", "exists": false})),
            ("?email=nonsense", json!({"status": "OK", "exists": false})),
        ] {
            let answer = visitor.get(&format!("{path}{query}")).await;
            assert_eq!((answer.status, answer.json()), (200, expected), "{path}{query}");
        }
        for query in ["", "?email=a%40x.io&email=b%40x.io"] {
            let answer = visitor.get(&format!("{path}{query}")).await;
            let message = json!({"message": "Please provide the email as a GET param"});
            assert_eq!((answer.status, answer.json()), (400, message), "{path}{query}");
        }
    }
}

/// G06 in `docs/threats.md`.
#[actix_rt::test]
async fn what_is_wrong_is_told_at_once_and_in_order() {
    let world = World::with(&[("SIGN_UP_FIELDS", "city")]).await;
    let answer =
        sign_up(&world, fields(&[("email", json!("nope")), ("password", json!("short")), ("city", json!(""))]));
    let expected = [
        ("city", "Field is not optional"),
        ("password", "Password must contain at least 8 characters, including a number"),
        ("email", "Email is invalid"),
    ];
    assert_eq!(refused(&answer.await), expected.map(|(id, error)| (id.to_owned(), error.to_owned())));
}

/// G10 in `docs/threats.md`.
#[actix_rt::test]
async fn whoever_wishes_for_nothing_gets_the_tokens_in_headers() {
    let world = World::start().await;
    world.sign_up("ada@example.com").await;
    let mut program = world.visitor();
    program.headers.clear();
    let answer = program.post("/auth/signin", &credentials("ada@example.com", PASSWORD)).await;
    assert_eq!((answer.status, &answer.json()["status"], answer.set_cookies().len()), (200, &json!("OK"), 0));
    assert_eq!(who_is(&world, answer.header("st-access-token")).await, answer.json()["user"]["id"]);
    assert!(!answer.header("st-refresh-token").is_empty() && !answer.header("front-token").is_empty());
}

/// Asks with an access token in the header, as a program does.
async fn who_is(world: &World, token: &str) -> Value {
    let mut program = world.visitor();
    program.headers.clear();
    program.header("authorization", &format!("Bearer {token}"));
    program.get("/sessioninfo").await.json()["userId"].clone()
}

/// G22 in `docs/threats.md`.
#[actix_rt::test]
async fn how_people_can_sign_in_here() {
    let world = World::start().await;
    for path in ["/auth/loginmethods", "/auth/public/loginmethods", "/auth/public/loginmethods/"] {
        let answer = world.visitor().get(path).await;
        let expected = concat!(
            r#"{"status":"OK","emailPassword":{"enabled":true},"thirdParty":{"enabled":false,"providers":[]},"#,
            r#""webauthn":{"enabled":false},"passwordless":{"enabled":false},"firstFactors":["emailpassword"]}"#,
        );
        assert_eq!((answer.status, answer.text.as_str()), (200, expected), "{path}");
    }
}

/// G25 in `docs/threats.md`.
#[actix_rt::test]
async fn from_cookies_to_headers_the_cookies_expire_and_the_old_session_ends() {
    let world = World::start().await;
    let mut ada = world.sign_up("ada@example.com").await;
    let before = ada.with_copied_cookies();
    ada.headers.clear();
    ada.header("st-auth-mode", "header");
    let answer = ada.post("/auth/signin", &credentials("ada@example.com", PASSWORD)).await;
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("OK")));
    let expired = |name: &str| {
        let start = format!("{name}=;");
        answer.set_cookies().iter().any(|cookie| cookie.starts_with(&start) && cookie.contains("01 Jan 1970"))
    };
    assert_eq!((answer.set_cookies().len(), expired("sAccessToken"), expired("sRefreshToken")), (2, true, true));
    assert_eq!(who_is(&world, answer.header("st-access-token")).await, answer.json()["user"]["id"]);
    assert!(!answer.header("st-refresh-token").is_empty());
    assert_eq!((before.get("/api/sessions").await.status, before.refresh().await.status), (401, 401));
}
