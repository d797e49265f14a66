//! What every route shares: problem responses, JSON bodies, the same-origin check with the security headers, health checks.

pub mod health;
pub mod json_body;
pub mod problem;
pub mod routes;
pub mod same_origin;
