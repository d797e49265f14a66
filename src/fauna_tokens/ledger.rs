//! The ledger: the SQL table of every Fauna token that exists or may exist.

use std::time::Duration;

use fauna_client::DocumentId;
use sqlx::AnyConnection;

use crate::clock::Timestamp;
use crate::database::Database;
use crate::fauna_tokens::lifetime::{Session, Token};
use crate::session::{Lineage, SessionHandle, TokenRequest, UserId};

/// How many rows one look at the ledger brings at most.
pub const BATCH: i64 = 200;

/// Tokens, each with its session where there is one, as [`Row`] reads them.
macro_rules! rows {
    () => {
        "select t.id, t.session_handle, t.user_id, t.lineage, t.parent_lineage, t.sealed_secret, t.created_at, \
         t.expires_at as token_ends, s.current_lineage, s.previous_lineage, s.rotated_at, s.expires_at as session_ends \
         from fauna_token t left join session s on s.handle = t.session_handle"
    };
}

/// Access to the table.
#[derive(Clone)]
pub struct Ledger {
    /// Where it is.
    database: Database,
}

/// A row with its session's, where there is one.
#[derive(sqlx::FromRow)]
struct Row {
    /// `fauna_token.id`.
    id: String,
    /// `fauna_token.session_handle`.
    session_handle: String,
    /// `fauna_token.user_id`.
    user_id: String,
    /// `fauna_token.lineage`.
    lineage: String,
    /// `fauna_token.parent_lineage`.
    parent_lineage: Option<String>,
    /// `fauna_token.sealed_secret`.
    sealed_secret: Option<String>,
    /// `fauna_token.created_at`.
    created_at: i64,
    /// `fauna_token.expires_at`.
    token_ends: i64,
    /// `session.current_lineage`.
    current_lineage: Option<String>,
    /// `session.previous_lineage`.
    previous_lineage: Option<String>,
    /// `session.rotated_at`.
    rotated_at: Option<i64>,
    /// `session.expires_at`.
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
            created_at: Timestamp::from_millis(self.created_at),
            expires_at: Timestamp::from_millis(self.token_ends),
        };
        (token, session)
    }
}

/// A live session and the token of one of its lineages, as they are stored.
#[derive(sqlx::FromRow)]
struct Found {
    /// `fauna_token.id`.
    id: Option<String>,
    /// `fauna_token.sealed_secret`.
    sealed_secret: Option<String>,
    /// `session.current_lineage`.
    current_lineage: String,
    /// `session.previous_lineage`.
    previous_lineage: Option<String>,
    /// `session.rotated_at`.
    rotated_at: Option<i64>,
    /// `session.expires_at`.
    session_ends: i64,
}

/// A token's id and its sealed secret.
pub type Sealed = (DocumentId, String);

impl Ledger {
    /// The ledger in that database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Before a token is made: writes down that it may exist from now on.
    pub async fn announce(
        &self,
        id: &DocumentId,
        request: &TokenRequest,
        now: Timestamp,
        end: Timestamp,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "insert into fauna_token (id, session_handle, user_id, lineage, parent_lineage, created_at, expires_at) \
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(id.as_str().to_owned())
        .bind(request.handle.as_str().to_owned())
        .bind(request.user.as_str().to_owned())
        .bind(request.lineage.as_str().to_owned())
        .bind(request.parent.as_ref().map(|parent| parent.as_str().to_owned()))
        .bind(now.millis())
        .bind(end.millis())
        .execute(self.database.write())
        .await?;
        Ok(())
    }

    /// In the session's transaction: the token is confirmed. Refused where somebody has begun to bury it.
    pub async fn confirm(&self, tx: &mut AnyConnection, id: &DocumentId, sealed: &str) -> Result<(), sqlx::Error> {
        let done = sqlx::query("update fauna_token set sealed_secret = $1 where id = $2 and buried_at is null")
            .bind(sealed.to_owned())
            .bind(id.as_str().to_owned())
            .execute(tx)
            .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
    }

    /// In the transaction that ends all sessions of a user, but one where one is to be kept: no token that was announced until
    /// now can be confirmed any more. Whoever mints later is asked in Fauna what still holds.
    pub async fn abandon(
        &self,
        tx: &mut AnyConnection,
        user: &UserId,
        but: Option<&SessionHandle>,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "update fauna_token set buried_at = $1 \
             where user_id = $2 and sealed_secret is null and buried_at is null and session_handle <> $3",
        )
        .bind(now.millis())
        .bind(user.as_str().to_owned())
        .bind(but.map_or("", SessionHandle::as_str).to_owned())
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Confirms a token that was made for a session in the middle of its life; false where that is over.
    pub async fn confirm_again(&self, id: &DocumentId, sealed: &str, now: Timestamp) -> Result<bool, sqlx::Error> {
        let done = sqlx::query(
            "update fauna_token set sealed_secret = $1 where id = $2 and buried_at is null and exists \
             (select 1 from session s where s.handle = fauna_token.session_handle and s.expires_at > $3)",
        )
        .bind(sealed.to_owned())
        .bind(id.as_str().to_owned())
        .bind(now.millis())
        .execute(self.database.write())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// A session that is not over, and the confirmed token of one of its lineages, where there is one.
    pub async fn find(
        &self,
        handle: &SessionHandle,
        lineage: &Lineage,
        now: Timestamp,
    ) -> Result<Option<(Session, Option<Sealed>)>, sqlx::Error> {
        let row: Option<Found> = sqlx::query_as(
            "select t.id, t.sealed_secret, s.current_lineage, s.previous_lineage, s.rotated_at, \
             s.expires_at as session_ends from session s \
             left join fauna_token t on t.session_handle = s.handle and t.lineage = $2 and t.sealed_secret is not null \
             where s.handle = $1 and s.expires_at > $3 order by t.created_at desc limit 1",
        )
        .bind(handle.as_str().to_owned())
        .bind(lineage.as_str().to_owned())
        .bind(now.millis())
        .fetch_optional(self.database.read())
        .await?;
        Ok(row.map(|row| {
            let session = Session {
                current: row.current_lineage,
                previous: row.previous_lineage.zip(row.rotated_at.map(Timestamp::from_millis)),
                expires_at: Timestamp::from_millis(row.session_ends),
            };
            (session, row.id.map(DocumentId::stored).zip(row.sealed_secret))
        }))
    }

    /// Rows of one session, with it.
    pub async fn of_session(&self, handle: &SessionHandle) -> Result<Vec<(Token, Option<Session>)>, sqlx::Error> {
        let rows: Vec<Row> = sqlx::query_as(concat!(rows!(), " where t.session_handle = $1"))
            .bind(handle.as_str().to_owned())
            .fetch_all(self.database.read())
            .await?;
        Ok(rows.into_iter().map(Row::read).collect())
    }

    /// The oldest rows about which something is to be done: those that [`super::lifetime::is_live`] refuses, as far as SQL
    /// can say it, and those that were not confirmed before `announced_before`.
    pub async fn suspects(
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

    /// From now on the token cannot be confirmed any more; false where it has been.
    pub async fn give_up(&self, id: &DocumentId, now: Timestamp) -> Result<bool, sqlx::Error> {
        let done = sqlx::query("update fauna_token set buried_at = $1 where id = $2 and sealed_secret is null")
            .bind(now.millis())
            .bind(id.as_str().to_owned())
            .execute(self.database.write())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// After tokens were deleted in Fauna.
    pub async fn delete_row(&self, ids: &[DocumentId]) -> Result<(), sqlx::Error> {
        // One order for all, so that two transactions never wait for each other.
        let mut ids: Vec<&DocumentId> = ids.iter().collect();
        ids.sort_unstable_by_key(|id| id.as_str());
        let mut transaction = self.database.begin().await?;
        for id in ids {
            sqlx::query("delete from fauna_token where id = $1")
                .bind(id.as_str().to_owned())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await
    }

    /// Whether a token is in the ledger.
    pub async fn knows(&self, id: &DocumentId) -> Result<bool, sqlx::Error> {
        let row: Option<(i64,)> = sqlx::query_as("select created_at from fauna_token where id = $1")
            .bind(id.as_str().to_owned())
            .fetch_optional(self.database.read())
            .await?;
        Ok(row.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fauna_tokens::lifetime;
    use crate::fauna_tokens::lifetime::Fate;

    const GRACE: Duration = Duration::from_secs(30);
    const PATIENCE: Duration = Duration::from_secs(10);
    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    async fn add_session(database: &Database, handle: &str, current: &str, previous: Option<(&str, i64)>, ends: i64) {
        sqlx::query(
            "insert into session (handle, user_id, current_lineage, previous_lineage, rotated_at, created_at, \
             refreshed_at, expires_at, ends_at, payload, data) values ($1, '1', $2, $3, $4, 0, 0, $5, $5, '{}', '{}')",
        )
        .bind(handle.to_owned())
        .bind(current.to_owned())
        .bind(previous.map(|(lineage, _)| lineage.to_owned()))
        .bind(previous.map(|(_, rotated_at)| rotated_at))
        .bind(ends)
        .execute(database.write())
        .await
        .unwrap();
    }

    async fn add_token(
        database: &Database,
        id: &str,
        handle: &str,
        line: (&str, Option<&str>),
        minted: (bool, i64, i64),
    ) {
        sqlx::query(
            "insert into fauna_token (id, session_handle, user_id, lineage, parent_lineage, sealed_secret, created_at, \
             expires_at) values ($1, $2, '1', $3, $4, $5, $6, $7)",
        )
        .bind(id.to_owned())
        .bind(handle.to_owned())
        .bind(line.0.to_owned())
        .bind(line.1.map(str::to_owned))
        .bind(minted.0.then(|| "sealed".to_owned()))
        .bind(minted.1)
        .bind(minted.2)
        .execute(database.write())
        .await
        .unwrap();
    }

    async fn open(directory: &tempfile::TempDir) -> (Database, Ledger) {
        let url = format!("sqlite://{}", directory.path().join("ledger.sqlite").display());
        let database = Database::open(&url).await.unwrap();
        (database.clone(), Ledger::new(database))
    }

    #[tokio::test]
    async fn what_is_abandoned_cannot_be_confirmed() {
        let directory = tempfile::tempdir().unwrap();
        let (database, ledger) = open(&directory).await;
        for (id, handle, is_confirmed) in [("1", "new", false), ("2", "own", false), ("3", "old", true)] {
            add_token(&database, id, handle, ("a", None), (is_confirmed, 0, 2_000_000)).await;
        }
        let id = |id: &str| DocumentId::stored(id.to_owned());
        let own = SessionHandle::parse("own").unwrap();
        let mut transaction = database.begin().await.unwrap();
        ledger.abandon(&mut transaction, &UserId::parse("2").unwrap(), None, NOW).await.unwrap();
        ledger.abandon(&mut transaction, &UserId::parse("1").unwrap(), Some(&own), NOW).await.unwrap();
        let refused = ledger.confirm(&mut transaction, &id("1"), "sealed").await;
        assert!(matches!(refused, Err(sqlx::Error::RowNotFound)));
        for spared in ["2", "3"] {
            ledger.confirm(&mut transaction, &id(spared), "sealed").await.unwrap();
        }
    }

    /// What SQL suspects is exactly what the pure rule condemns, over every combination of rows that differs.
    #[tokio::test]
    async fn the_statement_and_the_rule_agree() {
        let directory = tempfile::tempdir().unwrap();
        let (database, ledger) = open(&directory).await;
        let mut seen = (0, 0);
        for (current, previous, ends) in [
            ("", None, 0),
            ("a", None, 2_000_000),
            ("a", None, 1_000_000),
            ("b", Some(("a", 970_001)), 2_000_000),
            ("b", Some(("a", 970_000)), 2_000_000),
            ("b", Some(("a", 999_999)), 999_999),
        ] {
            let handle = format!("{current}{previous:?}{ends}");
            if !current.is_empty() {
                add_session(&database, &handle, current, previous, ends).await;
            }
            for lineage in ["a", "b", "c"] {
                for parent in [None, Some("a"), Some("b"), Some("z")] {
                    for minted in [
                        (true, 0, 1_000_001),
                        (true, 0, 1_000_000),
                        (false, 990_000, 2_000_000),
                        (false, 990_001, 1_000_000),
                    ] {
                        seen.0 += 1;
                        add_token(&database, &seen.0.to_string(), &handle, (lineage, parent), minted).await;
                    }
                }
            }
            let suspects = ledger.suspects(NOW, GRACE, NOW.before(PATIENCE)).await.unwrap();
            assert!(suspects.len() < usize::try_from(BATCH).unwrap());
            let suspected: Vec<String> = suspects.iter().map(|(token, _)| token.id.as_str().to_owned()).collect();
            let rows: Vec<Row> = sqlx::query_as(rows!()).fetch_all(database.read()).await.unwrap();
            for (token, session) in rows.into_iter().map(Row::read) {
                let live = lifetime::is_live(token.descent(), session.as_ref(), GRACE, NOW);
                let condemned = lifetime::fate(&token, live, PATIENCE, NOW) != Fate::Keep;
                let id = token.id.as_str().to_owned();
                assert_eq!(suspected.contains(&id), condemned, "{token:?} {session:?}");
                seen.1 += 1;
            }
        }
        assert!(seen.1 > 700);
    }
}
