//! What the same mixed plan costs under one model for all and under routing (issue 4's fifth must-hold).
#![allow(clippy::print_stdout)] // The table is what a reader of the log looks for.
#![allow(clippy::unwrap_used)] // A test may panic.

use skep_core::{
    attempt::Live,
    money::Usd,
    spec::{
        AgentSpec, Complexity, ModelSpec, Plan, Policy, Price, RouteBy, TaskSpec, Tier, Workers,
    },
    task::TaskState,
    time::{Millis, Time},
};
use skep_sim::mill::{self, Course, Fate, Mill};
use std::collections::BTreeMap;

/// Model, tier, dollars a million tokens (read anew, from a cache, to a cache, written), and how often it succeeds on
/// simple, moderate and complex tasks, in percent: assumptions, stated here and printed with the result. The prices
/// are those that Anthropic lists for Haiku 4.5, Sonnet 4.5 and Opus 4.5.
const MODELS: [(&str, Tier, [f64; 4], [u64; 3]); 3] = [
    ("haiku", Tier::Cheap, [1.0, 0.1, 1.25, 5.0], [94, 70, 30]),
    (
        "sonnet",
        Tier::Default,
        [3.0, 0.3, 3.75, 15.0],
        [98, 90, 65],
    ),
    ("opus", Tier::Smart, [5.0, 0.5, 6.25, 25.0], [99, 96, 88]),
];
/// Tasks of each complexity, and the tokens that an attempt takes: read anew, from a cache, to a cache, written.
const MIX: [(Complexity, usize, [u64; 4]); 3] = [
    (Complexity::Simple, 12, [20_000, 150_000, 20_000, 4_000]),
    (Complexity::Moderate, 12, [30_000, 500_000, 50_000, 10_000]),
    (Complexity::Complex, 6, [60_000, 1_500_000, 120_000, 30_000]),
];
/// Over so many worlds the figures are averaged.
const SEEDS: u64 = 200;

fn usd(dollars: f64) -> Usd {
    Usd::from_dollars(dollars).unwrap()
}

fn level(task: &TaskSpec) -> usize {
    MIX.iter()
        .position(|(c, ..)| Some(*c) == task.complexity)
        .unwrap()
}

/// The plan of thirty tasks, in an order in which the kinds are mixed.
fn a_plan(change: &dyn Fn(&mut Plan)) -> Plan {
    let mut plan = mill::plain_plan();
    plan.swarm.workers = Workers::Count(4);
    plan.swarm.agent = "fake".into();
    let agent = AgentSpec {
        command: vec!["fake".into()],
        ..AgentSpec::default()
    };
    plan.swarm.agents = [("fake".into(), agent)].into();
    plan.swarm.models = MODELS.map(|(name, ..)| name.to_string()).to_vec();
    for (name, tier, price, _) in MODELS {
        let [input, cache_read, cache_write, output] = price.map(usd);
        let spec = ModelSpec {
            provider: "anthropic".into(),
            tier,
            price: Some(Price {
                input,
                cache_read,
                cache_write,
                output,
            }),
        };
        plan.swarm.catalog.insert(name.into(), spec);
    }
    plan.swarm.policy = Policy::default();
    plan.tasks.clear();
    let mut left = MIX.map(|(_, n, _)| n);
    while left.iter().any(|n| *n > 0) {
        for (number, (complexity, ..)) in MIX.iter().enumerate() {
            let Some(fewer) = left[number].checked_sub(1) else {
                continue;
            };
            left[number] = fewer;
            let id = format!("{}{fewer}", ["s", "m", "c"][number]);
            let mut task: TaskSpec =
                serde_json::from_value(serde_json::json!({ "id": id, "mission": "Do it." }))
                    .unwrap();
            task.complexity = Some(*complexity);
            plan.tasks.push(task);
        }
    }
    change(&mut plan);
    plan
}

/// What comes of an attempt follows from seed, task, model and try, whatever the policy.
fn chance(seed: u64, task: &str, model: &str, nth: usize) -> u64 {
    let text = format!("{seed}/{task}/{model}/{nth}");
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The low bits of FNV are poor, and so is a short text's spread: mix once more.
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 33) % 100
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    usd: u64,
    merged: usize,
    flagged: usize,
    attempts: usize,
}

/// Runs the plan so many times in a row in one swarm, as what was measured is kept; counts the last one.
fn run(seed: u64, plans: usize, change: &dyn Fn(&mut Plan)) -> Sum {
    let mut mill = Mill::new();
    let mut sum = Sum::default();
    for nth_plan in 0..plans as u64 {
        let (before, mut attempts) = (mill.spent(), 0);
        let mut rule = |_: Time, task: &TaskSpec, live: &Live, nth: usize| {
            attempts += 1;
            let model = live.model.as_deref().unwrap();
            let (_, _, price, succeeds) = MODELS.iter().find(|(name, ..)| *name == model).unwrap();
            let number = level(task);
            let tokens = MIX[number].2;
            let dollars = tokens.iter().zip(price).map(|(t, p)| *t as f64 * p / 1e6);
            let lucky = chance(seed * 100 + nth_plan, task.id.as_str(), model, nth);
            Course {
                takes: Millis::mins(5 + 5 * number as u64),
                fate: if lucky < succeeds[number] {
                    Fate::Succeeds
                } else {
                    Fate::Fails
                },
                usd: usd(dollars.sum()),
            }
        };
        mill.run(a_plan(change), Millis::mins(48 * 60), &mut rule);
        let state = mill.state();
        let count = |wanted: TaskState| state.tasks().iter().filter(|t| t.state == wanted).count();
        sum = Sum {
            usd: mill.spent().0 - before.0,
            merged: count(TaskState::Merged),
            flagged: count(TaskState::Flagged),
            attempts,
        };
    }
    assert_eq!(sum.merged + sum.flagged, 30, "{sum:?}");
    sum
}

type Change = Box<dyn Fn(&mut Plan)>;

fn only(model: &'static str) -> Change {
    // One model and no other, or Q-9 would route by failures.
    Box::new(move |plan| {
        plan.swarm.model = Some(model.into());
        plan.swarm.models.clear();
    })
}

// proves: S-4, G-6
#[test]
fn routing_costs_less_than_any_single_model_that_does_as_much() {
    let by_complexity: Change = Box::new(|plan| {
        let routing = &mut plan.swarm.policy.routing;
        (routing.simple, routing.moderate, routing.complex) = (
            Some("haiku".into()),
            Some("sonnet".into()),
            Some("opus".into()),
        );
    });
    let by_cost = || -> Change { Box::new(|plan| plan.swarm.policy.routing.by = RouteBy::Cost) };
    let shares: Change = Box::new(|plan| plan.swarm.policy.routing.by = RouteBy::Shares);
    let policies: [(&str, usize, Change); 7] = [
        ("haiku alone", 1, only("haiku")),
        ("sonnet alone", 1, only("sonnet")),
        ("opus alone", 1, only("opus")),
        ("shares 30/50/20", 1, shares),
        ("by complexity", 1, by_complexity),
        ("by cost, first plan", 1, by_cost()),
        ("by cost, fifth plan", 5, by_cost()),
    ];
    println!(
        "{:<20} {:>8} {:>8} {:>8} {:>9} {:>10} {:>9}",
        "30 tasks, 200 seeds", "cost", "merged", "flagged", "attempts", "$/merged", "to opus"
    );
    let mut each: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    let mut opus = 0.0;
    for (what, plans, change) in &policies {
        let sums: Vec<Sum> = (0..SEEDS).map(|seed| run(seed, *plans, change)).collect();
        let mean =
            |of: &dyn Fn(&Sum) -> u64| sums.iter().map(of).sum::<u64>() as f64 / SEEDS as f64;
        let cost = mean(&|s| s.usd) / 1e6;
        let merged = mean(&|s| s.merged as u64);
        if *what == "opus alone" {
            opus = cost / merged;
        }
        let saving = match opus {
            0.0 => String::from("-"),
            opus => format!("{:+.0} %", (cost / merged / opus - 1.0) * 100.0),
        };
        println!(
            "{what:<20} {cost:>8.2} {merged:>8.2} {:>8.2} {:>9.1} {:>10.3} {saving:>9}",
            mean(&|s| s.flagged as u64),
            mean(&|s| s.attempts as u64),
            cost / merged,
        );
        each.insert(what, (cost / merged, merged));
    }
    let (opus, sonnet) = (each["opus alone"], each["sonnet alone"]);
    let (complexity, cost) = (each["by complexity"], each["by cost, fifth plan"]);
    // As much done as by the strongest alone, for less; and more than by the middle one, for less than that costs.
    assert!(
        complexity.1 + 0.1 >= opus.1 && complexity.0 < opus.0 * 0.8,
        "{each:?}"
    );
    assert!(cost.1 >= sonnet.1 && cost.0 < sonnet.0, "{each:?}");
}
