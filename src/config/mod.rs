//! What the environment asks for, read once.
//!
//! [`Config::from_env`] turns variables (and a `.env` file) into typed values. Every mistake is reported, all at once and
//! each with the name of its variable, so that one start shows everything there is to mend. Nothing else in the crate
//! reads the environment. `.env.example` lists the same variables; a test compares the two.

mod accounts;
mod env_file;
mod reader;
mod session;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::ExposeSecret as _;
use secrecy::SecretString;
use tracing_subscriber::EnvFilter;

use reader::Reader;

pub use accounts::{Accounts, EmailVerification, SignUpField};
pub use reader::Invalid;
pub use session::Session;

/// A shorter key is not taken for safe.
const KEY_SAFE: usize = 16;

/// Everything that can be set, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Development or production; production refuses what is only safe on a desk.
    pub environment: Environment,
    /// Where the site listens. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// How many threads answer requests; absent: one a core.
    pub workers: Option<usize>,
    /// Where files are kept that nobody named a place for: databases, generated secrets, the outbox.
    pub data_dir: PathBuf,
    /// SQLite or PostgreSQL; absent: `sessions.sqlite` in [`Config::data_dir`].
    pub database_url: Option<SecretString>,
    /// Which Fauna.
    pub fauna: Fauna,
    /// Name of the collection of users, in Fauna.
    pub users_collection: String,
    /// Keys that seal secrets in SQL; the first seals, all open. Empty: one is generated and kept in the data directory.
    pub seal_keys: Vec<SealKey>,
    /// Whether a page's scripts may read the Fauna token (payload key `faunadbToken`; design D17).
    pub fauna_token_in_frontend: bool,
    /// Lifetimes and transport of sessions.
    pub session: Session,
    /// How the log looks.
    pub log: Log,
    /// Mail, accounts and administration.
    pub accounts: Accounts,
    /// What was found in `.env` and is no setting, in words for the log.
    pub unknown: Vec<String>,
}

/// Where the application runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// On somebody's desk: secrets are generated, Fauna is embedded, `/dev` pages exist.
    Development,
    /// For real.
    Production,
}

/// Which Fauna to talk to.
#[derive(Clone, Debug)]
pub enum Fauna {
    /// The endpoint inside this binary.
    Embedded {
        /// Where it listens. Port 0 takes a free one.
        listen: SocketAddr,
        /// Its root key; absent: random, kept in the data directory.
        root_key: Option<SecretString>,
    },
    /// A FaunaDB node or cluster.
    Remote {
        /// `http://host:port` or `https://host`.
        endpoint: String,
        /// The key that the application runs with.
        secret: SecretString,
    },
}

/// A key of the ring that seals secrets in SQL: Fauna tokens and private signing keys.
#[derive(Clone)]
pub struct SealKey {
    /// Stored beside what it sealed.
    pub id: String,
    /// AES-256 key material.
    pub bytes: [u8; 32],
}

impl fmt::Debug for SealKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SealKey({})", self.id)
    }
}

/// How the log looks.
#[derive(Clone, Debug)]
pub struct Log {
    /// Which events are written, in the syntax of `tracing` filters; absent: what suits a site, or a command.
    pub filter: Option<String>,
    /// One JSON object a line instead of text.
    pub json: bool,
}

impl Config {
    /// Reads `.env` (without overriding what is set) and the environment.
    ///
    /// # Errors
    /// All mistakes found, one a line.
    pub fn from_env() -> Result<Self, Invalid> {
        let found = env_file::load().map_err(|mistake| Invalid(vec![mistake]))?;
        let settings = RefCell::new(BTreeSet::new());
        let read = Self::from_lookup(&|name| {
            settings.borrow_mut().insert(name.to_owned());
            std::env::var(name).ok()
        });
        let unknown = env_file::unknown(&found, &settings.into_inner());
        match read {
            Ok(config) => Ok(Self { unknown, ..config }),
            // What was meant to be set may have been mistyped.
            Err(Invalid(mistakes)) => Err(Invalid([mistakes, unknown].concat())),
        }
    }

    /// Reads what `lookup` answers for each name.
    ///
    /// # Errors
    /// All mistakes found, one a line.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Invalid> {
        let mut read = Reader::new(lookup);
        let config = Self {
            environment: environment(&mut read),
            listen: read.address("LISTEN", SocketAddr::from(([127, 0, 0, 1], 3000))),
            workers: read.count("WORKERS", 1..=1024),
            data_dir: PathBuf::from(read.text("DATA_DIR", "data")),
            database_url: database_url(&mut read),
            fauna: fauna(&mut read),
            users_collection: users_collection(&mut read),
            seal_keys: seal_keys(&mut read),
            fauna_token_in_frontend: read.flag("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", false),
            session: Session::read(&mut read),
            log: Log {
                filter: log_filter(&mut read),
                json: read.choice("LOG_FORMAT", &[("text", false), ("json", true)], false),
            },
            accounts: Accounts::read(&mut read),
            unknown: Vec::new(),
        };
        refuse_in_production(&config, &mut read);
        read.finish(config)
    }

    /// What may be meant, but should be known to whoever runs this in production; for the log, at each start.
    pub fn warnings(&self) -> Vec<&'static str> {
        if self.environment == Environment::Development {
            return Vec::new();
        }
        let (accounts, session) = (&self.accounts, &self.session);
        let key = accounts.admin_api_key.as_ref().map(|key| key.expose_secret().len());
        let known = [
            (
                self.database_url.is_none(),
                "DATABASE_URL is not set: sessions are kept in a SQLite file in DATA_DIR, which only one machine can use",
            ),
            (session.api_domain.is_none(), "API_DOMAIN is not set: cookies and mailed links are made for localhost"),
            (
                session.api_domain.as_deref().is_some_and(session::is_in_clear),
                "API_DOMAIN begins with http://: passwords and sessions travel in clear",
            ),
            (
                session.website_domain.is_none(),
                "WEBSITE_DOMAIN is not set: the pages are taken to be where API_DOMAIN is, and mailed links lead there",
            ),
            (accounts.mail_from == accounts::MAIL_FROM, "MAIL_FROM is not set: mail comes from no-reply@localhost"),
            (
                key.is_some_and(|length| length < KEY_SAFE),
                "ADMIN_API_KEY has less than 16 characters: it can be guessed; openssl rand -hex 32 makes one",
            ),
            (
                !accounts.hide_existing_accounts,
                "sign-up tells anybody which addresses have an account, as SuperTokens' interfaces expect; \
                 HIDE_EXISTING_ACCOUNTS=true hides it",
            ),
            (!accounts.throttle, "INSECURE_NO_THROTTLE is set: nothing slows guessing down"),
            (accounts.smtp_url.is_none(), "SMTP_URL is not set: mail reaches nobody"),
        ];
        known.into_iter().filter_map(|(holds, warning)| holds.then_some(warning)).collect()
    }
}

/// `APP_ENV`.
fn environment(read: &mut Reader<'_>) -> Environment {
    let choices = [("development", Environment::Development), ("production", Environment::Production)];
    read.choice("APP_ENV", &choices, Environment::Development)
}

/// `DATABASE_URL`, of a kind that can be opened.
fn database_url(read: &mut Reader<'_>) -> Option<SecretString> {
    let url = read.optional("DATABASE_URL")?;
    if !["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        read.refuse("DATABASE_URL", "must begin with sqlite://, postgres:// or postgresql://");
    }
    Some(SecretString::from(url))
}

/// `LOG`, in the syntax of `tracing` filters.
fn log_filter(read: &mut Reader<'_>) -> Option<String> {
    let filter = read.optional("LOG")?;
    if let Err(error) = EnvFilter::builder().parse(&filter) {
        read.refuse("LOG", &format!("must be levels, like info,access=warn; of {filter:?} is said: {error}"));
    }
    Some(filter)
}

/// The Fauna variables: both or neither of endpoint and secret.
fn fauna(read: &mut Reader<'_>) -> Fauna {
    let endpoint = read.optional("FAUNA_ENDPOINT");
    let secret = read.secret("FAUNA_SECRET");
    let listen = read.address("EMBEDDED_FAUNA_LISTEN", SocketAddr::from(([127, 0, 0, 1], 8443)));
    let root_key = read.secret("EMBEDDED_FAUNA_ROOT_KEY");
    match (endpoint, secret) {
        (Some(endpoint), Some(secret)) => {
            if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
                read.refuse("FAUNA_ENDPOINT", "must begin with http:// or https://");
            }
            Fauna::Remote { endpoint: endpoint.trim_end_matches('/').to_owned(), secret }
        }
        (None, None) => Fauna::Embedded { listen, root_key },
        (Some(_), None) => {
            read.refuse("FAUNA_SECRET", "is needed beside FAUNA_ENDPOINT");
            Fauna::Embedded { listen, root_key }
        }
        (None, Some(_)) => {
            read.refuse("FAUNA_ENDPOINT", "is needed beside FAUNA_SECRET");
            Fauna::Embedded { listen, root_key }
        }
    }
}

/// A name that Fauna takes for a collection without quoting.
fn users_collection(read: &mut Reader<'_>) -> String {
    let name = read.text("USERS_COLLECTION", "users");
    if name.is_empty() || name == "_" || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) {
        read.refuse("USERS_COLLECTION", "must consist of letters, digits, '_' and '-'");
    }
    name
}

/// `SEAL_KEYS`: `id:base64,…`.
fn seal_keys(read: &mut Reader<'_>) -> Vec<SealKey> {
    let Some(text) = read.optional("SEAL_KEYS") else { return Vec::new() };
    let keys: Option<Vec<SealKey>> = text.split(',').map(|entry| SealKey::parse(entry.trim())).collect();
    keys.unwrap_or_else(|| {
        read.refuse("SEAL_KEYS", "must be id:KEY[,id:KEY…], each KEY 32 bytes in base64url without padding");
        Vec::new()
    })
}

impl SealKey {
    /// `id:KEY` with 32 bytes in base64url; nothing where it is not that.
    pub fn parse(text: &str) -> Option<Self> {
        use base64::Engine as _;
        let (id, key) = text.split_once(':')?;
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(key.trim_end_matches('=')).ok()?;
        let id_is_plain = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric());
        id_is_plain.then_some(Self { id: id.to_owned(), bytes: bytes.try_into().ok()? })
    }
}

/// What is only safe on a desk is refused in production, unless somebody said so by name.
fn refuse_in_production(config: &Config, read: &mut Reader<'_>) {
    let embedded = read.flag("INSECURE_EMBEDDED_FAUNA_IN_PRODUCTION", false);
    let generated = read.flag("INSECURE_GENERATED_SECRETS_IN_PRODUCTION", false);
    let no_mail = read.flag("INSECURE_NO_MAIL_IN_PRODUCTION", false);
    if config.environment == Environment::Development {
        return;
    }
    if let Fauna::Embedded { root_key, .. } = &config.fauna {
        if !embedded {
            read.refuse(
                "FAUNA_ENDPOINT",
                "must be set in production (INSECURE_EMBEDDED_FAUNA_IN_PRODUCTION=true runs the embedded Fauna)",
            );
        }
        if root_key.is_none() && !generated {
            read.refuse("EMBEDDED_FAUNA_ROOT_KEY", "must be set in production");
        }
    }
    if config.accounts.smtp_url.is_none() && !no_mail {
        read.refuse(
            "SMTP_URL",
            "must be set in production (INSECURE_NO_MAIL_IN_PRODUCTION=true lets mail reach nobody)",
        );
    }
    if config.seal_keys.is_empty() && !generated {
        read.refuse(
            "SEAL_KEYS",
            "must be set in production (INSECURE_GENERATED_SECRETS_IN_PRODUCTION=true keeps a generated one)",
        );
    }
}

#[cfg(test)]
mod tests;
