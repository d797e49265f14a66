//! Wires the rooms: the only module that knows them all.
//!
//! [`start`] builds every handle once, opens each prefix once and serves; [`Site`] is the same for `main` and for tests.

mod account_state;
mod commands;
mod fauna_backend;
mod startup;
mod state;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use fauna_client as fauna;
use tracing_actix_web::TracingLogger;

use crate::clock::Clock;
use crate::config::{Config, EmailVerification};
use crate::http::problem::Problem;
use crate::http::same_origin;
use crate::supertokens::{emailpassword, emailverification};
use crate::telemetry::AccessLog;
use crate::{account, admin, comments, fauna_tokens, mail, pages, session, users};
use state::AppState;

pub use crate::supertokens::emailpassword::{Admission, Check, SignUpField};
pub use commands::{USERS_USAGE, UsersCommand, users};
pub use fauna_backend::apply_schema;

/// The head of a request must have arrived after this (ASVS 15.4; slow clients).
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// An idle connection is kept for this long: longer than Node keeps it, or its clients meet a closed one.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A site that runs.
pub struct Site {
    /// Where it listens.
    address: SocketAddr,
    /// Where its Fauna is.
    fauna_endpoint: String,
    /// Stops the server.
    server: ServerHandle,
    /// The server, until it has stopped.
    served: actix_rt::task::JoinHandle<io::Result<()>>,
    /// Collects Fauna tokens in the background.
    collector: fauna_tokens::Collector,
    /// Delivers mail in the background.
    courier: actix_rt::task::JoinHandle<()>,
    /// Deletes expired sessions in the background.
    sweeper: actix_rt::task::JoinHandle<()>,
    /// The embedded endpoint, if this site has one.
    #[cfg(feature = "embedded-fauna")]
    fauna: Option<embedded_fauna::Running>,
}

/// Why a site did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What a setting asks for cannot be had: a port is taken, a file cannot be written, a database refuses.
    #[error("{0}")]
    Setting(String),
    /// A file, or the server.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Fauna.
    #[error("Fauna: {0}")]
    Fauna(#[from] fauna::Error),
    /// The embedded Fauna is configured, but not part of this build.
    #[cfg(not(feature = "embedded-fauna"))]
    #[error("FAUNA_ENDPOINT: must be set, this binary was built without the embedded Fauna")]
    NoEmbeddedFauna,
    /// `schema apply` without an endpoint.
    #[error(
        "FAUNA_ENDPOINT and FAUNA_SECRET: must name a FaunaDB node and an admin key; the embedded one needs no set-up"
    )]
    NoEndpoint,
    /// The threads that hash passwords.
    #[error("users: {0}")]
    Users(#[from] users::Error),
    /// Entries of an import are not as they must be.
    #[error("{}", commands::listed(.0))]
    Import(Vec<admin::EntryProblem>),
    /// Administration.
    #[error("{0}")]
    Admin(#[from] admin::Error),
    /// Mail.
    #[error("mail: {0}")]
    Mail(#[from] mail::Error),
    /// Sessions.
    #[error("sessions: {0}")]
    Session(#[from] session::Error),
}

/// Builds everything and begins to serve.
///
/// # Errors
/// A port is taken, a file cannot be written, a database or Fauna does not answer.
pub async fn start(config: Config, clock: Clock) -> Result<Site, Error> {
    start_with(config, clock, SiteExtensions::default()).await
}

/// What a site of one's own does differently. The example `one_domain` shows how it is used.
#[derive(Clone, Debug)]
pub struct SiteExtensions {
    /// Routes, mounted before all others: a path that is answered there is not answered by us.
    pub routes: fn(&mut web::ServiceConfig),
    /// Who may sign up, by their normalised address, and if not why not.
    pub admits: Admission,
    /// What the sign-up form asks for, besides what the configuration says.
    pub fields: Vec<SignUpField>,
}

impl Default for SiteExtensions {
    fn default() -> Self {
        Self { routes: |_| {}, admits: emailpassword::anybody, fields: Vec::new() }
    }
}

/// The same with something of your own.
///
/// # Errors
/// As [`start`].
pub async fn start_with(config: Config, clock: Clock, own: SiteExtensions) -> Result<Site, Error> {
    startup::data_directory(&config.data_dir)?;
    let listener = startup::listener(config.listen)?;
    let address = listener.local_addr()?;
    let database = startup::database(&config).await?;
    let fauna = fauna_backend::connect(&config, &clock).await?;
    let state = AppState::build((&config, &own), &clock, address, &fauna, database).await?;
    let collector = state.fauna_tokens.collect_in_background();
    let courier = actix_rt::spawn(state.accounts.outbox.deliver());
    let sweeper = actix_rt::spawn(state.sessions.get_ref().clone().sweep_forever());
    let server = serve(&config, state, own.routes, listener)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    tracing::info!(address = %format!("http://{address}"), "the site listens");
    Ok(Site {
        address,
        fauna_endpoint: fauna.endpoint,
        server: server.handle(),
        served: actix_rt::spawn(server),
        collector,
        courier,
        sweeper,
        #[cfg(feature = "embedded-fauna")]
        fauna: fauna.running,
    })
}

impl Site {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its Fauna is, `http://host:port`.
    pub fn fauna_endpoint(&self) -> &str {
        &self.fauna_endpoint
    }

    /// Serves until the process is told to stop, then finishes what is under way.
    ///
    /// # Errors
    /// The server could not go on.
    pub async fn run_until_stopped(self) -> Result<(), io::Error> {
        let served = self.served.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        self.collector.stop().await;
        for task in [self.courier, self.sweeper] {
            task.abort();
            // What it holds must be let go while there is a runtime: connections to a mail server end on one.
            let _aborted = task.await;
        }
        #[cfg(feature = "embedded-fauna")]
        if let Some(fauna) = self.fauna {
            fauna.stop().await;
        }
        served
    }

    /// Stops it, letting requests under way finish.
    pub async fn stop(self) {
        self.server.stop(true).await;
        if let Err(error) = self.run_until_stopped().await {
            tracing::error!(%error, "the server did not stop as it should");
        }
    }
}

/// Every request passes these layers, the last one first: the access log, CORS, headers and deadline, the check where it
/// comes from, and the session's outbox.
fn serve(
    config: &Config,
    state: AppState,
    own: fn(&mut web::ServiceConfig),
    listener: TcpListener,
) -> Result<Server, io::Error> {
    let (base_path, verification) = (config.session.api_base_path.clone(), config.accounts.email_verification);
    let server = HttpServer::new(move || {
        App::new()
            .configure(|site| state.install(site))
            .configure(own)
            .configure(|site| routes(site, &base_path, verification))
            .default_service(web::to(not_found))
            .wrap(from_fn(session::attach))
            .wrap(from_fn(same_origin::same_origin))
            .wrap(from_fn(same_origin::finish_response))
            .wrap(same_origin::cors(&state.trusted))
            .wrap(TracingLogger::<AccessLog>::new())
    });
    let server = match config.workers {
        Some(workers) => server.workers(workers),
        None => server,
    };
    Ok(server.client_request_timeout(HEAD_DEADLINE).keep_alive(KEEP_ALIVE).listen(listener)?.run())
}

/// Each prefix is opened once, here; the rooms tell what is below it. The page `/auth` comes before the scope of that name.
fn routes(site: &mut web::ServiceConfig, base_path: &str, verification: EmailVerification) {
    let verification = match verification {
        EmailVerification::Off => |_: &mut web::ServiceConfig| {},
        EmailVerification::Optional | EmailVerification::Required => emailverification::routes,
    };
    let recipes = |site: &mut web::ServiceConfig| {
        site.configure(pages::auth_routes)
            .configure(session::routes)
            .configure(emailpassword::routes)
            .configure(verification);
    };
    let mut api = web::scope("/api")
        .configure(comments::routes)
        .configure(admin::routes)
        .configure(session::api_routes)
        .configure(account::routes);
    // Only the first scope whose prefix fits is asked.
    match base_path.strip_prefix("/api") {
        Some("") => api = api.configure(recipes),
        Some(below) if below.starts_with('/') => api = api.service(web::scope(below).configure(recipes)),
        Some(_) | None => {}
    }
    site.service(api)
        .service(web::resource("/sessioninfo").get(session::session_info))
        .configure(comments::seed_routes)
        .configure(crate::http::health::routes)
        .configure(mail::routes)
        .configure(pages::routes)
        .service(web::scope(base_path).configure(recipes));
}

/// Nothing is here: a page for people, JSON for programs.
async fn not_found(request: HttpRequest) -> HttpResponse {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing at this address").respond_to(request.headers())
}
