//! An order and a place to try adapters with.

use skep_agents::{Adapter, Dialogue, Permission, Place, Settings};
use skep_core::{
    id::{Attempt, WorkerId},
    plan::{Order, OrderLimits},
    spec::{Policy, TaskSpec},
    time::Time,
};

pub(crate) fn order(prompt: &str) -> Order {
    Order {
        attempt: Attempt(7),
        swarm: "s".parse().unwrap(),
        task: serde_json::from_str::<TaskSpec>(r#"{"id":"t","mission":"say hi"}"#)
            .unwrap()
            .into(),
        worker: WorkerId(2),
        role: None,
        agent: "claude".into(),
        agent_spec: None,
        model: None,
        permission: None,
        base: "0123456789012345678901234567890123456789".parse().unwrap(),
        prompt: prompt.into(),
        previous: None,
        fix: None,
        setup: Vec::new(),
        shared: None,
        limits: OrderLimits::of(&Policy::default(), None),
        claimed: Time(0),
    }
}

pub(crate) fn place() -> Place<'static> {
    Place {
        worktree: "/repo",
        repo: "/r",
        prompt_file: "/p",
        result_file: "/o",
        failure_file: "/f",
        port_base: 20_000,
    }
}

pub(crate) fn settings(permission: Permission) -> Settings<'static> {
    Settings {
        home: "/home/agent",
        permission,
        ..Settings::default()
    }
}

pub(crate) fn dialogue(adapter: &Adapter, permission: Permission) -> Dialogue {
    adapter.dialogue(&order("Create hello.txt"), &place(), &settings(permission))
}
