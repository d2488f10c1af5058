//! Judging an attempt: from its host's report to an outcome (W-10, W-14, X-1a).
//!
//! An agent's word counts for nothing here. Success needs a saved change (or an explicit no-op), and every
//! criterion met.

use crate::{
    attempt::{Cut, End, Outcome, Receipt, Report, Said, Saved, Step, StopWhy},
    spec::{Command, Criterion, TaskSpec},
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

/// What an attempt's end means.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Every claim holds.
    Success(Receipt),
    /// It did not succeed.
    Failure {
        /// How it ended.
        outcome: Outcome,
        /// In a sentence.
        reason: String,
        /// The output that shows it.
        output: String,
        /// The agent's program could not even be started.
        spawn_failed: bool,
    },
}

/// Judges `report` of an attempt of `task` that was being stopped for `stopping`, if it was.
#[must_use]
pub fn judge(task: &TaskSpec, report: &Report, stopping: Option<StopWhy>) -> Verdict {
    if let Some(failure) = cut_short(report, stopping) {
        return failure;
    }
    if let Some(setup) = &report.setup_failed {
        let reason = format!("setup command `{}` {}", setup.name, setup.end);
        return failure(Outcome::Crashed, reason, &setup.tail);
    }
    let Some(agent) = &report.agent else {
        return failure(Outcome::Crashed, "the agent was never started".into(), "");
    };
    let began = !matches!(agent.end, End::NotStarted(_));
    match &report.said {
        // Only a claim, but one that the exit code says nothing about: CLIs exit with 1 after all was done.
        Some(Said::Done { .. }) => return verify(task, report),
        // And with 0 after every request was refused.
        Some(Said::Failed { outcome, text, .. }) if began => {
            return failure(*outcome, text.clone(), &agent.tail);
        }
        Some(Said::Failed { .. }) | None => {}
    }
    match &agent.end {
        End::Exited(0) => {}
        End::Exited(_) if report.rate_limited => {
            return failure(
                Outcome::RateLimited,
                "the provider refused for now".into(),
                &agent.tail,
            );
        }
        End::Exited(code) => {
            return failure(
                Outcome::Failed,
                format!("the agent exited with {code}"),
                &agent.tail,
            );
        }
        End::Signalled(signal) => {
            let reason = format!("the agent was killed by signal {signal}");
            return failure(Outcome::Crashed, reason, &agent.tail);
        }
        End::TimedOut => {
            let reason = format!("the agent was ended at its hard stop, after {}", agent.took);
            return failure(Outcome::TimedOut, reason, &agent.tail);
        }
        End::Stopped => {
            return failure(
                Outcome::Crashed,
                "the agent was stopped from outside".into(),
                &agent.tail,
            );
        }
        End::NotStarted(why) => {
            // A program that the task itself names is the task's fault; any other would be missing for every task.
            let own = matches!(task.command, Some(Command::Words(_)));
            return Verdict::Failure {
                outcome: if own {
                    Outcome::Failed
                } else {
                    Outcome::Crashed
                },
                reason: format!("the agent could not be started: {why}"),
                output: String::new(),
                spawn_failed: !own,
            };
        }
    }
    verify(task, report)
}

fn cut_short(report: &Report, stopping: Option<StopWhy>) -> Option<Verdict> {
    // A run that was done before the stop reached it stands as it is, unless the task is not wanted.
    match (report.cut, stopping) {
        (_, Some(StopWhy::TaskCancelled)) => Some(failure(
            Outcome::Cancelled,
            "the task was cancelled".into(),
            "",
        )),
        // What an agent that could not go on left is no result, however well it passes.
        (_, Some(StopWhy::Blocked)) => Some(failure(
            Outcome::Cancelled,
            "its agent cannot go on".into(),
            report.agent.as_ref().map_or("", |a| a.tail.as_str()),
        )),
        (Some(Cut::Ceiling), _) | (Some(_), Some(StopWhy::Overtime)) => {
            let tail = report.agent.as_ref().map_or("", |a| a.tail.as_str());
            let reason = format!("the attempt reached its ceiling after {}", report.took);
            Some(failure(Outcome::TimedOut, reason, tail))
        }
        (Some(Cut::Stopped), Some(StopWhy::Interrupted)) => Some(failure(
            Outcome::Cancelled,
            "the keeper was told to end at once".into(),
            "",
        )),
        (Some(Cut::Stopped), Some(StopWhy::WorkerGone)) => Some(failure(
            Outcome::Cancelled,
            "its worker was removed or restarted".into(),
            "",
        )),
        (Some(Cut::Stopped), Some(StopWhy::NoHeartbeat)) => Some(failure(
            Outcome::Crashed,
            "its host was not heard of".into(),
            "",
        )),
        (Some(Cut::Stopped), Some(StopWhy::Stale)) => Some(failure(
            Outcome::Stale,
            "it made no progress and was ended".into(),
            report.agent.as_ref().map_or("", |a| a.tail.as_str()),
        )),
        (Some(Cut::Stopped), Some(StopWhy::OverBudget)) => Some(failure(
            Outcome::OverBudget,
            "ended for its cost".into(),
            report.agent.as_ref().map_or("", |a| a.tail.as_str()),
        )),
        (Some(Cut::Stopped), _) => Some(failure(
            Outcome::Crashed,
            "the attempt was stopped from outside".into(),
            "",
        )),
        (None, _) => None,
    }
}

/// The agent said that it is done: is it?
fn verify(task: &TaskSpec, report: &Report) -> Verdict {
    let (files, file_count) = match &report.saved {
        Saved::Failed(why) => {
            return failure(
                Outcome::Crashed,
                format!("its work could not be saved: {why}"),
                "",
            );
        }
        Saved::Nothing => (Vec::new(), 0),
        Saved::Commit(work) => (work.files.clone(), work.file_count),
    };
    if let Some(failed) = report.checks.iter().find(|c| c.end != End::Exited(0)) {
        let reason = format!("`{}` {}", failed.name, failed.end);
        return failure(Outcome::Failed, reason, &failed.tail);
    }
    let wanted = task
        .success
        .iter()
        .filter(|c| matches!(c, Criterion::Run(_)))
        .count();
    if report.checks.len() < wanted {
        let reason = format!("only {} of {wanted} checks were run", report.checks.len());
        return failure(Outcome::Crashed, reason, "");
    }
    for criterion in &task.success {
        match criterion {
            Criterion::Changed(glob) if !files.iter().any(|f| glob.matches(f)) => {
                return failure(
                    Outcome::Failed,
                    format!("no file that matches {glob} has changed"),
                    "",
                );
            }
            Criterion::Exists(path) if !report.exists.contains(path) => {
                return failure(Outcome::Failed, format!("{path} does not exist"), "");
            }
            _ => {}
        }
    }
    let no_op = (file_count == 0).then(|| report.no_op.clone().filter(|_| task.allow_no_op));
    if let Some(None) = no_op
        && !task.allow_no_op
    {
        let mut reason = String::from(
            "the agent says that it is done, but nothing has changed (a task that may end without a change \
             says `allow_no_op = true`)",
        );
        if let Some(first) = report.ignored.first() {
            let more = match report.ignored.len() {
                1 => "",
                _ => " and more",
            };
            reason = format!(
                "the agent says that it is done, but git ignores what it made ({first}{more}), so there is nothing \
                 to merge: a rule in `.gitignore` or `.git/info/exclude` covers it"
            );
        }
        if let Some(first) = report.outside.first() {
            reason = format!(
                "nothing that matches `files` has changed, but {first} has ({} in all), which does not count: \
                 with `worktree = false` a task's work is what its `files` name",
                report.outside.len()
            );
        }
        return failure(
            Outcome::Failed,
            reason,
            report.agent.as_ref().map_or("", |a| &a.tail),
        );
    }
    let no_op = no_op.map(|said| said.unwrap_or_else(|| "allowed by the plan".into()));
    Verdict::Success(receipt(task, report, files, file_count, no_op))
}

fn receipt(
    task: &TaskSpec,
    report: &Report,
    files: Vec<String>,
    file_count: usize,
    no_op: Option<String>,
) -> Receipt {
    let outside = |f: &&String| !task.files.is_empty() && !task.files.iter().any(|g| g.matches(f));
    let merged = files.iter().filter(outside);
    Receipt {
        outside_files: merged.chain(&report.outside).cloned().collect(),
        checks: report
            .checks
            .iter()
            .map(|c| Step {
                tail: String::new(),
                ..c.clone()
            })
            .collect(),
        changed_by_checks: report.changed_by_checks.clone(),
        survivors: report.survivors,
        usage: report.usage,
        took: report.took,
        not_checked: not_checked(task, &files, file_count),
        files,
        file_count,
        no_op,
    }
}

/// What a reader of the receipt must know was left to trust.
fn not_checked(task: &TaskSpec, files: &[String], file_count: usize) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    for criterion in &task.success {
        if let Criterion::Says(text) = criterion {
            open.push(text.clone());
        }
    }
    if !task.success.iter().any(|c| matches!(c, Criterion::Run(_))) {
        open.push("no command of the task's own checks the result".to_string());
    }
    if files.len() < file_count && !task.files.is_empty() {
        open.push(format!(
            "{} further files against `files`",
            file_count - files.len()
        ));
    }
    open
}

fn failure(outcome: Outcome, reason: String, output: &str) -> Verdict {
    Verdict::Failure {
        outcome,
        reason,
        output: output.into(),
        spawn_failed: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        attempt::{SavedWork, Usage},
        spec::Glob,
        time::Millis,
    };

    fn step(name: &str, end: End) -> Step {
        Step {
            name: name.into(),
            end,
            took: Millis(5),
            tail: "the end of it".into(),
        }
    }

    fn task(success: Vec<Criterion>) -> TaskSpec {
        TaskSpec {
            success,
            ..crate::testing::task("t")
        }
    }

    fn done(files: &[&str]) -> Report {
        let files: Vec<String> = files.iter().map(ToString::to_string).collect();
        let work = SavedWork {
            commit: crate::testing::oid(7),
            file_count: files.len(),
            files: files.clone(),
        };
        Report {
            agent: Some(step("agent", End::Exited(0))),
            setup_failed: None,
            checks: Vec::new(),
            saved: if files.is_empty() {
                Saved::Nothing
            } else {
                Saved::Commit(work)
            },
            exists: Vec::new(),
            changed_by_checks: Vec::new(),
            outside: Vec::new(),
            ignored: Vec::new(),
            survivors: 0,
            cut: None,
            no_op: None,
            rate_limited: false,
            said: None,
            usage: Usage::default(),
            took: Millis(9),
        }
    }

    #[track_caller]
    fn fails(task: &TaskSpec, report: &Report, expected: Outcome, part: &str) {
        match judge(task, report, None) {
            Verdict::Failure {
                outcome, reason, ..
            } => {
                assert_eq!(outcome, expected, "{reason}");
                assert!(reason.contains(part), "{reason}");
            }
            Verdict::Success(receipt) => panic!("accepted: {receipt:?}"),
        }
    }

    // proves: W-10, W-14
    #[test]
    fn success_claimed_over_an_empty_diff_is_a_failure() {
        fails(
            &task(Vec::new()),
            &done(&[]),
            Outcome::Failed,
            "nothing has changed",
        );
        let said = Report {
            no_op: Some("already so".into()),
            ..done(&[])
        };
        fails(
            &task(Vec::new()),
            &said,
            Outcome::Failed,
            "nothing has changed",
        );
        let allowed = TaskSpec {
            allow_no_op: true,
            ..task(Vec::new())
        };
        let Verdict::Success(receipt) = judge(&allowed, &said, None) else {
            panic!()
        };
        assert_eq!(receipt.no_op.as_deref(), Some("already so"));
    }

    // proves: X-1a
    #[test]
    fn what_the_protocol_said_goes_before_the_exit_code() {
        let ended = |code, said| Report {
            agent: Some(step("claude", End::Exited(code))),
            said: Some(said),
            ..done(&["a"])
        };
        let claims = || Said::Done { text: "ok".into() };
        let spec = task(Vec::new());
        assert!(matches!(
            judge(&spec, &ended(1, claims()), None),
            Verdict::Success(_)
        ));
        let nothing = Report {
            saved: Saved::Nothing,
            ..ended(0, claims())
        };
        fails(&spec, &nothing, Outcome::Failed, "nothing has changed");
        for outcome in [Outcome::Failed, Outcome::RateLimited, Outcome::Stale] {
            let said = Said::Failed {
                outcome,
                fault: None,
                until: None,
                text: "refused (429)".into(),
            };
            fails(&spec, &ended(0, said), outcome, "refused (429)");
        }
        let missing = Report {
            agent: Some(step("claude", End::NotStarted("not found".into()))),
            ..ended(
                0,
                Said::Failed {
                    outcome: Outcome::Crashed,
                    fault: None,
                    until: None,
                    text: "it".into(),
                },
            )
        };
        let verdict = judge(&spec, &missing, None);
        let spawn = matches!(
            verdict,
            Verdict::Failure {
                spawn_failed: true,
                ..
            }
        );
        assert!(spawn, "a program that is missing is missing for every task");
    }

    // proves: W-10
    #[test]
    fn every_criterion_must_hold() {
        let run = task([Criterion::Run(Command::Line("make test".into()))].into());
        let red = Report {
            checks: [step("make test", End::Exited(2))].into(),
            ..done(&["a"])
        };
        fails(&run, &red, Outcome::Failed, "`make test` exited with 2");
        fails(&run, &done(&["a"]), Outcome::Crashed, "only 0 of 1 checks");
        let changed = task([Criterion::Changed(Glob::new("db/**").unwrap())].into());
        fails(&changed, &done(&["src/a"]), Outcome::Failed, "db/**");
        let exists = task([Criterion::Exists("db/schema.sql".into())].into());
        fails(
            &exists,
            &done(&["a"]),
            Outcome::Failed,
            "db/schema.sql does not exist",
        );
    }

    // proves: W-14
    #[test]
    fn the_receipt_says_what_was_touched_outside_and_what_nobody_checked() {
        let spec = TaskSpec {
            files: [Glob::new("db/**").unwrap()].into(),
            ..task([Criterion::Says("The migration is reversible.".into())].into())
        };
        let Verdict::Success(receipt) = judge(&spec, &done(&["db/a", "src/b"]), None) else {
            panic!()
        };
        assert_eq!(receipt.outside_files, ["src/b"]);
        assert_eq!(receipt.not_checked[0], "The migration is reversible.");
        assert_eq!(receipt.usage.usd, None, "unknown stays unknown");
    }

    #[test]
    fn deaths_are_not_failures_of_the_task() {
        let end = |end| Report {
            agent: Some(step("a", end)),
            ..done(&["a"])
        };
        fails(
            &task(Vec::new()),
            &end(End::Exited(1)),
            Outcome::Failed,
            "exited with 1",
        );
        fails(
            &task(Vec::new()),
            &end(End::Signalled(9)),
            Outcome::Crashed,
            "signal 9",
        );
        fails(
            &task(Vec::new()),
            &end(End::TimedOut),
            Outcome::TimedOut,
            "hard stop",
        );
        let unsaved = Report {
            saved: Saved::Failed("disk full".into()),
            ..done(&["a"])
        };
        fails(&task(Vec::new()), &unsaved, Outcome::Crashed, "disk full");
    }

    #[test]
    fn a_result_that_came_before_the_stop_counts_unless_the_task_is_not_wanted() {
        let spec = task(Vec::new());
        let report = done(&["a"]);
        assert!(matches!(
            judge(&spec, &report, Some(StopWhy::Interrupted)),
            Verdict::Success(_)
        ));
        assert!(matches!(
            judge(&spec, &report, Some(StopWhy::TaskCancelled)),
            Verdict::Failure {
                outcome: Outcome::Cancelled,
                ..
            }
        ));
    }
}
