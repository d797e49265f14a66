//! The server that the test suite of SuperTokens' own frontend, `supertokens-website`, wants to talk to.
//!
//! Not part of the application: it offers the routes of that suite's `test/server/index.js` on this crate's sessions, so that
//! the released frontend judges them. The suite is fetched and run by hand:
//!
//! ```text
//! cargo run --example website_suite -- PATH/TO/supertokens-website/test/server
//! ```

mod apps;
mod handlers;

use std::io::Error;
use std::path::PathBuf;

use actix_cors::Cors;
use actix_web::App;
use actix_web::HttpServer;
use actix_web::dev::Service as _;
use actix_web::middleware::from_fn;
use actix_web::web;
use actix_web::web::Data;
use starter::session;

use apps::Apps;
use apps::Counters;

/// Where pages come from, and an API of the same origin.
const HOME: u16 = 8080;

/// An API of another origin.
const ELSEWHERE: u16 = 8082;

#[actix_web::rt::main_stub]
async fn main() {}
