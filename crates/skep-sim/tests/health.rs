//! Who is ended for their health, and who is not: with the default limits, at full length.
#![allow(clippy::print_stdout)] // The table is what a reader of the log looks for.

use skep_core::time::Millis;
use skep_sim::{Fate, Manner, clinic};
use std::collections::BTreeMap;

fn print(fates: &BTreeMap<Manner, Fate>) {
    println!(
        "{:<28} {:>8} {:>6} {:>6}  {:<16} limit",
        "behaviour", "attempts", "ended", "asked", "longest until"
    );
    for (manner, fate) in fates {
        let limit = manner.limit().map_or("never".into(), |l| l.to_string());
        println!(
            "{:<28} {:>8} {:>6} {:>6}  {:<16} {limit}",
            manner.words(),
            fate.attempts,
            fate.ended,
            fate.asked,
            if fate.ended == 0 {
                "-".into()
            } else {
                fate.longest.to_string()
            },
        );
    }
}

// proves: L-4a
#[test]
fn of_a_thousand_healthy_but_slow_or_quiet_attempts_none_is_ended() {
    let fates = clinic(7, &Manner::HEALTHY, 143);
    print(&fates);
    let all: u64 = fates.values().map(|f| f.attempts).sum();
    let ended: u64 = fates.values().map(|f| f.ended).sum();
    assert_eq!((all, ended), (1_001, 0));
}

// proves: L-4, L-4a
#[test]
fn every_unhealthy_attempt_is_found_within_its_limit() {
    let fates = clinic(8, &Manner::UNHEALTHY, 100);
    print(&fates);
    for (manner, fate) in fates {
        assert_eq!((fate.attempts, fate.ended), (100, 100), "{manner:?}");
        // A host looks once a minute, and at the moment on which a verdict hangs.
        let limit = manner.limit().unwrap().0 + Millis::mins(2).0;
        assert!(fate.longest.0 <= limit, "{manner:?}: {}", fate.longest);
    }
}
