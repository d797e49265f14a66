//! Mail, accounts and administration.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use lettre::message::Mailbox;
use lettre::{AsyncSmtpTransport, Tokio1Executor};
use secrecy::ExposeSecret as _;
use secrecy::SecretString;

use super::Reader;

/// The sender of mail unless another is set.
pub(super) const MAIL_FROM: &str = "no-reply@localhost";

/// Name of the application in pages and mails unless another is set.
const APP_NAME: &str = "Fauna starter";

/// Mail, accounts and administration.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// Name of the application in pages and mails.
    pub app_name: String,
    /// Linked from pages and mails where it is set; so is `privacy_url`.
    pub terms_url: Option<String>,
    pub privacy_url: Option<String>,
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
    pub trusted_proxies: Vec<IpAddr>,
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
impl FromStr for SignUpField {
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

impl Accounts {
    /// Reads the variables.
    pub(super) fn read(read: &mut Reader<'_>) -> Self {
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
        let (terms_url, privacy_url) = (read.optional("TERMS_URL"), read.optional("PRIVACY_URL"));
        for (name, url) in [("TERMS_URL", &terms_url), ("PRIVACY_URL", &privacy_url)] {
            if url.as_ref().is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
                read.refuse(name, "must be like https://example.com/terms");
            }
        }
        let comments = [("keep", false), ("delete", true)];
        Self {
            app_name: read.text("APP_NAME", APP_NAME),
            terms_url,
            privacy_url,
            email_verification,
            smtp_url: smtp_url(read),
            mail_from: mail_from(read),
            mail_templates: mail_templates(read),
            admin_api_key: read.secret("ADMIN_API_KEY"),
            delete_comments_with_account: read.choice("DELETED_ACCOUNT_COMMENTS", &comments, false),
            hide_existing_accounts,
            throttle: !read.flag("INSECURE_NO_THROTTLE", false),
            sign_up_fields: sign_up_fields(read),
            trusted_proxies: read.list("TRUSTED_PROXIES", "addresses separated by commas"),
        }
    }
}

/// A URL that a mail server could have; its password is not repeated.
fn smtp_url(read: &mut Reader<'_>) -> Option<SecretString> {
    let url = read.secret("SMTP_URL")?;
    if AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret()).is_err() {
        read.refuse("SMTP_URL", "must be like smtp://user:password@host:587");
    }
    Some(url)
}

/// An address, with or without a name.
fn mail_from(read: &mut Reader<'_>) -> String {
    let from = read.text("MAIL_FROM", MAIL_FROM);
    if from.parse::<Mailbox>().is_err() {
        read.refuse("MAIL_FROM", "must be an address, like no-reply@example.com or Example <no-reply@example.com>");
    }
    from
}

/// A folder that is there; what is in it is read at the start.
fn mail_templates(read: &mut Reader<'_>) -> Option<PathBuf> {
    let folder = PathBuf::from(read.optional("MAIL_TEMPLATES")?);
    if !folder.is_dir() {
        read.refuse("MAIL_TEMPLATES", &format!("{} is not a folder", folder.display()));
    }
    Some(folder)
}

/// Fields of different names.
fn sign_up_fields(read: &mut Reader<'_>) -> Vec<SignUpField> {
    let fields: Vec<SignUpField> = read.list(
        "SIGN_UP_FIELDS",
        "words separated by commas, optional ones with a ? behind; email and password are there anyway",
    );
    let mut seen = HashSet::new();
    if let Some(twin) = fields.iter().find(|field| !seen.insert(field.id.as_str())) {
        read.refuse("SIGN_UP_FIELDS", &format!("names {} twice", twin.id));
    }
    fields
}
