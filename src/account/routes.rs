//! One's own account over HTTP.

use actix_web::dev::Payload;
use actix_web::web::{Data, Json};
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};

use crate::account::Accounts;
use crate::http::json_body::Body;
use crate::http::problem::Problem;
use crate::http::routes::{Access, Resource, Routes};
use crate::session;
use crate::session::{Requirements, Sessions, SignedIn};
use crate::throttle::Client;

/// Under `/api`. Claims are not asked for: whoever has not shown that an address is theirs may correct it, or leave.
///
/// | method | path                  | who                                  |
/// |--------|-----------------------|--------------------------------------|
/// | POST   | `/user/password`      | signed in, with the current password |
/// | POST   | `/user/email`         | signed in, with the current password |
/// | POST   | `/user/email/confirm` | who holds the link                   |
/// | DELETE | `/user`               | signed in, with the current password |
pub fn routes(api: &mut Routes<'_>) {
    api.add(Resource::at("/user/password").post(Access::SignedIn, change_password))
        .add(Resource::at("/user/email").post(Access::SignedIn, ask_for_email))
        .add(Resource::at("/user/email/confirm").post(Access::MailedLink, confirm_email))
        .add(Resource::at("/user").delete(Access::SignedIn, delete));
}

/// Another password.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewPassword {
    /// The one until now.
    current_password: String,
    /// The one from now on.
    new_password: String,
}

/// Another address.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewEmail {
    /// The account's password.
    current_password: String,
    /// The address from now on.
    email: String,
}

/// What a link carried.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkToken {
    /// The token.
    token: String,
}

/// The end.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeleteAccount {
    /// The account's password.
    current_password: String,
}

/// `{"status":"OK"}`.
#[derive(Serialize)]
struct Done {
    /// Always `OK`.
    status: &'static str,
}

/// The only one.
const DONE: Json<Done> = Json(Done { status: "OK" });

/// Sets another password.
async fn change_password(
    UserIgnoringClaims(owner): UserIgnoringClaims,
    client: Client,
    accounts: Data<Accounts>,
    Body(wish): Body<NewPassword>,
) -> Result<Json<Done>, Problem> {
    accounts.change_password(owner, &client, wish.current_password.into(), wish.new_password).await?;
    Ok(DONE)
}

/// Mails a link to another address.
async fn ask_for_email(
    UserIgnoringClaims(owner): UserIgnoringClaims,
    client: Client,
    accounts: Data<Accounts>,
    Body(wish): Body<NewEmail>,
) -> Result<Json<Done>, Problem> {
    accounts.ask_for_email(&owner, &client, wish.current_password.into(), &wish.email).await?;
    Ok(DONE)
}

/// Makes another address the account's.
async fn confirm_email(
    client: Client,
    accounts: Data<Accounts>,
    Body(link): Body<LinkToken>,
) -> Result<Json<Done>, Problem> {
    accounts.confirm_email(&client, link.token).await?;
    Ok(DONE)
}

/// Ends the account.
async fn delete(
    UserIgnoringClaims(owner): UserIgnoringClaims,
    client: Client,
    accounts: Data<Accounts>,
    Body(wish): Body<DeleteAccount>,
) -> Result<Json<Done>, Problem> {
    accounts.delete(owner, &client, wish.current_password.into()).await?;
    Ok(DONE)
}

/// Whoever is signed in at this moment, whatever their claims say.
struct UserIgnoringClaims(SignedIn);

impl FromRequest for UserIgnoringClaims {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (request, sessions) = (request.clone(), request.app_data::<Data<Sessions>>().cloned());
        Box::pin(async move {
            let now = Requirements { check_database: true, anti_csrf: None, validators: Some(Vec::new()) };
            let sessions = sessions.ok_or(session::Error::Missing)?;
            Ok(Self(sessions.get_session(&request, &now).await?.ok_or(session::Error::Missing)?))
        })
    }
}
