//! What models are offered when agents work for Skep: of Skep's own tools those of the attempt, and no others.

use crate::{
    plan::Plan,
    world::{World, script},
};
use serde_json::json;
use skep_models::Call;

/// What an agent may say of its own attempt.
const WORKERS: [&str; 9] = [
    "ask",
    "block",
    "checkpoint",
    "complete",
    "context",
    "heartbeat",
    "memo",
    "memos",
    "withdraw",
];

/// How an agent names a tool of Skep's server to its model.
fn named(agent: &str, tool: &str) -> String {
    match agent {
        "claude" => format!("mcp__skep__{tool}"),
        "codex" => format!("mcp__skep::{tool}"),
        _ => format!("skep_{tool}"),
    }
}

/// A model that calls for what only the owner may do gets nothing by it.
// proves: U-8, G-5, T-3
pub(crate) fn withheld(agent: &'static str) {
    let world = World::new();
    let call = |tool: &str, args| Call::Tool {
        name: named(agent, tool),
        args,
    };
    let calls = [
        call("cancel", json!({"tasks": ["other"], "task": "other"})),
        call("pause", json!({})),
        call(
            "memo",
            json!({"key": "who", "value": "me", "source": "here"}),
        ),
        Call::write("asks.txt", "made\n"),
    ];
    Plan::new(&world, 1, "")
        .task(agent, "asks", script(agent, calls), "priority = \"P0\"")
        .writes(agent, "other", "priority = \"P3\"")
        .save();
    world.run(0);
    assert_eq!(world.events("task_cancelled").len(), 0, "{}", world.told());
    let memos = world.json(&["memo", "--json"]);
    assert_eq!(memos["memos"][0]["value"], "me", "{}", world.told());
    for id in ["asks", "other"] {
        assert_eq!(world.merged(&format!("{id}.txt")), "made\n");
    }
    for asked in world.server.asked() {
        let skeps = asked.tools.iter().filter(|tool| tool.contains("skep"));
        let mut skeps: Vec<String> = skeps.cloned().collect();
        skeps.sort_unstable();
        // codex declares none at first, and lets its model search for them.
        if !asked.beside && agent != "codex" {
            assert_eq!(skeps, WORKERS.map(|tool| named(agent, tool)));
        }
    }
}
