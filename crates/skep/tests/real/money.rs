//! A budget that runs out: each step of the ladder, the end of the run, and that a higher cap is all it needs.

use crate::{
    plan::Plan,
    world::{World, script},
};
use skep_models::{Call, Script, Turn, Usage};

/// Tokens read that cost so much at the price that the plan states. What it writes claude tells at its end only.
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
