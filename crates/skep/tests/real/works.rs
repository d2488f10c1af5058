//! One agent, one task: it edits, speaks for its attempt where it can, is merged, and is in the receipt and the bill.

use crate::{
    leaks::Watch,
    plan::Plan,
    world::{World, script, until},
};
use serde_json::json;
use skep_models::{Call, agents};

/// How it speaks for its attempt, if it can: by Skep's MCP server, or by Skep's verb in its shell.
///
/// codex puts the tools of servers behind a search, and takes a call by their name without one; gemini connects to no
/// server in a folder that is not trusted, and a worktree is not, for its settings could name hooks: it has the verb,
/// which a person allows; aider has no tools.
fn checkpoint(agent: &str) -> Option<Call> {
    match agent {
        "claude" | "opencode" => Some(Call::Tool {
            name: "*checkpoint".into(),
            args: json!({"text": "half way", "percent": 50}),
        }),
        "codex" => Some(Call::Tool {
            name: "mcp__skep::checkpoint".into(),
            args: json!({"text": "half way", "percent": 50}),
        }),
        "pi" | "gemini" => Some(Call::Shell(
            "\"$SKEP_BIN\" checkpoint 'half way' --percent 50".into(),
        )),
        _ => None,
    }
}

// proves: X-1, X-2, X-3, U-8, W-14, S-7, T-2
pub(crate) fn merged(agent: &'static str) {
    let world = World::new();
    let mut calls = vec![Call::write("hello.txt", "hello\n")];
    calls.extend(checkpoint(agent));
    calls.push(Call::edit("hello.txt", "hello", "bye"));
    let mut script = script(agent, calls);
    // Long enough for somebody to look at it while it works.
    if let Some(last) = script.turns.last_mut() {
        last.think_ms = 2000;
    }
    let check = "success = [\"grep -q bye hello.txt\"]";
    Plan::new(&world, 1, "agents = { metering = \"200ms\" }")
        .task(agent, "greet", script, check)
        .save();
    let watch = Watch::begin(world.root());
    let run = world.begin();
    until(&world, "its model is asked", || {
        !world.server.asked_by("greet").is_empty()
    });
    let model = agents::wiring(agent, "", "").unwrap().model;
    let workers = world.json(&["status", "--json"])["workers"].clone();
    assert_eq!(workers[0]["agent"], agent, "{workers}");
    assert_eq!(workers[0]["model"], model, "{workers}");
    if agent == "gemini" {
        let mut open = json!([]);
        until(&world, "it asks for its shell", || {
            let list = world.skep(&["asks", "--json"]).out;
            open = serde_json::from_str(&list).unwrap_or_default();
            open["asks"][0]["id"].is_string()
        });
        let ask = &open["asks"][0];
        assert!(
            ask["text"].as_str().unwrap().contains("checkpoint"),
            "{ask}"
        );
        world.expect(0, &["answer", ask["id"].as_str().unwrap(), "--allow"]);
    }
    run.ends(0);
    assert_eq!(world.merged("hello.txt"), "bye\n");
    let files = world.git(&["ls-tree", "-r", "--name-only", "skep/real"]);
    assert_eq!(files, "hello.txt\n", "nothing but its work is merged");

    let told = world.events("checkpointed");
    if checkpoint(agent).is_some() {
        let tools = &world.server.asked_by("greet")[0].tools;
        assert_eq!(told.len(), 1, "it has {tools:?}\n{}", world.told());
        assert_eq!(told[0]["text"], "half way", "{told:?}");
        assert_eq!(told[0]["by"], json!({"agent": 1}), "{told:?}");
    }
    let task = world.task("greet");
    assert_eq!(task["history"][0]["model"], model, "{task}");
    let receipt = &task["receipt"];
    let costs = world.json(&["costs", "--json"]);
    let row = &costs["rows"][0];
    let known = |value: &serde_json::Value| value.as_f64().is_some_and(|n| n > 0.0);
    if agent == "opencode" {
        // It tells its cost, and no tokens: unknown, not none.
        assert!(receipt["usage"]["output_tokens"].is_null(), "{receipt}");
    } else {
        assert!(known(&receipt["usage"]["output_tokens"]), "{receipt}");
        assert!(known(&row["tokens"]), "{costs}");
    }
    assert!(known(&receipt["cost_usd"]), "{receipt}");
    assert_eq!(row["usd"], receipt["cost_usd"], "{costs}");
    assert_eq!(
        (&row["key"], &row["accepted"]),
        (&json!("greet"), &json!(1))
    );
    let by_model = world.json(&["costs", "--by", "model", "--json"]);
    assert_eq!(by_model["rows"][0]["key"], model, "{by_model}");
    world.keeps_the_key();
    watch.saw_no_secret(&[]);
}
