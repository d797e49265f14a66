//! Counts requests whose handler was dropped, because the client closed the connection.

use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;

/// Counts handlers that are dropped before they have finished.
struct Running<'a> {
    interrupted: &'a AtomicUsize,
    finished: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.interrupted.fetch_add(1, Ordering::SeqCst);
        }
    }
}

pub async fn count_interruptions<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let counter = request.app_data::<Data<AtomicUsize>>().unwrap().clone();
    let mut running = Running { interrupted: &counter, finished: false };
    let response = next.call(request).await;
    running.finished = true;
    response
}
