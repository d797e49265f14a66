//! Metrics for Prometheus: who may read them, and what they say.

use std::net::TcpListener;

use starter::http::metrics;

use crate::world::{World, credentials};

const TOKEN: &str = "token-of-the-scraper";

async fn scrape(world: &World, authorization: Option<&str>) -> (u16, String) {
    let mut request = reqwest::Client::new().get(format!("{}/metrics", world.base()));
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[actix_rt::test]
async fn only_the_token_of_the_scraper_reads_them() {
    let world = World::with(&[("METRICS_TOKEN", TOKEN)]).await;
    for wrong in [None, Some("Bearer wrong"), Some("Bearer "), Some("Basic dG9rZW4=")] {
        let (status, text) = scrape(&world, wrong).await;
        assert_eq!(status, 401, "{wrong:?}: {text}");
        assert!(!text.contains("http_requests_total"), "{text}");
        let problem: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(problem["requestId"].is_string() && problem["title"] == "Unauthorized", "{text}");
    }
    assert_eq!(scrape(&world, Some(&format!("Bearer {TOKEN}"))).await.0, 200);
}

#[actix_rt::test]
async fn requests_are_counted_by_route_pattern_never_by_path() {
    let world = World::with(&[("METRICS_TOKEN", TOKEN)]).await;
    let client = reqwest::Client::new();
    for path in ["/static/site.css", "/no-such-page", "/api/comments/no-such-id/like"] {
        client.get(format!("{}{path}", world.base())).send().await.unwrap();
    }
    let (status, text) = scrape(&world, Some(&format!("Bearer {TOKEN}"))).await;
    assert_eq!(status, 200);
    for line in [
        r#"http_requests_total{method="GET",route="none",status="404"}"#,
        r#"http_requests_total{method="GET",route="/api/comments/{id}/like",status="405"}"#,
        "http_request_duration_seconds_bucket{route=",
        r#"database_connections{state="idle"}"#,
        "build_info{version=",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
    assert!(!text.contains("no-such"), "a path is in {text}");
}

#[actix_rt::test]
async fn sign_ins_refreshes_and_tokens_are_counted_by_outcome() {
    let world = World::with(&[("METRICS_TOKEN", TOKEN)]).await;
    let user = world.sign_up("ann@example.com").await;
    world.visitor().post("/auth/signin", &credentials("ann@example.com", "wrong password 1")).await;
    user.refresh().await;
    user.sign_out().await;
    let (_, text) = scrape(&world, Some(&format!("Bearer {TOKEN}"))).await;
    for line in [
        r#"sign_ins_total{outcome="wrong_credentials"}"#,
        r#"refreshes_total{outcome="ok"}"#,
        "fauna_tokens_issued_total",
        "fauna_tokens_deleted_total",
        "fauna_token_revocation_delay_seconds_count",
        "sessions_live",
        "mail_queue_length",
        "password_hashing_queue_length",
        "fauna_tokens_pending_deletion",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
}

/// Prometheus sees an increase only from a value that it has read before.
#[actix_rt::test]
async fn counters_and_all_their_outcomes_are_there_before_anything_is_counted() {
    let world = World::with(&[("METRICS_TOKEN", TOKEN)]).await;
    let (_, text) = scrape(&world, Some(&format!("Bearer {TOKEN}"))).await;
    for (counter, outcomes) in [
        ("sign_ins_total", metrics::SIGN_IN_OUTCOMES.as_slice()),
        ("refreshes_total", &metrics::REFRESH_OUTCOMES),
        ("fauna_queries_total", &metrics::FAUNA_QUERY_OUTCOMES),
    ] {
        for outcome in outcomes {
            assert!(text.contains(&format!("{counter}{{outcome=\"{outcome}\"}}")), "{counter} {outcome}: {text}");
        }
    }
    for counter in ["refresh_token_thefts_total", "database_retries_total", "log_lines_dropped_total"] {
        assert!(text.contains(&format!("\n{counter} ")), "{counter}: {text}");
    }
}

/// The tests of this process share their counters, so this sees what all of them have counted until now.
#[actix_rt::test]
async fn no_outcome_is_counted_that_is_not_listed() {
    let world = World::with(&[("METRICS_TOKEN", TOKEN)]).await;
    let user = world.sign_up("ann@example.com").await;
    world.visitor().post("/auth/signin", &credentials("ann@example.com", "wrong password 1")).await;
    user.refresh().await;
    user.get("/api/comments").await;
    let (_, text) = scrape(&world, Some(&format!("Bearer {TOKEN}"))).await;
    let listed = [&metrics::SIGN_IN_OUTCOMES[..], &metrics::REFRESH_OUTCOMES, &metrics::FAUNA_QUERY_OUTCOMES].concat();
    for (_, rest) in text.lines().filter_map(|line| line.split_once("outcome=\"")) {
        let outcome = rest.split('"').next().unwrap();
        assert!(listed.contains(&outcome), "{outcome}: {text}");
    }
}

/// `METRICS_LISTEN` is for a private network: no token, and nothing else is served there.
#[actix_rt::test]
async fn an_address_of_their_own_serves_metrics_and_nothing_else() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let world = World::with(&[("METRICS_LISTEN", &address)]).await;
    assert_eq!(scrape(&world, None).await.0, 404, "METRICS_LISTEN alone mounts nothing on the site");
    let own = reqwest::get(format!("http://{address}/metrics")).await.unwrap();
    assert_eq!(own.status(), 200);
    assert!(own.text().await.unwrap().contains("sessions_live"));
    for path in ["/", "/health", "/api/comments"] {
        let other = reqwest::get(format!("http://{address}{path}")).await.unwrap();
        assert_eq!(other.status(), 404, "{path}");
        let problem: serde_json::Value = serde_json::from_str(&other.text().await.unwrap()).unwrap();
        assert_eq!(problem["message"], "there is nothing at this address", "{path}");
    }
}
