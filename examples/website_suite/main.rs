//! The server that the test suite of SuperTokens' own frontend, `supertokens-website`, wants to talk to.
//!
//! Not part of the application: it offers the routes of that suite's test server on this crate's sessions, so that the
//! released frontend judges them. The suite is fetched and run by hand:
//!
//! ```text
//! cargo run --example website_suite -- PATH/TO/supertokens-website/test/server VERSION-OF-THE-SUITE
//! ```

mod apps;
mod handlers;
mod pages;

use std::io::Result;
use std::path::PathBuf;
use std::time::Duration;

use actix_cors::Cors;
use actix_web::middleware::from_fn;
use actix_web::rt::System;
use actix_web::web::Data;
use actix_web::{App, HttpResponse, HttpServer, web};
use starter::http::routes::unlisted;
use starter::session;

use apps::{Apps, HOME};
use pages::Pages;

/// An API of another origin.
const ELSEWHERE: u16 = 8082;

/// Longer than any test: a client that sends on a connection just as it is closed takes that for a failure.
const KEEP_ALIVE: Duration = Duration::from_mins(10);

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let files = PathBuf::from(arguments.next().unwrap_or_else(|| ".".to_owned()));
    let version = arguments.next().unwrap_or_else(|| "20.1.7".to_owned());
    System::new().block_on(serve(Pages { files, version }))
}

/// Listens on both ports, on IPv4 and IPv6: clients resolve `localhost` either way.
async fn serve(pages: Pages) -> Result<()> {
    let apps = Data::new(Apps::new()?);
    let pages = Data::new(pages);
    let server = HttpServer::new(move || {
        let cors = Cors::default()
            .allowed_origin(&format!("http://localhost:{HOME}"))
            .allowed_methods(["GET", "PUT", "POST", "DELETE"])
            .allowed_headers(["content-type", "rid", "fdi-version", "anti-csrf", "authorization", "st-auth-mode"])
            .supports_credentials();
        App::new()
            .wrap(from_fn(session::attach))
            .wrap(from_fn(apps::choose))
            .wrap(cors)
            .app_data(apps.clone())
            .app_data(pages.clone())
            .configure(apps::routes)
            .configure(pages::routes)
            .configure(handlers::routes)
            .service(web::scope("/auth").configure(unlisted(session::routes)))
            .default_service(web::to(|| async { HttpResponse::NotFound().finish() }))
    });
    let server = server.workers(2).keep_alive(KEEP_ALIVE);
    [HOME, ELSEWHERE]
        .into_iter()
        .try_fold(server, |server, port| server.bind(("0.0.0.0", port))?.bind(("::1", port)))?
        .run()
        .await
}
