use super::*;
use crate::{
    attempt::{Live, Phase},
    health::checkup::{next_rung, rung},
    id::{Attempt, WorkerId},
    spec::Policy,
    testing,
    time::Millis,
};
use proptest::prelude::*;

const BEGAN: Time = Time(1_000_000);
const MINUTE: u64 = 60_000;

fn setting(policy: &Policy, restarts_left: bool) -> Setting<'_> {
    Setting {
        policy,
        began: BEGAN,
        restarts_left,
        usual: None,
    }
}

fn live() -> Live {
    Live {
        attempt: Attempt(1),
        task: "t".parse().unwrap(),
        worker: WorkerId(1),
        agent: "shell".into(),
        model: None,
        base: testing::oid(1),
        claimed: BEGAN,
        age_from: BEGAN,
        phase: Phase::Running,
        since: BEGAN,
        give_up: Time(u64::MAX),
        stopping: None,
        health: None,
        told: Rung::Fine,
        account: Default::default(),
        words: Default::default(),
        provider: None,
        route: None,
        asks: Vec::new(),
        asked: 0,
        held: 0,
        refresh: false,
        waited: Default::default(),
    }
}

fn at(minutes: u64) -> Time {
    BEGAN + Millis::mins(minutes)
}

/// A track that was measured every minute, `step` having changed the sample each time.
fn tracked(minutes: u64, mut step: impl FnMut(u64, &mut Sample)) -> Track {
    let policy = Policy::default();
    let mut sample = Sample::default();
    let mut track = Track::begin(&live(), sample.clone(), BEGAN, &policy);
    for minute in 1..=minutes {
        step(minute, &mut sample);
        track.take(sample.clone(), at(minute), &policy);
    }
    track
}

prop_compose! {
    fn clocks()(new in 0..90u64, wrote in 0..90u64, busy in 0..90u64, marker in 0..90u64,
                repeat in prop::option::of(0..90u64)) -> Clocks {
        Clocks { new: at(new), wrote: at(wrote), busy: at(busy), marker: at(marker), repeat: repeat.map(at) }
    }
}

proptest! {
    // proves: L-4a
    #[test]
    fn the_rung_changes_when_it_was_said_to_and_not_before(
        clocks in clocks(), restarts: bool, after in 0..200u64, parts in prop::collection::vec(0..1_000u64, 8),
    ) {
        let policy = Policy::default();
        let setting = setting(&policy, restarts);
        let now = at(90) + Millis::mins(after);
        let before = rung(&clocks, &setting, now);
        let next = next_rung(&clocks, &setting, now);
        // Within the wait, nothing changes; and in the end, who shows nothing is to stop.
        let end = next.unwrap_or(now + Millis::mins(500));
        for part in parts {
            let between = Time(now.0 + (end.0 - now.0).saturating_sub(1) * part / 1_000);
            prop_assert_eq!(rung(&clocks, &setting, between), before);
        }
        if next.is_none() {
            prop_assert_eq!(before, Rung::Stop);
        }
    }

    // proves: L-4
    #[test]
    fn a_score_falls_while_nothing_happens_and_is_fifty_at_most_where_an_agent_is_ended(
        clocks in clocks(), restarts: bool, minutes in prop::collection::vec(91..300u64, 2..6),
    ) {
        let policy = Policy::default();
        let setting = setting(&policy, restarts);
        let track = Track { clocks, ..tracked(1, |_, _| {}) };
        let mut minutes = minutes;
        minutes.sort_unstable();
        let found: Vec<Checkup> = minutes.iter().map(|m| Checkup::of(&track, &setting, at(*m))).collect();
        for pair in found.windows(2) {
            prop_assert!(pair[0].score >= pair[1].score);
            prop_assert!(pair[0].rung <= pair[1].rung);
        }
        for one in found {
            prop_assert!(one.rung != Rung::Stop || one.score <= 50, "{:?}", one);
            prop_assert!(one.rung == Rung::Fine || !one.reasons.is_empty(), "{:?}", one);
        }
    }

    // proves: L-4a
    #[test]
    fn who_computes_or_says_something_new_every_14_minutes_is_never_ended(
        signs in prop::collection::vec((1..14u64, 0..5u8), 1..60), restarts: bool,
    ) {
        let policy = Policy::default();
        let mut due = signs.iter().scan(0, |sum, (wait, kind)| { *sum += wait; Some((*sum, *kind)) }).peekable();
        let last = signs.iter().map(|s| s.0).sum();
        let mut stops = false;
        let mut sample = Sample::default();
        sample.counts.commit = Some(testing::oid(0));
        let mut track = Track::begin(&live(), sample.clone(), BEGAN, &policy);
        for minute in 1..=last {
            if let Some((_, kind)) = due.next_if(|(at, _)| *at == minute) {
                let counts = &mut sample.counts;
                match kind {
                    0 => (counts.lines, counts.new_lines) = (counts.lines + 1, counts.new_lines + 1),
                    1 => counts.cpu_ms += 2 * MINUTE / 100,
                    2 => counts.written_bytes += 4_096,
                    3 => counts.commit = Some(testing::oid(minute)),
                    _ => (counts.spawned, counts.cpu_ms) = (counts.spawned + 1, counts.cpu_ms + MINUTE / 100),
                }
            }
            track.take(sample.clone(), at(minute), &policy);
            stops |= rung(&track.clocks, &setting(&policy, restarts), at(minute)) == Rung::Stop;
        }
        prop_assert!(!stops);
    }
}

// proves: L-4
#[test]
fn a_stopped_agent_shows_no_life_whatever_its_children_do() {
    for leader in [Leader::Stopped, Leader::Gone] {
        let track = tracked(20, |minute, s| {
            s.leader = if minute > 3 { leader } else { Leader::Lives };
            s.counts.cpu_ms += MINUTE;
            s.counts.spawned += 1;
            s.counts.markers += 1;
        });
        let policy = Policy::default();
        let setting = setting(&policy, true);
        assert_eq!(track.clocks.busy, at(4));
        assert_eq!(rung(&track.clocks, &setting, at(18)), Rung::Checkpoint);
        assert_eq!(rung(&track.clocks, &setting, at(19)), Rung::Stop);
    }
}

// proves: L-4
#[test]
fn silence_ends_an_agent_after_15_minutes_if_it_can_be_restarted_and_after_30_in_any_case() {
    let policy = Policy::default();
    let track = tracked(5, |_, s| {
        s.counts.lines += 1;
        s.counts.new_lines += 1;
    });
    let rung = |restarts, minute| rung(&track.clocks, &setting(&policy, restarts), at(minute));
    assert_eq!(
        [rung(true, 19), rung(true, 20)],
        [Rung::Checkpoint, Rung::Stop]
    );
    assert_eq!(
        [rung(false, 34), rung(false, 35)],
        [Rung::Checkpoint, Rung::Stop]
    );
}

// proves: L-4a
#[test]
fn a_poll_that_starts_processes_is_no_work_and_a_start_grace_holds() {
    let policy = Policy::default();
    let track = tracked(20, |_, s| {
        s.counts.spawned += 12;
        s.counts.cpu_ms += 24;
    });
    assert_eq!(track.clocks.busy, BEGAN);
    let patient = Policy {
        health: crate::spec::Health {
            grace: Millis::mins(40),
            ..policy.health.clone()
        },
        ..policy
    };
    let setting = setting(&patient, true);
    assert_eq!(Checkup::of(&track, &setting, at(39)).score, 100);
    assert_eq!(rung(&track.clocks, &setting, at(40)), Rung::Stop);
}

// proves: L-4a
#[test]
fn the_next_keeper_goes_on_from_what_was_logged() {
    let policy = Policy::default();
    let mut live = live();
    let old = tracked(9, |minute, s| {
        if minute <= 2 {
            s.counts.output_bytes += 50;
            s.counts.new_lines += 1;
            s.counts.cpu_ms += MINUTE;
        }
    });
    live.health = Some(alloc::boxed::Box::new(Logged {
        score: 76,
        rung: Rung::Fine,
        reasons: Vec::new(),
        clocks: old.clocks,
        counts: old.sample.counts.clone(),
        at: at(9),
    }));
    // The next keeper's host has seen no line and no process before.
    let mut sample = old.sample.clone();
    (
        sample.counts.new_lines,
        sample.counts.lines,
        sample.counts.spawned,
    ) = (40, 40, 3);
    let same = Track::begin(&live, sample.clone(), at(12), &policy);
    let since = |clocks: Clocks, now: Time| [now.since(clocks.new), now.since(clocks.busy)];
    // Nothing has happened meanwhile, and nobody would have seen it.
    assert_eq!(since(same.clocks, at(12)), since(old.clocks, at(9)));
    sample.counts.output_bytes += 1;
    let spoke = Track::begin(&live, sample, at(12), &policy);
    assert_eq!(spoke.clocks.new, at(12));
    // Of what nobody logged, the best is believed.
    live.health = None;
    let mut met = Sample::default();
    (met.counts.lines, met.counts.new_lines) = (9, 9);
    assert_eq!(Track::begin(&live, met, at(12), &policy).clocks.new, at(12));
}

// proves: L-4a
#[test]
fn slowness_is_told_by_the_median_of_the_like_and_ends_nobody() {
    let mut pace = Pace::default();
    for minutes in [4, 5, 6, 300] {
        pace.add(Millis::mins(minutes));
        assert_eq!(pace.usual(), None);
    }
    pace.add(Millis::mins(7));
    assert_eq!(pace.usual(), Some(Millis::mins(6)));
    let policy = Policy::default();
    let track = tracked(19, |_, s| {
        s.counts.lines += 1;
        s.counts.new_lines += 1;
    });
    let setting = Setting {
        usual: pace.usual(),
        ..setting(&policy, true)
    };
    let found = Checkup::of(&track, &setting, at(19));
    assert_eq!((found.score, found.rung), (85, Rung::Fine));
    assert!(
        matches!(found.reasons[..], [Reason::Slow { .. }]),
        "{found:?}"
    );
}
