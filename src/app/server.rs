//! The HTTP server: middleware and all routes.

use std::io;
use std::net::TcpListener;
use std::num::NonZero;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::Data;
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, web};
use tracing_actix_web::TracingLogger;

use crate::app::features;
use crate::app::state::AppState;
use crate::config::{Config, EmailVerification};
use crate::feature::Feature;
use crate::http::connections::ConnectionLimit;
use crate::http::openapi::ApiDocument;
use crate::http::problem::Problem;
use crate::http::routes::{RouteTable, Routes};
use crate::http::{connections, finish_response, health, metrics, openapi, same_origin};
use crate::pages::ApiReference;
use crate::supertokens::{emailpassword, emailverification};
use crate::telemetry::AccessLog;
use crate::{account, admin, demo, mail, pages, session};

/// The head of a request must arrive within this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Idle connections are kept for this long: longer than Node's HTTP client keeps them, which would otherwise now and then send
/// on a connection that is just being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Requests that have not finished this long after SIGTERM are cut off, seconds.
const SHUTDOWN_TIMEOUT_S: u64 = 4;

/// The settings that determine the routes of a site.
#[derive(Clone)]
pub struct RoutePlan {
    pub base_path: String,
    pub website_base_path: String,
    pub email_verification: EmailVerification,
    pub extensions: fn(&mut Routes<'_>),
    /// Whether the demo is mounted: in development only.
    pub has_demo: bool,
    pub features: Vec<Feature>,
}

impl RoutePlan {
    pub fn new(config: &Config, extensions: &crate::app::SiteExtensions) -> Self {
        Self {
            base_path: config.session.api_base_path.clone(),
            website_base_path: config.website.base_path.clone(),
            email_verification: config.accounts.email_verification,
            extensions: extensions.routes,
            has_demo: config.has_demo(),
            features: features::all(config, extensions),
        }
    }

    /// All routes of the site with this plan.
    pub fn table(&self) -> RouteTable {
        let mut table = RouteTable::default();
        let _app = App::new().configure(|site| self.register(&mut Routes::new(site, &mut table)));
        table
    }

    /// The pages below `WEBSITE_BASE_PATH` come before the scope of the recipes, which may have the same path, and everything below `/api` is in one scope, because actix-web
    /// only tries the first scope whose path matches.
    pub(super) fn register(&self, site: &mut Routes<'_>) {
        let below_api = self.base_path.strip_prefix("/api");
        site.pages(self.extensions)
            .scope("/api", |api| {
                for feature in &self.features {
                    api.configure(feature.api);
                }
                api.configure(admin::routes).configure(session::api_routes).configure(account::routes);
                api.configure(pages::api_routes).configure(openapi::routes);
                match below_api {
                    Some("") => _ = api.configure(|auth| self.recipes(auth)),
                    Some(path) if path.starts_with('/') => _ = api.scope(path, |auth| self.recipes(auth)),
                    Some(_) | None => {}
                }
            })
            .configure(session::session_info_route)
            .configure(health::routes)
            .configure(metrics::routes)
            .pages(mail::routes)
            .pages(|root| pages::sign_in_routes(root, &self.website_base_path))
            .pages(pages::routes);
        if self.has_demo {
            site.pages(demo::routes);
        }
        for feature in &self.features {
            site.pages(feature.pages);
        }
        if below_api.is_none_or(|path| !path.is_empty() && !path.starts_with('/')) {
            site.scope(&self.base_path, |auth| self.recipes(auth));
        }
    }

    /// The SuperTokens interface, below its base path.
    fn recipes(&self, auth: &mut Routes<'_>) {
        auth.pages(pages::auth_routes).configure(session::routes).configure(emailpassword::routes);
        if self.has_demo {
            auth.pages(demo::auth_routes);
        }
        match self.email_verification {
            EmailVerification::Off => {}
            EmailVerification::Optional | EmailVerification::Required => {
                auth.configure(emailverification::routes);
            }
        }
    }
}

/// Starts to serve. A request passes these layers from the last to the first: access log; response headers, time-out, same-origin
/// check and session tokens; CORS.
pub fn serve(
    config: &Config,
    state: AppState,
    document: Data<ApiDocument>,
    plan: RoutePlan,
    listener: TcpListener,
) -> Result<Server, io::Error> {
    let reference = Data::new(ApiReference::new(document.clone()));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(reference.clone())
            .app_data(document.clone())
            .configure(|site| state.install(site))
            .configure(|site| plan.register(&mut Routes::new(site, &mut RouteTable::default())))
            .default_service(web::to(not_found))
            .wrap(same_origin::cors(&state.trusted))
            .wrap(from_fn(checked))
            .wrap(TracingLogger::<AccessLog>::new())
    });
    let workers = config.workers.or_else(|| std::thread::available_parallelism().ok().map(NonZero::get)).unwrap_or(1);
    let connections_max = connections::raise_descriptor_limit();
    let limit = ConnectionLimit::new(connections_max, &config.accounts.trusted_proxies);
    let server = server
        .workers(workers)
        .max_connections((connections_max / workers).max(1))
        .on_connect(move |connection, extensions| limit.admit(connection, extensions))
        .client_request_timeout(HEAD_TIMEOUT)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(SHUTDOWN_TIMEOUT_S);
    Ok(server.listen(listener)?.run())
}

/// Everything around CORS and the routes: one middleware, because each costs an allocation and two calls. It is outside of CORS
/// so that refusals of preflights get the shape of all others.
pub(super) async fn checked(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    finish_response::finish_response(request, async |request| {
        if let Some(refusal) = same_origin::refusal(&request) {
            return Ok(request.into_response(refusal));
        }
        let mut response = next.call(request).await?;
        session::write_queued(&mut response);
        Ok(response.map_into_boxed_body())
    })
    .await
}

async fn not_found(request: HttpRequest) -> HttpResponse {
    Problem::no_such_address().respond_to(request.head())
}
