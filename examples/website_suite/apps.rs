//! Isolated applications: each test of the suite makes its own, and points both servers at it.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::error::ErrorInternalServerError;
use actix_web::middleware::Next;
use actix_web::web::{Data, Json};
use actix_web::{Error, HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};
use starter::clock::Clock;
use starter::database::Database;
use starter::seal::SealRing;
use starter::session::{AntiCsrf, ErrorResponses, NoTokenProvider, Sessions, Settings};
use tempfile::TempDir;

/// Port of the pages, and of an API of the same origin.
pub const HOME: u16 = 8080;

/// Applications that are kept; a test uses one or two.
const APPS_MAX: usize = 8;

/// All applications, and the one that each port serves now.
pub struct Apps {
    files: TempDir,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Applications by the name that the suite passes on.
    known: Vec<(String, Known)>,
    active: HashMap<u16, Active>,
    /// Applications made so far.
    made: usize,
    /// The last flags that the suite has set.
    flags: Flags,
    /// Reset by the suite between its tests.
    counters: Counters,
}

#[derive(Clone)]
struct Known {
    /// Its sessions in SQL.
    database: Database,
    config: CoreConfig,
}

#[derive(Clone)]
pub struct Active {
    pub sessions: Sessions,
    /// Whether new sessions get a claim of their own.
    pub with_claim: bool,
}

/// Numbers of requests since the suite has reset them.
#[derive(Clone, Copy, Default)]
pub struct Counters {
    pub refreshed: u32,
    /// Refreshes that were asked for.
    pub attempted: u32,
    /// Sessions that were verified.
    pub verified: u32,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Flags {
    #[serde(default)]
    enable_anti_csrf: Option<bool>,
    /// A claim on every session, and access tokens that scripts may read.
    #[serde(default, rename = "enableJWT")]
    enable_jwt: Option<bool>,
}

#[derive(Clone, Default, Deserialize)]
struct CoreConfig {
    /// In seconds; 0 is the default.
    access_token_validity: u64,
    /// In hours, as text.
    access_token_signing_key_update_interval: Option<String>,
}

/// Body of POST `/test/setup/app`.
#[derive(Deserialize)]
struct SetupApp {
    #[serde(rename = "coreConfig")]
    core_config: CoreConfig,
}

/// POST `/test/setup/st` and `/reinitialiseBackendConfig`.
#[derive(Deserialize)]
struct SetupSt {
    /// The answer of `/test/setup/app`.
    #[serde(rename = "coreUrl")]
    core_url: String,
    /// Flags that are absent keep their value.
    #[serde(flatten)]
    flags: Flags,
}

/// The suite's server answers a missing session with an empty object.
struct EmptyUnauthorised;

impl ErrorResponses for EmptyUnauthorised {
    fn unauthorised(&self) -> HttpResponse {
        HttpResponse::Unauthorized().json(serde_json::Map::new())
    }
}

impl Apps {
    /// Starts without applications.
    ///
    /// # Errors
    /// No temporary directory.
    pub fn new() -> io::Result<Self> {
        Ok(Self { files: TempDir::new()?, state: Mutex::default() })
    }

    pub fn active(&self, port: u16) -> Option<Active> {
        self.state().active.get(&port).cloned()
    }

    pub fn count(&self, change: impl FnOnce(&mut Counters)) -> Counters {
        let mut state = self.state();
        change(&mut state.counters);
        state.counters
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an application, its keys included, so that switching to it is quick.
    async fn make(&self, config: CoreConfig) -> Result<String, Error> {
        let name = {
            let mut state = self.state();
            state.made += 1;
            if state.known.len() >= APPS_MAX {
                state.known.remove(0);
            }
            format!("app-{}", state.made)
        };
        let url = format!("sqlite://{}", self.files.path().join(&name).display());
        let known = Known { database: Database::open(&url).await.map_err(ErrorInternalServerError)?, config };
        known.open(HOME, Flags::default()).await?;
        self.state().known.push((name.clone(), known));
        Ok(name)
    }

    /// Lets a port serve an application.
    async fn switch(&self, port: u16, setup: &SetupSt) -> Result<(), Error> {
        let (known, flags) = {
            let mut state = self.state();
            if setup.flags.enable_anti_csrf.is_some() {
                state.flags = setup.flags;
            }
            let known = state.known.iter().find(|(name, _)| *name == setup.core_url).map(|(_, known)| known.clone());
            (known.ok_or_else(|| ErrorInternalServerError("no such application"))?, state.flags)
        };
        let sessions = known.open(port, flags).await?;
        let with_claim = flags.enable_jwt == Some(true);
        self.state().active.insert(port, Active { sessions, with_claim });
        Ok(())
    }
}

impl Known {
    /// Opens its sessions as one port shows them.
    async fn open(&self, port: u16, flags: Flags) -> Result<Sessions, Error> {
        let seal = SealRing::new([("suite".to_owned(), [1; 32])]);
        let mut settings = Settings::new(&format!("http://0.0.0.0:{port}"), &format!("http://localhost:{HOME}"), seal);
        settings.access_token_lifetime = Duration::from_secs(self.config.access_token_validity);
        settings.refresh_token_lifetime = Duration::from_hours(100 * 24);
        let hours = self.config.access_token_signing_key_update_interval.as_deref();
        if let Some(hours) = hours.and_then(|hours| hours.parse::<f64>().ok()) {
            settings.signing_key_interval = Duration::from_secs_f64(hours * 3600.0);
        }
        let has_tokens = flags.enable_anti_csrf.unwrap_or(true);
        settings.anti_csrf = Some(if has_tokens { AntiCsrf::ViaToken } else { AntiCsrf::None });
        settings.expose_access_token = flags.enable_jwt == Some(true);
        settings.refuse_duplicate_cookies = true;
        settings.error_responses = Arc::new(EmptyUnauthorised);
        let sessions =
            Sessions::open(settings, self.database.clone(), Clock::system(), Arc::new(NoTokenProvider)).await;
        sessions.map_err(ErrorInternalServerError)
    }
}

/// Middleware: gives the handlers the sessions that their port serves now.
///
/// # Errors
/// Those of the services inside.
pub async fn choose<B: MessageBody>(mut request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let port = request.app_config().local_addr().port();
    let active = request.app_data::<Data<Apps>>().and_then(|apps| apps.active(port));
    if let Some(active) = active {
        let mut container = Extensions::new();
        container.insert(Data::new(active.sessions.clone()));
        container.insert(Data::new(active));
        request.add_data_container(Rc::new(container));
    }
    next.call(request).await
}

/// Setting up tests, and counting.
pub fn routes(root: &mut web::ServiceConfig) {
    let nothing = || async { HttpResponse::Ok().finish() };
    root.service(web::resource("/test/setup/app").post(setup_app))
        .service(web::resource("/test/setup/st").post(setup_st))
        .service(web::resource("/reinitialiseBackendConfig").post(setup_st))
        .service(web::resource("/beforeeach").post(before_each))
        .service(web::resource("/after").post(nothing))
        .service(web::resource("/stopst").post(nothing))
        .service(web::resource("/featureFlags").get(feature_flags))
        .service(web::resource("/refreshCalledTime").get(refreshed))
        .service(web::resource("/refreshAttemptedTime").get(attempted))
        .service(web::resource("/getSessionCalledTime").get(verified));
}

/// Creates an application and returns its name.
async fn setup_app(apps: Data<Apps>, setup: Json<SetupApp>) -> Result<String, Error> {
    apps.make(setup.into_inner().core_config).await
}

/// Another application for this port.
async fn setup_st(request: HttpRequest, apps: Data<Apps>, setup: Json<SetupSt>) -> Result<HttpResponse, Error> {
    apps.switch(request.app_config().local_addr().port(), &setup).await?;
    Ok(HttpResponse::Ok().finish())
}

async fn before_each(apps: Data<Apps>) -> HttpResponse {
    apps.count(|counters| *counters = Counters::default());
    HttpResponse::Ok().finish()
}

/// What the suite may expect; where something is missing its tests pass without having looked.
async fn feature_flags(apps: Data<Apps>) -> Json<Value> {
    let session_jwt = apps.state().flags.enable_jwt == Some(true);
    Json(json!({
        "sessionJwt": session_jwt,
        "sessionClaims": true,
        "v3AccessToken": true,
        "duplicateCookieHandling": true,
    }))
}

async fn refreshed(apps: Data<Apps>) -> String {
    apps.count(|_| {}).refreshed.to_string()
}

/// Refreshes that were asked for.
async fn attempted(apps: Data<Apps>) -> String {
    apps.count(|_| {}).attempted.to_string()
}

/// Sessions that were verified.
async fn verified(apps: Data<Apps>) -> String {
    apps.count(|_| {}).verified.to_string()
}
