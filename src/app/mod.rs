//! Wires the rooms: the only module that knows them all.
//!
//! [`start`] builds every handle once, opens each prefix once and serves; [`Site`] is the same for `main` and for tests.

mod accounts;
mod commands;
mod extensions;
mod fauna_backend;
mod features;
mod server;
mod startup;
mod state;

use std::io;
use std::net::SocketAddr;

use actix_web::dev::ServerHandle;
use fauna_client as fauna;

use crate::clock::Clock;
use crate::config::Config;
use crate::http::routes::RouteTable;
use crate::{admin, fauna_tokens, mail, session, users};
use server::RoutePlan;
use state::{AppState, Foundations};

pub use crate::supertokens::emailpassword::{Admission, Check, SignUpField};
pub use commands::{USERS_USAGE, UsersCommand, users};
pub use extensions::SiteExtensions;
pub use fauna_backend::{apply_schema, apply_schema_with};

/// A site that runs.
pub struct Site {
    /// Where it listens.
    address: SocketAddr,
    /// Where its Fauna is.
    fauna_endpoint: String,
    routes: RouteTable,
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

/// The same with something of your own.
///
/// # Errors
/// As [`start`].
pub async fn start_with(config: Config, clock: Clock, extensions: SiteExtensions) -> Result<Site, Error> {
    startup::data_directory(&config.data_dir)?;
    let listener = startup::listener(config.listen)?;
    let address = listener.local_addr()?;
    let database = startup::database(&config).await?;
    let fauna = fauna_backend::connect(&config, &clock, &features::all(&config, &extensions)).await?;
    let foundations = Foundations { clock: &clock, address, fauna: &fauna, database };
    let state = AppState::build(&config, &extensions, foundations).await?;
    let plan = RoutePlan::new(&config, &extensions);
    let routes = plan.table();
    let collector = state.fauna_tokens.collect_in_background();
    let courier = actix_rt::spawn(state.accounts.outbox.deliver());
    let sweeper = actix_rt::spawn(state.sessions.get_ref().clone().sweep_forever());
    let server = server::serve(&config, state, plan, listener)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    tracing::info!(address = %format!("http://{address}"), "the site listens");
    Ok(Site {
        address,
        fauna_endpoint: fauna.endpoint,
        routes,
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

    /// All routes, in the order of their registration.
    pub fn routes(&self) -> &RouteTable {
        &self.routes
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
