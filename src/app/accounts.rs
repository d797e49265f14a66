//! The handles that have to do with accounts.

use std::sync::Arc;

use actix_web::web;
use actix_web::web::Data;
use serde_json::Map;

use crate::account::Accounts;
use crate::admin::Admin;
use crate::app::{Error, SiteExtensions};
use crate::clock::Clock;
use crate::config::{Config, EmailVerification as Mode, Environment};
use crate::database::Database;
use crate::mail::Outbox;
use crate::seal::SealRing;
use crate::session::Sessions;
use crate::supertokens::emailpassword::{EmailPassword, SignUpField};
use crate::supertokens::emailverification::{EmailVerification, Verified};
use crate::supertokens::{emailpassword, emailverification};
use crate::throttle::Throttle;
use crate::users::Users;
use crate::{account, mail, session, throttle};

/// What people can do about their accounts. Clones share it.
#[derive(Clone)]
pub struct AccountState {
    /// Get in.
    emailpassword: Data<EmailPassword>,
    /// Show that an address is theirs.
    emailverification: Data<EmailVerification>,
    /// Change or end an account.
    accounts: Data<Accounts>,
    /// Look after all of them.
    pub admin: Data<Admin>,
    /// What is mailed to them.
    pub outbox: Data<Outbox>,
    /// What makes them wait.
    throttle: Data<Throttle>,
}

impl AccountState {
    /// Builds them for the site whose pages are at `website`.
    pub fn build(
        (config, own): (&Config, &SiteExtensions),
        clock: &Clock,
        (database, ring): (&Database, &Arc<SealRing>),
        website: &str,
        (users, sessions): (Users, Data<Sessions>),
    ) -> Result<Self, Error> {
        let outbox = outbox(config, clock, (database, ring), website)?;
        let settings = throttle::Settings {
            trusted_proxies: config.accounts.trusted_proxies.clone(),
            on: config.accounts.throttle,
        };
        let throttle = Throttle::new(database.clone(), clock.clone(), &settings);
        let pages = format!("{website}/auth");
        let recipe = emailpassword::Settings {
            pages: pages.clone(),
            hide_existing_accounts: config.accounts.hide_existing_accounts,
            fields: sign_up_fields(config, own),
            admits: own.admits,
            verifies: config.accounts.email_verification != Mode::Off,
            known: match config.accounts.email_verification {
                Mode::Off => |_| Map::new(),
                Mode::Optional | Mode::Required => emailverification::known,
            },
        };
        let shared = || (users.clone(), sessions.clone(), outbox.clone(), throttle.clone());
        let emailpassword = {
            let (users, sessions, outbox, throttle) = shared();
            EmailPassword::new(users, sessions, outbox, throttle, recipe)
        };
        let accounts = {
            let (users, sessions, outbox, throttle) = shared();
            let hide_existing_accounts = config.accounts.hide_existing_accounts;
            let settings = account::Settings { pages: pages.clone(), hide_existing_accounts };
            Accounts::new(users, sessions, outbox, throttle, settings)
        };
        let emailverification = {
            let (users, sessions, outbox, throttle) = shared();
            EmailVerification::new((users, accounts.clone()), sessions, outbox, throttle, pages)
        };
        let key = config.accounts.admin_api_key.clone();
        let admin = Admin::new(users.clone(), sessions.clone(), key, clock.clone());
        Ok(Self {
            emailpassword: Data::new(emailpassword),
            emailverification: Data::new(emailverification),
            accounts: Data::new(accounts),
            admin: Data::new(admin),
            outbox: Data::new(outbox),
            throttle: Data::new(throttle),
        })
    }

    /// Registers them.
    pub fn install(&self, site: &mut web::ServiceConfig) {
        site.app_data(self.emailpassword.clone())
            .app_data(self.emailverification.clone())
            .app_data(self.accounts.clone())
            .app_data(self.admin.clone())
            .app_data(self.outbox.clone())
            .app_data(self.throttle.clone());
    }
}

/// What the sign-up form asks for: what the configuration says and what a site of one's own adds, which counts where both do.
fn sign_up_fields(config: &Config, own: &SiteExtensions) -> Vec<SignUpField> {
    let is_own = |id: &str| own.fields.iter().any(|field| field.id == id);
    let configured = config.accounts.sign_up_fields.iter().filter(|field| !is_own(&field.id));
    configured.map(|field| SignUpField::new(&field.id, field.is_optional)).chain(own.fields.iter().cloned()).collect()
}

/// Where mail is put.
fn outbox(
    config: &Config,
    clock: &Clock,
    (database, ring): (&Database, &Arc<SealRing>),
    website: &str,
) -> Result<Outbox, Error> {
    let settings = mail::Settings {
        smtp_url: config.accounts.smtp_url.clone(),
        from: config.accounts.mail_from.clone(),
        templates: config.accounts.mail_templates.clone(),
        site: website.to_owned(),
        shown: config.environment == Environment::Development,
    };
    Ok(Outbox::open(database.clone(), Arc::clone(ring), clock.clone(), &settings)?)
}

/// What sessions say and are asked about verified addresses.
pub fn add_claims(mode: Mode, users: &Users, settings: &mut session::Settings) {
    let claim = Verified::new(users.clone());
    match mode {
        Mode::Off => {}
        Mode::Optional => settings.claims.push(claim.claim()),
        Mode::Required => {
            settings.claims.push(claim.claim());
            settings.validators.push(claim.validator());
        }
    }
}
