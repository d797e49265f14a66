//! Pools, connections and transactions that run portable statements, so that stores need not know on which database.

use std::ops::{Deref, DerefMut};

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryFutureExt as _, TryStreamExt as _, future, stream};
use sqlx::any::{AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Connection as _, Describe, Either, Execute, Executor, SqlStr};

use crate::database::dialect::{Dialect, Run};
#[cfg(test)]
use crate::database::faults::{self, Point};
use crate::database::local_pool::{LocalPool, PooledConnection};
use crate::database::retry::repeat;
use crate::database::statement::{Outcome, Statement, delete_selected, fetch};

/// Connections to the database. Single statements that meet another transaction are repeated.
#[derive(Clone, Debug)]
pub struct Pool {
    connections: Connections,
    dialect: &'static dyn Dialect,
}

/// Connections to a server, which may be lost, or to a file in this process.
#[derive(Clone, Debug)]
pub enum Connections {
    Pooled(AnyPool),
    Local(LocalPool),
}

/// One connection, in a transaction or not.
#[derive(Debug)]
pub struct Connection {
    held: Held,
    dialect: &'static dyn Dialect,
}

#[derive(Debug)]
enum Held {
    Pooled(PoolConnection<Any>),
    InTransaction(sqlx::Transaction<'static, Any>),
    /// In a transaction or not.
    Local(PooledConnection),
}

/// A transaction; rolled back when it is dropped.
#[derive(Debug)]
pub struct Transaction(Connection);

impl Pool {
    pub(super) fn new(connections: Connections, dialect: &'static dyn Dialect) -> Self {
        Self { connections, dialect }
    }

    /// A connection for several statements that need no transaction.
    ///
    /// # Errors
    /// The database does not answer, or no connection is free in time.
    pub async fn acquire(&self) -> Result<Connection, sqlx::Error> {
        let held = match &self.connections {
            Connections::Pooled(pool) => Held::Pooled(pool.acquire().await?),
            Connections::Local(pool) => Held::Local(pool.acquire().await?),
        };
        Ok(Connection { held, dialect: self.dialect })
    }

    pub(super) async fn begin(&self) -> Result<Transaction, sqlx::Error> {
        #[cfg(test)]
        faults::pass(Point::Before, true).await?;
        let held = match &self.connections {
            Connections::Pooled(pool) => Held::InTransaction(pool.begin_with(self.dialect.begin()).await?),
            Connections::Local(pool) => {
                let mut connection = pool.acquire().await?;
                connection.begin(self.dialect.begin()).await?;
                Held::Local(connection)
            }
        };
        Ok(Transaction(Connection { held, dialect: self.dialect }))
    }

    pub(super) fn size(&self) -> u32 {
        match &self.connections {
            Connections::Pooled(pool) => pool.size(),
            Connections::Local(pool) => pool.size(),
        }
    }

    pub(super) fn num_idle(&self) -> usize {
        match &self.connections {
            Connections::Pooled(pool) => pool.num_idle(),
            Connections::Local(pool) => pool.num_idle(),
        }
    }

    /// Whether statements go to the database as they are, without being repeated.
    fn is_direct(&self) -> bool {
        #[cfg(test)]
        if faults::is_simulated() {
            return false;
        }
        !self.dialect.has_conflicts()
    }

    async fn run(&self, statement: Statement) -> Result<Vec<Outcome>, sqlx::Error> {
        let statement = &statement;
        repeat(self.dialect, || async move { self.acquire().await?.run(statement).await }).await
    }
}

impl Transaction {
    /// # Errors
    /// The database does not answer, or refuses the transaction because of another one; it is rolled back then.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        #[cfg(test)]
        faults::pass(Point::Before, false).await?;
        match self.0.held {
            Held::InTransaction(transaction) => transaction.commit().await?,
            Held::Local(connection) => connection.commit().await?,
            Held::Pooled(_) => {}
        }
        #[cfg(test)]
        faults::pass(Point::After, true).await?;
        Ok(())
    }

    /// # Errors
    /// The database does not answer.
    pub async fn rollback(self) -> Result<(), sqlx::Error> {
        match self.0.held {
            Held::InTransaction(transaction) => transaction.rollback().await,
            Held::Local(connection) => connection.rollback().await,
            Held::Pooled(_) => Ok(()),
        }
    }
}

impl Deref for Transaction {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}

impl Connection {
    /// Whether statements go to the database as they are.
    fn is_direct(&self) -> bool {
        #[cfg(test)]
        if faults::is_simulated() {
            return false;
        }
        !self.dialect.translates()
    }

    fn sqlx(&mut self) -> &mut AnyConnection {
        match &mut self.held {
            Held::Pooled(connection) => connection,
            Held::InTransaction(transaction) => transaction,
            Held::Local(connection) => connection.sqlx(),
        }
    }

    fn begin_statement(&mut self) {
        if let Held::Local(connection) = &mut self.held {
            connection.begin_statement();
        }
    }

    fn completed(&mut self) {
        if let Held::Local(connection) = &mut self.held {
            connection.completed();
        }
    }

    async fn fetch_directly<'q>(&mut self, query: impl Execute<'q, Any> + 'q) -> Result<Vec<Outcome>, sqlx::Error> {
        self.begin_statement();
        let outcomes = self.sqlx().fetch_many(query).try_collect().await?;
        self.completed();
        Ok(outcomes)
    }

    async fn fetch_first_directly<'q>(
        &mut self,
        query: impl Execute<'q, Any> + 'q,
    ) -> Result<Option<AnyRow>, sqlx::Error> {
        self.begin_statement();
        let row = self.sqlx().fetch_optional(query).await?;
        self.completed();
        Ok(row)
    }

    #[cfg(test)]
    fn is_in_transaction(&self) -> bool {
        match &self.held {
            Held::Pooled(_) => false,
            Held::InTransaction(_) => true,
            Held::Local(connection) => connection.is_in_transaction(),
        }
    }

    #[cfg(test)]
    async fn run(&mut self, statement: &Statement) -> Result<Vec<Outcome>, sqlx::Error> {
        let alone = !self.is_in_transaction();
        faults::pass(Point::Before, alone).await?;
        let done = self.translate_and_run(statement).await?;
        faults::pass(Point::After, alone).await?;
        Ok(done)
    }

    #[cfg(not(test))]
    async fn run(&mut self, statement: &Statement) -> Result<Vec<Outcome>, sqlx::Error> {
        self.translate_and_run(statement).await
    }

    async fn translate_and_run(&mut self, statement: &Statement) -> Result<Vec<Outcome>, sqlx::Error> {
        self.begin_statement();
        let done = self.translate_and_fetch(statement).await?;
        self.completed();
        Ok(done)
    }

    async fn translate_and_fetch(&mut self, statement: &Statement) -> Result<Vec<Outcome>, sqlx::Error> {
        let plan = match &statement.arguments {
            Some(_) => self.dialect.plan(statement.sql.as_str()),
            // Without arguments it may be several statements in the words of this database.
            None => None,
        };
        let Some(plan) = plan else { return fetch(self.sqlx(), statement).await };
        let plan = plan.map_err(|error| sqlx::Error::Protocol(error.to_string()))?;
        let planned = statement.with(&plan)?;
        match plan.run {
            Run::Once => fetch(self.sqlx(), &planned).await,
            Run::InsertUnlessExists => match fetch(self.sqlx(), &planned).await {
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                    Ok(vec![Either::Left(AnyQueryResult::default())])
                }
                done => done,
            },
            Run::DeleteSelected { by_key } if self.sqlx().is_in_transaction() => {
                delete_selected(self.sqlx(), &planned, &by_key).await
            }
            Run::DeleteSelected { by_key } => {
                let mut transaction = self.sqlx().begin().await?;
                let done = delete_selected(&mut transaction, &planned, &by_key).await?;
                transaction.commit().await?;
                Ok(done)
            }
        }
    }
}

impl<'p> Executor<'p> for &Pool {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Outcome, sqlx::Error>>
    where
        E: 'q + Execute<'q, Any>,
    {
        let pool = self.clone();
        if self.is_direct() {
            return stream_of(async move { pool.acquire().await?.fetch_directly(query).await });
        }
        let statement = Statement::take(query);
        stream_of(async move { pool.run(statement?).await })
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<AnyRow>, sqlx::Error>>
    where
        E: 'q + Execute<'q, Any>,
    {
        let pool = self.clone();
        if self.is_direct() {
            return Box::pin(async move { pool.acquire().await?.fetch_first_directly(query).await });
        }
        let statement = Statement::take(query);
        Box::pin(async move { Ok(first_row(pool.run(statement?).await?)) })
    }

    fn prepare_with<'e>(self, sql: SqlStr, _: &'e [AnyTypeInfo]) -> BoxFuture<'e, Result<AnyStatement, sqlx::Error>>
    where
        'p: 'e,
    {
        Box::pin(future::err(cannot_prepare(&sql)))
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Any>, sqlx::Error>>
    where
        'p: 'e,
    {
        Box::pin(future::err(cannot_prepare(&sql)))
    }
}

impl<'c> Executor<'c> for &'c mut Connection {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Outcome, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        if self.is_direct() {
            return stream_of(self.fetch_directly(query));
        }
        let statement = Statement::take(query);
        stream_of(async move { self.run(&statement?).await })
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<AnyRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        if self.is_direct() {
            return Box::pin(self.fetch_first_directly(query));
        }
        let statement = Statement::take(query);
        Box::pin(async move { Ok(first_row(self.run(&statement?).await?)) })
    }

    fn prepare_with<'e>(self, sql: SqlStr, _: &'e [AnyTypeInfo]) -> BoxFuture<'e, Result<AnyStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        Box::pin(future::err(cannot_prepare(&sql)))
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Any>, sqlx::Error>>
    where
        'c: 'e,
    {
        Box::pin(future::err(cannot_prepare(&sql)))
    }
}

/// Outcomes that are collected before the first is handed out; all queries of stores are bounded.
fn stream_of<'e>(
    outcomes: impl Future<Output = Result<Vec<Outcome>, sqlx::Error>> + Send + 'e,
) -> BoxStream<'e, Result<Outcome, sqlx::Error>> {
    outcomes.map_ok(|outcomes| stream::iter(outcomes.into_iter().map(Ok))).try_flatten_stream().boxed()
}

fn first_row(outcomes: Vec<Outcome>) -> Option<AnyRow> {
    outcomes.into_iter().find_map(Either::right)
}

/// Statements are prepared by running them.
fn cannot_prepare(sql: &SqlStr) -> sqlx::Error {
    sqlx::Error::Protocol(format!("statements are not prepared apart: {}", sql.as_str()))
}
