//! The guard of the administration API: one of the configured keys. Several can be set, so that one can be replaced while the
//! other works. Wrong keys are throttled per network.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;

use crate::admin::Admin;
use crate::http::bearer;
use crate::http::problem::Problem;
use crate::throttle::{Action, Client, Throttle};

/// Proof that a request carries the key.
pub struct Administrator(());

impl FromRequest for Administrator {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let client = Client::from_request(&request, payload);
        Box::pin(async move {
            let keys = request.app_data::<Data<Admin>>().map(|admin| admin.keys.as_slice()).unwrap_or_default();
            if keys.is_empty() {
                return Err(Problem::new(StatusCode::NOT_FOUND, "not found"));
            }
            let sent = presented_key(&request).ok_or(Problem::new(StatusCode::FORBIDDEN, "an API key is needed"))?;
            let Ok(client) = client.await;
            let throttle =
                request.app_data::<Data<Throttle>>().ok_or(Problem::new(StatusCode::NOT_FOUND, "not found"))?;
            // Counted before the key is compared, so that a throttled guess does not reveal whether it was right.
            let attempt = throttle.admit(Action::AdminKey, &client).await?;
            // The pattern of the route: what is sent in place of an id may be anything, such as an address.
            let path = request.match_pattern();
            let Some(key) = keys.iter().find(|key| bearer::secrets_equal(&key.secret, sent)) else {
                tracing::warn!(target: "admin", method = %request.method(), path, "a wrong API key was refused");
                return Err(Problem::new(StatusCode::FORBIDDEN, "this is not the API key"));
            };
            throttle.succeeded(attempt).await;
            // Who did what: for an audit the name of the key is enough, and neither the key nor the query is logged.
            tracing::info!(target: "admin", key = key.name, method = %request.method(), path, "administrative request");
            Ok(Self(()))
        })
    }
}

/// The key of the request, from either of two headers.
fn presented_key(request: &HttpRequest) -> Option<&str> {
    bearer::token(request).or_else(|| request.headers().get("api-key")?.to_str().ok())
}
