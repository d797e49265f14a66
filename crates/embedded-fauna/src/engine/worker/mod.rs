//! The threads that run jobs.

mod group;
mod parsed;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::janitor::Janitor;
use super::lane::{Lane, Role, Spent};
use super::running::{Entry, Lanes, Running};
use super::scheduler::{ScheduledJob, Scheduler, ThreadGuard};
use super::{Job, Operation};
use crate::answer::Answer;
use crate::evaluator::{Budget, Caller, Context, Limit, Permissions, Run, Source};
use crate::functions::forms;
use crate::ir::{ApiVersion, Effect, Fault, Halt, Outcome, Ref};
use crate::settings::Limits;
use crate::storage::{Attempt, Cause, Connection, File, Group, Interrupt, Slice, Transaction};
use crate::{access, answer};
use parsed::ParsedQueries;

/// Stack of a thread that evaluates, in bytes: enough for the deepest nesting that is allowed, in unoptimised builds too. The
/// system provides the memory only as it is used.
const STACK: usize = 512 << 20;
/// Longest wait of a reader for work.
const WAIT: Duration = Duration::from_secs(60);
/// Time for a query of a lane on a thread for quick queries.
const QUICK: Duration = Duration::from_millis(50);
/// Time for a query of a lane on the writer while others wait.
const QUICK_WRITE: Duration = Duration::from_millis(25);
/// The same for a lane whose queries have been slow.
const SLOW_WRITE: Duration = Duration::from_millis(2);
/// The most of that time, which is doubled whenever it was not enough.
const LONGEST_WRITE: Duration = Duration::from_millis(50);
/// Parts (16 bytes of text, or a value) of all values that a query with an application's key makes.
const APPLICATION_PARTS: usize = 1 << 25;
/// The same for any other query.
const LANE_PARTS: usize = 1 << 22;
/// Bytes that a query of the application may read (see [`Attempt::read_limit`]).
const APPLICATION_READS: usize = 4 << 30;
/// The same for any other query.
const LANE_READS: usize = 128 << 20;

/// State shared by all threads.
pub struct Shared {
    pub file: File,
    pub limits: Limits,
    pub scheduler: Arc<Scheduler>,
    pub running: Running,
    pub lanes: Lanes,
    root_hash: String,
}

impl Shared {
    pub fn new(file: File, root_hash: String, limits: Limits, scheduler: Arc<Scheduler>) -> Self {
        Self { file, limits, scheduler, running: Running::default(), lanes: Lanes::default(), root_hash }
    }

    /// A run of a job, with the limits of its lane.
    fn attempt(&self, job: &Job, lane: Option<Lane>, slice: Slice) -> Attempt {
        let (read_limit, write_limit) = if lane.is_some_and(Lane::is_application) {
            (APPLICATION_READS, usize::MAX)
        } else {
            (LANE_READS, self.limits.token_write_bytes)
        };
        Attempt { interrupt: Arc::clone(&job.interrupt), slice, read_limit, write_limit }
    }
}

/// Starts a thread; the janitor works on the writer.
///
/// # Errors
/// If the file cannot be opened or the thread cannot be started.
pub fn start(shared: &Arc<Shared>, role: Role, janitor: Option<Janitor>) -> Result<(), crate::Error> {
    let connection = shared.file.connect()?;
    if role == Role::Application {
        connection.keep_more()?;
    }
    let guard = shared.scheduler.thread();
    let (shared, parsed) = (Arc::clone(shared), ParsedQueries::new());
    let worker = Worker { shared, role, connection, parsed, is_abandoned: Arc::default() };
    let name = if role == Role::Writer { "fauna-writer" } else { "fauna-reader" };
    thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(move || worker.work(janitor, guard))?;
    Ok(())
}

/// A thread that runs jobs.
pub struct Worker {
    shared: Arc<Shared>,
    role: Role,
    connection: Connection,
    parsed: ParsedQueries,
    /// Whether another thread has taken this one's place.
    is_abandoned: Arc<AtomicBool>,
}

/// The outcome of running a job once.
enum Progress {
    Done(Answer),
    /// It may write: the writer has to run it.
    Writes,
}

impl Worker {
    /// Works until the scheduler closes, or another thread has taken this one's place.
    fn work(mut self, mut janitor: Option<Janitor>, guard: ThreadGuard) {
        if self.role == Role::Slow {
            yield_slice();
        }
        let mut wait = if janitor.is_some() { Duration::ZERO } else { WAIT };
        while let Ok(turn) = self.shared.scheduler.next(self.role, wait) {
            if let Some(turn) = turn {
                if self.role == Role::Writer {
                    self.write(turn);
                } else {
                    self.turn(turn);
                }
                if self.is_abandoned.load(Ordering::Acquire) {
                    break;
                }
            }
            if let Some(janitor) = &mut janitor {
                wait = janitor.tidy(&mut self.connection);
            }
        }
        self.connection.close();
        drop(guard);
    }

    /// Runs a job once, without the right to write.
    fn turn(&mut self, turn: ScheduledJob) {
        let ScheduledJob { mut job, lane, is_slow } = turn;
        let shared = Arc::clone(&self.shared);
        let began = Instant::now();
        if began >= job.interrupt.deadline() {
            let timed_out = Answer::timed_out(job.request.version, None);
            job.answer(timed_out);
            return shared.scheduler.release(lane, None, Some(self.role));
        }
        job.interrupt.resume();
        let attempt = shared.attempt(&job, lane, self.slice(lane));
        let entry = Entry {
            role: self.role,
            lane,
            interrupt: Arc::clone(&job.interrupt),
            statement: self.connection.interrupt_handle(),
            is_abandoned: Arc::clone(&self.is_abandoned),
            caller: None,
            is_outdated: false,
        };
        let number = shared.running.add(entry);
        let task = Task { shared: &shared, parsed: &self.parsed, job: &job, lane, number };
        let progress = self.connection.read(attempt, |transaction| task.run(transaction, false));
        let was_released = !shared.running.remove(number);
        let version = job.request.version;
        let spent = Spent { role: self.role, time: began.elapsed(), was_slow: is_slow };
        match (job.interrupt.cause(), progress) {
            (Cause::Preempted, _) if !was_released => shared.scheduler.requeue(job, lane, Some(spent)),
            (Cause::None, Ok(Progress::Writes)) if !was_released => {
                job.writes = true;
                shared.scheduler.requeue(job, lane, None);
            }
            (cause, progress) => {
                job.answer(match (cause, progress) {
                    (Cause::None, Ok(Progress::Done(answer))) => answer,
                    (Cause::None, Ok(Progress::Writes)) => Answer::stopping(),
                    (Cause::None, Err(halt)) => Answer::of_halt(&halt, version, None),
                    _ => Answer::timed_out(version, None),
                });
                if !was_released {
                    shared.scheduler.release(lane, Some(spent), Some(self.role));
                }
            }
        }
    }

    fn slice(&self, lane: Option<Lane>) -> Slice {
        match (self.role, lane) {
            (Role::Lanes, Some(Lane::Identity(_))) => Slice::Until(Instant::now() + QUICK),
            (Role::Slow, _) => Slice::BesideOthers(self.shared.scheduler.traffic().slow_query().into()),
            _ => Slice::Unlimited,
        }
    }
}

/// Lets threads of other kinds go first.
#[cfg(target_os = "linux")]
fn yield_slice() {
    const LOWEST: i32 = 19;
    let _still_runs = rustix::process::setpriority_process(None, LOWEST);
}

#[cfg(not(target_os = "linux"))]
const fn yield_slice() {}

/// The queries that a transaction revokes, once it is durable.
#[derive(Default)]
struct Revoked {
    /// Those to be interrupted.
    queries: Vec<Arc<Interrupt>>,
    /// Deleted documents, for queries that have begun since with what was there before.
    documents: Vec<Ref>,
}

/// One run of a job.
struct Task<'j> {
    shared: &'j Shared,
    parsed: &'j ParsedQueries,
    job: &'j Job,
    lane: Option<Lane>,
    /// Its number among those that are running.
    number: u64,
}

impl Task<'_> {
    /// Runs the job with the right to write. What it wrote is kept unless it failed or was interrupted. Also returns the queries
    /// that are to be interrupted once that is durable.
    fn write(&self, group: &mut Group<'_>, attempt: Attempt) -> Outcome<(Progress, Revoked)> {
        let interrupt = Arc::clone(&attempt.interrupt);
        group.write(attempt, |transaction| {
            let progress = self.run(transaction, true)?;
            let succeeded = matches!(&progress, Progress::Done(answer) if !answer.is_failure());
            let keep = succeeded && interrupt.cause() == Cause::None;
            let revoked = if keep { self.revoked(transaction)? } else { Revoked::default() };
            Ok(((progress, revoked), keep))
        })
    }

    /// What this transaction has deleted of tokens and of the documents they stand for.
    fn revoked(&self, transaction: &Transaction<'_>) -> Outcome<Revoked> {
        let mut revoked = Revoked { queries: Vec::new(), documents: transaction.removed()? };
        if transaction.written().is_empty() {
            return Ok(revoked);
        }
        for (caller, interrupt) in self.shared.running.callers(self.number) {
            for document in caller.documents() {
                let is_touched = transaction.is_schema_dirty() || transaction.written().contains(&document);
                if is_touched && !transaction.exists(document)? {
                    revoked.queries.push(Arc::clone(&interrupt));
                }
            }
        }
        Ok(revoked)
    }

    fn budget(&self) -> Budget {
        let answer_bytes = self.shared.limits.answer_bytes;
        if self.lane.is_some_and(Lane::is_application) {
            Budget { parts: APPLICATION_PARTS, writes: usize::MAX, answer_bytes }
        } else {
            Budget { parts: LANE_PARTS, writes: self.shared.limits.token_writes, answer_bytes }
        }
    }

    /// Runs the job in a transaction.
    fn run(&self, transaction: &Transaction<'_>, writing: bool) -> Outcome<Progress> {
        let request = &self.job.request;
        let run = Run::new(transaction, forms(), self.budget());
        let now = transaction.snapshot();
        let Some(caller) = self.authenticate(&run)? else {
            return Ok(Progress::Done(Answer::unauthorized(Some(now))));
        };
        let failed = |halt: Halt| Ok(Progress::Done(Answer::of_halt(&halt, request.version, Some(now))));
        let (body, may_write, streams) = match &request.operation {
            Operation::Query { body, may_write, streams } => (body, *may_write, *streams),
            Operation::Authenticate(reply) => {
                let context = context(&run, caller, request.version, Effect::Read);
                return Ok(Progress::Done(answer::authenticated(&context, *reply)?));
            }
        };
        let (effect, place) = match (may_write, streams) {
            (true, _) => (Effect::Write, ""),
            (false, true) => (Effect::Read, "stream requests"),
            (false, false) => (Effect::Read, "get requests"),
        };
        let context = Context::new(&run, caller, request.version, Limit { effect, place });
        let query = match self.parsed.parse(&context, body) {
            Ok(query) => query,
            Err(halt) => return failed(halt),
        };
        if !writing && may_write && query.effect == Effect::Write {
            return Ok(Progress::Writes);
        }
        let answered = context.evaluate(&query.expression).and_then(|value| {
            if streams { Ok(answer::stream(&context, &value)) } else { answer::success(&context, &value) }
        });
        answered.map(Progress::Done).or_else(failed)
    }

    /// Who shows the secret of the job; noted for its lane and among those that are running.
    fn authenticate(&self, run: &Run<'_>) -> Outcome<Option<Arc<Caller>>> {
        let Some(secret) = &self.job.request.secret else { return Ok(None) };
        let nobody = Caller { database: 0, source: Source::Root, identity: None, permissions: Permissions::Client };
        let context = context(run, Arc::new(nobody), self.job.request.version, Effect::Read);
        let Some(caller) = access::authenticate(&context, secret, &self.shared.root_hash)? else {
            self.shared.lanes.forget(secret);
            return Ok(None);
        };
        let caller = Arc::new(caller);
        self.shared.lanes.note(secret, &caller);
        if self.shared.running.identify(self.number, &caller) {
            self.job.interrupt.raise(Cause::Preempted);
            return Err(Fault::TimedOut.into());
        }
        Ok(Some(caller))
    }
}

fn context<'r>(run: &'r Run<'r>, caller: Arc<Caller>, version: ApiVersion, effect: Effect) -> Context<'r> {
    let place = if effect == Effect::Write { "" } else { "get requests" };
    Context::new(run, caller, version, Limit { effect, place })
}
