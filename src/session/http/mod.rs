//! Sessions over HTTP: guards, cookies and headers, CSRF checks, the routes of the recipe, and the responses to refused requests.

pub mod answers;
pub mod cookies;
pub mod csrf;
pub mod frontend_version;
pub mod guard;
pub mod requests;
pub mod response_tokens;
pub mod routes;
pub mod signed_in;
pub mod site;
pub mod transport;
