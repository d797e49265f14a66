//! The interface that SuperTokens' frontends speak (FDI), except for sessions, which are in [`crate::session`].

pub mod emailpassword;
pub mod emailverification;
pub mod fdi_request;
