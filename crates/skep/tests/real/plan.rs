//! Plans for real agents: each is pointed at the scripted server by what a plan can say, without its key.

use crate::world::{World, script};
use serde_json::Value;
use skep_models::{Call, Script, agents};
use std::fmt::Write;

/// A plan that is being written.
pub(crate) struct Plan<'w> {
    world: &'w World,
    head: String,
    tasks: String,
    agents: Vec<&'static str>,
}

/// As TOML writes it; of what plans of tests hold, JSON and TOML write texts alike.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

impl<'w> Plan<'w> {
    /// A plan with these lines for `[policy]` and the tables after it.
    pub(crate) fn new(world: &'w World, workers: usize, policy: &str) -> Plan<'w> {
        Plan {
            world,
            head: format!(
                "[swarm]\nname = \"real\"\nworkers = {workers}\n[policy]\nbackoff = \"1ms\"\ngrace = \"5s\"\n{policy}\n"
            ),
            tasks: String::new(),
            agents: Vec::new(),
        }
    }

    /// A task that follows a script of its name, with more lines for it.
    pub(crate) fn task(
        mut self,
        agent: &'static str,
        id: &str,
        script: Script,
        more: &str,
    ) -> Plan<'w> {
        self.world.server.script(id, script);
        if !self.agents.contains(&agent) {
            self.agents.push(agent);
        }
        let model = agents::wiring(agent, "", "").unwrap().model;
        let _ = writeln!(
            self.tasks,
            "[[task]]\nid = {}\nmission = \"Do what the script says. [[script:{id}]]\"\nagent = {}\nmodel = {}\n{more}",
            quoted(id),
            quoted(agent),
            quoted(&model)
        );
        self
    }

    /// A task that writes a file of its name.
    pub(crate) fn writes(self, agent: &'static str, id: &str, more: &str) -> Plan<'w> {
        let script = script(agent, [Call::write(&format!("{id}.txt"), "made\n")]);
        self.task(agent, id, script, more)
    }

    /// Writes it down, where `skep run` is told of it.
    pub(crate) fn save(self) {
        let mut text = self.head;
        for agent in self.agents {
            text.push_str(&self.world.settings(agent));
        }
        text.push_str(&self.tasks);
        self.world.write("plan.toml", &text);
    }
}

impl World {
    /// What a plan says of an agent.
    fn settings(&self, agent: &str) -> String {
        let wiring = agents::wiring(agent, &self.server.url(), "{env:OPENAI_API_KEY}").unwrap();
        let mut text = format!("[agents.{agent}]\n");
        let words = |words: &[String]| {
            let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            words.join(", ")
        };
        if agent == "aider" {
            let all = [&["aider".to_string()], &wiring.args[..]].concat();
            let _ = writeln!(text, "command = [{}]\nrules = \"aider\"", words(&all));
        } else if !wiring.args.is_empty() {
            let _ = writeln!(text, "args = [{}]", words(&wiring.args));
        }
        // The others have theirs in the environment of `skep` itself, as people do.
        let config = "OPENCODE_CONFIG_CONTENT";
        if let Some(value) = wiring.env.get(config) {
            let _ = writeln!(text, "env = {{ {config} = {} }}", quoted(value));
        }
        text
    }
}
