//! Routes of SuperTokens' session recipe, and this application's own routes about sessions.

use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{OpenApi, ToSchema};

use crate::events::RevokeReason;
use crate::http::metrics::REFRESHES;
use crate::http::problem::Problem;
use crate::http::routes::{Access, Resource, Routes};
use crate::session::tokens::signing_keys::Jwk;
use crate::session::{
    ClaimCheck, Error, Refused, Requirements, SessionHandle, SessionInfo, Sessions, SignedIn, SignedInNow, UserId,
    compat,
};

/// Routes below `API_BASE_PATH`.
///
/// | method | path                                | access               |
/// |--------|-------------------------------------|----------------------|
/// | POST   | `/session/refresh`                  | with a refresh token |
/// | POST   | `/signout`                          | signed in            |
/// | GET    | `/jwt/jwks.json`                    | public               |
/// | GET    | `/.well-known/openid-configuration` | public               |
pub fn routes(auth: &mut Routes<'_>) {
    auth.add(Resource::at("/session/refresh").post(Access::RefreshToken, refresh))
        .add(Resource::at("/signout").post(Access::SignedIn, sign_out))
        .add(Resource::at("/jwt/jwks.json").get(Access::Public, jwks))
        .add(Resource::at("/.well-known/openid-configuration").get(Access::Public, open_id_configuration))
        .describe::<RecipeDescription>();
}

#[derive(OpenApi)]
#[openapi(paths(refresh, sign_out, jwks, open_id_configuration))]
struct RecipeDescription;

/// Routes below `/api`.
///
/// | method | path                      | access                          |
/// |--------|---------------------------|---------------------------------|
/// | GET    | `/sessions`               | signed in                       |
/// | POST   | `/sessions/revoke-others` | signed in                       |
/// | DELETE | `/sessions/{handle}`      | signed in, for own sessions only |
pub fn api_routes(api: &mut Routes<'_>) {
    api.add(Resource::at("/sessions").get(Access::SignedIn, list))
        .add(Resource::at("/sessions/revoke-others").post(Access::SignedIn, revoke_others))
        .add(Resource::at("/sessions/{handle}").delete(Access::SignedIn, revoke))
        .describe::<Description>();
}

#[derive(OpenApi)]
#[openapi(paths(list, revoke_others, revoke))]
struct Description;

/// | method | path           | who       |
/// |--------|----------------|-----------|
/// | GET    | `/sessioninfo` | signed in |
pub fn session_info_route(root: &mut Routes<'_>) {
    root.add(Resource::at("/sessioninfo").get(Access::SignedIn, session_info)).describe::<InfoDescription>();
}

#[derive(OpenApi)]
#[openapi(paths(session_info))]
struct InfoDescription;

/// Exchanges the refresh token; the new tokens are in cookies or headers, the body is `{}`.
#[utoipa::path(post, path = "/session/refresh", tag = "Sessions",
    responses((status = 200, description = "Renewed", body = Empty), (status = 204, description = "Cookies of a former domain were removed; repeat the request")))]
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

/// Revokes the session and deletes its Fauna token.
///
/// Claims are not validated, so that a user who fails them can still sign out.
#[utoipa::path(post, path = "/signout", tag = "Sessions",
    responses((status = 200, description = "Signed out", body = StatusOk)))]
async fn sign_out(request: HttpRequest, sessions: Data<Sessions>) -> Result<Json<StatusOk>, Refused> {
    let requirements = Requirements { claims: ClaimCheck::Skip, ..Requirements::default() };
    let found = sessions.get_session(&request, &requirements).await;
    let signed_in = match found.and_then(|found| found.ok_or(Error::Missing)) {
        Err(error) if compat::counts_as_signed_out(request.headers(), &error) => return Ok(Json(StatusOk::OK)),
        found => found.map_err(|error| sessions.refuse_request(&request, error))?,
    };
    signed_in.revoke().await.map_err(|error| sessions.refuse(error))?;
    Ok(Json(StatusOk::OK))
}

/// The public keys of access tokens, for other services that verify them (RFC 7517).
#[utoipa::path(get, path = "/jwt/jwks.json", tag = "Sessions",
    responses((status = 200, description = "The keys", body = Jwks)))]
async fn jwks(sessions: Data<Sessions>) -> Result<HttpResponse, Problem> {
    let (keys, complete_for) = sessions.published_keys().await?;
    let cache = format!("max-age={}, must-revalidate", complete_for.as_secs());
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, cache))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .json(Jwks { keys }))
}

/// OpenID Connect Discovery 1.0, section 4, with the URL of the public keys.
#[utoipa::path(get, path = "/.well-known/openid-configuration", tag = "Sessions",
    responses((status = 200, description = "Where the keys are", body = OpenId)))]
async fn open_id_configuration(sessions: Data<Sessions>) -> HttpResponse {
    let described = sessions.open_id_configuration();
    HttpResponse::Ok().insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")).json(described)
}

/// The user's own sessions.
#[utoipa::path(get, path = "/sessions", tag = "Sessions",
    responses((status = 200, description = "All of them", body = SessionList)))]
async fn list(current: SignedInNow, sessions: Data<Sessions>) -> Result<Json<SessionList>, Problem> {
    let SignedInNow(current) = current;
    let sessions = sessions.list(current.user()).await?;
    let listed = |session: SessionInfo| ListedSession { current: session.handle == *current.handle(), session };
    Ok(Json(SessionList { sessions: sessions.into_iter().map(listed).collect() }))
}

/// Revokes one of the user's own sessions. Another user's handle gets the same 404 as an unknown one.
#[utoipa::path(delete, path = "/sessions/{handle}", tag = "Sessions", params(("handle" = String, Path)),
    responses((status = 200, description = "Revoked", body = StatusOk)))]
async fn revoke(
    current: SignedInNow,
    sessions: Data<Sessions>,
    handle: Path<SessionHandle>,
) -> Result<Json<StatusOk>, Problem> {
    let SignedInNow(current) = current;
    if *current.handle() == *handle {
        current.revoke().await?;
    } else if !sessions.revoke_own(&current, &handle).await? {
        return Err(Problem::new(StatusCode::NOT_FOUND, "no such session"));
    }
    Ok(Json(StatusOk::OK))
}

/// Revokes all sessions of the user but this one.
#[utoipa::path(post, path = "/sessions/revoke-others", tag = "Sessions",
    responses((status = 200, description = "How many were revoked", body = Revoked)))]
async fn revoke_others(current: SignedInNow, sessions: Data<Sessions>) -> Result<Json<Revoked>, Problem> {
    let SignedInNow(current) = current;
    let revoked = sessions.revoke_others(&current, RevokeReason::EndedFromAnotherDevice).await?.len();
    Ok(Json(Revoked { status: "OK", revoked }))
}

/// The session of the request, as its access token describes it.
///
/// SQL is not asked: that another process revoked the session shows when the access token expires. `GET /api/sessions` sees it
/// at once.
#[utoipa::path(get, path = "/sessioninfo", tag = "Sessions",
    responses((status = 200, description = "Its user and the claims of its access token", body = SessionInfoBody)))]
pub async fn session_info(signed_in: SignedIn) -> Json<SessionInfoBody> {
    let user = signed_in.user();
    Json(SessionInfoBody {
        session_handle: signed_in.handle().clone(),
        user_id: user.clone(),
        recipe_user_id: user.clone(),
        access_token_payload: signed_in.access_token_payload(),
    })
}

impl Sessions {
    /// The public keys, and for how long no key will be added to them.
    ///
    /// # Errors
    /// The database fails.
    pub async fn published_keys(&self) -> Result<(Vec<Jwk>, Duration), Error> {
        self.keys().published(self.now()).await
    }

    /// The body of `/.well-known/openid-configuration`, for OpenID clients that only verify tokens.
    pub fn open_id_configuration(&self) -> OpenId {
        let issuer = self.issuer();
        let jwks_uri = format!("{issuer}/jwt/jwks.json");
        OpenId { issuer, jwks_uri, id_token_signing_alg_values_supported: ["ES256"] }
    }

    /// The claim `iss` of access tokens.
    pub fn issuer(&self) -> String {
        self.settings().issuer()
    }
}

/// The JSON body `{}`.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({}))]
struct Empty {}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({"status": "OK"}))]
struct StatusOk {
    status: &'static str,
}

impl StatusOk {
    const OK: Self = Self { status: "OK" };
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({"keys": [{"kty": "EC", "kid": "d-1", "crv": "P-256", "x": "…", "y": "…", "alg": "ES256", "use": "sig"}]}))]
struct Jwks {
    keys: Vec<Jwk>,
}

/// OpenID Connect Discovery 1.0, section 3: only the fields that a verifier of tokens needs.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"issuer": "https://example.com/auth", "jwks_uri": "https://example.com/auth/jwt/jwks.json",
    "id_token_signing_alg_values_supported": ["ES256"]}))]
pub struct OpenId {
    issuer: String,
    jwks_uri: String,
    #[schema(value_type = Vec<String>)]
    id_token_signing_alg_values_supported: [&'static str; 1],
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({"sessions": [{"handle": "0193…", "userId": "42", "createdAt": 1_700_000_000_000_i64,
    "refreshedAt": 1_700_000_000_000_i64, "expiresAt": 1_708_640_000_000_i64, "current": true}]}))]
struct SessionList {
    sessions: Vec<ListedSession>,
}

#[derive(Serialize, ToSchema)]
struct ListedSession {
    #[serde(flatten)]
    session: SessionInfo,
    /// Whether it is the session of this request.
    current: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(example = json!({"status": "OK", "revoked": 2}))]
struct Revoked {
    status: &'static str,
    revoked: usize,
}

/// Body of GET `/sessioninfo`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"sessionHandle": "0193…", "userId": "42", "recipeUserId": "42", "accessTokenPayload": {}}))]
pub struct SessionInfoBody {
    #[schema(value_type = String)]
    session_handle: SessionHandle,
    #[schema(value_type = String)]
    user_id: UserId,
    /// Equal to `userId`: a user here has one login method.
    #[schema(value_type = String)]
    recipe_user_id: UserId,
    #[schema(value_type = Object)]
    access_token_payload: Map<String, Value>,
}
