//! Decides which job runs next on which thread.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Job;
use super::lane::{Lane, LaneState, Role, Spent, WriteArrivals};
use crate::answer::Answer;
use crate::ir::Ref;
use crate::storage::Traffic;

/// The most jobs of the application, and the most with unverified secrets, that wait.
const WAITING: usize = 4096;
/// The most jobs that wait in all lanes together.
const WAITING_IN_LANES: usize = 4096;
/// The number of lanes from which on idle ones are forgotten.
const MAX_LANES: usize = 4096;
/// A job that a thread has been given. The lane is busy until it is handed back to the scheduler.
pub struct ScheduledJob {
    pub job: Job,
    /// `None`: the secret has not been verified.
    pub lane: Option<Lane>,
    /// Whether the lane's queries are slow at present.
    pub is_slow: bool,
}

impl ScheduledJob {
    const fn of_application(job: Job) -> Self {
        Self { job, lane: Some(Lane::Application), is_slow: false }
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
    /// Lanes that have used their share of the writer, and when they may have it again.
    resting: Vec<(Instant, Ref)>,
    write_arrivals: WriteArrivals,
    /// Whether the lane that had the writer last was a slow one.
    was_slow_write: bool,
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
    /// Told about every job that is not for the threads for slow ones.
    traffic: Arc<Traffic>,
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
            traffic: Arc::default(),
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

    /// Records when quick jobs and the writer run, so that slow jobs can pause.
    pub const fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
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
                state.write_arrivals.note(None, Instant::now());
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
            let now = Instant::now();
            state.lanes.retain(|_, lane| !lane.is_idle(now));
        }
        let lane = state.lanes.entry(identity).or_default();
        if lane.waiting.len() >= self.lane_limit {
            return Some(job);
        }
        if job.writes {
            state.write_arrivals.note(Some(identity), Instant::now());
        }
        lane.waiting.push_back(job);
        state.in_lanes += 1;
        self.make_ready(state, identity, None);
        None
    }

    /// Puts a lane that is not busy into the queue that its first job belongs to; forgets it if nothing waits there. Wakes a thread
    /// for it, unless the caller is a thread of that role and asks for its next job now.
    fn make_ready(&self, state: &mut State, identity: Ref, caller: Option<Role>) {
        let now = Instant::now();
        let Some(lane) = state.lanes.get_mut(&identity).filter(|lane| !lane.is_busy) else { return };
        let Some(first) = lane.waiting.front() else {
            if lane.is_idle(now) {
                state.lanes.remove(&identity);
            }
            return;
        };
        let writes = first.writes;
        let rests_until =
            lane.rests_until(now).filter(|_| writes && state.write_arrivals.is_contended(Some(identity), now));
        let is_slow = lane.is_slow(now);
        lane.is_busy = true;
        if let Some(until) = rests_until {
            state.resting.push((until, identity));
            // It has to know until when it may sleep.
            self.wake(state, Role::Writer);
            return;
        }
        let (queue, role) = match (writes, is_slow) {
            (false, false) => (&mut state.reads, Role::Lanes),
            (false, true) => (&mut state.slow_reads, Role::Slow),
            (true, false) => (&mut state.writes, Role::Writer),
            (true, true) => (&mut state.slow_writes, Role::Writer),
        };
        queue.push_back(identity);
        self.count_writers(state);
        if caller != Some(role) {
            self.wake(state, role);
        }
    }

    /// Lets lanes that have rested have the writer again. A slow query on the writer makes room for them from then on.
    pub fn end_rests(&self) {
        let mut state = self.lock();
        state.end_rests(Instant::now());
        self.count_writers(&state);
    }

    fn count_writers(&self, state: &State) {
        let waiting = state.application_writes.len() + state.writes.len() + state.slow_writes.len();
        self.waiting_for_writer.store(waiting, Ordering::Relaxed);
    }

    /// Ends a turn of a lane: its next job may run. `caller` is the role of the thread if that calls [`Scheduler::next`] now.
    pub fn release(&self, lane: Option<Lane>, spent: Option<Spent>, caller: Option<Role>) {
        let Some(Lane::Identity(identity)) = lane else { return };
        let mut state = self.lock();
        if let Some(lane) = state.lanes.get_mut(&identity) {
            lane.is_busy = false;
            if let Some(spent) = spent {
                lane.charge(spent, false, Instant::now());
            }
        }
        self.make_ready(&mut state, identity, caller);
    }

    /// Ends a turn whose job has not been answered: it was preempted after some time, or it has to run on the writer.
    pub fn requeue(&self, job: Job, lane: Option<Lane>, preempted: Option<Spent>) {
        let Some(Lane::Identity(identity)) = lane else { return self.submit(job, lane) };
        let mut state = self.lock();
        if state.is_closed {
            drop(state);
            return job.answer(Answer::stopping());
        }
        let lane = state.lanes.entry(identity).or_default();
        lane.is_busy = false;
        if let Some(spent) = preempted {
            lane.charge(spent, true, Instant::now());
        }
        lane.waiting.push_front(job);
        state.in_lanes += 1;
        self.make_ready(&mut state, identity, None);
    }

    /// A job to be added to a group of writes: one of the application, or of a lane that is not slow.
    pub fn next_member(&self) -> Option<ScheduledJob> {
        let mut state = self.lock();
        if state.is_closed {
            return None;
        }
        let turn = state.quick_write();
        self.count_writers(&state);
        turn
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
                if role != Role::Slow {
                    self.traffic.note();
                }
                return Ok(Some(turn));
            }
            let rested = state.resting.iter().map(|(until, _)| *until).min().filter(|_| role == Role::Writer);
            let left = rested.map_or(until, |rested| rested.min(until)).saturating_duration_since(Instant::now());
            let Some(arrived) = self.arrived.get(role.index()).filter(|_| Instant::now() < until) else {
                return Ok(None);
            };
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
        match role {
            Role::Application => {
                let read = state.application_reads.pop_front().map(ScheduledJob::of_application);
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
                state.end_rests(Instant::now());
                // In turns, so that neither kind of lane keeps the other waiting for ever.
                let slow_first = !state.was_slow_write && state.application_writes.is_empty();
                let turn = slow_first.then(|| state.slow_write()).flatten();
                let turn = turn.or_else(|| state.quick_write()).or_else(|| state.slow_write());
                state.was_slow_write = turn.as_ref().is_some_and(|turn| turn.is_slow);
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
        let is_slow = lane.is_slow(Instant::now());
        let job = lane.waiting.pop_front()?;
        self.in_lanes -= 1;
        Some(ScheduledJob { job, lane: Some(Lane::Identity(identity)), is_slow })
    }

    fn quick_write(&mut self) -> Option<ScheduledJob> {
        if let Some(job) = self.application_writes.pop_front() {
            return Some(ScheduledJob::of_application(job));
        }
        let identity = self.writes.pop_front()?;
        self.turn(identity)
    }

    fn slow_write(&mut self) -> Option<ScheduledJob> {
        let identity = self.slow_writes.pop_front()?;
        self.turn(identity)
    }

    fn end_rests(&mut self, now: Instant) {
        let Self { resting, lanes, writes, slow_writes, .. } = self;
        resting.retain(|(until, identity)| {
            let is_slow = lanes.get(identity).is_some_and(|lane| lane.is_slow(now));
            if *until <= now {
                if is_slow { slow_writes.push_back(*identity) } else { writes.push_back(*identity) }
            }
            *until > now
        });
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
