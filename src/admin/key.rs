//! Who may administer: whoever sends the configured key.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use secrecy::ExposeSecret;

use crate::admin::Admin;
use crate::http::problem::Problem;

/// Proof that a request carries the key.
pub struct Administrator(());

impl FromRequest for Administrator {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let key = request.app_data::<Data<Admin>>().and_then(|admin| admin.key.as_ref());
        ready(match (key, sent(request)) {
            (None, _) => Err(Problem::new(StatusCode::NOT_FOUND, "not found")),
            (Some(key), Some(sent)) if is_same(key.expose_secret(), sent) => Ok(Self(())),
            (Some(_), Some(_)) => Err(Problem::new(StatusCode::FORBIDDEN, "this is not the API key")),
            (Some(_), None) => Err(Problem::new(StatusCode::FORBIDDEN, "an API key is needed")),
        })
    }
}

/// The key that came along, in either of two headers.
fn sent(request: &HttpRequest) -> Option<&str> {
    let text = |name: &str| request.headers().get(name)?.to_str().ok();
    text(header::AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer ")).or_else(|| text("api-key"))
}

/// Compares in a time that says nothing about where two texts differ, nor about their lengths.
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
