//! The user's own account over HTTP.

use actix_web::dev::Payload;
use actix_web::web::{Data, Json};
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::account::{Accounts, NewEmail, OwnProfile};
use crate::http::json_body::Body;
use crate::http::problem::Problem;
use crate::http::routes::{Access, Resource, Routes};
use crate::session;
use crate::session::{ClaimCheck, Requirements, SessionCheck, Sessions, SignedIn};
use crate::throttle::Client;

/// Below `/api`. Claims are not checked: a user whose address is not verified yet may correct it or delete the account.
///
/// | method | path                  | who                                  |
/// |--------|-----------------------|--------------------------------------|
/// | POST   | `/user/password`      | signed in, with the current password |
/// | POST   | `/user/email`         | signed in, with the current password |
/// | POST   | `/user/email/confirm` | anyone with the mailed token         |
/// | GET    | `/user`               | signed in                            |
/// | PATCH  | `/user`               | signed in                            |
/// | DELETE | `/user`               | signed in, with the current password |
pub fn routes(api: &mut Routes<'_>) {
    api.add(Resource::at("/user/password").post(Access::SignedIn, change_password))
        .add(Resource::at("/user/email").post(Access::SignedIn, request_email_change))
        .add(Resource::at("/user/email/confirm").post(Access::MailedLink, confirm_email))
        .add(
            Resource::at("/user")
                .get(Access::SignedIn, profile)
                .patch(Access::SignedIn, update_profile)
                .delete(Access::SignedIn, delete),
        );
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewPassword {
    current_password: String,
    new_password: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ChangeEmail {
    current_password: String,
    email: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkToken {
    token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeleteAccount {
    current_password: String,
}

#[derive(Serialize)]
struct Done {
    status: &'static str,
}

const DONE: Json<Done> = Json(Done { status: "OK" });

async fn profile(
    UserIgnoringClaims(session): UserIgnoringClaims,
    accounts: Data<Accounts>,
) -> Result<Json<OwnProfile>, Problem> {
    Ok(Json(accounts.profile(&session).await?))
}

async fn update_profile(
    UserIgnoringClaims(session): UserIgnoringClaims,
    accounts: Data<Accounts>,
    Body(change): Body<Map<String, Value>>,
) -> Result<Json<OwnProfile>, Problem> {
    Ok(Json(accounts.update_profile(&session, &change).await?))
}

async fn change_password(
    UserIgnoringClaims(session): UserIgnoringClaims,
    client: Client,
    accounts: Data<Accounts>,
    Body(body): Body<NewPassword>,
) -> Result<Json<Done>, Problem> {
    accounts.change_password(session, &client, body.current_password.into(), body.new_password).await?;
    Ok(DONE)
}

async fn request_email_change(
    UserIgnoringClaims(session): UserIgnoringClaims,
    client: Client,
    request: HttpRequest,
    accounts: Data<Accounts>,
    Body(body): Body<ChangeEmail>,
) -> Result<Json<Done>, Problem> {
    let pages = accounts.link_pages(&request);
    let wish = NewEmail { current: body.current_password.into(), email: body.email, pages };
    accounts.request_email_change(&session, &client, wish).await?;
    Ok(DONE)
}

async fn confirm_email(
    client: Client,
    accounts: Data<Accounts>,
    Body(link): Body<LinkToken>,
) -> Result<Json<Done>, Problem> {
    accounts.confirm_email(&client, link.token).await?;
    Ok(DONE)
}

async fn delete(
    UserIgnoringClaims(session): UserIgnoringClaims,
    client: Client,
    accounts: Data<Accounts>,
    Body(body): Body<DeleteAccount>,
) -> Result<Json<Done>, Problem> {
    accounts.delete(session, &client, body.current_password.into()).await?;
    Ok(DONE)
}

/// Whoever is signed in at this moment, whatever their claims say.
struct UserIgnoringClaims(SignedIn);

impl FromRequest for UserIgnoringClaims {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (request, sessions) = (request.clone(), request.app_data::<Data<Sessions>>().cloned());
        Box::pin(async move {
            let requirements =
                Requirements { session: SessionCheck::Database, claims: ClaimCheck::Skip, ..Requirements::default() };
            let sessions = sessions.ok_or(Problem::from(session::Error::Missing))?;
            let session = sessions
                .get_session(&request, &requirements)
                .await
                .and_then(|session| session.ok_or(session::Error::Missing));
            Ok(Self(session.map_err(|error| sessions.refuse_request(&request, error))?))
        })
    }
}
