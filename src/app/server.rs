//! The HTTP server: middleware and all routes.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use tracing_actix_web::TracingLogger;

use crate::app::features;
use crate::app::state::AppState;
use crate::config::{Config, EmailVerification};
use crate::feature::Feature;
use crate::http::problem::Problem;
use crate::http::routes::{RouteTable, Routes};
use crate::http::{health, same_origin};
use crate::supertokens::{emailpassword, emailverification};
use crate::telemetry::AccessLog;
use crate::{account, admin, mail, pages, session};

/// The head of a request must arrive within this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Idle connections are kept for this long: longer than Node's HTTP client keeps them, which would otherwise now and then send
/// on a connection that is just being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// What determines the routes of a site.
#[derive(Clone)]
pub struct RoutePlan {
    pub base_path: String,
    pub email_verification: EmailVerification,
    pub extensions: fn(&mut Routes<'_>),
    pub features: Vec<Feature>,
}

impl RoutePlan {
    pub fn new(config: &Config, extensions: &crate::app::SiteExtensions) -> Self {
        Self {
            base_path: config.session.api_base_path.clone(),
            email_verification: config.accounts.email_verification,
            extensions: extensions.routes,
            features: features::all(config, extensions),
        }
    }

    /// All routes of the site with this plan.
    pub fn table(&self) -> RouteTable {
        let mut table = RouteTable::default();
        let _app = App::new().configure(|site| self.register(&mut Routes::new(site, &mut table)));
        table
    }

    /// The page `/auth` comes before the scope of that name, and everything below `/api` is in one scope, because only the first
    /// scope whose path matches is asked.
    fn register(&self, site: &mut Routes<'_>) {
        let below_api = self.base_path.strip_prefix("/api");
        site.configure(self.extensions)
            .scope("/api", |api| {
                for feature in &self.features {
                    api.configure(feature.api);
                }
                api.configure(admin::routes).configure(session::api_routes).configure(account::routes);
                match below_api {
                    Some("") => _ = api.configure(|auth| self.recipes(auth)),
                    Some(path) if path.starts_with('/') => _ = api.scope(path, |auth| self.recipes(auth)),
                    Some(_) | None => {}
                }
            })
            .configure(session::session_info_route)
            .configure(health::routes)
            .configure(mail::routes)
            .configure(pages::routes);
        for feature in &self.features {
            site.configure(feature.pages);
        }
        if below_api.is_none_or(|path| !path.is_empty() && !path.starts_with('/')) {
            site.scope(&self.base_path, |auth| self.recipes(auth));
        }
    }

    /// The SuperTokens interface, below its base path.
    fn recipes(&self, auth: &mut Routes<'_>) {
        auth.configure(pages::auth_routes).configure(session::routes).configure(emailpassword::routes);
        match self.email_verification {
            EmailVerification::Off => {}
            EmailVerification::Optional | EmailVerification::Required => {
                auth.configure(emailverification::routes);
            }
        }
    }
}

/// Starts to serve. A request passes these layers from the last to the first: access log, CORS, response headers and time-out,
/// same-origin check, session tokens.
pub fn serve(config: &Config, state: AppState, plan: RoutePlan, listener: TcpListener) -> Result<Server, io::Error> {
    let server = HttpServer::new(move || {
        App::new()
            .configure(|site| state.install(site))
            .configure(|site| plan.register(&mut Routes::new(site, &mut RouteTable::default())))
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
    Ok(server.client_request_timeout(HEAD_TIMEOUT).keep_alive(KEEP_ALIVE).listen(listener)?.run())
}

async fn not_found(request: HttpRequest) -> HttpResponse {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing at this address").respond_to(request.headers())
}
