//! Permissions that claude asks for: answered by a person, and answered by nobody.

use crate::{
    plan::Plan,
    world::{World, until},
};
use serde_json::Value;
use skep_models::{Call, Script};

/// Edits are allowed, and this is none.
const COMMAND: &str = "python3 -c \"open('asked.txt', 'w').write('asked')\"";

fn plan(world: &World, policy: &str) {
    let calls = [
        Call::write("made.txt", "made\n"),
        Call::Shell(COMMAND.into()),
    ];
    Plan::new(world, 1, policy)
        .task("claude", "asker", Script::calls(calls), "")
        .save();
}

// proves: L-4b, X-2
pub(crate) fn answered() {
    let world = World::new();
    plan(&world, "");
    let run = world.begin();
    let mut asks = Value::Null;
    until(&world, "it asks", || {
        let list = world.skep(&["asks", "--json"]).out;
        let list: Value = serde_json::from_str(&list).unwrap_or_default();
        asks = list["asks"].clone();
        asks.as_array().is_some_and(|asks| !asks.is_empty())
    });
    assert_eq!(asks[0]["kind"], "permission", "{asks}");
    assert_eq!(asks[0]["task"], "asker", "{asks}");
    assert!(
        asks[0]["text"].as_str().unwrap().contains("asked.txt"),
        "{asks}"
    );
    let why = world.expect(0, &["why", "w1"]).out;
    assert!(why.contains("waits for a person"), "{why}");
    world.expect(0, &["answer", asks[0]["id"].as_str().unwrap(), "--allow"]);
    run.ends(0);
    assert_eq!(world.merged("asked.txt"), "asked");
    assert_eq!(world.merged("made.txt"), "made\n");
}

// proves: L-4b
pub(crate) fn in_vain() {
    let world = World::new();
    plan(&world, "agents = { ask_timeout = \"1s\" }");
    let ran = world.run(0);
    let said = ran.out + &ran.err;
    assert!(said.contains("asks to use Bash"), "{said}");
    let answers = world.events("answered");
    assert_eq!(answers[0]["by"], "policy", "{answers:?}");
    let files = world.git(&["ls-tree", "-r", "--name-only", "skep/real"]);
    assert_eq!(files, "made.txt\n", "what was denied was not done");
}
