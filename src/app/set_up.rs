//! What the application needs of Fauna: the declarations of all modules, and the queries that show whether its key has the
//! privileges.

use fauna_client::schema::Declarations;
use fauna_client::{AsApp, DocumentId, schema};

use crate::app::{Error, features};
use crate::clock::Clock;
use crate::config::Config;
use crate::feature::Feature;
use crate::http::fauna_set_up::{DRY_RUN, FaunaSetUp, Needs};
use crate::users::UserLayout;
use crate::{fauna_tokens, users};

/// Declarations of users, features and Fauna tokens, in this order: a definition may only mention earlier ones.
pub fn declarations(config: &Config, features: &[Feature]) -> Result<Vec<Declarations>, Error> {
    let tokens = fauna_tokens::schema(&config.users_collection, config.session.access_token_lifetime);
    let users = users::schema(&user_layout(config)?);
    let features = features.iter().map(|feature| (feature.schema)());
    Ok([users].into_iter().chain(features).chain([tokens]).collect())
}

/// The examination of Fauna for this configuration; it has not run yet.
pub fn needs(app: &AsApp, clock: &Clock, config: &Config, features: &[Feature]) -> Result<FaunaSetUp, Error> {
    let (layout, hooks) = (user_layout(config)?, features::deletion_hooks(features));
    let (user, token) = (DocumentId::random()?, DocumentId::random()?);
    let token = fauna_tokens::dry_run(&layout.collection, user.as_str(), &token);
    let account = users::dry_run::account(&layout, &user, &hooks, token);
    let declared = declarations(config, features)?;
    let needs = Needs {
        reads: schema::read_probes(&declared),
        schema: schema::expected(&config.users_collection, declared),
        dry_run: users::dry_run::aborted(account, DRY_RUN),
    };
    Ok(FaunaSetUp::new(app.clone(), clock.clone(), needs))
}

/// The layout of `USERS_COLLECTION` and `USERS_EMAIL_FIELD`.
///
/// # Errors
/// `USERS_EMAIL_FIELD` is not a valid path, or a field with another meaning.
pub fn user_layout(config: &Config) -> Result<UserLayout, Error> {
    let layout = UserLayout::new(&config.users_collection, &config.users_email_field);
    layout.ok_or_else(|| {
        Error::Setting(
            "USERS_EMAIL_FIELD: must be a field or a path like contact.email, and not name, joinedAt or profile"
                .to_owned(),
        )
    })
}
