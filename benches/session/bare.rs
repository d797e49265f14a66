//! The statements of a refresh and nothing else.

use starter::database::{Attempt, Database};

/// A session that is only a row.
pub struct BareSession {
    turn: i64,
}

const HANDLE: &str = "00000000-0000-4000-8000-000000000000";

impl BareSession {
    pub async fn make(database: &Database) -> Self {
        let insert = "insert into session (handle, user_id, current_lineage, created_at, refreshed_at, expires_at, ends_at, payload, data)
                      values ($1, 'bare', '0', 0, 0, 9000000000000, 9000000000000, '{}', '{}')";
        sqlx::query(insert).bind(HANDLE).execute(database.write()).await.unwrap();
        Self { turn: 0 }
    }

    /// Reads the session, and promotes the token that was presented, in a transaction.
    pub async fn refresh(&mut self, database: &Database) {
        let row = sqlx::query("select * from session where handle = $1").bind(HANDLE);
        assert!(row.fetch_optional(database.read()).await.unwrap().is_some());
        let mut transaction = database.repeat(Attempt::begin).await.unwrap();
        let (now, next) = (1_800_000_000_000 + self.turn, (self.turn + 1).to_string());
        let done = sqlx::query(
            "update session set previous_lineage = current_lineage, current_lineage = $1, rotated_at = $2, refreshed_at = $2,
             expires_at = case when ends_at < $3 then ends_at else $3 end where handle = $4 and current_lineage = $5",
        );
        let done = done.bind(next).bind(now).bind(now + 2_592_000_000).bind(HANDLE).bind(self.turn.to_string());
        assert_eq!(done.execute(&mut *transaction).await.unwrap().rows_affected(), 1);
        transaction.commit().await.unwrap();
        self.turn += 1;
    }
}
