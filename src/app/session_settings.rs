//! The settings of sessions, from the configuration and from where the site listens.

use std::io;
use std::net::SocketAddr;

use secrecy::ExposeSecret as _;

use crate::config::{Config, Environment, SealKey};
use crate::seal::SealRing;
use crate::session::KeyPolicy;
use crate::{keyfile, session};

/// `address` is that of the listener; `API_DOMAIN` and `WEBSITE_DOMAIN` default to its port on `localhost`.
pub fn from_config(config: &Config, address: SocketAddr, seal: SealRing) -> session::Settings {
    let here = format!("http://localhost:{}", address.port());
    let api = config.session.api_domain.clone().unwrap_or_else(|| here.clone());
    let website = config.session.website_domain.clone().unwrap_or_else(|| api.clone());
    let wanted = &config.session;
    session::Settings {
        access_token_lifetime: wanted.access_token_lifetime,
        refresh_token_lifetime: wanted.refresh_token_lifetime,
        absolute_lifetime: wanted.absolute_lifetime,
        grace: wanted.grace,
        sessions_per_user: wanted.sessions_per_user,
        signing_key_interval: wanted.signing_key_interval,
        dynamic_signing_key: wanted.dynamic_signing_key,
        api_base_path: wanted.api_base_path.clone(),
        api_gateway_path: wanted.api_gateway_path.clone(),
        cookie_domain: wanted.cookie_domain.clone(),
        older_cookie_domain: wanted.older_cookie_domain.clone(),
        same_site: wanted.same_site,
        anti_csrf: wanted.anti_csrf,
        transfer: wanted.transfer,
        expose_access_token: wanted.expose_access_token,
        ..session::Settings::new(&api, &website, seal)
    }
}

/// The signing keys that a start of the site may write. In production a ring that opens nothing is rather a wrong one than the
/// wish to sign everybody out.
pub fn key_policy(config: &Config) -> KeyPolicy {
    match config.environment {
        Environment::Development => KeyPolicy::Create,
        Environment::Production => KeyPolicy::CreateUnlessNoneOpens,
    }
}

/// The configured keys, or a generated one that is kept in the data directory.
pub fn seal_ring(config: &Config) -> Result<SealRing, io::Error> {
    if !config.seal_keys.is_empty() {
        return Ok(SealRing::new(config.seal_keys.iter().map(|key| (key.id.clone(), key.bytes))));
    }
    let kept = keyfile::kept_or_generated(&config.data_dir, "seal-key")?;
    let key = SealKey::parse(&format!("generated:{}", kept.expose_secret()))
        .ok_or_else(|| io::Error::other("the file seal-key does not hold a key"))?;
    Ok(SealRing::new([(key.id, key.bytes)]))
}
