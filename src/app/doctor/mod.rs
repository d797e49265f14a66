//! The commands `doctor` and `health`: is everything there that the site needs, and if not, what is to be done?
//!
//! `doctor` goes through settings, ports, files, database, Fauna, mail and clock, and has one session live and die. Every
//! finding is one sentence that names the setting. It changes nothing but what a start of the site would change, too
//! (migrations, and the schema of the embedded Fauna), and removes the account it makes for its test.

mod machine;
mod services;

use std::fmt;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde::Serialize;

use crate::app::Error;
use crate::config::{Config, Environment, Fauna, Invalid};

/// A site that answers later than this is not healthy.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Ok,
    /// The site starts, but not as one would want it.
    Warning,
    /// The site does not start, or part of it does not work.
    Failed,
}

/// A finding.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was looked at, for instance `database`.
    pub name: &'static str,
    pub outcome: Outcome,
    /// One sentence.
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

/// Examines what a site with this configuration needs. A configuration that cannot be read is all there is to report.
pub async fn doctor(config: Result<Config, Invalid>) -> Report {
    let config = match config {
        Ok(config) => config,
        Err(invalid) => {
            let mistakes = invalid.mistakes().iter().map(|mistake| Check::failed("settings", mistake.clone()));
            return Report::of(mistakes.collect());
        }
    };
    let mut checks = settings(&config);
    checks.extend(machine::ports(&config).await);
    checks.extend(machine::data_directory(&config));
    checks.extend(services::examine(&config).await);
    checks.push(services::mail(&config).await);
    checks.push(production(&config));
    Report::of(checks)
}

fn settings(config: &Config) -> Vec<Check> {
    let unknown = config.unknown.iter().map(|sentence| Check::warning("settings", sentence.clone()));
    let doubtful = config.warnings().into_iter().map(|sentence| Check::warning("settings", sentence));
    let found: Vec<Check> = unknown.chain(doubtful).collect();
    if found.is_empty() { vec![Check::ok("settings", "all settings can be used")] } else { found }
}

/// Whether this configuration is one to go to production with.
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

/// Asks the site that listens at `LISTEN` whether it runs. For the health checks of containers and service managers.
///
/// # Errors
/// Nothing answers there in time, or something else than the site does.
pub async fn health(listen: SocketAddr) -> Result<(), Error> {
    if answers_health(listen).await {
        return Ok(());
    }
    Err(Error::Setting(format!("LISTEN={listen}: no site answers there")))
}

/// Whether a site of ours answers at an address.
async fn answers_health(listen: SocketAddr) -> bool {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(HEALTH_TIMEOUT).build();
    let Ok(client) = client else { return false };
    let answer = client.get(format!("http://{}/health", reachable(listen))).send().await;
    let Ok(answer) = answer else { return false };
    answer.status().is_success() && answer.text().await.is_ok_and(|text| text == r#"{"status":"OK"}"#)
}

/// Who listens on all addresses is reached at the local one.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
