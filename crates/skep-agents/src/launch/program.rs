//! Agents that are plain commands: `shell`, and those that a plan configures.

use super::{Launch, LaunchFault, Place, Stdin};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use skep_core::{plan::Order, spec::AgentSpec, task::FixWhy};

/// The command that carries out `order` at `place`, for an agent that is a plain command.
///
/// # Errors
/// [`LaunchFault`] when the order names no usable agent.
pub fn launch(order: &Order, place: &Place<'_>) -> Result<Launch, LaunchFault> {
    let mut launch = if let Some(spec) = &order.agent_spec {
        configured(order, spec, place)?
    } else if order.agent == "shell" {
        let command = order.task.command.as_ref().ok_or(LaunchFault::NoCommand)?;
        Launch {
            argv: command.argv(),
            ..Launch::default()
        }
    } else {
        return Err(LaunchFault::NoSuchAgent(order.agent.clone()));
    };
    for (name, value) in facts(order, place) {
        launch.env.insert(name.to_string(), value);
    }
    Ok(launch)
}

fn configured(order: &Order, spec: &AgentSpec, place: &Place<'_>) -> Result<Launch, LaunchFault> {
    if spec.command.is_empty() {
        return Err(LaunchFault::EmptyCommand(order.agent.clone()));
    }
    let model = order.model.as_deref().unwrap_or_default();
    let values = [
        ("{prompt}", order.prompt.as_str()),
        ("{prompt_file}", place.prompt_file),
        ("{model}", model),
        ("{task}", order.task.id.as_str()),
        ("{worktree}", place.worktree),
    ];
    Ok(Launch {
        argv: spec
            .command
            .iter()
            .map(|word| fill(word, &values))
            .collect(),
        env: spec.env.clone(),
        stdin: if spec.stdin {
            Stdin::Text(order.prompt.clone())
        } else {
            Stdin::Empty
        },
        ..Launch::default()
    })
}

/// Replaces every name in one word, from left to right; what was inserted is not looked at again.
fn fill(word: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::new();
    let mut rest = word;
    while let Some(at) = rest.find('{') {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((name, value)) = values.iter().find(|(name, _)| rest.starts_with(name)) {
            filled.push_str(value);
            rest = &rest[name.len()..];
        } else {
            filled.push('{');
            rest = &rest[1..];
        }
    }
    filled.push_str(rest);
    filled
}

/// The environment that tells any agent where it is (W-13).
pub(crate) fn facts(order: &Order, place: &Place<'_>) -> Vec<(&'static str, String)> {
    let mut facts = Vec::from([
        ("SKEP_SWARM", order.swarm.to_string()),
        ("SKEP_TASK", order.task.id.to_string()),
        ("SKEP_ATTEMPT", order.attempt.to_string()),
        ("SKEP_WORKER", order.worker.to_string()),
        ("SKEP_WORKTREE", place.worktree.to_string()),
        ("SKEP_REPO", place.repo.to_string()),
        ("SKEP_PORT_BASE", place.port_base.to_string()),
        ("SKEP_PROMPT_FILE", place.prompt_file.to_string()),
        ("SKEP_RESULT", place.result_file.to_string()),
    ]);
    if let Some(role) = &order.role {
        facts.push(("SKEP_ROLE", role.clone()));
    }
    if let Some(model) = &order.model {
        facts.push(("SKEP_MODEL", model.clone()));
    }
    if let Some(failure) = &order.previous {
        facts.push(("SKEP_PREVIOUS_OUTCOME", failure.outcome.word().to_string()));
        facts.push(("SKEP_PREVIOUS_REASON", failure.reason.replace('\0', " ")));
        facts.push(("SKEP_PREVIOUS_OUTPUT", place.failure_file.to_string()));
    }
    if let Some(fix) = &order.fix {
        facts.push(("SKEP_FIX_OF", fix.of.to_string()));
        let (why, files) = match &fix.why {
            FixWhy::Conflict(files) => ("conflict", files.join("\n")),
            FixWhy::Check(_) => ("check", String::new()),
        };
        facts.push(("SKEP_FIX_WHY", why.to_string()));
        facts.push(("SKEP_FIX_FILES", files.replace('\0', " ")));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use skep_core::{
        id::{Attempt, WorkerId},
        plan::OrderLimits,
        spec::{Command, Policy, TaskSpec},
        time::Time,
    };

    fn order(agent: &str) -> Order {
        let task = r#"{"id":"t","mission":"say \"hi\"; rm -rf /"}"#;
        Order {
            attempt: Attempt(7),
            swarm: "s".parse().unwrap(),
            task: serde_json::from_str::<TaskSpec>(task).unwrap().into(),
            worker: WorkerId(2),
            role: None,
            agent: agent.into(),
            agent_spec: None,
            model: Some("{prompt}".into()),
            permission: None,
            base: "0123456789012345678901234567890123456789".parse().unwrap(),
            prompt: "$(reboot) `x` 'y' {model}\n-rf".into(),
            previous: None,
            fix: None,
            setup: Vec::new(),
            shared: None,
            limits: OrderLimits::of(&Policy::default(), None),
            claimed: Time(0),
        }
    }

    fn place() -> Place<'static> {
        Place {
            worktree: "/w",
            repo: "/r",
            prompt_file: "/p",
            result_file: "/o",
            failure_file: "/f",
            port_base: 20_000,
        }
    }

    // proves: X-1, T-3
    #[test]
    fn values_stay_one_word_each_and_are_never_read_as_templates() {
        let mut order = order("mine");
        order.agent_spec = Some(AgentSpec {
            command: ["run", "--model={model}", "{prompt}", "{unknown}", "{"]
                .map(String::from)
                .into(),
            stdin: false,
            env: BTreeMap::new(),
            rate_limited_exit: Vec::new(),
            provider: None,
            protocol: None,
            rules: None,
            permission: None,
            args: Vec::new(),
        });
        let launch = launch(&order, &place()).unwrap();
        let expected = [
            "run",
            "--model={prompt}",
            "$(reboot) `x` 'y' {model}\n-rf",
            "{unknown}",
            "{",
        ];
        assert_eq!(launch.argv, expected);
        assert_eq!(launch.stdin, Stdin::Empty);
    }

    // proves: X-1, W-13
    #[test]
    fn the_shell_agent_runs_the_tasks_command_and_knows_where_it_is() {
        let mut order = order("shell");
        assert_eq!(launch(&order, &place()), Err(LaunchFault::NoCommand));
        let mut task = (*order.task).clone();
        task.command = Some(Command::Words(["./x", "a b"].map(String::from).into()));
        order.task = task.into();
        let launch = launch(&order, &place()).unwrap();
        assert_eq!(launch.argv, ["./x", "a b"]);
        for (name, value) in [
            ("SKEP_TASK", "t"),
            ("SKEP_WORKER", "w2"),
            ("SKEP_WORKTREE", "/w"),
            ("SKEP_REPO", "/r"),
            ("SKEP_PORT_BASE", "20000"),
        ] {
            assert_eq!(
                launch.env.get(name).map(String::as_str),
                Some(value),
                "{name}"
            );
        }
    }
}
