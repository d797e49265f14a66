//! Runs queries: each on a thread with a large stack, in a transaction of its own.
//!
//! What can only read runs on one of several readers, what may write on the one writer; the expression tree tells which. Most that
//! write are known by their text and go to the writer at once; what a reader finds out to write is handed on. An answer is given
//! after what it says is durable.

use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

use super::answer::Answer;
use super::evaluator::{Caller, Context, Limit, Permissions, Run, Source};
use super::functions::forms;
use super::ir::{ApiVersion, Effect, Outcome};
use super::queue::{Entrance, queue};
use super::storage::{Connection, File, Transaction};
use super::{access, answer, documents, parser, wire};
use crate::clock::SharedClock;

/// The stack of a thread that evaluates: room for the deepest nesting that is allowed, also in a build that is not optimised.
const STACK: usize = 512 << 20;
/// How many threads read.
const READERS: usize = 3;

/// How often the past is pruned.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// How long requests that write go first while there is more to prune.
const TIDY_PAUSE: Duration = Duration::from_millis(50);

/// Time-out of queries that do not come over HTTP.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(600);

/// What a request asks for.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A query: the bytes of its JSON, and whether it may write.
    Query {
        /// The JSON.
        body: Vec<u8>,
        /// Whether it may write.
        may_write: bool,
        /// Whether the answer would be a stream, which is not offered: only what cannot be one is told so.
        streams: bool,
    },
    /// Whether the secret is good for anything, and what is answered then.
    Login(Reply),
}

/// What is answered to somebody who has shown a good secret but asks for no query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Who they are.
    Authorized,
    /// That only these methods are known.
    MethodNotAllowed(&'static str),
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked.
    pub asked: Asked,
    /// What was shown as credential.
    pub secret: Option<String>,
    /// The version of the API.
    pub version: ApiVersion,
    /// How long it may take.
    pub timeout: Duration,
}

impl Request {
    /// A query that may write, with the current version of the API.
    pub fn query(secret: &SecretString, query: String) -> Self {
        Self {
            asked: Asked::Query { body: query.into_bytes(), may_write: true, streams: false },
            secret: Some(secret.expose_secret().to_owned()),
            version: ApiVersion::V4,
            timeout: LOCAL_TIMEOUT,
        }
    }

    /// Whether a reader would most probably only hand it on. Where that is wrong, the writer reads.
    fn looks_like_a_write(&self) -> bool {
        matches!(&self.asked, Asked::Query { body, may_write: true, .. } if forms().signatures.names_a_write(body))
    }
}

/// A request and where its answer goes.
struct Job {
    /// The request.
    request: Request,
    /// When it must have ended.
    deadline: Instant,
    /// Where the answer goes.
    reply: oneshot::Sender<Answer>,
}

/// The threads that run requests, to wait for their end.
pub type Threads = Vec<thread::JoinHandle<()>>;

/// Hands requests to the threads that run them. They end when this is dropped.
#[derive(Clone)]
pub struct Engine {
    /// The queue of the readers.
    readers: Arc<Entrance<Job>>,
    /// That of the writer.
    writer: mpsc::Sender<Job>,
}

impl Engine {
    /// Starts the threads.
    ///
    /// # Errors
    /// Where the file cannot be opened or a thread cannot be started.
    pub fn start(file: &File, clock: SharedClock, root_hash: &str) -> Result<(Self, Threads), super::Error> {
        let mut threads = Threads::new();
        let (write, to_write) = mpsc::channel::<Job>();
        let worker = Worker { root_hash: root_hash.to_owned() };
        let mut connection = file.connect()?;
        let (writer, mut janitor) = (worker.clone(), Janitor { clock, next: 0 });
        threads.push(spawn("fauna-writer", move || {
            let mut pause = Duration::ZERO;
            loop {
                match to_write.recv_timeout(pause) {
                    Ok(job) => writer.write(&mut connection, job),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                pause = janitor.tidy(&mut connection);
            }
        })?);
        let (read, to_read) = queue::<Job>();
        for _ in 0..READERS {
            let mut connection = file.connect()?;
            let (worker, to_read, write) = (worker.clone(), to_read.clone(), write.clone());
            threads.push(spawn("fauna-reader", move || {
                while let Some(job) = to_read.next() {
                    worker.read(&mut connection, job, &write);
                }
            })?);
        }
        Ok((Self { readers: Arc::new(read), writer: write }, threads))
    }

    /// Runs a request.
    pub async fn run(&self, request: Request) -> Answer {
        let (reply, answer) = oneshot::channel();
        let deadline = Instant::now() + request.timeout;
        let job = Job { request, deadline, reply };
        if job.request.looks_like_a_write() {
            pass_on(job, &self.writer);
        } else {
            self.readers.put(job);
        }
        answer.await.unwrap_or_else(|_dropped| Answer::internal("the query ended without an answer"))
    }
}

/// Starts a thread that evaluates.
fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<thread::JoinHandle<()>, super::Error> {
    Ok(thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(run)?)
}

/// What a thread needs to run requests.
#[derive(Clone)]
struct Worker {
    /// The hash of the root key.
    root_hash: String,
}

/// What reading a request came to.
enum Progress {
    /// It is answered.
    Done(Answer),
    /// It may write: the writer has to run it.
    Writes,
}

impl Worker {
    /// Runs a request that reads; hands one that may write on.
    fn read(&self, connection: &mut Connection, job: Job, write: &mpsc::Sender<Job>) {
        let progress = connection.read(|transaction| self.run(transaction, &job, false));
        match progress {
            Ok(Progress::Writes) => pass_on(job, write),
            Ok(Progress::Done(answer)) => answer_to(job, answer),
            Err(halt) => answer_to(job, Answer::of_halt(&halt, ApiVersion::V4, 0)),
        }
    }

    /// Runs a request that may write.
    fn write(&self, connection: &mut Connection, job: Job) {
        let progress = connection.write(|transaction| {
            let progress = self.run(transaction, &job, true)?;
            let keep = matches!(&progress, Progress::Done(answer) if !answer.is_failure());
            Ok((progress, keep))
        });
        let answer = match progress {
            Ok(Progress::Done(answer)) => answer,
            Ok(Progress::Writes) => Answer::internal("a query did not know whether it writes"),
            Err(halt) => Answer::of_halt(&halt, ApiVersion::V4, 0),
        };
        answer_to(job, answer);
    }

    /// Runs a request inside a transaction.
    fn run(&self, transaction: &Transaction<'_>, job: &Job, writing: bool) -> Outcome<Progress> {
        let request = &job.request;
        let run = Run::new(transaction, forms(), job.deadline);
        let nobody = Caller { database: 0, source: Source::Root, identity: None, permissions: Permissions::Client };
        let limit = Limit { effect: Effect::Read, place: "authentication" };
        let context = Context::new(&run, Arc::new(nobody), request.version, limit);
        let caller = match &request.secret {
            Some(secret) => access::authenticate(&context, secret, &self.root_hash)?,
            None => None,
        };
        let now = transaction.snapshot();
        let Some(caller) = caller else { return Ok(Progress::Done(Answer::unauthorized(now))) };
        let (body, may_write, streams) = match &request.asked {
            Asked::Query { body, may_write, streams } => (body, *may_write, *streams),
            Asked::Login(reply) => return Ok(Progress::Done(answer::reply(&context, &caller, *reply)?)),
        };
        let failed = |halt| Ok(Progress::Done(Answer::of_halt(&halt, request.version, now)));
        let query = match wire::read(body) {
            Ok(query) => query,
            Err(unreadable) => return failed(answer::unreadable(unreadable)),
        };
        let limit = if may_write {
            Limit { effect: Effect::Write, place: "" }
        } else {
            Limit { effect: Effect::Read, place: "get requests" }
        };
        let context = Context::new(&run, Arc::new(caller), request.version, limit);
        let expression = match parser::parse(&run.forms.signatures, &context, request.version, &query) {
            Ok(expression) => expression,
            Err(halt) => return failed(halt),
        };
        if !writing && may_write && expression.effect() == Effect::Write {
            return Ok(Progress::Writes);
        }
        match context.evaluate(&expression) {
            Ok(value) if streams => Ok(Progress::Done(answer::stream(&context, &value))),
            Ok(value) => Ok(Progress::Done(answer::success(&context, &value)?)),
            Err(halt) => failed(halt),
        }
    }
}

/// Takes away what can no longer be read, a little at a time, between requests that write.
struct Janitor {
    /// What time it is.
    clock: SharedClock,
    /// When there is something to do again, in microseconds.
    next: i64,
}

impl Janitor {
    /// Does what there is to do. How long there is nothing to do then.
    fn tidy(&mut self, connection: &mut Connection) -> Duration {
        let now = self.clock.now_micros();
        if now < self.next {
            return TIDY_EVERY;
        }
        let pause = match connection.write(|transaction| Ok((documents::prune(transaction)?, true))) {
            Ok(true) => TIDY_PAUSE,
            Ok(false) => TIDY_EVERY,
            Err(halt) => {
                tracing::warn!(?halt, "the past of the embedded Fauna endpoint could not be pruned");
                TIDY_EVERY
            }
        };
        self.next = now.saturating_add(i64::try_from(pause.as_micros()).unwrap_or(i64::MAX));
        pause
    }
}

/// Hands a request to the writer.
fn pass_on(job: Job, writer: &mpsc::Sender<Job>) {
    if let Err(refused) = writer.send(job) {
        answer_to(refused.0, Answer::internal("the endpoint is stopping"));
    }
}

/// Sends an answer to whoever still waits for it.
fn answer_to(job: Job, answer: Answer) {
    let _gone = job.reply.send(answer);
}
