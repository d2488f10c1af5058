//! Who is on a collision course (W-9): work in flight is test-merged before it is done, so that those whose work
//! will not merge are named while there is still time to do something about it.
//!
//! A forecast decides nothing. What collides is told, and every attempt goes on as it would have: nothing in
//! `claim`, `due` or `plan` reads a collision, and the simulator holds them to that. What will not merge in the
//! end becomes a fix task as ever (W-7).
//!
//! The core says when to look and at what; the host merges, without a checkout; what it found comes back and is
//! an event where it changed something: once when works begin to collide, or do so in other files or more surely,
//! and once when they do no more.

use crate::{
    attempt::{Live, Phase},
    event::Event,
    id::{Attempt, Oid, SwarmName, TaskId, WorkerId},
    limits,
    merge::{Conflict, Severity},
    request::Fingerprint,
    state::State,
    task::{FixStrategy, Task, TaskState},
    time::{Millis, Time},
};
use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt::Write;
use serde::{Deserialize, Serialize};

/// One attempt's work that is not merged yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// The task.
    pub task: TaskId,
    /// The attempt: another attempt's work is other work.
    pub attempt: Attempt,
    /// Whose.
    pub worker: WorkerId,
}

/// Works that do not merge as they are now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collision {
    /// The two works, or the one that does not merge with the integration branch.
    pub works: Vec<Work>,
    /// Where and how, as for conflicts that were met (SPEC appendix C); at most [`limits::COLLISION_FILES`].
    pub conflicts: Vec<Conflict>,
    /// In so many more files.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// Why works collide no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gone {
    /// They merge now.
    Settled,
    /// One of them is merged, left out, or was given up.
    Over,
}

/// What to look at, for [`Action::Forecast`](crate::plan::Action::Forecast).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Given back with what is found.
    pub mark: u64,
    /// The swarm.
    pub swarm: SwarmName,
    /// The integration branch's tip.
    pub tip: Oid,
    /// Works in flight first, then accepted ones.
    pub works: Vec<Sight>,
    /// At most so many pairs are merged in one look.
    pub pairs: usize,
}

/// A work to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Which.
    pub work: Work,
    /// Where it is.
    pub stand: Stand,
}

/// Where a work is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    /// In its worker's worktree.
    InFlight {
        /// The commit it began from.
        base: Oid,
        /// When it was claimed: dates what is made of it.
        claimed: Time,
    },
    /// Accepted.
    Result {
        /// Its commit.
        commit: Oid,
        /// What it changed; none if that is too much to be listed.
        files: Option<Vec<String>>,
    },
}

/// What merging two works gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// One of them, in flight.
    pub ours: Attempt,
    /// The other; none: the integration branch.
    pub theirs: Option<Attempt>,
    /// The files in conflict, each with what is wrong in plain words. Without any they merge.
    pub files: Vec<(String, String)>,
}

/// Which works were looked at last, and when. Beside the state, as measurements are: a new keeper looks anew.
#[derive(Clone, Copy, Debug, Default)]
pub struct Looked(Option<(u64, bool, Time)>);

/// Two states are the same whenever somebody looked.
impl PartialEq for Looked {
    fn eq(&self, _: &Looked) -> bool {
        true
    }
}

impl Looked {
    /// A look at the works that `mark` stands for is over; `cut`: not everything was looked at.
    pub(crate) fn take(&mut self, mark: u64, cut: bool, now: Time) {
        self.0 = Some((mark, cut, now));
    }
}

/// The look that is due now.
pub(crate) fn due(state: &State, now: Time) -> Option<u64> {
    let (mark, at) = wanted(state)?;
    at.is_none_or(|at| at <= now).then_some(mark)
}

/// When a look is due that is not due yet.
pub(crate) fn due_at(state: &State, now: Time) -> Option<Time> {
    wanted(state)?.1.filter(|at| *at > now)
}

/// The works that nobody has looked at as they are now, and from when on that may be done.
fn wanted(state: &State) -> Option<(u64, Option<Time>)> {
    let interval = state.swarm()?.spec.policy.forecast_interval;
    if interval == Millis(0) || state.shares_worktree() || state.draining() {
        return None;
    }
    // What is being merged shows by itself whether it merges.
    if state.merge().is_some() {
        return None;
    }
    let mark = mark(state)?;
    match state.looked().0 {
        Some((looked, cut, _)) if looked == mark && !cut => None,
        looked => Some((mark, looked.map(|(_, _, at)| at + interval))),
    }
}

/// Tells apart what there was to see: another number whenever a work in flight reached another checkpoint,
/// committed or wrote files, or a result was accepted. None while nothing could collide.
fn mark(state: &State) -> Option<u64> {
    let swarm = state.swarm()?;
    let mut text = Fingerprint::default();
    // Writing to a number cannot fail.
    let _ = write!(text, "{}", swarm.tip);
    let (mut works, mut flying, mut seen) = (0, 0, false);
    for live in state.live().filter(|live| flies(state, live)) {
        (works, flying) = (works + 1, flying + 1);
        let _ = write!(text, " {}", live.attempt);
        if let Some(track) = state.facts().of(live.attempt) {
            let counts = &track.sample.counts;
            let commit = counts.commit.as_ref().filter(|c| **c != live.base);
            let wrote = counts.written_bytes;
            seen |= commit.is_some() || wrote > 0 || counts.checkpoints > 0;
            let _ = write!(text, ":{commit:?}:{}:{wrote}", counts.checkpoints);
        }
    }
    for (task, accepted, _) in results(state) {
        (works, seen) = (works + 1, true);
        let _ = write!(text, " {}={}", task.id(), accepted);
    }
    (seen && flying > 0 && works > 1).then(|| text.number())
}

/// Whether an attempt's worktree holds work that is under way. One that lays out a merge for its agent to resolve
/// holds that merge's markers until the agent is done.
fn flies(state: &State, live: &Live) -> bool {
    let fix = state.task(&live.task).and_then(Task::fix);
    let resolves = fix.is_some_and(|fix| fix.strategy == FixStrategy::Resolve);
    live.phase > Phase::Claimed && live.stopping.is_none() && !resolves
}

/// Results that are accepted and not merged, each with its attempt and commit.
fn results(state: &State) -> impl Iterator<Item = (&Task, Attempt, &Oid)> {
    state.accepted().filter_map(|task| {
        let accepted = task.accepted.as_ref()?;
        Some((task, accepted.attempt, accepted.commit.as_ref()?))
    })
}

/// What to look at; none if that has changed meanwhile.
#[must_use]
pub fn order(state: &State, mark: u64) -> Option<Order> {
    let swarm = state.swarm()?;
    if self::mark(state) != Some(mark) {
        return None;
    }
    // The newest results: what has waited for long was looked at before.
    let skipped = results(state).count().saturating_sub(limits::SIGHTS);
    let results = results(state).skip(skipped);
    let results = results.filter_map(|(task, attempt, commit)| {
        let receipt = &task.accepted.as_ref()?.receipt;
        let listed = receipt.files.len() == receipt.file_count;
        Some(Sight {
            work: work_of(state, attempt, task)?,
            stand: Stand::Result {
                commit: commit.clone(),
                files: listed.then(|| receipt.files.clone()),
            },
        })
    });
    let flying = state.live().filter(|live| flies(state, live));
    let flying = flying.take(limits::SIGHTS).map(|live| Sight {
        work: work(live),
        stand: Stand::InFlight {
            base: live.base.clone(),
            claimed: live.claimed,
        },
    });
    Some(Order {
        mark,
        swarm: swarm.spec.name.clone(),
        tip: swarm.tip.clone(),
        works: flying.chain(results).collect(),
        pairs: limits::FORECAST_PAIRS,
    })
}

fn work(live: &Live) -> Work {
    Work {
        task: live.task.clone(),
        attempt: live.attempt,
        worker: live.worker,
    }
}

fn work_of(state: &State, attempt: Attempt, task: &Task) -> Option<Work> {
    if let Some(live) = state.attempt(attempt) {
        return Some(work(live));
    }
    let past = task.history.iter().rev().find(|p| p.attempt == attempt)?;
    Some(Work {
        task: task.id().clone(),
        attempt,
        worker: past.worker,
    })
}

/// Whether a work is still what it was: at work, or accepted and not merged.
fn stands(state: &State, work: &Work) -> bool {
    state.attempt(work.attempt).is_some() || is_accepted(state, work)
}

fn is_accepted(state: &State, work: &Work) -> bool {
    state.task(&work.task).is_some_and(|task| {
        let accepted = task.accepted.as_ref().map(|a| a.attempt);
        task.state == TaskState::Accepted && accepted == Some(work.attempt)
    })
}

/// What was found, as events: only what is new.
pub(crate) fn seen(state: &State, met: &[Meeting]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut room = limits::COLLISIONS.saturating_sub(state.collisions().len());
    for meeting in met {
        let sides = [Some(meeting.ours), meeting.theirs];
        let works = sides.iter().flatten().map(|attempt| find(state, *attempt));
        // What has ended meanwhile is not told of.
        let Some(works) = works.collect::<Option<Vec<Work>>>() else {
            continue;
        };
        let known = state.collisions().iter().find(|c| c.is_of(&works));
        if meeting.files.is_empty() {
            events.extend(known.map(|known| gone(known, Gone::Settled)));
            continue;
        }
        let collision = collision(state, works, &meeting.files);
        if known == Some(&collision) {
            continue;
        }
        if known.is_none() {
            if room == 0 {
                continue;
            }
            room -= 1;
        }
        events.push(Event::CollisionForeseen {
            collision: Box::new(collision),
        });
    }
    events
}

fn find(state: &State, attempt: Attempt) -> Option<Work> {
    if let Some(live) = state.attempt(attempt) {
        return Some(work(live));
    }
    let (task, ..) = results(state).find(|(_, accepted, _)| *accepted == attempt)?;
    work_of(state, attempt, task)
}

fn collision(state: &State, mut works: Vec<Work>, files: &[(String, String)]) -> Collision {
    // Whichever of them was looked at first.
    works.sort_by_key(|work| work.attempt);
    // Only what is in flight can still turn aside; with one of two it will hardly.
    let certain = works.len() < 2 || works.iter().any(|work| is_accepted(state, work));
    let severity = if certain {
        Severity::Critical
    } else {
        Severity::Warning
    };
    let conflict = |(file, what): &(String, String)| Conflict {
        file: file.clone(),
        workers: works.iter().map(|work| work.worker).collect(),
        tasks: works.iter().map(|work| work.task.clone()).collect(),
        severity,
        description: what.clone(),
    };
    let shown = files.iter().take(limits::COLLISION_FILES);
    Collision {
        conflicts: shown.map(conflict).collect(),
        more: files.len().saturating_sub(limits::COLLISION_FILES),
        works,
    }
}

fn gone(collision: &Collision, why: Gone) -> Event {
    Event::CollisionGone {
        works: collision.works.clone(),
        why,
    }
}

/// A collision that is none any more because one of its works is over.
pub(crate) fn next(state: &State) -> Option<Event> {
    let over = |c: &&Collision| !c.works.iter().all(|work| stands(state, work));
    let over = state.collisions().iter().find(over)?;
    Some(gone(over, Gone::Over))
}

impl Collision {
    /// Whether it is of these works, in whatever order.
    #[must_use]
    pub fn is_of(&self, works: &[Work]) -> bool {
        self.works.len() == works.len() && works.iter().all(|work| self.works.contains(work))
    }

    /// Where, in a few words: `src/a.rs and 2 more files`.
    #[must_use]
    pub fn place(&self) -> String {
        let first = self.conflicts.first().map_or("", |c| c.file.as_str());
        match self.conflicts.len().saturating_sub(1) + self.more {
            0 => first.into(),
            1 => format!("{first} and 1 more file"),
            n => format!("{first} and {n} more files"),
        }
    }

    /// Who with whom, and where: `w1 (schema) and w2 (login) are on a collision course in src/a.rs`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let who = |work: &Work| format!("{} ({})", work.worker, work.task);
        let who: Vec<String> = self.works.iter().map(who).collect();
        match who.as_slice() {
            [one] => format!(
                "{one} is on a collision course with the integration branch in {}",
                self.place()
            ),
            all => format!(
                "{} are on a collision course in {}",
                all.join(" and "),
                self.place()
            ),
        }
    }

    fn seen_from(&self, task: &TaskId) -> String {
        let with = self.works.iter().find(|work| work.task != *task);
        let with = with.map_or_else(
            || "the integration branch".to_string(),
            |work| format!("{} ({})", work.worker, work.task),
        );
        format!("on a collision course with {with} in {}", self.place())
    }
}

/// With whom a task's work collides, as a sentence's end; none when it is known to collide with nobody's.
#[must_use]
pub fn tell(state: &State, task: &TaskId) -> Option<String> {
    let of = |c: &&Collision| c.works.iter().any(|work| work.task == *task);
    let mine = state.collisions().iter().filter(of);
    let mine: Vec<String> = mine.map(|c| c.seen_from(task)).collect();
    (!mine.is_empty()).then(|| mine.join("; "))
}
