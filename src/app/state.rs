//! The handles that handlers ask for, built once and installed in every worker.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::ResponseError as _;
use actix_web::error::{InternalError, JsonPayloadError};
use actix_web::http::StatusCode;
use actix_web::web;
use actix_web::web::Data;
use fauna_client::AsApp;
use secrecy::ExposeSecret as _;

use crate::app::accounts::AccountState;
use crate::app::fauna_backend::FaunaBackend;
use crate::app::{Error, SiteExtensions, accounts, features};
use crate::clock::Clock;
use crate::config::{Config, SealKey};
use crate::database::Database;
use crate::events::EventBus;
use crate::fauna_tokens::FaunaTokens;
use crate::feature::{Feature, FeatureContext};
use crate::http::problem::{Problem, ProblemPage};
use crate::http::same_origin;
use crate::http::same_origin::Trusted;
use crate::pages::Pages;
use crate::seal::SealRing;
use crate::session::Sessions;
use crate::users::{Hasher, Users};
use crate::{config, fauna_tokens, keyfile, session, users};

/// Where thousands of users arrive in one request.
const IMPORT_PATH: &str = "/api/admin/users/import";

/// What the services are built on.
pub struct Foundations<'a> {
    pub clock: &'a Clock,
    /// Address of the listener, which `API_DOMAIN` defaults to.
    pub address: SocketAddr,
    pub fauna: &'a FaunaBackend,
    pub database: Database,
}

/// Everything that handlers use. Clones share it.
#[derive(Clone)]
pub struct AppState {
    /// Whom browsers may come from.
    pub trusted: Trusted,
    /// SQL, for `/ready`.
    database: Data<Database>,
    /// Fauna with the application's key, for `/ready`.
    fauna: Data<AsApp>,
    /// Who is signed in.
    pub sessions: Data<Sessions>,
    /// Their tokens.
    pub fauna_tokens: Data<FaunaTokens>,
    /// Who has an account.
    users: Data<Users>,
    /// What they can do about it.
    pub accounts: AccountState,
    /// Registers the services of all features.
    features: Arc<[Feature]>,
    feature_context: FeatureContext,
    /// What they see.
    pages: Data<Pages>,
    /// What happens to their sessions and tokens.
    pub events: Data<EventBus>,
}

impl AppState {
    /// Builds them, each on those below it.
    pub async fn build(
        config: &Config,
        extensions: &SiteExtensions,
        foundations: Foundations<'_>,
    ) -> Result<Self, Error> {
        let Foundations { clock, address, fauna, database } = foundations;
        let app = fauna.app.clone();
        let features: Arc<[Feature]> = features::all(config, extensions).into();
        let (collection, deletion_hooks) = (&config.users_collection, features::deletion_hooks(&features));
        let users = Users::new(app.clone(), collection, Hasher::new()?, deletion_hooks, clock.clone());
        let mut settings = session_settings(config, address)?;
        let events = EventBus::starting_at(clock.now());
        settings.events = events.clone();
        accounts::add_claims(config.accounts.email_verification, &users, &mut settings);
        let fauna = config.fauna_token_in_frontend.then_some(fauna.endpoint.as_str());
        let trusted = Trusted::new(&settings.api_domain, &settings.website_domain, fauna).map_err(io::Error::other)?;
        let trusted = Trusted { slow_path: IMPORT_PATH, ..trusted };
        let tokens = fauna_tokens::Settings {
            users: config.users_collection.clone(),
            grace: config.session.grace,
            in_frontend: config.fauna_token_in_frontend,
            holds: users::is_password_hash,
            events: events.clone(),
        };
        let ring = Arc::clone(&settings.seal);
        let fauna_tokens =
            Arc::new(FaunaTokens::new(app.clone(), database.clone(), Arc::clone(&ring), clock.clone(), tokens));
        let token_provider = Arc::<FaunaTokens>::clone(&fauna_tokens);
        let sessions = Data::new(Sessions::open(settings, database.clone(), clock.clone(), token_provider).await?);
        let fauna_tokens = Data::from(fauna_tokens);
        let accounts = AccountState::build(
            (config, extensions),
            clock,
            (&database, &ring),
            &trusted.website,
            (users.clone(), sessions.clone()),
        )?;
        Ok(Self {
            trusted,
            accounts,
            database: Data::new(database),
            fauna: Data::new(app.clone()),
            users: Data::new(users),
            feature_context: FeatureContext { app, fauna_tokens: fauna_tokens.clone() },
            features,
            pages: Data::new(Pages::new(&config.session.api_base_path, has_mailbox(config))),
            events: Data::new(events),
            fauna_tokens,
            sessions,
        })
    }

    /// Registers them and what extractors answer to bad input, all in one place.
    pub fn install(&self, site: &mut web::ServiceConfig) {
        self.accounts.install(site);
        for feature in self.features.iter() {
            (feature.services)(&self.feature_context, site);
        }
        site.app_data(Data::new(self.trusted.clone()))
            .app_data(self.database.clone())
            .app_data(self.fauna.clone())
            .app_data(self.sessions.clone())
            .app_data(self.fauna_tokens.clone())
            .app_data(self.users.clone())
            .app_data(self.pages.clone())
            .app_data(self.events.clone())
            .app_data(web::PayloadConfig::new(same_origin::BODY_BYTES_MAX))
            .app_data(
                web::JsonConfig::default()
                    .limit(same_origin::BODY_BYTES_MAX)
                    .error_handler(|error, _| bad_json(&error)),
            )
            .app_data(
                web::FormConfig::default()
                    .limit(same_origin::BODY_BYTES_MAX)
                    .error_handler(|error, _| bad_form(error.status_code())),
            )
            .app_data(web::QueryConfig::default().error_handler(|_, _| refuse(StatusCode::BAD_REQUEST)))
            .app_data(web::PathConfig::default().error_handler(|_, _| refuse(StatusCode::NOT_FOUND)));
    }
}

/// What is wrong with a JSON body, without the words of the parser: they name what is inside (ASVS 16.5.1).
fn bad_json(error: &JsonPayloadError) -> actix_web::Error {
    let problem = match error {
        JsonPayloadError::OverflowKnownLength { .. } | JsonPayloadError::Overflow { .. } => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "request body is too large")
        }
        JsonPayloadError::ContentType => {
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content type must be application/json")
        }
        _ => Problem::bad_request("the body is not the JSON that is expected here"),
    };
    problem.into()
}

/// What is wrong with a form: only pages have forms, so it is said on a page.
fn bad_form(status: StatusCode) -> actix_web::Error {
    ProblemPage::from(Problem::new(status, same_origin::reason(status))).into()
}

/// A refusal in the words of [`same_origin::finish_response`].
fn refuse(status: StatusCode) -> actix_web::Error {
    InternalError::new("refused", status).into()
}

/// Whether mail stays here and may be looked at.
fn has_mailbox(config: &Config) -> bool {
    config.environment == config::Environment::Development && config.accounts.smtp_url.is_none()
}

/// What the session room is told of the configuration.
fn session_settings(config: &Config, address: SocketAddr) -> Result<session::Settings, Error> {
    let here = format!("http://localhost:{}", address.port());
    let api = config.session.api_domain.clone().unwrap_or_else(|| here.clone());
    let website = config.session.website_domain.clone().unwrap_or_else(|| api.clone());
    let wanted = &config.session;
    Ok(session::Settings {
        access_token_lifetime: wanted.access_token_lifetime,
        refresh_token_lifetime: wanted.refresh_token_lifetime,
        absolute_lifetime: wanted.absolute_lifetime,
        grace: wanted.grace,
        signing_key_interval: wanted.signing_key_interval,
        dynamic_signing_key: wanted.dynamic_signing_key,
        api_base_path: wanted.api_base_path.clone(),
        api_gateway_path: wanted.api_gateway_path.clone(),
        cookie_domain: wanted.cookie_domain.clone(),
        older_cookie_domain: wanted.older_cookie_domain.clone(),
        same_site: wanted.same_site.map(|same_site| match same_site {
            config::SameSite::Lax => session::SameSite::Lax,
            config::SameSite::Strict => session::SameSite::Strict,
            config::SameSite::None => session::SameSite::None,
        }),
        anti_csrf: wanted.anti_csrf.map(|mode| match mode {
            config::AntiCsrf::None => session::AntiCsrf::None,
            config::AntiCsrf::ViaToken => session::AntiCsrf::ViaToken,
            config::AntiCsrf::ViaCustomHeader => session::AntiCsrf::ViaCustomHeader,
        }),
        transfer: wanted.transfer.map(|transfer| match transfer {
            config::Transfer::Cookie => session::Transfer::Cookie,
            config::Transfer::Header => session::Transfer::Header,
        }),
        expose_access_token: wanted.expose_access_token,
        ..session::Settings::new(&api, &website, seal_ring(config)?)
    })
}

/// The configured keys, or one that is generated and kept.
fn seal_ring(config: &Config) -> Result<SealRing, io::Error> {
    if !config.seal_keys.is_empty() {
        return Ok(SealRing::new(config.seal_keys.iter().map(|key| (key.id.clone(), key.bytes))));
    }
    let kept = keyfile::kept_or_generated(&config.data_dir, "seal-key")?;
    let key = SealKey::parse(&format!("generated:{}", kept.expose_secret()))
        .ok_or_else(|| io::Error::other("the file seal-key does not hold a key"))?;
    Ok(SealRing::new([(key.id, key.bytes)]))
}
