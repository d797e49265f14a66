//! The ledger: the SQL table of every Fauna token that exists or may exist.

mod shared;

use std::time::Duration;

use fauna_client::DocumentId;
use sqlx::AssertSqlSafe;

use crate::clock::Timestamp;
use crate::database::{Attempt, Batcher, Connection, Database, SHARED_MAX, placeholders};
use crate::fauna_tokens::ledger::shared::{Announcement, Found, Wanted};
use crate::fauna_tokens::lifetime::{Session, Token};
use crate::session::{Lineage, RevokedSessions, SessionHandle, TokenRequest};

/// Most rows that one query of the ledger returns.
pub const BATCH: i64 = 200;

/// Tokens, each with its session if that exists, as [`Row`] reads them.
macro_rules! rows {
    () => {
        "select t.id, t.session_handle, t.user_id, t.lineage, t.parent_lineage, t.sealed_secret, t.fingerprint, \
         t.created_at, t.expires_at as token_ends, s.current_lineage, s.previous_lineage, s.rotated_at, s.expires_at as session_ends \
         from fauna_token t left join session s on s.handle = t.session_handle"
    };
}

/// Access to the table.
#[derive(Clone)]
pub struct Ledger {
    database: Database,
    lookups: Batcher<Wanted, Found>,
    announcements: Batcher<Announcement, ()>,
    of_sessions: Batcher<SessionHandle, Vec<(Token, Option<Session>)>>,
}

/// A row of `fauna_token` with that of its session, if the session exists.
#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    session_handle: String,
    user_id: String,
    lineage: String,
    parent_lineage: Option<String>,
    sealed_secret: Option<String>,
    fingerprint: Option<String>,
    created_at: i64,
    token_ends: i64,
    current_lineage: Option<String>,
    previous_lineage: Option<String>,
    rotated_at: Option<i64>,
    session_ends: Option<i64>,
}

impl Row {
    /// The token, and its session where that exists.
    fn read(self) -> (Token, Option<Session>) {
        let session = self.current_lineage.zip(self.session_ends).map(|(current, ends)| Session {
            current,
            previous: self.previous_lineage.zip(self.rotated_at.map(Timestamp::from_millis)),
            expires_at: Timestamp::from_millis(ends),
        });
        let token = Token {
            id: DocumentId::stored(self.id),
            handle: self.session_handle,
            user: self.user_id,
            lineage: self.lineage,
            parent: self.parent_lineage,
            confirmed: self.sealed_secret.is_some(),
            fingerprint: self.fingerprint,
            created_at: Timestamp::from_millis(self.created_at),
            expires_at: Timestamp::from_millis(self.token_ends),
        };
        (token, session)
    }
}

#[derive(Clone)]
pub struct StoredSecret {
    pub id: DocumentId,
    /// Sealed for this row.
    pub sealed: String,
    pub created_at: Timestamp,
}

impl Ledger {
    pub fn new(database: Database) -> Self {
        Self {
            database,
            lookups: Batcher::default(),
            announcements: Batcher::default(),
            of_sessions: Batcher::default(),
        }
    }

    /// Records that a token may exist, before it is requested from Fauna.
    pub async fn announce(
        &self,
        id: &DocumentId,
        request: &TokenRequest,
        now: Timestamp,
        end: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let database = self.database.clone();
        let token = Announcement { id: id.clone(), request: request.clone(), now, end };
        self.announcements.run(token, |tokens| shared::announce(database, tokens)).await
    }

    /// Confirms a token, in the transaction that stores the session. Fails if the token was cancelled or its id is being
    /// blocked.
    pub async fn confirm(
        &self,
        tx: &mut Connection,
        id: &DocumentId,
        sealed: &str,
        fingerprint: &str,
    ) -> Result<(), sqlx::Error> {
        let done = sqlx::query(
            "update fauna_token set sealed_secret = $1, fingerprint = $2 where id = $3 and buried_at is null",
        )
        .bind(sealed.to_owned())
        .bind(fingerprint.to_owned())
        .bind(id.as_str().to_owned())
        .execute(tx)
        .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
    }

    /// Cancels the unconfirmed tokens of a user, except those of the session `but`, in the transaction that revokes the user's
    /// sessions: they cannot be confirmed any more. Tokens that are announced later are not affected; Fauna checks their proof.
    pub async fn cancel_pending(
        &self,
        tx: &mut Connection,
        revoked: &RevokedSessions,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "update fauna_token set buried_at = $1 where user_id = $2 and sealed_secret is null and buried_at is null \
             and session_handle <> $3 and created_at <= $4",
        )
        .bind(now.millis())
        .bind(revoked.user.as_str().to_owned())
        .bind(revoked.but.as_ref().map_or("", SessionHandle::as_str).to_owned())
        .bind(revoked.begun_by.millis())
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Confirms a token that was issued to an existing session, outside a refresh. False if the session has ended.
    pub async fn confirm_replacement(
        &self,
        id: &DocumentId,
        sealed: &str,
        fingerprint: &str,
        now: Timestamp,
    ) -> Result<bool, sqlx::Error> {
        let done = sqlx::query(
            "update fauna_token set sealed_secret = $1, fingerprint = $4 where id = $2 and buried_at is null and exists \
             (select 1 from session s where s.handle = fauna_token.session_handle and s.expires_at > $3)",
        )
        .bind(sealed.to_owned())
        .bind(id.as_str().to_owned())
        .bind(now.millis())
        .bind(fingerprint.to_owned())
        .execute(self.database.write())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// A session that has not ended, with the confirmed token of one of its lineages, if there is one.
    pub async fn find(&self, handle: &SessionHandle, lineage: &Lineage, now: Timestamp) -> Result<Found, sqlx::Error> {
        let database = self.database.clone();
        let wanted = Wanted { handle: handle.clone(), lineage: lineage.clone() };
        let found = self.lookups.run(wanted, |wanted| shared::find(database, wanted)).await?;
        Ok(found.filter(|(session, _)| session.expires_at > now))
    }

    /// The tokens of one session, with the session.
    pub async fn of_session(&self, handle: &SessionHandle) -> Result<Vec<(Token, Option<Session>)>, sqlx::Error> {
        let database = self.database.clone();
        self.of_sessions.run(handle.clone(), |handles| of_sessions(database, handles)).await
    }

    /// The oldest rows that need an action: those that [`super::lifetime::is_live`] refuses, as far as SQL can express it, and
    /// those that were announced before `announced_before` and not confirmed.
    pub async fn deletion_candidates(
        &self,
        now: Timestamp,
        grace: Duration,
        announced_before: Timestamp,
    ) -> Result<Vec<(Token, Option<Session>)>, sqlx::Error> {
        let rows: Vec<Row> = sqlx::query_as(concat!(
            rows!(),
            " where (t.sealed_secret is null and t.created_at <= $3) or (t.sealed_secret is not null and ( \
                 s.handle is null or s.expires_at <= $1 or t.expires_at <= $1 or ( \
                     t.lineage <> s.current_lineage and coalesce(t.parent_lineage, '') <> s.current_lineage and ( \
                         coalesce(s.rotated_at, 0) <= $2 or ( \
                             t.lineage <> coalesce(s.previous_lineage, '-') \
                             and coalesce(t.parent_lineage, '') <> coalesce(s.previous_lineage, '-')))))) \
             order by t.created_at limit $4"
        ))
        .bind(now.millis())
        .bind(now.before(grace).millis())
        .bind(announced_before.millis())
        .bind(BATCH)
        .fetch_all(self.database.read())
        .await?;
        Ok(rows.into_iter().map(Row::read).collect())
    }

    /// Marks a token as cancelled, so that it cannot be confirmed. False if it has been confirmed.
    pub async fn block_unconfirmed(&self, id: &DocumentId, now: Timestamp) -> Result<bool, sqlx::Error> {
        let done = sqlx::query("update fauna_token set buried_at = $1 where id = $2 and sealed_secret is null")
            .bind(now.millis())
            .bind(id.as_str().to_owned())
            .execute(self.database.write())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Deletes rows whose tokens were deleted in Fauna.
    pub async fn delete_rows(&self, ids: &[DocumentId]) -> Result<(), sqlx::Error> {
        // In one order, so that two transactions cannot deadlock.
        let mut ids: Vec<&DocumentId> = ids.iter().collect();
        ids.sort_unstable_by_key(|id| id.as_str());
        self.database.repeat(|attempt| self.delete_in_order(attempt, &ids)).await
    }

    async fn delete_in_order(&self, attempt: Attempt, ids: &[&DocumentId]) -> Result<(), sqlx::Error> {
        let delete = |ids: &[&DocumentId]| {
            let statement = format!("delete from fauna_token where id in ({})", placeholders(1, ids.len()));
            ids.iter().fold(sqlx::query(AssertSqlSafe(statement)), |query, id| query.bind(id.as_str().to_owned()))
        };
        if ids.len() <= SHARED_MAX {
            delete(ids).execute(self.database.write()).await?;
            return Ok(());
        }
        let mut transaction = attempt.begin().await?;
        for ids in ids.chunks(SHARED_MAX) {
            delete(ids).execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }

    /// Whether a token is in the ledger.
    pub async fn contains(&self, id: &DocumentId) -> Result<bool, sqlx::Error> {
        let row: Option<(i64,)> = sqlx::query_as("select created_at from fauna_token where id = $1")
            .bind(id.as_str().to_owned())
            .fetch_optional(self.database.read())
            .await?;
        Ok(row.is_some())
    }
}

/// The tokens of these sessions, each with its session; in the order of the handles.
async fn of_sessions(
    database: Database,
    handles: Vec<SessionHandle>,
) -> Result<Vec<Vec<(Token, Option<Session>)>>, sqlx::Error> {
    let wanted = placeholders(1, handles.len());
    let statement = format!(concat!(rows!(), " where t.session_handle in ({})"), wanted);
    let query = handles
        .iter()
        .fold(sqlx::query_as(AssertSqlSafe(statement)), |query, handle| query.bind(handle.as_str().to_owned()));
    let rows: Vec<Row> = query.fetch_all(database.read()).await?;
    let tokens: Vec<_> = rows.into_iter().map(Row::read).collect();
    let of =
        |handle: &SessionHandle| tokens.iter().filter(|(token, _)| token.handle == handle.as_str()).cloned().collect();
    Ok(handles.iter().map(of).collect())
}

#[cfg(test)]
mod tests;
