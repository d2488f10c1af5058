//! Recorded transcripts: where they lie, and how a dialogue is led along one.

use crate::order::{order, place, settings};
use skep_agents::{
    Adapter, Answer, ByUs, Dialogue, Exit, Health, Patience, Permission, Say, Seen,
    command::{self, Rules},
    health,
};
use skep_core::{attempt::End, time::Millis};
use std::{
    fs,
    path::{Path, PathBuf},
};

pub(crate) const CLIS: [&str; 6] = ["aider", "claude", "codex", "gemini", "opencode", "pi"];

pub(crate) struct Transcript {
    pub(crate) cli: &'static str,
    pub(crate) name: String,
    pub(crate) exit: String,
    text: String,
}

/// Every recording.
pub(crate) fn all() -> Vec<Transcript> {
    let mut all = Vec::new();
    for cli in CLIS {
        let folder = tests().join("transcripts").join(cli);
        for line in fs::read_to_string(folder.join("exits.txt"))
            .unwrap()
            .lines()
        {
            let (name, exit) = line.split_once(' ').unwrap();
            let ending = if cli == "aider" { "out" } else { "jsonl" };
            let file = folder.join(format!("{name}.{ending}"));
            all.push(Transcript {
                cli,
                name: name.into(),
                exit: exit.into(),
                text: fs::read_to_string(file).unwrap(),
            });
        }
    }
    all
}

pub(crate) fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

pub(crate) fn rules(text: &str) -> Adapter {
    Adapter::Command(Rules::parse(text).unwrap())
}

/// One thing that happened in a recording.
pub(crate) enum Step {
    /// The agent printed this.
    Printed(String),
    /// It was told something.
    Told(Say),
}

impl Transcript {
    pub(crate) fn adapter(&self) -> Adapter {
        let named = |name| Adapter::named(name).unwrap();
        match (self.cli, self.name.as_str()) {
            ("aider", _) => rules(command::AIDER),
            ("codex", name) if name.starts_with("app_server") => named("codex-server"),
            ("gemini" | "opencode", name) if name.starts_with("acp") => named(self.cli),
            ("gemini", _) => rules(command::GEMINI),
            ("opencode", _) => rules(command::OPENCODE),
            (cli, _) => named(cli),
        }
    }

    pub(crate) fn dialogue(&self) -> Dialogue {
        let mut order = order("Create hello.txt");
        // Choosing a model is a request of its own to some.
        if self.text.contains("session/set_config_option") {
            order.model = Some("fake/fake-model".into());
        }
        let settings = settings(Permission::Ask);
        self.adapter().dialogue(&order, &place(), &settings)
    }

    /// What happened, in order. A recording of both sides says who said what.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let both = self.text.starts_with("{\"t\"");
        if !both {
            return vec![Step::Printed(self.text.clone())];
        }
        let mut steps = Vec::new();
        let mut prompts = 0;
        for line in self.text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let message = &line["msg"];
            match line["dir"].as_str() {
                Some("from_agent") => steps.push(Step::Printed(format!("{message}\n"))),
                Some("to_agent") => steps.extend(told(message, &mut prompts).map(Step::Told)),
                _ => {}
            }
        }
        steps
    }

    /// All that was printed.
    pub(crate) fn printed(&self) -> Vec<u8> {
        let steps = self.steps().into_iter();
        steps
            .filter_map(|step| match step {
                Step::Printed(text) => Some(text),
                Step::Told(_) => None,
            })
            .collect::<String>()
            .into_bytes()
    }

    /// How it ended. The harness ended those that got nowhere; here a host does that, when it sees it.
    pub(crate) fn exit(&self, dialogue: &Dialogue) -> Exit {
        let (end, by_us) = match self.exit.parse::<i32>() {
            Ok(signal @ ..0) => (End::Signalled(-signal), None),
            Ok(code) => (End::Exited(code), None),
            Err(_) => match health(dialogue.summary(), Millis::mins(10), &PATIENCE) {
                Health::Trouble(trouble) => (End::Signalled(9), Some(ByUs::Trouble(trouble))),
                _ => (End::TimedOut, None),
            },
        };
        Exit { end, by_us }
    }
}

pub(crate) const PATIENCE: Patience = Patience {
    first: Millis::mins(2),
    reply: Millis::mins(3),
    tool: Millis::mins(10),
    retries: 3,
};

/// What the harness said to an agent, as far as a dialogue does not say it by itself.
fn told(message: &serde_json::Value, prompts: &mut u32) -> Option<Say> {
    let kind = message["type"].as_str().or(message["method"].as_str());
    match kind {
        Some("user" | "prompt" | "turn/start") => {
            *prompts += 1;
            (*prompts > 1).then(|| Say::Nudge("second".into()))
        }
        Some("abort" | "turn/interrupt" | "session/cancel") => Some(Say::Interrupt),
        Some("control_request") => {
            (message["request"]["subtype"] == "interrupt").then_some(Say::Interrupt)
        }
        Some("control_response") => Some(Say::Answer {
            id: message["response"]["request_id"].as_str().unwrap().into(),
            answer: Answer::Allow,
        }),
        None if message.get("result").is_some() => Some(Say::Answer {
            id: message["id"].to_string(),
            answer: Answer::Allow,
        }),
        _ => None,
    }
}

/// Reads all of it, in pieces of this size.
pub(crate) fn read_in(dialogue: &mut Dialogue, bytes: &[u8], size: usize) -> Vec<Seen> {
    let mut seen = Vec::new();
    for part in bytes.chunks(size.max(1)) {
        seen.extend(dialogue.read(part));
    }
    seen.extend(dialogue.end());
    seen
}
