//! From what a shim wrote to what the core judges.

use crate::run::files::{Cut as RunCut, RunReport, StepEnd, StepKind, StepReport};
use skep_agents::{RESULT_MAX, result_file};
use skep_core::{
    attempt::{Cut, End, Report, Saved, SavedWork, Step, Usage},
    time::Millis,
};
use std::{fs::File, io::Read, path::Path};

/// The core's view of `report`. `rate_limited` are the agent's exit codes for "rate limited"; `result` is
/// where the agent may have left a result file.
pub(super) fn convert(report: &RunReport, rate_limited: &[i32], result: &Path) -> Report {
    let step = |kind| report.steps.iter().find(move |s| s.kind == kind);
    let agent = step(StepKind::Agent);
    let limited =
        matches!(agent.map(|a| &a.end), Some(StepEnd::Exited(code)) if rate_limited.contains(code));
    let failed_setup = report
        .steps
        .iter()
        .find(|s| s.kind == StepKind::Setup && s.end != StepEnd::Exited(0));
    Report {
        agent: agent.map(convert_step),
        setup_failed: failed_setup.map(convert_step),
        checks: report
            .steps
            .iter()
            .filter(|s| s.kind == StepKind::Check)
            .map(convert_step)
            .collect(),
        saved: match &report.snapshot {
            None => Saved::Nothing,
            Some(Err(why)) => Saved::Failed(why.clone()),
            Some(Ok(snapshot)) => saved(snapshot),
        },
        exists: report.exists.clone(),
        changed_by_checks: report.changed_by_checks.clone(),
        outside: match &report.snapshot {
            Some(Ok(snapshot)) => snapshot.outside.clone(),
            _ => Vec::new(),
        },
        ignored: report.ignored.clone(),
        survivors: report.survivors,
        cut: report.cut.map(|cut| match cut {
            RunCut::Stopped => Cut::Stopped,
            RunCut::Ceiling => Cut::Ceiling,
        }),
        no_op: read_result(result),
        rate_limited: limited,
        said: None,
        usage: Usage::default(),
        took: Millis(report.ended.saturating_sub(report.started)),
    }
}

/// What a snapshot amounts to.
pub(super) fn saved(snapshot: &crate::git::snapshot::Snapshot) -> Saved {
    if snapshot.file_count == 0 {
        return Saved::Nothing;
    }
    Saved::Commit(SavedWork {
        commit: snapshot.commit.clone(),
        files: snapshot.files.clone(),
        file_count: snapshot.file_count,
    })
}

fn convert_step(step: &StepReport) -> Step {
    Step {
        name: step.name.clone(),
        end: match &step.end {
            StepEnd::Exited(code) => End::Exited(*code),
            StepEnd::Signalled(signal) => End::Signalled(*signal),
            StepEnd::TimedOut => End::TimedOut,
            StepEnd::Stopped => End::Stopped,
            StepEnd::NotStarted(why) => End::NotStarted(why.clone()),
        },
        took: Millis(step.ms),
        tail: step.tail.clone(),
    }
}

fn read_result(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path)
        .ok()?
        .take(RESULT_MAX)
        .read_to_end(&mut bytes)
        .ok()?;
    result_file(&bytes)
}
