//! One event as one line (or none): the same for a terminal, a pipe and `skep events`.

use super::count;
use crate::term::Style;
use serde_json::Value;
use skep_core::{
    alert::Rule,
    ask::{AskId, Question, Reply},
    attempt::StopWhy,
    budget::Level,
    event::{Event, Next, Record},
    forecast::Gone,
    health::{Logged, Rung},
    id::{Attempt, TaskId},
    merge::{MergeStep, Severity},
    spec::Command,
    state::State,
    task::Origin,
    time::Time,
};
use skep_host::git::names;

/// What is said of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// How it is painted.
    pub(crate) style: Style,
    /// What it is about: a task, a worker, a wave.
    pub(crate) about: String,
    /// What happened.
    pub(crate) text: String,
}

fn say(style: Style, about: impl ToString, text: impl Into<String>) -> Vec<Line> {
    vec![Line {
        style,
        about: about.to_string(),
        text: text.into(),
    }]
}

/// What the wave's merge now waits for: a check can take as long as a test suite.
fn checking(state: &State) -> Option<Line> {
    let merge = state.merge()?;
    let MergeStep::Checking(_) = &merge.step else {
        return None;
    };
    let commands: Vec<String> = state
        .swarm()?
        .spec
        .check
        .iter()
        .map(Command::shown)
        .collect();
    Some(Line {
        style: Style::Dim,
        about: format!("wave {}", merge.wave),
        text: format!("checking what was merged: {}", commands.join("; ")),
    })
}

/// What was asked of the numbers, which the log has as the document that was sent.
fn changed(asked: &str) -> String {
    let Ok(Value::Object(keys)) = serde_json::from_str(asked) else {
        return "changed".into();
    };
    let one = |(key, value): (&String, &Value)| match value {
        Value::Null => format!("{key} is at its default again"),
        Value::String(text) => format!("{key} is {text}"),
        other => format!("{key} is {other}"),
    };
    keys.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Whether nothing else tells what an alert of the rule tells.
const fn is_news(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::FullyScaled | Rule::Idle | Rule::Crashes | Rule::KeeperRestarts
    )
}

/// What is said of an event; `state` is the state after it.
pub(crate) fn lines(record: &Record, state: &State) -> Vec<Line> {
    use Style::{Bad, Care, Dim, Good, Plain, Strong};
    match &record.event {
        Event::PlanLoaded {
            plan,
            target,
            base,
            carried,
            ..
        } => {
            let tasks = count(plan.tasks.len(), "task");
            // The base is the integration branch's; from the second plan on it is ahead of the target.
            let branch = names::integration(&plan.swarm.name);
            let mut text = format!("{tasks} for {target}, on {branch} at {}", base.short());
            if !carried.is_empty() {
                text.push_str(&format!("; {} merged already", carried.len()));
            }
            say(Strong, &plan.swarm.name, text)
        }
        Event::TaskAdded { spec, origin } => match origin {
            Origin::Fix(fix) => say(Care, &spec.id, format!("added to bring in {}", fix.of)),
            Origin::Plan | Origin::Person => say(Plain, &spec.id, "added"),
        },
        Event::TaskEdited { spec } => say(Plain, &spec.id, "changed"),
        Event::TasksReady { .. } | Event::AttemptStarted { .. } | Event::WorkerReady { .. } => {
            Vec::new()
        }
        Event::TaskSkipped { task } => say(Care, task, "skipped: counts as merged"),
        Event::TaskCancelled { task } => say(Care, task, "cancelled"),
        Event::TaskRequeued { task } => say(Plain, task, "begins anew"),
        Event::TaskBoosted { task, priority } => {
            say(Plain, task, format!("has priority {priority:?} now"))
        }
        Event::TaskAssigned {
            task,
            worker: Some(worker),
        } => say(Plain, task, format!("is for {worker} only")),
        Event::TaskAssigned { task, worker: None } => say(Plain, task, "is for any worker"),
        Event::Claimed {
            attempt,
            task,
            worker,
            model,
            route,
            ..
        } => {
            let routed = model.as_ref().zip(route.as_ref());
            let routed = routed.map_or_else(String::new, |(model, route)| {
                format!(", {}", route.told(model))
            });
            say(
                Plain,
                task,
                format!("{worker} begins attempt {attempt}{routed}"),
            )
        }
        Event::AgentEnded { attempt } => match state.attempt(*attempt) {
            Some(live) if live.stopping.is_some() => say(
                Dim,
                &live.task,
                "the agent is ended; its work is being saved",
            ),
            // It may have been killed or have run out of time: only the report says.
            Some(live) => say(
                Dim,
                &live.task,
                "the agent has ended; what it left is being saved and checked",
            ),
            None => Vec::new(),
        },
        // Of interest to nobody: the attempt goes on as it did, and `skep costs` adds up what it costs.
        Event::LeaseMoved { .. } | Event::Metered { .. } => Vec::new(),
        Event::BudgetLevel { told, text, .. } => {
            let style = match told.level {
                Level::Fine => Plain,
                Level::Alert => Care,
                Level::Critical | Level::Last | Level::Full => Bad,
            };
            say(style, "budget", text.clone())
        }
        Event::HealthChanged { attempt, health } => match state.attempt(*attempt) {
            Some(live) => of_health(&live.task, health),
            None => Vec::new(),
        },
        Event::CollisionForeseen { collision } => say(Care, "forecast", collision.sentence()),
        Event::CollisionGone { works, why } => {
            let who = works.iter().map(|w| format!("{} ({})", w.worker, w.task));
            let who: Vec<String> = who.collect();
            let now = match why {
                Gone::Settled => "merge now",
                Gone::Over => "collide no more: one is over",
            };
            say(Dim, "forecast", format!("{} {now}", who.join(" and ")))
        }
        Event::Checkpointed {
            task,
            text,
            percent,
            ..
        } => {
            let percent = percent.map_or_else(String::new, |p| format!("{p} %: "));
            say(Dim, task, format!("says {percent}{}", first_line(text)))
        }
        Event::BlockReported { task, block, .. } => {
            let on = block.on.as_ref();
            let on = on.map_or_else(String::new, |on| format!(" before {on} is merged"));
            let reason = first_line(&block.reason);
            say(Care, task, format!("its agent cannot go on{on}: {reason}"))
        }
        Event::TaskUnblocked { task } => say(Plain, task, "is blocked no more"),
        Event::MemoRecorded {
            task, key, value, ..
        } => say(Dim, task, format!("memo {key}: {}", first_line(value))),
        Event::Asked { attempt, question } => of_ask(*attempt, question, state),
        Event::Answered {
            attempt,
            number,
            reply,
        } => of_answer(*attempt, *number, reply, state),
        Event::ContextRefreshDeferred { attempt, percent } => match state.attempt(*attempt) {
            Some(live) => say(
                Dim,
                &live.task,
                format!("its agent's context is {percent} % full; the next attempt begins afresh"),
            ),
            None => Vec::new(),
        },
        Event::StopAsked { attempt, why, .. } => match state.attempt(*attempt) {
            Some(live) => {
                let why = match why {
                    StopWhy::OverBudget => " for its cost",
                    _ => "",
                };
                let text = format!("attempt {attempt} is being stopped{why}");
                say(Care, &live.task, text)
            }
            None => Vec::new(),
        },
        Event::AttemptAccepted { task, accepted, .. } => {
            let receipt = &accepted.receipt;
            let what = match &receipt.no_op {
                Some(why) => format!("nothing to do ({why})"),
                None => format!("{} changed", count(receipt.file_count, "file")),
            };
            let took = super::length(receipt.took.0);
            let past = state.task(task).and_then(|t| t.history.last());
            let cost = past.and_then(|past| past.charge.usd);
            let cost = cost.map_or_else(String::new, |usd| {
                format!(", for {}", super::costs::usd(usd.dollars()))
            });
            say(Good, task, format!("accepted: {what}, in {took}{cost}"))
        }
        Event::AttemptEnded {
            task,
            failure,
            next,
            ..
        } => {
            let style = if matches!(next, Next::Flag | Next::DeadLetter | Next::Quarantine) {
                Bad
            } else {
                Care
            };
            let after = after(*next, record.at);
            say(
                style,
                task,
                format!("{}: {}; {after}", failure.outcome, failure.reason),
            )
        }
        Event::AttemptFenced {
            attempt,
            task,
            salvage,
        } => {
            let kept = if salvage.is_some() {
                "; its work is kept as salvage"
            } else {
                ""
            };
            let about = task
                .as_ref()
                .map_or_else(|| "late".into(), ToString::to_string);
            say(
                Care,
                about,
                format!("attempt {attempt} came too late and changes nothing{kept}"),
            )
        }
        Event::WorkerAdded { worker, role, why } => {
            let role = role
                .as_ref()
                .map_or_else(String::new, |r| format!(" as {r}"));
            let why = why
                .as_ref()
                .map_or_else(String::new, |why| format!(": {why}"));
            say(Dim, worker, format!("joins{role}{why}"))
        }
        Event::WorkerFailed {
            worker,
            reason,
            not_before,
        } => {
            let wait = super::length(not_before.since(record.at).0);
            say(
                Bad,
                worker,
                format!("could not be made ready: {reason}; again in {wait}"),
            )
        }
        Event::WorkerRestored { worker } => say(Plain, worker, "is tried again"),
        Event::WorkerModelSet { worker, model } => {
            let model = model
                .as_deref()
                .unwrap_or("what the task or the swarm says");
            say(Plain, worker, format!("its model is {model} from now on"))
        }
        Event::WorkerPaused { worker } => say(Care, worker, "paused"),
        Event::WorkerResumed { worker } => say(Plain, worker, "resumed"),
        Event::WorkerRetired {
            worker,
            successor,
            reason,
        } => say(
            Care,
            worker,
            format!("crashed too often and is replaced by {successor}: {reason}"),
        ),
        Event::WaitedTooLong { task, text, .. } => {
            say(Care, task, format!("waits for too long: {text}"))
        }
        Event::WorkerLeaving { worker, why } => {
            let why = why
                .as_ref()
                .map_or_else(String::new, |why| format!(": {why}"));
            say(Dim, worker, format!("leaves{why}"))
        }
        Event::WorkerGone { worker } => say(Dim, worker, "is gone"),
        Event::ProviderParked {
            provider,
            until,
            reason,
            ..
        } => {
            let wait = super::length(until.since(record.at).0);
            say(
                Care,
                provider,
                format!("takes no attempt for {wait}: {reason}"),
            )
        }
        Event::ProviderResumed { provider, .. } => say(Plain, provider, "takes attempts again"),
        Event::SloBreached { subject, text, .. } => say(Care, subject, text.clone()),
        _ => of_swarm(record, state),
    }
}

/// A question, with the command that answers it.
fn of_ask(attempt: Attempt, question: &Question, state: &State) -> Vec<Line> {
    let Some(live) = state.attempt(attempt) else {
        return Vec::new();
    };
    let id = AskId {
        attempt,
        number: question.number,
    };
    let text = match &question.tool {
        Some(tool) => format!(
            "asks to use {tool}: {}; `skep answer {id} --allow` or --deny",
            question.text
        ),
        None if question.options.is_empty() => {
            format!("asks: {}; `skep answer {id} TEXT`", question.text)
        }
        None => {
            let options = question.options.iter().enumerate();
            let options: Vec<String> = options.map(|(n, o)| format!("{} {o}", n + 1)).collect();
            let options = options.join(", ");
            format!(
                "asks: {} ({options}); `skep answer {id} --option N`, or TEXT",
                question.text
            )
        }
    };
    say(Style::Care, &live.task, text)
}

fn of_answer(attempt: Attempt, number: u32, reply: &Reply, state: &State) -> Vec<Line> {
    let Some(live) = state.attempt(attempt) else {
        return Vec::new();
    };
    let answer = match reply {
        Reply::Allow => "allowed".into(),
        Reply::Deny(why) => format!("denied: {why}"),
        Reply::Text(text) => format!("answered: {text}"),
    };
    let text = format!("ask {} is {answer}", AskId { attempt, number });
    say(Style::Plain, &live.task, text)
}

/// A checkup that found nothing wrong is for the log.
fn of_health(task: &TaskId, health: &Logged) -> Vec<Line> {
    if health.rung == Rung::Fine && health.score > 50 {
        return Vec::new();
    }
    let reasons: Vec<String> = health.reasons.iter().map(ToString::to_string).collect();
    let (score, reasons) = (health.score, reasons.join("; "));
    say(Style::Care, task, format!("health {score}: {reasons}"))
}

/// Events of merging and of the swarm as a whole.
fn of_swarm(record: &Record, state: &State) -> Vec<Line> {
    use Style::{Bad, Care, Dim, Good, Plain, Strong};
    let wave = || {
        format!(
            "wave {}",
            state.merge().map_or_else(|| state.open_wave(), |m| m.wave)
        )
    };
    match &record.event {
        Event::MergeStarted { wave, queue, .. } => say(
            Strong,
            format!("wave {wave}"),
            format!("merging {}", count(queue.len(), "task")),
        ),
        Event::MergeBuilt { conflicts, .. } => {
            let one = |c: &skep_core::merge::Conflict| {
                let tasks: Vec<&str> = c.tasks.iter().map(|t| t.as_str()).collect();
                let text = format!("conflict in {}: {}", c.file, c.description);
                Line {
                    style: Care,
                    about: tasks.join(", "),
                    text,
                }
            };
            let mut lines: Vec<Line> = conflicts.iter().map(one).collect();
            lines.extend(checking(state));
            lines
        }
        Event::MergeChecked { passed: true, .. } => say(Dim, wave(), "the check passes"),
        Event::MergeChecked { passed: false, .. } => say(
            Care,
            wave(),
            "the check fails; looking for the task that breaks it",
        ),
        Event::LeftOut {
            task,
            fixed_by: Some(fix),
            reason,
        } => say(
            Care,
            task,
            format!("left out: {reason}; {fix} is to bring it in"),
        ),
        Event::LeftOut {
            task,
            fixed_by: None,
            reason,
        } => say(Bad, task, format!("left out: {reason}; a person must look")),
        Event::MergeRebuilt { .. } => Vec::new(),
        Event::WaveLanded {
            wave,
            tip,
            merged,
            checked,
        } => {
            let tasks = count(merged.len(), "task");
            let check = if *checked { ", check passed" } else { "" };
            let text = format!("merged {tasks} at {}{check}", tip.short());
            say(Good, format!("wave {wave}"), text)
        }
        Event::TargetLanded { tip } => {
            let target = state.swarm().map_or("target", |s| s.target.as_str());
            say(Good, target, format!("moved to {}", tip.short()))
        }
        Event::TargetRefused { reason, .. } => {
            let target = state.swarm().map_or("target", |s| s.target.as_str());
            say(Care, target, format!("not moved: {reason}"))
        }
        Event::HookRan { ran } => match (&ran.failed, ran.refused) {
            (None, _) => say(Dim, &ran.hook, format!("hook run ({})", ran.on)),
            (Some(why), false) => say(Care, &ran.hook, format!("hook failed ({}): {why}", ran.on)),
            (Some(why), true) => say(Bad, &ran.hook, format!("hook refused ({}): {why}", ran.on)),
        },
        Event::Signal { severity, text } => {
            let style = if *severity == Severity::Info {
                Dim
            } else {
                Care
            };
            say(style, "skep", text.clone())
        }
        Event::PolicyChanged { asked, .. } => say(Plain, "config", changed(asked)),
        Event::ScaleSet { mode } => say(Plain, "workers", format!("are now {mode}")),
        Event::SwarmPaused {} => say(Care, "swarm", "paused"),
        Event::SwarmResumed {} => say(Plain, "swarm", "resumed"),
        Event::SwarmDraining {} => say(
            Care,
            "swarm",
            "claims nothing more; attempts end by themselves",
        ),
        Event::SwarmHalted { reason, .. } => say(Bad, "swarm", format!("halted: {reason}")),
        Event::AlertRaised { alert, .. } if is_news(alert.of.rule()) => {
            say(Care, "alert", alert.text.clone())
        }
        Event::AlertResolved { of } if is_news(of.rule()) => {
            say(Plain, "alert", format!("{of} is over"))
        }
        // The event that it follows from is told already.
        Event::AlertRaised { .. } | Event::AlertReminded { .. } | Event::AlertResolved { .. } => {
            Vec::new()
        }
        Event::AlertsSilenced { rule, .. } => {
            say(Plain, "alert", format!("the silence of {rule} is set"))
        }
        Event::AlertTested { .. } => say(Dim, "alert", "a test is sent"),
        Event::AlertSent { route, letters } => {
            let what = count(letters.len(), "alert");
            say(Dim, "alert", format!("{what} sent by {route}"))
        }
        Event::AlertDelayed { route, reason, .. } => {
            say(Dim, "alert", format!("not sent by {route} yet: {reason}"))
        }
        Event::AlertUndelivered { route, reason, .. } => {
            say(Bad, "alert", format!("not sent by {route}: {reason}"))
        }
        Event::KeeperRestarted {} => say(Care, "keeper", "takes the place of one that died"),
        // What the keeper waits for is said where it is waited for.
        Event::DiskSeen { .. } => Vec::new(),
        Event::Finished {} => say(Strong, "swarm", "nothing is left to do"),
        _ => Vec::new(),
    }
}

/// The first line of what an agent says: a line of the log is one line.
fn first_line(text: &str) -> &str {
    text.trim().lines().next().unwrap_or_default()
}

fn after(next: Next, now: Time) -> String {
    match next {
        Next::RetryFailed => "tried again, with the failure shown to the agent".into(),
        Next::RetryCrashed(Some(at)) => {
            format!("tried again in {}", super::length(at.since(now).0))
        }
        Next::RetryCrashed(None) => "tried again".into(),
        Next::Release => "back to the queue".into(),
        Next::Flag => "flagged: a person must look".into(),
        Next::DeadLetter => "moved to the dead-letter list".into(),
        Next::Quarantine => "quarantined: it ends the agents of whoever takes it".into(),
        Next::Cancel => "cancelled".into(),
        Next::Block => "blocked: `skep why` says on what".into(),
    }
}
