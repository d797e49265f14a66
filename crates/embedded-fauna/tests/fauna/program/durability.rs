//! Durability: committed writes survive a kill of the process, and no transaction is ever applied in part.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use embedded_fauna::SystemClock;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::endpoint::{ROOT, http};

/// Environment variable with the data directory of the process that is killed.
const DIRECTORY: &str = "FAUNA_TEST_DIRECTORY";
/// What the address of that process follows in its output.
const ADDRESS: &str = "address=";
const WRITES: u32 = 1000;
/// Pairs that are looked for in one query.
const BATCH: usize = 50;
/// Number of answered writes after which the process is killed.
const ENOUGH: usize = 400;

async fn serve(directory: &Path) -> embedded_fauna::Running {
    let file = directory.join("fauna.sqlite");
    let settings = embedded_fauna::Settings::new(
        "127.0.0.1:0".parse().unwrap(),
        file,
        SecretString::from(ROOT),
        Arc::new(SystemClock),
    );
    embedded_fauna::start(settings).await.unwrap()
}

/// Not a test: the main function of the process that is killed. Prints its address and serves until then.
#[test]
#[ignore = "run by a_kill_loses_no_answered_write"]
fn victim() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    actix_rt::System::new().block_on(async {
        let running = serve(&directory).await;
        println!("{ADDRESS}{}", running.address());
        std::future::pending::<()>().await;
    });
}

/// Starts the process that will be killed and waits until it listens.
fn start_victim(directory: &Path) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "program::durability::victim", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.find_map(|line| Some(line.split_once(ADDRESS)?.1.to_owned()));
    let Some(address) = address else { panic!("the process does not listen: {}", child.wait().unwrap()) };
    (child, format!("http://{address}"))
}

/// Sends a query; `None` if there was no answer.
async fn ask(client: &reqwest::Client, url: &str, query: &Value) -> Option<Value> {
    let request = client.post(url).bearer_auth(ROOT).header("x-faunadb-api-version", "4").body(query.to_string());
    let response = request.send().await.ok()?;
    let text = response.text().await.ok()?;
    serde_json::from_str::<Value>(&text).ok()?.get("resource").cloned()
}

/// A query that creates two documents in one transaction.
fn pair(id: u32) -> Value {
    let create = |collection: &str| json!({"create": {"ref": {"collection": collection}, "id": id}, "params": {"object": {"data": {"object": {"n": id}}}}});
    json!({"do": [create("left"), create("right"), id]})
}

#[test]
fn a_kill_loses_no_answered_write() {
    let directory = tempfile::tempdir().unwrap();
    let (mut victim, url) = start_victim(directory.path());
    actix_rt::System::new().block_on(async {
        let client = http().build().unwrap();
        for name in ["left", "right"] {
            ask(&client, &url, &json!({"create_collection": {"object": {"name": name}}})).await.unwrap();
        }
        let index = json!({"create_index": {"object": {"name": "by_n", "source": {"collection": "right"},
            "terms": [{"object": {"field": ["data", "n"]}}]}}});
        ask(&client, &url, &index).await.unwrap();
        let mut answered = Vec::new();
        for batch in (1..=WRITES).collect::<Vec<_>>().chunks(8) {
            let asked = batch.iter().map(|id| {
                let (client, url) = (client.clone(), url.clone());
                let id = *id;
                async move { ask(&client, &url, &pair(id)).await.map(|_| id) }
            });
            if answered.len() >= ENOUGH && victim.try_wait().unwrap().is_none() {
                let running = futures_util::future::join_all(asked);
                let (answers, ()) = futures_util::future::join(running, async { victim.kill().unwrap() }).await;
                answered.extend(answers.into_iter().flatten());
                break;
            }
            answered.extend(futures_util::future::join_all(asked).await.into_iter().flatten());
        }
        victim.wait().unwrap();
        assert!(answered.len() >= ENOUGH && answered.len() < usize::try_from(WRITES).unwrap());
        check(directory.path(), &answered).await;
    });
}

/// Opens the file again: every answered pair exists, no pair exists in part, and the index agrees with the documents.
async fn check(directory: &Path, answered: &[u32]) {
    let running = serve(directory).await;
    let (client, url) = (http().build().unwrap(), format!("http://{}", running.address()));
    let parts = |id: &u32| {
        let reference = |collection: &str| json!({"exists": {"ref": {"collection": collection}, "id": id}});
        json!([reference("left"), reference("right"), {"exists": {"match": {"index": "by_n"}, "terms": id}}])
    };
    for ids in (1..=WRITES).collect::<Vec<_>>().chunks(BATCH) {
        let all = ask(&client, &url, &ids.iter().map(parts).collect()).await.unwrap();
        let all = all.as_array().unwrap();
        assert_eq!(all.len(), ids.len());
        for (id, found) in ids.iter().zip(all) {
            let is_whole = *found == json!([true, true, true]);
            assert!(is_whole || *found == json!([false, false, false]), "{id} is torn: {found}");
            assert!(is_whole || !answered.contains(id), "{id} was answered and is lost");
        }
    }
    running.stop().await;
}
