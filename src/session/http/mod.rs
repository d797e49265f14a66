//! Sessions over HTTP: extractors, cookies and headers, anti-CSRF checks, the routes of the session recipe, and the responses to
//! refused requests.

pub mod anti_csrf;
pub mod cookies;
pub mod domains;
pub mod error_responses;
pub mod extractors;
mod refresh_request;
pub mod requirements;
pub mod response_tokens;
pub mod routes;
pub mod signed_in;
pub mod transport;
mod verify_request;
