//! Handlers that use sessions.
use std::sync::Arc;

use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use starter::clock::{Clock, Timestamp};
use starter::session::{
    ClaimCheck, Error, NewSession, Refused, Requirements, RevokeReason, Sessions, SignedIn, TokenFormat, UserId,
    Validator, Version,
};

use crate::apps::{Active, Apps};
use crate::pages;
use crate::pages::header;

#[derive(Deserialize)]
struct Login {
    #[serde(rename = "userId")]
    user: String,
    /// Selects a session in the form of an older backend.
    #[serde(default)]
    payload: Map<String, Value>,
}

/// A validator that always fails.
struct Failing;

impl Validator for Failing {
    fn id(&self) -> &'static str {
        "test-claim-failing"
    }

    fn validate(&self, _: &Map<String, Value>, _: Timestamp) -> Result<(), Value> {
        Err(json!({ "message": "testReason" }))
    }
}

pub fn routes(root: &mut web::ServiceConfig) {
    root.service(web::resource("/login").post(login))
        .service(web::resource("/login-2.18").post(login_of_old))
        .service(web::resource("/").get(who))
        .service(web::resource("/check-rid").get(check_rid))
        .service(web::resource("/update-jwt").get(payload).post(replace_payload))
        .service(web::resource("/update-jwt-with-handle").post(replace_payload_by_handle))
        .service(web::resource("/session-claims-error").post(claims_error))
        .service(web::resource("/logout").post(log_out))
        .service(web::resource("/revokeAll").post(revoke_all))
        .service(web::resource("/auth/session/refresh").post(refresh));
}

async fn login(request: HttpRequest, active: Data<Active>, login: Json<Login>) -> Result<String, Refused> {
    let claim = ("customClaim".to_owned(), Value::from("customValue"));
    let payload = active.with_claim.then_some(claim).into_iter().collect();
    let sessions = &active.sessions;
    let user = user(&login.user).map_err(|error| sessions.refuse(error))?;
    sessions.create(&request, &user, payload).await.map_err(|error| sessions.refuse(error))?;
    Ok(user.to_string())
}

/// A session with the claims that an older backend stored.
async fn login_of_old(sessions: Data<Sessions>, login: Json<Login>) -> Result<HttpResponse, Refused> {
    let refuse = |error| sessions.refuse(error);
    let login = login.into_inner();
    let user = user(&login.user).map_err(refuse)?;
    let front = json!({ "uid": login.user, "ate": Clock::system().now().millis() + 3_600_000, "up": login.payload });
    let new = NewSession { payload: login.payload, ..NewSession::of(user) };
    let issued =
        sessions.issue_as(new, TokenFormat { with_anti_csrf: false, version: Version::Two }).await.map_err(refuse)?;
    let refresh = issued.refresh.as_ref().map(|refresh| refresh.token.expose_secret()).unwrap_or_default();
    Ok(HttpResponse::Ok()
        .insert_header(("st-access-token", issued.access.expose_secret()))
        .insert_header(("st-refresh-token", refresh))
        .insert_header(("front-token", STANDARD.encode(front.to_string())))
        .finish())
}

async fn who(me: SignedIn, apps: Data<Apps>) -> String {
    apps.count(|counters| counters.verified += 1);
    me.user().to_string()
}

/// Whether an intercepted request carried its mark.
async fn check_rid(_: SignedIn, request: HttpRequest) -> &'static str {
    pages::check_rid(request).await
}

async fn payload(me: SignedIn) -> Json<Map<String, Value>> {
    Json(me.access_token_payload())
}

/// Replaces the claims of the application.
async fn replace_payload(
    mut me: SignedIn,
    sessions: Data<Sessions>,
    update: Json<Map<String, Value>>,
) -> Result<Json<Map<String, Value>>, Refused> {
    let update = replacing(me.payload(), update.into_inner());
    me.merge_payload(update).await.map_err(|error| sessions.refuse(error))?;
    Ok(Json(me.access_token_payload()))
}

/// The same by session handle, so that the current access token does not change.
async fn replace_payload_by_handle(
    me: SignedIn,
    sessions: Data<Sessions>,
    update: Json<Map<String, Value>>,
) -> Result<Json<Map<String, Value>>, Refused> {
    let refuse = |error| sessions.refuse(error);
    let stored = me.info().await.map_err(refuse)?;
    let update = replacing(&stored.payload, update.into_inner());
    sessions.merge_into_payload(me.handle(), update).await.map_err(refuse)?;
    Ok(Json(me.access_token_payload()))
}

/// Removes all claims of the application.
fn replacing(old: &Map<String, Value>, new: Map<String, Value>) -> Map<String, Value> {
    let mut update: Map<String, Value> = old.keys().map(|name| (name.clone(), Value::Null)).collect();
    update.extend(new);
    update
}

/// A route whose validator always fails.
async fn claims_error(request: HttpRequest, sessions: Data<Sessions>) -> Result<HttpResponse, Refused> {
    let requirements = Requirements { claims: ClaimCheck::Only(vec![Arc::new(Failing)]), ..Requirements::default() };
    let found = sessions.get_session(&request, &requirements).await.map_err(|error| sessions.refuse(error))?;
    found.ok_or_else(|| sessions.refuse(Error::Missing))?;
    Ok(HttpResponse::Ok().json(Map::new()))
}

async fn log_out(me: SignedIn, sessions: Data<Sessions>) -> Result<&'static str, Refused> {
    me.revoke().await.map_err(|error| sessions.refuse(error))?;
    Ok("success")
}

async fn revoke_all(me: SignedIn, sessions: Data<Sessions>) -> Result<&'static str, Refused> {
    sessions.revoke_all(me.user(), RevokeReason::SignedOut).await.map_err(|error| sessions.refuse(error))?;
    Ok("success")
}

/// Refreshes the session and counts it.
async fn refresh(request: HttpRequest, apps: Data<Apps>, sessions: Data<Sessions>) -> Result<&'static str, Refused> {
    apps.count(|counters| counters.attempted += 1);
    sessions.refresh(&request).await.map_err(|error| sessions.refuse(error))?;
    if header(&request, "rid").is_none() {
        return Ok("refresh failed");
    }
    apps.count(|counters| counters.refreshed += 1);
    Ok("refresh success")
}

fn user(name: &str) -> Result<UserId, Error> {
    UserId::parse(name).ok_or(Error::Ended("not a user id"))
}
