//! Samples gauges that cannot be counted where the events happen: lengths of queues and numbers of rows.

use std::net::TcpListener;
use std::time::Duration;

use ::metrics::gauge;
use actix_rt::task::JoinHandle;
use actix_web::dev::ServerHandle;
use actix_web::web::Data;

use crate::app::{Error, startup};
use crate::config;
use crate::database::Database;
use crate::fauna_tokens::FaunaTokens;
use crate::http::metrics;
use crate::http::metrics::Metrics;
use crate::mail::Outbox;
use crate::session::Sessions;
use crate::users::Hasher;

/// Gauges are at most this old. Counting a million sessions takes some milliseconds, so not at every scrape.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(10);

/// The metrics of a site, while they are collected.
pub struct Monitoring {
    /// For the site's own `/metrics`; `None` where only `METRICS_LISTEN` serves them.
    pub metrics: Option<Metrics>,
    server: Option<ServerHandle>,
    tasks: Vec<JoinHandle<()>>,
}

impl Monitoring {
    /// Starts collecting, if the configuration asks for it.
    ///
    /// # Errors
    /// The address of `METRICS_LISTEN` is taken, or another library has installed a recorder.
    pub fn start(config: &config::Metrics) -> Result<Option<Self>, Error> {
        if config.token.is_none() && config.listen.is_none() {
            return Ok(None);
        }
        let recorder_taken =
            |error: metrics_exporter_prometheus::BuildError| Error::Setting(format!("metrics: {error}"));
        let metrics = Metrics::install(config.token.as_ref()).map_err(recorder_taken)?;
        let mut tasks = vec![actix_rt::spawn(metrics.clone().upkeep())];
        let server = match config.listen {
            None => None,
            Some(address) => {
                let bound = TcpListener::bind(address);
                let listener = bound.map_err(|cause| startup::refused_port("METRICS_LISTEN", address, &cause))?;
                let server = metrics::serve(Metrics::install(None).map_err(recorder_taken)?, listener)?;
                let handle = server.handle();
                tasks.push(actix_rt::spawn(async move {
                    let _ended = server.await;
                }));
                Some(handle)
            }
        };
        Ok(Some(Self { metrics: config.token.as_ref().map(|_| metrics), server, tasks }))
    }

    /// Samples the gauges every ten seconds until [`Monitoring::stop`].
    pub fn sample(&mut self, sources: Sources) {
        self.tasks.push(actix_rt::spawn(sources.sample_forever()));
    }

    pub async fn stop(self) {
        if let Some(server) = self.server {
            server.stop(false).await;
        }
        for task in self.tasks {
            task.abort();
        }
    }
}

#[derive(Clone)]
pub struct Sources {
    pub database: Database,
    pub sessions: Data<Sessions>,
    pub fauna_tokens: Data<FaunaTokens>,
    pub outbox: Data<Outbox>,
    pub hasher: Hasher,
}

impl Sources {
    async fn sample_forever(self) {
        loop {
            self.sample().await;
            tokio::time::sleep(SAMPLE_INTERVAL).await;
        }
    }

    /// A gauge keeps its last value while the database does not answer.
    async fn sample(&self) {
        let (used, idle) = self.database.connections();
        gauge!(metrics::DATABASE_CONNECTIONS, "state" => "used").set(used);
        gauge!(metrics::DATABASE_CONNECTIONS, "state" => "idle").set(idle);
        gauge!(metrics::HASHING_QUEUE).set(count(self.hasher.waiting()));
        gauge!(metrics::TOKENS_PENDING).set(count(self.fauna_tokens.revocation_delay().pending));
        if let Ok(sessions) = self.sessions.count().await {
            gauge!(metrics::LIVE_SESSIONS).set(count(sessions));
        }
        if let Ok(mails) = self.outbox.waiting().await {
            gauge!(metrics::MAIL_QUEUE).set(count(mails));
        }
    }
}

/// The count as `u32`; saturates.
fn count(number: impl TryInto<u32>) -> f64 {
    number.try_into().map_or(f64::from(u32::MAX), f64::from)
}
