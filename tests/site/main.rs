//! The site as its visitors see it: every test starts one of its own, knocks on its front door and asks its Fauna.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod access;
mod account;
mod account_pages;
mod accounts;
mod admin;
mod binary;
mod bodies;
mod commands;
mod comments;
mod email_verification;
mod fauna_tokens;
mod guessing;
mod hidden_accounts;
mod imports;
mod input;
mod limits;
mod links;
mod mailbox;
mod origin;
mod outage;
mod own_site;
mod pages;
mod password_reset;
mod peer;
mod proxy;
mod stored_hashes;
mod timing;
mod token_stories;
mod visitor;
mod world;
