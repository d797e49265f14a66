//! SQL statements of the outbox.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::clock::Timestamp;
use crate::database::Database;

#[derive(Clone, Debug)]
pub struct Store {
    database: Database,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub id: String,
    pub kind: String,
    pub sealed: String,
    pub created_at: Timestamp,
    pub attempts: i64,
    pub due_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Store {
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Inserts a mail, to be sent or to be `kept` for `/dev/mailbox`.
    pub async fn insert(&self, row: &Row, kept: bool) -> Result<(), sqlx::Error> {
        let statement = "insert into mail (id, kind, sealed, created_at, attempts, due_at, expires_at, kept)
             values ($1, $2, $3, $4, $5, $6, $7, $8)";
        sqlx::query(statement)
            .bind(&row.id)
            .bind(&row.kind)
            .bind(&row.sealed)
            .bind(row.created_at.millis())
            .bind(row.attempts)
            .bind(row.due_at.millis())
            .bind(row.expires_at.millis())
            .bind(i64::from(kept))
            .execute(self.database.write())
            .await?;
        Ok(())
    }

    /// Mails that are due.
    pub async fn due(&self, now: Timestamp, limit: i64) -> Result<Vec<Row>, sqlx::Error> {
        let rows = sqlx::query(
            "select * from mail where kept = 0 and due_at <= $1 and expires_at > $1 order by due_at, id limit $2",
        );
        let rows = rows.bind(now.millis()).bind(limit).fetch_all(self.database.read()).await?;
        rows.iter().map(row).collect()
    }

    /// Number of mails that wait to be sent.
    pub async fn count_waiting(&self, now: Timestamp) -> Result<i64, sqlx::Error> {
        let count = sqlx::query_scalar("select count(*) from mail where kept = 0 and expires_at > $1");
        count.bind(now.millis()).fetch_one(self.database.read()).await
    }

    /// Unsent mails for `/dev/mailbox`, newest first.
    pub async fn kept(&self, now: Timestamp, limit: i64) -> Result<Vec<Row>, sqlx::Error> {
        let rows = sqlx::query(
            "select * from mail where kept = 1 and expires_at > $1 order by created_at desc, id desc limit $2",
        );
        let rows = rows.bind(now.millis()).bind(limit).fetch_all(self.database.read()).await?;
        rows.iter().map(row).collect()
    }

    /// Counts one more attempt and moves the next one to `until`. False if another process took the mail first.
    pub async fn claim(&self, mail: &Row, until: Timestamp) -> Result<bool, sqlx::Error> {
        let done = sqlx::query(
            "update mail set attempts = attempts + 1, due_at = $1 where id = $2 and attempts = $3 and due_at = $4",
        )
        .bind(until.millis())
        .bind(&mail.id)
        .bind(mail.attempts)
        .bind(mail.due_at.millis())
        .execute(self.database.write())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    pub async fn postpone(&self, id: &str, until: Timestamp) -> Result<(), sqlx::Error> {
        let statement = sqlx::query("update mail set due_at = $1 where id = $2").bind(until.millis()).bind(id);
        statement.execute(self.database.write()).await?;
        Ok(())
    }

    pub async fn delete(&self, id: &str) -> Result<(), sqlx::Error> {
        sqlx::query("delete from mail where id = $1").bind(id).execute(self.database.write()).await?;
        Ok(())
    }

    /// Whether [`Store::delete_expired`] would find something; a read, so that the writer is only used if needed.
    pub async fn has_expired(&self, now: Timestamp) -> Result<bool, sqlx::Error> {
        let row = sqlx::query("select id from mail where expires_at <= $1 limit 1").bind(now.millis());
        Ok(row.fetch_optional(self.database.read()).await?.is_some())
    }

    /// Deletes expired mails; returns the kinds of those that were never delivered.
    pub async fn delete_expired(&self, now: Timestamp) -> Result<Vec<String>, sqlx::Error> {
        let rows = sqlx::query("delete from mail where expires_at <= $1 returning id, kind, kept");
        let rows = rows.bind(now.millis()).fetch_all(self.database.write()).await?;
        let mut kinds = Vec::new();
        for row in rows {
            if row.try_get::<i64, _>("kept")? == 0 {
                kinds.push(row.try_get("kind")?);
            }
        }
        Ok(kinds)
    }
}

fn row(row: &AnyRow) -> Result<Row, sqlx::Error> {
    let time = |column| row.try_get(column).map(Timestamp::from_millis);
    Ok(Row {
        id: row.try_get("id")?,
        kind: row.try_get("kind")?,
        sealed: row.try_get("sealed")?,
        created_at: time("created_at")?,
        attempts: row.try_get("attempts")?,
        due_at: time("due_at")?,
        expires_at: time("expires_at")?,
    })
}
