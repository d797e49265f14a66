//! Runs queries, each in a transaction of its own, so that no client can keep the others waiting.
//!
//! Keys of the application (all but those of the role `client`) have reader threads of their own and go first at the one writer.
//! Everybody else has a lane: one query of an identity runs at a time, the others wait. A query of a lane that reads is given a
//! short time; if it needs more, it is run again from the beginning on a thread for slow queries, where it competes with others like
//! it and pauses while quick ones run (`storage::Traffic`). One that writes makes room as soon as somebody else waits for the writer:
//! it is rolled back and tried again later, for twice the time. A lane has a share of the writer and of the threads for quick queries
//! (`lane.rs`), so that many queries which are each just quick enough do not fill them either. Every query ends at its deadline:
//! evaluation checks it all the time, and the answer does not wait for a thread that does not.
//!
//! An answer is given after what it says is durable. When a token or its document is deleted, queries that run with it are
//! interrupted before the deletion is answered.

mod janitor;
mod lane;
mod running;
mod scheduler;
mod worker;

use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

use crate::answer::Answer;
use crate::clock::SharedClock;
use crate::functions::forms;
use crate::ir::ApiVersion;
use crate::settings::Limits;
use crate::storage::{Cause, File, Interrupt};

use lane::{Lane, Role};
use scheduler::Scheduler;
use worker::Shared;

/// How long after its deadline a query that has not ended by itself is answered.
const GRACE: Duration = Duration::from_millis(100);
/// Time-out of a query that does not come over HTTP.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(600);

/// The operation of a request.
#[derive(Clone, Debug)]
pub enum Operation {
    Query {
        /// The query as JSON.
        body: Vec<u8>,
        /// Whether it may write.
        may_write: bool,
        /// Whether the answer would be a stream of events.
        streams: bool,
    },
    /// Only verifies the secret.
    Authenticate(AuthenticatedReply),
}

/// The answer to a request with a valid secret but without a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticatedReply {
    /// The account and the database of the secret.
    Identity,
    /// That only these methods are allowed.
    MethodNotAllowed(&'static str),
}

#[derive(Clone, Debug)]
pub struct Request {
    pub operation: Operation,
    pub secret: Option<String>,
    pub version: ApiVersion,
    /// The client's time limit; [`Limits`] may shorten it.
    pub timeout: Duration,
}

impl Request {
    /// A query that does not come over HTTP.
    pub fn local(secret: &SecretString, query: String) -> Self {
        let operation = Operation::Query { body: query.into_bytes(), may_write: true, streams: false };
        let secret = Some(secret.expose_secret().to_owned());
        Self { operation, secret, version: ApiVersion::V4, timeout: LOCAL_TIMEOUT }
    }

    /// Bytes of its query.
    const fn length(&self) -> usize {
        match &self.operation {
            Operation::Query { body, .. } => body.len(),
            Operation::Authenticate(_) => 0,
        }
    }

    /// A request that only verifies the secret of this one.
    fn verification(&self) -> Self {
        let operation = Operation::Authenticate(AuthenticatedReply::Identity);
        Self { operation, secret: self.secret.clone(), version: self.version, timeout: self.timeout }
    }

    /// Whether it most probably writes, judged by its text. If that is wrong, the writer only reads.
    fn looks_like_a_write(&self) -> bool {
        match &self.operation {
            Operation::Query { body, may_write: true, .. } => forms().signatures.names_a_write(body),
            _ => false,
        }
    }
}

/// A request that is waiting or running.
pub struct Job {
    request: Request,
    interrupt: Arc<Interrupt>,
    /// Whether it has to run on the writer.
    writes: bool,
    /// Time that it may have the writer while others wait, once it has been preempted there.
    write_slice: Option<Duration>,
    reply: oneshot::Sender<Answer>,
}

impl Job {
    /// Sends the answer to the client, if there is still one.
    fn answer(self, answer: Answer) {
        let answer = match self.interrupt.cause() {
            Cause::Revoked => Answer::unauthorized(None),
            Cause::Stopping if answer.is_failure() => Answer::stopping(),
            _ => answer,
        };
        let _gone = self.reply.send(answer);
    }
}

/// Interrupts a query that reads if nobody waits for its answer any more.
struct CancelRead(Option<Arc<Interrupt>>);

impl Drop for CancelRead {
    fn drop(&mut self) {
        if let Some(interrupt) = &self.0 {
            interrupt.raise(Cause::TimedOut);
        }
    }
}

/// Runs requests on threads of its own.
#[derive(Clone)]
pub struct Engine {
    scheduler: Arc<Scheduler>,
    shared: Arc<Shared>,
}

impl Engine {
    /// Starts the threads.
    ///
    /// # Errors
    /// If the file cannot be opened or a thread cannot be started.
    pub fn start(file: File, clock: SharedClock, root_hash: String, limits: Limits) -> Result<Self, crate::Error> {
        let scheduler = Scheduler::new(limits.waiting);
        let shared = Arc::new(Shared::new(file, root_hash, limits, Arc::clone(&scheduler)));
        let janitor = janitor::Janitor::new(clock);
        worker::start(&shared, Role::Writer, Some(janitor))?;
        for role in Role::READERS {
            worker::start(&shared, role, None)?;
        }
        running::watch(Arc::clone(&shared))?;
        Ok(Self { scheduler, shared })
    }

    /// Runs a request. The answer comes at most [`GRACE`] after the deadline.
    pub async fn run(&self, request: Request) -> Answer {
        let Some(secret) = &request.secret else { return self.run_in(request, None).await };
        if matches!(request.operation, Operation::Authenticate(_)) {
            return self.run_in(request, None).await;
        }
        if let Some(lane) = self.shared.lanes.of(secret) {
            return self.run_in(request, Some(lane)).await;
        }
        let verified = self.run_in(request.verification(), None).await;
        match self.shared.lanes.of(secret) {
            Some(lane) if !verified.is_failure() => self.run_in(request, Some(lane)).await,
            _ => verified,
        }
    }

    /// Whether a secret was verified before as a key of the application.
    pub fn is_application(&self, secret: Option<&str>) -> bool {
        secret.and_then(|secret| self.shared.lanes.of(secret)).is_some_and(Lane::is_application)
    }

    async fn run_in(&self, request: Request, lane: Option<Lane>) -> Answer {
        let version = request.version;
        let limits = &self.shared.limits;
        let is_application = lane.is_some_and(Lane::is_application);
        if !is_application && request.length() > limits.token_body {
            return Answer::too_large();
        }
        let ceiling = if is_application { limits.key_query } else { limits.token_query };
        let interrupt = Interrupt::new(Instant::now() + request.timeout.min(ceiling));
        let (reply, answer) = oneshot::channel();
        let writes = request.looks_like_a_write();
        self.scheduler
            .submit(Job { request, interrupt: Arc::clone(&interrupt), writes, write_slice: None, reply }, lane);
        let _cancelled = CancelRead((!writes).then(|| Arc::clone(&interrupt)));
        match tokio::time::timeout_at((interrupt.deadline() + GRACE).into(), answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_dropped)) => Answer::internal("the query ended without an answer"),
            Err(_elapsed) => {
                interrupt.raise(Cause::TimedOut);
                Answer::timed_out(version, None)
            }
        }
    }

    /// Answers what waits, interrupts what runs, and waits for the threads, but not longer than `within`. Whether all have ended.
    pub fn stop(&self, within: Duration) -> bool {
        self.close();
        self.scheduler.wait_for_threads(within)
    }

    /// Answers what waits and interrupts what runs. The threads end soon.
    pub fn close(&self) {
        self.scheduler.close();
        self.shared.running.interrupt_all();
    }
}
