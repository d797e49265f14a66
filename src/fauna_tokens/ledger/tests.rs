use super::*;
use crate::fauna_tokens::lifetime;
use crate::fauna_tokens::lifetime::Action;
use crate::session::UserId;

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

struct TokenRow<'a> {
    id: &'a str,
    handle: &'a str,
    lineage: &'a str,
    parent: Option<&'a str>,
    is_confirmed: bool,
    created_at: i64,
    expires_at: i64,
}

async fn add_token(database: &Database, token: TokenRow<'_>) {
    sqlx::query(
        "insert into fauna_token (id, session_handle, user_id, lineage, parent_lineage, sealed_secret, created_at, \
         expires_at) values ($1, $2, '1', $3, $4, $5, $6, $7)",
    )
    .bind(token.id.to_owned())
    .bind(token.handle.to_owned())
    .bind(token.lineage.to_owned())
    .bind(token.parent.map(str::to_owned))
    .bind(token.is_confirmed.then(|| "sealed".to_owned()))
    .bind(token.created_at)
    .bind(token.expires_at)
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
async fn a_cancelled_token_cannot_be_confirmed() {
    let directory = tempfile::tempdir().unwrap();
    let (database, ledger) = open(&directory).await;
    for (id, handle, is_confirmed) in [("1", "new", false), ("2", "own", false), ("3", "old", true)] {
        let (created_at, expires_at) = (0, 2_000_000);
        let token = TokenRow { id, handle, lineage: "a", parent: None, is_confirmed, created_at, expires_at };
        add_token(&database, token).await;
    }
    let id = |id: &str| DocumentId::stored(id.to_owned());
    let own = SessionHandle::parse("own").unwrap();
    let mut transaction = database.repeat(Attempt::begin).await.unwrap();
    let revoked = |user: &str, but: Option<&SessionHandle>, begun_by| RevokedSessions {
        user: UserId::parse(user).unwrap(),
        but: but.cloned(),
        begun_by: Timestamp::from_millis(begun_by),
    };
    for revoked in [revoked("2", None, 0), revoked("1", Some(&own), 0), revoked("1", None, -1)] {
        ledger.cancel_pending(&mut transaction, &revoked, NOW).await.unwrap();
    }
    let refused = ledger.confirm(&mut transaction, &id("1"), "sealed", "012345").await;
    assert!(matches!(refused, Err(sqlx::Error::RowNotFound)));
    for spared in ["2", "3"] {
        ledger.confirm(&mut transaction, &id(spared), "sealed", "012345").await.unwrap();
    }
}

/// The rows that SQL finds are exactly those that the pure rule deletes or blocks, over every combination of rows that differs.
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
                for (is_confirmed, created_at, expires_at) in [
                    (true, 0, 1_000_001),
                    (true, 0, 1_000_000),
                    (false, 990_000, 2_000_000),
                    (false, 990_001, 1_000_000),
                ] {
                    seen.0 += 1;
                    let (id, handle) = (&*seen.0.to_string(), &*handle);
                    let token = TokenRow { id, handle, lineage, parent, is_confirmed, created_at, expires_at };
                    add_token(&database, token).await;
                }
            }
        }
        let candidates = ledger.deletion_candidates(NOW, GRACE, NOW.before(PATIENCE)).await.unwrap();
        assert!(candidates.len() < usize::try_from(BATCH).unwrap());
        let suspected: Vec<String> = candidates.iter().map(|(token, _)| token.id.as_str().to_owned()).collect();
        let rows: Vec<Row> = sqlx::query_as(rows!()).fetch_all(database.read()).await.unwrap();
        for (token, session) in rows.into_iter().map(Row::read) {
            let live = lifetime::is_live(token.descent(), session.as_ref(), GRACE, NOW);
            let condemned = lifetime::action(&token, live, PATIENCE, NOW) != Action::Keep;
            let id = token.id.as_str().to_owned();
            assert_eq!(suspected.contains(&id), condemned, "{token:?} {session:?}");
            seen.1 += 1;
        }
    }
    assert!(seen.1 > 700);
}
