//! From what a shim wrote to what the core judges.

use crate::run::files::{Cut as RunCut, RunReport, StepEnd, StepKind, StepReport};
use skep_agents::{AgentEnd, RESULT_MAX, result_file};
use skep_core::{
    attempt::{Cut, Outcome, Report, Said, Saved, SavedWork, Step, Usage},
    time::{Millis, Time},
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
        said: agent.and_then(said),
        usage: agent
            .and_then(|step| step.heard.as_ref())
            .map_or_else(Usage::default, |heard| heard.usage()),
        took: Millis(report.ended.saturating_sub(report.started)),
    }
}

/// What the agent's protocol said of its end (X-1a).
fn said(step: &StepReport) -> Option<Said> {
    Some(match step.verdict()? {
        AgentEnd::Claims { said } => Said::Done { text: said },
        AgentEnd::Ended {
            outcome,
            kind,
            reason,
            ..
        } => Said::Failed {
            outcome,
            fault: kind,
            // As a moment, which was fixed when it was read.
            until: (outcome == Outcome::RateLimited)
                .then(|| step.heard.as_ref()?.limited_until.map(Time))
                .flatten(),
            text: reason,
        },
    })
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
        end: step.end.clone().into(),
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
