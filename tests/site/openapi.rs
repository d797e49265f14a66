//! The OpenAPI document. That answers are as it describes them is compared wherever a test asks the site, see
//! `tests/support/contract.rs`.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use starter::http::routes::{Access, Route};

use crate::access::FORMS;
use crate::world::{PASSWORD, World, credentials};

/// Routes for people: pages and what they load, and the forms they send.
fn is_page(route: &Route) -> bool {
    let pages = ["/", "/cookies", "/account", "/dev/mailbox", "/api/docs", "/.well-known/change-password"];
    let prefixes = ["/static/", "/demo/", "/account/", "/auth/session/refresh/"];
    let links = ["/auth", "/auth/reset-password", "/auth/verify-email", "/auth/complete-sign-up"];
    route.access == Access::SignedInPage
        || [&pages[..], FORMS, &links[..]].concat().contains(&route.path.as_str())
        || prefixes.iter().any(|prefix| route.path.starts_with(prefix))
}

#[actix_rt::test]
async fn every_route_of_the_api_is_described_and_nothing_else() {
    let world = World::with(&[("EMAIL_VERIFICATION", "optional")]).await;
    let document = world.visitor().get("/api/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    let api: Vec<&Route> = world.routes().iter().filter(|route| !is_page(route)).collect();
    assert!(api.len() > 30);
    for route in &api {
        let operation = &document["paths"][&route.path][route.method.as_str().to_lowercase()];
        assert!(
            !operation["summary"].as_str().unwrap_or_default().is_empty(),
            "{route} is not in the OpenAPI document"
        );
        assert!(operation["responses"].as_object().unwrap().keys().any(|status| status.starts_with('2')), "{route}");
        assert_eq!(operation["tags"].as_array().unwrap().len(), 1, "{route}");
        let is_open = matches!(route.access, Access::Public | Access::MaybeSignedIn | Access::MailedLink);
        assert_eq!(operation["security"][0].as_object().unwrap().is_empty(), is_open, "{route}");
    }
    for (path, methods) in paths {
        for method in methods.as_object().unwrap().keys() {
            let is_route =
                api.iter().any(|route| route.path == *path && route.method.as_str().eq_ignore_ascii_case(method));
            assert!(is_route, "{method} {path} is described but is no route");
        }
    }
}

#[actix_rt::test]
async fn operations_are_described_below_the_base_path() {
    for (base, path) in
        [("/login/api", "/login/api/signin"), ("/api", "/api/signin"), ("/api/auth", "/api/auth/signin")]
    {
        let world = World::with(&[("API_BASE_PATH", base)]).await;
        let document = world.visitor().get("/api/openapi.json").await.json();
        assert!(document["paths"][path]["post"].is_object(), "{base}");
        assert!(document["paths"]["/auth/signin"].is_null(), "{base}");
    }
}

/// A client generated from the document must not meet a reference that leads nowhere.
#[actix_rt::test]
async fn all_references_of_the_document_lead_somewhere() {
    let world = World::start().await;
    let text = world.visitor().get("/api/openapi.json").await.text;
    let document: Value = serde_json::from_str(&text).unwrap();
    let references: Vec<&str> =
        text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(references.len() > 100);
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}

/// A client generated from the document has a method for each operation.
#[actix_rt::test]
async fn operations_have_names_of_their_own() {
    let world = World::with(&[("EMAIL_VERIFICATION", "optional")]).await;
    let document = world.visitor().get("/api/openapi.json").await.json();
    let mut names = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{method} {path}: {name} is the name of another operation");
        }
    }
    assert!(names.contains("putApiCommentsIdLike") && names.len() > 35, "{names:?}");
}

/// The errors of an operation are described in the shape that its clients read, with their headers and an example that is
/// valid.
#[actix_rt::test]
async fn every_operation_says_which_errors_it_answers() {
    let world = World::start().await;
    let document = world.visitor().get("/api/openapi.json").await.json();
    let everywhere = ["400", "405", "408", "429", "500", "503"];
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let mut expected = everywhere.to_vec();
            if method != "get" {
                expected.extend(["403", "409", "413", "415"]);
            }
            for status in expected {
                let response = &operation["responses"][status];
                assert!(response.is_object(), "{method} {path} has no {status}");
                // The handler's own description says more than the common one.
                let Some(name) = response["$ref"].as_str() else { continue };
                let prefix = if path.starts_with("/auth/") { "SuperTokensError" } else { "Error" };
                assert_eq!(name, format!("#/components/responses/{prefix}{status}"), "{method} {path}");
            }
        }
    }
    for (name, response) in document["components"]["responses"].as_object().unwrap() {
        let has = |header: &str| response["headers"][header].is_object();
        let status = name.rsplit("Error").next().unwrap();
        assert_eq!(has("WWW-Authenticate"), status == "401", "{name}");
        assert_eq!(has("Allow"), status == "405", "{name}");
        assert_eq!(has("Retry-After"), matches!(status, "429" | "503"), "{name}");
        for (kind, content) in response["content"].as_object().unwrap() {
            let schema = document.pointer(content["schema"]["$ref"].as_str().unwrap().trim_start_matches('#')).unwrap();
            assert!(jsonschema::is_valid(schema, &content["example"]), "{name} {kind}: {}", content["example"]);
            let is_problem = name == "KeyError401" || (!name.starts_with("SuperTokens") && status != "401");
            assert!(kind == "application/json" || (kind == "application/problem+json" && is_problem), "{name} {kind}");
        }
    }
}

/// All objects of the document with their JSON pointers.
fn objects<'a>(value: &'a Value, path: &str, found: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(members) => {
            found.push((path.to_owned(), value));
            members.iter().for_each(|(name, member)| objects(member, &format!("{path}/{name}"), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| objects(item, &format!("{path}/{n}"), found));
        }
        _ => {}
    }
}

/// Descriptions are for readers who know HTTP and JSON: nothing of Rust, and members by their names in JSON.
#[actix_rt::test]
async fn descriptions_say_nothing_of_rust() {
    let world = World::with(&[("EMAIL_VERIFICATION", "optional")]).await;
    let document = world.visitor().get("/api/openapi.json").await.json();
    let mut found = Vec::new();
    objects(&document, "", &mut found);
    let mut texts = 0;
    for (path, object) in found {
        for text in ["summary", "description"].into_iter().filter_map(|name| object[name].as_str()) {
            texts += 1;
            for word in ["# ", "[`", "`]", "::", "None", "Some", "Self", "struct", "enum "] {
                assert!(!text.contains(word), "{path}: {text}");
            }
            let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            let names: Vec<&str> =
                words.filter(|word| word.contains('_') && word.chars().any(|c| c.is_ascii_lowercase())).collect();
            assert!(names.is_empty(), "{path}: {names:?} are not names in JSON: {text}");
        }
    }
    assert!(texts > 150, "{texts}");
}

/// The media types of request and response bodies, by operation; errors in common are left out.
fn bodies(document: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap().iter();
            let responses = responses.map(|(status, response)| (status.as_str(), response));
            for (name, holder) in responses.chain([("body", &operation["requestBody"])]) {
                for (kind, content) in holder["content"].as_object().into_iter().flatten() {
                    found.push((format!("{method} {path} {name} {kind}"), content));
                }
            }
        }
    }
    found
}

/// Paths whose responses have examples. A feature that is added may leave them out: clients then show its types.
const WITH_EXAMPLES: [&str; 10] = [
    " /auth/",
    " /api/admin/",
    " /api/session",
    " /api/user",
    " /api/comments ",
    " /api/comments/{id}",
    " /api/openapi.json",
    " /sessioninfo",
    " /health",
    " /metrics",
];

#[actix_rt::test]
async fn bodies_have_schemas_and_valid_examples() {
    let world = World::with(&[("EMAIL_VERIFICATION", "optional")]).await;
    let document = world.visitor().get("/api/openapi.json").await.json();
    let bodies = bodies(&document);
    assert!(bodies.len() > 45, "{}", bodies.len());
    for (body, content) in bodies {
        let example = content.get("example");
        let needs_one = WITH_EXAMPLES.iter().any(|path| body.contains(path)) && !body.contains(" body ");
        assert!(example.is_some() || !needs_one, "{body} has no example");
        let mut schema = content["schema"].clone();
        schema["components"] = document["components"].clone();
        if let Some(example) = example {
            let errors: Vec<String> = jsonschema::validator_for(&schema)
                .unwrap()
                .iter_errors(example)
                .map(|error| error.to_string())
                .collect();
            assert!(errors.is_empty(), "{body}: {errors:?} {example}");
        }
        let is_form = body.starts_with("post /auth/") && body.contains(" body ");
        if is_form {
            let name = content["schema"]["$ref"].as_str().unwrap_or_else(|| panic!("{body}")).trim_start_matches('#');
            let members = &document.pointer(name).unwrap()["properties"];
            let is_described = members["formFields"]["items"]["$ref"].is_string() || members["token"].is_object();
            assert!(is_described, "{body}: {members}");
        }
    }
}

#[actix_rt::test]
async fn parameters_that_are_numbers_have_bounds() {
    let world = World::start().await;
    let document = world.visitor().get("/api/openapi.json").await.json();
    for (path, maximum) in [("/api/comments", 100), ("/api/admin/users", 500)] {
        let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap();
        let limit = &parameters.iter().find(|parameter| parameter["name"] == "limit").unwrap()["schema"];
        assert_eq!((&limit["minimum"], &limit["maximum"]), (&json!(1), &json!(maximum)), "{path}");
    }
}

#[actix_rt::test]
async fn a_client_may_send_a_session_where_one_is_optional() {
    let world = World::start().await;
    let document = world.visitor().get("/api/openapi.json").await.json();
    let security = &document["paths"]["/api/comments"]["get"]["security"];
    assert_eq!(*security, json!([{}, {"accessCookie": []}, {"bearer": []}]));
    let page = world.visitor().get("/api/docs").await.text;
    assert!(page.contains("signed in or not") && page.contains("<b>Signed in</b>"), "{page}");
}

/// Every header that the document names for the tokens of a new session comes with one transfer or the other.
#[actix_rt::test]
async fn operations_that_begin_sessions_name_the_headers_of_tokens() {
    let settings = [("ANTI_CSRF", "VIA_TOKEN")];
    let world = World::with(&settings).await;
    let mut visitor = world.visitor();
    let document = visitor.get("/api/openapi.json").await.json();
    world.sign_up("ann@example.com").await;
    let ann = credentials("ann@example.com", PASSWORD);
    let in_cookies = visitor.post("/auth/signin", &ann).await;
    let in_headers = visitor.header("st-auth-mode", "header").post("/auth/signin", &ann).await;
    for path in ["/auth/signin", "/auth/signup", "/auth/session/refresh"] {
        let operation = &document["paths"][path]["post"];
        let headers = operation["responses"]["200"]["headers"].as_object().unwrap();
        assert_eq!(headers.len(), 5, "{path}: {headers:?}");
        for name in headers.keys() {
            assert!(
                [&in_cookies, &in_headers].iter().any(|answer| answer.find_header(name).is_some()),
                "{path}: {name}"
            );
        }
    }
    let parameters = |method: &str, path: &str| {
        let parameters = document["paths"][path][method]["parameters"].as_array();
        parameters.into_iter().flatten().map(|known| known["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(parameters("post", "/auth/signup"), ["st-auth-mode"]);
    assert_eq!(parameters("post", "/auth/session/refresh"), ["anti-csrf"]);
    assert_eq!(parameters("post", "/api/comments"), ["anti-csrf"]);
    assert_eq!(parameters("get", "/api/session/events"), ["Last-Event-ID"]);
}

#[actix_rt::test]
async fn the_document_follows_the_configuration() {
    let settings =
        [("API_GATEWAY_PATH", "/gw"), ("API_DOMAIN", "https://api.example.com"), ("ANTI_CSRF", "VIA_CUSTOM_HEADER")];
    let (plain, behind) = (World::start().await, World::with(&settings).await);
    for (world, root, access, refresh, anti_csrf) in [
        (plain, "/", "sAccessToken", "sRefreshToken", None),
        (behind, "/gw", "__Host-sAccessToken", "__Secure-sRefreshToken", Some("rid")),
    ] {
        let document = world.visitor().get("/api/openapi.json").await.json();
        assert_eq!(document["servers"], json!([{"url": root}]));
        let schemes = &document["components"]["securitySchemes"];
        assert_eq!(
            (&schemes["accessCookie"]["name"], &schemes["refreshCookie"]["name"]),
            (&json!(access), &json!(refresh))
        );
        let parameter = &document["paths"]["/api/user"]["delete"]["parameters"][0]["name"];
        assert_eq!(parameter.as_str(), anti_csrf);
    }
}

/// `TOKEN_TRANSFER_METHOD` decides what carries sessions.
#[actix_rt::test]
async fn the_document_names_only_what_may_carry_sessions() {
    for (method, schemes, headers) in [
        (
            "any",
            "accessCookie bearer refreshBearer refreshCookie",
            "Set-Cookie front-token st-access-token st-refresh-token",
        ),
        ("cookie", "accessCookie refreshCookie", "Set-Cookie front-token"),
        ("header", "bearer refreshBearer", "front-token st-access-token st-refresh-token"),
    ] {
        let world = World::with(&[("TOKEN_TRANSFER_METHOD", method)]).await;
        let visitor = world.visitor();
        let document = visitor.get("/api/openapi.json").await.json();
        let names = |part: &Value| {
            let mut names: Vec<&str> = part.as_object().unwrap().keys().map(String::as_str).collect();
            names.retain(|name| !name.starts_with("admin") && !name.starts_with("metrics"));
            names.sort_unstable();
            names.join(" ")
        };
        assert_eq!(names(&document["components"]["securitySchemes"]), schemes);
        let sign_in = &document["paths"]["/auth/signin"]["post"];
        assert_eq!(names(&sign_in["responses"]["200"]["headers"]), headers, "{method}");
        let chooses =
            sign_in["parameters"].as_array().is_some_and(|known| known.iter().any(|one| one["name"] == "st-auth-mode"));
        assert_eq!(chooses, method == "any", "{method}");
        let page = visitor.get("/api/docs").await.text;
        assert!(page.contains(">signed in</span>") && page.contains(">refresh token</span>"), "{method}: {page}");
        let named = ["in the cookie of its session", "Authorization: Bearer"].map(|how| page.contains(how));
        assert_eq!(named, [method != "header", method != "cookie"]);
    }
}

/// The example of a reason is one that clients see.
#[actix_rt::test]
async fn the_reason_of_a_401_is_an_example_of_the_document() {
    let world = World::start().await;
    let ann = world.sign_up("ann@example.com").await;
    let document = ann.get("/api/openapi.json").await.json();
    world.advance(Duration::from_secs(2 * 3600)).await;
    let expired = ann.get("/sessioninfo").await;
    let example = &document["components"]["responses"]["Error401"]["headers"]["WWW-Authenticate"]["example"];
    assert_eq!((expired.status, example.as_str()), (401, Some(expired.header("www-authenticate"))));
}

#[actix_rt::test]
async fn the_page_shows_every_operation_and_stays_small() {
    let world = World::start().await;
    let visitor = world.visitor();
    let document = visitor.get("/api/openapi.json").await.json();
    let page = visitor.get("/api/docs").await;
    assert_eq!(page.status, 200);
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(page.text.contains(&format!(" {path}</code>")), "{path}");
    }
    assert!(page.text.len() <= 30_000, "{} bytes", page.text.len());
}
