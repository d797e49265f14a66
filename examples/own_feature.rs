//! A site with a collection and a route of its own, added from outside the crate.
//!
//! `cargo run --example own_feature`, then sign up at the address that it prints and use `/api/notes`.

mod notes;

use actix_web::web::Data;
use fauna_client::fql;
use starter::app::SiteExtensions;
use starter::clock::Clock;
use starter::config::Config;
use starter::fauna_tokens::FaunaTokens;
use starter::http::problem::Problem;
use starter::http::routes::{Access, Resource, Routes};
use starter::session::SignedIn;
use starter::{app, telemetry};

pub fn extensions() -> SiteExtensions {
    SiteExtensions { features: vec![notes::feature()], routes, ..SiteExtensions::default() }
}

fn routes(site: &mut Routes<'_>) {
    site.add(Resource::at("/my-address").get(Access::SignedIn, my_address));
}

/// Asks Fauna as the signed-in user.
async fn my_address(user: SignedIn, tokens: Data<FaunaTokens>) -> Result<String, Problem> {
    let own_document = fql::get(fql::current_identity());
    let email: String = tokens.query(&user, &fql::select(&["data", "email"], own_document)).await?;
    Ok(email)
}

#[actix_rt::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::from_env()?;
    telemetry::start(config.log.filter.as_deref().unwrap_or("info"), config.log.json)?;
    let site = app::start_with(config, Clock::system(), extensions()).await?;
    Ok(site.run_until_stopped().await?)
}
