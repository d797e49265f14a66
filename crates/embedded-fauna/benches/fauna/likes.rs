//! Likes: a call of a stored function that reads an index and writes two documents, and is on disk before it is answered.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::dataset::Dataset;
use super::{load, query};

/// How long likes and bare commits are counted before the other takes its turn.
const TURN: Duration = Duration::from_secs(1);
const TURNS: usize = 7;
/// Users that like at the same time.
const CLIENTS: usize = 8;

/// Likes per second divided by commits per second of a bare SQLite file on the same disk, one at a time and several.
pub async fn measure(dataset: &Dataset, directory: &Path) {
    let client = reqwest::Client::new();
    let mut tokens = Vec::new();
    for number in 0..CLIENTS {
        tokens.push(dataset.user(&client, &format!("user{number}")).await);
    }
    let comment = dataset.comment(&client, &tokens[0]).await;
    let bare = bare_file(&directory.join("bare.sqlite"));
    for at_once in [1, CLIENTS] {
        let (mut likes, mut commits, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..TURNS {
            commits.push(bare_commits(&bare));
            likes.push(likes_in_a_turn(dataset, &tokens[..at_once], &comment).await);
            ratios.push(likes[likes.len() - 1] / commits[commits.len() - 1]);
        }
        let [likes, commits, ratio] = [likes, commits, ratios].map(load::median);
        let wanted = if at_once == 1 { "" } else { " (at least 0.60)" };
        eprintln!(
            "likes, {at_once} at a time                       {likes:.0} a second, {ratio:.2} of {commits:.0} bare commits{wanted}"
        );
    }
}

/// Likes and unlikes per second.
async fn likes_in_a_turn(dataset: &Dataset, tokens: &[String], comment: &Value) -> f64 {
    // The endpoint closes connections that were idle during the other's turn.
    let client = reqwest::Client::new();
    let began = Instant::now();
    let users = tokens.iter().map(|token| async {
        let mut count = 0;
        while began.elapsed() < TURN {
            for function in ["like", "unlike"] {
                let call = json!({"call": {"function": function}, "arguments": comment});
                query(&client, dataset.address, token, &call).await;
                count += 1;
            }
        }
        count
    });
    let count: u32 = futures_util::future::join_all(users).await.into_iter().sum();
    f64::from(count) / began.elapsed().as_secs_f64()
}

/// A file with one number and the same durability settings as the endpoint's.
fn bare_file(path: &Path) -> rusqlite::Connection {
    let file = rusqlite::Connection::open(path).unwrap();
    file.pragma_update(None, "journal_mode", "wal").unwrap();
    file.pragma_update(None, "synchronous", "full").unwrap();
    file.execute_batch("create table numbers (number integer); insert into numbers values (0)").unwrap();
    // A log that has reached its length is cheaper to sync than one that grows; the endpoint's has after a few hundred likes.
    file.execute_batch("create table ballast as select randomblob(5000000)").unwrap();
    file.query_row("pragma wal_checkpoint(restart)", [], |_| Ok(())).unwrap();
    file
}

/// Commits per second of a transaction that changes the number.
fn bare_commits(file: &rusqlite::Connection) -> f64 {
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < TURN {
        file.execute("update numbers set number = number + 1", []).unwrap();
        count += 1;
    }
    f64::from(count) / began.elapsed().as_secs_f64()
}
