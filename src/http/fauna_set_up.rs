//! Whether Fauna is set up as this program needs it: the schema is installed, and the application's key has all privileges.
//!
//! The privileges are tried: the application's own queries run in one transaction that is aborted. A success is remembered for a
//! minute, because `/ready` is asked often; a failure is looked at again each time, so that installing the schema needs no restart.

use std::sync::Arc;
use std::time::Duration;

use fauna_client::fql::Expr;
use fauna_client::schema::{Expected, Fault};
use fauna_client::{AsApp, Denied, Error};
use serde::de::IgnoredAny;
use tokio::sync::Mutex;

use crate::clock::{Clock, Timestamp};

const REMEMBERED: Duration = Duration::from_secs(60);
/// Reason of the abort with which a dry run ends.
pub const DRY_RUN: &str = "dry run";

/// Examines Fauna with the application's key. Clones share the remembered success.
#[derive(Clone)]
pub struct FaunaSetUp {
    app: AsApp,
    clock: Clock,
    needs: Arc<Needs>,
    /// When nothing was wrong. Locked while Fauna is examined: one examination at a time, however many ask.
    passed_at: Arc<Mutex<Option<Timestamp>>>,
}

pub struct Needs {
    pub schema: Expected,
    /// Queries that only read.
    pub reads: Vec<Expr>,
    /// Writes, ended by an abort with the reason [`DRY_RUN`].
    pub dry_run: Expr,
}

#[derive(Debug)]
pub enum Finding {
    Schema(Fault),
    Privilege(Denied),
}

impl FaunaSetUp {
    pub fn new(app: AsApp, clock: Clock, needs: Needs) -> Self {
        Self { app, clock, needs: Arc::new(needs), passed_at: Arc::default() }
    }

    /// `None` if nothing is wrong, or was not within the last minute.
    ///
    /// # Errors
    /// Fauna does not answer, or does not know the key.
    pub async fn check(&self) -> Result<Option<Finding>, Error> {
        let mut passed_at = self.passed_at.lock().await;
        let now = self.clock.now();
        if passed_at.is_some_and(|at| at.until(now) < REMEMBERED) {
            return Ok(None);
        }
        let found = self.examine().await?;
        *passed_at = found.is_none().then_some(now);
        Ok(found)
    }

    /// As [`Self::check`], without what is remembered.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub async fn examine(&self) -> Result<Option<Finding>, Error> {
        let schema = match self.needs.schema.check(&self.app).await {
            Ok(None) => None,
            Ok(Some(fault)) => Some(Finding::Schema(fault)),
            Err(Error::PermissionDenied(denied)) => Some(Finding::Privilege(denied)),
            Err(error) => return Err(error),
        };
        // A privilege that one of our own queries lacks says more than the missing privilege to look at the schema.
        let denied = if matches!(schema, Some(Finding::Schema(_))) { None } else { self.denied().await? };
        Ok(denied.or(schema))
    }

    /// The first privilege that is missing.
    async fn denied(&self) -> Result<Option<Finding>, Error> {
        for query in self.needs.reads.iter().chain([&self.needs.dry_run]) {
            match self.app.query_idempotent::<IgnoredAny>(query).await {
                // No such document, which a key without the privilege would not be told.
                Ok(_) | Err(Error::NotFound) => {}
                Err(Error::Aborted(reason)) if reason == DRY_RUN => {}
                Err(Error::PermissionDenied(denied)) => return Ok(Some(Finding::Privilege(denied))),
                // A collection, index or function does not exist.
                Err(Error::Refused { .. }) => return Ok(Some(Finding::Schema(Fault::Outdated))),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

impl Finding {
    /// What is wrong and what to do, for the log and for operators.
    pub fn advice(&self) -> String {
        const APPLY: &str = "run `actix-fauna-starter schema apply` with an admin key as FAUNA_SECRET";
        match self {
            Self::Schema(fault) => format!("{fault}; {APPLY}"),
            Self::Privilege(denied) => {
                format!("FAUNA_SECRET: the key lacks a privilege ({denied}); {APPLY}, and use the key that it prints")
            }
        }
    }

    /// The same for anybody, without names of the schema.
    pub const fn public(&self) -> &'static str {
        match self {
            Self::Schema(_) => {
                "the schema in Fauna is missing, or not the one of this program; run `actix-fauna-starter schema apply` with an \
                 admin key as FAUNA_SECRET; the log says more"
            }
            Self::Privilege(_) => {
                "the application's key lacks a privilege in Fauna, which the log names; run `actix-fauna-starter schema apply` \
                 with an admin key as FAUNA_SECRET, and use the key that it prints"
            }
        }
    }
}
