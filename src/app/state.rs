//! The services that handlers extract as `Data`, built once and shared by all workers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::web;
use actix_web::web::Data;
use fauna_client::AsApp;

use crate::app::accounts::{AccountParts, AccountState};
use crate::app::fauna_backend::FaunaBackend;
use crate::app::monitoring::Sources;
use crate::app::set_up::user_layout;
use crate::app::{Error, SiteExtensions, accounts, features, session_settings};
use crate::clock::Clock;
use crate::config::{Config, EmailVerification, Environment};
use crate::database::Database;
use crate::demo::Demo;
use crate::events::{EventBus, Queries};
use crate::fauna_tokens::FaunaTokens;
use crate::feature::{Feature, FeatureContext};
use crate::http::extractor_errors;
use crate::http::fauna_set_up::FaunaSetUp;
use crate::http::metrics::Metrics;
use crate::http::openapi::{ApiDocument, DocumentSettings};
use crate::http::problem::Brand;
use crate::http::routes::RouteTable;
use crate::http::same_origin::Trusted;
use crate::pages::Pages;
use crate::session::{KeyPolicy, Sessions, Transfer};
use crate::users::{Hasher, Users};
use crate::{demo, fauna_tokens, pages, session, users};

/// This path has a longer timeout, because one request may import thousands of users.
const IMPORT_PATH: &str = "/api/admin/users/import";

/// Parts that exist before the services and that they are built on.
pub struct Foundations<'a> {
    pub clock: &'a Clock,
    /// Address of the listener, which `API_DOMAIN` defaults to.
    pub address: SocketAddr,
    pub fauna: &'a FaunaBackend,
    pub database: Database,
    /// Commands pass the policy that writes no signing keys.
    pub key_policy: KeyPolicy,
    /// For `/metrics`; `None` if it is off.
    pub metrics: Option<Metrics>,
}

/// All services. Clones share them.
#[derive(Clone)]
pub struct AppState {
    pub trusted: Trusted,
    database: Data<Database>,
    fauna: Data<AsApp>,
    fauna_set_up: Data<FaunaSetUp>,
    pub sessions: Data<Sessions>,
    pub fauna_tokens: Data<FaunaTokens>,
    users: Data<Users>,
    pub accounts: AccountState,
    features: Arc<[Feature]>,
    feature_context: FeatureContext,
    pages: Data<Pages>,
    brand: Data<Brand>,
    /// `None` unless the demo is mounted.
    demo: Option<Data<Demo>>,
    metrics: Option<Data<Metrics>>,
    /// Events of sessions and Fauna tokens, for the event stream.
    pub events: Data<EventBus>,
}

impl AppState {
    /// The OpenAPI document of a site with these routes.
    pub fn document(&self, config: &Config, routes: &RouteTable) -> ApiDocument {
        let (access_cookie, refresh_cookie) = self.sessions.cookie_names();
        let settings = DocumentSettings {
            app_name: &config.accounts.app_name,
            gateway_path: &config.session.api_gateway_path,
            access_cookie,
            refresh_cookie,
            anti_csrf: self.sessions.anti_csrf_header(),
            in_cookies: config.session.transfer != Some(Transfer::Header),
            in_headers: config.session.transfer != Some(Transfer::Cookie),
        };
        ApiDocument::new(routes, &settings, &self.trusted)
    }

    pub async fn build(
        config: &Config,
        extensions: &SiteExtensions,
        foundations: Foundations<'_>,
    ) -> Result<Self, Error> {
        let Foundations { clock, address, fauna, database, key_policy, metrics } = foundations;
        let app = fauna.app.clone();
        let features: Arc<[Feature]> = features::all(config, extensions).into();
        let (layout, deletion_hooks) = (user_layout(config)?, features::deletion_hooks(&features));
        let users =
            Users::new(app.clone(), layout, Hasher::new(config.accounts.hash_cost)?, deletion_hooks, clock.clone())
                .with_deletion_hook(extensions.on_user_deleted.clone());
        let mut settings = session_settings::from_config(config, address, session_settings::seal_ring(config)?);
        settings.key_policy = key_policy;
        let queries = if config.has_demo() { Queries::OfEverybody } else { Queries::OfListeners };
        let events = EventBus::with_first_id_at(clock.now(), queries);
        settings.events = events.clone();
        settings.payload = extensions.session_payload.clone();
        settings.error_responses = Arc::clone(&extensions.error_responses);
        accounts::add_claims(config.accounts.email_verification, &users, &mut settings);
        let fauna_for_browsers = config.fauna_token_in_frontend.then_some(fauna.endpoint.as_str());
        let trusted = trusted(config, &settings, fauna_for_browsers)?;
        let tokens = token_settings(config, events.clone());
        let ring = Arc::clone(&settings.seal);
        let fauna_tokens =
            Arc::new(FaunaTokens::new(app.clone(), database.clone(), Arc::clone(&ring), clock.clone(), tokens));
        let token_provider = Arc::<FaunaTokens>::clone(&fauna_tokens);
        let sessions = Data::new(Sessions::open(settings, database.clone(), clock.clone(), token_provider).await?);
        let fauna_tokens = Data::from(fauna_tokens);
        let accounts = AccountState::build(AccountParts {
            config,
            extensions,
            clock,
            database: &database,
            ring: &ring,
            trusted: &trusted,
            users: users.clone(),
            sessions: sessions.clone(),
        })?;
        let (brand, settings) = (brand(config, fauna), page_settings(config, extensions, &trusted, fauna_for_browsers));
        let pages = Pages::new(settings, brand.clone(), events.clone())?;
        Ok(Self {
            trusted,
            feature_context: FeatureContext {
                app: app.clone(),
                fauna_tokens: fauna_tokens.clone(),
                writes: accounts.writes.clone(),
            },
            accounts,
            database: Data::new(database),
            fauna: Data::new(app),
            fauna_set_up: Data::new(fauna.set_up.clone()),
            users: Data::new(users),
            features,
            pages: Data::new(pages),
            brand: Data::new(brand),
            demo: demo(config, clock, address, fauna)?,
            events: Data::new(events),
            fauna_tokens,
            sessions,
            metrics: metrics.map(Data::new),
        })
    }

    pub fn users(&self) -> &Users {
        &self.users
    }

    pub fn sources(&self) -> Sources {
        Sources {
            database: self.database.get_ref().clone(),
            sessions: self.sessions.clone(),
            fauna_tokens: self.fauna_tokens.clone(),
            outbox: self.accounts.outbox.clone(),
            hasher: self.users.hasher().clone(),
        }
    }

    /// Registers the services with a worker's application.
    pub fn install(&self, site: &mut web::ServiceConfig) {
        self.accounts.install(site);
        if let Some(demo) = &self.demo {
            site.app_data(demo.clone());
        }
        if let Some(metrics) = &self.metrics {
            site.app_data(metrics.clone());
        }
        for feature in self.features.iter() {
            (feature.services)(&self.feature_context, site);
        }
        site.app_data(Data::new(self.trusted.clone()))
            .app_data(self.database.clone())
            .app_data(self.fauna.clone())
            .app_data(self.fauna_set_up.clone())
            .app_data(self.sessions.clone())
            .app_data(self.fauna_tokens.clone())
            .app_data(self.users.clone())
            .app_data(self.pages.clone())
            .app_data(self.brand.clone())
            .app_data(self.events.clone());
        site.configure(extractor_errors::configure);
    }
}

fn token_settings(config: &Config, events: EventBus) -> fauna_tokens::Settings {
    fauna_tokens::Settings {
        users: config.users_collection.clone(),
        grace: config.session.grace,
        per_session: config.session.fauna_tokens_per_session,
        in_frontend: config.fauna_token_in_frontend,
        proof: fauna_tokens::ProofField { collection: users::SECRETS, path: users::PASSWORD_HASH },
        events,
    }
}

fn trusted(config: &Config, settings: &session::Settings, fauna: Option<&str>) -> Result<Trusted, io::Error> {
    let trusted = Trusted::new(&settings.api_domain, &settings.website_domain, fauna).map_err(io::Error::other)?;
    Ok(Trusted {
        others: config.website.allowed_origins.clone(),
        supertokens_path: config.session.api_base_path.clone(),
        slow_path: IMPORT_PATH,
        ..trusted
    })
}

fn brand(config: &Config, fauna: &FaunaBackend) -> Brand {
    let switch = fauna.switch().filter(|_| config.has_demo());
    Brand { app_name: config.accounts.app_name.clone(), fauna_stopped: switch.map(|switch| switch.is_stopped()) }
}

fn page_settings(
    config: &Config,
    extensions: &SiteExtensions,
    trusted: &Trusted,
    fauna_for_browsers: Option<&str>,
) -> pages::Settings {
    pages::Settings {
        website: trusted.website.clone(),
        website_base_path: config.website.base_path.clone(),
        api_base_path: config.session.api_base_path.clone(),
        requires_verified_address: config.accounts.email_verification == EmailVerification::Required,
        has_mailbox: has_mailbox(config) && extensions.send_mail.is_none(),
        has_demo: config.has_demo(),
        fauna_for_browsers: fauna_for_browsers.map(str::to_owned),
        remember_me: config.session.remember_me,
        terms_url: config.accounts.terms_url.clone(),
        privacy_url: config.accounts.privacy_url.clone(),
        fixed_theme: config.website.fixed_theme,
        static_dir: config.website.static_dir.clone(),
    }
}

fn demo(
    config: &Config,
    clock: &Clock,
    address: SocketAddr,
    fauna: &FaunaBackend,
) -> Result<Option<Data<Demo>>, io::Error> {
    if !config.has_demo() {
        return Ok(None);
    }
    let site = demo::Site {
        address,
        api_base_path: config.session.api_base_path.clone(),
        fauna_endpoint: fauna.endpoint.clone(),
        clock: clock.clone(),
        fauna: fauna.switch(),
    };
    Ok(Some(Data::new(Demo::new(site).map_err(io::Error::other)?)))
}

/// Whether `/dev/mailbox` shows mail.
fn has_mailbox(config: &Config) -> bool {
    config.environment == Environment::Development && config.accounts.smtp_url.is_none()
}
