//! Routes to compare with, each server on a thread of its own with one worker.

use std::net::{SocketAddr, TcpListener};

use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpServer, web};

use crate::bare;

/// A route that does nothing.
pub fn serve_bare() -> SocketAddr {
    on_a_thread(bare::serve)
}

/// A route that asks one which does nothing over HTTP: what a request costs at least that asks Fauna.
pub fn serve_asking() -> SocketAddr {
    let asked = serve_bare();
    on_a_thread(move || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let to_ask = Data::new((reqwest::Client::new(), format!("http://{asked}/")));
        let server = HttpServer::new(move || App::new().app_data(to_ask.clone()).service(web::resource("/").get(ask)));
        actix_rt::spawn(server.workers(1).listen(listener).unwrap().run());
        address
    })
}

async fn ask(to_ask: Data<(reqwest::Client, String)>) -> Bytes {
    let (client, url) = to_ask.get_ref();
    client.get(url).send().await.unwrap().bytes().await.unwrap()
}

fn on_a_thread(serve: impl FnOnce() -> SocketAddr + Send + 'static) -> SocketAddr {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        actix_rt::System::new().block_on(async move {
            tell.send(serve()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    told.recv().unwrap()
}
