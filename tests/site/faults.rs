//! Rows of the fault catalogue that need a whole site and fit no other subject.

use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use serde_json::json;
use sqlx::{AssertSqlSafe, Row as _};

use crate::proxy::{Line, SLOW, behind_a_line};
use crate::support::database;
use crate::world::{PASSWORD, World, credentials};

const DAY: Duration = Duration::from_hours(24);

async fn count(world: &World, what: &str) -> i64 {
    let query = AssertSqlSafe(format!("select count(*) as n from {what}"));
    sqlx::query(query).fetch_one(&mut world.sql().await).await.unwrap().get("n")
}

/// Sessions that ended while Fauna was away left tokens behind. A query that named all of them would be cut off by the line.
/// S-N-15 in `docs/threats.md`.
#[actix_rt::test]
async fn thousands_of_tokens_are_deleted_in_pieces_while_people_go_on() {
    const IN_LEDGER: i64 = 6_000;
    const IN_FAUNA: usize = 300;
    let (fauna, site, line) = behind_a_line(&[]).await;
    let ann = site.sign_up("ann@example.com").await;
    line.set(Line::Down);
    let id = |number: usize| format!("{}", 700_000_000_000_000_000_u64 + u64::try_from(number).unwrap());
    let ids: Vec<String> = (1..=IN_FAUNA).map(id).collect();
    let user = json!({"ref": {"collection": "users"}, "id": ann.payload()["sub"]});
    let data = json!({"instance": user, "data": {"object": {"app": "backend"}}});
    let create = json!({"create": {"ref": {"tokens": null}, "id": {"var": "id"}}, "params": {"object": data}});
    let all = json!({"foreach": {"lambda": "id", "expr": create}, "collection": ids});
    assert_eq!(fauna.fauna().ask(fauna.admin_secret(), &all).await.0, 200);
    let rows = "insert into fauna_token (id, session_handle, user_id, lineage, sealed_secret, created_at, expires_at) \
        with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < 6000) \
        select cast(700000000000000000 + n as text), 'gone', user_id, lineage, sealed_secret, created_at, expires_at \
        from fauna_token, numbers";
    let added = sqlx::query(rows).execute(&mut site.sql().await).await.unwrap().rows_affected();
    assert_eq!(i64::try_from(added), Ok(IN_LEDGER));
    assert!(fauna.count_tokens().await > 300);

    line.set(Line::CutsLarge);
    let mut answered = 0;
    let all_deleted = async || {
        for world in [&fauna, &site] {
            world.clock.advance(Duration::from_secs(1));
        }
        assert_eq!(ann.get("/api/comments").await.status, 200);
        assert_eq!(ann.refresh().await.status, 200, "people wait for the deletion");
        answered += 1;
        count(&site, "fauna_token where session_handle = 'gone'").await == 0
    };
    assert!(site.eventually(Duration::from_secs(60), all_deleted).await, "tokens are left");
    assert!(answered > 1, "nobody asked meanwhile");
    assert!(fauna.count_tokens().await < 100);
    site.sign_in("ann@example.com").await;
}

/// S-N-18 in `docs/threats.md`.
#[actix_rt::test]
async fn sixty_queries_without_an_answer_hold_nobody_else_up() {
    let (_fauna, site, line) = behind_a_line(&[("FAUNA_TIMEOUT_MS", "60000")]).await;
    let bob = site.sign_up("bob@example.com").await;
    let people = ["ann", "cyd", "dan", "eve", "fay", "gus"].map(|name| format!("{name}@example.com"));
    let people = join_all(people.iter().map(|email| site.sign_up(email))).await;
    line.set(Line::HoldsSlow);
    let slow = json!({"text": SLOW});
    let waiting = join_all(people.iter().cycle().take(60).map(|person| person.post("/api/comments", &slow)));
    let others = Box::pin(async {
        for number in 0..3 {
            let comment = bob.post("/api/comments", &json!({"text": format!("A quick one, {number}")})).await;
            assert_eq!(comment.status, 201, "{}", comment.text);
            assert_eq!(bob.refresh().await.status, 200);
            site.sign_in("bob@example.com").await;
            assert_eq!(site.visitor().get("/ready").await.status, 200);
        }
    });
    let Either::Right(((), waiting)) = select(Box::pin(waiting), others).await else {
        panic!("others were answered after the slow queries");
    };
    line.set(Line::Up);
    assert!(waiting.await.iter().all(|answer| answer.status == 201));
}

/// The site runs, and then its server takes no more writes. S-Q-08 in `docs/threats.md`.
#[actix_rt::test]
async fn on_a_read_only_replica_writes_are_503_and_nobody_is_signed_out() {
    let Some(url) = database::on_server().await.filter(|url| url.starts_with("postgres")) else { return };
    let world = World::with(&[("DATABASE_URL", &url)]).await;
    let ann = world.sign_up("ann@example.com").await;
    let name = url.rsplit('/').next().unwrap();
    let admin = sqlx::AnyPool::connect(&url.replace(name, "postgres")).await.unwrap();
    let set_read_only = async |is_read_only: &str| {
        for statement in [
            format!("alter database {name} set default_transaction_read_only = {is_read_only}"),
            format!("select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = '{name}'"),
        ] {
            sqlx::query(AssertSqlSafe(statement)).execute(&admin).await.unwrap();
        }
    };
    set_read_only("on").await;
    for _ in 0..3 {
        let visitor = world.visitor();
        let answers = [
            visitor.post("/auth/signin", &credentials("ann@example.com", PASSWORD)).await,
            ann.refresh().await,
            ann.get("/ready").await,
        ];
        for answer in answers {
            assert_eq!((answer.status, answer.set_cookies()), (503, Vec::new()), "{}", answer.text);
            assert_ne!(answer.header("retry-after"), "", "{}", answer.text);
        }
        assert_eq!(ann.get("/sessioninfo").await.status, 200, "what is only read");
        assert_eq!(ann.get("/health").await.status, 200);
    }
    set_read_only("off").await;
    assert_eq!(ann.refresh().await.status, 200);
    assert_eq!(ann.get("/ready").await.status, 200);
    admin.close().await;
}

/// Whatever is stored is bounded or goes by itself, also in tables that come later. S-T-16 in `docs/threats.md`.
#[actix_rt::test]
async fn after_a_hundred_days_without_anybody_all_tables_are_small() {
    let world = World::with(&[("DEMO", "false")]).await;
    for number in 0..12 {
        let email = format!("user{number}@example.com");
        let user = world.sign_up(&email).await;
        assert_eq!(user.refresh().await.status, 200);
        assert_eq!(user.post("/api/comments", &json!({"text": "Hello"})).await.status, 201);
        let reset = json!({"formFields": [{"id": "email", "value": email}]});
        world.visitor().post("/auth/user/password/reset/token", &reset).await;
        world.visitor().post("/auth/signin", &credentials(&email, "not it 99")).await;
        if number % 3 == 0 {
            assert_eq!(user.post("/auth/signout", &json!({})).await.status, 200);
        }
    }
    assert!(count(&world, "session").await >= 8 && count(&world, "throttle").await > 0);
    let tables = "select name from sqlite_master where type = 'table' and name not like '\\_sqlx%' escape '\\'";
    let rows = sqlx::query(tables).fetch_all(&mut world.sql().await).await.unwrap();
    let tables: Vec<String> = rows.iter().map(|row| row.get("name")).collect();
    assert!(tables.len() >= 5, "{tables:?}");
    let mut left = Vec::new();
    let is_small = async || {
        world.advance(DAY).await;
        // Counters of attempts are swept by attempts, every 256th.
        let visitor = world.visitor();
        for _ in 0..50 {
            assert_eq!(visitor.get("/auth/signup/email/exists?email=nobody%40example.com").await.status, 200);
        }
        left.clear();
        for table in &tables {
            left.push((table.clone(), count(&world, table).await));
        }
        left.iter().all(|(_, rows)| *rows <= 3)
    };
    let all_small = world.eventually(Duration::from_secs(60), is_small).await;
    assert!(all_small, "{left:?}");
}
