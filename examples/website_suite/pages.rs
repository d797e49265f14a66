//! Routes without a session: the suite's page and scripts, and routes that return headers of the request.
use std::path::{Path as FilePath, PathBuf};

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

/// The suite's directory `test/server`, and its version.
pub struct Pages {
    pub files: PathBuf,
    pub version: String,
}

#[derive(Deserialize)]
struct TestError {
    /// The status to answer with.
    code: Option<u16>,
}

pub fn routes(root: &mut web::ServiceConfig) {
    root.service(web::resource("/index.html").get(index))
        .service(web::resource("/angular/{file}").get(angular))
        .service(web::resource("/getPackageVersion").get(|pages: Data<Pages>| async move { pages.version.clone() }))
        .service(web::resource("/ping").get(|| async { "success" }))
        .service(web::resource("/testUserConfig").post(|| async { HttpResponse::Ok().finish() }))
        .service(web::resource("/testing").to(testing))
        .service(web::resource("/testHeader").get(test_header))
        .service(web::resource("/testError").get(test_error))
        .service(web::resource("/multipleInterceptors").post(multiple_interceptors))
        .service(web::resource("/checkAllowCredentials").post(check_allow_credentials))
        .service(web::resource("/check-rid-no-session").get(check_rid))
        .service(web::resource("/403-without-body").post(|| async { HttpResponse::Forbidden().body("Forbidden") }));
}

/// Whether the header `rid` is the one of intercepted requests.
pub async fn check_rid(request: HttpRequest) -> &'static str {
    let rid = header(&request, "rid").unwrap_or_default();
    if rid.starts_with("anti-csrf") { "success" } else { "fail" }
}

pub fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

/// The page that tests run in.
async fn index(pages: Data<Pages>) -> HttpResponse {
    file(&pages.files.join("index.html"), "text/html; charset=utf-8")
}

/// Scripts of a small Angular application.
async fn angular(pages: Data<Pages>, name: Path<String>) -> HttpResponse {
    let is_script = name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-'));
    let path = pages.files.join("angular").join(name.as_str());
    if is_script { file(&path, "application/javascript") } else { HttpResponse::NotFound().finish() }
}

fn file(path: &FilePath, content_type: &str) -> HttpResponse {
    match std::fs::read(path) {
        Ok(bytes) => HttpResponse::Ok().content_type(content_type).body(bytes),
        Err(_) => HttpResponse::NotFound().finish(),
    }
}

async fn testing(request: HttpRequest) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if let Some(value) = header(&request, "testing") {
        response.insert_header(("testing", value));
    }
    response.body("success")
}

/// Whether a custom header arrived.
async fn test_header(request: HttpRequest) -> String {
    format!("{{\"success\":{}}}", header(&request, "st-custom-header").is_some())
}

/// An error with the status of the query string.
async fn test_error(query: Query<TestError>) -> HttpResponse {
    let code = query.code.and_then(|code| StatusCode::from_u16(code).ok());
    HttpResponse::build(code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)).body("test error message")
}

/// Whether both interceptors have worked.
async fn multiple_interceptors(request: HttpRequest) -> &'static str {
    let both = ["interceptorheader1", "interceptorheader2"].iter().all(|name| header(&request, name).is_some());
    if both { "success" } else { "failure" }
}

/// Whether credentials were allowed.
async fn check_allow_credentials(request: HttpRequest) -> HttpResponse {
    HttpResponse::Ok().json(header(&request, "allow-credentials").is_some())
}
