//! Builds the services for accounts: sign-in, verification, changes, administration, mail and throttling.

use std::sync::Arc;

use actix_web::web;
use actix_web::web::Data;

use crate::account::{AccountServices, Accounts};
use crate::admin::Admin;
use crate::app::{Error, SiteExtensions};
use crate::clock::Clock;
use crate::config::{Config, EmailVerification as Mode, Environment};
use crate::database::Database;
use crate::http::same_origin::Trusted;
use crate::mail::Outbox;
use crate::seal::SealRing;
use crate::session::Sessions;
use crate::supertokens::emailpassword;
use crate::supertokens::emailpassword::{EmailPassword, SignUpField};
use crate::supertokens::emailverification::{EmailVerification, Verified};
use crate::throttle::{Throttle, WriteLimit};
use crate::users::Users;
use crate::{mail, session, throttle};

/// The arguments of [`AccountState::build`].
pub struct AccountParts<'a> {
    pub config: &'a Config,
    pub extensions: &'a SiteExtensions,
    pub clock: &'a Clock,
    pub database: &'a Database,
    pub ring: &'a Arc<SealRing>,
    pub trusted: &'a Trusted,
    pub users: Users,
    pub sessions: Data<Sessions>,
}

/// The account services. Clones share them.
#[derive(Clone)]
pub struct AccountState {
    emailpassword: Data<EmailPassword>,
    emailverification: Data<EmailVerification>,
    accounts: Data<Accounts>,
    pub admin: Data<Admin>,
    pub outbox: Data<Outbox>,
    throttle: Data<Throttle>,
    pub writes: WriteLimit,
}

impl AccountState {
    /// # Errors
    /// A setting of mail or a mail template is invalid.
    pub fn build(parts: AccountParts<'_>) -> Result<Self, Error> {
        let outbox = outbox(&parts)?;
        let AccountParts { config, extensions: own, clock, database, trusted, users, sessions, .. } = parts;
        let settings = throttle::Settings {
            trusted_proxies: config.accounts.trusted_proxies.clone(),
            on: config.accounts.throttle,
        };
        let throttle = Throttle::new(database.clone(), clock.clone(), &settings);
        let writes = WriteLimit::new(throttle.clone(), config.accounts.writes_per_user_minute);
        let recipe = emailpassword::Settings {
            fields: sign_up_fields(config, own),
            admits: own.admits,
            verifies: config.accounts.email_verification != Mode::Off,
            signed_up: own.signed_up.clone(),
            signed_in: own.signed_in.clone(),
        };
        let services = AccountServices {
            users: users.clone(),
            sessions: sessions.clone(),
            outbox: outbox.clone(),
            throttle: throttle.clone(),
            trusted: trusted.clone(),
            pages_path: config.website.base_path.clone(),
            hide_existing_accounts: config.accounts.hide_existing_accounts,
            password_rule: own.password_rule,
            writes: writes.clone(),
        };
        let accounts = Accounts::new(services.clone(), recipe.fields.clone().into());
        let emailpassword = EmailPassword::new(services.clone(), recipe);
        let emailverification = EmailVerification::new(services, accounts.clone());
        let keys = config.accounts.admin_api_keys.clone();
        let admin = Admin::new(users.clone(), sessions.clone(), keys, clock.clone());
        Ok(Self {
            emailpassword: Data::new(emailpassword),
            emailverification: Data::new(emailverification),
            accounts: Data::new(accounts),
            admin: Data::new(admin),
            outbox: Data::new(outbox),
            throttle: Data::new(throttle),
            writes,
        })
    }

    pub fn install(&self, site: &mut web::ServiceConfig) {
        site.app_data(self.emailpassword.clone())
            .app_data(self.emailverification.clone())
            .app_data(self.accounts.clone())
            .app_data(self.admin.clone())
            .app_data(self.outbox.clone())
            .app_data(self.throttle.clone());
    }
}

/// The fields of `SIGN_UP_FIELDS` and of the extensions; an extension's field replaces a configured one with the same id.
fn sign_up_fields(config: &Config, own: &SiteExtensions) -> Vec<SignUpField> {
    let is_own = |id: &str| own.fields.iter().any(|field| field.id == id);
    let configured = config.accounts.sign_up_fields.iter().filter(|field| !is_own(&field.id));
    configured.map(|field| SignUpField::new(&field.id, field.is_optional)).chain(own.fields.iter().cloned()).collect()
}

fn outbox(parts: &AccountParts<'_>) -> Result<Outbox, Error> {
    let &AccountParts { config, extensions, clock, database, ring, trusted, .. } = parts;
    let website = trusted.website.as_str();
    let settings = mail::Settings {
        smtp_url: config.accounts.smtp_url.as_ref().map(|server| server.url.clone()),
        from: config.accounts.mail_from.clone(),
        templates: config.accounts.mail_templates.clone(),
        sender: mail::Sender {
            app_name: config.accounts.app_name.clone(),
            site: website.to_owned(),
            pages: format!("{website}{}", config.website.base_path),
            terms_url: config.accounts.terms_url.clone(),
            privacy_url: config.accounts.privacy_url.clone(),
        },
        shown: config.environment == Environment::Development,
        send_mail: extensions.send_mail.clone(),
    };
    Ok(Outbox::open(database.clone(), Arc::clone(ring), clock.clone(), &settings)?)
}

/// Adds the claim about verified addresses to sessions, and its check if verification is required.
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
