//! What single values must be, whatever stands beside them: not empty, not endless, and without characters
//! that would drive a terminal (T-3).

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
    for (i, task) in plan.tasks.iter().enumerate() {
        values.task(i, task);
    }
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
            self.words(at(&base, &[Step::Key("command")]), &agent.command);
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
        for (key, given, least) in [
            ("concurrency", policy.concurrency, 1),
            ("model_failures", policy.model_failures, 1),
            ("spawn_failures", policy.spawn_failures, 1),
            ("hard_stop_percent", policy.hard_stop_percent, 100),
            (
                "ceiling_percent",
                policy.ceiling_percent,
                policy.hard_stop_percent,
            ),
        ] {
            if given < least {
                let kind = below(given, least);
                self.push(at(&base, &[Step::Key(key)]), kind);
            }
        }
        for (key, given, least) in [
            (
                "heartbeat_timeout",
                policy.heartbeat_timeout,
                policy.heartbeat,
            ),
            // Tests and demonstrations want a short wait; none at all would be a respawn storm.
            ("backoff", policy.backoff, Millis(1)),
            ("backoff_cap", policy.backoff_cap, policy.backoff),
        ] {
            if given < least {
                self.push(at(&base, &[Step::Key(key)]), below(given, least));
            }
        }
        self.health(policy);
        self.budget(&policy.budget);
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
            self.push(key("subscription_percent"), below(percent, 1));
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
        for (key, given, least) in [
            ("interval", health.interval, second),
            ("nudge", health.nudge, two_looks),
            ("ask", health.ask, health.nudge),
            ("checkpoint", health.checkpoint, health.ask),
            ("stale", health.stale, health.checkpoint),
            ("silent", health.silent, health.stale),
            ("claimed", health.claimed, second),
            ("wait", health.wait, second),
        ] {
            if given < least {
                let path = at(
                    &[],
                    &[Step::Key("policy"), Step::Key("health"), Step::Key(key)],
                );
                self.push(path, below(given, least));
            }
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
                self.push(path, below(given, least));
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
        // No pause at all between two that leave would take them all at once.
        if scaling.down_interval < Millis(1) {
            self.push(
                key("down_interval"),
                below(scaling.down_interval, Millis(1)),
            );
        }
        if scaling.arrival_window > Scaling::LONGEST_WINDOW {
            let kind = above(scaling.arrival_window, Scaling::LONGEST_WINDOW);
            self.push(key("arrival_window"), kind);
        }
        for (name, given, least) in [
            (
                "max_workers",
                scaling.max_workers,
                scaling.min_workers.max(1),
            ),
            ("tasks_per_worker", scaling.tasks_per_worker, 1),
            ("step", scaling.step, 1),
            ("backlog", scaling.backlog, 1),
        ] {
            if given < least {
                self.push(key(name), below(given, least));
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
            self.push(path, below(length, Millis::secs(1)));
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
        if label.trim().is_empty() {
            self.push(path.clone(), FaultKind::Empty);
        }
        if label.len() > LABEL {
            self.push(path.clone(), FaultKind::LabelTooLong(label.len()));
        }
        if let Some(c) = label.chars().find(|c| c.is_control()) {
            self.push(path, FaultKind::Control(c));
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

fn below(given: impl ToString, least: impl ToString) -> FaultKind {
    FaultKind::Below {
        given: given.to_string(),
        least: least.to_string(),
    }
}

fn above(given: impl ToString, most: impl ToString) -> FaultKind {
    FaultKind::Above {
        given: given.to_string(),
        most: most.to_string(),
    }
}
