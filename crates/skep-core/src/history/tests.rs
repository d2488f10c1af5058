use super::*;
use crate::{
    event::By,
    fault::ErrorKind,
    history::{ring::parts, tally::Tally},
    id::Attempt,
    merge::Severity,
};
use alloc::{format, vec::Vec};
use proptest::prelude::*;

/// Events that a state takes whatever it is in, some of which have a worker or a name of their own.
fn event(kind: u8, n: u32) -> Event {
    match kind {
        0 => Event::WorkerAdded {
            worker: WorkerId(n % 500 + 1),
            role: None,
            why: None,
        },
        1 => Event::WorkerGone {
            worker: WorkerId(n % 500 + 1),
        },
        2 => Event::ProviderParked {
            provider: format!("p{n}"),
            kind: ErrorKind::RateLimit,
            until: Time(0),
            reason: "full".into(),
            attempt: Attempt(1),
            tried: None,
        },
        3 => Event::Signal {
            severity: Severity::Warning,
            text: "t".into(),
        },
        _ => Event::SwarmPaused {},
    }
}

fn apply(state: &mut State, at: Time, event: Event) {
    let seq = state.seq() + 1;
    state.apply(&Record {
        seq,
        at,
        trace: "t".into(),
        by: By::Policy,
        key: None,
        event,
    });
}

/// Times that pass between two events: none, a little, a lot, for ever.
fn gap() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        1u64..20_000,
        1u64..7_200_000,
        1u64..8_000_000_000,
        Just(u64::MAX / 2)
    ]
}

fn bound() -> usize {
    let buckets: u64 = RINGS.iter().map(|(_, most)| most).sum();
    let spans = Stage::ALL.len() * (EDGES.len() + 2);
    let bucket = 1 + Count::ALL.len() + Level::ALL.len() + 2 * (limits::NAMES + 1) + spans;
    (buckets as usize + 1) * bucket + (limits::NAMES + 1 + limits::WORKERS_TIMED) * spans
}

proptest! {
    // proves: U-5, U-12
    #[test]
    fn whatever_happens_it_stays_bounded_and_chart_and_totals_agree(
        steps in prop::collection::vec((gap(), 0u8..5, any::<u32>()), 1..400),
        after in 0u64..100_000_000,
        step in 1u64..10_000_000,
    ) {
        let (mut state, mut now) = (State::default(), Time(1_000_000_000));
        for (gap, kind, n) in steps {
            now = now + Millis(gap);
            apply(&mut state, now, event(kind, n));
            let history = state.history();
            prop_assert!(history.len() <= bound());
            for (ring, (_, most)) in history.rings.iter().zip(RINGS) {
                prop_assert!(ring.iter().count() as u64 <= most);
                prop_assert!(ring.iter().map(|(at, _)| at).is_sorted_by(|a, b| a < b));
            }
        }
        let now = now + Millis(after);
        let (history, reach) = (state.history(), state.history().reach());
        let series = state.series(reach, Millis(step), now);
        prop_assert!(series.points.len() as u64 <= 1_502);
        prop_assert!(series.step.0 >= step || series.points.len() == 1);
        let even = series.points.windows(2);
        prop_assert!(even.into_iter().all(|w| w[1].from == w[0].from + series.step));
        let sum = |what: Count| series.points.iter().map(|p| p.bucket.counts.get(what)).sum::<u64>();
        let within = state.within(reach, now);
        // All that happened is still remembered: the chart says the same as the totals.
        if history.since().is_some_and(|since| now.since(since) < Millis::mins(60 * 24 * 44)) {
            for what in [Count::WorkersAdded, Count::WarningSignals, Count::ProviderParks] {
                prop_assert_eq!(sum(what), history.totals().counts.get(what));
                prop_assert_eq!(within.counts.get(what), history.totals().counts.get(what));
            }
            let tail = now.since(history.at).0 * state.workers().len() as u64;
            let all = history.totals().counts.get(Count::WorkerMs) + tail;
            prop_assert_eq!(sum(Count::WorkerMs), all);
            prop_assert_eq!(within.counts.get(Count::WorkerMs), all);
        }
        let last = &series.points.last().unwrap().bucket.levels;
        prop_assert_eq!(last, &levels(&state));
    }

    #[test]
    fn parts_cover_a_length_without_crossing_an_edge(
        from in 0u64..1_000_000, length in 0u64..100_000, step in 1u64..50_000
    ) {
        let step = Millis(step);
        let all: Vec<_> = parts(Time(from), Time(from + length), step).collect();
        prop_assert_eq!(all.iter().map(|(_, length)| length.0).sum::<u64>(), length);
        for (at, length) in all {
            prop_assert!(length.0 > 0 && at.0 / step.0 == (at.0 + length.0 - 1) / step.0);
        }
    }

    #[test]
    fn a_tally_is_the_map_that_it_stands_for(adds in prop::collection::vec((0u8..9, 0u64..5), 0..60)) {
        let (mut tally, mut map) = (Tally::default(), BTreeMap::new());
        for (key, more) in adds {
            tally.add(key, more);
            *map.entry(key).or_insert(0u64) += more;
        }
        map.retain(|_, n| *n > 0);
        prop_assert_eq!(tally.iter().collect::<BTreeMap<_, _>>(), map.clone());
        prop_assert_eq!(tally.sum(), map.values().sum::<u64>());
    }
}

// proves: U-3
#[test]
fn where_nothing_happened_a_chart_says_what_there_was() {
    let mut state = State::default();
    let begin = Time(60_000_000);
    let add = |n| Event::WorkerAdded {
        worker: WorkerId(n),
        role: None,
        why: None,
    };
    apply(&mut state, begin, add(1));
    apply(&mut state, begin + Millis::mins(10), add(2));
    let now = begin + Millis::mins(20) + Millis::secs(30);
    let series = state.series(Millis::mins(60), Millis::mins(1), now);
    let workers = |point: &Point| point.bucket.levels.get(Level::WorkersSpawning);
    let said: Vec<u64> = series.points.iter().map(workers).collect();
    assert_eq!(said.len(), 21);
    assert_eq!((&said[..10], &said[10..]), (&[1; 10][..], &[2; 11][..]));
    let time = |point: &Point| point.bucket.counts.get(Count::WorkerMs);
    let said: Vec<u64> = series.points.iter().map(time).collect();
    assert_eq!((said[3], said[13], said[20]), (60_000, 120_000, 60_000));
}

// proves: U-5
#[test]
fn names_without_end_share_one_number() {
    let mut history = History::default();
    for n in 0..1_000 {
        let name = format!("m{n}");
        history.time_attempt(&name, WorkerId(n), Stage::Run, Millis(5));
    }
    assert_eq!(history.models.len(), limits::NAMES + 1);
    assert_eq!(history.workers.len(), limits::WORKERS_TIMED);
    let others = history.models().find(|(name, _)| *name == "others");
    let count = others.and_then(|(_, spans)| spans.of(Stage::Run)).unwrap();
    assert_eq!(count.count, 1_000 - limits::NAMES as u64);
}

#[test]
fn the_table_of_levels_begins_with_the_states_of_tasks() {
    for (state, level) in TaskState::ALL.iter().zip(Level::ALL) {
        assert_eq!(level.word(), format!("tasks_{state}"));
    }
    for (ix, count) in Count::ALL.iter().enumerate() {
        assert_eq!(Count::try_from(ix as u8), Ok(*count));
    }
}
