//! Order and completeness, bounds, and the end of streams.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Stream, create, item, items, request, update, world};
use crate::connections::Raw;
use crate::endpoint::{Endpoint, http};

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
            let client = http().http2_prior_knowledge().build().unwrap();
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
        let text = json!({"repeat": {"repeat": "x", "number": 1024}, "number": 1024});
        for number in 0..24 {
            let data = json!({"object": {"data": {"object": {"text": text, "number": number}}}});
            endpoint.query(&server, &json!({"do": [{"update": item(1), "params": data}, null]})).await;
        }
        let mut last = lazy.next().await.unwrap();
        let mut events = 1;
        while let Some(event) = lazy.next().await {
            (last, events) = (event, events + 1);
        }
        let description = last.pointer("/event/description").and_then(Value::as_str).unwrap();
        let items = description.strip_prefix("Stream closed due to congestion after accumulating ");
        let items = items.and_then(|rest| rest.strip_suffix(" items."));
        assert!(items.is_some_and(|items| items.parse::<usize>().is_ok_and(|items| items < events)), "{description}");
        assert!(events < 24, "{events}");
    });
}

/// An HTTP/2 frame (RFC 9113, 4.1) of the connection, or of its stream 1.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

#[test]
fn a_stream_whose_client_takes_nothing_ends_and_its_connection_is_closed() {
    actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start_with(|settings| settings.limits.stream_read = Duration::from_millis(500)).await;
        let (_, server) = world(&endpoint).await;
        let (mut other, _) = Stream::open(&endpoint, &server, &item(1), "").await;
        let mut raw = Raw::connect(&endpoint).await;
        raw.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        // The client takes a hundred bytes of each stream and asks for no more, while it reads the connection itself.
        raw.send_bytes(&frame(4, 0, 0, &[0, 4, 0, 0, 0, 100])).await;
        let headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/stream"),
            (":authority", "x"),
            ("authorization", &format!("Bearer {server}")),
            ("x-faunadb-api-version", "4"),
        ];
        // Literals without indexing (RFC 7541, 6.2.2).
        let literal = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        let block = headers.iter().flat_map(|(name, value)| [vec![0], literal(name), literal(value)].concat());
        raw.send_bytes(&frame(1, 4, 1, &block.collect::<Vec<_>>())).await;
        raw.send_bytes(&frame(0, 1, 1, item(1).to_string().as_bytes())).await;
        raw.until("\"start\"").await;
        endpoint.query(&server, &update(1, &json!({"v": "y"}))).await;
        assert_eq!(other.at("/event/document/data/v").await, "y");
        raw.rest().await;
        endpoint.query(&server, &update(1, &json!({"v": "z"}))).await;
        assert_eq!(other.at("/event/document/data/v").await, "z", "other streams go on");
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
