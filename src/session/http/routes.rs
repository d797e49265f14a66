//! The routes of the recipe and those of this application about sessions.

use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::events::RevokeReason;
use crate::http::metrics::REFRESHES;
use crate::http::problem::Problem;
use crate::http::routes::{Access, Resource, Routes};
use crate::session::tokens::signing_keys::Jwk;
use crate::session::{
    ClaimCheck, Error, Refused, Requirements, SessionHandle, SessionInfo, Sessions, SignedIn, SignedInNow, UserId,
    compat,
};

/// Under the base path of the recipes.
///
/// | method | path                                | who                        |
/// |--------|-------------------------------------|----------------------------|
/// | POST   | `/session/refresh`                  | who holds a refresh token  |
/// | POST   | `/signout`                          | signed in                  |
/// | GET    | `/jwt/jwks.json`                    | anyone                     |
/// | GET    | `/.well-known/openid-configuration` | anyone                     |
pub fn routes(auth: &mut Routes<'_>) {
    auth.add(Resource::at("/session/refresh").post(Access::RefreshToken, refresh))
        .add(Resource::at("/signout").post(Access::SignedIn, sign_out))
        .add(Resource::at("/jwt/jwks.json").get(Access::Public, jwks))
        .add(Resource::at("/.well-known/openid-configuration").get(Access::Public, open_id_configuration));
}

/// Under `/api`.
///
/// | method | path                      | who       |
/// |--------|---------------------------|-----------|
/// | GET    | `/sessions`               | signed in |
/// | POST   | `/sessions/revoke-others` | signed in |
/// | DELETE | `/sessions/{handle}`      | its owner |
pub fn api_routes(api: &mut Routes<'_>) {
    api.add(Resource::at("/sessions").get(Access::SignedIn, list))
        .add(Resource::at("/sessions/revoke-others").post(Access::SignedIn, revoke_others))
        .add(Resource::at("/sessions/{handle}").delete(Access::SignedIn, revoke));
}

/// | method | path           | who       |
/// |--------|----------------|-----------|
/// | GET    | `/sessioninfo` | signed in |
pub fn session_info_route(root: &mut Routes<'_>) {
    root.add(Resource::at("/sessioninfo").get(Access::SignedIn, session_info));
}

/// Renews the session: `{}` and new tokens.
async fn refresh(request: HttpRequest, sessions: Data<Sessions>) -> Result<Json<Empty>, Refused> {
    sessions.refresh(&request).await.map_err(|error| {
        match error {
            // Counted where the session ends.
            Error::Theft { .. } => {}
            Error::Missing | Error::Ended(_) | Error::TryRefresh(_) => {
                metrics::counter!(REFRESHES, "outcome" => "refused").increment(1);
            }
            _ => metrics::counter!(REFRESHES, "outcome" => "failed").increment(1),
        }
        sessions.refuse(error)
    })?;
    Ok(Json(Empty {}))
}

/// Ends the session. Claims are not asked for: whoever came in may leave.
async fn sign_out(request: HttpRequest, sessions: Data<Sessions>) -> Result<Json<Done>, Refused> {
    let requirements = Requirements { claims: ClaimCheck::Skip, ..Requirements::default() };
    let found = sessions.get_session(&request, &requirements).await;
    let signed_in = match found.and_then(|found| found.ok_or(Error::Missing)) {
        Err(error) if compat::counts_as_signed_out(request.headers(), &error) => return Ok(Json(Done::OK)),
        found => found.map_err(|error| sessions.refuse(error))?,
    };
    signed_in.revoke().await.map_err(|error| sessions.refuse(error))?;
    Ok(Json(Done::OK))
}

/// The public keys of access tokens, for whoever wants to verify them.
async fn jwks(sessions: Data<Sessions>) -> Result<HttpResponse, Problem> {
    let (keys, complete_for) = sessions.published_keys().await?;
    let cache = format!("max-age={}, must-revalidate", complete_for.as_secs());
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, cache))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .json(Jwks { keys }))
}

/// Where the public keys are (OpenID Connect Discovery 1.0, 4).
async fn open_id_configuration(sessions: Data<Sessions>) -> HttpResponse {
    let described = sessions.open_id_configuration();
    HttpResponse::Ok().insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")).json(described)
}

/// The sessions of the person who asks.
async fn list(owner: SignedInNow, sessions: Data<Sessions>) -> Result<Json<Listed>, Problem> {
    let SignedInNow(owner) = owner;
    let sessions = sessions.list(owner.user()).await?;
    let listed = |session: SessionInfo| ListedSession { current: session.handle == *owner.handle(), session };
    Ok(Json(Listed { sessions: sessions.into_iter().map(listed).collect() }))
}

/// Ends one of one's own sessions.
async fn revoke(
    owner: SignedInNow,
    sessions: Data<Sessions>,
    handle: Path<SessionHandle>,
) -> Result<Json<Done>, Problem> {
    let SignedInNow(owner) = owner;
    if *owner.handle() == *handle {
        owner.revoke().await?;
    } else if !sessions.revoke_own(&owner, &handle).await? {
        return Err(Problem::new(StatusCode::NOT_FOUND, "no such session"));
    }
    Ok(Json(Done::OK))
}

/// Ends all of one's sessions but this one.
async fn revoke_others(owner: SignedInNow, sessions: Data<Sessions>) -> Result<Json<Revoked>, Problem> {
    let SignedInNow(owner) = owner;
    let revoked = sessions.revoke_others(&owner, RevokeReason::EndedFromAnotherDevice).await?.len();
    Ok(Json(Revoked { status: "OK", revoked }))
}

/// GET `/sessioninfo`, for who is signed in: everything about this session.
///
/// # Errors
/// The session has ended, or the database fails.
pub async fn session_info(signed_in: SignedIn) -> Result<Json<Described>, Problem> {
    let stored = signed_in.info().await?;
    Ok(Json(Described {
        session_handle: stored.handle,
        user_id: stored.user_id.clone(),
        recipe_user_id: stored.user_id,
        access_token_payload: signed_in.access_token_payload(),
        session_data: stored.data,
    }))
}

impl Sessions {
    /// The public keys, and how long the list stays complete.
    ///
    /// # Errors
    /// The database fails.
    pub async fn published_keys(&self) -> Result<(Vec<Jwk>, Duration), Error> {
        self.keys().published(self.now()).await
    }

    /// What OpenID clients are told.
    pub fn open_id_configuration(&self) -> OpenId {
        let issuer = self.issuer();
        let jwks_uri = format!("{issuer}/jwt/jwks.json");
        OpenId { issuer, jwks_uri, id_token_signing_alg_values_supported: ["ES256"] }
    }

    /// Who issues the access tokens.
    pub fn issuer(&self) -> String {
        self.settings().issuer()
    }
}

/// `{}`.
#[derive(Serialize)]
struct Empty {}

/// `{"status":"OK"}`.
#[derive(Serialize)]
struct Done {
    /// Always `OK`.
    status: &'static str,
}

impl Done {
    /// The only one.
    const OK: Self = Self { status: "OK" };
}

/// A JSON Web Key Set (RFC 7517, 5).
#[derive(Serialize)]
struct Jwks {
    /// Newest first.
    keys: Vec<Jwk>,
}

/// What we are, to OpenID clients that only verify tokens.
#[derive(Serialize)]
pub struct OpenId {
    /// `iss` of access tokens.
    issuer: String,
    /// Where the keys are.
    jwks_uri: String,
    /// How access tokens are signed.
    id_token_signing_alg_values_supported: [&'static str; 1],
}

/// All sessions of a person.
#[derive(Serialize)]
struct Listed {
    /// Newest first.
    sessions: Vec<ListedSession>,
}

/// One of them.
#[derive(Serialize)]
struct ListedSession {
    /// What is known about it.
    #[serde(flatten)]
    session: SessionInfo,
    /// Whether it is the one that asks.
    current: bool,
}

/// How many sessions were ended.
#[derive(Serialize)]
struct Revoked {
    /// Always `OK`.
    status: &'static str,
    /// The number.
    revoked: usize,
}

/// Everything about a session.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Described {
    /// Which one.
    session_handle: SessionHandle,
    /// Whose.
    user_id: UserId,
    /// The same: every user has one way to sign in.
    recipe_user_id: UserId,
    /// What its access token says.
    access_token_payload: Map<String, Value>,
    /// What the application keeps with it.
    session_data: Map<String, Value>,
}
