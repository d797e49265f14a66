//! The guard of the administration API: one of the configured keys. Several can be set, so that one can be replaced while the
//! other works. Wrong keys are throttled per network.

use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use futures_util::future::LocalBoxFuture;
use secrecy::ExposeSecret;

use crate::admin::Admin;
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
            let sent = sent(&request).ok_or(Problem::new(StatusCode::FORBIDDEN, "an API key is needed"))?;
            let Ok(client) = client.await;
            let throttle =
                request.app_data::<Data<Throttle>>().ok_or(Problem::new(StatusCode::NOT_FOUND, "not found"))?;
            // Counted before the key is compared, so that a throttled guess does not reveal whether it was right.
            let attempt = throttle.admit(Action::AdminKey, &client).await?;
            if !keys.iter().any(|key| is_same(key.expose_secret(), sent)) {
                return Err(Problem::new(StatusCode::FORBIDDEN, "this is not the API key"));
            }
            throttle.succeeded(attempt).await;
            Ok(Self(()))
        })
    }
}

/// The key of the request, from either of two headers.
fn sent(request: &HttpRequest) -> Option<&str> {
    let text = |name: &str| request.headers().get(name)?.to_str().ok();
    text(header::AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer ")).or_else(|| text("api-key"))
}

/// Compares digests, so that the time reveals neither the position of a difference nor the length.
fn is_same(one: &str, other: &str) -> bool {
    let hash = |text: &str| digest::digest(&digest::SHA256, text.as_bytes());
    verify_slices_are_equal(hash(one).as_ref(), hash(other).as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_compared_whole() {
        assert!(is_same("key", "key"));
        for other in ["", "ke", "key ", "keys", "Key"] {
            assert!(!is_same("key", other), "{other:?}");
        }
    }
}
