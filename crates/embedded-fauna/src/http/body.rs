//! Request bodies, read within their limits, and the bytes of answers that clients have not read yet.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::activity::InProgress;
use super::limits::{
    ANSWER_WITHIN, ANSWERS, ANSWERS_PER_CONNECTION, BODIES, BODIES_PER_CONNECTION, DRAINED, FREE_ANSWER, MAX_BODY,
    UNVERIFIED_BODY, VERIFY_AFTER,
};
use crate::settings::Limits;
use crate::streams::{Aborted, Events};

/// The body of a response.
pub type ResponseBody = BoxBody<Bytes, Aborted>;

/// A number of bytes taken from a connection's and from the server's budget, given back when dropped.
type Bought = [OwnedSemaphorePermit; 2];

/// Bytes that may be held at a time.
pub struct Budgets {
    bodies: Arc<Semaphore>,
    answers: Arc<Semaphore>,
    /// Bytes of the largest answer.
    largest_answer: usize,
    /// Time for a client to read an event.
    stream_read: Duration,
}

impl Budgets {
    /// Those of a server.
    pub fn shared(limits: &Limits) -> Arc<Self> {
        Arc::new(Self::new(BODIES, ANSWERS, limits.answer_bytes, limits.stream_read))
    }

    fn new(bodies: usize, answers: usize, largest_answer: usize, stream_read: Duration) -> Self {
        let answers = largest_answer.saturating_mul(answers).min(Semaphore::MAX_PERMITS);
        let [bodies, answers] = [bodies, answers].map(|bytes| Arc::new(Semaphore::new(bytes)));
        Self { bodies, answers, largest_answer, stream_read }
    }

    /// Those of a connection.
    pub fn for_connection(self: &Arc<Self>) -> Arc<ConnectionBudgets> {
        let own = Self::new(BODIES_PER_CONNECTION, ANSWERS_PER_CONNECTION, self.largest_answer, self.stream_read);
        Arc::new(ConnectionBudgets { own, shared: Arc::clone(self) })
    }
}

/// Bytes that one connection may hold, within what the server may.
pub struct ConnectionBudgets {
    own: Budgets,
    shared: Arc<Budgets>,
}

fn buy(own: &Arc<Semaphore>, shared: &Arc<Semaphore>, bytes: usize) -> Option<Bought> {
    let bytes = u32::try_from(bytes).ok()?;
    let own = Arc::clone(own).try_acquire_many_owned(bytes).ok()?;
    Some([own, Arc::clone(shared).try_acquire_many_owned(bytes).ok()?])
}

impl ConnectionBudgets {
    fn body(&self, bytes: usize) -> Option<Bought> {
        buy(&self.own.bodies, &self.shared.bodies, bytes)
    }

    /// A response body of events, which has bounds of its own. A client that does not read the rest after the end loses its
    /// connection.
    pub fn stream(&self, events: Events, request: InProgress) -> ResponseBody {
        events.on_end(Box::new(request.ends_later(self.own.stream_read)));
        StreamBody { events, _request: request }.boxed()
    }

    /// A response body of this text, in whose sending the request is in progress; `None` if too many bytes of answers wait to
    /// be read already.
    pub fn answer(&self, text: String, request: InProgress) -> Option<ResponseBody> {
        let bytes = if text.len() <= FREE_ANSWER {
            Bytes::from(text)
        } else {
            let bought = buy(&self.own.answers, &self.shared.answers, text.len())?;
            request.ends_within(ANSWER_WITHIN);
            Bytes::from_owner(Held { text, _bought: bought, _request: request })
        };
        Some(full(bytes))
    }
}

/// The events of a stream; the request is in progress until the end.
struct StreamBody {
    events: Events,
    _request: InProgress,
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        Pin::new(&mut self.events).poll_frame(context)
    }
}

/// A response body of a short text, which needs no budget.
pub fn small(text: String) -> ResponseBody {
    full(Bytes::from(text))
}

fn full(bytes: Bytes) -> ResponseBody {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

/// Text of an answer whose budget is given back when the last of it has been sent.
struct Held {
    text: String,
    _bought: Bought,
    _request: InProgress,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// Why a body was not received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than [`MAX_BODY`].
    TooLarge,
    /// The client broke off, or sent what is not HTTP.
    Broken,
    /// It took longer than [`crate::Limits::request_body`].
    TooSlow,
    /// Too many bytes of bodies are being received.
    Busy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    Whole,
    /// Its beginning: the secret is to be verified before the rest is received.
    Beginning,
}

/// The body of a request.
pub struct RequestBody {
    incoming: Incoming,
    budgets: Arc<ConnectionBudgets>,
    bytes: Vec<u8>,
    bought: Vec<Bought>,
    length: usize,
    until: Instant,
}

impl RequestBody {
    pub fn new(incoming: Incoming, budgets: Arc<ConnectionBudgets>, within: Duration) -> Self {
        let until = Instant::now() + within;
        Self { incoming, budgets, bytes: Vec::new(), bought: Vec::new(), length: 0, until }
    }

    /// Whether nothing of it is left to be read.
    pub fn is_finished(&self) -> bool {
        self.incoming.is_end_stream()
    }

    pub const fn length(&self) -> usize {
        self.length
    }

    /// Takes the bytes received so far.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Receives what an unverified client may send.
    ///
    /// # Errors
    /// If it cannot be received.
    pub async fn begin(&mut self) -> Result<Received, BodyError> {
        if self.incoming.size_hint().lower() > u64::try_from(UNVERIFIED_BODY).unwrap_or(u64::MAX) {
            return Ok(Received::Beginning);
        }
        let beginning = self.read(|length| length > UNVERIFIED_BODY);
        tokio::time::timeout(VERIFY_AFTER, beginning).await.unwrap_or(Ok(Received::Beginning))
    }

    /// Receives the rest.
    ///
    /// # Errors
    /// If it cannot be received.
    pub async fn finish(&mut self) -> Result<(), BodyError> {
        let until = self.until;
        let rest = self.read(|length| length > MAX_BODY + DRAINED);
        match tokio::time::timeout_at(until.into(), rest).await {
            Err(_elapsed) => Err(BodyError::TooSlow),
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) if self.length > MAX_BODY => Err(BodyError::TooLarge),
            Ok(Ok(_)) => Ok(()),
        }
    }

    /// Reads and forgets the rest of a body that nobody needs, if it is short and already here.
    pub async fn drain(&mut self) {
        if self.incoming.size_hint().lower() > u64::try_from(DRAINED).unwrap_or(u64::MAX) {
            return;
        }
        let start = self.length;
        let rest = async {
            while let Some(Ok(frame)) = self.incoming.frame().await {
                self.length += frame.data_ref().map_or(0, Bytes::len);
                if self.length - start > DRAINED {
                    return;
                }
            }
        };
        let _too_slow = tokio::time::timeout(VERIFY_AFTER, rest).await;
    }

    /// Reads until the end or until so much has come that `is_enough`.
    async fn read(&mut self, is_enough: impl Fn(usize) -> bool) -> Result<Received, BodyError> {
        while !is_enough(self.length) {
            let Some(frame) = self.incoming.frame().await else { return Ok(Received::Whole) };
            let Ok(chunk) = frame.map_err(|_broken| BodyError::Broken)?.into_data() else { continue };
            self.length = self.length.saturating_add(chunk.len());
            if self.length <= MAX_BODY {
                self.bought.push(self.budgets.body(chunk.len()).ok_or(BodyError::Busy)?);
                self.bytes.extend_from_slice(&chunk);
            } else {
                self.bytes = Vec::new();
            }
        }
        Ok(Received::Beginning)
    }
}
