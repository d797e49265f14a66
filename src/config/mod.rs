//! The settings of the application, read once from environment variables and a `.env` file.
//!
//! [`Config::from_env`] returns typed values, or all mistakes at once, each with the name of its variable. Nothing else in the
//! crate reads the environment. `.env.example` documents every variable; `tests/tidy.rs` compares the two.

mod accounts;
mod env_file;
mod fauna;
mod mail_server;
mod metrics;
mod production;
mod reader;
mod session;
mod unknown;
mod website;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::SecretString;
use tracing_subscriber::EnvFilter;

use reader::Reader;

pub use accounts::{Accounts, EmailVerification, SignUpField};
pub use fauna::{CopyTarget, Fauna, FaunaClient};
pub use metrics::Metrics;
pub use reader::Invalid;
pub use session::Session;
pub use website::Website;

#[derive(Clone, Debug)]
pub struct Config {
    pub environment: Environment,
    /// Address of the site; port 0 takes a free port.
    pub listen: SocketAddr,
    /// Number of threads that handle requests; `None`: one per core.
    pub workers: Option<usize>,
    /// Directory of SQLite files and generated secrets.
    pub data_dir: PathBuf,
    /// URL of a SQLite, PostgreSQL or MySQL database; `None`: `sessions.sqlite` in [`Config::data_dir`].
    pub database_url: Option<SecretString>,
    pub fauna: Fauna,
    pub fauna_client: FaunaClient,
    /// Target of `users copy`; `None`: that command is refused.
    pub copy_target: Option<CopyTarget>,
    /// Name of the Fauna collection of users.
    pub users_collection: String,
    /// Field of a user's document that holds the e-mail address, or a path such as `contact.email`.
    pub users_email_field: String,
    /// Keys that encrypt secrets in SQL. The first one encrypts, all decrypt. Empty: a key is generated and kept in
    /// [`Config::data_dir`].
    pub seal_keys: Vec<SealKey>,
    /// Whether the Fauna token is put into the access token's payload (as `faunadbToken`), where scripts can read it.
    pub fauna_token_in_frontend: bool,
    /// Whether demo accounts and experiments are wanted; see [`Config::has_demo`].
    pub demo: bool,
    pub session: Session,
    pub website: Website,
    pub log: Log,
    pub accounts: Accounts,
    pub metrics: Metrics,
    /// Warnings about variables that are not settings, for the log.
    pub unknown: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Secrets may be generated, Fauna may be embedded, and pages below `/dev` exist.
    Development,
    /// Refuses to start with settings that are only safe in development.
    Production,
}

/// A key that encrypts secrets in SQL: Fauna tokens, private signing keys, mails in the outbox.
#[derive(Clone)]
pub struct SealKey {
    /// Stored beside each ciphertext.
    pub id: String,
    pub bytes: [u8; 32],
}

impl fmt::Debug for SealKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SealKey({})", self.id)
    }
}

#[derive(Clone, Debug)]
pub struct Log {
    /// A `tracing` filter; `None`: `info` for the site, `warn` for commands.
    pub filter: Option<String>,
    /// One JSON object a line instead of text.
    pub json: bool,
    /// OpenTelemetry collector that receives the spans of requests.
    pub collector: Option<String>,
}

impl Config {
    /// Reads the environment and the file `.env`; where both set a variable, the environment counts.
    ///
    /// # Errors
    /// All mistakes, one per line.
    pub fn from_env() -> Result<Self, Invalid> {
        let file = env_file::load().map_err(|mistake| Invalid(vec![mistake]))?;
        let settings = RefCell::new(BTreeSet::new());
        let read = Self::from_lookup(&|name| {
            settings.borrow_mut().insert(name.to_owned());
            std::env::var(name).ok().or_else(|| file.get(name).cloned())
        });
        let environment: Vec<String> = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
        let unknown = unknown::unknown(&file, environment.iter().map(String::as_str), &settings.into_inner());
        match read {
            Ok(config) => Ok(Self { unknown, ..config }),
            // A setting that seems to be missing may have been misspelled.
            Err(Invalid(mistakes)) => Err(Invalid([mistakes, unknown].concat())),
        }
    }

    /// Reads what `lookup` returns for each name.
    ///
    /// # Errors
    /// All mistakes, one per line.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        let mut read = Reader::new(lookup);
        let session = Session::read(&mut read);
        let website = Website::read(&mut read, &session.api_base_path);
        let config = Self {
            environment: environment(&mut read),
            listen: read.address("LISTEN", SocketAddr::from(([127, 0, 0, 1], 3000))),
            workers: read.count("WORKERS", 1..=1024),
            data_dir: PathBuf::from(read.text("DATA_DIR", "data")),
            database_url: database_url(&mut read),
            fauna: fauna::fauna(&mut read),
            fauna_client: FaunaClient::read(&mut read),
            copy_target: fauna::copy_target(&mut read),
            users_collection: users_collection(&mut read),
            users_email_field: read.text("USERS_EMAIL_FIELD", "email"),
            seal_keys: seal_keys(&mut read),
            fauna_token_in_frontend: read.flag("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", false),
            demo: read.flag("DEMO", true),
            session,
            website,
            log: Log {
                filter: log_filter(&mut read),
                json: read.choice("LOG_FORMAT", &[("text", false), ("json", true)], false),
                collector: read.url("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318"),
            },
            accounts: Accounts::read(&mut read),
            metrics: Metrics::read(&mut read),
            unknown: Vec::new(),
        };
        refuse_shared_ports(&config, &mut read);
        production::refuse(&config, &mut read);
        read.finish(config)
    }

    /// The addresses that a site listens at, with their settings.
    pub fn listeners(&self) -> Vec<(&'static str, SocketAddr)> {
        let fauna = match &self.fauna {
            Fauna::Embedded { listen, .. } => Some(("EMBEDDED_FAUNA_LISTEN", *listen)),
            Fauna::Remote { .. } => None,
        };
        let metrics = self.metrics.listen.map(|listen| ("METRICS_LISTEN", listen));
        [("LISTEN", self.listen)].into_iter().chain(fauna).chain(metrics).collect()
    }

    /// Whether the demo is mounted. Never in production, whatever `DEMO` says.
    pub fn has_demo(&self) -> bool {
        self.demo && self.environment == Environment::Development
    }
}

fn environment(read: &mut Reader<'_>) -> Environment {
    let choices = [("development", Environment::Development), ("production", Environment::Production)];
    read.choice("APP_ENV", &choices, Environment::Development)
}

const DATABASE_SCHEMES: [&str; 5] = ["sqlite:", "postgres://", "postgresql://", "mysql://", "mariadb://"];

fn database_url(read: &mut Reader<'_>) -> Option<SecretString> {
    let url = read.optional("DATABASE_URL")?;
    if !DATABASE_SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
        read.refuse("DATABASE_URL", "must begin with sqlite://, postgres:// or mysql://");
    }
    Some(SecretString::from(url))
}

fn log_filter(read: &mut Reader<'_>) -> Option<String> {
    let filter = read.optional("LOG")?;
    if let Err(error) = EnvFilter::builder().parse(&filter) {
        read.refuse("LOG", &format!("must be log levels, like info,access=warn; {filter:?} is not: {error}"));
    }
    Some(filter)
}

/// Two listeners cannot have one port, unless they listen at different addresses.
fn refuse_shared_ports(config: &Config, read: &mut Reader<'_>) {
    let mut taken: Vec<(&str, SocketAddr)> = Vec::new();
    for (name, address) in config.listeners() {
        match taken.iter().find(|(_, other)| share_a_port(address, *other)) {
            Some((other_name, other)) => {
                read.refuse(name, &format!("must have another port than {other_name}, which is {other}"));
            }
            None => taken.push((name, address)),
        }
    }
}

/// Port 0 takes a free port each time. What listens at all IPv6 addresses also listens at those of IPv4, on most systems.
fn share_a_port(one: SocketAddr, other: SocketAddr) -> bool {
    let includes = |all: SocketAddr, ip: SocketAddr| all.ip().is_unspecified() && (all.is_ipv6() || ip.is_ipv4());
    let overlap = one.ip() == other.ip() || includes(one, other) || includes(other, one);
    one.port() != 0 && one.port() == other.port() && overlap
}

fn users_collection(read: &mut Reader<'_>) -> String {
    let name = read.text("USERS_COLLECTION", "users");
    if name.is_empty() || name == "_" || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) {
        read.refuse("USERS_COLLECTION", "must consist of letters, digits, '_' and '-'");
    }
    name
}

fn seal_keys(read: &mut Reader<'_>) -> Vec<SealKey> {
    let Some(text) = read.optional("SEAL_KEYS") else { return Vec::new() };
    let keys: Option<Vec<SealKey>> = text.split(',').map(|entry| SealKey::parse(entry.trim())).collect();
    let keys = keys.unwrap_or_else(|| {
        read.refuse("SEAL_KEYS", "must be id:KEY[,id:KEY…], each KEY 32 bytes in base64url without padding");
        Vec::new()
    });
    // What the second key of a name has sealed could not be opened.
    read.refuse_twins("SEAL_KEYS", keys.iter().map(|key| key.id.as_str()));
    keys
}

impl SealKey {
    /// Parses `id:KEY`, KEY being 32 bytes in base64url.
    pub fn parse(text: &str) -> Option<Self> {
        use base64::Engine as _;
        let (id, key) = text.split_once(':')?;
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(key.trim_end_matches('=')).ok()?;
        let id_is_plain = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric());
        id_is_plain.then_some(Self { id: id.to_owned(), bytes: bytes.try_into().ok()? })
    }
}

#[cfg(test)]
mod tests;
