//! SQL statements of the counters.

use sqlx::Row as _;

use crate::clock::Timestamp;
use crate::database::{Attempt, Connection, Database};
use crate::throttle::escalation::{Count, Decision};
use crate::throttle::{Counter, Error, Role};

/// Limit of counters, not including those of known networks, whose number is bounded by successful sign-ins.
const COUNTERS_MAX: i64 = 100_000;
const CLEAN_BATCH: i64 = 2_000;

#[derive(Clone, Debug)]
pub struct Store {
    database: Database,
}

struct Stored {
    count: Count,
    known_until: i64,
}

impl Store {
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Counts one attempt and returns the counters that it was counted in; `None` after a conflict with a concurrent attempt.
    pub async fn count(&self, counters: &[Counter], now: Timestamp) -> Result<Option<Vec<Counter>>, Error> {
        if counters.is_empty() {
            return Ok(Some(Vec::new()));
        }
        // An attempt that must wait is refused with a read only.
        self.database.repeat(|_| self.check(counters, now)).await?;
        self.database.repeat(|attempt| self.count_in_transaction(attempt, counters, now)).await
    }

    /// Whether the attempt would be admitted; writes nothing.
    async fn check(&self, counters: &[Counter], now: Timestamp) -> Result<(), Error> {
        let mut reader = self.database.read().acquire().await?;
        decide(&mut reader, counters, now).await?;
        Ok(())
    }

    async fn count_in_transaction(
        &self,
        attempt: Attempt,
        counters: &[Counter],
        now: Timestamp,
    ) -> Result<Option<Vec<Counter>>, Error> {
        let mut transaction = attempt.begin().await?;
        let mut counted = Vec::new();
        for (counter, before, after) in decide(&mut transaction, counters, now).await? {
            if !swap(&mut transaction, &counter.key, before, after).await? {
                transaction.rollback().await?;
                return Ok(None);
            }
            counted.push(counter.clone());
        }
        transaction.commit().await?;
        Ok(Some(counted))
    }

    /// Subtracts one attempt from all counters; the pair is cleared and known from now on.
    pub async fn subtract_attempt(&self, counters: &[Counter], known_until: Timestamp) -> Result<(), sqlx::Error> {
        if counters.is_empty() {
            return Ok(());
        }
        self.database.repeat(|attempt| self.give_back_in_transaction(attempt, counters, known_until)).await
    }

    async fn give_back_in_transaction(
        &self,
        attempt: Attempt,
        counters: &[Counter],
        known_until: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let mut transaction = attempt.begin().await?;
        for counter in counters {
            let statement = match counter.role {
                Role::Pair => {
                    sqlx::query("update throttle set count = 0, open_at = 0, known_until = $1 where key = $2")
                        .bind(known_until.millis())
                }
                Role::Account | Role::Other => sqlx::query(
                    "update throttle set open_at = case when count <= $1 then 0 else open_at end, count = count - 1
                     where key = $2 and count > 0",
                )
                .bind(counter.rule.free),
            };
            statement.bind(&counter.key).execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }

    /// Deletes expired counters, and the oldest ones beyond the limit.
    pub async fn clean(&self, now: Timestamp) -> Result<(), sqlx::Error> {
        sqlx::query(
            "delete from throttle where key in
             (select key from throttle where known_until <= $1 and forget_at <= $1 limit $2)",
        )
        .bind(now.millis())
        .bind(CLEAN_BATCH)
        .execute(self.database.write())
        .await?;
        let row = sqlx::query("select count(*) as counters from throttle where known_until <= $1");
        let row = row.bind(now.millis()).fetch_one(self.database.read()).await?;
        let too_many = row.try_get::<i64, _>("counters")?.saturating_sub(COUNTERS_MAX);
        if too_many > 0 {
            sqlx::query(
                "delete from throttle where key in
                 (select key from throttle where known_until <= $1 order by forget_at limit $2)",
            )
            .bind(now.millis())
            .bind(too_many)
            .execute(self.database.write())
            .await?;
        }
        Ok(())
    }
}

/// Old and new state of each counter, if the attempt is admitted. The account's counter is left out if the pair is known.
async fn decide<'a>(
    connection: &mut Connection,
    counters: &'a [Counter],
    now: Timestamp,
) -> Result<Vec<(&'a Counter, Option<Stored>, Count)>, Error> {
    let mut found = Vec::new();
    for counter in counters {
        found.push((counter, find(connection, &counter.key).await?));
    }
    let known = found.iter().any(|(counter, stored)| {
        counter.role == Role::Pair && stored.as_ref().is_some_and(|stored| stored.known_until > now.millis())
    });
    found.retain(|(counter, _)| !(known && counter.role == Role::Account));
    let (mut admitted, mut wait) = (Vec::new(), None);
    for (counter, before) in found {
        match counter.rule.decide(before.as_ref().map(|before| before.count), now) {
            Decision::Admit(after) => admitted.push((counter, before, after)),
            Decision::Wait(longer) => wait = wait.max(Some(longer)),
        }
    }
    wait.map_or(Ok(admitted), |wait| Err(Error::TooMany { wait }))
}

async fn find(connection: &mut Connection, key: &str) -> Result<Option<Stored>, sqlx::Error> {
    let row = sqlx::query("select count, open_at, forget_at, known_until from throttle where key = $1").bind(key);
    let Some(row) = row.fetch_optional(connection).await? else { return Ok(None) };
    let time = |column| row.try_get(column).map(Timestamp::from_millis);
    Ok(Some(Stored {
        count: Count { attempts: row.try_get("count")?, open_at: time("open_at")?, forget_at: time("forget_at")? },
        known_until: row.try_get("known_until")?,
    }))
}

/// Updates a counter by compare-and-swap.
async fn swap(
    connection: &mut Connection,
    key: &str,
    before: Option<Stored>,
    after: Count,
) -> Result<bool, sqlx::Error> {
    let statement = match &before {
        None => sqlx::query(
            "insert into throttle (count, open_at, forget_at, key, known_until) values ($1, $2, $3, $4, 0)
             on conflict (key) do nothing",
        ),
        Some(_) => sqlx::query(
            "update throttle set count = $1, open_at = $2, forget_at = $3
             where key = $4 and count = $5 and open_at = $6 and forget_at = $7",
        ),
    };
    let mut statement =
        statement.bind(after.attempts).bind(after.open_at.millis()).bind(after.forget_at.millis()).bind(key);
    if let Some(Stored { count, .. }) = before {
        statement = statement.bind(count.attempts).bind(count.open_at.millis()).bind(count.forget_at.millis());
    }
    Ok(statement.execute(connection).await?.rows_affected() == 1)
}
