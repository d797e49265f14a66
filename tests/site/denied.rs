//! A privilege that the application's own role lacks is a defect, not an outage.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;

use crate::binary::program;
use crate::client::TestClient;
use crate::world::World;

#[actix_rt::test]
async fn a_query_of_our_own_that_fauna_refuses_is_500_and_the_log_says_what_is_missing() {
    let world = World::start().await;
    let (endpoint, key) = world.fauna_credentials();
    let revoke = json!({"update": {"role": "backend"}, "params": {"object": {"privileges": []}}});
    let (status, body) = world.fauna().ask(world.admin_secret(), &revoke).await;
    assert_eq!(status, 200, "{body}");

    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut child = program(directory.path())
        .envs([("LISTEN", address.as_str()), ("FAUNA_ENDPOINT", endpoint.as_str()), ("FAUNA_SECRET", key.as_str())])
        .stdout(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let http = reqwest::Client::new();
    let up = async || http.get(format!("http://{address}/health")).send().await.is_ok();
    assert!(world.eventually(Duration::from_secs(30), up).await);
    let visitor = TestClient::new(format!("http://{address}"));
    let answer = visitor.get("/api/comments").await;
    assert_eq!((answer.status, answer.json()["message"].as_str()), (500, Some("internal error")), "{}", answer.text);
    assert_eq!(visitor.get("/ready").await.status, 503, "a site without its privileges is not ready");

    let written = async || std::fs::read_to_string(&log).unwrap().contains("index comments_newest");
    assert!(world.eventually(Duration::from_secs(10), written).await);
    child.kill().unwrap();
    child.wait().unwrap();
    let log = std::fs::read_to_string(&log).unwrap();
    let line = log.lines().find(|line| line.contains("index comments_newest")).unwrap();
    assert!(line.contains("ERROR") && line.contains("status=500"), "{line}");
    assert!(line.contains("role: backend, action: paginate, resource: index comments_newest"), "{line}");
}
