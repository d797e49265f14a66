//! Authentication and authorisation.
//!
//! Denial is the rule: only what a built-in role, the baseline of an identity, or a role grants is allowed. A predicate that fails denies.

mod check;
mod credential;
mod login;
mod roles;
mod secret;

pub use check::{Access, allows, require};
pub use login::{authenticate, function_caller};
pub use secret::{Kind as SecretKind, Secret, hash, new_secret};
