//! Decides which job runs next on which thread.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Job;
use crate::answer::Answer;
use crate::ir::Ref;

/// The most jobs of the application, and the most with unverified secrets, that wait.
const WAITING: usize = 4096;
/// The most jobs that wait in all lanes together.
const WAITING_IN_LANES: usize = 4096;
/// The number of lanes from which on idle ones are forgotten.
const MAX_LANES: usize = 4096;
/// A lane whose query was preempted starts its queries on the threads for slow ones for this long,
const SLOW_FOR: Duration = Duration::from_secs(1);
/// and for this many times the time that the query then takes there,
const SLOW_FACTOR: u32 = 20;
/// but not longer than this.
const MAX_SLOW_FOR: Duration = Duration::from_secs(10);

/// Callers that share a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// The application: keys, except those of the role `client` and those used as a document. No turns.
    Application,
    /// A user document, or a key or token that is none.
    Identity(Ref),
}

impl Lane {
    pub const fn is_application(self) -> bool {
        matches!(self, Self::Application)
    }
}

/// The kind of work of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Writer,
    /// Reads for the application.
    Application,
    /// Reads for lanes, each query for a short time.
    Lanes,
    /// Reads for lanes whose queries took more than a short time.
    Slow,
}

impl Role {
    const fn index(self) -> usize {
        match self {
            Self::Writer => 0,
            Self::Application => 1,
            Self::Lanes => 2,
            Self::Slow => 3,
        }
    }

    /// The threads that read.
    pub const READERS: [Self; 7] =
        [Self::Application, Self::Application, Self::Lanes, Self::Lanes, Self::Slow, Self::Slow, Self::Slow];
}

/// A job that a thread has been given. The lane is busy until it is handed back to the scheduler.
pub struct ScheduledJob {
    pub job: Job,
    /// `None`: the secret has not been verified.
    pub lane: Option<Lane>,
    /// Whether the lane's queries are slow at present.
    pub is_slow: bool,
}

#[derive(Default)]
struct LaneState {
    waiting: VecDeque<Job>,
    /// Whether one of its jobs runs, or the lane is in one of the queues of those that are ready.
    is_busy: bool,
    slow_until: Option<Instant>,
}

impl LaneState {
    fn is_slow(&self) -> bool {
        self.slow_until.is_some_and(|until| until > Instant::now())
    }
}

#[derive(Default)]
struct State {
    unverified: VecDeque<Job>,
    application_reads: VecDeque<Job>,
    application_writes: VecDeque<Job>,
    lanes: HashMap<Ref, LaneState>,
    /// Jobs waiting in all lanes together.
    in_lanes: usize,
    reads: VecDeque<Ref>,
    slow_reads: VecDeque<Ref>,
    writes: VecDeque<Ref>,
    slow_writes: VecDeque<Ref>,
    is_closed: bool,
    threads: usize,
    /// Threads of each role that wait for work.
    idle: [usize; 4],
}

/// The queues of jobs.
pub struct Scheduler {
    state: Mutex<State>,
    /// Told about new work, a role each.
    arrived: [Condvar; 4],
    ended: Condvar,
    /// Jobs and lanes that wait for the writer.
    waiting_for_writer: Arc<AtomicUsize>,
    /// The most jobs that wait in one lane.
    lane_limit: usize,
}

impl Scheduler {
    pub fn new(lane_limit: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            arrived: Default::default(),
            ended: Condvar::new(),
            waiting_for_writer: Arc::default(),
            lane_limit,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of jobs and lanes that wait for the writer.
    pub fn waiting_for_writer(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.waiting_for_writer)
    }

    /// Wakes a thread of this role, if one waits.
    fn wake(&self, state: &State, role: Role) -> bool {
        let is_idle = state.idle.get(role.index()).is_some_and(|idle| *idle > 0);
        if let (true, Some(arrived)) = (is_idle, self.arrived.get(role.index())) {
            arrived.notify_one();
        }
        is_idle
    }

    /// Takes a new job, or one whose lane has become known.
    pub fn submit(&self, job: Job, lane: Option<Lane>) {
        let mut state = self.lock();
        if state.is_closed {
            drop(state);
            return job.answer(Answer::stopping());
        }
        let refused = match lane {
            None if state.unverified.len() < WAITING => {
                state.unverified.push_back(job);
                if !self.wake(&state, Role::Lanes) {
                    self.wake(&state, Role::Application);
                }
                None
            }
            Some(Lane::Application) if job.writes && state.application_writes.len() < WAITING => {
                state.application_writes.push_back(job);
                self.count_writers(&state);
                self.wake(&state, Role::Writer);
                None
            }
            Some(Lane::Application) if !job.writes && state.application_reads.len() < WAITING => {
                state.application_reads.push_back(job);
                self.wake(&state, Role::Application);
                None
            }
            Some(Lane::Identity(identity)) => self.wait_in_lane(&mut state, identity, job),
            _ => Some(job),
        };
        drop(state);
        if let Some(job) = refused {
            job.answer(Answer::too_many_requests("Too many pending requests"));
        }
    }

    /// Puts a job at the end of a lane; gives it back if too many wait there.
    fn wait_in_lane(&self, state: &mut State, identity: Ref, job: Job) -> Option<Job> {
        if state.in_lanes >= WAITING_IN_LANES {
            return Some(job);
        }
        if state.lanes.len() >= MAX_LANES {
            state.lanes.retain(|_, lane| lane.is_busy || !lane.waiting.is_empty() || lane.is_slow());
        }
        let lane = state.lanes.entry(identity).or_default();
        if lane.waiting.len() >= self.lane_limit {
            return Some(job);
        }
        lane.waiting.push_back(job);
        state.in_lanes += 1;
        self.make_ready(state, identity);
        None
    }

    /// Puts a lane that is not busy into the queue that its first job belongs to; forgets it if nothing waits there.
    fn make_ready(&self, state: &mut State, identity: Ref) {
        let Some(lane) = state.lanes.get_mut(&identity).filter(|lane| !lane.is_busy) else { return };
        let is_slow = lane.is_slow();
        let Some(first) = lane.waiting.front() else {
            if !is_slow {
                state.lanes.remove(&identity);
            }
            return;
        };
        lane.is_busy = true;
        let (queue, role) = match (first.writes, is_slow) {
            (false, false) => (&mut state.reads, Role::Lanes),
            (false, true) => (&mut state.slow_reads, Role::Slow),
            (true, false) => (&mut state.writes, Role::Writer),
            (true, true) => (&mut state.slow_writes, Role::Writer),
        };
        queue.push_back(identity);
        self.count_writers(state);
        self.wake(state, role);
    }

    fn count_writers(&self, state: &State) {
        let waiting = state.application_writes.len() + state.writes.len() + state.slow_writes.len();
        self.waiting_for_writer.store(waiting, Ordering::Relaxed);
    }

    /// Ends a turn of a lane: its next job may run. `slow`: the time that a slow query took.
    pub fn release(&self, lane: Option<Lane>, slow: Option<Duration>) {
        let Some(Lane::Identity(identity)) = lane else { return };
        let mut state = self.lock();
        if let Some(lane) = state.lanes.get_mut(&identity) {
            lane.is_busy = false;
            if let Some(took) = slow {
                lane.slow_until = Some(Instant::now() + took.saturating_mul(SLOW_FACTOR).min(MAX_SLOW_FOR));
            }
        }
        self.make_ready(&mut state, identity);
    }

    /// Ends a turn whose job has not been answered: it has to run on the writer, or it was preempted.
    pub fn requeue(&self, job: Job, lane: Option<Lane>, was_preempted: bool) {
        let Some(Lane::Identity(identity)) = lane else { return self.submit(job, lane) };
        let mut state = self.lock();
        if state.is_closed {
            drop(state);
            return job.answer(Answer::stopping());
        }
        let lane = state.lanes.entry(identity).or_default();
        lane.is_busy = false;
        if was_preempted {
            lane.slow_until = Some(Instant::now() + SLOW_FOR);
        }
        lane.waiting.push_front(job);
        state.in_lanes += 1;
        self.make_ready(&mut state, identity);
    }

    /// The next job for a thread; waits for it, but not longer than `within`. `Err` if the thread is to end.
    pub fn next(&self, role: Role, within: Duration) -> Result<Option<ScheduledJob>, Closed> {
        let until = Instant::now() + within;
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return Err(Closed);
            }
            if let Some(turn) = self.take(&mut state, role) {
                return Ok(Some(turn));
            }
            let left = until.saturating_duration_since(Instant::now());
            let Some(arrived) = self.arrived.get(role.index()).filter(|_| !left.is_zero()) else { return Ok(None) };
            if let Some(idle) = state.idle.get_mut(role.index()) {
                *idle += 1;
            }
            state = arrived.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            if let Some(idle) = state.idle.get_mut(role.index()) {
                *idle -= 1;
            }
        }
    }

    fn take(&self, state: &mut State, role: Role) -> Option<ScheduledJob> {
        let unverified = |job| ScheduledJob { job, lane: None, is_slow: false };
        let application = |job| ScheduledJob { job, lane: Some(Lane::Application), is_slow: false };
        match role {
            Role::Application => {
                let read = state.application_reads.pop_front().map(application);
                read.or_else(|| state.unverified.pop_front().map(unverified))
            }
            Role::Lanes => {
                let identity = state.reads.pop_front();
                let turn = identity.and_then(|identity| state.turn(identity));
                turn.or_else(|| state.unverified.pop_front().map(unverified))
            }
            Role::Slow => {
                let identity = state.slow_reads.pop_front()?;
                state.turn(identity)
            }
            Role::Writer => {
                let turn = state.application_writes.pop_front().map(application).or_else(|| {
                    let identity = state.writes.pop_front().or_else(|| state.slow_writes.pop_front())?;
                    state.turn(identity)
                });
                self.count_writers(state);
                turn
            }
        }
    }

    /// Waits for the end of the engine, but not longer than `within`. Whether it has come.
    pub fn is_closed_within(&self, within: Duration) -> bool {
        let state = self.lock();
        let waited = self.ended.wait_timeout_while(state, within, |state| !state.is_closed);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_closed
    }

    /// Answers everything that waits and ends the threads.
    pub fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let mut jobs = std::mem::take(&mut state.unverified);
        jobs.append(&mut state.application_reads);
        jobs.append(&mut state.application_writes);
        for (_, mut lane) in std::mem::take(&mut state.lanes) {
            jobs.append(&mut lane.waiting);
        }
        drop(state);
        self.ended.notify_all();
        for arrived in &self.arrived {
            arrived.notify_all();
        }
        for job in jobs {
            job.answer(Answer::stopping());
        }
    }

    /// Notes that a thread has begun; it ends when the guard is dropped.
    pub fn thread(self: &Arc<Self>) -> ThreadGuard {
        self.lock().threads += 1;
        ThreadGuard(Arc::clone(self))
    }

    /// Waits until no thread is left, but not longer than `within`. Whether none is.
    pub fn wait_for_threads(&self, within: Duration) -> bool {
        let state = self.lock();
        let waited = self.ended.wait_timeout_while(state, within, |state| state.threads > 0);
        waited.unwrap_or_else(PoisonError::into_inner).0.threads == 0
    }
}

impl State {
    /// The first job of a lane.
    fn turn(&mut self, identity: Ref) -> Option<ScheduledJob> {
        let lane = self.lanes.get_mut(&identity)?;
        let job = lane.waiting.pop_front()?;
        self.in_lanes -= 1;
        Some(ScheduledJob { job, lane: Some(Lane::Identity(identity)), is_slow: lane.is_slow() })
    }
}

/// The engine is stopping.
#[derive(Clone, Copy, Debug)]
pub struct Closed;

/// A thread that is running.
pub struct ThreadGuard(Arc<Scheduler>);

impl Drop for ThreadGuard {
    fn drop(&mut self) {
        self.0.lock().threads -= 1;
        self.0.ended.notify_all();
    }
}
