//! The battery: ten thousand worlds hold, everything was exercised, and every planted bug is found.

use skep_sim::{Coverage, Mutant, Options, run};
use std::thread;

/// How many worlds; `SKEP_SIM_SEEDS` says otherwise.
fn seeds() -> u64 {
    std::env::var("SKEP_SIM_SEEDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(10_000)
}

fn run_all(first: u64, last: u64) -> Coverage {
    let mut coverage = Coverage::default();
    for seed in first..last {
        let outcome = run(seed, &Options::default());
        if let Some(failure) = outcome.failure {
            panic!(
                "seed {seed}: {}: {}\nreplay: cargo run -p skep-sim -- --seed {seed} --trace",
                failure.invariant, failure.text
            );
        }
        coverage.add(&outcome.coverage);
    }
    coverage
}

// proves: T-4, Q-6, W-4, W-12, L-5, L-7, L-8
#[test]
fn ten_thousand_worlds_hold_and_exercise_everything() {
    let all = seeds();
    let second = thread::spawn(move || run_all(all / 2, all));
    let mut coverage = run_all(0, all / 2);
    coverage.add(&second.join().unwrap());
    if all >= 10_000 {
        assert_eq!(coverage.missing(), [""; 0], "never exercised");
    }
}

/// The seeds within which each planted bug must be found.
const WITHIN: u64 = 400;

// proves: T-4
#[test]
fn every_planted_bug_is_found() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for mutant in Mutant::ALL {
        let options = Options {
            mutant: Some(mutant),
            ..Options::default()
        };
        let found = (0..WITHIN).find_map(|seed| Some((seed, run(seed, &options).failure?)));
        match found {
            Some((seed, failure)) => println!("{mutant:?}: seed {seed}, {}", failure.invariant),
            None => missed.push(mutant),
        }
    }
    let _ = std::panic::take_hook();
    assert_eq!(missed, [], "not found within {WITHIN} seeds");
}

// proves: T-4
#[test]
fn a_seed_is_a_world() {
    let traced = Options {
        trace: true,
        ..Options::default()
    };
    for seed in [1, 7, 42] {
        assert_eq!(run(seed, &traced).trace, run(seed, &traced).trace);
    }
}

#[test]
fn a_failing_world_shrinks_to_a_smaller_one() {
    let options = Options {
        mutant: Some(Mutant::StartTwice),
        ..Options::default()
    };
    let seed = (0..WITHIN)
        .find(|seed| run(*seed, &options).failure.is_some())
        .unwrap();
    let least = skep_sim::shrink(seed, &options);
    assert!(run(seed, &least).failure.is_some());
    assert!(least.max_tasks <= options.max_tasks && least.faults <= options.faults);
}
