//! A site with a collection of its own, added from outside the crate.
//!
//! `cargo run --example own_feature`, then sign up at the address that it prints and use `/api/notes`.

mod notes;

use starter::app::SiteExtensions;
use starter::clock::Clock;
use starter::config::Config;
use starter::{app, telemetry};

#[actix_rt::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::from_env()?;
    telemetry::start(config.log.filter.as_deref().unwrap_or("info"), config.log.json)?;
    let extensions = SiteExtensions { features: vec![notes::feature()], ..SiteExtensions::default() };
    let site = app::start_with(config, Clock::system(), extensions).await?;
    Ok(site.run_until_stopped().await?)
}
