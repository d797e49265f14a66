//! Statements that can be run more than once, and how they are run.

use futures_util::TryStreamExt as _;
use sqlx::any::{AnyArguments, AnyQueryResult, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Either, Execute, Executor as _, Row as _, SqlStr};

use crate::database::dialect::Plan;

/// Rows that one statement of [`delete_selected`] deletes.
const KEYS_AT_ONCE: usize = 100;

pub type Outcome = Either<AnyQueryResult, AnyRow>;

/// A statement with its arguments, which can be run more than once.
pub struct Statement {
    pub sql: SqlStr,
    pub arguments: Option<AnyArguments>,
    persistent: bool,
}

impl Statement {
    pub fn take<'q>(mut query: impl Execute<'q, Any>) -> Result<Self, sqlx::Error> {
        let arguments = query.take_arguments().map_err(sqlx::Error::Encode)?;
        let persistent = query.persistent();
        Ok(Self { sql: query.sql(), arguments, persistent })
    }

    /// The same in other words, with the arguments in the order of their placeholders.
    pub fn with(&self, plan: &Plan) -> Result<Self, sqlx::Error> {
        let mut arguments = AnyArguments::default();
        if let Some(given) = &self.arguments {
            for &number in &plan.arguments {
                let missing =
                    || sqlx::Error::Protocol(format!("statement has no argument ${}", number.saturating_add(1)));
                arguments.values.0.push(given.values.0.get(number).ok_or_else(missing)?.clone());
            }
        }
        let sql = sqlx::SqlSafeStr::into_sql_str(AssertSqlSafe(plan.text.clone()));
        Ok(Self { sql, arguments: Some(arguments), persistent: self.persistent })
    }
}

/// Runs a statement as it is and collects what it returns; all queries of stores are bounded.
pub async fn fetch(connection: &mut AnyConnection, statement: &Statement) -> Result<Vec<Outcome>, sqlx::Error> {
    let Some(given) = &statement.arguments else {
        return connection.fetch_many(sqlx::raw_sql(statement.sql.clone())).try_collect().await;
    };
    let mut arguments = AnyArguments::default();
    arguments.values.0.clone_from(&given.values.0);
    let query: Query<'_, Any, AnyArguments> = sqlx::query_with(statement.sql.clone(), arguments);
    connection.fetch_many(query.persistent(statement.persistent)).try_collect().await
}

/// Selects, locks and deletes; returns the rows as `delete … returning` would.
pub async fn delete_selected(
    connection: &mut AnyConnection,
    select: &Statement,
    by_key: &str,
) -> Result<Vec<Outcome>, sqlx::Error> {
    let mut done = fetch(connection, select).await?;
    let keys: Result<Vec<String>, _> =
        done.iter().filter_map(|row| row.as_ref().right()).map(|row| row.try_get(0)).collect();
    for some in keys?.chunks(KEYS_AT_ONCE) {
        let list = vec!["?"; some.len()].join(", ");
        let delete = sqlx::query(AssertSqlSafe(format!("{by_key}({list})"))).persistent(false);
        some.iter().fold(delete, Query::bind).execute(&mut *connection).await?;
    }
    done.retain(Either::is_right);
    Ok(done)
}
