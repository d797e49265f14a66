//! Damaged cookies and tokens for their readers. `README.md` here says how to run one case again.

#[path = "../support/choices.rs"]
mod choices;
mod cookies;
mod tokens;
