//! Short ways to make values, for this crate's own tests.

use crate::{
    id::{Oid, TaskId},
    spec::{Priority, TaskSpec},
};
use alloc::{format, string::String, vec::Vec};

/// A commit's name from a number.
pub(crate) fn oid(n: u64) -> Oid {
    format!("{n:040x}").parse().unwrap()
}

/// A task that asks for nothing in particular.
pub(crate) fn task(id: &str) -> TaskSpec {
    TaskSpec {
        id: id.parse::<TaskId>().unwrap(),
        mission: "Do it.".into(),
        brief: String::new(),
        success: Vec::new(),
        depends_on: Vec::new(),
        role: None,
        category: None,
        priority: Priority::P2,
        capabilities: Vec::new(),
        model: None,
        agent: None,
        command: None,
        timebox: None,
        budget: None,
        files: Vec::new(),
        owner_key: None,
        hazards: Vec::new(),
        complexity: None,
        relations: Vec::new(),
        max_retries: None,
        allow_no_op: false,
    }
}

/// The settings of a plan that asks for nothing in particular.
pub(crate) fn swarm_spec() -> crate::spec::SwarmSpec {
    crate::spec::SwarmSpec {
        name: "test".parse().unwrap(),
        target: None,
        landing: crate::spec::Landing::Branch,
        workers: crate::spec::Workers::Count(2),
        agent: "shell".into(),
        model: None,
        models: Vec::new(),
        catalog: alloc::collections::BTreeMap::new(),
        check: Vec::new(),
        check_timeout: crate::time::Millis::mins(10),
        prompt: None,
        setup: Vec::new(),
        teardown: Vec::new(),
        worktree: true,
        host: crate::spec::Host::default(),
        roles: Default::default(),
        agents: Default::default(),
        built_in: Vec::new(),
        permission: None,
        routes: Vec::new(),
        hooks: Default::default(),
        origins: Default::default(),
        policy: crate::spec::Policy::default(),
    }
}

/// A swarm that has just begun.
pub(crate) fn swarm() -> crate::state::Swarm {
    crate::state::Swarm {
        spec: swarm_spec(),
        digest: "d".into(),
        target: "main".into(),
        tip: oid(1),
        began_at: oid(1),
        tip_checked: false,
        landed: None,
        landing_refused: None,
        target_diverged: false,
        since: crate::time::Time(0),
        configured: None,
    }
}

/// A live attempt of a task `t` at a provider `p`.
pub(crate) fn live(attempt: u64) -> crate::attempt::Live {
    use crate::time::Time;
    crate::attempt::Live {
        account: Default::default(),
        asks: Vec::new(),
        asked: 0,
        held: 0,
        refresh: false,
        waited: Default::default(),
        words: crate::word::Words::default(),
        attempt: crate::id::Attempt(attempt),
        task: "t".parse().unwrap(),
        worker: crate::id::WorkerId(1),
        agent: "fake".into(),
        model: None,
        base: oid(1),
        claimed: Time(0),
        age_from: Time(0),
        phase: crate::attempt::Phase::Running,
        since: Time(0),
        give_up: Time(u64::MAX),
        stopping: None,
        health: None,
        told: crate::health::Rung::Fine,
        provider: Some("p".into()),
        route: None,
    }
}
