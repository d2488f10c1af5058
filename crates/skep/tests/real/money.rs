//! A budget that runs out: each step of the ladder, the end of the run, and that a higher cap is all it needs.

use crate::{
    plan::Plan,
    world::{World, script},
};
use serde_json::Value;
use skep_models::{Call, Fault, Script, Turn, Usage};

/// Tokens read that cost so much at the price that the plan states.
fn costs(mills: u64) -> Option<Usage> {
    Some(Usage {
        input: mills * 10,
        cache_read: 0,
        cache_write: 0,
        output: 0,
        reasoning: 0,
    })
}

/// A tenth of a cent for ten tokens: no context is full before the budget is spent.
const PRICE: &str =
    "[models.\"claude-sonnet-4-5\"]\nprovider = \"anthropic\"\ninput = 100\noutput = 100";

/// A turn that costs this, a little after the one before it, so that each is metered for itself.
fn turn(at: usize, mills: u64) -> Turn {
    Turn {
        usage: costs(mills),
        think_ms: 900,
        ..Turn::say("On.").call(Call::write(&format!("{at}.txt"), "made\n"))
    }
}

/// Of a thousand. An attempt of which another step like its last one would not fit is ended, so they get smaller.
const STEPS: [u64; 27] = [
    180, 150, 120, 100, 80, 70, 60, 50, 40, 30, 20, // 900
    10, 10, 10, 10, 10, // 950
    8, 8, 8, 8, 4, 4, // 990
    2, 2, 2, 2, 2,
];

// proves: S-7, S-8
pub(crate) fn ladder() {
    let world = World::new();
    let turns = STEPS.iter().enumerate();
    let spender = Script {
        turns: turns.map(|(at, mills)| turn(at, *mills)).collect(),
        ..Script::default()
    };
    let policy = "agents = { metering = \"200ms\" }\nbudget = { usd = 1.0, interval = \"1s\" }\nmax_retries = 0\ncrash_retries = 0";
    Plan::new(&world, 1, &format!("{policy}\n{PRICE}"))
        .task("claude", "spender", spender, "priority = \"P0\"")
        .writes("claude", "later", "priority = \"P2\"")
        .save();
    let ran = world.run(3);
    assert!(ran.err.contains("waits for budget"), "{}", ran.err);
    let told = world.events("budget_level");
    let told: Vec<&str> = told
        .iter()
        .filter_map(|e| e["told"]["level"].as_str())
        .collect();
    assert_eq!(told, ["alert", "critical", "last", "full"]);
    assert_eq!(world.events("stop_asked").len(), 1, "{}", world.told());
    let costs = world.json(&["costs", "--json"]);
    // No more than one metering over it.
    let spent = costs["caps"][0]["spent"].as_f64().unwrap();
    assert!((0.99..=1.02).contains(&spent), "{costs}");
    for id in ["spender", "later"] {
        let why = world.expect(0, &["why", id]).out;
        assert!(why.contains("waits for budget"), "{why}");
        let task = world.task(id);
        let charged = (&task["failures"], &task["crashes"]);
        assert_eq!(charged, (&0.into(), &0.into()), "{task}");
    }
    let cheap = script("claude", [Call::write("spender.txt", "made\n")]);
    world.server.script("spender", cheap);
    world.expect(0, &["config", "set", "budget.usd", "100"]);
    world.begins(&["run"]).ends(0);
    for id in ["spender", "later"] {
        assert_eq!(world.merged(&format!("{id}.txt")), "made\n");
    }
}

/// Spends a little, and then waits for a reply that never comes.
fn idles(id: &str) -> Script {
    let turn = Turn {
        usage: costs(1),
        ..Turn::say("On.").call(Call::write(&format!("{id}.txt"), "half\n"))
    };
    Script::default().turn(turn).passes().then(Fault::Hang)
}

/// Which of some events came first: their numbers, in the order of what is asked for.
#[track_caller]
fn numbers(world: &World, kind: &str, what: &[&str], of: impl Fn(&Value) -> String) -> Vec<u64> {
    let events = world.events(kind);
    let number = |wanted: &&str| {
        let event = events.iter().find(|event| of(event) == **wanted);
        let event = event.unwrap_or_else(|| panic!("no {kind} of {wanted}\n{}", world.told()));
        event["seq"].as_u64().unwrap()
    };
    what.iter().map(number).collect()
}

/// Several agents spend under one cap: the least urgent are ended first, with their work saved, and nobody is charged.
// proves: S-7, S-8, W-12
pub(crate) fn rungs() {
    let world = World::new();
    let turns = STEPS.iter().enumerate();
    let spender = Script {
        turns: turns.map(|(at, mills)| turn(at, *mills)).collect(),
        ..Script::default()
    };
    // What is set aside for those that idle must leave the spender room up to the last rung.
    let policy = "agents = { metering = \"200ms\" }\nbudget = { usd = 1.0, interval = \"1s\", reserve_usd = 0.001 }\nmax_retries = 0\ncrash_retries = 0";
    let mut plan = Plan::new(&world, 3, &format!("{policy}\n{PRICE}"));
    plan = plan.task("claude", "p0", spender, "priority = \"P0\"");
    for (id, priority) in [("p1", "P1"), ("p2", "P2")] {
        plan = plan.task(
            "claude",
            id,
            idles(id),
            &format!("priority = \"{priority}\""),
        );
    }
    plan.writes("claude", "later", "priority = \"P3\"").save();
    let ran = world.run(3);
    assert!(ran.err.contains("waits for budget"), "{}", ran.err);

    let rungs = ["alert", "critical", "last", "full"];
    let level = |e: &Value| e["told"]["level"].as_str().unwrap_or_default().to_string();
    let told = world.events("budget_level");
    assert_eq!(
        told.iter().map(level).collect::<Vec<_>>(),
        rungs,
        "{told:#?}"
    );
    let told = numbers(&world, "budget_level", &rungs, level);
    // Workers take tasks by their priority, so attempts have the order of the tasks.
    let attempt = |e: &Value| e["attempt"].to_string();
    let stops = world.events("stop_asked");
    assert_eq!(stops.len(), 3, "{stops:#?}");
    assert!(
        stops.iter().all(|e| e["why"] == "over_budget"),
        "{stops:#?}"
    );
    let [p0, p1, p2] = numbers(&world, "stop_asked", &["1", "2", "3"], attempt)[..] else {
        panic!("{stops:#?}");
    };
    assert!(
        told[0] < told[1] && told[1] < p2,
        "P2 goes at 95 %: {}",
        world.told()
    );
    assert!(
        p2 < told[2] && told[2] < p1,
        "P1 goes at 99 %: {}",
        world.told()
    );
    assert!(told[2] < p0, "P0 goes last: {}", world.told());
    let spent = world.json(&["costs", "--json"])["caps"][0]["spent"]
        .as_f64()
        .unwrap();
    assert!((0.99..=1.02).contains(&spent), "{spent}");
    let salvage = world.expect(0, &["salvage"]).out;
    for id in ["p0", "p1", "p2", "later"] {
        let task = world.task(id);
        let charged = (&task["failures"], &task["crashes"]);
        assert_eq!(charged, (&0.into(), &0.into()), "{task}");
        let why = world.expect(0, &["why", id]).out;
        assert!(why.contains("waits for budget"), "{why}");
        let begun = id != "later";
        assert_eq!(salvage.contains(&format!("{id}/")), begun, "{salvage}");
    }

    for id in ["p0", "p1", "p2"] {
        let cheap = script("claude", [Call::write(&format!("{id}.txt"), "made\n")]);
        world.server.script(id, cheap);
    }
    world.expect(0, &["config", "set", "budget.usd", "100"]);
    world.begins(&["run"]).ends(0);
    for id in ["p0", "p1", "p2", "later"] {
        assert_eq!(world.merged(&format!("{id}.txt")), "made\n");
    }
}

/// What claude writes is metered while it works, and not with its end: a budget that its words alone use up ends it.
// proves: S-7, X-2
pub(crate) fn words() {
    let world = World::new();
    let wordy = |at: usize| Turn {
        usage: Some(Usage {
            input: 10,
            cache_read: 0,
            cache_write: 0,
            output: 1_000,
            reasoning: 0,
        }),
        think_ms: 400,
        ..Turn::say("On.").call(Call::write(&format!("{at}.txt"), "made\n"))
    };
    let spender = Script {
        turns: (0..40).map(wordy).collect(),
        ..Script::default()
    };
    let policy = "agents = { metering = \"100ms\" }\nbudget = { usd = 1.0, interval = \"1s\" }\nmax_retries = 0\ncrash_retries = 0";
    Plan::new(&world, 1, &format!("{policy}\n{PRICE}"))
        .task("claude", "writer", spender, "")
        .save();
    world.run(3);
    let stops = world.events("stop_asked");
    assert_eq!(stops.len(), 1, "{}", world.told());
    assert_eq!(stops[0]["why"], "over_budget", "{stops:#?}");
    let meterings = world.events("metered");
    let written = meterings
        .iter()
        .filter_map(|e| e["charge"]["usage"]["output_tokens"].as_u64());
    assert!(
        written.clone().any(|n| n > 0 && n < 10_000),
        "{meterings:#?}"
    );
    // All forty would be four dollars.
    let spent = world.json(&["costs", "--json"])["caps"][0]["spent"]
        .as_f64()
        .unwrap();
    assert!(spent < 1.35, "{spent}");
}
