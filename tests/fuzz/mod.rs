//! Damaged cookies and tokens for their readers. `README.md` here says how to run one case again.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/choices.rs"]
mod choices;
mod cookies;
mod tokens;
