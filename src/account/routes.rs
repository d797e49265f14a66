//! The user's own account over HTTP.

use actix_web::dev::Payload;
use actix_web::web::{Data, Json};
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::account::{Accounts, NewEmail, OwnProfile};
use crate::http::json_body::Body;
use crate::http::json_object::Members;
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
        )
        .describe::<Description>();
}

#[derive(OpenApi)]
#[openapi(paths(profile, update_profile, change_password, request_email_change, confirm_email, delete))]
struct Description;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewPassword {
    current_password: String,
    new_password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ChangeEmail {
    current_password: String,
    email: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LinkToken {
    token: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeleteAccount {
    current_password: String,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({"status": "OK"}))]
struct Done {
    status: &'static str,
}

const DONE: Json<Done> = Json(Done { status: "OK" });

/// The signed-in user's own profile.
#[utoipa::path(get, path = "/user", tag = "Account",
    responses((status = 200, description = "The profile", body = OwnProfile)))]
async fn profile(
    UserIgnoringClaims(session): UserIgnoringClaims,
    accounts: Data<Accounts>,
) -> Result<Json<OwnProfile>, Problem> {
    Ok(Json(accounts.profile(&session).await?))
}

/// Changes the display name and the further fields of the sign-up form; null removes an optional field.
#[utoipa::path(patch, path = "/user", tag = "Account",
    request_body(content = Object, example = json!({"name": "Ann", "profile": {}})),
    responses((status = 200, description = "The profile after that", body = OwnProfile)))]
async fn update_profile(
    UserIgnoringClaims(session): UserIgnoringClaims,
    accounts: Data<Accounts>,
    Body(change): Body<Members>,
) -> Result<Json<OwnProfile>, Problem> {
    Ok(Json(accounts.update_profile(&session, &change.0).await?))
}

/// Changes the password; all other sessions of the user are revoked.
#[utoipa::path(post, path = "/user/password", tag = "Account", request_body = NewPassword,
    responses((status = 200, description = "Changed", body = Done)))]
async fn change_password(
    UserIgnoringClaims(session): UserIgnoringClaims,
    client: Client,
    accounts: Data<Accounts>,
    Body(body): Body<NewPassword>,
) -> Result<Json<Done>, Problem> {
    accounts.change_password(session, &client, body.current_password.into(), body.new_password).await?;
    Ok(DONE)
}

/// Mails a link to a new address; opening it changes the address.
#[utoipa::path(post, path = "/user/email", tag = "Account", request_body = ChangeEmail,
    responses((status = 200, description = "Mailed", body = Done)))]
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

/// Changes the address with the token of the mailed link.
#[utoipa::path(post, path = "/user/email/confirm", tag = "Account", request_body = LinkToken,
    responses((status = 200, description = "Changed", body = Done)))]
async fn confirm_email(
    client: Client,
    accounts: Data<Accounts>,
    Body(link): Body<LinkToken>,
) -> Result<Json<Done>, Problem> {
    accounts.confirm_email(&client, link.token).await?;
    Ok(DONE)
}

/// Deletes the account with all its sessions and their Fauna tokens.
#[utoipa::path(delete, path = "/user", tag = "Account", request_body = DeleteAccount,
    responses((status = 200, description = "Deleted", body = Done)))]
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
