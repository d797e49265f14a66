//! W3C Trace Context from the client of the site to Fauna.

use std::sync::{Arc, Mutex};

use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::world::World;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// An endpoint that keeps the heads of all requests and refuses them.
async fn recording_endpoint() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heads);
    actix_rt::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 65_536];
            let length = stream.read(&mut request).await.unwrap_or_default();
            kept.lock().unwrap().push(String::from_utf8_lossy(&request[..length]).into_owned());
            let answer = "HTTP/1.1 403 Forbidden\r\ncontent-length: 81\r\nconnection: close\r\n\r\n\
                {\"errors\":[{\"position\":[],\"code\":\"permission denied\",\"description\":\"refused\"}]}  ";
            let _sent = stream.write_all(answer.as_bytes()).await;
        }
    });
    (address, heads)
}

#[actix_rt::test]
async fn the_trace_of_a_request_goes_on_to_fauna_and_a_malformed_one_does_not() {
    let (endpoint, heads) = recording_endpoint().await;
    let world = World::with(&[("FAUNA_ENDPOINT", endpoint.as_str()), ("FAUNA_SECRET", "secret")]).await;
    let visitor = world.visitor();
    let upper = TRACE.to_uppercase();
    let traced = async |headers: &[(&str, &str)]| {
        heads.lock().unwrap().clear();
        let answer = visitor.send(Method::GET, "/api/comments", headers, None).await;
        assert!(answer.status >= 500, "{}", answer.text);
        let heads = heads.lock().unwrap();
        assert!(!heads.is_empty());
        heads.iter().filter(|head| head.contains(&format!("traceparent: {TRACE}\r\n"))).count() > 0
    };
    assert!(traced(&[("traceparent", TRACE)]).await);
    assert!(traced(&[("traceparent", TRACE), ("tracestate", "rojo=1"), ("tracestate", "congo=2")]).await);
    assert!(heads.lock().unwrap()[0].contains("tracestate: rojo=1,congo=2\r\n"));
    let long = format!("rojo={}", "x".repeat(600));
    assert!(traced(&[("traceparent", TRACE), ("tracestate", &long)]).await, "the trace stays without its state");
    assert!(heads.lock().unwrap().iter().all(|head| !head.contains("tracestate")));
    assert!(!traced(&[("tracestate", "rojo=1")]).await);
    assert!(heads.lock().unwrap().iter().all(|head| !head.contains("tracestate")));
    assert!(!traced(&[]).await);
    assert!(!traced(&[("traceparent", &upper)]).await);
    assert!(!traced(&[("traceparent", TRACE), ("traceparent", TRACE)]).await);
    assert!(heads.lock().unwrap().iter().all(|head| !head.contains("traceparent")));
}
