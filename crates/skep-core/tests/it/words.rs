//! Plans in a few words, for tests.

use skep_core::{
    id::{Oid, TaskId},
    money::Usd,
    request::Command,
    spec::{
        AgentSpec, Budget, Command as Line, Host, Landing, ModelSpec, Plan, Policy, Price,
        Priority, SwarmSpec, TaskSpec, Tier, Workers,
    },
    time::Millis,
};

/// A commit's name from a number.
pub fn oid(n: u64) -> Oid {
    format!("{n:040x}").parse().unwrap()
}

/// A task's id.
pub fn id(text: &str) -> TaskId {
    text.parse().unwrap()
}

/// A task that asks for nothing in particular.
pub fn task(name: &str) -> TaskSpec {
    TaskSpec {
        id: id(name),
        mission: format!("Do {name}."),
        brief: String::new(),
        success: Vec::new(),
        depends_on: Vec::new(),
        role: None,
        category: None,
        priority: Priority::P2,
        capabilities: Vec::new(),
        model: None,
        agent: None,
        command: Some(Line::Line("true".into())),
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

/// Tasks from words such as `a b<-a c<-a,b`; `c!1` gives a priority.
pub fn tasks(text: &str) -> Vec<TaskSpec> {
    text.split_whitespace().map(one_task).collect()
}

pub fn one_task(word: &str) -> TaskSpec {
    let (name, after) = word.split_once("<-").unwrap_or((word, ""));
    let (name, priority) = name.split_once('!').unwrap_or((name, "2"));
    let mut spec = task(name);
    spec.priority = match priority {
        "0" => Priority::P0,
        "1" => Priority::P1,
        "2" => Priority::P2,
        _ => Priority::P3,
    };
    spec.depends_on = after.split(',').filter(|d| !d.is_empty()).map(id).collect();
    spec
}

/// A plan of `tasks(text)` for two workers, without an integration check.
pub fn a_plan(text: &str) -> Plan {
    let swarm = SwarmSpec {
        name: "test".parse().unwrap(),
        target: None,
        landing: Landing::Branch,
        workers: Workers::Count(2),
        agent: "shell".into(),
        model: None,
        models: Vec::new(),
        catalog: Default::default(),
        check: Vec::new(),
        check_timeout: Millis::mins(10),
        prompt: None,
        setup: Vec::new(),
        teardown: Vec::new(),
        worktree: true,
        host: Host::default(),
        roles: Default::default(),
        agents: Default::default(),
        built_in: Vec::new(),
        permission: None,
        routes: Vec::new(),
        hooks: Default::default(),
        origins: Default::default(),
        policy: Policy::default(),
    };
    Plan {
        swarm,
        tasks: tasks(text),
    }
}

/// The same for agents that say what they use, under caps.
pub fn priced(plan: &mut Plan, caps: impl FnOnce(&mut Budget)) {
    let agent = AgentSpec {
        command: vec!["fake".into()],
        stdin: false,
        env: Default::default(),
        rate_limited_exit: Vec::new(),
        ..AgentSpec::default()
    };
    plan.swarm.agent = "fake".into();
    plan.swarm.agents.insert("fake".into(), agent);
    for task in &mut plan.tasks {
        task.command = None;
    }
    caps(&mut plan.swarm.policy.budget);
}

/// Money as people write it.
pub fn usd(dollars: f64) -> Usd {
    Usd::from_dollars(dollars).unwrap()
}

/// Gives the plan's tasks to an agent whose models somebody serves, rather than commands of their own: `small` and
/// `middle` are of `alpha`, `large` is of `beta`, and all cost the same but in tens.
pub fn served(plan: &mut Plan) {
    let agent = AgentSpec {
        command: vec!["fake".into()],
        stdin: false,
        env: Default::default(),
        rate_limited_exit: vec![75],
        provider: None,
        ..AgentSpec::default()
    };
    plan.swarm.agents.insert("fake".into(), agent);
    plan.swarm.agent = "fake".into();
    plan.swarm.models = vec!["small".into(), "middle".into(), "large".into()];
    for (model, provider, tier, dollars) in [
        ("small", "alpha", Tier::Cheap, 1.0),
        ("middle", "alpha", Tier::Default, 10.0),
        ("large", "beta", Tier::Smart, 100.0),
        ("other", "beta", Tier::Default, 10.0),
    ] {
        let each = Usd::from_dollars(dollars).unwrap();
        let price = Some(Price {
            input: each,
            cache_read: each,
            cache_write: each,
            output: each,
        });
        let spec = ModelSpec {
            provider: provider.into(),
            tier,
            price,
        };
        plan.swarm.catalog.insert(model.into(), spec);
    }
    for task in &mut plan.tasks {
        task.command = None;
    }
}

pub fn load(plan: Plan, digest: &str) -> Command {
    Command::LoadPlan {
        plan: Box::new(plan),
        digest: digest.into(),
        target: "main".into(),
        base: oid(1),
        kept: false,
        again: true,
    }
}

pub fn check_line() -> Vec<Line> {
    vec![Line::Line("make check".into())]
}
