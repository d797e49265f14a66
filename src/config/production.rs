//! The settings that production refuses, and those that draw a warning at every start.

use std::net::{IpAddr, SocketAddr};

use lettre::message::Mailbox;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Config, Environment, Fauna, Reader, session};
use crate::users::HashCost;

/// Shorter keys of administrators and of whoever reads the metrics draw a warning, characters.
const KEY_CHARS_MIN: usize = 16;

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
            let other_way = if cfg!(feature = "embedded-fauna") {
                " (INSECURE_EMBEDDED_FAUNA_IN_PRODUCTION=true runs the embedded Fauna)"
            } else {
                ""
            };
            read.refuse("FAUNA_ENDPOINT", &format!("must be set in production{other_way}"));
        } else if root_key.is_none() && !generated {
            read.refuse(
                "EMBEDDED_FAUNA_ROOT_KEY",
                "must be set in production (INSECURE_GENERATED_SECRETS_IN_PRODUCTION=true generates a key in DATA_DIR)",
            );
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
    pub fn warnings(&self) -> Vec<String> {
        let mixed_names = self.session.mixes_loopback_names().then(|| {
            "API_DOMAIN and WEBSITE_DOMAIN name this machine differently (localhost and 127.0.0.1): to browsers these are two \
             sites, so the pages stay signed out; use the same name in both"
                .to_owned()
        });
        let gateway = (!self.session.api_gateway_path.is_empty()).then(|| {
            "API_GATEWAY_PATH is set: the site's own pages do not add it to their links and forms, so behind the gateway only the \
             API can be used"
                .to_owned()
        });
        let always = mixed_names.into_iter().chain(gateway);
        if self.environment == Environment::Development {
            return always.collect();
        }
        let network = self.network_warnings();
        always.chain(self.account_warnings()).chain(self.key_warnings()).chain(network).collect()
    }

    /// Settings of which production should not have the defaults.
    fn account_warnings(&self) -> impl Iterator<Item = String> {
        let accounts = &self.accounts;
        let from_here = accounts.mail_from.parse::<Mailbox>().is_ok_and(|from| session::is_local(from.email.domain()));
        let causes = [
            (
                self.database_url.is_none(),
                "DATABASE_URL is not set: sessions are stored in a SQLite file in DATA_DIR, which only one machine can use",
            ),
            (
                from_here,
                "MAIL_FROM is an address at localhost, as it is by default: mail servers elsewhere refuse such a sender",
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
        causes.into_iter().filter(|(applies, _)| *applies).map(|(_, warning)| warning.to_owned())
    }

    /// Keys that are easily guessed. Those of [`Config::seal_keys`] have one length.
    fn key_warnings(&self) -> impl Iterator<Item = String> {
        let admin = self.accounts.admin_api_keys.iter().map(|key| match key.name.as_str() {
            "ADMIN_API_KEY" => ("ADMIN_API_KEY".to_owned(), &key.secret),
            name => (format!("the key {name} of ADMIN_API_KEYS"), &key.secret),
        });
        let metrics = self.metrics.token.iter().map(|token| ("METRICS_TOKEN".to_owned(), token));
        let is_short = |key: &SecretString| key.expose_secret().chars().count() < KEY_CHARS_MIN;
        admin.chain(metrics).filter(move |(_, key)| is_short(key)).map(|(name, _)| {
            format!("{name} has fewer than {KEY_CHARS_MIN} characters and can be guessed; `openssl rand -hex 32` prints a good one")
        })
    }

    /// Addresses that are reached without encryption, by too many, or by nobody but this machine.
    fn network_warnings(&self) -> Vec<String> {
        let session = &self.session;
        let (api, website) = (session.api_domain.as_deref(), session.website_domain.as_deref());
        let is_local = |origin: Option<&str>| origin.is_some_and(|origin| session::is_local(session::host_of(origin)));
        let is_unencrypted = |address: Option<&str>| address.is_some_and(session::is_unencrypted);
        let fauna = match &self.fauna {
            Fauna::Remote { endpoint, .. } => Some(endpoint.as_str()),
            Fauna::Embedded { .. } => None,
        };
        let copy_target = self.copy_target.as_ref().map(|target| target.endpoint.as_str());
        let behind_proxy = api.is_some_and(|origin| origin.starts_with("https://") && !is_local(Some(origin)));
        let causes = [
            (api.is_none(), "API_DOMAIN is not set: cookies and mailed links are made for localhost"),
            (
                is_local(api),
                "API_DOMAIN names this machine: cookies are made for it, and browsers elsewhere do not reach it",
            ),
            (is_unencrypted(api), "API_DOMAIN begins with http://: passwords and sessions are sent unencrypted"),
            (website.is_none(), "WEBSITE_DOMAIN is not set: mailed links lead to API_DOMAIN"),
            (is_local(website), "WEBSITE_DOMAIN names this machine: mailed links lead to it, wherever they are opened"),
            (
                is_unencrypted(website),
                "WEBSITE_DOMAIN begins with http://: the secrets of mailed links are sent unencrypted",
            ),
            (
                behind_proxy && self.accounts.trusted_proxies.is_empty(),
                "TRUSTED_PROXIES is not set, and API_DOMAIN is https, which a proxy must answer: guesses of all clients are counted \
                 together, for the proxy's address",
            ),
            (
                is_unencrypted(fauna),
                "FAUNA_ENDPOINT begins with http://: keys, tokens and password hashes are sent unencrypted",
            ),
            (
                is_unencrypted(copy_target),
                "COPY_FAUNA_ENDPOINT begins with http://: an admin key and password hashes are sent unencrypted",
            ),
            (
                self.metrics.listen.is_some_and(is_reached_from_elsewhere),
                "METRICS_LISTEN is not an address of this machine or a private network, and metrics need no token there: let \
                 nobody else reach its port",
            ),
        ];
        let causes = causes.into_iter().filter(|(applies, _)| *applies).map(|(_, warning)| warning.to_owned());
        let origins = self.website.allowed_origins.iter().filter(|origin| origin.is_unencrypted());
        let origins = origins.map(|origin| {
            format!(
                "ALLOWED_ORIGINS contains {origin}: who can change a page on its way can use the sessions of its visitors; use https://"
            )
        });
        causes.chain(origins).collect()
    }
}

/// Whether an address can be reached from outside of this machine and its private networks.
fn is_reached_from_elsewhere(address: SocketAddr) -> bool {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => !(ip.is_loopback() || ip.is_private() || ip.is_link_local()),
        IpAddr::V6(ip) => !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()),
    }
}
