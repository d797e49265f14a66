//! Connects to Fauna: the embedded endpoint, or a node elsewhere.
//!
//! Both are reached over HTTP with the same client and have the same schema. The application only keeps a key of the role
//! `backend`; the root key of the embedded endpoint is used here and then dropped.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use fauna_client as fauna;
use fauna_client::{AsAdmin, AsApp, Client, ClientOptions};
use secrecy::SecretString;

#[cfg(feature = "embedded-fauna")]
use crate::app::embedded::{EmbeddedFauna, EmbeddedSettings};
use crate::app::{Error, SiteExtensions, features, set_up, startup};
use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::config::Config;
use crate::demo::FaunaSwitch;
use crate::feature::Feature;
use crate::http::fauna_set_up::FaunaSetUp;

/// File in the data directory with the application's key for the embedded endpoint.
const APP_KEY: &str = "embedded-fauna-app-key";
/// File in the data directory with the root key of the embedded endpoint.
#[cfg(feature = "embedded-fauna")]
const ROOT_KEY: &str = "embedded-fauna-root-key";

/// A smaller difference between the clocks of the site and its Fauna is none.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);

pub struct FaunaBackend {
    pub endpoint: String,
    pub app: AsApp,
    pub set_up: FaunaSetUp,
    /// The embedded endpoint, if this process runs it.
    #[cfg(feature = "embedded-fauna")]
    pub running: Option<EmbeddedFauna>,
}

#[cfg_attr(not(feature = "embedded-fauna"), expect(dead_code, reason = "this build has no embedded endpoint"))]
struct Embedded<'a> {
    config: &'a Config,
    clock: &'a Clock,
    features: &'a [Feature],
    listen: SocketAddr,
    root_key: Option<SecretString>,
}

/// Connects to the configured Fauna, starting the embedded one if that is configured.
pub async fn connect(config: &Config, clock: &Clock, features: &[Feature]) -> Result<FaunaBackend, Error> {
    match &config.fauna {
        config::Fauna::Remote { endpoint, secret } => {
            let app = AsApp::new(&client(endpoint, config)?, secret.clone());
            let set_up = set_up::needs(&app, clock, config, features)?;
            match app.check().await {
                Ok(()) => report(&set_up).await,
                Err(fauna::Error::Unauthorized) => {
                    return Err(Error::Setting(format!(
                        "FAUNA_SECRET: Fauna at {endpoint} does not know this key; `schema apply` prints one for the application"
                    )));
                }
                // The node may answer later; until then `/ready` is 503.
                Err(error) => tracing::warn!("FAUNA_ENDPOINT={endpoint}: {error}"),
            }
            Ok(FaunaBackend {
                endpoint: endpoint.clone(),
                app,
                set_up,
                #[cfg(feature = "embedded-fauna")]
                running: None,
            })
        }
        config::Fauna::Embedded { listen, root_key } => {
            let listen = *listen;
            embedded(Embedded { config, clock, features, listen, root_key: root_key.clone() }).await
        }
    }
}

/// Says at start what keeps the site from being ready. It starts all the same: `schema apply` corrects it while it runs.
async fn report(set_up: &FaunaSetUp) {
    match set_up.check().await {
        Ok(None) => {}
        Ok(Some(finding)) => tracing::error!("{}", finding.advice()),
        Err(error) => tracing::warn!("whether Fauna is set up could not be found out: {error}"),
    }
}

/// Connects for a command. If the site is running, its embedded endpoint is used instead of starting a second one on the same
/// file.
pub async fn connect_for_command(config: &Config, clock: &Clock, features: &[Feature]) -> Result<FaunaBackend, Error> {
    if let config::Fauna::Embedded { listen, .. } = &config.fauna
        && let Some(secret) = kept_app_key(&config.data_dir)?
    {
        let endpoint = format!("http://{listen}");
        let app = AsApp::new(&client(&endpoint, config)?, secret);
        if app.check().await.is_ok() {
            return Ok(FaunaBackend {
                endpoint,
                set_up: set_up::needs(&app, clock, config, features)?,
                app,
                #[cfg(feature = "embedded-fauna")]
                running: None,
            });
        }
    }
    connect(config, clock, features).await
}

/// Connects with all privileges: with the root key to the embedded Fauna, which is started if it does not run, or with `FAUNA_SECRET`
/// to a node. The backend is to be stopped afterwards.
#[cfg_attr(
    not(feature = "embedded-fauna"),
    expect(unused_variables, reason = "with the feature they start the embedded Fauna")
)]
pub async fn connect_as_admin(
    config: &Config,
    clock: &Clock,
    features: &[Feature],
) -> Result<(AsAdmin, Option<FaunaBackend>), Error> {
    match &config.fauna {
        config::Fauna::Remote { endpoint, secret } => {
            Ok((AsAdmin::new(&client(endpoint, config)?, secret.clone()), None))
        }
        #[cfg(not(feature = "embedded-fauna"))]
        config::Fauna::Embedded { .. } => Err(Error::NoEmbeddedFauna),
        #[cfg(feature = "embedded-fauna")]
        config::Fauna::Embedded { root_key, .. } => {
            let backend = connect_for_command(config, clock, features).await?;
            let key = root_key.clone().map_or_else(|| root_key_of(&config.data_dir), Ok)?;
            Ok((AsAdmin::new(&client(&backend.endpoint, config)?, key), Some(backend)))
        }
    }
}

/// The root key that a start has kept.
#[cfg(feature = "embedded-fauna")]
fn root_key_of(directory: &Path) -> Result<SecretString, Error> {
    crate::keyfile::kept_or_generated(directory, ROOT_KEY)
        .map_err(|cause| startup::refused_files(&directory.join(ROOT_KEY), cause))
}

/// A client with the settings `FAUNA_TIMEOUT_MS`, `FAUNA_CA_FILE` and those of retries.
pub fn client(endpoint: &str, config: &Config) -> Result<Client, Error> {
    let settings = &config.fauna_client;
    let options = ClientOptions {
        timeout: settings.timeout,
        ca_certificates: settings.ca_certificates.clone(),
        retries: settings.retries,
        contention_retries: settings.contention_retries,
        ..ClientOptions::default()
    };
    Client::with_options(endpoint, &options).map_err(|error| match error {
        fauna::Error::Certificates(why) => Error::Setting(format!("FAUNA_CA_FILE: {why}")),
        error => error.into(),
    })
}

impl FaunaBackend {
    /// Stops and starts the embedded endpoint, if Fauna is that.
    #[cfg_attr(not(feature = "embedded-fauna"), expect(clippy::unused_self, reason = "with the feature it is used"))]
    pub fn switch(&self) -> Option<FaunaSwitch> {
        #[cfg(feature = "embedded-fauna")]
        return self.running.as_ref().map(EmbeddedFauna::switch);
        #[cfg(not(feature = "embedded-fauna"))]
        None
    }

    /// Moves the clock to the time of the embedded endpoint. The demo has moved both before a restart, and Fauna's time never goes
    /// back: without this, the site would date its events earlier than the comments.
    pub async fn catch_up(&self, clock: &Clock) {
        if self.switch().is_none() {
            return;
        }
        match self.app.query_idempotent::<fauna::Time>(&fauna::fql::now()).await {
            Ok(theirs) => {
                let ahead = clock.now().until(Timestamp::from_millis(theirs.millis()));
                if ahead > CLOCK_TOLERANCE {
                    clock.advance(ahead);
                    tracing::info!(seconds = ahead.as_secs(), "the demo has moved the clock of this site ahead");
                }
            }
            Err(error) => tracing::warn!(%error, "Fauna does not tell its time"),
        }
    }

    /// Stops the embedded endpoint, if this process runs it, after running queries have been answered.
    #[cfg_attr(not(feature = "embedded-fauna"), expect(clippy::unused_async, reason = "with the feature it waits"))]
    pub async fn stop(self) {
        #[cfg(feature = "embedded-fauna")]
        if let Some(running) = self.running {
            running.stop().await;
        }
    }
}

/// Starts the embedded endpoint, applies the schema and loads or creates the application's key.
#[cfg(feature = "embedded-fauna")]
async fn embedded(start: Embedded<'_>) -> Result<FaunaBackend, Error> {
    let Embedded { config, clock, features, listen, root_key } = start;
    let root_key = match root_key {
        Some(key) => key,
        None => root_key_of(&config.data_dir)?,
    };
    let file = config.data_dir.join("fauna.sqlite");
    crate::keyfile::make_private(&file).map_err(|cause| startup::refused_files(&file, cause))?;
    let settings = EmbeddedSettings { listen, file: file.clone(), root_key: root_key.clone(), clock: clock.clone() };
    let running = settings.start().await.map_err(|error| match error {
        embedded_fauna::Error::Start(cause) => startup::refused_port("EMBEDDED_FAUNA_LISTEN", listen, &cause),
        embedded_fauna::Error::File(cause) => startup::refused_files(&file, cause),
        embedded_fauna::Error::NewerFile => startup::refused_files(&file, startup::NEWER),
    })?;
    let endpoint = format!("http://{}", running.address());
    tracing::info!(%endpoint, "embedded Fauna listens");
    let client = client(&endpoint, config)?;
    let admin = AsAdmin::new(&client, root_key);
    apply(&admin, config, features).await?;
    let app = app_key(&client, &admin, &config.data_dir).await?;
    let set_up = set_up::needs(&app, clock, config, features)?;
    Ok(FaunaBackend { endpoint, app, set_up, running: Some(EmbeddedFauna::keep(running, settings)) })
}

#[cfg(not(feature = "embedded-fauna"))]
#[expect(clippy::unused_async, reason = "with the feature it waits")]
async fn embedded(_: Embedded<'_>) -> Result<FaunaBackend, Error> {
    Err(Error::NoEmbeddedFauna)
}

/// The application's key at the embedded endpoint, if an earlier start created one.
fn kept_app_key(directory: &Path) -> Result<Option<SecretString>, Error> {
    crate::keyfile::read(directory, APP_KEY).map_err(|cause| startup::refused_files(&directory.join(APP_KEY), cause))
}

/// The stored key if Fauna still accepts it, otherwise a new one, which is stored.
#[cfg(feature = "embedded-fauna")]
async fn app_key(client: &Client, admin: &AsAdmin, directory: &Path) -> Result<AsApp, Error> {
    if let Some(secret) = kept_app_key(directory)? {
        let app = AsApp::new(client, secret);
        match app.check().await {
            Ok(()) => return Ok(app),
            Err(fauna::Error::Unauthorized) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let secret = fauna::schema::app_key(admin).await?;
    crate::keyfile::keep(directory, APP_KEY, &secret)?;
    Ok(AsApp::new(client, secret))
}

/// Installs the schema. The error about an index of another definition says what to do.
async fn apply(admin: &AsAdmin, config: &Config, features: &[Feature]) -> Result<(), Error> {
    let users = config.users_collection.as_str();
    fauna::schema::apply(admin, users, set_up::declarations(config, features)?).await.map_err(|error| match error {
        fauna::Error::OtherIndex(name) => Error::Setting(format!(
            "Fauna: the index {name} exists and has another definition than this program expects; delete it with an admin key, wait \
             a minute, and try again"
        )),
        error => error.into(),
    })
}

/// Installs the schema at the node of `FAUNA_ENDPOINT` with the admin key of `FAUNA_SECRET`, and creates a key for the
/// application. May be repeated; each time creates another key.
///
/// # Errors
/// `FAUNA_ENDPOINT` is not set, or Fauna does not answer or refuses.
pub async fn apply_schema(config: &Config) -> Result<SecretString, Error> {
    apply_schema_with(config, &SiteExtensions::default()).await
}

/// As [`apply_schema`], with the features of a site of your own.
///
/// # Errors
/// As [`apply_schema`].
pub async fn apply_schema_with(config: &Config, extensions: &SiteExtensions) -> Result<SecretString, Error> {
    let config::Fauna::Remote { endpoint, secret } = &config.fauna else { return Err(Error::NoEndpoint) };
    let admin = AsAdmin::new(&client(endpoint, config)?, secret.clone());
    let named = |error| match error {
        Error::Fauna(error) => refused_schema(endpoint, error),
        error => error,
    };
    apply(&admin, config, &features::all(config, extensions)).await.map_err(named)?;
    fauna::schema::app_key(&admin).await.map_err(|error| refused_schema(endpoint, error))
}

/// Why a node did not take the schema, with the setting.
fn refused_schema(endpoint: &str, error: fauna::Error) -> Error {
    match error {
        fauna::Error::PermissionDenied(_) => Error::Setting(
            "FAUNA_SECRET: must be an admin key for `schema apply`; this key may not change the schema".to_owned(),
        ),
        fauna::Error::Unauthorized => Error::Setting(format!(
            "FAUNA_SECRET: Fauna at {endpoint} does not know this key; `schema apply` needs an admin key"
        )),
        fauna::Error::Unavailable(_) | fauna::Error::Unanswered(_) | fauna::Error::Protocol(_) => {
            Error::Setting(format!("FAUNA_ENDPOINT={endpoint}: {error}"))
        }
        error => error.into(),
    }
}
