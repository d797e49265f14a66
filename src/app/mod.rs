//! Builds all services and starts the server: the only module that knows all others.
//!
//! [`start`] is what both `main` and the tests call.

mod accounts;
#[cfg(feature = "embedded-fauna")]
mod backup;
mod copy;
mod demo_command;
mod doctor;
#[cfg(feature = "embedded-fauna")]
mod embedded;
mod extensions;
mod fauna_backend;
mod features;
mod monitoring;
mod port_mark;
mod server;
mod session_settings;
mod set_up;
#[cfg(all(test, feature = "embedded-fauna"))]
#[path = "../../tests/simulation/mod.rs"]
mod simulation;
mod startup;
mod state;
mod users_command;

use std::io;
use std::net::SocketAddr;

use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use fauna_client as fauna;

use crate::clock::Clock;
use crate::config::Config;
use crate::http::openapi::ApiDocument;
use crate::http::routes::RouteTable;
use crate::{admin, demo, fauna_tokens, mail, pages, session, users};
use monitoring::Monitoring;
use port_mark::PortMark;
use server::RoutePlan;
use state::{AppState, Foundations};

pub use crate::demo::{ACCOUNTS as DEMO_ACCOUNTS, PASSWORD as DEMO_PASSWORD};
pub use crate::hooks::{Hook, HookError};
pub use crate::mail::OutgoingMail;
pub use crate::supertokens::emailpassword::{Admission, Check, SignUpField};
#[cfg(feature = "embedded-fauna")]
pub use backup::{Manifest, backup, restore};
pub use demo_command::reset_demo;
pub use doctor::{Report, doctor, health};
pub use extensions::SiteExtensions;
pub use fauna_backend::{apply_schema, apply_schema_with};
pub use users_command::{UsersCommand, users};

pub struct Site {
    address: SocketAddr,
    fauna_endpoint: String,
    routes: RouteTable,
    document: Data<ApiDocument>,
    server: ServerHandle,
    /// Ends when the server has stopped.
    served: actix_rt::task::JoinHandle<io::Result<()>>,
    collector: fauna_tokens::Collector,
    mail_delivery: actix_rt::task::JoinHandle<()>,
    sweeper: actix_rt::task::JoinHandle<()>,
    monitoring: Option<Monitoring>,
    /// Dropped after everything that listens has stopped.
    port_marks: Vec<PortMark>,
    /// The embedded endpoint, if this site has one.
    #[cfg(feature = "embedded-fauna")]
    fauna: Option<embedded::EmbeddedFauna>,
}

/// Why a site did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting cannot be used: a port is taken, a file cannot be written, a database refuses.
    #[error("{0}")]
    Setting(String),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{}", fauna_problem(.0))]
    Fauna(#[from] fauna::Error),
    #[cfg(not(feature = "embedded-fauna"))]
    #[error("FAUNA_ENDPOINT: must be set, this binary was built without the embedded Fauna")]
    NoEmbeddedFauna,
    #[error(
        "FAUNA_ENDPOINT and FAUNA_SECRET: must name a FaunaDB node and an admin key; the embedded one needs no set-up"
    )]
    NoEndpoint,
    #[error("users: {0}")]
    Users(#[from] users::Error),
    #[error("{}", users_command::entry_problems(.0))]
    Import(Vec<admin::EntryProblem>),
    #[error("{0}")]
    Admin(#[from] admin::Error),
    #[error("{0}")]
    Pages(#[from] pages::InvalidFile),
    #[error("mail: {0}")]
    Mail(mail::Error),
    #[error("sessions: {0}")]
    Session(session::Error),
}

/// Most errors of Fauna's client name it.
fn fauna_problem(error: &fauna::Error) -> String {
    let told = error.to_string();
    if told.contains("Fauna") { told } else { format!("Fauna: {told}") }
}

/// A setting that is refused late is named as one that is refused early: by its own name, without that of a module.
impl From<mail::Error> for Error {
    fn from(error: mail::Error) -> Self {
        match error {
            mail::Error::Setting(why) => Self::Setting(why),
            error => Self::Mail(error),
        }
    }
}

impl From<session::Error> for Error {
    fn from(error: session::Error) -> Self {
        match error {
            session::Error::Settings(_) | session::Error::NoKeyOpens(_) => Self::Setting(error.to_string()),
            error => Self::Session(error),
        }
    }
}

/// Starts a site.
///
/// # Errors
/// A port is taken, a file cannot be written, a database or Fauna does not answer.
pub async fn start(config: Config, clock: Clock) -> Result<Site, Error> {
    start_with(config, clock, SiteExtensions::default()).await
}

/// Starts a site with additions of your own.
///
/// # Errors
/// As [`start`].
pub async fn start_with(config: Config, clock: Clock, extensions: SiteExtensions) -> Result<Site, Error> {
    startup::data_directory(&config.data_dir)?;
    let listener = startup::listener(config.listen)?;
    let address = listener.local_addr()?;
    let set_up = startup::lock_set_up(&config.data_dir).await?;
    let database = startup::database(&config).await?;
    let fauna = fauna_backend::connect(&config, &clock, &features::all(&config, &extensions)).await?;
    if config.has_demo() {
        fauna.catch_up(&clock).await;
    }
    let mut monitoring = Monitoring::start(&config.metrics)?;
    let metrics = monitoring.as_ref().and_then(|monitoring| monitoring.metrics.clone());
    let key_policy = session_settings::key_policy(&config);
    let foundations = Foundations { clock: &clock, address, fauna: &fauna, database, key_policy, metrics };
    let state = AppState::build(&config, &extensions, foundations).await?;
    drop(set_up);
    if let Some(monitoring) = &mut monitoring {
        monitoring.sample(state.sources());
    }
    let port_marks = port_marks(&config, address, &fauna.endpoint);
    let plan = RoutePlan::new(&config, &extensions);
    let routes = plan.table();
    let document = Data::new(state.document(&config, &routes));
    let collector = state.fauna_tokens.collect_in_background();
    let mail_delivery = actix_rt::spawn(state.accounts.outbox.deliver());
    let sweeper = actix_rt::spawn(state.sessions.get_ref().clone().sweep_forever());
    let server = server::serve(&config, state, document.clone(), plan, listener)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    tracing::info!(address = %format!("http://{address}"), "the site listens");
    Ok(Site {
        address,
        fauna_endpoint: fauna.endpoint,
        routes,
        document,
        server: server.handle(),
        served: actix_rt::spawn(server),
        collector,
        mail_delivery,
        sweeper,
        monitoring,
        port_marks,
        #[cfg(feature = "embedded-fauna")]
        fauna: fauna.running,
    })
}

/// Marks all ports that the site listens at; of those that were free ones, what the system has chosen.
fn port_marks(config: &Config, address: SocketAddr, fauna_endpoint: &str) -> Vec<PortMark> {
    let embedded = fauna_endpoint.strip_prefix("http://").and_then(|authority| authority.parse().ok());
    let bound = |(name, configured)| match name {
        "LISTEN" => address,
        "EMBEDDED_FAUNA_LISTEN" => embedded.unwrap_or(configured),
        _ => configured,
    };
    config.listeners().into_iter().map(bound).filter_map(|at| PortMark::set(&config.data_dir, at)).collect()
}

impl Site {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Creates the demo accounts and their comments if the demo is mounted and they do not exist.
    pub async fn seed_demo(&self, config: &Config) {
        if !config.has_demo() {
            return;
        }
        if let Err(why) = demo::seed(self.address, &config.session.api_base_path).await {
            tracing::warn!("there are no demo accounts: {why}");
        }
    }

    pub fn fauna_endpoint(&self) -> &str {
        &self.fauna_endpoint
    }

    /// All routes, in the order of their registration.
    pub fn routes(&self) -> &RouteTable {
        &self.routes
    }

    /// The OpenAPI document, as `/api/openapi.json` answers it.
    pub fn api_document(&self) -> &ApiDocument {
        &self.document
    }

    /// Serves until the process receives a signal to stop, then finishes the requests in progress.
    ///
    /// # Errors
    /// The server failed.
    pub async fn run_until_stopped(self) -> Result<(), io::Error> {
        let served = self.served.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        self.collector.stop().await;
        if let Some(monitoring) = self.monitoring {
            monitoring.stop().await;
        }
        for task in [self.mail_delivery, self.sweeper] {
            task.abort();
            // Connections to a mail server must be dropped inside the runtime.
            let _aborted = task.await;
        }
        #[cfg(feature = "embedded-fauna")]
        if let Some(fauna) = self.fauna {
            fauna.stop().await;
        }
        drop(self.port_marks);
        served
    }

    /// Stops the site after requests in progress have finished.
    pub async fn stop(self) {
        self.server.stop(true).await;
        if let Err(error) = self.run_until_stopped().await {
            tracing::error!(%error, "the server did not stop as it should");
        }
    }
}
