//! All SQL statements of sessions.
//!
//! One set for all databases (`docs/decisions.md`, decision 16). State that concurrent requests may change is compared and
//! swapped in single statements; if a statement finds another state it reports that, and the caller decides again.

use std::time::Duration;

use serde_json::{Map, Value};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use crate::clock::Timestamp;
use crate::database::{Attempt, Batcher, Connection, Database, placeholders};
use crate::session::rotation::RotationState;
use crate::session::{Error, Lineage, RevokedSessions, SessionHandle, UserId};

#[derive(Clone, Debug)]
pub struct Store {
    database: Database,
    lookups: Batcher<SessionHandle, Option<Session>>,
}

/// A row of `session`.
#[derive(Clone, Debug)]
pub struct Session {
    pub handle: SessionHandle,
    pub user: UserId,
    /// The effective lineages, and the sliding expiry.
    pub rotation: RotationState,
    pub created_at: Timestamp,
    /// Time of the latest refresh.
    pub refreshed_at: Timestamp,
    /// Absolute expiry; refreshing does not move it.
    pub ends_at: Timestamp,
    /// Lifetime without a refresh, if it is shorter than the setting.
    pub unused_life: Option<Duration>,
    /// Whether its cookies have no expiry, so that browsers delete them when they are closed.
    pub ends_with_browser: bool,
    /// Claims of the application in its access tokens.
    pub payload: Map<String, Value>,
    /// Data of the application that clients never see.
    pub data: Map<String, Value>,
}

/// A change of the effective refresh token.
#[derive(Clone, Copy, Debug)]
pub struct Promotion<'a> {
    pub handle: &'a SessionHandle,
    /// The effective lineage; the statement changes nothing if it is another one.
    pub from: &'a Lineage,
    pub to: &'a Lineage,
    /// Time of the promotion, stored as `rotated_at`.
    pub at: Timestamp,
    /// The new sliding expiry; stored no later than the absolute expiry.
    pub expires_at: Timestamp,
}

impl Store {
    pub fn new(database: Database) -> Self {
        Self { database, lookups: Batcher::default() }
    }

    /// Runs a transaction, again while it fails because of a concurrent one.
    pub async fn repeat<T, F>(&self, work: impl FnMut(Attempt) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.database.repeat(work).await
    }

    pub async fn insert(&self, transaction: &mut Connection, session: &Session) -> Result<(), sqlx::Error> {
        sqlx::query(
            "insert into session (handle, user_id, current_lineage, created_at, refreshed_at, expires_at, ends_at, payload, data,
             unused_life, ends_with_browser) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(session.handle.as_str())
        .bind(session.user.as_str())
        .bind(session.rotation.current.as_str())
        .bind(session.created_at.millis())
        .bind(session.refreshed_at.millis())
        .bind(session.rotation.expires_at.millis())
        .bind(session.ends_at.millis())
        .bind(text(&session.payload))
        .bind(text(&session.data))
        .bind(session.unused_life.map(|life| i64::try_from(life.as_millis()).unwrap_or(i64::MAX)))
        .bind(i64::from(session.ends_with_browser))
        .execute(transaction)
        .await?;
        Ok(())
    }

    /// The session, expired or not. Concurrent look-ups share a statement.
    pub async fn find(&self, handle: &SessionHandle) -> Result<Option<Session>, sqlx::Error> {
        let database = self.database.clone();
        self.lookups.run(handle.clone(), |handles| find_all(database, handles)).await
    }

    /// Sessions that have not expired.
    pub async fn count(&self, now: Timestamp) -> Result<i64, sqlx::Error> {
        let count = sqlx::query_scalar("select count(*) from session where expires_at >= $1");
        count.bind(now.millis()).fetch_one(self.database.read()).await
    }

    /// The sessions of a user that have not expired, newest first.
    pub async fn of_user(&self, user: &UserId, now: Timestamp) -> Result<Vec<Session>, sqlx::Error> {
        let rows = sqlx::query(
            "select * from session where user_id = $1 and expires_at >= $2 order by created_at desc, handle limit 1000",
        );
        let rows = rows.bind(user.as_str()).bind(now.millis()).fetch_all(self.database.read()).await?;
        rows.iter().map(session).collect()
    }

    /// The sessions of a user that have not expired, except the `kept` newest; newest first, at most 100. The order is total,
    /// so that concurrent requests select the same ones.
    pub async fn beyond_newest(
        &self,
        user: &UserId,
        kept: u32,
        now: Timestamp,
    ) -> Result<Vec<SessionHandle>, sqlx::Error> {
        let rows = sqlx::query(
            "select handle from session where user_id = $1 and expires_at >= $2
             order by created_at desc, handle limit 100 offset $3",
        );
        let rows = rows.bind(user.as_str()).bind(now.millis()).bind(i64::from(kept));
        rows.fetch_all(self.database.write()).await?.iter().map(handle).collect()
    }

    /// Makes another refresh token effective. False if `from` is not effective or the session does not exist.
    pub async fn promote(&self, change: Promotion<'_>) -> Result<bool, sqlx::Error> {
        let promote = async |_: Attempt| self.promote_in(&mut self.database.write().acquire().await?, change).await;
        self.database.repeat(promote).await
    }

    /// The same within a transaction.
    pub async fn promote_in(&self, to: &mut Connection, change: Promotion<'_>) -> Result<bool, sqlx::Error> {
        let done = sqlx::query(
            "update session set previous_lineage = current_lineage, current_lineage = $1, rotated_at = $2, refreshed_at = $2,
             expires_at = case when ends_at < $3 then ends_at else $3 end where handle = $4 and current_lineage = $5",
        )
        .bind(change.to.as_str())
        .bind(change.at.millis())
        .bind(change.expires_at.millis())
        .bind(change.handle.as_str())
        .bind(change.from.as_str())
        .execute(to)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Records that tokens are handed out, and locks the session until the transaction ends, so that it cannot be revoked in
    /// between. False if `current` is not effective any more or the session does not exist.
    pub async fn confirm(
        &self,
        transaction: &mut Connection,
        handle: &SessionHandle,
        current: &Lineage,
        now: Timestamp,
    ) -> Result<bool, sqlx::Error> {
        let done = sqlx::query("update session set refreshed_at = $1 where handle = $2 and current_lineage = $3")
            .bind(now.millis())
            .bind(handle.as_str())
            .bind(current.as_str())
            .execute(transaction)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Deletes a session if its effective lineage is still `current`. False if it is not.
    pub async fn delete_if(&self, handle: &SessionHandle, current: &Lineage) -> Result<bool, sqlx::Error> {
        let done = sqlx::query("delete from session where handle = $1 and current_lineage = $2")
            .bind(handle.as_str())
            .bind(current.as_str())
            .execute(self.database.write())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Deletes a session. Returns its user; `None` if it does not exist.
    pub async fn delete(&self, handle: &SessionHandle) -> Result<Option<UserId>, sqlx::Error> {
        let row = sqlx::query("delete from session where handle = $1 returning handle, user_id").bind(handle.as_str());
        row.fetch_optional(self.database.write()).await?.as_ref().map(user).transpose()
    }

    /// Deletes a session of this user. False if the user has no such session.
    pub async fn delete_own(&self, user: &UserId, handle: &SessionHandle) -> Result<bool, sqlx::Error> {
        let done = sqlx::query("delete from session where handle = $1 and user_id = $2");
        let done = done.bind(handle.as_str()).bind(user.as_str()).execute(self.database.write()).await?;
        Ok(done.rows_affected() == 1)
    }

    /// Deletes the sessions of a user that began until `begun_by`, except `but`. Returns their handles.
    pub async fn delete_of_user(
        &self,
        transaction: &mut Connection,
        RevokedSessions { user, but, begun_by }: &RevokedSessions,
    ) -> Result<Vec<SessionHandle>, sqlx::Error> {
        let rows = sqlx::query(
            "delete from session where user_id = $1 and handle <> $2 and created_at <= $3 returning handle",
        );
        let kept = but.as_ref().map_or("", SessionHandle::as_str);
        let rows = rows.bind(user.as_str()).bind(kept).bind(begun_by.millis()).fetch_all(transaction).await?;
        rows.iter().map(handle).collect()
    }

    /// Deletes a batch of expired sessions; a small one, because SQLite has one writer. Returns their handles and users.
    pub async fn delete_expired(
        &self,
        now: Timestamp,
        rows_max: i64,
    ) -> Result<Vec<(SessionHandle, UserId)>, sqlx::Error> {
        let rows = sqlx::query(
            "delete from session where handle in
             (select handle from session where expires_at < $1 order by expires_at limit $2) returning handle, user_id",
        );
        let rows = rows.bind(now.millis()).bind(rows_max).fetch_all(self.database.write()).await?;
        rows.iter().map(|row| Ok((handle(row)?, user(row)?))).collect()
    }

    /// Replaces the payload of a session that has not expired, if it is still `old`. False if it is not, or the session does
    /// not exist.
    pub async fn swap_payload(
        &self,
        handle: &SessionHandle,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<bool, sqlx::Error> {
        let done =
            sqlx::query("update session set payload = $1 where handle = $2 and payload = $3 and expires_at > $4")
                .bind(text(new))
                .bind(handle.as_str())
                .bind(text(old))
                .bind(now.millis())
                .execute(self.database.write())
                .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Replaces the data of a session. False if it does not exist or has expired.
    pub async fn update_data(
        &self,
        handle: &SessionHandle,
        data: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<bool, sqlx::Error> {
        let done = sqlx::query("update session set data = $1 where handle = $2 and expires_at > $3")
            .bind(text(data))
            .bind(handle.as_str())
            .bind(now.millis())
            .execute(self.database.write())
            .await?;
        Ok(done.rows_affected() == 1)
    }
}

/// A key as it is stored.
#[derive(Debug)]
pub struct KeyRow {
    pub kid: String,
    /// `dynamic`, `static` or `refresh`.
    pub kind: String,
    /// Increases within its kind.
    pub generation: i64,
    /// Time of its creation.
    pub created_at: Timestamp,
    /// Its secret, sealed for its name.
    pub sealed: String,
}

impl Store {
    /// All keys, newest first.
    pub async fn keys(&self) -> Result<Vec<KeyRow>, sqlx::Error> {
        // By the writer's connection: a key that was just inserted must be seen.
        let rows = sqlx::query("select * from session_key order by generation desc");
        let rows = rows.fetch_all(self.database.write()).await?;
        let read = |row: &AnyRow| {
            Ok(KeyRow {
                kid: row.try_get("kid")?,
                kind: row.try_get("kind")?,
                generation: row.try_get("generation")?,
                created_at: Timestamp::from_millis(row.try_get("created_at")?),
                sealed: row.try_get("sealed")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Inserts a key, unless there is one of that kind and generation.
    pub async fn insert_key(&self, key: &KeyRow) -> Result<(), sqlx::Error> {
        sqlx::query(
            "insert into session_key (kid, kind, generation, created_at, sealed) values ($1, $2, $3, $4, $5)
             on conflict do nothing",
        )
        .bind(key.kid.as_str())
        .bind(key.kind.as_str())
        .bind(key.generation)
        .bind(key.created_at.millis())
        .bind(key.sealed.as_str())
        .execute(self.database.write())
        .await?;
        Ok(())
    }

    /// Replaces the sealed secret of a key that is still as it was read.
    pub async fn replace_sealed_key(&self, read: &KeyRow, sealed: &str) -> Result<(), sqlx::Error> {
        let done = sqlx::query("update session_key set sealed = $1 where kid = $2 and sealed = $3");
        done.bind(sealed).bind(read.kid.as_str()).bind(read.sealed.as_str()).execute(self.database.write()).await?;
        Ok(())
    }

    /// Deletes keys of a kind that were created before a time.
    pub async fn delete_keys(&self, kind: &str, before: Timestamp) -> Result<(), sqlx::Error> {
        let done = sqlx::query("delete from session_key where kind = $1 and created_at < $2");
        done.bind(kind).bind(before.millis()).execute(self.database.write()).await?;
        Ok(())
    }
}

/// The sessions with these handles, in their order.
async fn find_all(database: Database, handles: Vec<SessionHandle>) -> Result<Vec<Option<Session>>, sqlx::Error> {
    let statement = format!("select * from session where handle in ({})", placeholders(1, handles.len()));
    let query = handles.iter().fold(sqlx::query(AssertSqlSafe(statement)), |query, handle| query.bind(handle.as_str()));
    let rows = query.fetch_all(database.read()).await?;
    let sessions = rows.iter().map(session).collect::<Result<Vec<_>, _>>()?;
    let found = |handle: &SessionHandle| sessions.iter().find(|session| session.handle == *handle).cloned();
    Ok(handles.iter().map(found).collect())
}

/// A JSON object as text, its keys in the order they have.
fn text(object: &Map<String, Value>) -> String {
    Value::Object(object.clone()).to_string()
}

/// Reads a row of `session`.
fn session(row: &AnyRow) -> Result<Session, sqlx::Error> {
    let time = |column: &str| row.try_get(column).map(Timestamp::from_millis);
    let object = |column: &str| -> Result<Map<String, Value>, sqlx::Error> {
        serde_json::from_str(row.try_get(column)?).map_err(|error| broken(column, error))
    };
    let previous: Option<String> = row.try_get("previous_lineage")?;
    let rotated_at: Option<i64> = row.try_get("rotated_at")?;
    let unused_life: Option<i64> = row.try_get("unused_life")?;
    Ok(Session {
        handle: handle(row)?,
        user: user(row)?,
        rotation: RotationState {
            current: Lineage::stored(row.try_get("current_lineage")?),
            previous: previous.map(Lineage::stored),
            rotated_at: rotated_at.map(Timestamp::from_millis),
            expires_at: time("expires_at")?,
        },
        created_at: time("created_at")?,
        refreshed_at: time("refreshed_at")?,
        ends_at: time("ends_at")?,
        payload: object("payload")?,
        data: object("data")?,
        unused_life: unused_life.and_then(|millis| u64::try_from(millis).ok()).map(Duration::from_millis),
        ends_with_browser: row.try_get::<i64, _>("ends_with_browser")? != 0,
    })
}

/// Reads the handle of a row.
fn handle(row: &AnyRow) -> Result<SessionHandle, sqlx::Error> {
    let text: &str = row.try_get("handle")?;
    SessionHandle::parse(text).ok_or_else(|| broken("handle", "not a session handle"))
}

fn user(row: &AnyRow) -> Result<UserId, sqlx::Error> {
    let text: &str = row.try_get("user_id")?;
    UserId::parse(text).ok_or_else(|| broken("user_id", "not a user id"))
}

/// A column does not hold what we wrote.
fn broken(column: &str, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: why.into() }
}
