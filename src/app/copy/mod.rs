//! The command `users copy`: carries users with their secrets, and the documents of all features, from the Fauna of this site to
//! another one. Ids are kept, so references between documents stay what they are.
//!
//! It never overwrites and never deletes. It can be repeated: what was copied before is found and left, so an interrupted copy is
//! finished by running it again. Sessions, tokens and one-time links are not carried. One page of documents is in memory at a time.

mod store;

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use fauna_client as fauna;
use fauna_client::{AsAdmin, DocumentId};

use crate::app::fauna_backend::{client, connect_as_admin};
use crate::app::{Error, SiteExtensions, features, startup};
use crate::clock::Clock;
use crate::config::{Config, CopyTarget};
use crate::users::SECRETS;
use store::{Outcome, Row, Rows};

/// Documents that are read and written at once; fewer where they are large.
const PAGE_SIZE: i64 = 100;
const DEADLINE: Duration = Duration::from_secs(120);
/// Ids that the report names of each kind.
const IDS_MAX: usize = 20;

struct Transfer {
    from: AsAdmin,
    to: AsAdmin,
}

/// Outcomes of the documents of a collection.
#[derive(Default)]
struct Report {
    copied: usize,
    there: usize,
    /// The other outcomes, by the words for them.
    left: BTreeMap<&'static str, Vec<String>>,
}

/// Copies everything, and writes a line for each collection to `out`.
///
/// # Errors
/// A setting is missing, a Fauna does not answer or refuses, or users of the source have addresses of other users of the target.
pub async fn copy(config: &Config, extensions: &SiteExtensions, out: &mut dyn Write) -> Result<(), Error> {
    let Some(CopyTarget { endpoint, secret }) = &config.copy_target else {
        return Err(Error::Setting(
            "COPY_FAUNA_ENDPOINT and COPY_FAUNA_SECRET: must name the Fauna to copy to, and an admin key of it"
                .to_owned(),
        ));
    };
    let to = AsAdmin::new(&client(endpoint, config)?, secret.clone()).within(DEADLINE);
    let features = features::all(config, extensions);
    let declared: Vec<_> = features.iter().map(|feature| (feature.schema)()).collect();
    let others: Vec<&str> = declared.iter().flat_map(fauna::schema::Declarations::collections).collect();
    let users = config.users_collection.as_str();
    require_schema(&to, &[&[users, SECRETS][..], &others].concat()).await?;
    startup::data_directory(&config.data_dir)?;
    let set_up = startup::lock_set_up(&config.data_dir).await?;
    let (from, backend) = connect_as_admin(config, &Clock::system(), &features).await?;
    drop(set_up);
    let copied = Transfer { from: from.within(DEADLINE), to }.all(users, &others, out).await;
    if let Some(backend) = backend {
        backend.stop().await;
    }
    copied
}

async fn require_schema(to: &AsAdmin, collections: &[&str]) -> Result<(), Error> {
    let missing: Vec<Option<String>> = to.query_idempotent(&store::missing(collections)).await.map_err(at_target)?;
    let missing: Vec<String> = missing.into_iter().flatten().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(", ");
    Err(Error::Setting(format!(
        "COPY_FAUNA_ENDPOINT: the schema is missing there ({missing}): run `schema apply` for it first; or COPY_FAUNA_SECRET is \
         not an admin key"
    )))
}

impl Transfer {
    async fn all(&self, users: &str, others: &[&str], out: &mut dyn Write) -> Result<(), Error> {
        let report = self.collection(users, Some(SECRETS)).await?;
        report.write(users, out)?;
        if let Some(taken) = report.left.get(word(Outcome::Taken)) {
            // Comments of users who are not there would have no author.
            return Err(Error::Setting(format!(
                "{} users have an address of another user at the target, see above; delete or change one of each, then run the \
                 command again for the rest",
                taken.len()
            )));
        }
        for collection in others {
            self.collection(collection, None).await?.write(collection, out)?;
        }
        Ok(writeln!(out, "Sessions are not copied: users sign in again, with their passwords.")?)
    }

    async fn collection(&self, collection: &str, secrets: Option<&str>) -> Result<Report, Error> {
        let mut report = Report::default();
        let mut after: Option<DocumentId> = None;
        loop {
            let rows = self.page(collection, secrets, after.as_ref()).await?;
            let outcomes = self.write(collection, secrets, &rows.data).await?;
            for (row, outcome) in rows.data.iter().zip(outcomes) {
                report.note(&row.id, outcome);
            }
            let Some((next,)) = rows.after else { return Ok(report) };
            after = Some(next.id);
        }
    }

    /// The next page, with fewer documents where they are too large for one answer.
    async fn page(&self, collection: &str, secrets: Option<&str>, after: Option<&DocumentId>) -> Result<Rows, Error> {
        let mut size = PAGE_SIZE;
        loop {
            match self.from.query_idempotent(&store::page(collection, secrets, size, after)).await {
                Err(fauna::Error::AnswerTooLarge) if size > 1 => size /= 2,
                rows => return rows.map_err(at_source),
            }
        }
    }

    /// Writes all documents of a page in one transaction; one by one where a unique value is taken or the page is too much.
    async fn write(&self, collection: &str, secrets: Option<&str>, rows: &[Row]) -> Result<Vec<Outcome>, Error> {
        let writes: Vec<_> = rows.iter().map(|row| store::write(collection, secrets, row)).collect();
        let whole = writes.iter().map(|write| write.clone().unwrap_or_else(|| "unwritable".into())).collect();
        match self.to.query_idempotent(&whole).await {
            Err(fauna::Error::NotUnique | fauna::Error::TooLarge) => {}
            outcomes => return outcomes.map_err(at_target),
        }
        let mut outcomes = Vec::with_capacity(rows.len());
        for write in writes {
            outcomes.push(match write {
                None => Outcome::Unwritable,
                Some(write) => match self.to.query_idempotent(&write).await {
                    Err(fauna::Error::NotUnique) => Outcome::Taken,
                    outcome => outcome.map_err(at_target)?,
                },
            });
        }
        Ok(outcomes)
    }
}

impl Report {
    fn note(&mut self, id: &DocumentId, outcome: Outcome) {
        match outcome {
            Outcome::Copied => self.copied += 1,
            Outcome::There => self.there += 1,
            other => self.left.entry(word(other)).or_default().push(id.as_str().to_owned()),
        }
    }

    fn write(&self, collection: &str, out: &mut dyn Write) -> Result<(), Error> {
        writeln!(out, "{collection}: {} copied, {} already there", self.copied, self.there)?;
        for (what, ids) in &self.left {
            let shown = ids.get(..IDS_MAX).unwrap_or(ids).join(", ");
            let more = if ids.len() > IDS_MAX { ", …" } else { "" };
            writeln!(out, "{collection}: {} {what}: {shown}{more}", ids.len())?;
        }
        Ok(())
    }
}

const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Copied => "copied",
        Outcome::There => "already there",
        Outcome::Different => "different there, and left as they are",
        Outcome::Taken => "not copied, because a unique value is taken there",
        Outcome::Unwritable => "not copied, because a value cannot be written",
    }
}

fn at_source(error: fauna::Error) -> Error {
    explained("FAUNA_SECRET", error)
}

fn at_target(error: fauna::Error) -> Error {
    explained("COPY_FAUNA_SECRET", error)
}

fn explained(setting: &str, error: fauna::Error) -> Error {
    match error {
        fauna::Error::Unauthorized | fauna::Error::PermissionDenied(_) => {
            Error::Setting(format!("{setting}: must be an admin key for this command ({error})"))
        }
        error => error.into(),
    }
}
