//! The features of this application. Add yours to [`all`].

use crate::app::SiteExtensions;
use crate::comments;
use crate::config::Config;
use crate::feature::{Feature, OnUserDeleted};
use crate::users::AccountDeletionHook;

/// All features, followed by those of a site that is built on this crate.
pub fn all(config: &Config, extensions: &SiteExtensions) -> Vec<Feature> {
    let ours = [
        // One line per feature.
        comments::feature(config.accounts.delete_comments_with_account),
    ];
    ours.into_iter().chain(extensions.features.iter().cloned()).collect()
}

/// The hooks that run in the transaction that deletes a user.
pub fn deletion_hooks(features: &[Feature]) -> Vec<AccountDeletionHook> {
    let hook = |feature: &Feature| match feature.on_user_deleted {
        OnUserDeleted::NothingStored => None,
        OnUserDeleted::Run(hook) => Some(hook),
    };
    features.iter().filter_map(hook).collect()
}
