//! Accounts, mail and administration.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use lettre::message::Mailbox;
use secrecy::ExposeSecret as _;

use super::Reader;
use super::mail_server::MailServer;
use crate::http::bearer::NamedKey;
use crate::users::HashCost;

const MAIL_FROM: &str = "no-reply@localhost";

/// How many changes a user may make in a minute unless another number is set.
const WRITES_PER_USER_MINUTE: u32 = 60;

/// Name of the application in pages and mails unless another is set.
const APP_NAME: &str = "Fauna starter";

#[derive(Clone, Debug)]
pub struct Accounts {
    /// Name of the application in pages and mails.
    pub app_name: String,
    /// Linked from pages and mails if set, like `privacy_url`.
    pub terms_url: Option<String>,
    pub privacy_url: Option<String>,
    pub email_verification: EmailVerification,
    /// `None`: mail is only kept in the local outbox.
    pub smtp_url: Option<MailServer>,
    /// Sender of all mail.
    pub mail_from: String,
    /// Directory of mail templates that replace the built-in ones of the same name.
    pub mail_templates: Option<PathBuf>,
    /// Keys of `/api/admin`; none: no administration over HTTP.
    pub admin_api_keys: Vec<NamedKey>,
    /// Whether the comments of a deleted user are deleted, too, instead of kept without author.
    pub delete_comments_with_account: bool,
    /// Whether sign-up answers the same for every address, and a mailed link creates the account.
    pub hide_existing_accounts: bool,
    /// Whether repeated attempts are slowed down; off only for load tests.
    pub throttle: bool,
    /// How many comments, likes and other changes a user may make in a minute.
    pub writes_per_user_minute: u32,
    /// Cost of new password hashes.
    pub hash_cost: HashCost,
    /// Sign-up fields besides e-mail and password.
    pub sign_up_fields: Vec<SignUpField>,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignUpField {
    pub id: String,
    pub is_optional: bool,
}

/// Parses `city`, or `city?` for an optional field.
impl FromStr for SignUpField {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let id = text.strip_suffix('?').unwrap_or(text);
        let is_word = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let is_taken = matches!(id, "email" | "password");
        if is_word && !is_taken { Ok(Self { id: id.to_owned(), is_optional: id.len() < text.len() }) } else { Err(()) }
    }
}

/// Verification of e-mail addresses by a mailed link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailVerification {
    Off,
    /// Users can verify their address; nothing depends on it.
    Optional,
    /// Handlers for signed-in users refuse users who have not verified theirs.
    Required,
}

impl Accounts {
    pub(super) fn read(read: &mut Reader<'_>) -> Self {
        let modes = [
            ("OFF", EmailVerification::Off),
            ("OPTIONAL", EmailVerification::Optional),
            ("REQUIRED", EmailVerification::Required),
        ];
        let email_verification = read.choice("EMAIL_VERIFICATION", &modes, EmailVerification::Optional);
        let hide_existing_accounts = read.flag("HIDE_EXISTING_ACCOUNTS", false);
        if hide_existing_accounts && email_verification == EmailVerification::Off {
            read.refuse(
                "HIDE_EXISTING_ACCOUNTS",
                "requires EMAIL_VERIFICATION, because accounts are then created by a mailed link",
            );
        }
        let comments = [("keep", false), ("delete", true)];
        Self {
            app_name: read.text("APP_NAME", APP_NAME),
            terms_url: read.url("TERMS_URL", "https://example.com/terms"),
            privacy_url: read.url("PRIVACY_URL", "https://example.com/privacy"),
            email_verification,
            smtp_url: MailServer::read(read),
            mail_from: mail_from(read),
            mail_templates: read.folder("MAIL_TEMPLATES"),
            admin_api_keys: admin_api_keys(read),
            delete_comments_with_account: read.choice("DELETED_ACCOUNT_COMMENTS", &comments, false),
            hide_existing_accounts,
            throttle: !read.flag("INSECURE_NO_THROTTLE", false),
            writes_per_user_minute: writes_per_user_minute(read),
            hash_cost: hash_cost(read),
            sign_up_fields: sign_up_fields(read),
            trusted_proxies: read.list("TRUSTED_PROXIES", "IP addresses separated by commas"),
        }
    }
}

fn writes_per_user_minute(read: &mut Reader<'_>) -> u32 {
    let count = read.count("WRITES_PER_USER_MINUTE", 1..=1_000_000);
    count.and_then(|count| u32::try_from(count).ok()).unwrap_or(WRITES_PER_USER_MINUTE)
}

fn hash_cost(read: &mut Reader<'_>) -> HashCost {
    let kib = read.count("PASSWORD_HASH_MEMORY_KIB", HashCost::MEMORY_KIB);
    let kib = kib.and_then(|kib| u32::try_from(kib).ok());
    HashCost::with_memory_kib(kib.unwrap_or(HashCost::DEFAULT_MEMORY_KIB))
}

/// `ADMIN_API_KEY`, and those of `ADMIN_API_KEYS`: `NAME:KEY[,NAME:KEY]`.
fn admin_api_keys(read: &mut Reader<'_>) -> Vec<NamedKey> {
    let one = read.secret("ADMIN_API_KEY").map(|secret| NamedKey { name: "ADMIN_API_KEY".to_owned(), secret });
    let named = read.secret("ADMIN_API_KEYS");
    let named = named.iter().flat_map(|text| text.expose_secret().split(','));
    let keys: Option<Vec<NamedKey>> = named.map(NamedKey::parse).collect();
    if keys.is_none() {
        read.refuse(
            "ADMIN_API_KEYS",
            "must be NAME:KEY[,NAME:KEY], names of letters, digits, -, _ and ., keys without commas",
        );
    }
    let keys: Vec<NamedKey> = one.into_iter().chain(keys.unwrap_or_default()).collect();
    read.refuse_twins("ADMIN_API_KEYS", keys.iter().map(|key| key.name.as_str()));
    keys
}

fn mail_from(read: &mut Reader<'_>) -> String {
    let from = read.text("MAIL_FROM", MAIL_FROM);
    if from.parse::<Mailbox>().is_err() {
        read.refuse(
            "MAIL_FROM",
            "must be an e-mail address, like no-reply@example.com or Example <no-reply@example.com>",
        );
    }
    from
}

fn sign_up_fields(read: &mut Reader<'_>) -> Vec<SignUpField> {
    let fields: Vec<SignUpField> = read.list(
        "SIGN_UP_FIELDS",
        "words separated by commas, optional ones followed by a question mark, without email and password",
    );
    read.refuse_twins("SIGN_UP_FIELDS", fields.iter().map(|field| field.id.as_str()));
    fields
}
