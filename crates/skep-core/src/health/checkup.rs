//! The checkup itself: a pure function of what is known of an attempt, the policy, its like, and now.

use super::{Clocks, Leader, Track};
use crate::{
    spec::Policy,
    time::{Millis, Time},
};
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// How far up the ladder an attempt is (L-4a).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// Nothing is wrong.
    #[default]
    Fine,
    /// It is reminded that it should report.
    Nudge,
    /// It is asked what it is doing.
    Ask,
    /// It is asked to leave its work as it is: it will be ended.
    Checkpoint,
    /// It is ended.
    Stop,
}

impl Rung {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Rung::Fine => "fine",
            Rung::Nudge => "nudge",
            Rung::Ask => "ask",
            Rung::Checkpoint => "checkpoint",
            Rung::Stop => "stop",
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Why a score is less than 100, each with how long it has been so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its process has just begun.
    Starting(Millis),
    /// No sign of life of any kind.
    Silent(Millis),
    /// Nothing but health markers.
    OnlyMarkers(Millis),
    /// Nothing but output that repeats.
    Repeats(Millis),
    /// Nothing but CPU and processes.
    OnlyBusy(Millis),
    /// A signal stopped its process; since the last sign of life.
    Stopped(Millis),
    /// Its process has ended and left others behind; since the last sign of life.
    Gone(Millis),
    /// It reads from a terminal where nobody types; since the last sign of life.
    WaitsForInput(Millis),
    /// It takes much longer than its like.
    Slow {
        /// How long it has run.
        ran: Millis,
        /// How long its like take.
        usual: Millis,
    },
    /// Its host shows no life.
    NoHeartbeat(Millis),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Starting(_) => f.write_str("it has just begun"),
            Reason::Silent(age) => write!(f, "no sign of life for {}", whole(*age)),
            Reason::OnlyMarkers(age) => {
                write!(f, "nothing but health markers for {}", whole(*age))
            }
            Reason::Repeats(age) => {
                write!(f, "nothing but repeated output for {}", whole(*age))
            }
            Reason::OnlyBusy(age) => write!(f, "nothing but CPU use for {}", whole(*age)),
            Reason::Stopped(age) => write!(
                f,
                "its process was stopped by a signal; no sign of life for {}",
                whole(*age)
            ),
            Reason::Gone(age) => write!(
                f,
                "its process has ended and left others behind; no sign of life for {}",
                whole(*age)
            ),
            Reason::WaitsForInput(age) => write!(
                f,
                "it reads from a terminal where nobody types; no sign of life for {}",
                whole(*age)
            ),
            Reason::Slow { ran, usual } => write!(
                f,
                "it has run for {}, and its like take {}",
                whole(*ran),
                whole(*usual)
            ),
            Reason::NoHeartbeat(age) => write!(f, "no heartbeat for {}", whole(*age)),
        }
    }
}

/// A length of time in whole seconds, for people.
pub(super) fn whole(length: Millis) -> Millis {
    if length.0 < 1000 {
        return length;
    }
    Millis(length.0 - length.0 % 1000)
}

/// What a checkup needs to know beside the facts.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The numbers.
    pub policy: &'a Policy,
    /// When the agent's process began.
    pub began: Time,
    /// Whether its task would be retried.
    pub restarts_left: bool,
    /// How long its like take.
    pub usual: Option<Millis>,
}

/// What a checkup found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkup {
    /// 0 to 100.
    pub score: u8,
    /// How far up the ladder.
    pub rung: Rung,
    /// Why it is not 100.
    pub reasons: Vec<Reason>,
}

/// How long each kind of sign has been all there was.
struct Since {
    quiet: Time,
    only_markers: Time,
    repeats: Option<Time>,
    only_busy: Time,
}

impl Since {
    fn of(clocks: &Clocks) -> Since {
        let made = clocks.new.max(clocks.wrote);
        let moved = made.max(clocks.busy);
        Since {
            quiet: moved.max(clocks.marker),
            only_markers: moved,
            repeats: clocks.repeat.filter(|at| *at > made).map(|_| made),
            only_busy: made.max(clocks.marker),
        }
    }

    /// The bases that lead to a stop, each with how slowly it does.
    fn bases(&self) -> impl Iterator<Item = (Time, u64)> {
        [(self.quiet, 1), (self.only_markers, 2)]
            .into_iter()
            .chain(self.repeats.map(|at| (at, 2)))
    }
}

/// The rung alone: what is asked after every request, so it costs next to nothing.
pub(super) fn rung(clocks: &Clocks, setting: &Setting<'_>, now: Time) -> Rung {
    let health = &setting.policy.health;
    if now < setting.began + health.grace {
        return Rung::Fine;
    }
    let since = Since::of(clocks);
    let silence = since.bases().map(|(at, slow)| now.since(at).0 / slow).max();
    let silence = Millis(silence.unwrap_or_default());
    let longest = since.bases().map(|(at, _)| now.since(at)).max();
    let over = longest.is_some_and(|l| l >= health.silent);
    if over || (silence >= health.stale && setting.restarts_left) {
        return Rung::Stop;
    }
    // CPU alone leads to questions and never to a stop.
    let suspicion = Millis(now.since(since.only_busy).0 / 2).max(silence);
    [
        (health.checkpoint, Rung::Checkpoint),
        (health.ask, Rung::Ask),
        (health.nudge, Rung::Nudge),
    ]
    .into_iter()
    .find(|(limit, _)| suspicion >= *limit)
    .map_or(Rung::Fine, |(_, rung)| rung)
}

/// When the rung changes if nothing happens.
pub(super) fn next_rung(clocks: &Clocks, setting: &Setting<'_>, now: Time) -> Option<Time> {
    let health = &setting.policy.health;
    let since = Since::of(clocks);
    let steps = [health.nudge, health.ask, health.checkpoint];
    let grace = setting.began + health.grace;
    let spoken = since.bases().chain([(since.only_busy, 2)]);
    let spoken = spoken.flat_map(|(at, slow)| steps.map(|step| at + step.times(slow)));
    let restart = since
        .bases()
        .map(|(at, slow)| at + health.stale.times(slow));
    let restart = restart.filter(|_| setting.restarts_left);
    let end = since.bases().map(|(at, _)| at + health.silent);
    let all = spoken.chain(restart).chain(end).map(|at| at.max(grace));
    all.filter(|at| *at > now).min()
}

impl Checkup {
    /// Checks an attempt up.
    #[must_use]
    pub fn of(track: &Track, setting: &Setting<'_>, now: Time) -> Checkup {
        let mut reasons = Vec::new();
        let health = &setting.policy.health;
        let ran = now.since(setting.began);
        if ran < health.grace {
            reasons.push(Reason::Starting(ran));
            return Checkup {
                score: 100,
                rung: Rung::Fine,
                reasons,
            };
        }
        let since = Since::of(&track.clocks);
        let silence = since.bases().map(|(at, slow)| now.since(at).0 / slow).max();
        // 50 where it is ended if it can be restarted, whatever that limit is.
        let share = |length: u64, of: Millis, most: u64| length.saturating_mul(most) / of.0.max(1);
        let mut lost = share(silence.unwrap_or_default(), health.stale, 50).min(100);
        let only_busy = now.since(since.only_busy);
        if only_busy >= health.nudge {
            lost = lost.max(share(only_busy.0, health.silent, 40).min(40));
        }
        let quiet = now.since(since.quiet);
        match track.sample.leader {
            Leader::Stopped => reasons.push(Reason::Stopped(quiet)),
            Leader::Gone => reasons.push(Reason::Gone(quiet)),
            Leader::Lives if track.sample.waits_for_input => {
                reasons.push(Reason::WaitsForInput(quiet));
            }
            Leader::Lives => {}
        }
        lost += if reasons.is_empty() { 0 } else { 30 };
        if reasons.is_empty() && quiet >= health.grace {
            reasons.push(Reason::Silent(quiet));
        }
        let markers = now.since(since.only_markers);
        if markers >= health.nudge && markers > quiet {
            reasons.push(Reason::OnlyMarkers(markers));
        }
        if let Some(at) = since.repeats
            && now.since(at) >= health.nudge
        {
            reasons.push(Reason::Repeats(now.since(at)));
        } else if only_busy >= health.nudge && quiet < health.nudge && markers < health.nudge {
            reasons.push(Reason::OnlyBusy(only_busy));
        }
        if let Some(usual) = setting.usual
            && ran.0.saturating_mul(100) > usual.0.saturating_mul(u64::from(health.slow_percent))
        {
            lost += 15;
            reasons.push(Reason::Slow { ran, usual });
        }
        if let Some(age) = track.sample.beat_age
            && age.0 > setting.policy.heartbeat_timeout.0 / 2
        {
            lost += 20;
            reasons.push(Reason::NoHeartbeat(age));
        }
        Checkup {
            score: u8::try_from(100u64.saturating_sub(lost)).unwrap_or_default(),
            rung: rung(&track.clocks, setting, now),
            reasons,
        }
    }
}
