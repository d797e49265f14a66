//! The thread that serves all streams.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;

use super::authority::{self, Authority};
use super::outlet::{Events, Outlet, Queues};
use super::{Ending, Request, Step, events, line};
use crate::access;
use crate::evaluator::{Budget, Caller, Context, Limit, Permissions, Run, Source};
use crate::functions::forms;
use crate::ir::{Effect, Fault, Halt, Outcome};
use crate::storage::{Attempt, Commit, Connection, File, Interrupt, MAX_COMMITS, Slice, Topic, Transaction};

/// Maximum number of open streams.
const MAX_STREAMS: usize = 1024;
/// Maximum number of open streams with one secret.
const MAX_PER_SECRET: usize = 256;
/// Stack of the thread, in bytes: predicates of roles are evaluated on it.
const STACK: usize = 512 << 20;
/// Interval at which the secrets of all streams are verified, also of those without events.
const VERIFY_EVERY: Duration = Duration::from_secs(5);
/// Time for the permissions of one stream and one commit.
const EVALUATE_WITHIN: Duration = Duration::from_secs(2);
/// Parts of all values that this evaluation makes.
const EVALUATION_PARTS: usize = 1 << 22;
/// Bytes that this evaluation reads.
const EVALUATION_BYTES: usize = 64 << 20;

/// Opens streams. Clones share the thread.
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

struct Shared {
    file: File,
    root_hash: String,
    state: Mutex<State>,
    queues: Arc<Queues>,
    /// Time for a client to read an event.
    read_within: Duration,
}

#[derive(Default)]
struct State {
    next: u64,
    opened: Vec<Stream>,
    closed: Vec<u64>,
    /// Hash of the secret of each open stream.
    secrets: HashMap<u64, String>,
    is_stopping: bool,
    thread: Option<JoinHandle<()>>,
}

struct Stream {
    number: u64,
    request: Request,
    outlet: Outlet,
    topics: Vec<Topic>,
    /// `None` until the stream has started.
    started: Option<Started>,
}

struct Started {
    authority: Authority,
    /// Commits up to this one were before the start.
    after: i64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a client has gone.
    fn close(&self, number: u64) {
        let mut state = self.lock();
        state.closed.push(number);
        state.secrets.remove(&number);
        drop(state);
        self.file.feed().wake();
    }
}

impl Hub {
    /// Starts the thread. A stream ends when its client has not read an event for `read_within`.
    ///
    /// # Errors
    /// If the file cannot be opened or the thread cannot be started.
    pub fn start(file: File, root_hash: String, read_within: Duration) -> Result<Self, crate::Error> {
        let connection = file.connect()?;
        let shared = Arc::new(Shared { file, root_hash, state: Mutex::default(), queues: Arc::default(), read_within });
        let server = Server { shared: Arc::clone(&shared), connection, streams: Vec::new(), look_at: Instant::now() };
        let thread = thread::Builder::new().name("fauna-streams".to_owned()).stack_size(STACK);
        let thread = thread.spawn(move || server.serve())?;
        shared.lock().thread = Some(thread);
        Ok(Self(shared))
    }

    /// Opens a stream and returns its number, which is unique in this process, and its events. If there are too many, the only
    /// event is an error.
    pub fn open(&self, request: Request) -> (u64, Events) {
        let shared = &self.0;
        let mut state = shared.lock();
        state.next += 1;
        let number = state.next;
        let secret = access::hash(request.options.secret.expose_secret().as_bytes());
        let same = state.secrets.values().filter(|known| **known == secret).count();
        if state.secrets.len() >= MAX_STREAMS || same >= MAX_PER_SECRET || state.is_stopping {
            let (outlet, events) = shared.queues.open(None);
            outlet.send_last(Ending::TooMany.event(0));
            return (number, events);
        }
        let on_close = {
            let shared = Arc::clone(shared);
            Box::new(move || shared.close(number))
        };
        let (outlet, events) = shared.queues.open(Some(on_close));
        let topics = vec![request.target.topic()];
        shared.file.feed().watch(&topics);
        state.secrets.insert(number, secret);
        state.opened.push(Stream { number, request, outlet, topics, started: None });
        drop(state);
        shared.file.feed().wake();
        (number, events)
    }

    /// Ends all streams and waits for the thread.
    pub fn stop(&self) {
        self.close();
        let thread = self.0.lock().thread.take();
        if let Some(thread) = thread {
            let _panicked = thread.join();
        }
    }

    /// Ends all streams; the thread ends soon.
    pub fn close(&self) {
        self.0.lock().is_stopping = true;
        self.0.file.feed().wake();
    }
}

/// The state of the thread.
struct Server {
    shared: Arc<Shared>,
    connection: Connection,
    streams: Vec<Stream>,
    /// When all streams are to be looked at next.
    look_at: Instant,
}

impl Server {
    fn serve(mut self) {
        loop {
            let mut batch = self.shared.file.feed().next(self.look_at.saturating_duration_since(Instant::now()));
            let mut state = self.shared.lock();
            let (opened, closed) = (std::mem::take(&mut state.opened), std::mem::take(&mut state.closed));
            let is_stopping = state.is_stopping;
            drop(state);
            self.streams.extend(opened);
            self.remove(|stream| closed.contains(&stream.number));
            if is_stopping {
                self.remove(|_| true);
                return self.connection.close();
            }
            let first = self.streams.partition_point(|stream| stream.started.is_some());
            let first = self.streams.get(first).map_or(u64::MAX, |stream| stream.number);
            // The second time, because what the secret rests on has been watched only since the first.
            for _ in 0..2 {
                self.step(|stream| stream.number >= first, None);
            }
            while let Some(commit) = batch.commits.pop_front() {
                self.step(|_| true, Some(&commit));
            }
            if batch.is_incomplete {
                tracing::warn!(
                    streams = self.streams.len(),
                    "all streams end: more was written than their thread could follow"
                );
                for stream in &self.streams {
                    stream.outlet.send_last(Ending::Congestion(MAX_COMMITS).event(0));
                }
                self.remove(|_| true);
            }
            let now = Instant::now();
            if now >= self.look_at {
                self.end_stalled(now);
                self.step(|_| true, None);
                self.look_at = now + VERIFY_EVERY.min(self.shared.read_within / 2);
            }
        }
    }

    /// Ends the streams whose clients do not read, and those whose events were dropped to make room for others.
    fn end_stalled(&mut self, now: Instant) {
        let limit = self.shared.read_within;
        let mut ended = Vec::new();
        for stream in self.streams.iter().filter(|stream| stream.outlet.is_stalled(now, limit)) {
            let ending = Ending::Congestion(stream.outlet.cut());
            stream.end(ending, 0);
            ended.push(stream.number);
        }
        if !ended.is_empty() {
            self.remove(|stream| ended.contains(&stream.number));
        }
    }

    fn remove(&mut self, is_removed: impl Fn(&Stream) -> bool) {
        let feed = self.shared.file.feed();
        self.streams.retain(|stream| {
            let is_removed = is_removed(stream);
            if is_removed {
                feed.unwatch(&stream.topics);
            }
            !is_removed
        });
    }

    /// Lets streams start, verify their secret, or send the events of a commit; ends those that fail.
    fn step(&mut self, is_concerned: impl Fn(&Stream) -> bool, commit: Option<&Commit>) {
        let mut ended = Vec::new();
        let Self { shared, connection, streams, .. } = self;
        for stream in streams.iter_mut().filter(|stream| is_concerned(stream)) {
            if shared.lock().is_stopping {
                return;
            }
            let ending = match stream.step(shared, connection, commit) {
                Ok(Ok(())) => continue,
                Ok(Err(ending)) => ending,
                Err(Halt::Fault(Fault::TimedOut)) => Ending::TimedOut,
                Err(halt) => {
                    tracing::error!(?halt, "a stream failed");
                    Ending::Internal
                }
            };
            stream.end(ending, commit.map_or(0, |commit| commit.at));
            ended.push(stream.number);
        }
        self.remove(|stream| ended.contains(&stream.number));
    }
}

impl Stream {
    /// Sends the last event. The stream is to be removed.
    fn end(&self, ending: Ending, at: i64) {
        tracing::info!(stream = self.number, reason = %ending, "a stream ends");
        self.outlet.send_last(ending.event(at));
    }

    /// Starts the stream, or sends the events of a commit, or only verifies the secret.
    fn step(&mut self, shared: &Shared, connection: &mut Connection, commit: Option<&Commit>) -> Step<()> {
        let found = match (&self.started, commit) {
            (Some(started), Some(commit)) if commit.at <= started.after => return Ok(Ok(())),
            (Some(_), Some(commit)) => events::of_commit(commit, &self.request.target),
            _ => Vec::new(),
        };
        if found.is_empty() && commit.is_some_and(|commit| !commit.affects_authority) {
            return Ok(Ok(()));
        }
        let interrupt = Interrupt::new(Instant::now() + EVALUATE_WITHIN);
        let attempt = Attempt { interrupt, slice: Slice::Unlimited, read_limit: EVALUATION_BYTES, write_limit: 0 };
        connection.read(attempt, |transaction| {
            let Some((caller, authority)) = self.authenticate(shared, transaction)? else {
                return Ok(Err(Ending::AuthorizationLost));
            };
            match &self.started {
                Some(started) if started.authority != authority => return Ok(Err(Ending::AuthorizationLost)),
                Some(_) => {}
                None => {
                    self.begin(shared, authority, transaction);
                    return Ok(Ok(()));
                }
            }
            let Some(commit) = commit else { return Ok(Ok(())) };
            let run = run(transaction).at(commit.at);
            let context = self.context(&run, caller);
            for event in found {
                if event.is_visible(&context)? {
                    let json = event.json(&context, &self.request.options.fields, commit.at)?;
                    if let Err(full) = self.outlet.send(line(event.kind(), commit.at, &json)) {
                        return Ok(Err(Ending::Congestion(full.events)));
                    }
                }
            }
            Ok(Ok(()))
        })
    }

    /// Sends the `start` event.
    fn begin(&mut self, shared: &Shared, authority: Authority, transaction: &Transaction<'_>) {
        let topics: Vec<Topic> = authority.topics().collect();
        shared.file.feed().watch(&topics);
        self.topics.extend(topics);
        let after = transaction.last_commit();
        self.started = Some(Started { authority, after });
        self.outlet.send_last(line("start", after, &after.to_string()));
    }

    fn authenticate(
        &self,
        shared: &Shared,
        transaction: &Transaction<'_>,
    ) -> Outcome<Option<(Arc<Caller>, Authority)>> {
        let run = run(transaction);
        let nobody = Caller { database: 0, source: Source::Root, identity: None, permissions: Permissions::Client };
        authority::authenticate(
            &self.context(&run, Arc::new(nobody)),
            self.request.options.secret.expose_secret(),
            &shared.root_hash,
        )
    }

    fn context<'r>(&self, run: &'r Run<'r>, caller: Arc<Caller>) -> Context<'r> {
        let limit = Limit { effect: Effect::Read, place: "stream requests" };
        Context::new(run, caller, self.request.options.version, limit)
    }
}

fn run<'t>(transaction: &'t Transaction<'t>) -> Run<'t> {
    Run::new(transaction, forms(), Budget { parts: EVALUATION_PARTS, writes: 0, answer_bytes: usize::MAX })
}
