//! A site of one's own: only addresses of one domain may sign up, and the form asks for a department.
//!
//! `cargo run --example one_domain`

use actix_web::web::Json;
use serde_json::Value;
use starter::app;
use starter::app::{SignUpField, SiteExtensions};
use starter::clock::Clock;
use starter::config::Config;
use starter::http::routes::{Access, Resource, Routes};

/// What is different here.
pub fn own() -> SiteExtensions {
    let department = SignUpField { id: "department".to_owned(), is_optional: false, check: is_department };
    SiteExtensions { admits: only_our_domain, fields: vec![department], routes, ..SiteExtensions::default() }
}

/// Who may sign up. The address is normalised: lower case, no blanks around it.
fn only_our_domain(address: &str) -> Result<(), &'static str> {
    if address.ends_with("@example.com") { Ok(()) } else { Err("Only addresses of example.com can sign up here") }
}

/// Departments have three letters.
fn is_department(value: &Value) -> Result<(), &'static str> {
    let is_known = value.as_str().is_some_and(|text| text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()));
    if is_known { Ok(()) } else { Err("A department is three capital letters") }
}

/// Routes of our own.
fn routes(site: &mut Routes<'_>) {
    site.add(Resource::at("/departments").get(Access::Public, async || Json(["DEV", "OPS"])));
}

#[actix_rt::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::from_env()?;
    Ok(app::start_with(config, Clock::system(), own()).await?.run_until_stopped().await?)
}
