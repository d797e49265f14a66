//! Jobs that wait for the writer at the same time share one durable commit: syncing the disk costs more than most of them.
//!
//! Nobody is answered before that commit, so a group must not become long: it ends as soon as nobody waits, after a short time,
//! and a job in it makes room for those before it as for others that wait. A slow query begins a group or has none. A key of the application may take as long as it likes,
//! so its jobs join only a group of such jobs.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use super::parsed::ParsedQueries;
use super::{LONGEST_WRITE, Progress, QUICK_WRITE, Revoked, SLOW_WRITE, Shared, Task, Worker};
use crate::answer::Answer;
use crate::engine::Job;
use crate::engine::lane::{Lane, Role, Spent};
use crate::engine::running::Entry;
use crate::engine::scheduler::ScheduledJob;
use crate::ir::Outcome;
use crate::storage::{Cause, Group, Slice};

/// The most jobs of a group.
const MEMBERS_MAX: usize = 32;
/// Time within which jobs are added to a group.
const GATHER: Duration = Duration::from_millis(5);

/// A job that has run and waits for the commit.
struct Member {
    job: Job,
    lane: Option<Lane>,
    answer: Answer,
    spent: Spent,
    revoked: Revoked,
}

impl Worker {
    /// Runs a job and those that wait behind it, in as many groups as it takes.
    pub(super) fn write(&mut self, first: ScheduledJob) {
        let mut next = Some(first);
        while let Some(first) = next {
            next = self.write_group(first);
        }
    }

    /// Runs one group; returns a job that was taken but does not belong to it.
    fn write_group(&mut self, first: ScheduledJob) -> Option<ScheduledJob> {
        let shared = Arc::clone(&self.shared);
        let is_abandoned = Arc::clone(&self.is_abandoned);
        let mut group = match self.connection.group() {
            Ok(group) => group,
            Err(halt) => {
                let answer = Answer::of_halt(&halt, first.job.request.version, None);
                first.job.answer(answer);
                shared.scheduler.release(first.lane, None, None);
                return None;
            }
        };
        let until = Instant::now() + GATHER;
        let (mut members, mut next, mut left) = (Vec::new(), Some(first), None);
        while let Some(turn) = next.take() {
            let statement = group.interrupt_handle();
            let entry = |job: &Job, lane| Entry {
                role: Role::Writer,
                lane,
                interrupt: Arc::clone(&job.interrupt),
                statement,
                is_abandoned: Arc::clone(&is_abandoned),
                caller: None,
                is_outdated: false,
            };
            members.extend(run((&shared, &self.parsed), &mut group, turn, !members.is_empty(), entry));
            if group.is_lost() || members.len() >= MEMBERS_MAX || Instant::now() >= until {
                break;
            }
            match shared.scheduler.next_member() {
                Some(turn) if belongs(&members, &turn) => next = Some(turn),
                other => left = other,
            }
        }
        finish(&shared, &group.commit(), members);
        left
    }
}

/// Whether a job may be added to a group.
fn belongs(members: &[Member], turn: &ScheduledJob) -> bool {
    let is_application = |lane: Option<Lane>| lane.is_none_or(Lane::is_application);
    !is_application(turn.lane) || members.iter().all(|member| is_application(member.lane))
}

/// Runs a job in a group; `None` if it has been answered or handed back already.
fn run(
    (shared, parsed): (&Shared, &ParsedQueries),
    group: &mut Group<'_>,
    turn: ScheduledJob,
    somebody_waits: bool,
    entry: impl FnOnce(&Job, Option<Lane>) -> Entry,
) -> Option<Member> {
    let ScheduledJob { mut job, lane, is_slow } = turn;
    let version = job.request.version;
    let began = Instant::now();
    if began >= job.interrupt.deadline() {
        job.answer(Answer::timed_out(version, None));
        shared.scheduler.release(lane, None, None);
        return None;
    }
    job.interrupt.resume();
    let is_application = lane.is_none_or(Lane::is_application);
    let time = job.write_slice.unwrap_or(if is_slow { SLOW_WRITE } else { QUICK_WRITE });
    let slice = if is_application {
        Slice::Unlimited
    } else {
        let until = began + time;
        let waiting =
            if somebody_waits { Arc::new(AtomicUsize::new(1)) } else { shared.scheduler.waiting_for_writer() };
        Slice::WhileNobodyWaits { until, waiting }
    };
    let attempt = shared.attempt(&job, lane, slice);
    let number = shared.running.add(entry(&job, lane));
    let outcome = Task { shared, parsed, job: &job, lane, number }.write(group, attempt);
    shared.running.remove(number);
    let spent = Spent { role: Role::Writer, time: began.elapsed(), was_slow: is_slow };
    let (answer, revoked) = match (job.interrupt.cause(), outcome) {
        (Cause::Preempted, _) => {
            job.write_slice = Some(time.saturating_mul(2).min(LONGEST_WRITE));
            shared.scheduler.requeue(job, lane, Some(spent));
            return None;
        }
        (Cause::None, Ok((Progress::Done(answer), revoked))) => (answer, revoked),
        (Cause::None, Ok((Progress::Writes, _))) => {
            job.writes = true;
            shared.scheduler.requeue(job, lane, None);
            return None;
        }
        (Cause::None, Err(halt)) => (Answer::of_halt(&halt, version, None), Revoked::default()),
        _ => (Answer::timed_out(version, None), Revoked::default()),
    };
    Some(Member { job, lane, answer, spent, revoked })
}

/// Answers the jobs of a group.
fn finish(shared: &Shared, committed: &Outcome<bool>, members: Vec<Member>) {
    if matches!(committed, Ok(true)) {
        for Member { revoked, .. } in &members {
            for query in &revoked.queries {
                query.raise(Cause::Revoked);
            }
            shared.running.revoke(&revoked.documents);
        }
    }
    for Member { job, lane, answer, spent, .. } in members {
        match committed {
            // The job that was interrupted has its answer; the others are run again.
            Ok(false) if job.interrupt.cause() == Cause::None => {
                shared.scheduler.requeue(job, lane, None);
                continue;
            }
            Ok(_) => job.answer(answer),
            Err(halt) => {
                let failed = Answer::of_halt(halt, job.request.version, None);
                job.answer(failed);
            }
        }
        shared.scheduler.release(lane, Some(spent), None);
    }
}
