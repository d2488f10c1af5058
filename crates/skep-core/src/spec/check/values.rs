//! What single values must be, whatever stands beside them: not empty, not endless, and without characters
//! that would drive a terminal (T-3).

mod alerts;
mod routing;
mod targets;

use super::{
    Fault, FaultKind, Faults, Step,
    fault::{FieldPath, LABEL},
};
use crate::{
    limits,
    spec::{Budget, Command, Criterion, ModelWish, Plan, Policy, Scaling, TaskSpec},
    time::Millis,
};
use alloc::{string::ToString, vec::Vec};

pub(super) fn check(plan: &Plan, faults: &mut Faults) {
    let mut values = Values { faults };
    values.swarm(plan);
    values.policy(&plan.swarm.policy);
    alerts::check(&mut values, plan);
    for (i, task) in plan.tasks.iter().enumerate() {
        values.task(i, task);
    }
}

/// Checks that `text` can be a short text: a category, a capability, a model's name.
///
/// # Errors
/// The first fault found.
pub fn check_label(text: &str) -> Result<(), FaultKind> {
    if text.trim().is_empty() {
        return Err(FaultKind::Empty);
    }
    if text.len() > LABEL {
        return Err(FaultKind::LabelTooLong(text.len()));
    }
    let control = text.chars().find(|c| c.is_control());
    control.map_or(Ok(()), |c| Err(FaultKind::Control(c)))
}

struct Values<'f> {
    faults: &'f mut Faults,
}

/// The path of something below `base`.
fn at(base: &[Step], rest: &[Step]) -> FieldPath {
    let mut path = Vec::from(base);
    path.extend_from_slice(rest);
    path
}

impl Values<'_> {
    fn push(&mut self, at: FieldPath, kind: FaultKind) {
        self.faults.0.push(Fault { at, kind });
    }

    fn swarm(&mut self, plan: &Plan) {
        let swarm = &plan.swarm;
        let base = [Step::Key("swarm")];
        if swarm.name.as_str().contains('.') {
            let kind = FaultKind::DottedSwarm(swarm.name.clone());
            self.push(at(&base, &[Step::Key("name")]), kind);
        }
        if let Some(model) = &swarm.model {
            self.label(at(&base, &[Step::Key("model")]), model);
        }
        self.labels(at(&base, &[Step::Key("models")]), &swarm.models);
        for (key, commands) in [
            ("check", &swarm.check),
            ("setup", &swarm.setup),
            ("teardown", &swarm.teardown),
        ] {
            for (n, command) in commands.iter().enumerate() {
                self.command(at(&base, &[Step::Key(key), Step::Index(n)]), command);
            }
        }
        if let Some(prompt) = &swarm.prompt {
            self.prose(at(&base, &[Step::Key("prompt")]), prompt);
        }
        let path = at(&base, &[Step::Key("check_timeout")]);
        self.some_time(path, swarm.check_timeout);
        for (name, role) in &swarm.roles {
            let base = [Step::Key("roles"), Step::Name(name.clone())];
            if let Some(model) = &role.model {
                self.label(at(&base, &[Step::Key("model")]), model);
            }
            let capabilities = role.capabilities.as_deref().unwrap_or_default();
            self.labels(at(&base, &[Step::Key("capabilities")]), capabilities);
        }
        for (name, agent) in &swarm.agents {
            let base = [Step::Key("agents"), Step::Name(name.clone())];
            // Of an agent that Skep knows by itself there may be settings alone.
            if !agent.command.is_empty() || !swarm.built_in.contains(name) {
                self.words(at(&base, &[Step::Key("command")]), &agent.command);
            }
            for (n, arg) in agent.args.iter().enumerate() {
                if arg.contains('\0') {
                    let path = at(&base, &[Step::Key("args"), Step::Index(n)]);
                    self.push(path, FaultKind::Control('\0'));
                }
            }
            for (variable, value) in &agent.env {
                let path = at(&base, &[Step::Key("env"), Step::Name(variable.clone())]);
                if variable.is_empty() {
                    self.push(path.clone(), FaultKind::Empty);
                }
                let odd = variable.chars().find(|c| c.is_control() || *c == '=');
                if let Some(c) = odd.or_else(|| value.chars().find(|c| *c == '\0')) {
                    self.push(path, FaultKind::Control(c));
                }
            }
        }
    }

    fn policy(&mut self, policy: &Policy) {
        self.scaling(&policy.scaling);
        routing::check(self, policy);
        targets::check(self, policy);
        let base = [Step::Key("policy")];
        for (key, length) in [
            ("timebox", policy.timebox),
            ("checkpoint_interval", policy.checkpoint_interval),
            ("heartbeat", policy.heartbeat),
            ("criterion_timeout", policy.criterion_timeout),
            ("setup_timeout", policy.setup_timeout),
        ] {
            self.some_time(at(&base, &[Step::Key(key)]), length);
        }
        for (key, length) in [
            ("grace", policy.grace),
            ("heartbeat_timeout", policy.heartbeat_timeout),
            ("backoff_cap", policy.backoff_cap),
        ] {
            self.no_age(at(&base, &[Step::Key(key)]), length);
        }
        for (key, given, least, of) in [
            ("concurrency", policy.concurrency, 1, None),
            ("model_failures", policy.model_failures, 1, None),
            ("spawn_failures", policy.spawn_failures, 1, None),
            ("hard_stop_percent", policy.hard_stop_percent, 100, None),
            (
                "ceiling_percent",
                policy.ceiling_percent,
                policy.hard_stop_percent,
                Some("hard_stop_percent"),
            ),
        ] {
            if given < least {
                let kind = below(given, least, of);
                self.push(at(&base, &[Step::Key(key)]), kind);
            }
        }
        for (key, given, least, of) in [
            (
                "heartbeat_timeout",
                policy.heartbeat_timeout,
                policy.heartbeat,
                Some("heartbeat"),
            ),
            // Tests and demonstrations want a short wait; none at all would be a respawn storm.
            ("backoff", policy.backoff, Millis(1), None),
            (
                "backoff_cap",
                policy.backoff_cap,
                policy.backoff,
                Some("backoff"),
            ),
        ] {
            if given < least {
                self.push(at(&base, &[Step::Key(key)]), below(given, least, of));
            }
        }
        self.health(policy);
        self.agents(policy);
        self.budget(&policy.budget);
    }

    /// Every patience is some time; shorter than a second is for tests.
    fn agents(&mut self, policy: &Policy) {
        let agents = &policy.agents;
        let base = [Step::Key("policy"), Step::Key("agents")];
        for (key, given, least) in [
            ("first_reply", agents.first_reply, Millis(100)),
            ("reply", agents.reply, Millis(100)),
            ("tool", agents.tool, Millis(100)),
            ("metering", agents.metering, Millis(100)),
            ("ask_timeout", agents.ask_timeout, Millis(100)),
            ("ask_total", agents.ask_total, agents.ask_timeout),
        ] {
            if given < least {
                self.push(at(&base, &[Step::Key(key)]), below(given, least, None));
            }
        }
        let percent = agents.context_percent;
        if !(1..=100).contains(&percent) {
            self.push(
                at(&base, &[Step::Key("context_percent")]),
                if percent == 0 {
                    below(percent, 1, None)
                } else {
                    above(percent, 100)
                },
            );
        }
    }

    fn budget(&mut self, budget: &Budget) {
        let key = |key| {
            at(
                &[Step::Key("policy"), Step::Key("budget")],
                &[Step::Key(key)],
            )
        };
        self.some_time(key("interval"), budget.interval);
        self.some_time(key("subscription_window"), budget.subscription_window);
        let percent = budget.subscription_percent;
        if percent < 1 {
            self.push(key("subscription_percent"), below(percent, 1, None));
        }
        if percent > 100 {
            self.push(key("subscription_percent"), above(percent, 100));
        }
    }

    /// The ladder's rungs follow each other, and none is reached between two looks of the host.
    fn health(&mut self, policy: &Policy) {
        let health = &policy.health;
        let two_looks = policy.heartbeat.times(2);
        let second = Millis::secs(1);
        for (key, given, least, of) in [
            ("interval", health.interval, second, None),
            ("nudge", health.nudge, two_looks, Some("heartbeat")),
            ("ask", health.ask, health.nudge, Some("health.nudge")),
            (
                "checkpoint",
                health.checkpoint,
                health.ask,
                Some("health.ask"),
            ),
            (
                "stale",
                health.stale,
                health.checkpoint,
                Some("health.checkpoint"),
            ),
            ("silent", health.silent, health.stale, Some("health.stale")),
            ("claimed", health.claimed, second, None),
            ("wait", health.wait, second, None),
        ] {
            if given < least {
                let path = at(
                    &[],
                    &[Step::Key("policy"), Step::Key("health"), Step::Key(key)],
                );
                self.push(path, below(given, least, of));
            }
        }
        // The rungs are no longer than the last of them.
        for (key, length) in [
            ("interval", health.interval),
            ("grace", health.grace),
            ("silent", health.silent),
            ("claimed", health.claimed),
            ("wait", health.wait),
        ] {
            let path = [Step::Key("policy"), Step::Key("health"), Step::Key(key)];
            self.no_age(path.into(), length);
        }
        for (key, given, least) in [
            ("slow_percent", health.slow_percent, 100),
            ("worker_crashes", health.worker_crashes, 1),
            ("poison_workers", health.poison_workers, 1),
        ] {
            if given < least {
                let path = at(
                    &[],
                    &[Step::Key("policy"), Step::Key("health"), Step::Key(key)],
                );
                self.push(path, below(given, least, None));
            }
        }
    }

    fn scaling(&mut self, scaling: &Scaling) {
        let key = |key| {
            at(
                &[Step::Key("policy"), Step::Key("scaling")],
                &[Step::Key(key)],
            )
        };
        for (name, length) in [
            ("check_interval", scaling.check_interval),
            ("idle_after", scaling.idle_after),
            ("arrival_window", scaling.arrival_window),
        ] {
            self.some_time(key(name), length);
        }
        for (name, length) in [
            ("down_interval", scaling.down_interval),
            ("affinity_wait", scaling.affinity_wait),
        ] {
            self.no_age(key(name), length);
        }
        // No pause at all between two that leave would take them all at once.
        if scaling.down_interval < Millis(1) {
            self.push(
                key("down_interval"),
                below(scaling.down_interval, Millis(1), None),
            );
        }
        if scaling.arrival_window > Scaling::LONGEST_WINDOW {
            let kind = above(scaling.arrival_window, Scaling::LONGEST_WINDOW);
            self.push(key("arrival_window"), kind);
        }
        let fewest = (scaling.min_workers > 1).then_some("scaling.min_workers");
        for (name, given, least, of) in [
            (
                "max_workers",
                scaling.max_workers,
                scaling.min_workers.max(1),
                fewest,
            ),
            ("tasks_per_worker", scaling.tasks_per_worker, 1, None),
            ("step", scaling.step, 1, None),
            ("backlog", scaling.backlog, 1, None),
        ] {
            if given < least {
                self.push(key(name), below(given, least, of));
            }
        }
        for (name, given, most) in [
            ("max_workers", scaling.max_workers, limits::WORKERS),
            ("utilisation_percent", scaling.utilisation_percent, 100),
        ] {
            if given > most {
                self.push(key(name), above(given, most));
            }
        }
    }

    fn task(&mut self, i: usize, task: &TaskSpec) {
        let base = [Step::Key("task"), Step::Index(i)];
        let key = |key| at(&base, &[Step::Key(key)]);
        self.prose(key("mission"), &task.mission);
        if !task.brief.is_empty() {
            self.prose(key("brief"), &task.brief);
        }
        for (n, criterion) in task.success.iter().enumerate() {
            let path = at(&base, &[Step::Key("success"), Step::Index(n)]);
            let inner = |key| at(&path, &[Step::Key(key)]);
            match criterion {
                Criterion::Run(command) => self.command(inner("run"), command),
                Criterion::Says(text) => self.prose(inner("says"), text),
                Criterion::Changed(_) | Criterion::Exists(_) => {}
            }
        }
        for (name, label) in [("category", &task.category), ("owner_key", &task.owner_key)] {
            if let Some(label) = label {
                self.label(key(name), label);
            }
        }
        match &task.model {
            Some(ModelWish::Required(model) | ModelWish::Preferred(model)) => {
                self.label(key("model"), model);
            }
            None => {}
        }
        self.labels(key("capabilities"), &task.capabilities);
        self.labels(key("hazards"), &task.hazards);
        if let Some(command) = &task.command {
            self.command(key("command"), command);
        }
        if let Some(timebox) = task.timebox {
            self.some_time(key("timebox"), timebox);
        }
    }

    fn some_time(&mut self, path: FieldPath, length: Millis) {
        if length < Millis::secs(1) {
            self.push(path, below(length, Millis::secs(1), None));
        } else {
            self.no_age(path, length);
        }
    }

    fn no_age(&mut self, path: FieldPath, length: Millis) {
        if length > limits::LENGTH {
            self.push(path, above(length, limits::LENGTH));
        }
    }

    /// Text for agents and people: lines and tabs are fine, other controls are not.
    fn prose(&mut self, path: FieldPath, text: &str) {
        if text.trim().is_empty() {
            self.push(path.clone(), FaultKind::Empty);
        }
        if text.len() > limits::TEXT {
            self.push(path.clone(), FaultKind::TooLong(text.len()));
        }
        let odd = |c: &char| c.is_control() && !matches!(c, '\n' | '\t' | '\r');
        if let Some(c) = text.chars().find(odd) {
            self.push(path, FaultKind::Control(c));
        }
    }

    fn labels(&mut self, path: FieldPath, labels: &[impl AsRef<str>]) {
        if labels.len() > limits::DEPENDENCIES {
            self.push(path.clone(), FaultKind::TooManyEntries(labels.len()));
        }
        for (n, label) in labels.iter().enumerate() {
            self.label(at(&path, &[Step::Index(n)]), label.as_ref());
        }
    }

    fn label(&mut self, path: FieldPath, label: &str) {
        if let Err(kind) = check_label(label) {
            self.push(path, kind);
        }
    }

    fn command(&mut self, path: FieldPath, command: &Command) {
        match command {
            Command::Line(line) => self.line(path, line),
            Command::Words(words) => self.words(path, words),
        }
    }

    fn line(&mut self, path: FieldPath, line: &str) {
        if line.trim().is_empty() {
            self.push(path.clone(), FaultKind::Empty);
        }
        self.argument(path, line);
    }

    /// The program must be named; an argument may be empty.
    fn words(&mut self, path: FieldPath, words: &[impl AsRef<str>]) {
        if words.first().is_none_or(|w| w.as_ref().trim().is_empty()) {
            self.push(path.clone(), FaultKind::Empty);
        }
        for (n, word) in words.iter().enumerate() {
            self.argument(at(&path, &[Step::Index(n)]), word.as_ref());
        }
    }

    /// No program can be given an argument with a NUL in it.
    fn argument(&mut self, path: FieldPath, text: &str) {
        if text.len() > limits::TEXT {
            self.push(path.clone(), FaultKind::TooLong(text.len()));
        }
        if text.contains('\0') {
            self.push(path, FaultKind::Control('\0'));
        }
    }
}

fn below(given: impl ToString, least: impl ToString, of: Option<&'static str>) -> FaultKind {
    FaultKind::Below {
        given: given.to_string(),
        least: least.to_string(),
        of,
    }
}

fn above(given: impl ToString, most: impl ToString) -> FaultKind {
    FaultKind::Above {
        given: given.to_string(),
        most: most.to_string(),
    }
}
