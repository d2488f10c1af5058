//! Providers that refuse, in figures: the other one's throughput, what was charged, and when work went on (issue 4's
//! third must-hold).
#![allow(clippy::print_stdout)] // The table is what a reader of the log looks for.
#![allow(clippy::unwrap_used)] // A test may panic.

use skep_core::{
    attempt::Live,
    event::Event,
    fault::ErrorKind,
    money::Usd,
    spec::{AgentSpec, ModelSpec, ModelWish, Plan, Policy, TaskSpec, Tier, Workers},
    time::{Millis, Time},
};
use skep_sim::mill::{self, BEGIN, Course, Fate, Mill};

/// As many of each provider.
const TASKS: u32 = 260;
const STORM: (Millis, Millis) = (Millis::mins(60), Millis::mins(180));

fn task(id: String, model: &str) -> TaskSpec {
    let mut task: TaskSpec =
        serde_json::from_value(serde_json::json!({ "id": id, "mission": "Do it." })).unwrap();
    task.model = Some(ModelWish::Required(model.into()));
    task
}

/// Twenty workers, and two providers with ten attempts each: both are full all the time.
fn a_plan() -> Plan {
    let mut plan = mill::plain_plan();
    plan.swarm.workers = Workers::Count(20);
    plan.swarm.agent = "fake".into();
    let agent = AgentSpec {
        command: vec!["fake".into()],
        ..AgentSpec::default()
    };
    plan.swarm.agents = [("fake".into(), agent)].into();
    for (model, provider) in [("one", "alpha"), ("two", "beta")] {
        let spec = ModelSpec {
            provider: provider.into(),
            tier: Tier::Default,
            price: None,
        };
        plan.swarm.catalog.insert(model.into(), spec);
    }
    plan.swarm.policy = Policy {
        concurrency: 21,
        ..Policy::default()
    };
    let pairs = (0..TASKS).flat_map(|n| {
        [
            task(format!("a{n:03}"), "one"),
            task(format!("b{n:03}"), "two"),
        ]
    });
    plan.tasks = pairs.collect();
    plan
}

/// 5 to 25 minutes, the same for a task in every run.
fn length(task: &TaskSpec) -> Millis {
    let seed = task.id.as_str().bytes();
    let hash = seed.fold(7u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Millis(300_000 + (hash >> 20) % 1_200_000)
}

/// Runs it with alpha refusing like this from one hour to three.
fn run(refuses: Option<(ErrorKind, bool)>) -> Mill {
    let mut mill = Mill::new();
    let (from, until) = (BEGIN + STORM.0, BEGIN + STORM.1);
    let mut rule = |now: Time, task: &TaskSpec, live: &Live, _: usize| {
        let usd = Usd(0);
        let whole = length(task);
        let of_alpha = live.provider.as_deref() == Some("alpha");
        let Some((kind, stated)) = refuses.filter(|_| of_alpha) else {
            let fate = Fate::Succeeds;
            return Course {
                takes: whole,
                fate,
                usd,
            };
        };
        let fate = Fate::Refused(kind, stated.then_some(until));
        let within = now >= from && now < until;
        let meets = now < from && now + whole > from;
        match (within, meets) {
            // Its CLI tries again for some seconds.
            (true, _) => Course {
                takes: Millis::secs(5),
                fate,
                usd,
            },
            (_, true) => Course {
                takes: from.since(now),
                fate,
                usd,
            },
            _ => Course {
                takes: whole,
                fate: Fate::Succeeds,
                usd,
            },
        }
    };
    mill.run(a_plan(), Millis::mins(24 * 60), &mut rule);
    mill
}

fn within(times: impl Iterator<Item = Time>) -> usize {
    let (from, until) = (BEGIN + STORM.0, BEGIN + STORM.1);
    times.filter(|at| *at >= from && *at < until).count()
}

// proves: S-5, S-5a, S-6
#[test]
fn one_provider_down_leaves_the_other_at_full_speed_and_charges_nobody() {
    let calm = run(None);
    let wanted = within(calm.accepted("beta"));
    println!(
        "{:<28} {:>6} {:>6} {:>6} {:>8} {:>7} {:>7}  goes on",
        "alpha, for two hours", "beta", "ratio", "parked", "refused", "charged", "blamed"
    );
    for (what, refuses) in [
        ("works", None),
        ("429 with a reset time", Some((ErrorKind::RateLimit, true))),
        ("429 without one", Some((ErrorKind::RateLimit, false))),
        ("quota used up", Some((ErrorKind::Quota, false))),
        ("login refused", Some((ErrorKind::Auth, false))),
        ("outage", Some((ErrorKind::Server, false))),
    ] {
        let mill = run(refuses);
        let state = mill.state();
        let beta = within(mill.accepted("beta"));
        let ratio = beta as f64 / wanted as f64;
        let parked = |e: &&Event| matches!(e, Event::ProviderParked { .. });
        let parked = mill.log().iter().map(|r| &r.event).filter(parked).count();
        let refused = |e: &&Event| matches!(e, Event::AttemptEnded { failure, .. } if failure.fault.is_some());
        let refused = mill.log().iter().map(|r| &r.event).filter(refused).count();
        let charged: u32 = state.tasks().iter().map(|t| t.failures + t.crashes).sum();
        let blamed: u32 = state.workers().map(|w| w.crashes).sum();
        let until = BEGIN + STORM.1;
        let resumed = mill.log().iter().find_map(|r| match &r.event {
            Event::Claimed { provider, .. } if r.at >= until => {
                (provider.as_deref() == Some("alpha")).then_some(r.at.since(until))
            }
            _ => None,
        });
        let resumed = resumed.unwrap();
        println!(
            "{what:<28} {beta:>6} {ratio:>6.2} {parked:>6} {refused:>8} {charged:>7} {blamed:>7}  after {resumed}"
        );
        assert_eq!((charged, blamed), (0, 0), "{what}");
        assert!((0.97..=1.03).contains(&ratio), "{what}: {beta} of {wanted}");
        assert!(state.finished().is_some(), "{what}");
        match refuses {
            Some((_, true)) => assert_eq!(resumed, Millis(0), "{what}"),
            Some((ErrorKind::RateLimit | ErrorKind::Server, _)) => {
                assert!(resumed <= Millis::mins(16), "{what}: {resumed}");
            }
            _ => assert!(resumed <= Millis::mins(61), "{what}: {resumed}"),
        }
    }
}
