//! Checks of the settings that the configuration does not make when it is read: of what they name, and of one with another.

use crate::app::doctor::Check;
use crate::app::{Error, session_settings, set_up};
use crate::config::Config;
use crate::seal::SealRing;
use crate::{mail, pages, telemetry};

/// The settings that cannot be used, are doubtful, or are none.
pub fn check(config: &Config) -> Vec<Check> {
    let refused = refused(config).into_iter().map(|error| Check::failed("settings", error.to_string()));
    let unknown = config.unknown.iter().map(|sentence| Check::warning("settings", sentence.clone()));
    let doubtful = config.warnings().into_iter().map(|sentence| Check::warning("settings", sentence));
    let found: Vec<Check> = refused.chain(unknown).chain(doubtful).collect();
    if found.is_empty() { vec![Check::ok("settings", "all settings can be used")] } else { found }
}

/// Settings that a start would refuse.
fn refused(config: &Config) -> Vec<Error> {
    let collector = config.log.collector.as_deref().map_or(Ok(()), telemetry::check_collector);
    // Whether the ring opens what is stored is a check of its own.
    let session = session_settings::from_config(config, config.listen, SealRing::new([])).checked();
    let checks = [
        collector.map_err(|error| Error::Setting(error.to_string())),
        session.map(|_settings| ()).map_err(Error::from),
        set_up::user_layout(config).map(|_layout| ()),
        config.website.static_dir.as_deref().map_or(Ok(()), pages::check_files).map_err(Error::from),
        mail::check_templates(config.accounts.mail_templates.as_deref()).map_err(Error::from),
    ];
    checks.into_iter().filter_map(Result::err).collect()
}
