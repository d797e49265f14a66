//! The guard of the administration API: one of the configured keys. Several can be set, so that one can be replaced while the
//! other works. Wrong keys are throttled per network.

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;

use crate::admin::Admin;
use crate::http::bearer;
use crate::http::problem::{Problem, Refusal};
use crate::throttle::{Action, Client, Throttle};

const MISSING: Refusal =
    Refusal::missing("missing: send an administration key as `Authorization: Bearer` or in the header `api-key`");
const WRONG: Refusal = Refusal::invalid("wrong: no administration key of this site is equal to it");

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
                return Err(Problem::no_such_address());
            }
            let sent = presented_key(&request).ok_or_else(|| Problem::key_refused("an API key is needed", MISSING))?;
            let Ok(client) = client.await;
            let throttle = request.app_data::<Data<Throttle>>().ok_or_else(Problem::no_such_address)?;
            // Counted before the key is compared, so that a throttled guess does not reveal whether it was right.
            let attempt = throttle.admit(Action::AdminKey, &client).await?;
            // The pattern of the route: what is sent in place of an id may be anything, such as an address.
            let path = request.match_pattern();
            let Some(key) = keys.iter().find(|key| bearer::secrets_equal(&key.secret, sent)) else {
                tracing::warn!(target: "admin", method = %request.method(), path, "a wrong API key was refused");
                return Err(Problem::key_refused("this is not the API key", WRONG));
            };
            throttle.succeeded(attempt).await;
            // Who did what: for an audit the name of the key is enough, and neither the key nor the query is logged.
            tracing::info!(target: "admin", key = key.name, method = %request.method(), path, "administrative request");
            Ok(Self(()))
        })
    }
}

/// Input that is read after the key has been checked, so that only administrators are told what is wrong with it.
pub struct WithKey<T>(pub T);

impl<T: FromRequest + 'static> FromRequest for WithKey<T> {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let administrator = Administrator::from_request(request, payload);
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            administrator.await?;
            T::from_request(&request, &mut payload).await.map(Self).map_err(Into::into)
        })
    }
}

/// The key of the request, from either of two headers.
fn presented_key(request: &HttpRequest) -> Option<&str> {
    bearer::token(request).or_else(|| request.headers().get("api-key")?.to_str().ok())
}
