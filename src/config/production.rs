//! The settings that production refuses, and those that draw a warning at every start.

use secrecy::ExposeSecret as _;

use super::{Config, Environment, Fauna, Reader, accounts, session};
use crate::users::HashCost;

/// A shorter administration key draws a warning, characters.
const ADMIN_KEY_CHARS_MIN: usize = 16;

/// Reports settings that are only safe in development, unless a setting named `INSECURE_…` allows them.
pub(super) fn refuse(config: &Config, read: &mut Reader<'_>) {
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
    if config.accounts.hash_cost.memory_kib() < HashCost::DEFAULT_MEMORY_KIB {
        let least = HashCost::DEFAULT_MEMORY_KIB;
        read.refuse("PASSWORD_HASH_MEMORY_KIB", &format!("must be at least {least} in production"));
    }
    if config.accounts.smtp_url.is_none() && !no_mail {
        read.refuse(
            "SMTP_URL",
            "must be set in production (INSECURE_NO_MAIL_IN_PRODUCTION=true runs without sending mail)",
        );
    }
    if config.seal_keys.is_empty() && !generated {
        read.refuse(
            "SEAL_KEYS",
            "must be set in production (INSECURE_GENERATED_SECRETS_IN_PRODUCTION=true generates a key in DATA_DIR)",
        );
    }
}

impl Config {
    /// Warnings about settings that are allowed but may not be intended, one sentence each.
    pub fn warnings(&self) -> Vec<&'static str> {
        let mixed_names = self.session.mixes_loopback_names().then_some(
            "API_DOMAIN and WEBSITE_DOMAIN name this machine differently (localhost and 127.0.0.1): to browsers these are two \
             sites, so the pages stay signed out; use the same name in both",
        );
        let gateway = (!self.session.api_gateway_path.is_empty()).then_some(
            "API_GATEWAY_PATH is set: the site's own pages do not add it to their links and forms, so behind the gateway only the \
             API can be used",
        );
        let only_in_production =
            if self.environment == Environment::Production { self.production_warnings() } else { Vec::new() };
        mixed_names.into_iter().chain(gateway).chain(only_in_production).collect()
    }

    fn production_warnings(&self) -> Vec<&'static str> {
        let (accounts, session) = (&self.accounts, &self.session);
        let key_chars = accounts.admin_api_keys.iter().map(|key| key.secret.expose_secret().len()).min();
        let causes = [
            (
                self.database_url.is_none(),
                "DATABASE_URL is not set: sessions are stored in a SQLite file in DATA_DIR, which only one machine can use",
            ),
            (session.api_domain.is_none(), "API_DOMAIN is not set: cookies and mailed links are made for localhost"),
            (
                session.api_domain.as_deref().is_some_and(session::is_unencrypted),
                "API_DOMAIN begins with http://: passwords and sessions are sent unencrypted",
            ),
            (session.website_domain.is_none(), "WEBSITE_DOMAIN is not set: mailed links lead to API_DOMAIN"),
            (accounts.mail_from == accounts::MAIL_FROM, "MAIL_FROM is not set: mail is sent from no-reply@localhost"),
            (
                key_chars.is_some_and(|chars| chars < ADMIN_KEY_CHARS_MIN),
                "ADMIN_API_KEY has fewer than 16 characters and can be guessed; `openssl rand -hex 32` prints a good one",
            ),
            (
                !accounts.hide_existing_accounts,
                "sign-up tells anyone which addresses have an account, as SuperTokens' frontends expect; \
                 HIDE_EXISTING_ACCOUNTS=true hides it",
            ),
            (!accounts.throttle, "INSECURE_NO_THROTTLE is set: password guessing is not slowed down"),
            (accounts.smtp_url.is_none(), "SMTP_URL is not set: no mail is sent"),
            (
                accounts.smtp_url.as_ref().is_some_and(|server| server.is_open),
                "SMTP_URL asks for no encryption: mail contains links that work like a password",
            ),
        ];
        causes.into_iter().filter_map(|(applies, warning)| applies.then_some(warning)).collect()
    }
}
