//! A budget that runs out: each step of the ladder, the end of the run, and that a higher cap is all it needs.

use crate::{
    plan::Plan,
    world::{World, script, until},
};
use skep_models::{Call, Script, Turn, Usage};

/// Tokens read that cost so much at the price that the plan states. What it writes claude tells at its end only.
fn costs(cents: u64) -> Option<Usage> {
    Some(Usage {
        input: cents * 100,
        cache_read: 0,
        cache_write: 0,
        output: 0,
        reasoning: 0,
    })
}

/// A cent for a hundred tokens: no context is full before the budget is spent.
const PRICE: &str =
    "[models.\"claude-sonnet-4-5\"]\nprovider = \"anthropic\"\ninput = 100\noutput = 100";

/// A turn that costs this, a little after the one before it, so that each is metered for itself.
fn turn(at: usize, cents: u64) -> Turn {
    Turn {
        usage: costs(cents),
        think_ms: 600,
        ..Turn::say("On.").call(Call::write(&format!("{at}.txt"), "made\n"))
    }
}

/// Of a dollar. An attempt whose next step like its last one would not fit is ended, so the steps get smaller.
const STEPS: [u64; 18] = [20, 18, 15, 12, 10, 8, 5, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];

// proves: S-7, S-8
pub(crate) fn ladder() {
    let world = World::new();
    let turns = STEPS.iter().enumerate();
    let spender = Script {
        turns: turns.map(|(at, cents)| turn(at, *cents)).collect(),
        ..Script::default()
    };
    let policy = "agents = { metering = \"200ms\" }\nbudget = { usd = 1.0, interval = \"200ms\" }\nmax_retries = 0\ncrash_retries = 0";
    Plan::new(&world, 1, &format!("{policy}\n{PRICE}"))
        .task("claude", "spender", spender, "priority = \"P0\"")
        .writes("claude", "later", "priority = \"P2\"")
        .save();
    let run = world.begin();
    let mut levels: Vec<String> = Vec::new();
    until(&world, "the budget is spent", || {
        let costs = world.skep(&["costs", "--json"]).out;
        let costs: serde_json::Value = serde_json::from_str(&costs).unwrap_or_default();
        let level = costs["caps"][0]["level"].as_str().unwrap_or("fine");
        if levels.last().is_none_or(|last| last != level) {
            levels.push(level.into());
        }
        level == "full"
    });
    assert_eq!(levels, ["fine", "alert", "critical", "last", "full"]);
    let ran = run.ends(3);
    assert!(ran.err.contains("waits for budget"), "{}", ran.err);
    let told = world.events("budget_level");
    let told: Vec<&str> = told.iter().filter_map(|e| e["told"].as_str()).collect();
    assert_eq!(told, ["alert", "full"]);
    assert_eq!(world.events("stop_asked").len(), 1, "{}", world.told());
    let costs = world.json(&["costs", "--json"]);
    // No more than one metering over it.
    let spent = costs["caps"][0]["spent"].as_f64().unwrap();
    assert!((1.0..=1.02).contains(&spent), "{costs}");
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
