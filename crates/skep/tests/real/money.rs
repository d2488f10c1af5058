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

/// A turn that costs this, a little after the one before it.
fn turn(at: usize, cents: u64) -> Turn {
    Turn {
        usage: costs(cents),
        think_ms: 1500,
        ..Turn::say("On.").call(Call::write(&format!("{at}.txt"), "made\n"))
    }
}

// proves: S-7, S-8
pub(crate) fn ladder() {
    let world = World::new();
    // Of a dollar: 50, 91, 96, 99.5 and then more than there is.
    let steps = [50, 41, 5, 3, 4];
    let turns = steps.iter().enumerate();
    let spender = Script {
        turns: turns.map(|(at, cents)| turn(at, *cents)).collect(),
        ..Script::default()
    };
    // One that is worth less, and at work all the while.
    let slow = Script {
        turns: vec![
            Turn {
                usage: costs(1),
                ..turn(9, 1)
            },
            Turn {
                usage: costs(1),
                think_ms: 120_000,
                ..Turn::say("Done.")
            },
        ],
        ..Script::default()
    };
    let policy = "agents = { metering = \"200ms\" }\nbudget = { usd = 1.0 }\nmax_retries = 0\ncrash_retries = 0";
    Plan::new(&world, 2, &format!("{policy}\n{PRICE}"))
        .task("claude", "spender", spender, "priority = \"P0\"")
        .task("claude", "slow", slow, "priority = \"P2\"")
        .save();
    let run = world.begin();
    until(&world, "the first step", || {
        !world.events("budget_level").is_empty()
    });
    let ran = run.ends(3);
    assert!(ran.err.contains("waits for budget"), "{}", ran.err);
    let why = world.expect(0, &["why", "spender"]).out;
    assert!(why.contains("waits for budget"), "{why}");
    let levels = world.events("budget_level");
    let told: Vec<&str> = levels.iter().filter_map(|e| e["told"].as_str()).collect();
    assert_eq!(told, ["alert", "full"], "{levels:?}");
    let stops = world.events("stop_asked");
    assert!(stops.len() >= 2, "{stops:?}");
    let costs = world.json(&["costs", "--json"]);
    assert_eq!(costs["caps"][0]["level"], "full", "{costs}");
    let spent = costs["caps"][0]["spent"].as_f64().unwrap();
    assert!((1.0..1.15).contains(&spent), "{costs}");
    for id in ["spender", "slow"] {
        let task = world.task(id);
        let charged = (&task["failures"], &task["crashes"]);
        assert_eq!(charged, (&0.into(), &0.into()), "{task}");
        let path = format!("{id}.txt");
        let cheap = script("claude", [Call::write(&path, "made\n")]);
        world.server.script(id, cheap);
    }
    world.expect(0, &["config", "set", "budget.usd", "100"]);
    world.begins(&["run"]).ends(0);
    for id in ["spender", "slow"] {
        assert_eq!(world.merged(&format!("{id}.txt")), "made\n");
    }
}
