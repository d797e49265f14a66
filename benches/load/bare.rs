//! A route that does nothing, which everything is compared with.

use std::net::{SocketAddr, TcpListener};

use actix_web::web::Json;
use actix_web::{App, HttpServer, web};
use serde::Serialize;

/// Body of every measured route.
#[derive(Serialize)]
pub struct Small {
    status: &'static str,
    number: u32,
}

pub async fn answer() -> Json<Small> {
    Json(Small { status: "OK", number: 42 })
}

/// A server with nothing but the route, and one worker.
pub fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = HttpServer::new(|| App::new().service(web::resource("/").get(answer)));
    actix_rt::spawn(server.workers(1).listen(listener).unwrap().run());
    address
}
