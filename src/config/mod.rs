//! What the environment asks for, read once.
//!
//! [`Config::from_env`] turns variables (and a `.env` file) into typed values. Every mistake is reported, all at once and
//! each with the name of its variable, so that one start shows everything there is to mend. Nothing else in the crate
//! reads the environment. `.env.example` lists the same variables; a test compares the two.

mod reader;
mod session;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::SecretString;

use reader::Reader;

pub use reader::Invalid;
pub use session::AntiCsrf;
pub use session::SameSite;
pub use session::Session;
pub use session::Transfer;

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

/// Mail, accounts and administration.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// Whether addresses are verified by mail.
    pub email_verification: EmailVerification,
    /// `smtp://…` or `smtps://…`; absent: mail goes to a local outbox.
    pub smtp_url: Option<SecretString>,
    /// Who mail comes from.
    pub mail_from: String,
    /// A folder whose mail templates take the place of ours.
    pub mail_templates: Option<PathBuf>,
    /// The bearer token of `/api/admin`; absent: there is no administration over HTTP.
    pub admin_api_key: Option<SecretString>,
    /// Comments of a deleted account are removed instead of kept without author.
    pub delete_comments_with_account: bool,
    /// Nobody is told that an address has an account; an account is made by a mailed link then (design D10).
    pub hide_existing_accounts: bool,
    /// Whether guessing is slowed down; off only for measuring.
    pub throttle: bool,
    /// What the sign-up form asks for besides address and password.
    pub sign_up_fields: Vec<SignUpField>,
    /// Addresses of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<std::net::IpAddr>,
}

/// A field of the sign-up form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignUpField {
    /// Its id, as frontends send it.
    pub id: String,
    /// Whether it may be left empty.
    pub is_optional: bool,
}

/// `city`, or `city?` where it may be left empty.
impl std::str::FromStr for SignUpField {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let id = text.strip_suffix('?').unwrap_or(text);
        let is_word = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let is_taken = matches!(id, "email" | "password");
        if is_word && !is_taken { Ok(Self { id: id.to_owned(), is_optional: id.len() < text.len() }) } else { Err(()) }
    }
}

/// Whether addresses are verified by mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailVerification {
    /// Not at all.
    Off,
    /// A link is offered; nothing depends on it.
    Optional,
    /// Signed-in handlers refuse people who have not followed the link.
    Required,
}

impl Config {
    /// Reads `.env` (without overriding what is set) and the environment.
    ///
    /// # Errors
    /// All mistakes found, one a line.
    pub fn from_env() -> Result<Self, Invalid> {
        match dotenvy::dotenv() {
            Ok(_) => {}
            Err(error) if error.not_found() => {}
            Err(error) => return Err(Invalid(vec![format!(".env: {error}")])),
        }
        Self::from_lookup(&|name| std::env::var(name).ok())
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
            database_url: read.secret("DATABASE_URL"),
            fauna: fauna(&mut read),
            users_collection: users_collection(&mut read),
            seal_keys: seal_keys(&mut read),
            fauna_token_in_frontend: read.flag("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", false),
            session: Session::read(&mut read),
            log: Log {
                filter: read.optional("LOG"),
                json: read.choice("LOG_FORMAT", &[("text", false), ("json", true)], false),
            },
            accounts: accounts(&mut read),
        };
        refuse_in_production(&config, &mut read);
        read.finish(config)
    }

    /// What may be meant, but should be known to whoever runs this in production; for the log, at each start.
    pub fn warnings(&self) -> Vec<&'static str> {
        if self.environment == Environment::Development {
            return Vec::new();
        }
        let accounts = &self.accounts;
        let known = [
            (
                self.session.api_domain.is_none(),
                "API_DOMAIN is not set: cookies and mailed links are made for localhost",
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

/// Mail, accounts and administration.
fn accounts(read: &mut Reader<'_>) -> Accounts {
    let modes = [
        ("OFF", EmailVerification::Off),
        ("OPTIONAL", EmailVerification::Optional),
        ("REQUIRED", EmailVerification::Required),
    ];
    let email_verification = read.choice("EMAIL_VERIFICATION", &modes, EmailVerification::Optional);
    let hide_existing_accounts = read.flag("HIDE_EXISTING_ACCOUNTS", false);
    if hide_existing_accounts && email_verification == EmailVerification::Off {
        read.refuse("HIDE_EXISTING_ACCOUNTS", "needs EMAIL_VERIFICATION: accounts are made by a mailed link then");
    }
    Accounts {
        email_verification,
        smtp_url: read.secret("SMTP_URL"),
        mail_from: read.text("MAIL_FROM", "no-reply@localhost"),
        mail_templates: read.optional("MAIL_TEMPLATES").map(PathBuf::from),
        admin_api_key: read.secret("ADMIN_API_KEY"),
        delete_comments_with_account: read.choice(
            "DELETED_ACCOUNT_COMMENTS",
            &[("keep", false), ("delete", true)],
            false,
        ),
        hide_existing_accounts,
        throttle: !read.flag("INSECURE_NO_THROTTLE", false),
        sign_up_fields: read.list("SIGN_UP_FIELDS", "words separated by commas, optional ones with a ? behind"),
        trusted_proxies: read.list("TRUSTED_PROXIES", "addresses separated by commas"),
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
