//! Requirements of a route, besides that there is a session.

use std::sync::Arc;

use actix_web::http::Method;

use crate::session::claims::Validator;

/// Requirements of a route. The default is what [`SignedIn`](crate::session::SignedIn) asks for as a parameter.
#[derive(Clone, Default)]
pub struct Requirements {
    pub session: SessionCheck,
    pub anti_csrf: AntiCsrfCheck,
    pub claims: ClaimCheck,
}

/// Evidence that the session has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionCheck {
    /// Its access token: a session that another process has revoked is accepted until that token expires.
    #[default]
    AccessToken,
    /// Its row in SQL: a revoked session is refused at once.
    Database,
}

/// Requests with an access token in a cookie to which the anti-CSRF check applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AntiCsrfCheck {
    /// Requests of every method except GET.
    #[default]
    UnsafeMethods,
    Always,
    Never,
}

/// Validators that the claims of the session must satisfy.
#[derive(Clone, Default)]
pub enum ClaimCheck {
    #[default]
    Configured,
    Only(Vec<Arc<dyn Validator>>),
    Skip,
}

impl Requirements {
    /// Accepts any session whose access token is valid: for routes that end or replace it.
    pub const ANY_SESSION: Self =
        Self { session: SessionCheck::AccessToken, anti_csrf: AntiCsrfCheck::Never, claims: ClaimCheck::Skip };
}

impl AntiCsrfCheck {
    pub(in crate::session) fn applies_to(self, method: &Method) -> bool {
        match self {
            Self::UnsafeMethods => method != Method::GET,
            Self::Always => true,
            Self::Never => false,
        }
    }
}
