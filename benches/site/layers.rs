//! The bare route behind one layer of the site at a time.

use std::net::{SocketAddr, TcpListener};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::Data;
use actix_web::{App, Error, HttpServer, web};
use starter::http::same_origin::Trusted;
use starter::http::{finish_response, same_origin};
use starter::{session, telemetry};

use crate::load::bare;

/// Starts a server for each layer; their names and addresses.
pub fn serve() -> Vec<(&'static str, SocketAddr)> {
    let trusted = Trusted::new("http://localhost:3000", "http://localhost:3000", None).unwrap();
    macro_rules! behind {
        ($layer:expr) => {{
            let (trusted, listener) = (trusted.clone(), TcpListener::bind("127.0.0.1:0").unwrap());
            let address = listener.local_addr().unwrap();
            let server = HttpServer::new(move || {
                let trusted = trusted.clone();
                let layer = $layer;
                App::new()
                    .app_data(Data::new(trusted.clone()))
                    .service(web::resource("/").get(bare::answer))
                    .wrap(layer(&trusted))
            });
            actix_rt::spawn(server.workers(1).listen(listener).unwrap().run());
            address
        }};
    }
    vec![
        ("access log", behind!(|_: &Trusted| from_fn(telemetry::access_log))),
        ("CORS", behind!(same_origin::cors)),
        ("headers and deadline", behind!(|_: &Trusted| from_fn(headers_and_deadline))),
        ("same-origin check", behind!(|_: &Trusted| from_fn(same_origin_check))),
        ("session tokens of the response", behind!(|_: &Trusted| from_fn(session::attach))),
    ]
}

async fn headers_and_deadline(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    finish_response::finish_response(request, async |request| next.call(request).await).await
}

async fn same_origin_check(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Some(refusal) = same_origin::refusal(&request) {
        return Ok(request.into_response(refusal));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}
