//! A site of your own on this crate: a sign-in API with a body of your own, a session for a user your code has identified
//! itself, and queries to Fauna as the signed-in user.
//!
//! ```text
//! cargo run --example own_site
//! curl -si localhost:3000/login -H 'content-type: application/json' -d '{"email": "ann@example.com", "password": "…"}'
//! ```

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use serde::{Deserialize, Serialize};
use starter::app::SiteExtensions;
use starter::clock::Clock;
use starter::config::Config;
use starter::fauna::fql;
use starter::fauna_tokens::FaunaTokens;
use starter::http::json_body::Body;
use starter::http::problem::Problem;
use starter::http::routes::{Access, Resource, Routes};
use starter::session::SignedIn;
use starter::supertokens::emailpassword::{EmailPassword, Form, Outcome};
use starter::{app, telemetry};

pub fn extensions() -> SiteExtensions {
    SiteExtensions { routes, ..SiteExtensions::default() }
}

fn routes(site: &mut Routes<'_>) {
    site.add(Resource::at("/login").post(Access::Public, log_in)).add(Resource::at("/me").get(Access::SignedIn, me));
}

#[derive(Deserialize)]
struct LogIn {
    email: String,
    password: String,
}

#[derive(Serialize)]
struct LoggedIn {
    user: String,
}

/// The session's tokens are added to the response, as cookies or headers, as the client prefers.
async fn log_in(
    request: HttpRequest,
    accounts: Data<EmailPassword>,
    Body(log_in): Body<LogIn>,
) -> Result<Json<LoggedIn>, Problem> {
    let form = Form::of([("email", log_in.email.as_str()), ("password", log_in.password.as_str())]);
    match accounts.sign_in(&request, &form, None).await? {
        Outcome::SignedIn(user) => Ok(Json(LoggedIn { user: user.id.as_str().to_owned() })),
        _ => Err(Problem::new(StatusCode::FORBIDDEN, "wrong e-mail address or password")),
    }
}

#[derive(Deserialize, Serialize)]
struct Me {
    name: String,
    email: String,
}

/// Runs in Fauna with the token of this session: it can read what the role `member` allows, and nothing once the session ends.
async fn me(user: SignedIn, tokens: Data<FaunaTokens>) -> Result<Json<Me>, Problem> {
    let document = || fql::get(fql::current_identity());
    let field = |name| fql::select(&["data", name], document());
    let query = fql::object([("name", field("name")), ("email", field("email"))]);
    Ok(Json(tokens.query_idempotent(&user, &query).await?))
}

#[actix_rt::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::from_env()?;
    telemetry::start("info", config.log.json)?;
    let site = app::start_with(config, Clock::system(), extensions()).await?;
    tracing::info!("open http://{}", site.address());
    Ok(site.run_until_stopped().await?)
}
