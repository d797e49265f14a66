//! What every route shares: problem responses, JSON bodies, the same-origin check with the security headers, health checks.

pub mod bearer;
pub mod connections;
pub mod extractor_errors;
pub mod fauna_set_up;
pub mod finish_response;
pub mod health;
pub mod json_body;
pub mod json_object;
pub mod metrics;
pub mod openapi;
pub mod origins;
pub mod problem;
pub mod request_body;
pub mod routes;
pub mod same_origin;
pub mod trace;
