//! Additions and changes of a site that is built on this crate.

use crate::feature::Feature;
use crate::http::routes::Routes;
use crate::supertokens::emailpassword::{Admission, SignUpField, anybody};

/// Additions and changes of a site of your own, for [`crate::app::start_with`]. `examples/own_site.rs` and
/// `examples/one_domain.rs` use it. Start from `SiteExtensions::default()`, which changes nothing.
#[derive(Clone, Debug)]
pub struct SiteExtensions {
    /// Routes at the root, registered before all others: where a path is registered twice, yours answers.
    pub routes: fn(&mut Routes<'_>),
    /// Collections of your own with their routes, besides those of `src/app/features.rs`.
    pub features: Vec<Feature>,
    /// Decides by the normalised address who may sign up.
    pub admits: Admission,
    /// Sign-up fields besides those of `SIGN_UP_FIELDS`. A field of the same id replaces the configured one.
    pub fields: Vec<SignUpField>,
}

impl Default for SiteExtensions {
    fn default() -> Self {
        Self { routes: |_| {}, features: Vec::new(), admits: anybody, fields: Vec::new() }
    }
}
