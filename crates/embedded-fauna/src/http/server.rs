//! Serves HTTP/1.1 and cleartext HTTP/2 with prior knowledge on one port.
//!
//! What actix-web's own server does for such a port, over connections that put its headers right (`stream.rs`).

use std::net::TcpListener;

use actix_http::{HttpService, Protocol};
use actix_rt::net::TcpStream;
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::{AppConfig, Server};
use actix_web::{App, web};

use super::stream::Stream;
use super::{Endpoint, handle};

/// How many threads speak HTTP.
const WORKERS: usize = 2;
/// How long a stop waits, seconds: for requests, but idle connections look like them, and clients keep those open.
const STOP_WITHIN_S: u64 = 1;
/// What a connection that speaks HTTP/2 begins with (RFC 9113, 3.4).
const PREFACE: &[u8; 12] = b"PRI * HTTP/2";

/// A server on a listener; it runs when it is awaited.
///
/// # Errors
/// Where the listener cannot be used.
pub fn serve(listener: TcpListener, endpoint: Endpoint) -> std::io::Result<Server> {
    let service = move || {
        let endpoint = endpoint.clone();
        let app = App::new().app_data(web::Data::new(endpoint)).default_service(web::to(handle));
        let http = HttpService::build().finish(map_config(app, |()| AppConfig::default()));
        fn_service(|connection: TcpStream| async move {
            let mut first = [0; PREFACE.len()];
            connection.peek(&mut first).await?;
            let protocol = if first == *PREFACE { Protocol::Http2 } else { Protocol::Http1 };
            let peer = connection.peer_addr().ok();
            Ok((Stream::new(connection, protocol == Protocol::Http1), protocol, peer))
        })
        .and_then(http)
    };
    let builder = Server::build().workers(WORKERS).disable_signals().shutdown_timeout(STOP_WITHIN_S);
    Ok(builder.listen("embedded-fauna", listener, service)?.run())
}
