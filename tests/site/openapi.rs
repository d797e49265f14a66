//! The OpenAPI document. That answers are as it describes them is compared wherever a test asks the site, see
//! `tests/support/contract.rs`.

use std::collections::BTreeSet;

use starter::http::routes::{Access, Route};

use crate::access::FORMS;
use crate::world::World;

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
        let is_open = matches!(route.access, Access::Public | Access::MailedLink);
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
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
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
