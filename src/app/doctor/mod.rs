//! The commands `doctor` and `health`: whether everything is available that the site needs, and if not, how to correct it.
//!
//! `doctor` checks settings, ports, files, database, Fauna and its schema, secrets, mail and clock, and creates and revokes a session. Every finding is
//! one sentence that names the setting. It changes only what a start of the site would change too (migrations, and the schema
//! of the embedded Fauna), and deletes the account that it creates for its test. It writes no signing keys, so that a run with
//! wrong `SEAL_KEYS` leaves nothing behind.

mod machine;
mod services;
mod settings;

use std::fmt;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde::Serialize;

use crate::app::Error;
use crate::config::{Config, Environment, Fauna, Invalid};

/// Longest time a healthy site takes to answer.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Ok,
    /// The site starts, but a setting is probably not intended.
    Warning,
    /// The site does not start, or part of it does not work.
    Failed,
}

/// A finding about one thing that was checked.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// The checked thing, for instance `database`.
    pub name: &'static str,
    pub outcome: Outcome,
    /// One sentence that names the setting.
    pub message: String,
}

impl Check {
    fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Ok, message: message.into() }
    }

    fn warning(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Warning, message: message.into() }
    }

    fn failed(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Failed, message: message.into() }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.outcome {
            Outcome::Ok => "ok     ",
            Outcome::Warning => "warning",
            Outcome::Failed => "FAILED ",
        };
        write!(out, "{mark}  {:<10}  {}", self.name, self.message)
    }
}

/// All findings, in the order of the checks.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether no check failed; warnings do not count.
    pub healthy: bool,
    pub checks: Vec<Check>,
}

impl Report {
    fn of(checks: Vec<Check>) -> Self {
        Self { healthy: checks.iter().all(|check| check.outcome != Outcome::Failed), checks }
    }

    /// Writes the report as text, or as one JSON object.
    ///
    /// # Errors
    /// Writing fails.
    pub fn write(&self, json: bool, out: &mut dyn Write) -> std::io::Result<()> {
        if json {
            serde_json::to_writer_pretty(&mut *out, self)?;
            return writeln!(out);
        }
        for check in &self.checks {
            writeln!(out, "{check}")?;
        }
        let verdict = if self.healthy { "Everything the site needs is there." } else { "The site would not work." };
        writeln!(out, "\n{verdict}")
    }
}

/// Checks what a site with this configuration needs. If the configuration cannot be read, its mistakes are the report.
pub async fn doctor(config: Result<Config, Invalid>) -> Report {
    let config = match config {
        Ok(config) => config,
        Err(invalid) => {
            let mistakes = invalid.mistakes().iter().map(|mistake| Check::failed("settings", mistake.clone()));
            return Report::of(mistakes.collect());
        }
    };
    let mut checks = settings::check(&config);
    checks.extend(machine::ports(&config));
    checks.extend(machine::data_directory(&config));
    // The services need both, and would only say again what is wrong.
    let can_start = |check: &Check| check.name == "ports" || check.outcome != Outcome::Failed;
    if checks.iter().all(can_start) {
        checks.extend(services::check(&config).await);
    }
    checks.push(services::mail(&config).await);
    checks.push(production(&config));
    Report::of(checks)
}

/// Whether this configuration is fit for production.
fn production(config: &Config) -> Check {
    if config.environment == Environment::Production {
        return Check::ok("production", "APP_ENV=production, and nothing that production refuses is set");
    }
    let missing: Vec<&str> = [
        (matches!(config.fauna, Fauna::Embedded { .. }), "FAUNA_ENDPOINT and FAUNA_SECRET"),
        (config.seal_keys.is_empty(), "SEAL_KEYS"),
        (config.accounts.smtp_url.is_none(), "SMTP_URL"),
    ]
    .into_iter()
    .filter_map(|(is_missing, setting)| is_missing.then_some(setting))
    .collect();
    if missing.is_empty() {
        return Check::ok("production", "this is a development site; APP_ENV=production would start, too");
    }
    let missing = missing.join(", ");
    Check::ok("production", format!("this is a development site; production would also want {missing}"))
}

/// Requests `/health` of the site at `LISTEN`. For the health checks of containers and service managers.
///
/// # Errors
/// Nothing answers there in time, or something other than the site.
pub async fn health(listen: SocketAddr) -> Result<(), Error> {
    if answers_health(listen).await {
        return Ok(());
    }
    Err(Error::Setting(format!("LISTEN={listen}: no site answers there")))
}

/// Whether this application answers at an address.
async fn answers_health(listen: SocketAddr) -> bool {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(HEALTH_TIMEOUT).build();
    let Ok(client) = client else { return false };
    let answer = client.get(format!("http://{}/health", reachable(listen))).send().await;
    let Ok(answer) = answer else { return false };
    answer.status().is_success() && answer.text().await.is_ok_and(|text| text == r#"{"status":"OK"}"#)
}

/// A site that listens on all addresses is reached at the loopback address.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
