//! Pages about accounts: sign-up and sign-in, mailed links, profile and settings.

pub mod account;
pub mod auth;
pub mod complete;
pub mod password;
pub mod settings;
pub mod verify;
