//! The transaction behind the like button, which has to reach the disk before it is answered.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::load::site::{Person, credentials};
use super::{Asked, fauna_token, load, query};

/// How long likes and bare commits are counted before it is the other's turn.
const TURN: Duration = Duration::from_secs(1);
/// How often each has its turn.
const TURNS: usize = 7;
/// How many people like at once.
const FANS: usize = 8;

/// Likes per second against commits per second of a bare SQLite file on the same disk, one at a time and several.
pub async fn measure(asked: &Asked, author: &Person, disk: &Path) {
    let own = |field: &str| json!({"select": ["data", field], "from": {"get": {"current_identity": null}}});
    let comment = json!({"create": {"collection": "comments"}, "params": {"object": {"data": {"object": {
        "author": {"current_identity": null}, "authorName": own("name"), "text": "First!",
        "postedAt": {"now": null}, "likes": 0}}}}});
    let mut fans = Vec::new();
    for number in 0..FANS {
        let person = Person::enter(asked.site, "/auth/signup", &credentials(&format!("fan{number}@example.com"))).await;
        fans.push(fauna_token(&person));
    }
    // Made only now: the endpoint hangs up on who is silent for some seconds.
    let client = reqwest::Client::new();
    let made =
        query(&client, asked.fauna, &fauna_token(author), &json!({"select": ["ref", "id"], "from": comment})).await;
    let bare = bare_file(&disk.join("bare.sqlite"));
    for at_once in [1, FANS] {
        let (mut likes, mut commits, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..TURNS {
            commits.push(bare_commits(&bare));
            likes.push(likes_in_a_turn(asked, &client, &fans[..at_once], &made).await);
            ratios.push(likes[likes.len() - 1] / commits[commits.len() - 1]);
        }
        let [likes, commits, ratio] = [likes, commits, ratios].map(load::median);
        eprintln!(
            "likes, {at_once} at a time                       {likes:.0} a second, {ratio:.2} of the {commits:.0} commits that SQLite alone syncs"
        );
    }
}

/// Likes and unlikes per second.
async fn likes_in_a_turn(asked: &Asked, client: &reqwest::Client, fans: &[String], comment: &Value) -> f64 {
    let began = Instant::now();
    let fans = fans.iter().map(|fan| async {
        let mut count = 0;
        while began.elapsed() < TURN {
            for function in ["like", "unlike"] {
                let call = json!({"call": {"function": function}, "arguments": comment});
                query(client, asked.fauna, fan, &call).await;
                count += 1;
            }
        }
        count
    });
    let count: u32 = futures_util::future::join_all(fans).await.into_iter().sum();
    f64::from(count) / began.elapsed().as_secs_f64()
}

/// A file with one number, kept as carefully as the endpoint keeps its own.
fn bare_file(path: &Path) -> rusqlite::Connection {
    let file = rusqlite::Connection::open(path).unwrap();
    file.pragma_update(None, "journal_mode", "wal").unwrap();
    file.pragma_update(None, "synchronous", "full").unwrap();
    file.execute_batch("create table numbers (number integer); insert into numbers values (0)").unwrap();
    // A log that has its length is cheaper to sync than one that grows; the endpoint's has it after a few hundred likes.
    file.execute_batch("create table ballast as select randomblob(5000000)").unwrap();
    file.query_row("pragma wal_checkpoint(restart)", [], |_| Ok(())).unwrap();
    file
}

/// How often a second the number can be changed.
fn bare_commits(file: &rusqlite::Connection) -> f64 {
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < TURN {
        file.execute("update numbers set number = number + 1", []).unwrap();
        count += 1;
    }
    f64::from(count) / began.elapsed().as_secs_f64()
}
