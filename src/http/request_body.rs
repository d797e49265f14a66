//! Closes connections whose request body was not read to its end.
//!
//! actix-web closes a connection whose request body was not read, but not if the body is chunked and nobody holds it any more:
//! it then waits for the rest of the body, for ever. So a chunked body is held until the response has been sent; one that was
//! not read to its end then closes the connection.

use std::cell::RefCell;
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpMessage as _;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::web::Bytes;
use futures_util::Stream;

/// The chunked body of a request, shared by the handler that reads it and by the response.
#[derive(Clone)]
pub struct HeldBody(Rc<RefCell<Payload>>);

impl HeldBody {
    /// Shares the body, if it is chunked.
    pub fn of(request: &mut ServiceRequest) -> Option<Self> {
        if !request.headers().contains_key(header::TRANSFER_ENCODING) {
            return None;
        }
        let held = Self(Rc::new(RefCell::new(request.take_payload())));
        request.set_payload(Payload::Stream { payload: Box::pin(held.clone()) });
        Some(held)
    }

    /// Holds the request's body as long as that of the response.
    pub fn held_by(self, body: BoxBody) -> BoxBody {
        BoxBody::new(Holding { body, _held: self })
    }
}

/// A response body that keeps the request body alive until it has been sent.
struct Holding {
    body: BoxBody,
    _held: HeldBody,
}

impl MessageBody for Holding {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

impl Stream for HeldBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}
