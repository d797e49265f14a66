//! A site of your own with its own sign-up, sign-in and password reset: other paths, other bodies, other answers than
//! SuperTokens' frontends expect. Accounts, sessions and mails are those of the site, so both can be used side by side.
//!
//! | method | path               | body                                        |
//! |--------|--------------------|---------------------------------------------|
//! | POST   | `/join`            | `{"email", "password", "invitation"}`       |
//! | POST   | `/enter`           | `{"email", "password"}`                     |
//! | POST   | `/forgot`          | `{"email"}`                                 |
//! | POST   | `/choose-password` | `{"token", "password"}`, token from the mail |
//!
//! `cargo run --example own_accounts`

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use starter::app::SiteExtensions;
use starter::clock::Clock;
use starter::config::Config;
use starter::http::json_body::Body;
use starter::http::problem::Problem;
use starter::http::routes::{Access, Resource, Routes};
use starter::session::{Sessions, UserId};
use starter::supertokens::emailpassword::{EmailPassword, Form, Outcome, Reset};
use starter::users::{Email, NewAccount, NewPassword, SignUp, Users};
use starter::{app, telemetry};

pub const INVITATION: &str = "friends-of-the-house";

pub fn extensions() -> SiteExtensions {
    SiteExtensions { routes, ..SiteExtensions::default() }
}

fn routes(site: &mut Routes<'_>) {
    site.add(Resource::at("/join").post(Access::Public, join))
        .add(Resource::at("/enter").post(Access::Public, enter))
        .add(Resource::at("/forgot").post(Access::Public, forgot))
        .add(Resource::at("/choose-password").post(Access::MailedLink, choose_password));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Join {
    email: String,
    password: String,
    invitation: String,
}

/// A sign-up of one's own from the parts: the account with [`Users`], the session with [`Sessions`]. Nothing limits how often it may be
/// tried but the invitation; [`EmailPassword::sign_up`] is limited, and calls the hooks.
async fn join(
    request: HttpRequest,
    users: Data<Users>,
    sessions: Data<Sessions>,
    Body(join): Body<Join>,
) -> Result<HttpResponse, Problem> {
    if join.invitation != INVITATION {
        return Err(Problem::new(StatusCode::FORBIDDEN, "invitation: unknown"));
    }
    let email = Email::parse(&join.email).ok_or(Problem::bad_request("email: not an e-mail address"))?;
    let password = NewPassword::parse(join.password).map_err(Problem::bad_request)?;
    let new = NewAccount { name: email.local_part().to_owned(), email, profile: Map::new() };
    let SignUp::Created(user) = users.sign_up(new, password).await? else {
        return Err(Problem::new(StatusCode::CONFLICT, "email: has an account already"));
    };
    let id =
        UserId::parse(user.id.as_str()).ok_or(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error"))?;
    let payload = Map::from_iter([("invited".to_owned(), Value::Bool(true))]);
    sessions.create(&request, &id, payload).await?;
    Ok(HttpResponse::Created().json(json!({"user": user.id.as_str()})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Enter {
    email: String,
    password: String,
}

/// Guessing is slowed down as at `/auth/signin`, with one count for both.
async fn enter(
    request: HttpRequest,
    accounts: Data<EmailPassword>,
    Body(enter): Body<Enter>,
) -> Result<Json<Value>, Problem> {
    let form = Form::of([("email", enter.email.as_str()), ("password", enter.password.as_str())]);
    match accounts.sign_in(&request, &form, None).await? {
        Outcome::SignedIn(user) => Ok(Json(json!({"user": user.id.as_str(), "name": user.name}))),
        Outcome::Refused(problems) => Err(refused(problems.first().map_or("", |problem| problem.error))),
        Outcome::WrongCredentials | Outcome::Mailed | Outcome::InvalidLink => {
            Err(Problem::new(StatusCode::FORBIDDEN, "wrong e-mail address or password"))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Forgot {
    email: String,
}

/// Answers the same whether or not the address has an account.
async fn forgot(
    request: HttpRequest,
    accounts: Data<EmailPassword>,
    Body(forgot): Body<Forgot>,
) -> Result<HttpResponse, Problem> {
    match accounts.request_reset(&request, &Form::of([("email", forgot.email.as_str())])).await? {
        Ok(()) => Ok(HttpResponse::Accepted().json(json!({"sent": true}))),
        Err(problem) => Err(refused(problem.error)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChoosePassword {
    token: String,
    password: String,
}

/// Ends all sessions of the account, as every reset does.
async fn choose_password(
    request: HttpRequest,
    accounts: Data<EmailPassword>,
    Body(chosen): Body<ChoosePassword>,
) -> Result<HttpResponse, Problem> {
    let form = Form::of([("password", chosen.password.as_str())]);
    match accounts.reset(&request, &form, &chosen.token).await? {
        Reset::Done => Ok(HttpResponse::NoContent().finish()),
        Reset::Refused(problems) => Err(refused(problems.first().map_or("", |problem| problem.error))),
        Reset::InvalidToken => Err(Problem::new(StatusCode::GONE, "this link was used or has expired")),
    }
}

fn refused(why: &str) -> Problem {
    Problem::bad_request(why.to_owned())
}

#[actix_rt::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::from_env()?;
    telemetry::start(config.log.filter.as_deref().unwrap_or("info"), config.log.json)?;
    let site = app::start_with(config, Clock::system(), extensions()).await?;
    tracing::info!("open http://{}", site.address());
    Ok(site.run_until_stopped().await?)
}
