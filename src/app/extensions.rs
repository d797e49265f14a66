//! Additions and changes of a site that is built on this crate.

use std::fmt;
use std::sync::Arc;

use fauna_client::DocumentId;
use serde_json::{Map, Value};

use crate::feature::Feature;
use crate::hooks::Hook;
use crate::http::routes::Routes;
use crate::mail::OutgoingMail;
use crate::session::{DefaultErrorResponses, ErrorResponses, UserId};
use crate::supertokens::emailpassword::{Admission, SignUpField, anybody};
use crate::users::{PasswordRule, Profile, User, any_password};

/// Additions and changes of a site of your own, for [`crate::app::start_with`]. `examples/own_site.rs`,
/// `examples/one_domain.rs` and `examples/hooks.rs` use it. Start from `SiteExtensions::default()`, which changes nothing.
///
/// [`Hook`]s are async functions; [`crate::hooks`] says how they run. A hook may be called for requests of several workers at the
/// same time, and in each process of a site that runs in several.
#[derive(Clone)]
pub struct SiteExtensions {
    /// Routes at the root, registered before all others: where a path is registered twice, yours answers.
    pub routes: fn(&mut Routes<'_>),
    /// Collections of your own with their routes, besides those of `src/app/features.rs`.
    pub features: Vec<Feature>,
    /// Decides by the normalised address who may sign up.
    pub admits: Admission,
    /// Sign-up fields besides those of `SIGN_UP_FIELDS`. A field of the same id replaces the configured one.
    pub fields: Vec<SignUpField>,
    /// A further rule for passwords that users choose, at sign-up, reset and change; the built-in rule (8 to 99 characters, a
    /// letter and a digit) is checked first. The text of a refusal is shown beside the field. Passwords that users have already are
    /// not affected.
    pub password_rule: PasswordRule,
    /// Runs once for each account that its user has made, before the session begins: after a sign-up, or where
    /// `HIDE_EXISTING_ACCOUNTS` is on after the mailed link was followed. Not for imports. A failure is logged; the account
    /// exists and its user is signed in. If the process dies at that moment the hook is not called.
    pub signed_up: Option<Hook<Profile>>,
    /// Runs after each sign-in with the right password, when the session has begun, and before the answer. Not for the session
    /// that a sign-up begins, nor for those that your own code creates. A failure is logged; the user is signed in.
    pub signed_in: Option<Hook<User>>,
    /// Returns extra claims for the access tokens of each new session, whoever creates it. Claims that the creator gave
    /// explicitly are kept, and the session's own claims (`sub`, `exp`, …) cannot be replaced. On a failure no session is created and
    /// the request is answered 503; claims that are too large for a cookie are answered 400.
    pub session_payload: Option<Hook<UserId, Map<String, Value>>>,
    /// Sends mail instead of SMTP, in the background. After a failure it is called again for the same mail, with growing pauses, until
    /// the mail is a day old or its link has expired. A mail can therefore come twice; `OutgoingMail::id` tells. In
    /// production `INSECURE_NO_MAIL_IN_PRODUCTION=true` lets the site start without `SMTP_URL`.
    pub send_mail: Option<Hook<OutgoingMail>>,
    /// Responses to requests that are refused because of the session: 401, 403. They decide nothing and cannot fail.
    pub error_responses: Arc<dyn ErrorResponses>,
    /// Runs after a user has been deleted, by themselves or by an administrator, and gets the id. It is called again when the
    /// deletion is repeated, also for ids that no user has, so that a call that failed can be made up for; do nothing the
    /// second time. A failure is logged; the user stays deleted. Documents in Fauna that belong to the user are better deleted in the same
    /// transaction: [`Feature::on_user_deleted`](crate::feature::Feature::on_user_deleted).
    pub on_user_deleted: Option<Hook<DocumentId>>,
}

impl Default for SiteExtensions {
    fn default() -> Self {
        Self {
            routes: |_| {},
            features: Vec::new(),
            admits: anybody,
            fields: Vec::new(),
            password_rule: any_password,
            signed_up: None,
            signed_in: None,
            session_payload: None,
            send_mail: None,
            error_responses: Arc::new(DefaultErrorResponses),
            on_user_deleted: None,
        }
    }
}

impl fmt::Debug for SiteExtensions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SiteExtensions")
            .field("features", &self.features)
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}
