//! Order and completeness, bounds, and the end of streams.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Stream, create, item, items, request, update, world};
use crate::endpoint::Endpoint;

#[test]
fn no_event_is_lost_or_out_of_order_while_many_write() {
    const WRITERS: i64 = 8;
    const EACH: i64 = 25;
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (_, server) = world(&endpoint).await;
        let write = async |writer: i64| {
            for number in 0..EACH {
                let id = 1000 + writer * EACH + number;
                let both = json!({"do": [create(id, &json!({"n": 1})), update(1, &json!({"last": id}))]});
                endpoint.query(&server, &both).await;
            }
        };
        let read = async |delay: i64| {
            while endpoint.query(&server, &json!({"count": items()})).await.as_i64().unwrap() < delay {}
            let (mut added, start) = Stream::open(&endpoint, &server, &items(), "").await;
            let at_start = json!({"at": {"epoch": start, "unit": "microseconds"}, "expr": {"count": items()}});
            let missing = WRITERS * EACH + 1 - endpoint.query(&server, &at_start).await.as_i64().unwrap();
            let mut times = vec![start];
            let mut seen = std::collections::BTreeSet::new();
            for _ in 0..missing {
                let event = added.next().await.unwrap();
                times.push(event.get("txn").and_then(Value::as_i64).unwrap());
                seen.insert(event.pointer("/event/document/ref/@ref/id").cloned().unwrap().to_string());
            }
            assert!(times.is_sorted_by(|one, next| one < next), "{times:?}");
            assert_eq!(i64::try_from(seen.len()).unwrap(), missing);
        };
        let writers = futures_util::future::join_all((0..WRITERS).map(write));
        let readers = futures_util::future::join_all([0, 20, 60, 120].map(read));
        futures_util::future::join(writers, readers).await;
    });
}

#[test]
fn streams_are_bounded_and_a_closed_one_makes_room() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (_, server) = world(&endpoint).await;
        // Over one HTTP/2 connection per hundred, so that the limit on connections is not what is met.
        let mut open = Vec::new();
        let mut refused = None;
        'all: for _ in 0..4 {
            let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
            for _ in 0..90 {
                let request = client.post(format!("{}/stream", endpoint.url)).bearer_auth(&server);
                let response =
                    request.header("x-faunadb-api-version", "4").body(item(1).to_string()).send().await.unwrap();
                let mut stream = Stream { response, buffer: Vec::new() };
                let first = stream.next().await.unwrap();
                if first.get("type") == Some(&json!("error")) {
                    refused = Some(first);
                    break 'all;
                }
                open.push(stream);
            }
        }
        let refused = refused.unwrap();
        assert_eq!(refused.pointer("/event/code"), Some(&json!("too many requests")));
        assert_eq!(open.len(), 256);
        open.truncate(200);
        let stream = loop {
            let response = request(&endpoint, &server, &item(1), "").await;
            let mut stream = Stream { response, buffer: Vec::new() };
            if stream.next().await.unwrap().get("type") == Some(&json!("start")) {
                break stream;
            }
        };
        endpoint.query(&server, &update(1, &json!({"v": "z"}))).await;
        open.push(stream);
        for stream in &mut open {
            assert_eq!(stream.at("/event/document/data/v").await, "z");
        }
    });
}

#[test]
fn a_client_that_does_not_read_loses_its_stream_and_nobody_waits_for_it() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start_with(|settings| settings.limits.idle = Duration::from_secs(5)).await;
        let (_, server) = world(&endpoint).await;
        let (mut lazy, _) = Stream::open(&endpoint, &server, &item(1), "").await;
        let text = "x".repeat(1 << 20);
        for number in 0..24 {
            endpoint.query(&server, &update(1, &json!({"text": text, "number": number}))).await;
        }
        let mut last = lazy.next().await.unwrap();
        let mut events = 1;
        while let Some(event) = lazy.next().await {
            (last, events) = (event, events + 1);
        }
        assert_eq!(last.pointer("/event/description"), Some(&json!("Stream closed due to congestion.")));
        assert!(events < 24, "{events}");
    });
}

#[test]
fn streams_end_cleanly_when_the_endpoint_stops() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (_, server) = world(&endpoint).await;
        let (mut stream, _) = Stream::open(&endpoint, &server, &item(1), "").await;
        let Endpoint { running, .. } = endpoint;
        running.stop().await;
        assert_eq!(stream.next().await, None);
    });
}
