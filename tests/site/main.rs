//! The site from outside: every test starts one on a free port, with files, a Fauna and a clock of its own, and talks to it
//! over HTTP.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod access;
mod account;
mod account_pages;
mod accounts;
mod admin;
#[cfg(feature = "embedded-fauna")]
mod backup;
mod binary;
mod bodies;
mod commands;
mod comments;
#[cfg(feature = "embedded-fauna")]
mod copy;
mod demo;
mod denied;
mod doctor;
mod email_verification;
mod errors;
mod existing_users;
mod faults;
mod fauna_client_settings;
mod fauna_tokens;
mod from_supertokens;
mod full_disk;
mod fuzz;
mod guessing;
mod hidden_accounts;
mod hostile_documents;
mod imports;
mod input;
mod limits;
mod links;
mod load;
mod log;
mod mailbox;
mod metrics;
mod nothing_lost;
mod openapi;
mod origin;
mod outage;
mod own_feature;
mod own_look;
mod own_site;
mod pages;
mod password_reset;
mod proxy;
mod remember_me;
mod secrets;
mod set_up;
mod startup;
mod stored_hashes;
mod timing;
mod token_stories;
mod traces;
mod user_api;
mod website_base_path;
mod write_limit;

#[path = "../support/mod.rs"]
mod support;

use support::{client, fauna, world};
