//! Golden scripts: `tests/scripts/*.txt` tell a swarm's story in plain words. Lines that begin with `>` are
//! what happens to it; the lines below are what Skep decides. `SKEP_BLESS=1 cargo test` writes them anew.

use crate::swarm::{Swarm, costing, report};
use crate::words::{a_plan, check_line, id, load, oid, one_task, priced, usd};
use skep_core::{
    attempt::{End, Report, Saved, SavedWork},
    event::{Event, Next, WorkerNext},
    id::Attempt,
    plan::Action,
    request::{Command, Observation},
    scale::Mode,
    spec::{Landing, Workers},
};
use std::{fmt::Write, fs, path::Path};

#[test]
fn every_story_goes_as_it_is_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let bless = std::env::var_os("SKEP_BLESS").is_some();
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 7, "{} scripts", files.len());
    for file in files {
        let wanted = fs::read_to_string(&file).unwrap();
        let told = tell(&wanted);
        if bless {
            fs::write(&file, told).unwrap();
        } else {
            assert_eq!(
                told,
                wanted,
                "\n{} (SKEP_BLESS=1 rewrites it)",
                file.display()
            );
        }
    }
}

/// The script with what is decided written below each step.
fn tell(script: &str) -> String {
    let mut told = String::new();
    let mut swarm = Swarm::new();
    for line in script.lines() {
        if let Some(step) = line.strip_prefix("> ") {
            let _ = writeln!(told, "> {step}");
            if let Err(no) = take(&mut swarm, step) {
                let _ = writeln!(told, "  refused: {no}");
            }
            for event in swarm.news() {
                let _ = writeln!(told, "  {}", words(&event));
            }
            if let Some(name) = step.strip_prefix("why ") {
                let _ = writeln!(told, "  {}", swarm.why_of(name));
            }
            if step == "status" {
                let _ = write!(told, "{}", status(&swarm));
            }
        } else if line.starts_with('#') || line.is_empty() {
            let _ = writeln!(told, "{line}");
        }
    }
    told
}

/// Lets one step happen.
fn take(t: &mut Swarm, step: &str) -> Result<(), String> {
    let words: Vec<&str> = step.split_whitespace().collect();
    if happens(t, &words) {
        return Ok(());
    }
    let answer = match asked(t, &words) {
        Some(command) => t.ask(command),
        None => t.see(seen(t, &words)),
    };
    answer.map(drop).map_err(|no| no.to_string())
}

/// What agents, git and time do.
fn happens(t: &mut Swarm, words: &[&str]) -> bool {
    match words {
        ["status"] | ["why", _] => {}
        ["worktrees", "are", "removed"] => t.remove(),
        ["memory", "for", n, ..] => {
            let each = t.state().policy().scaling.memory_per_worker;
            let available = n.parse::<u64>().unwrap() * each;
            let _ = t.see(Observation::Memory { available });
        }
        ["worktrees", ..] => t.prepare(),
        [task, "has", "used", dollars] => t.uses(task, dollars.parse().unwrap()),
        [task, "succeeds", "for", dollars] => {
            t.succeed_for(task, costing(dollars.parse().unwrap()));
        }
        [task, "succeeds"] => drop(t.succeed(task)),
        [task, "fails"] => t.fail(task),
        [task, "crashes"] => t.crash(task),
        [task, "cannot", "be", "started"] => t.not_startable(task),
        [task, "stops"] => t.heed_stop(task),
        ["the", "merge", "is", "built"] => t.build(),
        ["the", "merge", "is", "built", "but", clash, "conflicts"] => t.build_but(&[clash]),
        ["the", "check", how] => {
            t.check(*how == "passes");
        }
        ["the", "branch", "moves"] => t.land(),
        ["whatever", worker, "runs", "dies"] => {
            let worker = worker.parse().unwrap();
            let live = t.state().live().find(|l| l.worker == worker);
            let task = live.unwrap().task.to_string();
            t.lose(&task);
        }
        ["the", "shim", "of", task, "dies"] => t.lose(task),
        [task, "runs"] => t.start(task),
        [task, "is", "seen", "to", signs @ ..] => t.measure(task, signs),
        [task, signs @ .., "for", length] => t.live(task, signs, length.parse().unwrap()),
        ["wait", length] => {
            t.pass(length.parse().unwrap());
            t.prepare();
        }
        _ => return false,
    }
    true
}

/// What people ask for.
fn asked(t: &Swarm, words: &[&str]) -> Option<Command> {
    Some(match words {
        ["plan", rest @ ..] => {
            let (tasks, with) = rest.split_at(rest.iter().position(|w| *w == "with").unwrap());
            let mut plan = a_plan(&tasks.join(" "));
            plan.swarm.workers = workers(with[1]);
            if with.contains(&"check") {
                plan.swarm.check = check_line();
            }
            if with.contains(&"main") {
                plan.swarm.landing = Landing::Main;
            }
            if let Some(at) = with.iter().position(|w| *w == "budget") {
                let cap = usd(with[at + 1].parse().unwrap());
                priced(&mut plan, |budget| match with.get(at + 2) {
                    Some(&"daily") => budget.day.usd = Some(cap),
                    _ => budget.swarm.usd = Some(cap),
                });
            }
            load(plan, "d1")
        }
        ["cap", dollars] => {
            let (was, mut policy) = (t.state().policy(), t.state().policy());
            policy.budget.swarm.usd = Some(usd(dollars.parse().unwrap()));
            Command::SetPolicy {
                asked: format!("budget.usd = {dollars}"),
                was: was.into(),
                policy: policy.into(),
            }
        }
        ["cancel", task] => Command::CancelTask { task: id(task) },
        ["skip", task] => Command::SkipTask { task: id(task) },
        ["retry", task] => Command::RetryTask { task: id(task) },
        ["boost", task] => Command::BoostTask {
            task: id(task),
            priority: None,
        },
        ["add", spec] => Command::AddTask {
            spec: one_task(spec).into(),
        },
        ["restart", worker] => Command::RestartWorker {
            worker: worker.parse().unwrap(),
        },
        ["scale", to] => Command::Scale {
            mode: Mode::of(&workers(to)),
        },
        ["pause", worker] => Command::PauseWorker {
            worker: worker.parse().unwrap(),
        },
        ["assign", task, worker] => Command::AssignTask {
            task: id(task),
            worker: Some(worker.parse().unwrap()),
        },
        ["pause"] => Command::Pause,
        ["resume"] => Command::Resume,
        ["stop", "all"] => Command::StopAll,
        _ => return None,
    })
}

/// `3`, `1..3` or `auto`.
fn workers(text: &str) -> Workers {
    let number = |text: &str| text.parse().unwrap();
    match text.split_once("..") {
        Some((min, max)) => Workers::Between {
            min: number(min),
            max: number(max),
        },
        None if text == "auto" => Workers::Auto,
        None => Workers::Count(number(text)),
    }
}

/// What hosts see that may be refused.
fn seen(t: &Swarm, words: &[&str]) -> Observation {
    match words {
        ["a", "late", "success", "of", "attempt", n] => {
            let files = vec!["src/a.rs".into()];
            let work = SavedWork {
                commit: oid(40),
                file_count: 1,
                files,
            };
            let good = Report {
                saved: Saved::Commit(work),
                ..report(End::Exited(0))
            };
            let attempt = Attempt(n.parse().unwrap());
            Observation::Ended {
                attempt,
                report: good.into(),
                untouched: false,
            }
        }
        ["main", "moves"] => Observation::TargetLanded {
            tip: t.state().swarm().unwrap().tip.clone(),
        },
        _ => panic!("nobody knows the step {words:?}"),
    }
}

fn status(t: &Swarm) -> String {
    let mut text = format!("  the swarm is {}\n", t.state().swarm_state());
    for task in t.state().tasks() {
        let _ = writeln!(
            text,
            "  {} is {}: {}",
            task.id(),
            task.state,
            t.why(task.id().as_str())
        );
    }
    for action in t.actions() {
        let _ = writeln!(text, "  to do: {}", deed(&action));
    }
    text
}

fn deed(action: &Action) -> String {
    match action {
        Action::Start { attempt } => format!("start attempt {attempt}"),
        Action::Stop { attempt, .. } => format!("stop attempt {attempt}"),
        Action::Prepare { worker, .. } => format!("make the worktree of {worker} ready"),
        Action::Remove { worker } => format!("remove the worktree of {worker}"),
        Action::Build { wave, .. } => format!("build the merge of wave {wave}"),
        Action::Check { prefix, .. } => format!("check the merge after {prefix} tasks"),
        Action::Land { wave, .. } => format!("move the branch to wave {wave}'s merge"),
        Action::LandTarget { .. } => "move main".into(),
        Action::Forecast { .. } => "look whether work in flight merges".into(),
        Action::Hook { owed } => format!("run the hook {}", owed.id()),
        Action::Tell { attempt, rung } => format!("tell attempt {attempt}: {rung}"),
        Action::Answer { attempt, number } => format!("give attempt {attempt} answer {number}"),
    }
}

fn words(event: &Event) -> String {
    let list = |ids: &[skep_core::id::TaskId]| {
        ids.iter()
            .map(|i| i.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    match event {
        Event::PlanLoaded { plan, .. } => format!("a plan of {} tasks begins", plan.tasks.len()),
        Event::TaskAdded { spec, .. } => format!("task {} is added: {}", spec.id, spec.mission),
        Event::TaskEdited { spec } => format!("task {} is changed", spec.id),
        Event::TasksReady { tasks } => format!("ready: {}", list(tasks)),
        Event::TaskSkipped { task } => format!("{task} is skipped"),
        Event::TaskCancelled { task } => format!("{task} is cancelled"),
        Event::TaskRequeued { task } => format!("{task} begins anew"),
        Event::TaskBoosted { task, priority } => format!("{task} now has priority {priority:?}"),
        Event::TaskAssigned { task, worker } => format!("{task} is for {worker:?}"),
        Event::Claimed {
            attempt,
            task,
            worker,
            ..
        } => {
            format!("{worker} takes {task} (attempt {attempt})")
        }
        Event::AttemptStarted { attempt } => format!("attempt {attempt} runs"),
        Event::AgentEnded { attempt } => format!("the agent of attempt {attempt} is done"),
        Event::LeaseMoved { attempt, give_up } => {
            format!("attempt {attempt} is given up at {}", give_up.0)
        }
        Event::HealthChanged { attempt, health } => {
            let reasons: Vec<String> = health.reasons.iter().map(ToString::to_string).collect();
            let why = if reasons.is_empty() {
                String::new()
            } else {
                format!(": {}", reasons.join("; "))
            };
            format!(
                "health of attempt {attempt} is {}, {}{why}",
                health.score, health.rung
            )
        }
        Event::Told {
            attempt,
            rung,
            delivered,
        } => {
            let how = if *delivered {
                "is told"
            } else {
                "cannot be told"
            };
            format!("the agent of attempt {attempt} {how}: {rung}")
        }
        Event::Checkpointed {
            attempt,
            text,
            percent,
            ..
        } => format!("attempt {attempt} says {text:?} ({percent:?} percent)"),
        Event::BlockReported { attempt, block, .. } => {
            format!("attempt {attempt} cannot go on: {}", block.reason)
        }
        Event::TaskUnblocked { task } => format!("{task} is blocked no more"),
        Event::MemoRecorded {
            attempt,
            key,
            value,
            ..
        } => format!("attempt {attempt} has found that {key} is {value}"),
        Event::Asked { attempt, question } => {
            format!(
                "attempt {attempt} asks ({}): {}",
                question.number, question.text
            )
        }
        Event::Answered {
            attempt,
            number,
            reply,
        } => format!("question {number} of attempt {attempt} is answered: {reply:?}"),
        Event::ContextRefreshDeferred { attempt, percent } => {
            format!("the context of attempt {attempt} is {percent} % full")
        }
        Event::AskClosed { attempt, number } => {
            format!("question {number} of attempt {attempt} waits no more")
        }
        Event::StopAsked {
            attempt, at_once, ..
        } => {
            format!(
                "attempt {attempt} is to stop{}",
                if *at_once { " at once" } else { "" }
            )
        }
        Event::AttemptAccepted { task, accepted, .. } => {
            format!("{task} is accepted (attempt {})", accepted.attempt)
        }
        Event::AttemptEnded {
            task,
            worker,
            failure,
            next,
            worker_next,
            ..
        } => {
            let next = match next {
                Next::RetryFailed => "is tried again",
                Next::RetryCrashed(None) => "is tried again, as after a crash",
                Next::RetryCrashed(Some(_)) => "is tried again later",
                Next::Release => "goes back to the queue",
                Next::Flag => "needs a person",
                Next::DeadLetter => "goes to the dead-letter list",
                Next::Quarantine => "is quarantined",
                Next::Cancel => "is cancelled",
                Next::Block => "is blocked",
            };
            let rest = match worker_next {
                WorkerNext::GoOn => String::new(),
                WorkerNext::BackOff(_) => format!("; {worker} backs off"),
            };
            let (what, why) = (failure.outcome, &failure.reason);
            format!(
                "attempt {} {what}: {why}; {task} {next}{rest}",
                failure.attempt
            )
        }
        Event::AttemptFenced { attempt, .. } => {
            format!("the late result of attempt {attempt} changes nothing; its work is kept")
        }
        Event::WorkerAdded { worker, why, .. } => {
            let why = why.as_ref().map(|why| format!(": {why}"));
            format!("{worker} joins{}", why.unwrap_or_default())
        }
        Event::WorkerReady { worker, .. } => format!("{worker} is ready"),
        Event::WorkerFailed { worker, reason, .. } => format!("{worker} is not ready: {reason}"),
        Event::WorkerRestored { worker } => format!("{worker} has waited long enough"),
        Event::WorkerModelSet { worker, model } => {
            format!(
                "{worker} uses {} from now on",
                model.as_deref().unwrap_or("any model")
            )
        }
        Event::WorkerPaused { worker } => format!("{worker} is paused"),
        Event::WorkerResumed { worker } => format!("{worker} goes on"),
        Event::WorkerLeaving { worker, why } => {
            let why = why.as_ref().map(|why| format!(": {why}"));
            format!("{worker} is leaving{}", why.unwrap_or_default())
        }
        Event::ScaleSet { mode } => format!("the number of workers is {mode}"),
        Event::MemorySeen { room } => format!("there is memory for {room} more workers"),
        Event::WorkerRetired {
            worker, successor, ..
        } => format!("{worker} is replaced by {successor}"),
        Event::WorkerGone { worker } => format!("{worker} is gone"),
        Event::MergeStarted { wave, queue, .. } => {
            let ids: Vec<_> = queue.iter().map(|q| q.task.clone()).collect();
            format!("wave {wave} is to be merged: {}", list(&ids))
        }
        Event::MergeBuilt {
            chain, conflicts, ..
        } => {
            let mut text = format!("{} tasks merge", chain.len());
            for conflict in conflicts {
                let _ = write!(
                    text,
                    "; {} conflicts for {}",
                    conflict.file,
                    list(&conflict.tasks)
                );
            }
            text
        }
        Event::MergeChecked { prefix, passed, .. } => {
            format!(
                "after {prefix} tasks the check {}",
                if *passed { "passes" } else { "fails" }
            )
        }
        Event::LeftOut {
            task,
            fixed_by,
            reason,
        } => match fixed_by {
            Some(fix) => format!("{task} is left out ({reason}); {fix} is to bring it in"),
            None => format!("{task} is left out ({reason}); a person must look"),
        },
        Event::MergeRebuilt { round, .. } => format!("the merge is built again (round {round})"),
        Event::WaveLanded { wave, merged, .. } => {
            let ids: Vec<_> = merged.iter().map(|(id, _)| id.clone()).collect();
            format!("wave {wave} is merged: {}", list(&ids))
        }
        Event::TargetLanded { .. } => "main follows".into(),
        Event::TargetRefused { reason, .. } => format!("main cannot be moved: {reason}"),
        Event::WaitedTooLong { task, text, .. } => format!("{task} waits for too long: {text}"),
        Event::ProviderParked {
            provider, reason, ..
        } => format!("{provider} is parked: {reason}"),
        Event::ProviderResumed { provider, probe } => {
            format!("{provider} works again, says attempt {probe}")
        }
        Event::SloBreached { text, .. } => format!("falls short: {text}"),
        Event::Signal { text, .. } => format!("warning: {text}"),
        Event::HookRan { ran } => match &ran.failed {
            None => format!("the hook {} was run", ran.id),
            Some(why) => format!("the hook {} failed: {why}", ran.id),
        },
        Event::CollisionForeseen { collision } => collision.sentence(),
        Event::CollisionGone { why, .. } => format!("a collision is no more: {why:?}"),
        Event::PolicyChanged { .. } => "the policy is changed".into(),
        Event::SwarmPaused {} => "the swarm is paused".into(),
        Event::SwarmResumed {} => "the swarm goes on".into(),
        Event::SwarmDraining {} => "the swarm claims nothing more".into(),
        Event::SwarmHalted { reason, probe_at } => {
            let then = if probe_at.is_some() {
                "one attempt is tried later"
            } else {
                "a person must resume"
            };
            format!("the swarm is halted: {reason}; {then}")
        }
        Event::Metered {
            attempt,
            charge,
            reserved,
            ..
        } => {
            let cost = charge
                .usd
                .map_or_else(|| "unknown".into(), |c| c.to_string());
            format!(
                "attempt {attempt} has cost {cost}, {} is set aside",
                reserved.usd
            )
        }
        Event::BudgetLevel { text, .. } => format!("budget: {text}"),
        Event::AlertRaised { alert, .. } => format!("alert {}: {}", alert.of, alert.text),
        Event::AlertReminded { of } => format!("alert {of} is said again"),
        Event::AlertResolved { of } => format!("alert {of} is over"),
        Event::AlertsSilenced { rule, .. } => format!("alerts of {rule} are silenced"),
        Event::AlertTested { .. } => "alerts are tested".into(),
        Event::AlertSent { route, letters } => format!("{} sent by {route}", letters.len()),
        Event::AlertDelayed { route, reason, .. } => format!("{route} does not take it: {reason}"),
        Event::AlertUndelivered { route, reason, .. } => {
            format!("given up by {route}: {reason}")
        }
        Event::KeeperRestarted {} => "another keeper takes over".into(),
        Event::DiskSeen { lacking } => format!("the disk: {lacking:?}"),
        Event::Finished {} => "all that can be done is done".into(),
    }
}
