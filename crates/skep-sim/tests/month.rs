//! Thirty days without anybody.

use skep_sim::month;

// proves: T-4, L-4, L-6, A-11
#[test]
fn thirty_days_of_faults_need_nobody_and_lose_nothing() {
    let (outcome, month) = month(30, 30);
    let hits = |what: &str| {
        outcome
            .coverage
            .counts
            .get(what)
            .copied()
            .unwrap_or_default()
    };
    let begins = |with: &str| -> u64 {
        let counts = outcome.coverage.counts.iter();
        counts
            .filter(|(what, _)| what.starts_with(with))
            .map(|(_, n)| n)
            .sum()
    };
    if let Some(failure) = &outcome.failure {
        panic!("{}: {}", failure.invariant, failure.text);
    }
    let days = outcome.sim_ms as f64 / 86_400_000.0;
    println!("{days:.1} days, {} events in the log", outcome.events);
    println!("{:?}", month);
    for (what, count) in [
        ("keepers killed", begins("crash: ")),
        (
            "shims and agents killed, hosts booted",
            hits("fault: shim killed") + hits("fault: agent killed") + hits("fault: host boots"),
        ),
        ("other faults", begins("fault: ")),
        ("attempts", hits("event: claimed")),
        (
            "agents that hung, looped, were stopped ...",
            hits("agent: hangs"),
        ),
        (
            "attempts ended for their health",
            hits("health: an attempt is ended for it"),
        ),
        ("attempts timed out", hits("outcome: timed out")),
        ("workers replaced", hits("event: worker retired")),
        (
            "halts that ended by themselves",
            hits("event: swarm halted, probes"),
        ),
    ] {
        println!("{count:>8}  {what}");
    }
    assert!(days >= 30.0, "{days}");
    assert_eq!((month.lost, month.stuck), (0, 0), "{month:?}");
    // A keeper lives for some six minutes here, and what it measured dies with it but for what it logged: most
    // agents that hang come to their hard stop before any keeper has looked for long enough.
    assert!(hits("health: an attempt is ended for it") > 0);
    assert!(hits("event: worker retired") > 0 && begins("crash: ") > 1_000);
    assert!(month.merged * 100 >= month.tasks * 90, "{month:?}");
}
