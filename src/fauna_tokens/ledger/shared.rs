//! The statements that every query of a user and every new token need: requests that come at the same time share them.

use fauna_client::DocumentId;
use sqlx::AssertSqlSafe;

use crate::clock::Timestamp;
use crate::database::{Database, placeholders};
use crate::fauna_tokens::ledger::StoredSecret;
use crate::fauna_tokens::lifetime::Session;
use crate::session::{Lineage, SessionHandle, TokenRequest};

/// What is known about a session, which may have ended, and the confirmed token of one of its lineages.
pub type Found = Option<(Session, Option<StoredSecret>)>;

/// A session and one of its lineages.
#[derive(Clone)]
pub struct Wanted {
    pub handle: SessionHandle,
    pub lineage: Lineage,
}

/// A session with one of its tokens, if it has any of the lineages that were asked for.
#[derive(sqlx::FromRow)]
struct Row {
    handle: String,
    lineage: Option<String>,
    id: Option<String>,
    sealed_secret: Option<String>,
    token_made: Option<i64>,
    current_lineage: String,
    previous_lineage: Option<String>,
    rotated_at: Option<i64>,
    session_ends: i64,
}

impl Row {
    fn session(&self) -> Session {
        Session {
            current: self.current_lineage.clone(),
            previous: self.previous_lineage.clone().zip(self.rotated_at.map(Timestamp::from_millis)),
            expires_at: Timestamp::from_millis(self.session_ends),
        }
    }

    fn secret(&self) -> Option<StoredSecret> {
        Some(StoredSecret {
            id: DocumentId::stored(self.id.clone()?),
            sealed: self.sealed_secret.clone()?,
            created_at: Timestamp::from_millis(self.token_made?),
        })
    }
}

/// For each of `wanted`, in their order.
pub async fn find(database: Database, wanted: Vec<Wanted>) -> Result<Vec<Found>, sqlx::Error> {
    let count = wanted.len();
    let statement = format!(
        "select s.handle, t.lineage, t.id, t.sealed_secret, t.created_at as token_made, s.current_lineage, \
         s.previous_lineage, s.rotated_at, s.expires_at as session_ends from session s \
         left join fauna_token t on t.session_handle = s.handle and t.lineage in ({}) and t.sealed_secret is not null \
         where s.handle in ({}) order by t.created_at desc",
        placeholders(1, count),
        placeholders(1 + count, count),
    );
    let lineages = wanted.iter().map(|wanted| wanted.lineage.as_str().to_owned());
    let handles = wanted.iter().map(|wanted| wanted.handle.as_str().to_owned());
    let mut query = sqlx::query_as(AssertSqlSafe(statement));
    for text in lineages.chain(handles) {
        query = query.bind(text);
    }
    let rows: Vec<Row> = query.fetch_all(database.read()).await?;
    let found = |wanted: Wanted| {
        let mut of_session = rows.iter().filter(|row| row.handle == wanted.handle.as_str()).peekable();
        let session = of_session.peek()?.session();
        let newest = of_session.find(|row| row.lineage.as_deref() == Some(wanted.lineage.as_str()));
        Some((session, newest.and_then(Row::secret)))
    };
    Ok(wanted.into_iter().map(found).collect())
}

/// A token that is about to be created.
#[derive(Clone)]
pub struct Announcement {
    pub id: DocumentId,
    pub request: TokenRequest,
    pub now: Timestamp,
    /// When Fauna lets it end.
    pub end: Timestamp,
}

/// Writes down that these tokens may exist from now on.
pub async fn announce(database: Database, tokens: Vec<Announcement>) -> Result<Vec<()>, sqlx::Error> {
    const COLUMNS: usize = 7;
    let rows: Vec<String> =
        (0..tokens.len()).map(|row| format!("({})", placeholders(1 + row * COLUMNS, COLUMNS))).collect();
    let statement = format!(
        "insert into fauna_token (id, session_handle, user_id, lineage, parent_lineage, created_at, expires_at) values {}",
        rows.join(", ")
    );
    let mut query = sqlx::query(AssertSqlSafe(statement));
    for Announcement { id, request, now, end } in &tokens {
        query = query
            .bind(id.as_str().to_owned())
            .bind(request.handle.as_str().to_owned())
            .bind(request.user.as_str().to_owned())
            .bind(request.lineage.as_str().to_owned())
            .bind(request.parent.as_ref().map(|parent| parent.as_str().to_owned()))
            .bind(now.millis())
            .bind(end.millis());
    }
    query.execute(database.write()).await?;
    Ok(vec![(); tokens.len()])
}
