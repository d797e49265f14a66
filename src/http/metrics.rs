//! Metrics for Prometheus.
//!
//! Every module counts with the macros of the `metrics` crate under the names below, which cost a few nanoseconds while
//! nobody collects. [`Metrics::install`] starts collecting, for the whole process; `GET /metrics` renders what was collected,
//! with `METRICS_TOKEN` on the site itself, or without it at `METRICS_LISTEN`. Labels are outcomes, methods, statuses and route
//! patterns, never anything a client chooses, so the number of series is bounded.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::web;
use actix_web::web::Data;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use secrecy::SecretString;

use crate::http::bearer;
use crate::http::problem::{Problem, Refusal};
use crate::http::routes::{Access, Resource, RouteTable, Routes};

/// Requests answered, by `method`, `route` (the pattern, or [`NO_ROUTE`]) and `status`.
pub const REQUESTS: &str = "http_requests_total";
/// Time from a request's head until its response is ready to be sent, in seconds, by `route`. The body of a stream, such as
/// events, is not waited for.
pub const REQUEST_DURATION: &str = "http_request_duration_seconds";
/// Sign-ins by `outcome`, one of [`SIGN_IN_OUTCOMES`].
pub const SIGN_INS: &str = "sign_ins_total";
pub const SIGN_IN_OUTCOMES: [&str; 4] = ["ok", "wrong_credentials", "throttled", "failed"];
/// Refreshes by `outcome`, one of [`REFRESH_OUTCOMES`].
pub const REFRESHES: &str = "refreshes_total";
pub const REFRESH_OUTCOMES: [&str; 4] = ["ok", "refused", "theft", "failed"];
/// Refresh tokens that were used after they had been replaced; each ended a session.
pub const THEFTS: &str = "refresh_token_thefts_total";
/// Sessions that have not expired.
pub const LIVE_SESSIONS: &str = "sessions_live";
/// Queries to Fauna with a user's own token, by `outcome`, one of [`FAUNA_QUERY_OUTCOMES`].
pub const FAUNA_QUERIES: &str = "fauna_queries_total";
pub const FAUNA_QUERY_OUTCOMES: [&str; 5] = ["ok", "refused", "contended", "unavailable", "unanswered"];
/// Duration of queries to Fauna, retries included, in seconds.
pub const FAUNA_QUERY_DURATION: &str = "fauna_query_duration_seconds";
/// Counter of Fauna tokens issued.
pub const TOKENS_ISSUED: &str = "fauna_tokens_issued_total";
/// Fauna tokens whose deletion Fauna has confirmed.
pub const TOKENS_DELETED: &str = "fauna_tokens_deleted_total";
/// Fauna tokens whose session has ended and whose deletion is not confirmed yet.
pub const TOKENS_PENDING: &str = "fauna_tokens_pending_deletion";
/// Time from the end of a session until Fauna has confirmed the deletion of its token, in seconds.
pub const REVOCATION_DELAY: &str = "fauna_token_revocation_delay_seconds";
/// Mails that wait to be delivered.
pub const MAIL_QUEUE: &str = "mail_queue_length";
/// Requests that wait for a password to be hashed.
pub const HASHING_QUEUE: &str = "password_hashing_queue_length";
/// Connections to the database by `state`: `used`, `idle`.
pub const DATABASE_CONNECTIONS: &str = "database_connections";
/// Database transactions that were repeated because of a conflict.
pub const DATABASE_RETRIES: &str = crate::database::RETRIES;
/// Lines of the log that were dropped because its reader was too slow.
pub const LOG_LINES_DROPPED: &str = "log_lines_dropped_total";
/// Always 1, with the version as label.
pub const BUILD_INFO: &str = "build_info";

/// Route of a request that has none, here and in the access log.
pub const NO_ROUTE: &str = "none";

/// Upper bounds of the histograms' buckets, in seconds.
const BUCKETS: [f64; 13] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];
/// Samples of histograms are sorted into buckets this often, so that they do not pile up while nothing scrapes.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
/// The one route that the server of `METRICS_LISTEN` has.
const PATH: &str = "/metrics";

/// The recorder of this process. There can be one only; sites of one process (as in tests) share it.
static RECORDER: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
/// Set with the recorder: labels need not be built while nothing collects.
static IS_COLLECTING: AtomicBool = AtomicBool::new(false);

/// Renders the collected metrics and checks the token of readers.
#[derive(Clone)]
pub struct Metrics {
    recorder: PrometheusHandle,
    /// `METRICS_TOKEN`. `None`: anybody may read.
    token: Option<SecretString>,
}

impl Metrics {
    /// Starts collecting. `token` is what readers must present; without one anybody may read, which is for a listener of
    /// its own only.
    ///
    /// # Errors
    /// Another recorder is installed already by a library outside this crate.
    pub fn install(token: Option<&SecretString>) -> Result<Self, BuildError> {
        // Sites of one process may start at the same time, and a second recorder would be refused.
        let mut installed = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
        let recorder = if let Some(recorder) = &*installed {
            recorder.clone()
        } else {
            let recorder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)?
                .install_recorder()?;
            describe();
            start_at_zero();
            metrics::gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
            IS_COLLECTING.store(true, Ordering::Relaxed);
            installed.insert(recorder).clone()
        };
        Ok(Self { recorder, token: token.cloned() })
    }

    /// Keeps the histograms small. Never returns; abort its task.
    pub async fn upkeep(self) {
        loop {
            tokio::time::sleep(UPKEEP_INTERVAL).await;
            self.recorder.run_upkeep();
        }
    }

    /// Whether a request presents the token, as `Authorization: Bearer …`.
    fn admits(&self, request: &HttpRequest) -> bool {
        self.token.as_ref().is_none_or(|token| bearer::secrets_equal(token, bearer::token(request).unwrap_or_default()))
    }
}

/// Counts a request that has been answered. `route` is its pattern, or [`NO_ROUTE`].
pub fn request_ended(method: &str, route: &str, status: StatusCode, elapsed: Duration) {
    if !IS_COLLECTING.load(Ordering::Relaxed) {
        return;
    }
    let route = route.to_owned();
    let status = status.as_str().to_owned();
    metrics::counter!(REQUESTS, "method" => method_label(method), "route" => route.clone(), "status" => status)
        .increment(1);
    metrics::histogram!(REQUEST_DURATION, "route" => route).record(elapsed.as_secs_f64());
}

/// All non-standard methods are one series, so that clients cannot create series.
fn method_label(method: &str) -> &'static str {
    match method {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// | method | path       | who                    | answers                      |
/// |--------|------------|------------------------|------------------------------|
/// | GET    | `/metrics` | bearer `METRICS_TOKEN` | 200 Prometheus text, 401, or 404 where metrics are off |
pub fn routes(root: &mut Routes<'_>) {
    root.add(Resource::at(PATH).get(Access::MetricsToken, render)).describe::<Description>();
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(render))]
struct Description;

/// A server for nothing but `/metrics`, for the address of `METRICS_LISTEN`.
///
/// # Errors
/// The server cannot be started on this listener.
pub fn serve(metrics: Metrics, listener: TcpListener) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::new(metrics.clone()))
            .configure(|site| routes(&mut Routes::new(site, &mut RouteTable::default())))
            .default_service(web::to(no_such_address))
    });
    Ok(server.workers(1).disable_signals().shutdown_timeout(1).listen(listener)?.run())
}

async fn no_such_address() -> Result<HttpResponse, Problem> {
    Err(Problem::no_such_address())
}

/// Metrics in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "Operation",
    responses((status = 200, description = "All metrics", content_type = "text/plain", body = String,
        example = "sessions_live 3\n")))]
async fn render(request: HttpRequest, metrics: Option<Data<Metrics>>) -> Result<HttpResponse, Problem> {
    let Some(metrics) = metrics else {
        return Err(Problem::no_such_address());
    };
    if !metrics.admits(&request) {
        return Err(Problem::key_refused(
            "the METRICS_TOKEN is missing or wrong",
            Refusal::invalid("send METRICS_TOKEN as `Authorization: Bearer`"),
        ));
    }
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(metrics.recorder.render()))
}

/// Registers the help text of each metric.
fn describe() {
    describe_counter!(REQUESTS, "Requests answered, by method, route pattern and status");
    describe_histogram!(
        REQUEST_DURATION,
        Unit::Seconds,
        "Time until a response is ready, streamed bodies not included, by route pattern"
    );
    describe_counter!(SIGN_INS, "Sign-ins by outcome");
    describe_counter!(REFRESHES, "Refreshes by outcome");
    describe_counter!(THEFTS, "Refresh tokens used after they were replaced; each ended a session");
    describe_gauge!(LIVE_SESSIONS, "Sessions that have not expired");
    describe_counter!(FAUNA_QUERIES, "Queries to Fauna with a user's own token, by outcome");
    describe_histogram!(FAUNA_QUERY_DURATION, Unit::Seconds, "Duration of queries to Fauna, retries included");
    describe_counter!(TOKENS_ISSUED, "Fauna tokens issued");
    describe_counter!(TOKENS_DELETED, "Fauna tokens deleted");
    describe_gauge!(TOKENS_PENDING, "Fauna tokens of ended sessions that are not deleted yet");
    describe_histogram!(
        REVOCATION_DELAY,
        Unit::Seconds,
        "Time from the end of a session until its Fauna token is deleted"
    );
    describe_gauge!(MAIL_QUEUE, "Mails that wait to be delivered");
    describe_gauge!(HASHING_QUEUE, "Requests that wait for a password to be hashed");
    describe_gauge!(DATABASE_CONNECTIONS, "Connections to the database by state");
    describe_counter!(DATABASE_RETRIES, "Database transactions repeated because of a conflict");
    describe_counter!(LOG_LINES_DROPPED, "Log lines dropped because the reader was too slow");
    describe_gauge!(BUILD_INFO, "Version of the running binary");
}

/// Exposes each counter, and each of its outcomes, before it has counted anything: Prometheus sees an increase only from a value
/// that it has read before.
fn start_at_zero() {
    for counter in [THEFTS, TOKENS_ISSUED, TOKENS_DELETED, DATABASE_RETRIES, LOG_LINES_DROPPED] {
        metrics::counter!(counter).increment(0);
    }
    let by_outcome: [(&str, &[&str]); 3] =
        [(SIGN_INS, &SIGN_IN_OUTCOMES), (REFRESHES, &REFRESH_OUTCOMES), (FAUNA_QUERIES, &FAUNA_QUERY_OUTCOMES)];
    for (counter, outcomes) in by_outcome {
        for outcome in outcomes {
            metrics::counter!(counter, "outcome" => *outcome).increment(0);
        }
    }
}
