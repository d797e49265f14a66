//! Collects what cannot be counted where it happens: lengths of queues and numbers of rows, looked up now and then.

use std::net::TcpListener;
use std::time::Duration;

use actix_rt::task::JoinHandle;
use actix_web::dev::ServerHandle;

use crate::app::{Error, startup};
use crate::config;
use crate::database::Database;
use crate::http::metrics;
use crate::http::metrics::Metrics;

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
    pub fn start(config: &config::Metrics, database: &Database) -> Result<Option<Self>, Error> {
        if config.token.is_none() && config.listen.is_none() {
            return Ok(None);
        }
        let recorder_taken =
            |error: metrics_exporter_prometheus::BuildError| Error::Setting(format!("metrics: {error}"));
        let metrics = Metrics::install(config.token.as_ref()).map_err(recorder_taken)?;
        let mut tasks =
            vec![actix_rt::spawn(metrics.clone().upkeep()), actix_rt::spawn(sample_forever(database.clone()))];
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

    /// Stops collecting.
    pub async fn stop(self) {
        if let Some(server) = self.server {
            server.stop(false).await;
        }
        for task in self.tasks {
            task.abort();
        }
    }
}

async fn sample_forever(database: Database) {
    loop {
        let (used, idle) = database.connections();
        ::metrics::gauge!(metrics::DATABASE_CONNECTIONS, "state" => "used").set(used);
        ::metrics::gauge!(metrics::DATABASE_CONNECTIONS, "state" => "idle").set(idle);
        tokio::time::sleep(SAMPLE_INTERVAL).await;
    }
}
